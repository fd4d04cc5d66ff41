"""What is learnt from a trial that ran out of memory: whatever is at least as large will too."""

from __future__ import annotations

from collections.abc import Mapping

from truetune.space import Hyperparameter, Space, Value
from truetune.trial import OUT_OF_MEMORY, Trial, TrialState


def is_infeasible(trial: Trial) -> bool:
    """Whether the trial ended because memory ran out."""
    return trial.state is TrialState.FAILED and trial.cause == OUT_OF_MEMORY


def is_at_least_as_large(space: Space, values: Mapping[str, Value], other: Mapping[str, Value]) -> bool:
    """Whether `values` ask for at least as much memory as `other` (both by key) in every way that is known to count.

    Memory is driven by every `Int` (other than `epochs`) and every `Choice` of numbers; each must be equal or larger.
    Every other `Choice` and `Boolean` must be equal. A `Float` (a learning rate, a dropout) does not count. `values`
    may hold more keys than `other`.
    """
    known = {key: space[key] for key in other if key in space}
    if all(hyperparameter.kind == "Float" for hyperparameter in known.values()):
        return False
    return all(key in values and _at_least(hp, values[key], other[key]) for key, hp in known.items())


def _at_least(hyperparameter: Hyperparameter, value: Value, other: Value) -> bool:
    if hyperparameter.kind == "Float" or hyperparameter.name == "epochs":
        return True
    if drives_memory(hyperparameter):
        assert not isinstance(value, str)
        assert not isinstance(other, str)
        return value >= other
    return value == other


def drives_memory(hyperparameter: Hyperparameter) -> bool:
    """Whether a larger value may need more memory."""
    if hyperparameter.kind == "Int":
        return hyperparameter.name != "epochs"
    return hyperparameter.kind == "Choice" and all(_is_number(choice) for choice in hyperparameter.choices)


def _is_number(value: Value) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
