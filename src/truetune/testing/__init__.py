"""Contract suites for people who add their own searcher or task. Importing this loads neither TensorFlow nor pytest."""

from truetune.testing.driver import LightHyperparameters, Simulation, TrialFailure, drive, trace
from truetune.testing.searcher_contract import SearcherContract
from truetune.testing.task_contract import TaskContract

__all__ = ["LightHyperparameters", "SearcherContract", "Simulation", "TaskContract", "TrialFailure", "drive", "trace"]
