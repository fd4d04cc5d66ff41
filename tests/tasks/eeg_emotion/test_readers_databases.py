"""DEAP, SEED, SEED-IV and DREAMER, written as their makers did."""

import os
import pickle

import numpy as np
import pytest
from scipy.io import savemat

from support.eeg_files import python2_pickle
from truetune.errors import DataError
from truetune.tasks.eeg_emotion.channels import DEAP_CHANNELS
from truetune.tasks.eeg_emotion.features import feature_names
from truetune.tasks.eeg_emotion.readers import detect, load
from truetune.tasks.eeg_emotion.readers.seed import SEED_IV_CLASSES, SEED_IV_LABELS, SEED_LABELS

# valence, arousal, dominance, liking; neutral, happy, sad, relaxed, focused by the rule.
RATINGS = np.array([[5, 5, 5, 5], [8, 7, 5, 5], [2, 3, 5, 5], [8, 2, 5, 5], [6.5, 8, 5, 5]])


def deap(n=5, n_times=8064, seed=0, n_channels=40):
    """Channel c has amplitude c + 1; the 3 s of baseline are a hundred times as large."""
    data = np.random.default_rng(seed).normal(size=(n, n_channels, n_times)) * np.arange(1, n_channels + 1)[:, None]
    data[:, :, :384] *= 100
    return {"labels": RATINGS[np.arange(n) % 5], "data": data}


@pytest.mark.parametrize("write", [python2_pickle, lambda c: pickle.dumps(c, 2)], ids=["python 2", "python 3"])
def test_deap(tmp_path, write):
    for name in ("s01.dat", "s02.dat"):
        (tmp_path / name).write_bytes(write(deap()))
    dataset = load(tmp_path)
    assert detect(tmp_path) == "deap"
    assert dataset.X.shape == (2 * 5 * 15, 167)  # 60 s in windows of 4 s
    assert dataset.groups.tolist() == ["s01"] * 75 + ["s02"] * 75
    assert dataset.identities["trial"].tolist() == np.repeat(np.arange(5), 15).tolist() * 2
    assert dataset.y["emotion"].tolist() == np.repeat(np.arange(5), 15).tolist() * 2
    assert dataset.y["valence"].tolist() == np.repeat([0, 1, 0, 1, 1], 15).tolist() * 2


def test_deap_drops_the_baseline_and_the_other_channels(tmp_path):
    (tmp_path / "s01.dat").write_bytes(python2_pickle(deap()))
    dataset = load(tmp_path / "s01.dat")
    beta = [feature_names(DEAP_CHANNELS).index(f"beta_{name}") for name in DEAP_CHANNELS]
    # White noise of variance v has v × 17 Hz / 64 Hz of its power in beta.
    expected = np.log10(np.arange(1, 33) ** 2 * 17 / 64)
    np.testing.assert_allclose(dataset.X[:, beta].mean(axis=0), expected, atol=0.05)


def test_one_head_of_deap(tmp_path):
    (tmp_path / "s01.dat").write_bytes(python2_pickle(deap(n_times=1024)))
    dataset = load(tmp_path, "arousal")
    assert dataset.class_names == ("low", "high")
    assert dataset.y.tolist() == [0, 1, 0, 0, 1]


class Executes:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


def test_a_pickle_that_is_not_deaps_is_refused_and_not_executed(tmp_path):
    marker = tmp_path / "executed"
    (tmp_path / "s01.dat").write_bytes(pickle.dumps(deap(n_times=1024) | {"extra": Executes(marker)}))
    with pytest.raises(DataError, match="Nothing in it was executed"):
        load(tmp_path)
    assert not marker.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"data": np.zeros((5, 40, 1024))}, r"holds \['data'\]"),
        ([1, 2], "holds list"),
        (deap(n_channels=32), r"shape \(5, 32, 8064\)"),
        (deap(n_times=400), "8064 samples"),
        (deap() | {"labels": RATINGS[:4]}, "for 5 trials"),
        (deap() | {"labels": RATINGS + 5}, "outside 1 to 9"),
        (deap() | {"data": "text"}, "not an array of floats"),
    ],
)
def test_deap_files_of_another_shape_are_refused(tmp_path, content, message):
    (tmp_path / "s01.dat").write_bytes(pickle.dumps(content, 2))
    with pytest.raises(DataError, match=message):
        load(tmp_path)


def seed_session(file, trials, seconds=9, sfreq=200, n_channels=62, prefix="djc_eeg"):
    generator = np.random.default_rng(trials)
    names = [f"{prefix}{i}" for i in range(1, trials + 1)]
    lengths = [round(seconds * sfreq) + 50 * (i % 3) for i in range(trials)]
    savemat(file, {name: generator.normal(0, 20, (n_channels, n)) for name, n in zip(names, lengths, strict=True)})


def test_seed(tmp_path):
    folder = tmp_path / "SEED" / "Preprocessed_EEG"
    folder.mkdir(parents=True)
    for name in ("1_20131030", "1_20131027", "2_20140404"):
        seed_session(folder / f"{name}.mat", 15)
    savemat(folder / "label.mat", {"label": np.array([SEED_LABELS])})
    dataset = load(tmp_path / "SEED")
    assert detect(folder) == "seed"
    assert dataset.X.shape == (3 * 15 * 2, 5 * 62 + 7)
    assert dataset.class_names == ("negative", "neutral", "positive")
    assert (dataset.y[:30:2] - 1).tolist() == list(SEED_LABELS)
    assert dataset.groups.tolist() == ["1"] * 60 + ["2"] * 30
    assert dataset.identities["session"].tolist() == [1] * 30 + [2] * 30 + [1] * 30
    assert dataset.identities["trial"][:6].tolist() == [1, 1, 2, 2, 3, 3]


def test_the_labels_of_seed_are_those_in_its_file(tmp_path):
    seed_session(tmp_path / "1_20131027.mat", 15)
    savemat(tmp_path / "label.mat", {"label": -np.array([SEED_LABELS])})
    assert (load(tmp_path).y[::2] - 1).tolist() == [-label for label in SEED_LABELS]
    savemat(tmp_path / "label.mat", {"label": np.arange(15)})
    with pytest.raises(DataError, match="15 numbers of -1, 0, 1"):
        load(tmp_path)


def test_seed_iv_whose_labels_depend_on_the_session(tmp_path):
    for session in (1, 2, 3):
        folder = tmp_path / "eeg_raw_data" / str(session)
        folder.mkdir(parents=True)
        seed_session(folder / f"4_2015110{session}.mat", 24, seconds=4.5, prefix="cz_eeg")
    dataset = load(tmp_path)
    assert dataset.kind == "EEG signals (SEED-IV)"
    assert dataset.class_names == ("fear", "happy", "neutral", "sad")
    expected = [SEED_IV_CLASSES[label] for session in (1, 2, 3) for label in SEED_IV_LABELS[session]]
    assert [dataset.class_names[label] for label in dataset.y] == expected
    assert dataset.identities["session"].tolist() == np.repeat([1, 2, 3], 24).tolist()
    assert load(tmp_path, groups="session").groups.tolist() == np.repeat(["4/1", "4/2", "4/3"], 24).tolist()


def test_every_session_of_seed_iv_has_each_emotion_six_times():
    for order in SEED_IV_LABELS.values():
        assert np.bincount(order).tolist() == [6, 6, 6, 6]
    assert np.unique(SEED_LABELS, return_counts=True)[1].tolist() == [5, 5, 5]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"trials": 7}, "holds 7 trials"),
        ({"trials": 15, "n_channels": 14}, r"shape \(14, 1800\)"),
        ({"trials": 15, "prefix": "de_LDS"}, "not ExtractedFeatures"),
    ],
)
def test_seed_files_of_another_kind_are_refused(tmp_path, options, message):
    seed_session(tmp_path / "1_20131027.mat", **options)
    with pytest.raises(DataError, match=message):
        load(tmp_path)


@pytest.mark.parametrize(("keep", "message"), [(0, "is empty"), (300, "cannot be read"), (5000, "cannot be read")])
def test_a_truncated_mat_file_is_named(tmp_path, keep, message):
    file = tmp_path / "1_20131027.mat"
    seed_session(file, 15)
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(DataError, match=message):
        load(tmp_path)


def test_the_newest_mat_format_is_refused_with_advice(tmp_path):
    (tmp_path / "DREAMER.mat").write_bytes(b"MATLAB 7.3 MAT-file".ljust(512) + b"\x89HDF\r\n\x1a\n" + bytes(100))
    with pytest.raises(DataError, match="-v7"):
        load(tmp_path)


def cell(items):
    column = np.empty((len(items), 1), dtype=object)
    for i, item in enumerate(items):
        column[i, 0] = item
    return column


def dreamer_subject(number, films=4, seconds=(9, 10, 13, 8.5)):
    generator = np.random.default_rng(number)
    stimuli = [generator.normal(4100, 15, (round(seconds[i] * 128), 14)) for i in range(films)]
    eeg = {"baseline": cell([film[:128] for film in stimuli]), "stimuli": cell(stimuli)}
    scores = {"ScoreValence": [[4], [2], [5], [3]], "ScoreArousal": [[5], [1], [2], [3]], "ScoreDominance": [[3]] * 4}
    return {"Age": "25", "Gender": "male", "EEG": eeg} | {name: np.array(s[:films]) for name, s in scores.items()}


def write_dreamer(file, subjects):
    names = np.array(["AF3", "F7", "F3", "FC5", "T7", "P7", "O1", "O2", "P8", "T8", "FC6", "F4", "F8", "AF4"], object)
    study = {"Data": cell(subjects).T, "EEG_SamplingRate": 128, "ECG_SamplingRate": 256, "EEG_Electrodes": names}
    savemat(file, {"DREAMER": study})


@pytest.mark.parametrize("n_subjects", [1, 3])
def test_dreamer(tmp_path, n_subjects):
    write_dreamer(tmp_path / "DREAMER.mat", [dreamer_subject(i) for i in range(n_subjects)])
    dataset = load(tmp_path)
    assert detect(tmp_path / "DREAMER.mat") == "dreamer"
    assert dataset.X.shape == (9 * n_subjects, 5 * 14 + 4)  # AF, F3/F4, F7/F8, FC5/FC6
    assert dataset.identities["trial"].tolist() == [0, 0, 1, 1, 2, 2, 2, 3, 3] * n_subjects
    assert dataset.y["emotion"].tolist() == [4, 4, 2, 2, 3, 3, 3, 0, 0] * n_subjects
    assert dataset.y["valence"].tolist() == [1, 1, 0, 0, 1, 1, 1, 0, 0] * n_subjects
    assert dataset.groups.tolist() == np.repeat([f"{i + 1:02d}" for i in range(n_subjects)], 9).tolist()
    assert dataset.X.mean() < 3  # the constant 4100 µV of the headset is gone


def test_dreamer_with_one_film_per_subject(tmp_path):
    subjects = [dreamer_subject(i, films=1) for i in range(2)]
    subjects[1]["ScoreValence"] = np.array([[1]])
    write_dreamer(tmp_path / "DREAMER.mat", subjects)
    assert load(tmp_path).y["valence"].tolist() == [1, 1, 0, 0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("EEG"), "no field EEG"),
        (lambda s: s.update(ScoreValence=np.array([[3], [4]])), "2 ratings for 4 films"),
        (lambda s: s.update(ScoreArousal=np.array([[3], [4], [9], [2]])), "outside 1 to 9"),
        (lambda s: s["EEG"].update(stimuli=cell([np.zeros((900, 3))] * 4)), r"shape \(900, 3\)"),
    ],
)
def test_dreamer_files_of_another_shape_are_refused(tmp_path, change, message):
    subject = dreamer_subject(0)
    change(subject)
    write_dreamer(tmp_path / "DREAMER.mat", [subject])
    with pytest.raises(DataError, match=message):
        load(tmp_path)
