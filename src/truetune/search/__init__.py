"""What to try next: one `Searcher` for each algorithm. Importing this loads neither KerasTuner nor Optuna."""

from truetune.search.base import Pause, Searcher, SearchProblem
from truetune.search.registry import SEARCHERS, make_searcher

__all__ = ["SEARCHERS", "Pause", "SearchProblem", "Searcher", "make_searcher"]
