"""How many workers there are, how many of them train one trial, and which GPU each of them sees."""

from __future__ import annotations

import re
from collections.abc import Sequence

from truetune.errors import InputError
from truetune.system.machine import automatic_workers

_GPU = re.compile(r"\d+|(GPU|MIG)-[0-9A-Za-z/-]+")


def checked_gpus(gpus: Sequence[str | int] | str) -> tuple[str, ...]:
    """GPUs as `CUDA_VISIBLE_DEVICES` names them; "0,1" is taken as two.

    Raises:
        InputError: one of them is no number and no UUID, or is there twice.
    """
    given = [gpu for gpu in gpus.split(",") if gpu] if isinstance(gpus, str) else gpus
    names = tuple(str(gpu).strip() for gpu in given)
    if wrong := [name for name in names if not _GPU.fullmatch(name)]:
        raise InputError(
            f"The GPU {wrong[0]!r} was given. Expected numbers or UUIDs as nvidia-smi -L shows them, such as 0,1."
        )
    if len(set(names)) < len(names):
        raise InputError(f"The GPUs {', '.join(names)} were given. Expected each of them once: one worker a GPU.")
    return names


def checked_workers(workers: int | str | None, gpus: Sequence[str]) -> int:
    """The number of workers that `workers` (a number, "auto" or None) stands for.

    Raises:
        InputError: it is no such number, or there are not enough GPUs.
    """
    if workers is None:
        return len(gpus) or 1
    if workers == "auto":
        return automatic_workers(len(gpus))
    number = int(workers) if str(workers).isdigit() else -1
    if number < 0:
        raise InputError(f"workers={workers} was given. Expected 0 (train in this process) or more, or auto.")
    if gpus and number == 0:
        raise InputError(
            "workers=0 trains in this process, which cannot be given a GPU any more. Set CUDA_VISIBLE_DEVICES "
            "yourself, or leave out either --gpus or --workers 0."
        )
    if gpus and number > len(gpus):
        raise InputError(
            f"workers={number} was given for {len(gpus)} GPUs ({', '.join(gpus)}). Expected at most one worker a GPU; "
            "name more GPUs, or take fewer workers."
        )
    return number


def checked_workers_per_trial(count: int, workers: int, protocol: str) -> None:
    """Refuse a number of workers that cannot train one trial together.

    Raises:
        InputError: there are not so many workers, or a trial has one fold.
    """
    if not isinstance(count, int) or count < 1:
        raise InputError(f"workers_per_trial={count} was given. Expected a whole number of at least 1.")
    if count == 1:
        return
    if count > workers:
        raise InputError(
            f"workers_per_trial={count} was given for {workers} workers. Expected at most as many: give more --workers."
        )
    if protocol == "holdout":
        raise InputError(
            f"workers_per_trial={count} was given under protocol holdout, where a trial has one fold. Expected a "
            "protocol of several, such as k-fold; or leave it out: the workers then train one trial each."
        )
