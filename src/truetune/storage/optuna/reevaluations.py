"""The re-trainings of finalists: attributes of an Optuna study, and who trains which."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import asdict
from typing import Any

from optuna.storages._rdb import models
from sqlalchemy import delete, insert, select

from truetune.storage.base import Reevaluations
from truetune.storage.optuna.connection import StudyPart
from truetune.trial import FreshRun, PlannedRun

_System = models.StudySystemAttributeModel.__table__

_FRESH = "truetune:fresh:"
_CLAIM = "truetune:fresh-run:"


class OptunaReevaluations(StudyPart, Reevaluations):
    """A run that was measured is an attribute with a checksum; one that is claimed is a row with its owner's token."""

    def claim_fresh(self, planned: PlannedRun, alive: Collection[str]) -> bool:
        return self._connection.do(lambda: self._claim(_CLAIM + _key(planned), alive))

    def _claim(self, key: str, alive: Collection[str]) -> bool:
        study, token = self._connection.study_id, self._connection.owner.token
        with self._connection.study_locked() as connection:
            row = (_System.c.study_id == study) & (_System.c.key == key)
            found = connection.scalar(select(_System.c.value_json).where(row))
            if found is not None and json.loads(found) != token and json.loads(found) in alive:
                return False
            connection.execute(delete(_System).where(row))
            values = {"study_id": study, "key": key, "value_json": json.dumps(token)}
            connection.execute(insert(_System).values(values))
            return True

    def add_fresh(self, run: FreshRun) -> None:
        self._connection.set_attribute(f"{_FRESH}{_key(run.planned)}", asdict(run))

    def fresh_runs(self) -> list[FreshRun]:
        texts = [text for key, text in self._connection.attributes().items() if key.startswith(_FRESH)]
        found = [self._fresh_run(self._connection.verified(text, "a re-training")) for text in texts]
        return sorted(found, key=lambda run: (run.stage, run.trial, run.repeat))

    def _fresh_run(self, content: dict[str, Any]) -> FreshRun:
        try:
            return FreshRun(**{**content, "fold_scores": tuple(content["fold_scores"])})
        except (KeyError, TypeError):
            raise self._connection.damaged("a re-training") from None


def _key(planned: PlannedRun) -> str:
    return f"{planned.stage}:{planned.trial}:{planned.repeat}"
