"""Raw recordings in their real formats."""

import numpy as np
import pytest

from support.eeg_files import NAMES, noise, write_brainvision, write_edf, write_fif, write_set
from truetune.errors import DataError
from truetune.tasks.eeg_emotion.features import feature_names
from truetune.tasks.eeg_emotion.readers import detect, load

# Three stretches of 3 s, of which the second and the fourth have strong alpha waves.
EVENTS = [(0.0, 3.0, "open"), (3.0, 3.0, "closed"), (6.0, 3.0, "open"), (9.0, 3.0, "closed")]


def signals(seed=0, seconds=12.0):
    quiet, strong = noise(seconds=seconds, seed=seed), noise(seconds=seconds, seed=seed, alpha=60)
    time = np.arange(quiet.shape[1]) / 128
    return np.where((time // 3) % 2 == 1, strong, quiet)


WRITERS = {
    ".edf": lambda path, **more: write_edf(path, signals(), **more),
    ".bdf": lambda path, **more: write_edf(path, signals(), bdf=True, **more),
    "_raw.fif": lambda path, **more: write_fif(path, signals(), **more),
    ".set": lambda path, **more: write_set(path, signals(), **more),
    ".vhdr": lambda path, **more: write_brainvision(path, signals(), **more),
}


def labels_table(folder, rows, header="file,subject,onset,duration,label,trial"):
    (folder / "labels.csv").write_text(header + "\n" + "\n".join(rows) + "\n")


def check(dataset, words=("closed", "open")):
    """Classes, µV and the place of each stretch are right: the strong waves are in the rows that say so."""
    assert dataset.X.shape == (4, 5 * 4 + 2)
    assert dataset.class_names == words
    alpha = dataset.X[:, feature_names(NAMES).index("alpha_F3")]
    strong = dataset.y == 0
    assert (alpha[strong] > 3).all()  # a wave of 60 µV has 1800 µV²
    assert (alpha[strong] < 3.5).all()
    assert (alpha[~strong] < 1.7).all()


@pytest.mark.parametrize("suffix", WRITERS)
def test_a_labels_table_says_who_and_what(tmp_path, suffix):
    WRITERS[suffix](tmp_path / f"rec{suffix}")
    rows = [f"rec{suffix},01,{onset},{duration},{word},{i}" for i, (onset, duration, word) in enumerate(EVENTS)]
    labels_table(tmp_path, rows)
    assert detect(tmp_path) == "raw"
    dataset = load(tmp_path)
    check(dataset)
    assert dataset.groups.tolist() == ["01"] * 4
    assert dataset.identities["trial"].tolist() == ["0", "1", "2", "3"]


@pytest.mark.parametrize("suffix", WRITERS)
def test_annotations_in_the_file_are_labels(tmp_path, suffix):
    file = tmp_path / f"sub-07_task-rest{suffix}"
    WRITERS[suffix](file, annotations=EVENTS)
    dataset = load(file)
    words = ("Stimulus/closed", "Stimulus/open") if suffix == ".vhdr" else ("closed", "open")
    check(dataset, words)
    assert set(dataset.groups) == {"sub-07"}


def test_annotations_without_duration_last_to_the_next(tmp_path):
    write_fif(tmp_path / "s1_raw.fif", signals(), annotations=[(onset, 0.0, word) for onset, _, word in EVENTS])
    check(load(tmp_path))


def test_several_subjects_and_the_five_emotions(tmp_path):
    words = ["neutral", "happy", "sad", "relaxed", "focused"]
    for subject in (1, 2):
        write_edf(tmp_path / f"p{subject}.edf", noise(seconds=20, seed=subject))
    labels_table(tmp_path, [f"p{s}.edf,{4 * i},4,{word}" for s in (1, 2) for i, word in enumerate(words)],
                 "file,onset,duration,label")  # fmt: skip
    dataset = load(tmp_path)
    assert dataset.y["emotion"].tolist() == [0, 1, 2, 3, 4] * 2
    assert dataset.main_output == "emotion"
    assert dataset.groups.tolist() == ["p1"] * 5 + ["p2"] * 5


def test_long_trials_are_cut_and_keep_their_trial(tmp_path):
    write_edf(tmp_path / "a.edf", noise(seconds=24))
    labels_table(tmp_path, ["a.edf,1,0,12,x,first", "a.edf,1,12,12,y,second"])
    dataset = load(tmp_path)
    assert dataset.identities["trial"].tolist() == ["first"] * 3 + ["second"] * 3
    assert len(load(tmp_path, window_seconds=2)) == 12


def test_a_file_without_onsets_is_one_trial(tmp_path):
    for name in "ab":
        write_edf(tmp_path / f"{name}.edf", noise(seconds=8))
    labels_table(tmp_path, ["a.edf,x", "b.edf,y"], "file,label")
    assert load(tmp_path).y.tolist() == [0, 0, 1, 1]


def test_channels_that_are_no_electrodes_are_left_out(tmp_path):
    write_fif(tmp_path / "x_raw.fif", noise(5), names=("Fp1", "HEOG", "F3", "F4", "Fp2"), annotations=EVENTS)
    assert load(tmp_path).X.shape[1] == 22


@pytest.mark.parametrize(
    ("rows", "header", "message"),
    [
        (["a.edf,x"], "file,emotion", "no column label"),
        (["b.edf,x"], "file,label", "names the file 'b.edf', which exists 0 times"),
        (["a.edf,0,99,x"], "file,onset,duration,label", "the recording lasts 12 s"),
        (["a.edf,zero,9,x"], "file,onset,duration,label", "onset 'zero'"),
        (["a.edf,0,0,x"], "file,onset,duration,label", "duration 0"),
        (["a.edf,0,,x"], "file,onset,duration,label", "empty cells in duration"),
        (["a.edf,0,0.1,x", "a.edf,1,0.1,y"], "file,onset,duration,label", "at least 0.5 s"),
        ([], "file,label", "no rows"),
        (["a.edf,x", "a.edf,x"], "file,label", "Every row has the label x"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(tmp_path, rows, header, message):
    write_edf(tmp_path / "a.edf", noise())
    labels_table(tmp_path, rows, header)
    with pytest.raises(DataError, match=message):
        load(tmp_path)


def test_a_recording_without_any_label_says_what_to_write(tmp_path):
    write_edf(tmp_path / "a.edf", noise())
    with pytest.raises(DataError, match=r"labels\.csv with the columns file, onset, duration"):
        load(tmp_path)


@pytest.mark.parametrize("suffix", WRITERS)
@pytest.mark.parametrize("keep", [0, 100])
def test_a_truncated_file_is_named(tmp_path, suffix, keep):
    file = tmp_path / f"a{suffix}"
    WRITERS[suffix](file)
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(DataError, match=r"a(_raw)?\.\w+ (is empty|cannot be read)"):
        load(file)


@pytest.mark.parametrize("suffix", WRITERS)
def test_half_a_recording_is_not_taken_for_a_whole_one(tmp_path, suffix):
    file = tmp_path / f"a{suffix}"
    WRITERS[suffix](file)
    data = file.with_suffix(".eeg") if suffix == ".vhdr" else file
    data.write_bytes(data.read_bytes()[: data.stat().st_size // 2])
    labels_table(tmp_path, [f"a{suffix},1,{onset},{duration},{word},0" for onset, duration, word in EVENTS])
    with pytest.raises(DataError, match=r"cannot be read|but the recording lasts"):
        load(tmp_path)


def test_names_that_are_no_electrodes_are_refused(tmp_path):
    write_fif(tmp_path / "x_raw.fif", noise(), names=("A", "B", "C", "D"), annotations=EVENTS)
    with pytest.raises(DataError, match="Expected names of electrodes"):
        load(tmp_path)
