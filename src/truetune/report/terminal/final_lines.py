"""The re-evaluation in sentences: both scores, today's config, the gain, and a recommendation."""

from __future__ import annotations

import math

from truetune.report.terminal.screen import scored
from truetune.result import NOT_CONFIRMED, Result
from truetune.results.finalists import FinalChoice
from truetune.statistics.intervals import Estimate
from truetune.trial import TODAY


def final_lines(result: Result) -> list[str]:
    """The search's score beside the mean of the re-trainings, today's config, and what to do."""
    final = result.final
    if final is None:
        return [NOT_CONFIRMED, *_nested(result)]
    lines = [_confirmed(result, final), _optimism(final), _today(result, final), _gain(final), *_out(final)]
    return [line for line in [*lines, *_nested(result), f"Recommendation: {recommended(final)}"] if line]


def _nested(result: Result) -> list[str]:
    nested = result.nested
    if nested is None:
        return []
    by_fold = ", ".join(f"{fold.name} {fold.score:.3f}" for fold in nested.folds)
    return [f"Nested evaluation: {shown(nested.score)} on rows that no search has seen (outer folds: {by_fold})"]


def recommended(final: FinalChoice) -> str:
    """What to do, and why."""
    if final.winner == TODAY:
        return "keep today's config: it is the best of the finalists."
    if final.is_within_noise:
        return "keep today's config: the winner's gain is within the noise."
    if final.recommendation == "keep today's":
        return "keep today's config: it did as well or better in the confirming re-trainings."
    if final.recommendation == "apply":
        return "apply the winner: its gain is beyond the noise."
    return "none: the re-trainings cannot show whether the winner is better than today's config."


def shown(estimate: Estimate, sign: str = "") -> str:
    """`0.703 [0.681, 0.725]`, or `0.7030 (no interval)`. With `sign="+"` positive numbers carry their sign."""
    places = _places(estimate)
    mean, low, high = (
        "" if number is None else f"{number:{sign}.{places}f}"
        for number in (estimate.mean, estimate.low, estimate.high)
    )
    return f"{mean} [{low}, {high}]" if low else f"{mean} (no interval)"


def _places(estimate: Estimate) -> int:
    """Decimal places that show an interval's width in two digits, at least 3."""
    if estimate.low is None or estimate.high is None:
        return 4
    return min(10, max(3, 1 - math.floor(math.log10(estimate.high - estimate.low))))


def _confirmed(result: Result, final: FinalChoice) -> str:
    best = result.best
    if best is None or best.score is None or final.confirmed is None:
        return f"Search score {scored(best)}; not confirmed by re-trainings."
    found = f"{best.score:.{_places(final.confirmed)}f} (trial {best.number})"
    return f"Search score {found}; {_mean(final.confirmed)}"


def _mean(estimate: Estimate) -> str:
    """`mean of 3 re-trainings 0.442 [0.395, 0.488]`."""
    n_runs = estimate.n_runs
    return f"{'1 re-training' if n_runs == 1 else f'mean of {n_runs} re-trainings'} {shown(estimate)}"


def _optimism(final: FinalChoice) -> str:
    if final.optimism is None:
        return ""
    return f"Optimism of choosing the epoch: {final.optimism:.4f} (not included in the mean of the re-trainings)"


def _today(result: Result, final: FinalChoice) -> str:
    first = result.trials[0]
    if final.winner == first.number:
        return ""
    if final.today is None:
        return f"Today's config: search score {scored(first)}"
    return f"Today's config: search score {scored(first)}; {_mean(final.today)}"


def _gain(final: FinalChoice) -> str:
    return "" if final.gain is None else f"Gain over today's config: {shown(final.gain, '+')} (positive is better)"


def _out(final: FinalChoice) -> list[str]:
    return [f"Trial {f.trial} was excluded: {f.reason}." for f in final.finalists if f.reason]
