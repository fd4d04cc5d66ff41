"""Progress of a search: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from truetune.objective import Objective
from truetune.results.ranking import best_trial, count_states
from truetune.study.events import Observer
from truetune.training.messages import StageBegins
from truetune.trial import FreshRun, Trial, TrialState


@dataclass(frozen=True)
class WorkerLine:
    """What one worker trains: the trial, the stage of its recipe, its start on the monotonic clock, the last epoch and
    its objective.
    """

    trial: Trial
    started: float
    epoch: int = 0
    value: float | None = None
    stage: StageBegins | None = None


class Tally:
    """Counts and times that both screens show.

    Args:
        objective: the metric to optimize.
        epochs: of a full training, unless the trial's schedule has its own number.
    """

    def __init__(self, objective: Objective, epochs: int) -> None:
        self.objective, self.epochs = objective, epochs
        self.trials: dict[int, Trial] = {}
        self.lines: dict[int, WorkerLine] = {}
        self.max_trials = 0
        self.folds = (1, epochs)
        self.began = time.monotonic()
        self._ended_here = 0

    def begin(self, finished: list[Trial], max_trials: int) -> None:
        self.max_trials = max_trials
        self.trials = {t.number: t for t in finished if t.state.is_finished}

    def start(self, trial: Trial, worker: int) -> None:
        self.lines[worker] = WorkerLine(trial, time.monotonic())

    def epoch(self, number: int, epoch: int, value: float) -> None:
        self._change(number, epoch=epoch, value=value)

    def stage(self, number: int, begun: StageBegins) -> None:
        self._change(number, stage=begun)

    def _change(self, number: int, **fields: Any) -> None:
        for worker, line in self.lines.items():
            if line.trial.number == number:
                self.lines[worker] = replace(line, **fields)

    def end(self, trial: Trial, worker: int) -> None:
        self.trials[trial.number] = trial
        self.lines.pop(worker, None)
        self._ended_here += 1

    def elsewhere(self, trial: Trial) -> None:
        self.trials[trial.number] = trial

    def drop(self, worker: int) -> None:
        self.lines.pop(worker, None)

    @property
    def best(self) -> Trial | None:
        return best_trial(list(self.trials.values()), self.objective)

    @property
    def baseline(self) -> Trial | None:
        return self.trials.get(0)

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self.began

    @property
    def remaining(self) -> float | None:
        """Seconds, estimated from the pace of this run; None before its first trial has ended."""
        if not self._ended_here:
            return None
        return self.elapsed / self._ended_here * max(0, self.max_trials - len(self.trials))

    def counts(self) -> str:
        states = count_states(list(self.trials.values()))
        return f"{states['complete']} done, {states['pruned']} pruned, {states['failed']} failed"

    def place(self, line: WorkerLine) -> str:
        """`epoch 3/30`, `fold 2/5  epoch 3/30`, or `stage 2/3 last blocks, epoch 4/15`."""
        total = line.trial.schedule.epochs or int(line.trial.values.get("epochs", self.epochs))
        n_folds, steps = self.folds
        fold, before = divmod(max(0, line.epoch - 1), steps) if n_folds > 1 else (0, line.epoch - 1)
        epoch, stage = (before + 1 if line.epoch else 0), ""
        if line.stage is not None:
            stage = f"stage {line.stage.stage + 1}/{line.stage.n_stages} {line.stage.name}, "
            epoch, total = min(max(0, epoch - line.stage.start), line.stage.epochs), line.stage.epochs
        return f"{f'fold {fold + 1}/{n_folds}  ' if n_folds > 1 else ''}{stage}epoch {epoch}/{total}"


def clock_time(seconds: float | None) -> str:
    """`1:02:03`, `2:03`, or a dash if unknown."""
    if seconds is None:
        return "–"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def scored(trial: Trial | None) -> str:
    """`0.7120 (trial 12)`."""
    if trial is None or trial.score is None:
        return "–"
    return f"{trial.score:.4f} (trial {trial.number})"


def ended_line(trial: Trial, objective: Objective) -> str:
    """One finished trial in one line."""
    epochs = f"{trial.epochs} epoch{'s' if trial.epochs != 1 else ''}"
    if trial.state is TrialState.FAILED:
        return f"trial {trial.number} failed after {epochs}: {trial.reason}"
    score = "–" if trial.score is None else f"{trial.score:.4f}"
    return f"trial {trial.number} {trial.state}: {objective.name} {score}, {epochs}, {clock_time(trial.seconds)}"


def finals_line(n_runs: int) -> str:
    """The heading of one stage of the re-evaluation."""
    return f"Re-evaluation: {n_runs} re-training{'s' if n_runs != 1 else ''} of finalists with new seeds."


def fresh_line(run: FreshRun, objective: Objective) -> str:
    """One re-training in one line."""
    which = f"re-training {run.repeat + 1} of trial {run.trial} ({run.stage})"
    if run.score is None:
        return f"{which} failed: {run.reason}"
    return f"{which}: {objective.name} {run.score:.4f}, {clock_time(run.seconds)}"


class Counting(Observer):
    """Keeps the tally that both screens show."""

    def __init__(self, console: Console, objective: Objective, epochs: int) -> None:
        self._console = console
        self._tally = Tally(objective, epochs)

    def folds_planned(self, n_folds: int, epochs: int) -> None:
        self._tally.folds = (n_folds, epochs)

    def trial_started(self, trial: Trial, worker: int) -> None:
        self._tally.start(trial, worker)

    def trial_ended_elsewhere(self, trial: Trial) -> None:
        self._tally.elsewhere(trial)

    def trial_dropped(self, number: int, worker: int) -> None:
        self._tally.drop(worker)

    def trial_paused(self, trial: Trial, worker: int) -> None:
        self._tally.drop(worker)


class PlainLines(Counting):
    """One line per event, for logs and pipes."""

    def note(self, line: str) -> None:
        self._print(line)

    def search_started(self, finished: list[Trial], max_trials: int) -> None:
        self._tally.begin(finished, max_trials)

    def trial_ended(self, trial: Trial, worker: int) -> None:
        tally = self._tally
        tally.end(trial, worker)
        self._print(
            f"{ended_line(trial, tally.objective)}  [{len(tally.trials)}/{tally.max_trials}, "
            f"best {scored(tally.best)}, "
            f"elapsed {clock_time(tally.elapsed)}, remaining {clock_time(tally.remaining)}]"
        )

    def finals_started(self, n_runs: int) -> None:
        self._print(finals_line(n_runs))

    def fresh_run_ended(self, run: FreshRun, done: int, total: int) -> None:
        self._print(f"{fresh_line(run, self._tally.objective)}  [{done}/{total}]")

    def _print(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


class LiveScreen(Counting):
    """A table that is redrawn several times a second; use it as a context manager."""

    def __init__(self, console: Console, objective: Objective, epochs: int) -> None:
        super().__init__(console, objective, epochs)
        self._status = "Loading TensorFlow and the data …"
        self._live = Live(get_renderable=self.draw, console=console, refresh_per_second=4, transient=True)

    def __enter__(self) -> LiveScreen:
        self._live.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._live.stop()

    def note(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False)

    def search_started(self, finished: list[Trial], max_trials: int) -> None:
        self._tally.begin(finished, max_trials)
        self._status = ""

    def epoch_ended(self, number: int, epoch: int, value: float) -> None:
        self._tally.epoch(number, epoch, value)

    def stage_started(self, number: int, begun: StageBegins) -> None:
        self._tally.stage(number, begun)

    def trial_ended(self, trial: Trial, worker: int) -> None:
        self._tally.end(trial, worker)
        self._console.print(ended_line(trial, self._tally.objective), markup=False, highlight=False)

    def finals_started(self, n_runs: int) -> None:
        self.note(finals_line(n_runs))
        self._status = f"Re-evaluating finalists: 0/{n_runs} …"

    def fresh_run_ended(self, run: FreshRun, done: int, total: int) -> None:
        self.note(fresh_line(run, self._tally.objective))
        self._status = f"Re-evaluating finalists: {done}/{total} …"

    def draw(self) -> RenderableType:
        """The live part: a progress bar, totals, and one line per worker."""
        tally = self._tally
        if self._status:
            return Text(self._status, style="dim")
        summary = Table.grid(padding=(0, 2))
        summary.add_row("", ProgressBar(total=max(1, tally.max_trials), completed=len(tally.trials), width=60))
        summary.add_row("trials", f"{len(tally.trials)}/{tally.max_trials}  ({tally.counts()})")
        summary.add_row("best so far", Text(f"{tally.objective.name} {scored(tally.best)}", style="bold green"))
        summary.add_row("today's config", scored(tally.baseline))
        summary.add_row("elapsed", f"{clock_time(tally.elapsed)}, remaining about {clock_time(tally.remaining)}")
        return Group(summary, *self._worker_lines())

    def _worker_lines(self) -> list[RenderableType]:
        tally = self._tally
        return [
            Text(
                f"worker {worker}  trial {line.trial.number}  {tally.place(line)}  "
                f"{tally.objective.name} {'–' if line.value is None else f'{line.value:.4f}'}  "
                f"{clock_time(time.monotonic() - line.started)}",
                style="cyan",
            )
            for worker, line in sorted(tally.lines.items())
        ]
