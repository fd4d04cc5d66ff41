"""What the runs of the honesty benchmark add up to, against what is required."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

Record = dict[str, Any]


@dataclass(frozen=True)
class Line:
    """A line of a table.

    Attributes:
        what: was measured.
        measured: for a person.
        bound: what is required; empty where nothing is.
        kept: whether it holds; None where nothing is required.
    """

    what: str
    measured: str
    bound: str = ""
    kept: bool | None = None

    def __str__(self) -> str:
        verdict = "" if self.kept is None else ("kept" if self.kept else "**missed**")
        return f"| {self.what} | {self.measured} | {self.bound} | {verdict} |"


def markdown(title: str, lines: Sequence[Line]) -> str:
    head = ["| measured | value | required | |", "|---|---|---|---|"]
    return "\n".join([f"### {title}", "", *head, *map(str, lines), ""])


def is_at_most(count: int, n: int, share: float) -> bool:
    """Whether `count` of `n` does not speak against a true share of `share` or less, at 5 %."""
    return count <= int(stats.binom.ppf(0.95, n, share))


def is_at_least(count: int, n: int, share: float) -> bool:
    """Whether `count` of `n` does not speak against a true share of `share` or more, at 5 %."""
    return count >= int(stats.binom.ppf(0.05, n, share))


def coin_flips(records: Sequence[Record]) -> list[Line]:
    n, mean = len(records), float(np.mean([r["mean"] for r in records]))
    covered = sum(_covers(r, 0.5) for r in records)
    applied = sum(r["recommendation"] == "apply" for r in records)
    return [
        Line("KerasTuner's own best value (`RandomSearch`)", _spread(records, "kerastuner")),
        Line("Optuna's own best value (TPE)", _spread(records, "optuna")),
        Line("best value of truetune's search", _spread(records, "search")),
        Line("truetune's estimate, mean", _spread(records, "mean"), "0.5 ± 0.01", abs(mean - 0.5) <= 0.01),
        Line("its 95 % interval covers 0.5", _share(covered, n), "at least 93 %", covered >= 0.93 * n),
        Line("half of the interval, mean", f"{_half_width(records):.3f}"),
        Line('recommends "apply"', _share(applied, n)),
    ]


def false_verdicts(same: Sequence[Record], equal: Sequence[Record]) -> list[Line]:
    lines = []
    for what, records in (("one setting against itself", same), ("two settings that are equally good", equal)):
        for outcome, bound in (("improved", 0.05), ("worse", None)):
            n, count = len(records), sum(r["outcome"] == outcome for r in records)
            if bound is None:
                lines.append(Line(f'{what}: "{outcome}"', _share(count, n)))
            else:
                said = f"at most {100 * bound:g} % (within its binomial error)"
                lines.append(Line(f'{what}: "{outcome}"', _share(count, n), said, is_at_most(count, n, bound)))
        covered = sum(r["low"] <= 0 <= r["high"] for r in records)
        lines.append(Line(f"{what}: the interval covers 0", _share(covered, len(records))))
    return lines


def power(records: Sequence[Record], gains: Sequence[Record], sealed: tuple[int, int]) -> list[Line]:
    n, found = len(records), sum(r["outcome"] == "improved" for r in records)
    differences = [r["with"] - r["without"] for r in gains]
    gain, error = float(np.mean(differences)), float(np.std(differences, ddof=1) / np.sqrt(len(gains)))
    spread = float(np.sqrt(np.mean([np.var(r[side], ddof=1) for r in records for side in ("before", "after")])))
    score = float(np.mean([r["before"] for r in records]))
    return [
        Line(
            "true gain", f"{gain:.4f} ± {error:.4f} ({len(gains)} trainings)", "0.03 ± 0.003", abs(gain - 0.03) <= 3e-3
        ),
        Line("spread from training to training", f"{spread:.4f}"),
        Line("smallest detectable, as truetune foresees it", f"{_foreseen(spread, score, sealed):.3f}"),
        Line('"improved"', _share(found, n), "at least 80 %", found >= 0.8 * n),
        Line("half of the interval, mean", f"{_half_width(records):.3f}"),
    ]


def _foreseen(spread: float, score: float, sealed: tuple[int, int]) -> float:
    from truetune.statistics.power import Design, smallest_detectable

    n_subjects, rows_each = sealed
    design = Design("accuracy", 7, n_subjects * rows_each, n_subjects, score, spread)
    found = smallest_detectable(design)
    assert found is not None
    return found


def leakage(random: Sequence[Record], by_subject: Sequence[Record], refusal: str) -> list[Line]:
    means = [float(np.mean([r["mean"] for r in records])) for records in (random, by_subject)]
    return [
        Line("estimate, random rows", _spread(random, "mean")),
        Line("estimate, by subject", _spread(by_subject, "mean")),
        Line("what the leak adds", f"{means[0] - means[1]:+.3f}", "more than 0", means[0] > means[1]),
        Line("a subject column and nothing declared", refusal or "accepted", "refused", bool(refusal)),
    ]


def known_truth(level: str, records: Sequence[Record], truths: Sequence[float]) -> list[Line]:
    n = len(records)
    covered = sum(_covers(r, t) for r, t in zip(records, truths, strict=True))
    bias = float(np.mean([r["mean"] - t for r, t in zip(records, truths, strict=True)]))
    search = float(np.mean([r["search"] - t for r, t in zip(records, truths, strict=True)]))
    bound = "95 % (within its binomial error)"
    return [
        Line(f"{level}: truth of the winners, mean", f"{np.mean(truths):.3f}"),
        Line(f"{level}: the interval covers it", _share(covered, n), bound, is_at_least(covered, n, 0.95)),
        Line(f"{level}: half of the interval, mean", f"{_half_width(records):.3f}"),
        Line(f"{level}: the estimate less the truth, mean", f"{bias:+.4f}"),
        Line(f"{level}: the search's best value less the truth, mean", f"{search:+.4f}"),
    ]


def _covers(record: Record, value: float) -> bool:
    """Whether the interval holds `value`; runs that were all equal have none, so only their mean itself does."""
    low, high = (record["mean"] if record[end] is None else record[end] for end in ("low", "high"))
    return bool(low <= value <= high)


def _half_width(records: Sequence[Record]) -> float:
    widths = [r["high"] - r["low"] for r in records if r["low"] is not None]
    return float(np.mean(widths)) / 2 if widths else float("nan")


def _spread(records: Sequence[Record], name: str) -> str:
    values = [r[name] for r in records]
    return f"{np.mean(values):.3f} (from {min(values):.3f} to {max(values):.3f})"


def _share(count: int, n: int) -> str:
    return f"{count} of {n} ({100 * count / n:.1f} %)"
