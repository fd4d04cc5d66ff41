"""Retrain the EEG emotion model from the config beside this file: `python src/train_emotion_model.py --help`."""

import sys
from pathlib import Path

from truetune.cli import main

if __name__ == "__main__":
    config = Path(__file__).with_name("config.py")
    main(["train", "--task", "eeg-emotion", "--config", str(config), *sys.argv[1:]])
