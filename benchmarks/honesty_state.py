"""Runs of the honesty benchmark in several processes, each kept as a line of JSON as it ends."""

from __future__ import annotations

import gc
import json
import logging
import multiprocessing
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Job:
    """One run.

    Attributes:
        kind: a key of `honesty_runs.RUNS`, or "truth".
        seed: of the run.
        arguments: further ones of its function.
    """

    kind: str
    seed: int
    arguments: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def key(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)


class State:
    """What is known already; a line that was cut short by an interruption is left out."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._found: dict[str, Any] = {}
        for line in path.read_text().splitlines() if path.exists() else ():
            try:
                entry = json.loads(line)
            except json.JSONDecodeError:
                continue
            self._found[Job(**entry["job"]).key] = entry["found"]

    def of(self, jobs: Sequence[Job]) -> list[Any]:
        """What these jobs found, in their order; those that were not run are left out."""
        return [self._found[job.key] for job in jobs if job.key in self._found]

    def run(self, jobs: Sequence[Job], processes: int) -> list[Any]:
        """Run what is not known, keep it, and return what all jobs found."""
        missing = [job for job in jobs if job.key not in self._found]
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(max(1, min(processes, len(missing))), spawn, _begin) as pool:
            for done in as_completed([pool.submit(_run, job) for job in missing]):
                job, found = done.result()
                self._keep(job, found)
        return self.of(jobs)

    def _keep(self, job: Job, found: Any) -> None:
        self._found[job.key] = found
        with self._path.open("a") as file:
            file.write(json.dumps({"job": asdict(job), "found": found}) + "\n")


def _begin() -> None:
    import honesty_runs  # noqa: F401  # loads TensorFlow

    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    _freeze()


def _freeze() -> None:
    """What TensorFlow keeps for good is else looked through at the `gc.collect` that ends each training."""
    gc.collect()
    gc.freeze()


def _run(job: Job) -> tuple[Job, Any]:
    from honesty_runs import RUNS

    found = RUNS[job.kind](job.seed, **job.arguments)
    _freeze()
    return job, found
