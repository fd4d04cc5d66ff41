"""Beginning anew: what belongs to the earlier study is archived, all of it or nothing."""

from __future__ import annotations

import pytest

from truetune.errors import StudyError
from truetune.storage.archive import begin_anew
from truetune.storage.paths import StudyPlace
from truetune.storage.store import create_store, study_names

NAMES = ["study", "study_outer_1", "study_outer_12"]


@pytest.fixture
def place(tmp_path):
    found = StudyPlace.of(tmp_path, "study", None)
    found.make()
    for name in [*NAMES, "other", "other_outer_1", "study_outer_x", "study_outer_01"]:
        create_store(found.url, name, "max", "val_accuracy").close()
    found.outer(1).make()
    (found.outer_folds / "1.json").write_text("{}")
    return found


def kept(place):
    return [name for name in study_names(place.url) if "_archived_" not in name]


def test_the_studies_of_its_outer_folds_go_with_it_and_no_others(place):
    begin_anew(place, lambda line: None, 60.0)
    assert kept(place) == ["other", "other_outer_1", "study_outer_01", "study_outer_x"]
    assert len(study_names(place.url)) == 7
    assert not place.outer_folds.exists()
    (archived,) = place.directory.glob("tuning/study_archived_*")
    assert sorted(path.name for path in (archived / "outer").iterdir()) == ["1", "1.json"]


def test_nothing_is_archived_while_another_process_works_on_an_outer_fold(place):
    store = create_store(place.url, place.outer(12).name, "max", "val_accuracy")  # another owner, which lives
    store.beat(1)
    before = study_names(place.url)
    with pytest.raises(StudyError, match=r"is tuning study 'study_outer_12'\. Stop it before you start over"):
        begin_anew(place, lambda line: None, 60.0)
    store.close()
    assert study_names(place.url) == before
    assert (place.outer_folds / "1.json").exists()
