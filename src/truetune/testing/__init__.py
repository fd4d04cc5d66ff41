"""Contract suites for people who add their own searcher. Importing this loads neither TensorFlow nor pytest."""

from truetune.testing.driver import LightHyperparameters, Simulation, TrialFailure, drive, trace
from truetune.testing.searcher_contract import SearcherContract

__all__ = ["LightHyperparameters", "SearcherContract", "Simulation", "TrialFailure", "drive", "trace"]
