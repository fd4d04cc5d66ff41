"""Draws docs/screen.svg: what the README's first command shows, at a real moment of a real run.

Run from the project's root: python docs/generate_screen.py
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from rich.console import Console

import truetune
from truetune.report.terminal.final_lines import final_lines
from truetune.report.terminal.screen import LiveScreen, scored
from truetune.tasks.choice import TaskChoice

PICTURE = Path(__file__).parent / "screen.svg"
COMMAND = "$ python run_hyperparameter_tuning.py --method keras-tuner --max-trials 5 --use-dummy-data"


class Photographer(LiveScreen):
    """A live screen that prints its live part once, in the third trial's third epoch."""

    def __init__(self, console: Console, objective: truetune.Objective, epochs: int) -> None:
        super().__init__(console, objective, epochs)
        self._recorder = console

    def epoch_ended(self, number: int, epoch: int, value: float) -> None:
        super().epoch_ended(number, epoch, value)
        if (number, epoch) == (2, 3):
            self._recorder.print(self.draw())


def main() -> None:
    console = Console(record=True, force_terminal=True, width=112)
    task = TaskChoice(options={"use_dummy_data": True}).make(Path("models/cache"))
    observer = Photographer(console, task.objective, task.epochs)
    console.print(COMMAND, style="bold", highlight=False)
    with tempfile.TemporaryDirectory() as folder:
        config = Path("src/config.py")
        result = truetune.tune(task, "keras-tuner", 5, observer=observer, directory=folder, config=config)
    console.print(f"Best {task.objective.name}: {scored(result.best)}", style="bold", highlight=False)
    for line in final_lines(result):
        console.print(line, highlight=False, markup=False)
    console.save_svg(str(PICTURE), title="truetune")


if __name__ == "__main__":
    main()
