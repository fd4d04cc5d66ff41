"""Contract suites for searchers, tasks and storages of your own. Importing this loads neither TensorFlow nor pytest."""

from truetune.testing.driver import LightHyperparameters, Simulation, TrialFailure, drive, trace
from truetune.testing.searcher_contract import SearcherContract
from truetune.testing.storage_contract import StorageContract
from truetune.testing.task_contract import TaskContract

__all__ = [
    "LightHyperparameters",
    "SearcherContract",
    "Simulation",
    "StorageContract",
    "TaskContract",
    "TrialFailure",
    "drive",
    "trace",
]
