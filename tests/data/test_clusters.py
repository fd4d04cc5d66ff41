"""Test rows are drawn by subject, or in blocks where there are none."""

from __future__ import annotations

import numpy as np
import pytest

from truetune.data.clusters import MOST_BLOCKS, clusters_of
from truetune.data.dataset import Dataset


def rows(n, groups=None):
    return Dataset(np.zeros((n, 1)), np.arange(n) % 2, groups=groups)


def all_rows(clusters):
    return sorted(np.concatenate(clusters.parts).tolist())


def test_a_cluster_is_a_subject():
    clusters = clusters_of(rows(6, np.array(["b", "a", "b", "c", "a", "b"])))
    assert [part.tolist() for part in clusters.parts] == [[1, 4], [0, 2, 5], [3]]
    assert (clusters.by, len(clusters)) == ("subjects", 3)


def test_sessions_of_one_subject_are_one_cluster():
    data = rows(12, {"subject": np.arange(12) // 4, "session": np.arange(12) // 2})
    clusters = clusters_of(data.grouped_by("session"))
    assert (clusters.by, len(clusters), clusters.are_groups) == ("subjects", 3, True)
    assert [part.tolist() for part in clusters.parts] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
    named = Dataset(data.X, data.y, groups=data.levels["session"], identities={"patient_id": np.arange(12) // 6})
    assert (clusters_of(named).by, len(clusters_of(named))) == ("patient_ids", 2)


def test_sessions_of_a_single_subject_are_clusters():
    data = rows(12, {"subject": np.zeros(12, int), "session": np.arange(12) // 4})
    assert (clusters_of(data).by, len(clusters_of(data))) == ("blocks of rows", 12)
    by_session = data.grouped_by("session")
    assert (clusters_of(by_session).by, len(clusters_of(by_session))) == ("sessions", 3)


@pytest.mark.parametrize("groups", [None, np.full(450, "only")])
def test_without_subjects_it_is_a_block_of_one_size(groups):
    clusters = clusters_of(rows(450, groups), seed=1)
    assert (clusters.by, len(clusters)) == ("blocks of rows", MOST_BLOCKS)
    assert {len(part) for part in clusters.parts} == {2, 3}
    assert all_rows(clusters) == list(range(450))
    assert [p.tolist() for p in clusters_of(rows(450, groups), seed=1).parts] == [p.tolist() for p in clusters.parts]
    assert [p.tolist() for p in clusters_of(rows(450, groups), seed=2).parts] != [p.tolist() for p in clusters.parts]


def test_few_rows_are_blocks_of_their_own():
    clusters = clusters_of(rows(30))
    assert {len(part) for part in clusters.parts} == {1}
    assert all_rows(clusters) == list(range(30))
