"""Images told apart by a narrow backbone in three stages: the commands of a whole path, killed in every epoch or not.

The task has options, its config is YAML, its recipe has callbacks. A callback of the task kills its own process with
SIGKILL, once in every epoch of every training, between the last batch and everything that is written afterwards.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

TASK = '''
import os
import signal
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import truetune


@dataclass(frozen=True)
class Options:
    images: Path = truetune.option(help="Images and labels, a .npz file.", must_exist=True)
    channels: int = truetune.option(2, help="Channels of each block.")


def make(options: Options) -> truetune.Task:
    with np.load(options.images) as file:
        data = truetune.Dataset(file["x"], file["y"])
    deaths = Path(os.environ["DEATHS"]) if "DEATHS" in os.environ else None

    def build(hp):
        import keras

        from truetune.training.checkpoints import times

        times.SECONDS_BETWEEN = 0  # a checkpoint after every epoch
        x = inputs = keras.Input((8, 8, 1))
        for number in (1, 2, 3):
            x = keras.layers.Conv2D(options.channels, 3, padding="same", name=f"block{number}_conv")(x)
            x = keras.layers.BatchNormalization(name=f"block{number}_bn")(x)
            x = keras.layers.ReLU(name=f"block{number}_act")(x)
        backbone = keras.Model(inputs, keras.layers.Flatten()(x), name="backbone")
        images = keras.Input((8, 8, 1))
        x = keras.layers.Dropout(0.2)(backbone(images))
        model = keras.Model(images, keras.layers.Dense(3, "softmax", name="head")(x))
        rate = hp.Float("learning_rate", 1e-3, 1e-1, sampling="log")
        hp.Int("batch_size", 8, 32)
        hp.Int("head_epochs", 1, 3)
        model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model

    def callbacks(hp):
        import keras

        class Die(keras.callbacks.Callback):
            def on_epoch_end(self, epoch, logs=None):
                if deaths is not None:
                    die_once(f"{hp.get('learning_rate')} {hp.get('batch_size')} {epoch}")

        return [
            keras.callbacks.ReduceLROnPlateau("val_loss", factor=0.5, patience=1, min_delta=0.05),
            keras.callbacks.EarlyStopping("val_loss", patience=2, restore_best_weights=True),
            Die(),
        ]

    def die_once(epoch):
        """Kill this process unless one has died there."""
        try:
            (deaths / f"{os.environ['STEP']} {epoch}").touch(exist_ok=False)
        except FileExistsError:
            return
        os.kill(os.getpid(), signal.SIGKILL)

    stages = [
        truetune.Stage("head", "head_epochs", truetune.freeze("backbone")),
        truetune.Stage("last block", 2, truetune.unfreeze("block3")),
        truetune.Stage("all", 2, truetune.unfreeze(learning_rate=0.003), patience=1),
    ]
    recipe = truetune.FitRecipe(callbacks, class_weight="balanced", stages=stages)
    return truetune.Task("faces", build, data, truetune.Objective("val_loss", "min"), epochs=5, fit=recipe)
'''

CONFIG = """\
# as in the paper
data: {batch_size: 16}
training:
  lr: 0.001   # of Adam
  head_epochs: 1
"""

MAP = ("--config", "conf.yaml", "--map", "learning_rate=training.lr")
TRUETUNE = (sys.executable, "-c", "from truetune.cli import main; main(prog_name='truetune')")


class StagedPath:
    """`tune`, `apply`, `train`, `verify` in a folder of their own.

    Args:
        folder: for everything.
        dies: whether a process dies in each epoch of each training, once for each command.
    """

    def __init__(self, folder: Path, dies: bool) -> None:
        self.folder, self.deaths = folder, folder / "deaths" if dies else None
        folder.mkdir()
        if self.deaths is not None:
            self.deaths.mkdir()
        rng = np.random.default_rng(3)
        y = np.arange(90) // 3 % 3
        X = rng.normal(size=(90, 8, 8, 1)).astype("float32")
        X[np.arange(90), y * 2, :, 0] += 2.0
        keep = np.r_[0:90][(y != 2) | (np.arange(90) % 2 == 0)]  # one class is rarer
        np.savez(folder / "images.npz", x=X[keep], y=y[keep])
        (folder / "faces.py").write_text(TASK)
        (folder / "conf.yaml").write_text(CONFIG)

    def command(self, *words: str) -> str:
        """What it printed; typed again as often as it was killed."""
        where = {} if self.deaths is None else {"DEATHS": str(self.deaths)}
        env = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **where, "STEP": words[0]}
        while True:
            command = [*TRUETUNE, *words]
            done = subprocess.run(
                command, cwd=self.folder, env=env, capture_output=True, text=True, timeout=600, check=False
            )
            if done.returncode != -9:
                assert done.returncode == 0, done.stdout + done.stderr
                return done.stdout

    def tune(self, *words: str) -> str:
        """The task's options, and a budget of a few trials."""
        task = ("--task", "faces.py:make", "--images", "images.npz", "--channels", "2")
        return self.command("tune", *task, *MAP, "--max-retries", "50", *words)

    def died(self, step: str) -> int:
        """How many processes died during a command."""
        assert self.deaths is not None
        return sum(path.name.startswith(step) for path in self.deaths.iterdir())
