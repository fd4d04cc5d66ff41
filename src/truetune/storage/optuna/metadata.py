"""What a study was made from, as attributes of an Optuna study."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from truetune.space import Hyperparameter
from truetune.storage.base import Metadata
from truetune.storage.optuna.connection import StudyPart
from truetune.system.checksum import CHECKSUM

_META = "truetune"
_DISCOVERED = "truetune:discovered:"
_NOT_KEPT = ("discovered", CHECKSUM)


class OptunaMetadata(StudyPart, Metadata):
    """One attribute for the description, and one for each discovery: processes that share a study write their own."""

    @property
    def meta(self) -> dict[str, Any]:
        attributes = self._connection.attributes()
        found = attributes.get(_META)
        meta = self._connection.verified(found, "its description") if found else {}
        texts = [value for key, value in sorted(attributes.items()) if key.startswith(_DISCOVERED)]
        discovered = [self._connection.verified(text, "a hyperparameter") for text in texts]
        return {**meta, "discovered": discovered} if meta or discovered else {}

    def set_meta(self, meta: Mapping[str, Any]) -> None:
        self._connection.set_attribute(_META, {key: value for key, value in meta.items() if key not in _NOT_KEPT})

    def discover(self, key: str, hyperparameter: Hyperparameter) -> None:
        self._connection.set_attribute(f"{_DISCOVERED}{key}", {"key": key, **hyperparameter.to_config()})
