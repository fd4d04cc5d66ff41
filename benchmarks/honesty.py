"""Is truetune honest? Coin flips, changes that change nothing, a true gain, subjects that leak, a known truth.

    python benchmarks/honesty.py --state honesty.jsonl                   # all parts
    python benchmarks/honesty.py --part 1 --runs 20 --state honesty.jsonl
    python benchmarks/honesty.py --part 4 --data DIR                     # the UCI EEG tables

Parts: (1) the reported estimate on coin-flip labels, beside the libraries' own best values; (2) false "improved"
verdicts; (3) power for a true gain of 3 points; (4) random rows against subjects on real EEG, and the refusal;
(5) coverage of the winner's interval where the truth is known.

Every run is kept in the state file as it ends; the same command goes on where it was interrupted. The exit code is 1
when a requirement is missed.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from honesty_state import Job, State
from honesty_tables import Line, coin_flips, false_verdicts, known_truth, leakage, markdown, power

N_GAINS = 40


@dataclass(frozen=True)
class Options:
    """What was asked for.

    Attributes:
        state: what is known already.
        runs: of each part; None takes the part's own number.
        processes: at once.
        data: folder of the UCI EEG tables; None leaves part 4 out.
    """

    state: State
    runs: int | None
    processes: int
    data: Path | None

    def found(self, kind: str, runs: int, **arguments: str) -> list[dict]:
        """What `runs` runs of a kind found, or as many as were asked for."""
        jobs = [Job(kind, seed, arguments) for seed in range(self.runs or runs)]
        return self.state.run(jobs, self.processes)


def part_1(options: Options) -> list[Line]:
    return coin_flips(options.found("coin flips", 100))


def part_2(options: Options) -> list[Line]:
    return false_verdicts(options.found("same setting", 200), options.found("equal setting", 200))


def part_3(options: Options) -> list[Line]:
    from honesty_runs import MANY

    gains = [Job("true gain", seed) for seed in range(N_GAINS)]
    return power(options.found("gain", 100), options.state.run(gains, options.processes), MANY)


def part_4(options: Options) -> list[Line]:
    if options.data is None:
        return [Line("left out: pass --data with the folder of the UCI EEG tables", "")]
    from honesty_eeg import refusal

    data = str(options.data.resolve())
    found = {split: options.found("leakage", 5, data=data, split=split) for split in ("random rows", "by subject")}
    return leakage(found["random rows"], found["by subject"], refusal(options.data))


def part_5(options: Options) -> list[Line]:
    lines = []
    for level in ("hard", "easy"):
        records = options.found("known truth", 100, level=level)
        jobs = [_truth(level, record) for record in records]
        options.state.run(list(dict.fromkeys(jobs)), options.processes)
        truths = [epochs[r["epoch"] - 1] for r, epochs in zip(records, options.state.of(jobs), strict=True)]
        lines += known_truth(level, records, truths)
    return lines


def _truth(level: str, record: dict) -> Job:
    setting = (level, record["winner_units"], record["winner_learning_rate"])
    return Job("truth", 0, dict(zip(("level", "units", "rate"), setting, strict=True)))


PARTS: dict[str, tuple[str, Callable[[Options], list[Line]]]] = {
    "1": ("Coin flips: what is reported where nothing can be learned", part_1),
    "2": ("Changes that change nothing", part_2),
    "3": ("A true gain of three points", part_3),
    "4": ("Random rows against subjects", part_4),
    "5": ("A known truth", part_5),
}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=list(PARTS), action="append", help="one of the parts; may be given again")
    parser.add_argument("--runs", type=int, help="runs of each part, for a quick look")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--state", type=Path, default=Path("honesty.jsonl"), help="where every run is kept")
    parser.add_argument("--data", type=Path, help="folder of the UCI EEG tables, for part 4")
    chosen = parser.parse_args(arguments)
    options = Options(State(chosen.state), chosen.runs, chosen.processes, chosen.data)
    missed = False
    for part in chosen.part or PARTS:
        title, measure = PARTS[part]
        lines = measure(options)
        print(markdown(f"({part}) {title}", lines), flush=True)
        missed |= any(line.kept is False for line in lines)
    return int(missed)


if __name__ == "__main__":
    raise SystemExit(main())
