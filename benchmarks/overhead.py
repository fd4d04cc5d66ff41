"""What truetune costs beside the training itself; every figure is a ratio or a time within one run of this script.

    python benchmarks/overhead.py              # all parts, less than 20 minutes on two cores
    python benchmarks/overhead.py start store  # some of them

Parts: `trials` (a) one worker against KerasTuner's own loop; `store` (b) the supervisor's time per trial; `start` (c)
start of the command line and of the import; `memory` (d) after 30 trials; `garbage` (e) a worker's trials with and
without looking for garbage in what TensorFlow has loaded. Several workers are in `scaling.py`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import psutil
from supervisor import draw, fill, measure

import truetune
from truetune.search.base import NoSuggestion, Searcher, SearchProblem
from truetune.space import Hyperparameter, Value
from truetune.study.events import Observer
from truetune.trial import Decision, Suggestion, Trial

TRIALS, EPOCHS = 8, 10
REPEATS = 1


class Replay(Searcher):
    """Proposes given values, so that two loops train the same models."""

    name = "replay"

    def __init__(self, problem: SearchProblem, values: list[dict[str, Value]]) -> None:
        self._values = values

    def ask(self, number: int, attempt: int = 0) -> Suggestion | NoSuggestion:
        return Suggestion(self._values[number]) if number < len(self._values) else NoSuggestion.EXHAUSTED

    def answer(self, number: int, key: str, hyperparameter: Hyperparameter) -> Value:
        return hyperparameter.default

    def retract(self, number: int) -> None: ...

    def accept(self, number: int, values: dict[str, Value]) -> None: ...

    def report(self, number: int, epoch: int, value: float) -> Decision:
        return Decision.GO_ON

    def tell(self, trial: Trial) -> None: ...

    def restore(self, trials: Any) -> None: ...


class Clock(Observer):
    """When the first trial began and the last one ended, and the time from the first one's end to that."""

    def __init__(self) -> None:
        self.first: float | None = None
        self.first_ended: float | None = None
        self.last = 0.0

    @property
    def seconds(self) -> float:
        assert self.first_ended is not None
        return self.last - self.first_ended

    def trial_started(self, trial: Trial, worker: int) -> None:
        self.first = self.first or time.perf_counter()

    def trial_ended(self, trial: Trial, worker: int) -> None:
        self.last = time.perf_counter()
        self.first_ended = self.first_ended or self.last


def eeg_task(epochs: int, subjects: int = 20, trials_per_class: int = 8) -> truetune.Task:
    """The EEG task on made-up signals, without early stopping."""
    from dataclasses import replace

    from truetune.tasks.eeg_emotion.features import extract
    from truetune.tasks.eeg_emotion.synthetic import dummy_recordings
    from truetune.tasks.eeg_emotion.task import task_for

    dataset = extract(dummy_recordings(subjects=subjects, trials_per_class=trials_per_class))
    return replace(task_for(dataset, epochs=epochs), patience=None)


def small_task(epochs: int = 1) -> truetune.Task:
    """A model that trains in a second."""
    generator = np.random.default_rng(0)
    X = generator.normal(size=(200, 8)).astype("float32")
    data = truetune.Dataset(X, (X[:, 0] > 0).astype(int))
    return truetune.Task("small", small_model, data, truetune.Objective("val_accuracy", "max"), epochs=epochs)


def small_model(hp: Any) -> Any:
    import keras

    model = keras.Sequential([keras.Input((8,))])
    for i in range(hp.Int("layers", 1, 3)):
        model.add(keras.layers.Dense(hp.Int(f"units_{i}", 8, 64), activation="relu"))
    model.add(keras.layers.Dense(2, activation="softmax"))
    rate = hp.Float("learning_rate", 1e-4, 1e-1, sampling="log")
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def trials() -> None:
    """(a) TRIALS trials of EPOCHS epochs: the same configurations under both loops, in turn, in fresh processes."""
    ours, theirs = [], []
    for _ in range(REPEATS):
        theirs.append(_in_process("_keras_tuner_loop"))
        ours.append(_in_process("_our_loop"))
    for name, column in (("search alone", 0), ("with start-up of the worker", 1)):
        ratios = [o[column] / t[0] for o, t in zip(ours, theirs, strict=True)]
        print(f"(a) {name}: truetune / KerasTuner = {min(ratios):.3f} … {max(ratios):.3f}")
    print(f"    KerasTuner {[round(t[0], 1) for t in theirs]} s, truetune {[round(o[0], 1) for o in ours]} s")


def _configurations(task: truetune.Task) -> list[dict[str, Value]]:
    import keras_tuner as kt

    from truetune.training.trace import trace_space

    space = trace_space(task.hypermodel)
    generator = np.random.default_rng(7)
    found = []
    for _ in range(TRIALS):
        hp = kt.HyperParameters()
        hp.values = {k: draw(generator, h) for k, h in space.entries.items()}
        task.hypermodel(hp)
        found.append({name: hp.values[name] for name in hp.values if hp.is_active(name)})
    return found


def _keras_tuner_loop() -> tuple[float, float]:
    """KerasTuner's own loop on the given configurations: `RandomSearch` with its proposals replaced."""
    import keras_tuner as kt
    from sklearn.preprocessing import StandardScaler

    from truetune.training.fit import preprocess

    task = eeg_task(EPOCHS)
    values = _configurations(task)
    train, validation = preprocess(StandardScaler, *_parts(task))

    class Given(kt.oracles.RandomSearchOracle):
        def populate_space(self, trial_id: str) -> dict[str, Any]:
            return {"status": "RUNNING", "values": dict(values[int(trial_id)])}

    class Model(kt.HyperModel):
        def build(self, hp: Any) -> Any:
            return task.hypermodel(hp)

        def fit(self, hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
            return model.fit(*args, batch_size=hp.get("batch_size"), **kwargs)

    with tempfile.TemporaryDirectory() as folder:
        oracle = Given(kt.Objective(task.objective.name, "max"), max_trials=TRIALS)
        tuner = kt.Tuner(oracle, Model(), directory=folder, project_name="theirs")
        began = time.perf_counter()
        tuner.search(
            train.X, dict(train.y), validation_data=(validation.X, dict(validation.y)), epochs=EPOCHS, verbose=0
        )
        seconds = time.perf_counter() - began
    return seconds, seconds


def _our_loop() -> tuple[float, float]:
    task = eeg_task(EPOCHS)
    from truetune.training.tensorflow_start import start_tensorflow

    start_tensorflow()
    values = _configurations(task)
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        truetune.tune(
            task,
            max_trials=TRIALS,
            observer=clock,
            directory=folder,
            finalists=0,
            searcher=lambda problem: Replay(problem, values),
        )
        whole = time.perf_counter() - began
    assert clock.first is not None
    return clock.last - clock.first, whole


def _parts(task: truetune.Task) -> Any:
    from truetune.data.sealing.seal import seal
    from truetune.data.splitting.protocols import Protocol

    dataset = task.load()
    with tempfile.TemporaryDirectory() as folder:
        sealed = seal(dataset, Path(folder) / "seal.json", 0)
    development = sealed.development(dataset)
    (fold,) = Protocol().folds(development, 0)
    return development.take(fold.train), development.take(fold.validation)


def _in_process(function: str) -> tuple[float, float]:
    """The result of a function of this file in a fresh interpreter, so that neither loop inherits the other's heap."""
    code = f"import runpy; m = runpy.run_path({__file__!r}); print('RESULT', *m[{function!r}]())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT")]
    if not lines:
        raise RuntimeError(done.stderr[-2000:])
    first, second = lines[0].split()[1:]
    return float(first), float(second)


def store() -> None:
    """(b) The supervisor's own time per trial, nothing trained."""
    for algorithm in ("tpe", "bayesian"):
        for recorded in (10, 100, 1000):
            print(
                f"(b) {algorithm}, {recorded} trials recorded: {_supervisor_seconds(algorithm, recorded) * 1000:.0f} ms"
            )


def _supervisor_seconds(algorithm: str, recorded: int) -> float:
    from truetune.storage.database import sqlite_url
    from truetune.training.trace import trace_space

    space = trace_space(eeg_task(1, subjects=4, trials_per_class=2).hypermodel)
    with tempfile.TemporaryDirectory() as folder:
        url = sqlite_url(Path(folder) / "optuna.db")
        fill(url, space, recorded)
        return measure(url, space, algorithm).whole


def start() -> None:
    """(c) Start of the command line and of the import; neither loads TensorFlow."""
    for name, code in (
        ("truetune --help", "import sys; sys.argv = ['truetune', '--help']; from truetune.cli import main; main()"),
        ("import truetune", "import truetune"),
    ):
        seconds = []
        for _ in range(7):
            began = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
            seconds.append(time.perf_counter() - began)
        bare = min(_bare() for _ in range(5))
        print(f"(c) {name}: {sorted(seconds)[3]:.3f} s (an empty Python takes {bare:.3f} s)")
    check = "import truetune, truetune.cli, sys; print([m for m in ('tensorflow', 'keras') if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True).stdout.strip()
    print(f"    TensorFlow and Keras among the loaded modules: {found}")


def _bare() -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", "pass"], check=True)
    return time.perf_counter() - began


class Memory(Observer):
    """Resident memory of the supervisor and of its workers after every trial."""

    def __init__(self) -> None:
        self.supervisor: list[float] = []
        self.worker: list[float] = []

    def trial_ended(self, trial: Trial, worker: int) -> None:
        here = psutil.Process()
        self.supervisor.append(here.memory_info().rss / 2**20)
        self.worker.append(max((c.memory_info().rss for c in here.children(recursive=True)), default=0) / 2**20)


def memory() -> None:
    """(d) Memory after 30 trials."""
    watch = Memory()
    with tempfile.TemporaryDirectory() as folder:
        truetune.tune(small_task(), "optuna", 30, observer=watch, directory=folder, finalists=0)
    for name, values in (("supervisor", watch.supervisor), ("worker", watch.worker)):
        growth = (values[-1] - values[4]) / (len(values) - 5)
        print(
            f"(d) {name}: {values[0]:.0f} MiB after trial 1, {values[4]:.0f} after 5, {values[-1]:.0f} after "
            f"{len(values)} ({growth:+.1f} MiB a trial from the 5th on)"
        )


def garbage() -> None:
    """(e) 20 trials of a small model, of one epoch each, in fresh processes."""
    kept, aside = _in_process("_looked_through")[0], _in_process("_set_aside")[0]
    print(f"(e) with what is loaded set aside, as workers do: {aside / kept:.2f} of the time without")
    print(f"    {kept * 1000:.0f} ms a trial without, {aside * 1000:.0f} ms with")


def _looked_through() -> tuple[float, float]:
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        truetune.tune(
            small_task(), "optuna", 21, observer=clock, directory=folder, workers=0, finalists=0, pruner="none"
        )
    return clock.seconds / 20, 0.0


def _set_aside() -> tuple[float, float]:
    from truetune.training.worker import set_aside

    set_aside()
    return _looked_through()


PARTS = {"trials": trials, "store": store, "start": start, "memory": memory, "garbage": garbage}

if __name__ == "__main__":
    for part in sys.argv[1:] or PARTS:
        PARTS[part]()
