"""What the fresh runs say, in sentences."""

from __future__ import annotations

import math

from truetune.report.terminal.screen import scored
from truetune.result import NOT_CONFIRMED, Result
from truetune.results.finalists import FinalChoice
from truetune.statistics.intervals import Estimate
from truetune.trial import TODAY

_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def final_lines(result: Result) -> list[str]:
    """The search's score beside that of fresh runs, today's config, and what to do."""
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
    return [f"Nested: a search like this finds {shown(nested.score)} on rows it has not seen (outer folds: {by_fold})"]


def recommended(final: FinalChoice) -> str:
    """What to do, and why."""
    if final.winner == TODAY:
        return "keep today's config: it is the best of the finalists."
    if final.is_within_noise:
        return "keep today's config: what the winner gains is within the noise."
    if final.recommendation == "keep today's":
        return "keep today's config: it did as well or better in the runs that confirm."
    if final.recommendation == "apply":
        return "apply the winner: what it gains is beyond the noise."
    return "none: the fresh runs cannot say whether the winner is better than today's config."


def shown(estimate: Estimate, sign: str = "") -> str:
    """`0.703 [0.681, 0.725]`; without an interval the mean alone, and that there is none. `sign` "+" shows it."""
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
        return f"Search said {scored(best)}; no fresh runs have confirmed it."
    said = f"{best.score:.{_places(final.confirmed)}f} (trial {best.number})"
    return f"Search said {said}; {_count(final.confirmed.n_runs)} {shown(final.confirmed)}"


def _count(n_runs: int) -> str:
    """`three fresh runs say`."""
    word = _NUMBERS[n_runs] if n_runs < len(_NUMBERS) else str(n_runs)
    return f"{word} fresh run says" if n_runs == 1 else f"{word} fresh runs say"


def _optimism(final: FinalChoice) -> str:
    if final.optimism is None:
        return ""
    return f"Optimism of choosing the epoch: {final.optimism:.4f}; it is not in the score of the fresh runs."


def _today(result: Result, final: FinalChoice) -> str:
    first = result.trials[0]
    if final.winner == first.number:
        return ""
    if final.today is None:
        return f"Today's config: search said {scored(first)}"
    return f"Today's config: search said {scored(first)}; {_count(final.today.n_runs)} {shown(final.today)}"


def _gain(final: FinalChoice) -> str:
    return "" if final.gain is None else f"Gain over today's config: {shown(final.gain, '+')} (positive is better)"


def _out(final: FinalChoice) -> list[str]:
    return [f"Trial {f.trial} is out: {f.reason}." for f in final.finalists if f.reason]
