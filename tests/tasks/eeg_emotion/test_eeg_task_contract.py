"""The EEG task keeps the contract, with three heads and with one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from truetune.task import Task
from truetune.tasks.eeg_emotion.features import extract
from truetune.tasks.eeg_emotion.synthetic import dummy_recordings
from truetune.tasks.eeg_emotion.task import task_for
from truetune.testing import TaskContract

pytestmark = pytest.mark.tensorflow


class TestThreeHeads(TaskContract):
    def make(self) -> Task:
        return task_for(extract(dummy_recordings(subjects=6, trials_per_class=1)))


class TestOneHead(TaskContract):
    def make(self) -> Task:
        dataset = extract(dummy_recordings(subjects=6, trials_per_class=1))
        return task_for(replace(dataset, y=dataset.labels, main_output=None), objective="uar")
