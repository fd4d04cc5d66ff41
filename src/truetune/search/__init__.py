"""What to try next: one `Searcher` for each algorithm. Importing this loads neither KerasTuner nor Optuna."""

from truetune.search.base import NoSuggestion, Searcher, SearchProblem
from truetune.search.registry import SEARCHERS, make_searcher

__all__ = ["SEARCHERS", "NoSuggestion", "SearchProblem", "Searcher", "make_searcher"]
