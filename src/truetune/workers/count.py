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
        raise InputError(
            f"The GPUs {', '.join(names)} were given. Expected each one once, since there is one worker per GPU."
        )
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
            "workers=0 trains in this process, which can no longer be assigned a GPU. Set CUDA_VISIBLE_DEVICES "
            "yourself, or omit --gpus or --workers 0."
        )
    if gpus and number > len(gpus):
        raise InputError(
            f"workers={number} was given for {len(gpus)} GPUs ({', '.join(gpus)}). Expected at most one worker per "
            "GPU; name more GPUs, or use fewer workers."
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
            f"workers_per_trial={count} was given for {workers} workers. Expected at most as many; raise --workers."
        )
    if protocol == "holdout":
        raise InputError(
            f"workers_per_trial={count} was given with protocol holdout, where a trial has one fold. Expected a "
            "protocol with several folds, such as k-fold. Or omit the option; each worker then trains its own trial."
        )
