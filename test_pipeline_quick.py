"""The whole path on a small problem, in a temporary folder: tune, export, apply, retrain, verify.

It starts from src/config.py with a learning rate that is far too low, so that there is something to find, and without
the LSTM, whose graph alone takes longer to build than these few rows to train.
Run it with: python test_pipeline_quick.py
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from rich.console import Console

import truetune
from truetune.report.terminal.screen import PlainLines
from truetune.tasks.eeg_emotion.features import extract
from truetune.tasks.eeg_emotion.synthetic import dummy_recordings
from truetune.tasks.eeg_emotion.task import task_for
from truetune.training.tensorflow_start import start_tensorflow

SOURCE = Path(__file__).parent / "src" / "config.py"
CHANGES = {
    r"LEARNING_RATE: float = \S+": "LEARNING_RATE: float = 0.00001",
    r"USE_LSTM: bool = \S+": "USE_LSTM: bool = False",
}


def starting_config() -> str:
    text = SOURCE.read_text()
    for pattern, value in CHANGES.items():
        text = re.sub(pattern, value, text)
    return text


def main() -> None:
    dataset = extract(dummy_recordings(subjects=30, trials_per_class=2))
    task = task_for(dataset, epochs=6)
    with tempfile.TemporaryDirectory() as folder:
        models, config = Path(folder) / "models", Path(folder) / "config.py"
        config.write_text(starting_config())
        print(f"Tuning on {len(dataset)} rows of made-up signals, starting from {', '.join(CHANGES.values())}")
        observer = PlainLines(Console(), task.objective, task.epochs)
        result = truetune.tune(task, "optuna", 3, seed=14, directory=models, config=config, observer=observer)
        best = result.export(models / "best_hyperparameters.json")

        patch = truetune.apply(best, config, task.mapping)
        print(patch.diff())
        patch.write()

        start_tensorflow()
        from truetune.verification.retrain import retrain_from_config
        from truetune.verification.verify import VerifyOptions, verify_from_config

        print(retrain_from_config(task, config, models))
        print(verify_from_config(task, config, models, VerifyOptions(announce=print)))


if __name__ == "__main__":
    main()
