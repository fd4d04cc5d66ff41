"""What to try next: one `Searcher` for each algorithm. Importing this loads neither KerasTuner nor Optuna."""

from truetune.search.base import NoSuggestion, Searcher, SearchProblem
from truetune.search.registry import ALGORITHMS, SearcherSettings, make_searcher

__all__ = ["ALGORITHMS", "NoSuggestion", "SearchProblem", "Searcher", "SearcherSettings", "make_searcher"]
