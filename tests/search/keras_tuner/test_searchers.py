"""What our oracles do better than KerasTuner's: each of its defects has a test named after it."""

from __future__ import annotations

import json
import math
import os
import statistics
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from truetune.errors import SpaceError, StudyError
from truetune.search import NoSuggestion, Searcher, SearcherSettings, SearchProblem, make_searcher
from truetune.search.hyperband.plan import HyperbandPlan, plan_hyperband
from truetune.space import Hyperparameter, Space, Value
from truetune.testing import Simulation, TrialFailure, drive, trace
from truetune.trial import Trial, TrialState

pytestmark = pytest.mark.tensorflow

EPOCHS = 3


def smooth(hp: Any) -> None:
    hp.Float("x", 0.0, 1.0, default=0.9)
    hp.Float("y", 0.0, 1.0, default=0.9)
    hp.Float("lr", 1e-5, 1e-1, sampling="log", default=1e-1)


def bowl(values: Mapping[str, Value], epochs: int) -> float:
    x, y, lr = float(values["x"]), float(values["y"]), math.log10(float(values["lr"]))
    return (x - 0.3) ** 2 + (y - 0.6) ** 2 + ((lr + 3) / 4) ** 2 + 0.1 / epochs


def wide(hp: Any) -> None:
    for index in range(25):
        hp.Float(f"h{index}", 0.0, 1.0)


def branches(hp: Any) -> None:
    kind = hp.Choice("kind", ["a", "b", "c"])
    for name in ("a", "b", "c"):
        with hp.conditional_scope("kind", [name]):
            for index in range(4):
                hp.Int(f"{name}{index}", 1, 4)
    assert kind in ("a", "b", "c")


def problem(build: Any, n: int = 20, seed: int = 0, direction: str = "min", epochs: int = EPOCHS) -> SearchProblem:
    return SearchProblem(trace(build), direction, "val_score", n, epochs, seed)


def searcher(algorithm: str, given: SearchProblem, **options: Any) -> Any:
    return make_searcher("keras-tuner", algorithm, given, SearcherSettings(**options))


def values_of(trials: list[Trial]) -> list[dict[str, Value]]:
    return [dict(trial.values) for trial in trials]


# Seeds


@pytest.mark.parametrize("algorithm", ["random", "bayesian", "hyperband"])
def test_kerastuner_seed_zero_is_replaced_by_a_random_seed(algorithm: str) -> None:
    runs = [drive(searcher(algorithm, problem(smooth, 6, seed=0)), smooth, bowl, 6) for _ in range(2)]
    assert values_of(runs[0]) == values_of(runs[1])


def test_kerastuner_neighbouring_seeds_share_most_random_trials() -> None:
    def run(seed: int) -> set[Value]:
        trials = drive(searcher("random", problem(smooth, 40, seed)), smooth, bowl, 40)
        return {trial.values["x"] for trial in trials[1:]}

    assert not run(1) & run(1 + 3)
    assert not run(1) & run(2)


# Directions and scores


@pytest.mark.parametrize("metric", ["val_f1_score", "val_r2_score", "val_binary_io_u", "val_mean_io_u"])
def test_kerastuner_infers_the_wrong_direction(metric: str) -> None:
    space = trace(smooth)
    for direction in ("max", "min"):
        asked = SearchProblem(space, direction, metric, 5, EPOCHS, 0)
        assert searcher("bayesian", asked).oracle.objective.direction == direction


@pytest.mark.parametrize("bad", [math.inf, -math.inf, math.nan])
def test_kerastuner_reads_an_infinite_score_as_zero(bad: float) -> None:
    def objective(values: Mapping[str, Value], epochs: int) -> float:
        return bad if float(values["x"]) > 0.5 else 5.0 + bowl(values, epochs)

    found = searcher("bayesian", problem(smooth, 24))
    trials = drive(found, smooth, objective, 24)
    late = [float(trial.values["x"]) > 0.5 for trial in trials[12:]]
    assert sum(late) <= 6
    best = found.oracle.get_best_trials(1)[0]
    assert math.isfinite(best.score)
    assert best.hyperparameters.values["x"] <= 0.5


def test_kerastuner_stops_after_three_failures_in_a_row() -> None:
    def objective(values: Mapping[str, Value], epochs: int) -> float:
        raise TrialFailure("always")

    trials = drive(searcher("bayesian", problem(smooth, 8)), smooth, objective, 8)
    assert len(trials) == 8


# Values


def test_kerastuner_leaks_values_of_inactive_branches() -> None:
    def build(hp: Any) -> None:
        if hp.Boolean("use_lstm"):
            hp.Int("lstm_units", 16, 64, step=16)

    found = searcher("random", problem(build, 8))
    trials = drive(found, build, lambda values, epochs: 0.5, 8)
    assert any(trial.values["use_lstm"] for trial in trials)
    for twin in found.oracle.trials.values():
        values = twin.hyperparameters.values
        assert ("lstm_units" in values) == values["use_lstm"]


@pytest.mark.parametrize("algorithm", ["random", "grid", "bayesian", "hyperband"])
def test_kerastuner_choice_of_booleans_returns_integers(algorithm: str) -> None:
    def build(hp: Any) -> None:
        hp.Choice("flag", [True, False])
        hp.Int("n", 1, 8)

    trials = drive(searcher(algorithm, problem(build, 10)), build, lambda values, epochs: 0.5, 10)
    assert {type(trial.values["flag"]) for trial in trials} == {bool}
    assert len({trial.values["flag"] for trial in trials}) == 2


@pytest.mark.parametrize("algorithm", ["random", "grid", "bayesian"])
def test_kerastuner_log_stepped_int_comes_back_as_a_float(algorithm: str) -> None:
    def build(hp: Any) -> None:
        hp.Int("batch_size", 8, 128, step=2, sampling="log")

    trials = drive(searcher(algorithm, problem(build, 5)), build, lambda values, epochs: 0.5, 5)
    assert sorted(trial.values["batch_size"] for trial in trials) == [8, 16, 32, 64, 128]
    assert {type(trial.values["batch_size"]) for trial in trials} == {int}


@pytest.mark.parametrize("algorithm", ["random", "grid", "bayesian"])
def test_kerastuner_never_reaches_the_end_of_a_float_grid(algorithm: str) -> None:
    def build(hp: Any) -> None:
        hp.Float("dropout", 0.0, 1.0, step=0.1)

    trials = drive(searcher(algorithm, problem(build, 11)), build, lambda values, epochs: 0.5, 11)
    assert sorted(trial.values["dropout"] for trial in trials) == [round(0.1 * index, 1) for index in range(11)]


# Bayesian


def test_kerastuner_bayesian_starts_with_three_random_points_per_hyperparameter() -> None:
    for n, most in ((30, 10), (12, 4), (5, 2), (300, 10)):
        oracle = searcher("bayesian", problem(wide, n)).oracle
        assert oracle.num_initial_points == most


def test_kerastuner_bayesian_collapses_on_conditional_spaces() -> None:
    found = searcher("bayesian", problem(branches, 40))
    simulation = Simulation(found, branches, lambda values, epochs: len(str(values)) % 7, trace(branches), EPOCHS)
    trials = simulation.run(40)
    assert len({tuple(sorted(trial.values.items())) for trial in trials}) == 40
    assert simulation.retractions == 0


def test_kerastuner_bayesian_proposes_its_best_trial_again_with_a_hair_of_difference() -> None:
    from truetune.search.keras_tuner.bayesian import NEARLY_THE_SAME
    from truetune.search.keras_tuner.embedding import Embedding

    found = searcher("bayesian", problem(wide, 24))
    trials = drive(found, wide, lambda values, epochs: float(len(str(values)) % 7), 24)
    embedding = Embedding(found.oracle.space, found.oracle.dimensions)
    points = [embedding.encode(trial.values) for trial in trials]
    gaps = [np.abs(a - b).max() for i, a in enumerate(points) for b in points[:i]]
    assert min(gaps) >= NEARLY_THE_SAME


def test_kerastuner_bayesian_asks_an_unfitted_model_about_running_trials() -> None:
    trials = drive(searcher("bayesian", problem(smooth, 12)), smooth, bowl, 12, parallel=4)
    assert len({trial.values["x"] for trial in trials}) == 12


def test_kerastuner_bayesian_lets_the_linear_algebra_use_every_core(monkeypatch: pytest.MonkeyPatch) -> None:
    from threadpoolctl import threadpool_info

    found = searcher("bayesian", problem(smooth, 9))
    seen: list[int] = []
    fit = found.oracle._fit

    def watched(embedding: Any) -> None:
        seen.extend(pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas")
        fit(embedding)

    monkeypatch.setattr(found.oracle, "_fit", watched)
    drive(found, smooth, bowl, 9)
    assert set(seen) == {1}


def test_bayesian_finds_better_values_than_random_search() -> None:
    best: dict[str, list[float]] = {"bayesian": [], "random": []}
    for algorithm, scores in best.items():
        for seed in range(3):
            trials = drive(searcher(algorithm, problem(smooth, 24, seed)), smooth, bowl, 24)
            scores.append(min(trial.score for trial in trials if trial.score is not None))
    assert statistics.mean(best["bayesian"]) < statistics.mean(best["random"])


# Hyperband


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 120), st.integers(2, 12), st.integers(1, 3))
def test_the_plan_counts_as_kerastuners_oracle_does(max_epochs: int, factor: int, iterations: int) -> None:
    import keras_tuner as kt

    oracle = kt.oracles.HyperbandOracle(kt.Objective("loss", "min"), max_epochs, factor, iterations, seed=1)
    plan = HyperbandPlan(max_epochs, factor, iterations)
    assert plan.brackets == oracle._get_num_brackets()
    for serial in range(plan.brackets):
        bracket = plan.brackets - 1 - serial
        rounds = plan.rounds(serial)
        assert len(rounds) == oracle._get_num_rounds(bracket)
        for number, round_ in enumerate(rounds):
            assert round_.size == oracle._get_size(bracket, number)
            assert round_.epochs == oracle._get_epochs(bracket, number)


@pytest.mark.parametrize(("max_epochs", "factor"), [(9, 3), (20, 3), (16, 4)])
def test_the_plan_runs_as_kerastuners_oracle_does(max_epochs: int, factor: int, tmp_path: Path) -> None:
    import keras_tuner as kt

    hp = kt.HyperParameters()
    hp.Float("x", 0, 1)
    oracle = kt.oracles.HyperbandOracle(kt.Objective("loss", "min"), max_epochs, factor, hyperparameters=hp, seed=1)
    oracle._set_project_dir(tmp_path, "hyperband")
    oracle.verbose = 0
    schedules = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        while (twin := oracle.create_trial("tuner")).status == "RUNNING":
            values = twin.hyperparameters.values
            schedules.append((values["tuner/epochs"], values["tuner/initial_epoch"]))
            oracle.update_trial(twin.trial_id, {"loss": values["x"]})
            twin.status = "COMPLETED"
            oracle.end_trial(twin)
    plan = HyperbandPlan(max_epochs, factor)
    own = searcher("hyperband", problem(smooth, plan.trials, epochs=max_epochs), plan=plan)
    trials = drive(own, smooth, bowl, plan.trials, epochs=max_epochs)
    assert [(trial.schedule.epochs, trial.schedule.initial_epoch) for trial in trials] == schedules


def test_kerastuner_hyperband_takes_no_number_of_trials() -> None:
    for n in (1, 3, 10, 30):
        trials = drive(searcher("hyperband", problem(smooth, n, epochs=9)), smooth, bowl, n, epochs=9)
        assert len(trials) == plan_hyperband(n, 9).trials <= n
    assert searcher("hyperband", problem(smooth, n, epochs=9)).plan()


def test_kerastuner_hyperband_hides_its_schedule_among_the_values() -> None:
    found = searcher("hyperband", problem(smooth, 23, epochs=9))
    trials = drive(found, smooth, bowl, 23, epochs=9)
    assert not any(key.startswith("tuner/") for trial in trials for key in trial.values)
    promoted = [trial for trial in trials if trial.schedule.parent is not None]
    assert promoted
    for trial in promoted:
        parent = trials[trial.schedule.parent or 0]
        assert trial.values == parent.values
        assert trial.schedule.initial_epoch == parent.schedule.epochs


def test_kerastuner_hyperband_waits_for_ever_when_a_trial_of_a_round_failed() -> None:
    def objective(values: Mapping[str, Value], epochs: int) -> float:
        if float(values["x"]) > 0.6:
            raise TrialFailure("out of memory")
        return bowl(values, epochs)

    trials = drive(searcher("hyperband", problem(smooth, 23, epochs=9)), smooth, objective, 23, epochs=9)
    failed = {trial.number for trial in trials if trial.state is TrialState.FAILED}
    assert failed
    assert max(trial.schedule.epochs or 0 for trial in trials if trial.number not in failed) == 9
    assert not failed & {trial.schedule.parent for trial in trials}


def test_a_larger_hyperband_budget_keeps_the_schedule_and_adds_iterations() -> None:
    first = Simulation(searcher("hyperband", problem(smooth, 23, epochs=9)), smooth, bowl, trace(smooth), 9)
    first.run(23)
    larger = searcher("hyperband", problem(smooth, 60, epochs=9))
    resumed = Simulation.resumed(larger, first)
    assert larger.oracle.schedule == HyperbandPlan(9, 3, iterations=2)
    assert len(resumed.run(60)) == 46


def test_hyperband_refuses_trials_of_other_epochs() -> None:
    first = Simulation(searcher("hyperband", problem(smooth, 23, epochs=9)), smooth, bowl, trace(smooth), 9)
    first.run(12)
    with pytest.raises(StudyError, match="schedule of 30 epochs"):
        Simulation.resumed(searcher("hyperband", problem(smooth, 23, epochs=30)), first)


# Grid


def grid_build(hp: Any) -> None:
    hp.Choice("optimizer", ["adam", "sgd", "rmsprop"])
    hp.Int("units", 32, 256, step=32)
    hp.Boolean("norm")
    hp.Float("dropout", 0.1, 0.5, step=0.1)


def test_kerastuner_capped_grid_never_moves_the_first_hyperparameters() -> None:
    trials = drive(searcher("grid", problem(grid_build, 10)), grid_build, lambda values, epochs: 0.5, 10)
    seen = {key: {trial.values[key] for trial in trials} for key in trials[0].values}
    assert {key: len(values) for key, values in seen.items()} == {"optimizer": 3, "units": 8, "norm": 2, "dropout": 5}


def test_kerastuner_grid_raises_keyerror_when_resumed_after_an_interrupted_trial() -> None:
    def new() -> Any:
        return searcher("grid", problem(grid_build, 20))

    interrupted = Simulation(new(), grid_build, lambda values, epochs: 0.5, trace(grid_build), EPOCHS)
    interrupted.run(5)
    interrupted.start(5)
    resumed = Simulation.resumed(new(), interrupted).run(20)
    assert values_of(resumed) == values_of(drive(new(), grid_build, lambda values, epochs: 0.5, 20))


def test_the_order_of_a_grid_does_not_depend_on_the_number_of_trials() -> None:
    runs = [drive(searcher("grid", problem(grid_build, n)), grid_build, lambda v, e: 0.5, n) for n in (12, 30)]
    assert values_of(runs[0]) == values_of(runs[1])[:12]


def test_a_full_grid_visits_every_combination_once_and_then_ends() -> None:
    def build(hp: Any) -> None:
        kind = hp.Choice("kind", ["a", "b"])
        with hp.conditional_scope("kind", ["a"]):
            hp.Int("units", 1, 3)
        if hp.Boolean("deep"):
            hp.Int("layers", 2, 4)
        assert kind

    trials = drive(searcher("grid", problem(build, 100)), build, lambda values, epochs: 0.5, 100)
    # kind and units: 3 + 1 combinations; deep and layers: 1 + 3.
    assert len({tuple(sorted(trial.values.items())) for trial in trials}) == len(trials) == 16


def test_grid_refuses_a_continuous_range() -> None:
    with pytest.raises(SpaceError, match=r"'x'.*continuous"):
        searcher("grid", problem(smooth))


# The project directory


@pytest.mark.parametrize("algorithm", ["random", "bayesian", "hyperband", "grid"])
def test_plain_kerastuner_reloads_the_project(algorithm: str, tmp_path: Path) -> None:
    import keras_tuner as kt

    project = tmp_path / "tuning" / "mine"
    asked = problem(grid_build, 10, epochs=9)
    found = searcher(algorithm, asked, project_dir=project)

    def objective(values: Mapping[str, Value], epochs: int) -> float:
        if values["optimizer"] == "sgd":
            raise TrialFailure("crashed")
        return float(values["units"]) / 256 + float(values["dropout"]) / 7 + len(str(values)) / 1000

    simulation = Simulation(found, grid_build, objective, asked.space.copy(), 9)
    trials = simulation.run(9)
    simulation.start(9)
    plain: Any = {"random": kt.RandomSearch, "bayesian": kt.BayesianOptimization}.get(algorithm, kt.RandomSearch)
    if algorithm == "hyperband":
        plain = kt.Hyperband
    tuner = plain(
        lambda hp: None,
        objective=kt.Objective("val_score", "min"),
        directory=project.parent,
        project_name=project.name,
        overwrite=False,
        **({} if algorithm == "hyperband" else {"max_trials": 20}),
    )
    reloaded = tuner.oracle.trials
    assert len(reloaded) == len(simulation.trials)
    for trial in trials:
        twin = reloaded[f"{trial.number:04d}"]
        assert twin.hyperparameters.values == trial.values
        assert twin.status == ("COMPLETED" if trial.state is TrialState.COMPLETE else "FAILED")
        assert twin.score == trial.score
    best = min((trial for trial in trials if trial.score is not None), key=lambda trial: trial.score or 0.0)
    assert tuner.get_best_hyperparameters()[0].values == best.values
    assert reloaded[f"{best.number:04d}"].metrics.get_history("val_score")[0].step == 1


def test_kerastuner_writes_its_files_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replaced: list[str] = []
    real = os.replace

    def watched(source: Any, target: Any) -> None:
        json.loads(Path(source).read_text())
        replaced.append(Path(target).name)
        real(source, target)

    monkeypatch.setattr(os, "replace", watched)
    drive(searcher("random", problem(smooth, 3), project_dir=tmp_path), smooth, bowl, 3)
    names = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert names == {"oracle.json", "tuner0.json", "trial.json"}
    assert names <= set(replaced)


def test_a_new_search_removes_the_trials_of_another(tmp_path: Path) -> None:
    drive(searcher("random", problem(smooth, 4), project_dir=tmp_path), smooth, bowl, 4)
    again = searcher("random", problem(smooth, 4), project_dir=tmp_path)
    again.restore([])
    assert not list(tmp_path.glob("trial_*"))


# The rest


def test_a_search_prints_nothing_and_warns_of_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drive(searcher("bayesian", problem(smooth, 8)), smooth, bowl, 8)
    assert capsys.readouterr().out == ""


def test_a_search_without_hyperparameters_has_one_trial() -> None:
    space = Space()
    space.add(Hyperparameter("Fixed", "f", 3, choices=(3,)))
    for algorithm in ("random", "bayesian", "grid", "hyperband"):
        found: Searcher = searcher(algorithm, SearchProblem(space, "max", "val_score", 4, 1, 0))
        trials = drive(found, lambda hp: hp.Fixed("f", 3), lambda values, epochs: 0.5, 4, space=space)
        assert values_of(trials) == [{"f": 3}]
        assert found.ask(1) is NoSuggestion.EXHAUSTED
