"""Draws the figures of docs/is-my-improvement-real.md.

Run from the project's root: python docs/generate_honesty_figures.py STATE, where STATE is what benchmarks/honesty.py
kept. The first figure is an exact calculation and needs no STATE.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from scipy import stats

FOLDER = Path(__file__).parent / "figures"
GREYS = ("black", "0.5", "0.75")
SIZE = (6.0, 3.2)


def main(states: Sequence[str]) -> None:
    mpl.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False})
    FOLDER.mkdir(exist_ok=True)
    best_of_many()
    found = _read(states)
    if _of(found, "coin flips"):
        coin_flips(_of(found, "coin flips"))
    if _of(found, "leakage"):
        leakage(found)
    if _of(found, "equal setting"):
        differences(_of(found, "equal setting"))


def best_of_many() -> None:
    """The expected best of n accuracies of models that guess, each on as many validation rows of its own."""
    tried = np.arange(1, 101)
    figure, axes = plt.subplots(figsize=SIZE)
    for n_rows, style, grey in zip((80, 300, 1000), ("-", "--", ":"), GREYS, strict=True):
        hits = np.arange(n_rows + 1)
        below = stats.binom.cdf(hits, n_rows, 0.5)
        best = [np.sum(1 - below[:-1] ** n) / n_rows for n in tried]
        axes.plot(tried, best, style, color="black" if grey == GREYS[2] else grey, label=f"{n_rows} validation rows")
    axes.axhline(0.5, color="black", linewidth=0.5)
    axes.set(xlabel="settings tried", ylabel="expected best accuracy", xlim=(1, 100), ylim=(0.49, 0.69))
    axes.legend(frameon=False, loc="upper left")
    _save(figure, "best_of_many")


def coin_flips(records: Sequence[dict[str, Any]]) -> None:
    """What each tool reports where nothing can be learned, one point a run."""
    names = ("kerastuner", "optuna", "mean")
    figure, axes = plt.subplots(figsize=SIZE)
    values = [[record[name] for record in records] for name in names]
    axes.boxplot(values, orientation="horizontal", widths=0.5, medianprops={"color": "black"}, whis=(0, 100))
    axes.axvline(0.5, color="black", linestyle=":")
    axes.text(0.5, 3.55, "truth", ha="center")
    axes.set_yticks((1, 2, 3), ("KerasTuner:\nits best value", "Optuna:\nits best value", "truetune:\nits estimate"))
    axes.set(xlabel=f"accuracy reported for coin flips ({len(records)} searches of 20 trials)")
    _save(figure, "coin_flips")


def leakage(found: Sequence[dict[str, Any]]) -> None:
    """Estimates of the same model with rows split at random and by subject."""
    figure, axes = plt.subplots(figsize=(6.0, 2.4))
    for place, (split, marker) in enumerate((("by subject", "o"), ("random rows", "s"))):
        runs = _of(found, "leakage", split=split)
        if not runs:
            continue
        heights = place + np.linspace(-0.2, 0.2, len(runs)) if len(runs) > 1 else [place]
        ends = [(r["mean"] - (r["low"] or r["mean"]), (r["high"] or r["mean"]) - r["mean"]) for r in runs]
        axes.errorbar([r["mean"] for r in runs], heights, xerr=np.transpose(ends), fmt=marker, color="black", capsize=2)
    axes.axvline(0.5, color="black", linestyle=":")
    axes.set_yticks((0, 1), ("split by subject", "split by row"))
    axes.set(xlabel="estimated accuracy, 95 % interval (one line a search)", ylim=(-0.5, 1.5))
    _save(figure, "leakage")


def differences(records: Sequence[dict[str, Any]], shown: int = 40) -> None:
    """The intervals of verifications whose true difference is zero."""
    chosen = sorted(records[:shown], key=lambda record: record["difference"])
    places = np.arange(len(chosen))
    figure, axes = plt.subplots(figsize=SIZE)
    low, mean, high = (np.array([record[name] for record in chosen]) for name in ("low", "difference", "high"))
    axes.errorbar(places, mean, yerr=(mean - low, high - mean), fmt="o", markersize=3, color="black", linewidth=0.8)
    axes.axhline(0, color="black", linestyle=":")
    axes.set(xlabel="verification (sorted)", ylabel="difference in accuracy", xticks=())
    _save(figure, "no_difference")


def _read(paths: Sequence[str]) -> list[dict[str, Any]]:
    lines = [line for path in paths for line in Path(path).read_text().splitlines()]
    return [json.loads(line) for line in lines]


def _of(found: Sequence[dict[str, Any]], kind: str, **arguments: str) -> list[dict[str, Any]]:
    """What the runs of a kind found, by seed."""
    chosen = [f for f in found if f["job"]["kind"] == kind and arguments.items() <= f["job"]["arguments"].items()]
    return [f["found"] for f in sorted(chosen, key=lambda f: f["job"]["seed"])]


def _save(figure: Any, name: str) -> None:
    figure.savefig(FOLDER / f"{name}.png", dpi=110, bbox_inches="tight")
    plt.close(figure)


if __name__ == "__main__":
    main(sys.argv[1:])
