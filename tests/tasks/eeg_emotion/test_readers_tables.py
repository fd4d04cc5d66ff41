"""Tables of signals, real ones included."""

import json
import os
import time
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from truetune.errors import DataError
from truetune.tasks.eeg_emotion.features import band_powers, feature_names
from truetune.tasks.eeg_emotion.readers import detect, load

SMNI = Path(__file__).parents[4] / "shared" / "data" / "eeg_smni"
needs_smni = pytest.mark.skipif(
    not SMNI.is_dir() and not os.environ.get("CI"), reason=f"The real EEG in {SMNI} is not there."
)


def table(subject="01", trials=4, n_times=128, names=("FP1", "FP2", "CZ"), **columns):
    """Long format: a row per sample, trials one after the other, the label alternating."""
    generator = np.random.default_rng(zlib.crc32(subject.encode()))
    rows = trials * n_times
    trial = np.repeat(np.arange(trials), n_times)
    data = {"subject": subject, "trial": trial, "condition": np.array(["rest", "task"])[trial % 2]}
    data |= {"sample": np.tile(np.arange(n_times), trials)} | columns
    return pd.DataFrame(data | {name: generator.normal(0, 10, rows) for name in names})


def save(folder, *tables):
    for i, one in enumerate(tables):
        one.to_csv(folder / f"s{i}.csv.gz", index=False)


def test_subjects_trials_and_conditions_survive(tmp_path):
    save(tmp_path, table("01", sfreq=128), table("02", sfreq=128))
    dataset = load(tmp_path)
    assert detect(tmp_path) == "tables"
    assert dataset.X.shape == (8, 5 * 3 + 1)
    assert dataset.groups.tolist() == ["01"] * 4 + ["02"] * 4
    assert dataset.identities["trial"].tolist() == ["0", "1", "2", "3"] * 2
    assert dataset.class_names == ("rest", "task")
    assert dataset.y.tolist() == [0, 1] * 4


def test_the_order_of_rows_does_not_matter(tmp_path):
    one = table(sfreq=128)
    save(tmp_path, one)
    expected = load(tmp_path).X
    save(tmp_path, one.sample(frac=1, random_state=0))
    np.testing.assert_array_equal(load(tmp_path).X, expected)


def test_windows_of_a_trial_of_a_session_of_a_subject(tmp_path):
    save(tmp_path, *(table(who, n_times=1100, sfreq=128, session="x") for who in ("01", "02")))
    dataset = load(tmp_path)
    assert list(dataset.levels) == ["subject", "session", "trial"]
    assert dataset.levels["trial"][[0, 1, 2, 8]].tolist() == ["01/x/0", "01/x/0", "01/x/1", "02/x/0"]
    assert load(tmp_path, groups="trial").groups.tolist() == dataset.levels["trial"].tolist()
    assert load(tmp_path, rows_are_independent=True).groups is None


def test_groups_of_a_further_column(tmp_path):
    save(tmp_path, table("01", sfreq=128, site="a"), table("02", sfreq=128, site="a"), table("03", sfreq=128, site="b"))
    assert load(tmp_path, "condition", groups="site").groups.tolist() == ["a"] * 8 + ["b"] * 4
    save(tmp_path, table("01", sfreq=128, site=np.arange(4 * 128)))
    with pytest.raises(DataError, match=r"'site' of .* changes within a trial"):
        load(tmp_path, "condition", groups="site")


@pytest.mark.parametrize("source", ["option", "column", "sidecar", "uci"])
def test_where_the_sampling_rate_comes_from(tmp_path, source):
    uci = source == "uci"
    one = table("co2a0000364" if uci else "01", n_times=256)
    save(tmp_path, one.assign(sfreq=256) if source == "column" else one)
    if source == "sidecar":
        (tmp_path / "dataset.json").write_text(json.dumps({"sfreq": 256}))
    dataset = load(tmp_path, sfreq=256 if source == "option" else None)
    signal = one[one.trial == 0][["FP1"]].to_numpy().T[None]
    alpha = dataset.X[0, feature_names(("FP1", "FP2", "CZ")).index("alpha_Fp1")]
    assert alpha == pytest.approx(np.log10(band_powers(signal, 256.0)[0, 2, 0]), abs=1e-5)


def test_a_sampling_rate_that_nobody_said_is_not_guessed(tmp_path):
    save(tmp_path, table("co2a0000364", n_times=128))
    with pytest.raises(DataError, match=r"has no sampling rate.*dataset\.json"):
        load(tmp_path)


@pytest.mark.parametrize("content", ["{", "[]", '{"sfreq": "256"}', '{"sfreq": -1}', ""])
def test_a_sidecar_that_does_not_fit_is_refused(tmp_path, content):
    save(tmp_path, table())
    (tmp_path / "dataset.json").write_text(content)
    with pytest.raises(DataError, match=r"dataset\.json"):
        load(tmp_path)


def test_the_label_must_be_named_where_there_are_several(tmp_path):
    save(tmp_path, table("01", sfreq=128, group="a"), table("02", sfreq=128, group="b"))
    for label in (None, "mood"):
        with pytest.raises(DataError, match=r"condition \(rest, task\); group \(a\)"):
            load(tmp_path, label)
    assert load(tmp_path, "group").class_names == ("a", "b")


def test_numbered_emotions_get_three_heads(tmp_path):
    one = table(trials=10, sfreq=128).drop(columns="condition")
    save(tmp_path, one.assign(emotion=one.trial % 5))
    assert load(tmp_path).y["emotion"].tolist() == [0, 1, 2, 3, 4] * 2


def test_long_trials_are_cut_into_windows(tmp_path):
    save(tmp_path, table(n_times=1100, sfreq=128))
    assert load(tmp_path).identities["trial"].tolist() == ["0", "0", "1", "1", "2", "2", "3", "3"]
    assert len(load(tmp_path, window_seconds=1)) == 4 * 8
    with pytest.raises(DataError, match="at least window_seconds=30"):
        load(tmp_path, window_seconds=30)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop(columns="trial"), "no column trial"),
        (lambda t: t.drop(index=5), "1 gaps within its trials"),
        (lambda t: pd.concat([t, t[3:4]]), "1 samples twice"),
        (lambda t: t.drop(columns=["FP1", "FP2", "CZ"]), "no column that is named as an electrode"),
        (lambda t: t.assign(CZ="1,5"), "CZ of .* hold text"),
        (lambda t: t.assign(FP2=t.FP2.where(t["sample"] > 0)), "NaN or infinity in FP2"),
        (lambda t: t.assign(condition=t.condition.where(t.trial > 0)), "128 rows of .* have no 'condition'"),
        (lambda t: t.assign(subject=np.nan), "no 'subject'"),
        (lambda t: t.assign(sfreq=np.arange(len(t))), "Expected one sampling rate"),
        (lambda t: t.assign(FP1=t.FP1 / 1e6, FP2=t.FP2 / 1e6, CZ=t.CZ / 1e6), "multiply volts by 1e6"),
        (lambda t: t.assign(sfreq=512), "at least 0.5 s"),
        (lambda t: t[:0], "no rows"),
        (lambda t: t[t.condition == "rest"], "Every row has the label rest"),
        (lambda t: t.rename(columns={"FP2": "Fp1"}), "Fp1 occur more than once"),
    ],
)
def test_tables_that_do_not_fit_are_refused(tmp_path, change, message):
    save(tmp_path, change(table(sfreq=128)))
    with pytest.raises(DataError, match=message):
        load(tmp_path, "condition")


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b[:10], lambda b: b"", lambda b: b"no gzip"])
def test_a_damaged_file_is_named(tmp_path, damage):
    save(tmp_path, table(sfreq=128))
    file = tmp_path / "s0.csv.gz"
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(DataError, match=r"s0\.csv\.gz (is empty|cannot be read)"):
        load(tmp_path)


@needs_smni
def test_two_real_subjects(tmp_path):
    for name in ("co2a0000364", "co2c0000337"):
        (tmp_path / f"{name}.csv.gz").symlink_to(SMNI / f"{name}.csv.gz")
    dataset = load(tmp_path, "condition")
    assert dataset.X.shape == (60, 5 * 32 + 6)  # no AF3 and AF4
    assert dataset.class_names == ("S1 obj", "S2 match", "S2 nomatch")
    assert np.bincount(dataset.y).tolist() == [20, 20, 20]
    assert load(tmp_path, "group").class_names == ("alcoholic", "control")


@needs_smni
def test_the_whole_real_set_is_read_in_seconds_and_cached(tmp_path):
    started = time.perf_counter()
    dataset = load(SMNI, "condition", cache_dir=tmp_path)
    assert time.perf_counter() - started < 30
    assert len(dataset) == 600
    assert len(set(dataset.groups)) == 20
    assert len(list(tmp_path.iterdir())) == 20
    again = load(SMNI, "group", cache_dir=tmp_path)
    np.testing.assert_array_equal(again.X, dataset.X)
    assert len(list(tmp_path.iterdir())) == 20


def test_a_gzip_bomb_is_refused_while_it_is_read(tmp_path, monkeypatch):
    import gzip

    from truetune.data.reading import bounds

    monkeypatch.setattr(bounds, "UNSUSPICIOUS", 2**20)
    with gzip.open(tmp_path / "bomb.csv.gz", "wt") as file:
        file.write("sample,subject,trial,label,Fz\n")
        file.writelines(["0,0,0,0,0\n"] * 10**6)
    with pytest.raises(DataError, match="compressed 100-fold at most"):
        load(tmp_path)


def test_a_first_line_without_an_end_is_not_read_to_its_end(tmp_path):
    import gzip

    with gzip.open(tmp_path / "line.csv.gz", "wb") as file:
        file.write(b"a" * (2**22 + 2))
    with pytest.raises(DataError, match="first line"):
        load(tmp_path)
