"""What a study was made from, as its record describes it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from truetune.session.study_data import StudyData
from truetune.space import Space
from truetune.storage.paths import check_unchanged
from truetune.task import Task
from truetune.tasks.chosen import compared


def made_from(data: StudyData) -> dict[str, Any]:
    """What must not change from one run of a study to the next."""
    task, options = data.request.task, data.request.options
    dataset = data.all.dataset
    return {
        "method": options.chosen_method,
        "algorithm": options.chosen_algorithm,
        "objective": {"name": task.objective.name, "direction": task.objective.direction},
        "seed": options.seed,
        "epochs": task.epochs,
        **_stages(task),
        "data": {"fingerprint": data.all.fingerprint, "kind": dataset.kind, "is_dummy": dataset.is_dummy},
        "protocol": options.evaluation_protocol.to_config(),
        "options": compared(task.options),
    }


def _stages(task: Task) -> dict[str, Any]:
    """Nothing for a task without stages, as in studies of earlier versions."""
    stages = [[stage.name, stage.epochs] for stage in task.fit.stages]
    return {"stages": stages} if stages else {}


def description(name: str, before: Mapping[str, Any], data: StudyData, traced: Space) -> dict[str, Any]:
    """What is recorded of the study now.

    Args:
        name: of the study.
        before: what is recorded of it; empty for a new one.
        data: the study's.
        traced: the space of the builder.

    Raises:
        StudyError: the study was made from something else.
    """
    now = {**made_from(data), "space": traced.to_config(), "sealed": data.sealed.seal.digest}
    check_unchanged(name, before, now)
    kept = {"discovered": before.get("discovered", []), "created": before.get("created", time.time())}
    return {**now, **kept, "source": dict(data.request.source)}


def known_space(traced: Space, recorded: Mapping[str, Any]) -> Space:
    """As traced, and what earlier runs came across."""
    found = Space.from_config(recorded.get("discovered", []))
    return Space({**traced.entries, **{key: hp for key, hp in found.entries.items() if key not in traced}})
