"""One process at a time; files of an earlier study are kept; a study goes on only with what it was made from."""

from __future__ import annotations

import subprocess
import sys

import pytest

from truetune.errors import StorageError, StudyError
from truetune.space import Hyperparameter, Space
from truetune.storage.paths import StudyPlace, check_unchanged


@pytest.fixture
def place(tmp_path):
    made = StudyPlace.of(tmp_path / "models", "study", None)
    made.make()
    return made


HOLDER = """
import sys
from pathlib import Path
from truetune.storage.paths import StudyPlace

with StudyPlace.of(Path(sys.argv[1]), "study", None).locked(''):
    print("locked", flush=True)
    sys.stdin.read()
"""


def test_a_second_process_is_kept_out_until_the_first_dies(place):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(place.directory)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout.readline() == "locked\n"
        with pytest.raises(StudyError, match=r"Another process is tuning study 'study'.*--study-name"):
            with place.locked("Wait, or use another --study-name."):
                pass
    finally:
        holder.kill()
        holder.communicate()
    with place.locked("Wait, or use another --study-name."):
        pass


def test_the_lock_is_free_after_an_error(place):
    with pytest.raises(ValueError, match="inside"), place.locked("Wait, or use another --study-name."):
        raise ValueError("inside")
    with place.locked("Wait, or use another --study-name."):
        pass


def test_other_studies_are_not_locked(place):
    other = StudyPlace.of(place.directory, "other", None)
    other.make()
    with place.locked("Wait, or use another --study-name."), other.locked("Wait, or use another --study-name."):
        assert place.folder != other.folder
        with pytest.raises(StudyError, match="Another process"), other.locked("Wait, or use another --study-name."):
            pass


def test_the_default_database_is_in_the_directory(place):
    assert place.url == f"sqlite:///{place.directory}/tuning/optuna.db"
    assert StudyPlace.of(place.directory, "study", "sqlite:///x.db").url == "sqlite:///x.db"


def test_a_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "models").write_text("")
    with pytest.raises(StorageError, match=r"cannot be written"):
        StudyPlace.of(tmp_path / "models", "study", None).make()


def test_files_are_archived_but_the_lock(place):
    with place.locked("Wait, or use another --study-name."):
        assert place.archive() is None
        place.seal.write_text("sealed")
        place.checkpoints.mkdir()
        kept = place.archive()
        assert (kept / "seal.json").read_text() == "sealed"
        assert (kept / "checkpoints").is_dir()
        assert [path.name for path in place.folder.iterdir()] == ["supervisor.lock"]


def test_two_archives_within_a_second_do_not_collide(place):
    kept = set()
    for _ in range(2):
        place.seal.write_text("sealed")
        kept.add(place.archive())
    assert len(kept) == 2


def test_scratch_of_processes_that_are_gone_is_removed(place):
    place.clear_scratch(owners={"1-aa"})
    for token in ("1-aa", "2-bb"):
        (place.data / token).mkdir(parents=True)
        (place.data / token / "train.X.npy").touch()
    place.seal.touch()
    place.clear_scratch(owners={"1-aa"})
    assert [path.name for path in place.data.iterdir()] == ["1-aa"]
    assert place.seal.exists()


META = {
    "method": "optuna",
    "algorithm": "tpe",
    "objective": {"name": "val_accuracy", "direction": "max"},
    "seed": 0,
    "epochs": 30,
    "data": {"fingerprint": "aaaa", "kind": "EEG", "is_dummy": False},
}


def space_of(high):
    space = Space()
    space.add(Hyperparameter("Int", "units", 1, low=1, high=high, step=1))
    return space.to_config()


def test_the_same_study_goes_on():
    check_unchanged("study", {}, META)
    check_unchanged("study", META, META)
    check_unchanged("study", {**META, "space": space_of(5)}, {**META, "space": space_of(5)})
    check_unchanged("study", {**META, "space": space_of(5)}, META)


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"method": "keras-tuner"}, "method: was optuna, now keras-tuner"),
        ({"algorithm": "random"}, "tuning algorithm: was tpe, now random"),
        (
            {"objective": {"name": "val_loss", "direction": "min"}},
            "objective: was name val_accuracy, direction max, now",
        ),
        ({"seed": 1}, "seed: was 0, now 1"),
        ({"epochs": 20}, "epochs: was 30, now 20"),
        ({"data": {**META["data"], "fingerprint": "bbbb"}}, "data: was fingerprint aaaa, .* now fingerprint bbbb"),
        ({"space": space_of(9)}, "search space: units: was 1…5 .* now 1…9"),
    ],
)
def test_every_difference_is_said_with_the_ways_out(changed, what):
    before = {**META, "space": space_of(5)}
    with pytest.raises(StudyError, match=what) as caught:
        check_unchanged("study", before, {**before, **changed})
    assert "--fresh" in str(caught.value)
    assert "--study-name" in str(caught.value)


def test_several_differences_are_said_together():
    with pytest.raises(StudyError) as caught:
        check_unchanged("study", META, {**META, "seed": 1, "epochs": 20})
    assert "seed" in str(caught.value)
    assert "epochs" in str(caught.value)
