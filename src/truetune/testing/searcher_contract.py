"""What every searcher must do, as tests to inherit::

class TestMine(SearcherContract):
    def make(self, problem):
        return MySearcher(problem)
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from truetune.search.base import Searcher, SearchProblem
from truetune.space import Value
from truetune.testing.driver import Build, Objective, OutOfMemory, Simulation, TrialFailure, trace
from truetune.trial import Trial, TrialState

EPOCHS = 9


def mixed(hp: Any) -> None:
    """Every kind of hyperparameter, each with a grid, so that grid search can do it too."""
    hp.Int("units", 32, 256, step=32, default=64)
    hp.Int("batch_size", 8, 128, step=2, sampling="log")
    hp.Int("layers", 1, 4)
    hp.Float("x", 0.0, 1.0, step=0.05, default=0.1)
    hp.Float("learning_rate", 1e-5, 1e-1, step=10, sampling="log", default=1e-3)
    hp.Float("decay", 0.1, 1.6, step=2, sampling="reverse_log")
    hp.Choice("optimizer", ["adam", "sgd", "rmsprop"])
    hp.Choice("kernel", [3, 5, 7])
    hp.Boolean("norm")
    hp.Fixed("seed", 7)


def conditional(hp: Any) -> None:
    """Declared conditions, and a plain Python `if` and `for`."""
    kind = hp.Choice("kind", ["cnn", "mlp"])
    with hp.conditional_scope("kind", ["cnn"]):
        hp.Int("filters", 8, 64, step=8)
    with hp.conditional_scope("kind", ["mlp"]):
        hp.Int("width", 8, 64, step=8)
    if hp.Boolean("use_lstm"):
        hp.Int("lstm_units", 16, 128, step=16)
    for index in range(hp.Int("blocks", 1, 3)):
        hp.Float(f"dropout_{index}", 0.1, 0.5, step=0.1)
    assert kind in ("cnn", "mlp")


def tiny(hp: Any) -> None:
    """Six configurations."""
    hp.Choice("a", ["p", "q", "r"])
    hp.Boolean("b")


def peak(values: Mapping[str, Value], epochs: int) -> float:
    """Smooth in `x`, best at 0.3; for spaces without `x` the number of characters."""
    if "x" in values:
        return 1.0 - (float(values["x"]) - 0.3) ** 2 + 0.001 * epochs
    return 0.01 * (len(str(sorted(values.items()))) % 17) + 0.001 * epochs


class SearcherContract:
    """Inherit, and define how a searcher is made.

    Attributes:
        seeded: whether the proposals depend on the seed.
        trials: trials of the longer tests.
    """

    seeded = True
    trials = 23

    def make(self, problem: SearchProblem) -> Searcher:
        """A fresh searcher for `problem`."""
        raise NotImplementedError

    def expected_trials(self, max_trials: int, epochs: int) -> int:
        """How many trials a search of `max_trials` has where the space is large."""
        return max_trials

    # What the tests are made of

    def problem(self, build: Build, max_trials: int | None = None, seed: int = 1, **fields: Any) -> SearchProblem:
        return SearchProblem(
            space=trace(build),
            direction="max",
            objective="val_score",
            max_trials=self.trials if max_trials is None else max_trials,
            epochs=EPOCHS,
            seed=seed,
            **fields,
        )

    def simulate(self, build: Build, objective: Objective = peak, **fields: Any) -> Simulation:
        problem = self.problem(build, **fields)
        return Simulation(self.make(problem), build, objective, problem.space.copy(), EPOCHS)

    def resume(self, earlier: Simulation, **fields: Any) -> Simulation:
        problem = replace(self.problem(earlier.build, **fields), space=earlier.space.copy())
        return Simulation.resumed(self.make(problem), earlier)

    def informed_of(self, others: Simulation) -> Simulation:
        """A search that learns of another process's trials as they run and end, and then continues."""
        problem = replace(self.problem(others.build), space=others.space.copy())
        simulation = Simulation.resumed(self.make(problem), replace(others, trials={}))
        for number, trial in sorted(others.trials.items()):
            simulation.searcher.observe(Trial(number, TrialState.RUNNING, trial.values, schedule=trial.schedule))
            simulation.searcher.observe(trial)
            simulation.trials[number] = trial
        return simulation

    # The contract

    def test_the_first_trial_is_todays_configuration(self) -> None:
        today = (("units", 96), ("x", 0.21), ("optimizer", "sgd"), ("norm", True))
        first = self.simulate(mixed, first=today).run(1)[0]
        assert first.values["units"] == 96
        assert math.isclose(float(first.values["x"]), 0.2)
        assert first.values["optimizer"] == "sgd"
        assert first.values["norm"] is True
        assert first.values["learning_rate"] == 1e-3

    def test_proposals_are_distinct(self) -> None:
        for build in (mixed, conditional):
            trials = [trial for trial in self.simulate(build).run(self.trials) if trial.schedule.parent is None]
            assert len({_identity(trial) for trial in trials}) == len(trials)

    def test_values_have_the_declared_type_and_range(self) -> None:
        simulation = self.simulate(mixed)
        for trial in simulation.run(self.trials):
            for key, value in trial.values.items():
                assert simulation.space[key].contains(value)
            assert type(trial.values["units"]) is int
            assert type(trial.values["batch_size"]) is int
            assert type(trial.values["x"]) is float
            assert type(trial.values["norm"]) is bool

    def test_values_vary(self) -> None:
        trials = self.simulate(mixed).run(self.trials)
        for key in ("units", "batch_size", "x", "learning_rate", "decay", "optimizer", "kernel", "norm"):
            assert len({trial.values[key] for trial in trials}) > 1, f"{key} never moved"

    def test_suggestions_hold_nothing_inactive(self) -> None:
        simulation = self.simulate(conditional)
        simulation.run(self.trials)
        for suggestion in simulation.suggestions.values():
            for key in suggestion.values:
                assert simulation.space.is_active(key, suggestion.values)

    def test_conditions_are_respected(self) -> None:
        simulation = self.simulate(conditional)
        trials = simulation.run(self.trials)
        for trial in trials:
            assert ("filters" in trial.values) == (trial.values["kind"] == "cnn")
            assert ("width" in trial.values) == (trial.values["kind"] == "mlp")
            assert ("lstm_units" in trial.values) == trial.values["use_lstm"]
            assert ("dropout_2" in trial.values) == (trial.values["blocks"] == 3)
        assert {trial.values["use_lstm"] for trial in trials} == {False, True}

    def test_the_same_seed_makes_the_same_search(self) -> None:
        for build in (mixed, conditional):
            assert _outline(self.simulate(build).run(10)) == _outline(self.simulate(build).run(10))

    def test_seeds_are_independent(self) -> None:
        if not self.seeded:
            return
        runs = [self.simulate(mixed, seed=seed).run(12) for seed in (0, 1, 2)]
        seen = [{_identity(trial) for trial in trials[1:]} for trials in runs]
        for one, other in ((0, 1), (1, 2), (0, 2)):
            assert len(seen[one] & seen[other]) <= 3

    def test_a_resumed_search_goes_on_as_the_uninterrupted_one(self) -> None:
        for build, stop in ((mixed, 14), (conditional, 5)):
            whole = self.simulate(build).run(self.trials)
            interrupted = self.simulate(build)
            interrupted.run(stop)
            assert _outline(self.resume(interrupted).run(self.trials)) == _outline(whole)

    def test_a_trial_that_was_running_is_trained_again(self) -> None:
        whole = self.simulate(conditional).run(16)
        interrupted = self.simulate(conditional)
        interrupted.run(11)
        interrupted.start(11)
        assert interrupted.trials[11].state is TrialState.RUNNING
        assert _outline(self.resume(interrupted).run(16)) == _outline(whole)

    def test_resuming_a_finished_search_adds_nothing(self) -> None:
        finished = self.simulate(mixed)
        trials = finished.run(self.trials)
        assert _outline(self.resume(finished).run(self.trials)) == _outline(trials)

    def test_the_budget_is_exact(self) -> None:
        for n in (1, 2, self.trials):
            trials = self.simulate(mixed, max_trials=n).run(n)
            assert [trial.number for trial in trials] == list(range(self.expected_trials(n, EPOCHS)))

    def test_a_larger_budget_extends(self) -> None:
        small = self.simulate(mixed, max_trials=8)
        before = small.run(8)
        larger = self.resume(small, max_trials=self.trials)
        after = larger.run(self.trials)
        assert _outline(after[: len(before)]) == _outline(before)
        assert len(after) > len(before)

    def test_trials_run_in_parallel(self) -> None:
        for build in (mixed, conditional):
            trials = self.simulate(build).run(self.trials, parallel=4)
            assert len(trials) == self.expected_trials(self.trials, EPOCHS)
            fresh = [trial for trial in trials if trial.schedule.parent is None]
            assert len({_identity(trial) for trial in fresh}) == len(fresh)

    def test_a_parallel_search_can_be_resumed(self) -> None:
        interrupted = self.simulate(mixed)
        interrupted.run(5)
        for number in (5, 6, 7):
            interrupted.start(number)
        trials = self.resume(interrupted).run(self.trials, parallel=3)
        assert all(trial.state.is_finished for trial in trials)
        assert len(trials) == self.expected_trials(self.trials, EPOCHS)

    def test_trials_of_others_are_learned_one_by_one_as_by_a_resume(self) -> None:
        for build, known in ((mixed, 14), (conditional, 5)):
            earlier = self.simulate(build)
            if not earlier.searcher.shares_study:
                return
            earlier.run(known)
            restored = self.resume(earlier).run(self.trials)
            assert _outline(self.informed_of(earlier).run(self.trials)) == _outline(restored)

    def test_a_small_space_is_used_up(self) -> None:
        trials = self.simulate(tiny, max_trials=40).run(40)
        assert len({_identity(trial) for trial in trials}) == 6
        assert len([trial for trial in trials if trial.schedule.parent is None]) == 6

    def test_failed_trials_do_not_stop_the_search(self) -> None:
        trials = self.simulate(mixed, failing(peak, lambda values: values["norm"] is True)).run(self.trials)
        assert len(trials) <= self.trials
        assert any(trial.state is TrialState.COMPLETE for trial in trials)
        failed = {trial.number for trial in trials if trial.state is TrialState.FAILED}
        assert not failed & {trial.schedule.parent for trial in trials}

    def test_bad_scores_never_attract(self) -> None:
        late = []
        for seed, bad in enumerate((math.nan, math.inf, -math.inf, None)):
            trials = self.simulate(mixed, spoiled(bad), seed=seed).run(self.trials)
            late += [trial for trial in trials[len(trials) // 2 :] if trial.schedule.parent is None]
            parents = [trials[t.schedule.parent] for t in trials if t.schedule.parent is not None]
            assert not any(_is_spoiled(parent.values) for parent in parents)
        share = sum(_is_spoiled(trial.values) for trial in late) / len(late)
        # 43 % of the grid's `x` is spoiled.
        assert share <= 0.6, f"{share:.0%} of the later trials are where the score is bad"

    def test_bad_scores_survive_a_resume(self) -> None:
        objective = failing(peak, lambda values: values["kernel"] == 5)
        whole = self.simulate(mixed, objective).run(self.trials)
        interrupted = self.simulate(mixed, objective)
        interrupted.run(9)
        assert _outline(self.resume(interrupted).run(self.trials)) == _outline(whole)

    def test_trials_that_ran_out_of_memory_never_attract(self) -> None:
        late = []
        for seed in range(3):
            trials = self.simulate(mixed, too_large, seed=seed).run(self.trials)
            late += [trial for trial in trials[len(trials) // 2 :] if trial.schedule.parent is None]
            assert not any(trials[t.schedule.parent].cause for t in trials if t.schedule.parent is not None)
        share = sum(trial.cause != "" for trial in late) / len(late)
        # 43 % of the grid is too large, and the more so the better the scores.
        assert share <= 0.6, f"{share:.0%} of the later trials ran out of memory"

    def test_trials_that_ran_out_of_memory_survive_a_resume(self) -> None:
        whole = self.simulate(mixed, too_large).run(self.trials)
        interrupted = self.simulate(mixed, too_large)
        interrupted.run(9)
        assert _outline(self.resume(interrupted).run(self.trials)) == _outline(whole)

    def test_the_plan_is_lines_of_text(self) -> None:
        lines = self.make(self.problem(mixed)).plan()
        assert lines
        assert all(isinstance(line, str) for line in lines)


def spoiled(bad: float | None) -> Objective:
    """`peak`, but `bad` (None: a crash) where x is 0.6 or more."""

    def objective(values: Mapping[str, Value], epochs: int) -> float:
        if not _is_spoiled(values):
            return peak(values, epochs)
        if bad is None:
            raise TrialFailure("out of memory")
        return bad

    return objective


def too_large(values: Mapping[str, Value], epochs: int) -> float:
    """Better the larger, until memory runs out."""
    size = float(values["units"]) * float(values["batch_size"])
    if size > 128 * 32:
        raise OutOfMemory("out of memory")
    return peak(values, epochs) + size / 10_000


def _is_spoiled(values: Mapping[str, Value]) -> bool:
    return float(values["x"]) >= 0.6


def failing(objective: Objective, where: Any) -> Objective:
    """`objective`, but crashing where `where(values)` holds."""

    def crashing(values: Mapping[str, Value], epochs: int) -> float:
        if where(values):
            raise TrialFailure("crashed")
        return objective(values, epochs)

    return crashing


def _identity(trial: Trial) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((key, repr(value)) for key, value in trial.values.items()))


def _outline(trials: Sequence[Trial]) -> list[tuple[Any, ...]]:
    """Everything about trials that must be the same in the same search, as text (NaN equals NaN there)."""
    return [(t.number, str(t.state), _identity(t), repr(t.score), t.schedule) for t in trials]
