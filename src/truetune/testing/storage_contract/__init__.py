"""What every record of studies must do, as tests to inherit::

class TestMine(StorageContract):
    def maker(self):
        return functools.partial(create_my_store, self.address)

    def opener(self):
        return functools.partial(open_my_store, self.address)

    def damage(self, part):
        ...

Each test needs an empty place to write to: set it up in a fixture with `autouse=True`.
"""

from truetune.testing.storage_contract.base import Part
from truetune.testing.storage_contract.processes import ProcessTests
from truetune.testing.storage_contract.study import StudyTests
from truetune.testing.storage_contract.trials import TrialTests

__all__ = ["Part", "StorageContract"]


class StorageContract(StudyTests, TrialTests, ProcessTests):
    """Inherit, and define how a store is made."""
