"""Feature arrays and feature tables."""

import numpy as np
import pandas as pd
import pytest

from truetune.errors import DataError, InputError
from truetune.tasks.eeg_emotion.readers import detect, load


def features(n=20, width=167, seed=0):
    return np.random.default_rng(seed).normal(size=(n, width))


def emotions(n=20):
    return np.arange(n) % 5


def save(folder, **arrays):
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)


def test_the_three_parts_of_a_user_who_has_split_already(tmp_path):
    save(tmp_path, X_train=features(20), y_train=emotions(20), X_val=features(10), y_val=emotions(10))
    save(tmp_path, X_test=features(5), y_test=emotions(5))
    dataset = load(tmp_path)
    assert detect(tmp_path) == "arrays"
    assert dataset.X.shape == (35, 167)
    assert dataset.X.dtype == np.float32
    assert dataset.parts.tolist() == ["train"] * 20 + ["validation"] * 10 + ["test"] * 5
    assert set(dataset.y) == {"valence", "arousal", "emotion"}
    assert dataset.groups is None


def test_subjects_and_trials_survive(tmp_path):
    who = np.repeat(["a", "b"], 10)
    save(tmp_path, X_train=features(), y_train=emotions(), groups_train=who, trials_train=np.arange(20))
    dataset = load(tmp_path)
    assert dataset.groups.tolist() == who.tolist()
    assert dataset.identities["trial"].tolist() == list(range(20))
    assert dataset.parts.tolist() == ["train"] * 20


@pytest.mark.parametrize("as_folder", [True, False])
def test_one_npz(tmp_path, as_folder):
    np.savez(tmp_path / "data.npz", X=features(), y=emotions(), subject=np.arange(20) % 4)
    dataset = load(tmp_path if as_folder else tmp_path / "data.npz")
    assert dataset.parts is None
    assert len(set(dataset.groups)) == 4


def test_a_trailing_axis_is_dropped_and_column_labels_are_flattened(tmp_path):
    save(tmp_path, X_train=features()[:, :, None], y_train=emotions()[:, None].astype(float))
    assert load(tmp_path).X.shape == (20, 167)


def test_class_names_make_a_plain_label(tmp_path):
    save(tmp_path, X=features(), y=emotions(), class_names=np.array(list("abcde")))
    dataset = load(tmp_path)
    assert dataset.class_names == tuple("abcde")
    assert dataset.y.tolist() == emotions().tolist()


@pytest.mark.parametrize(("label", "classes"), [("valence", 2), ("arousal", 2)])
def test_one_head_of_the_emotions(tmp_path, label, classes):
    save(tmp_path, X=features(), y=emotions())
    assert len(np.unique(load(tmp_path, label).y)) == classes


def test_groups_can_be_another_identity(tmp_path):
    save(tmp_path, X=features(), y=emotions(), session=np.arange(20) % 2)
    assert load(tmp_path, groups="session").groups.tolist() == [0, 1] * 10
    with pytest.raises(DataError, match=r"no 'subject' to group them by\. Expected one of: session"):
        load(tmp_path, groups="subject")


def test_levels_of_arrays(tmp_path):
    who, session = np.repeat(["a", "b"], 10), np.tile([1, 2], 10)
    save(tmp_path, X=features(), y=emotions(), subjects=who, sessions=session)
    dataset = load(tmp_path)
    assert list(dataset.levels) == ["subject", "session"]
    assert dataset.levels["session"][:2].tolist() == ["a/1", "a/2"]
    assert load(tmp_path, groups="session").groups.tolist() == dataset.levels["session"].tolist()


@pytest.mark.parametrize("as_npz", [True, False])
def test_arrays_that_only_look_like_a_subject_must_be_declared(tmp_path, as_npz):
    arrays = {"X_train": features(), "y_train": emotions(), "participant_id_train": np.arange(20)[:, None] % 4}
    arrays["patients"] = np.arange(3)  # one for each patient, not for each row
    save(tmp_path, **arrays)
    if as_npz:
        [file.unlink() for file in tmp_path.iterdir()]
        np.savez(tmp_path / "data.npz", **arrays)
    with pytest.raises(DataError, match=r"'participant_id'.*--groups participant_id.*--rows-are-independent"):
        load(tmp_path)
    assert load(tmp_path, groups="participant_id").groups.tolist() == [0, 1, 2, 3] * 5
    assert load(tmp_path, rows_are_independent=True).groups is None


def test_groups_may_be_any_array(tmp_path):
    save(tmp_path, X=features(), y=emotions(), site=np.arange(20) % 2)
    assert load(tmp_path).groups is None
    assert load(tmp_path, groups="site").groups.tolist() == [0, 1] * 10
    with pytest.raises(InputError, match="--groups site and --rows-are-independent"):
        load(tmp_path, groups="site", rows_are_independent=True)


def test_another_array_can_be_the_label_and_strangers_are_left_alone(tmp_path):
    save(tmp_path, X=features(), y=emotions(), mood=emotions() % 3)
    (tmp_path / "other.npy").write_bytes(b"not an array")
    assert load(tmp_path, "mood").y.tolist() == (emotions() % 3).tolist()


def with_nan():
    X = features()
    X[3, 5] = np.nan
    return X


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"X_train": features(), "y_train": emotions(19)}, "y_train has 19 rows, but X_train has 20"),
        ({"X_train": features(), "y_train": emotions(), "groups_train": np.arange(3)}, "subject_train has 3 rows"),
        ({"X_train": features()}, "no y_train"),
        ({"X_train": features().ravel(), "y_train": emotions()}, r"shape \(3340,\)"),
        ({"X_train": np.zeros((20, 32, 128)), "y_train": emotions()}, r"shape \(20, 32, 128\)"),
        ({"X_train": features()[:0], "y_train": emotions()[:0]}, r"shape \(0, 167\)"),
        ({"X_train": with_nan(), "y_train": emotions()}, "NaN or infinity in 1 of 20 rows, first in row 3"),
        ({"X_train": features(), "y_train": emotions() + 0.5}, "hold 0.5"),
        ({"X_train": features(), "y_train": np.eye(5)[emotions()]}, "one-hot"),
        ({"X_train": features(), "y_train": np.where(emotions() == 4, 9, emotions())}, "without a gap"),
        ({"X_train": features(), "y_train": np.zeros(20, int)}, "Every row has the label 0"),
        ({"X_train": features().astype(str), "y_train": emotions()}, "Expected numbers"),
        ({"X_train": np.array([{}] * 20, dtype=object), "y_train": emotions()}, r"X_train\.npy cannot be read"),
        ({"X": features(), "y": emotions(), "X_test": features(), "y_test": emotions()}, "both X and X_test"),
        (
            {"X_train": features(), "y_train": emotions(), "X_test": features(width=160), "y_test": emotions()},
            r"\[160, 167\] features",
        ),
        (
            {"X_train": features(), "y_train": emotions(), "X_val": features(), "y_val": emotions()}
            | {"groups_val": emotions()},
            "hold different arrays",
        ),
    ],
)
def test_arrays_that_do_not_fit_are_refused(tmp_path, arrays, message):
    save(tmp_path, **arrays)
    with pytest.raises(DataError, match=message):
        load(tmp_path)


@pytest.mark.parametrize("keep", [0, 60, 1000])
@pytest.mark.parametrize("name", ["X_train.npy", "data.npz"])
def test_damaged_files_are_named(tmp_path, keep, name):
    if name.endswith("npy"):
        save(tmp_path, X_train=features(), y_train=emotions())
    else:
        np.savez(tmp_path / name, X=features(), y=emotions())
    file = tmp_path / name
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(DataError, match=rf"{name} (is empty|cannot be read)"):
        load(tmp_path)


def table(n=20, **columns):
    X = pd.DataFrame(features(n, 6), columns=[f"f{i}" for i in range(6)])
    return X.assign(**({"subject": [f"{i % 4:02d}" for i in range(n)], "label": emotions(n)} | columns))


@pytest.mark.parametrize("name", ["features.csv", "features.csv.gz"])
def test_a_feature_table(tmp_path, name):
    table(trial=range(20)).to_csv(tmp_path / name, index=False)
    dataset = load(tmp_path / name)
    assert detect(tmp_path) == "feature_tables"
    assert dataset.X.shape == (20, 6)
    assert dataset.groups[:4].tolist() == ["00", "01", "02", "03"]
    assert dataset.main_output == "emotion"
    assert dataset.identities["trial"].tolist() == [str(i) for i in range(20)]


def test_levels_of_a_feature_table(tmp_path):
    table(trial=range(20), session=1).to_csv(tmp_path / "t.csv", index=False)
    dataset = load(tmp_path)
    assert list(dataset.levels) == ["subject", "session", "trial"]
    assert dataset.levels["trial"][5] == "01/1/5"


@pytest.mark.parametrize("name", ["participant_id", "patient", "Subject", "userId", "session"])
def test_a_column_that_only_looks_like_a_subject_must_be_declared(tmp_path, name):
    table(**{name: [i % 4 for i in range(20)]}).drop(columns="subject").to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(DataError, match=rf"'{name}'.*--groups {name}.*--rows-are-independent"):
        load(tmp_path)
    grouped = load(tmp_path, groups=name)
    assert grouped.groups.tolist() == ["0", "1", "2", "3"] * 5
    assert grouped.X.shape == (20, 6), "it is no feature"
    independent = load(tmp_path, rows_are_independent=True)
    assert (independent.groups, independent.X.shape) == (None, (20, 6))


def test_a_measure_with_a_name_like_that_stays_a_feature(tmp_path):
    more = {"subjective_rating": 1, "patient_age": 50, "distance_to_person": np.arange(20) / 3}
    table(**more).drop(columns="subject").to_csv(tmp_path / "t.csv", index=False)
    assert load(tmp_path).X.shape == (20, 9)


def test_the_label_may_be_a_person(tmp_path):
    table(speaker=["x", "y"] * 10).drop(columns="subject").to_csv(tmp_path / "t.csv", index=False)
    assert load(tmp_path, "speaker").class_names == ("x", "y")


def test_groups_may_be_any_column(tmp_path):
    table(site=np.arange(20) % 2).to_csv(tmp_path / "t.csv", index=False)
    dataset = load(tmp_path, groups="site")
    assert dataset.groups.tolist() == ["0", "1"] * 10
    assert dataset.X.shape == (20, 6)


def test_other_labels_and_row_numbers_are_no_features(tmp_path):
    table(valence=emotions() % 2, words=["x", "y"] * 10).to_csv(tmp_path / "t.csv")
    assert load(tmp_path).X.shape == (20, 6)
    words = load(tmp_path, "words")
    assert words.class_names == ("x", "y")
    assert words.X.shape == (20, 6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop(columns="label"), "no column of labels"),
        (lambda t: t[["subject", "label"]], "no column of numbers"),
        (lambda t: t.assign(label=t.label.where(t.label > 0)), "4 rows of .* have no 'label'"),
        (lambda t: t.assign(f0=np.nan), "NaN or infinity in 20 of 20 rows"),
        (lambda t: t[:0], "no rows"),
    ],
)
def test_tables_that_do_not_fit_are_refused(tmp_path, change, message):
    change(table()).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(DataError, match=message):
        load(tmp_path)


def test_tables_with_other_columns_are_refused(tmp_path):
    table().to_csv(tmp_path / "a.csv", index=False)
    table().rename(columns={"f0": "g0"}).to_csv(tmp_path / "b.csv", index=False)
    with pytest.raises(DataError, match="differ in the columns f0, g0"):
        load(tmp_path)
