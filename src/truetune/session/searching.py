"""The searcher of a study, restored from its record."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from truetune.config.first_trial import trial_zero_values
from truetune.search.base import Searcher, SearchProblem
from truetune.search.registry import SearcherSettings
from truetune.session.request import SearchRequest
from truetune.space import Space
from truetune.trial import Trial


def problem_of(request: SearchRequest, traced: Space, known: Space, steps_per_fold: int) -> SearchProblem:
    """What the searcher must know.

    Args:
        request: what the search was started with.
        traced: the space of the builder.
        known: the same, and what earlier runs came across.
        steps_per_fold: see `SearchProblem`.
    """
    task, options = request.task, request.options
    return SearchProblem(
        space=known,
        direction=task.objective.direction,
        objective=task.objective.name,
        max_trials=options.max_trials,
        epochs=task.fit.most_epochs(task.epochs, known),
        seed=options.seed,
        first=tuple(trial_zero_values(traced, task, options, request.observer).items()),
        grid_points=options.grid_points,
        steps_per_fold=steps_per_fold,
    )


def restored_searcher(
    request: SearchRequest, problem: SearchProblem, project: Path, trials: Sequence[Trial]
) -> Searcher:
    """The user's own searcher, or that of the chosen algorithm; it knows the trials of earlier runs.

    Args:
        request: what the search was started with.
        problem: what the searcher must know.
        project: folder of KerasTuner's project.
        trials: of earlier runs, built already.
    """
    options = request.options
    if options.searcher is not None:
        searcher = options.searcher(problem)
    else:
        chosen = options.search_algorithm
        project_dir = project if chosen.keeps_project else None
        searcher = chosen.make(problem, SearcherSettings(options.pruner, project_dir))
    searcher.restore(trials)
    return searcher
