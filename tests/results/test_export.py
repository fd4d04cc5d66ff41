from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import jsonschema
import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from truetune.errors import ExportError
from truetune.results.export import (
    LARGEST_FILE,
    Baseline,
    BestHyperparameters,
    DataRecord,
    EstimateRecord,
    FinalistRecord,
    FinalistsRecord,
    Metadata,
    ObjectiveRecord,
    load,
    schema,
    schema_text,
)

SCHEMA = jsonschema.Draft202012Validator(schema())
SCHEMA_FILE = Path(__file__).parents[2] / "docs" / "best_hyperparameters.schema.json"


def metadata(**changed: Any) -> Metadata:
    fields: dict[str, Any] = {
        "best_score": 0.8125,
        "objective": ObjectiveRecord(name="val_emotion_accuracy", direction="max"),
        "method": "optuna",
        "algorithm": "tpe",
        "study_name": "emotion_recognition_optuna",
        "storage": "sqlite:///models/tuning/optuna.db",
        "trial": 17,
        "n_trials": {"complete": 30, "pruned": 18, "failed": 2},
        "data": DataRecord(fingerprint="0123456789abcdef", kind="EEG features"),
        "seed": 0,
        "versions": {"keras": "3.15.1"},
        "epochs": 23,
    }
    return Metadata(**{**fields, **changed})


VALUES = st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | st.text()
HYPERPARAMETERS = st.dictionaries(st.text(), VALUES, max_size=8)
WORDS = st.text(max_size=20)
SCORES = st.floats(allow_nan=False, allow_infinity=False)
ESTIMATES = st.none() | st.builds(
    EstimateRecord, mean=SCORES, low=st.none() | SCORES, high=st.none() | SCORES, n_runs=st.integers(1, 9)
)
FINALISTS = st.builds(
    FinalistsRecord,
    runs=st.integers(1, 9),
    confirmed=ESTIMATES,
    today=ESTIMATES,
    gain=ESTIMATES,
    is_within_noise=st.booleans(),
    recommendation=st.sampled_from(["apply", "keep today's", "unknown"]),
    optimism=st.none() | SCORES,
    spread=st.none() | SCORES,
    finalists=st.lists(
        st.builds(
            FinalistRecord,
            trial=st.integers(0, 10**9),
            search_score=st.none() | SCORES,
            scores=st.lists(SCORES, max_size=3).map(tuple),
            mean=st.none() | SCORES,
            low=st.none() | SCORES,
            high=st.none() | SCORES,
            reason=WORDS,
        ),
        max_size=3,
    ).map(tuple),
)
METADATA = st.builds(
    Metadata,
    best_score=SCORES,
    timestamp=st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30), timezones=st.just(UTC)),
    objective=st.builds(ObjectiveRecord, name=WORDS, direction=st.sampled_from(["min", "max"])),
    method=WORDS,
    algorithm=WORDS,
    study_name=WORDS,
    storage=st.none() | WORDS,
    trial=st.integers(0, 10**9),
    n_trials=st.dictionaries(WORDS, st.integers(0, 10**9), max_size=4),
    data=st.builds(DataRecord, fingerprint=WORDS, kind=WORDS, is_dummy=st.booleans()),
    seed=st.integers(),
    versions=st.dictionaries(WORDS, WORDS, max_size=3),
    epochs=st.integers(1, 10**6),
    baseline=st.none()
    | st.builds(Baseline, hyperparameters=HYPERPARAMETERS, score=st.none() | SCORES, confirmed=ESTIMATES),
    finalists=st.none() | FINALISTS,
    warnings=st.lists(WORDS, max_size=2).map(tuple),
    notes=st.lists(WORDS, max_size=2).map(tuple),
)


@settings(deadline=None)
@given(best=st.builds(BestHyperparameters, hyperparameters=HYPERPARAMETERS, metadata=METADATA))
def test_load_gives_back_what_was_written(best: BestHyperparameters, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = best.write(tmp_path_factory.mktemp("export") / "best.json")
    loaded = load(path)
    assert loaded == best
    types = {name: type(value) for name, value in best.hyperparameters.items()}
    assert {name: type(value) for name, value in loaded.hyperparameters.items()} == types
    SCHEMA.validate(json.loads(path.read_bytes()))


def test_the_types_of_values_are_kept(tmp_path: Path) -> None:
    values = {"a": True, "b": 1, "c": 1.0, "d": 16.0, "e": "1", "f": 1e-05, "g": 0}
    text = BestHyperparameters(hyperparameters=values, metadata=metadata()).write(tmp_path / "b.json").read_text()
    assert '"d": 16.0' in text
    assert '"b": 1,' in text
    loaded = load(tmp_path / "b.json").hyperparameters
    assert [(n, v, type(v)) for n, v in loaded.items()] == [(n, v, type(v)) for n, v in values.items()]


def test_the_fields_that_the_issue_names_are_there(tmp_path: Path) -> None:
    path = BestHyperparameters(hyperparameters={"units": 64}, metadata=metadata()).write(tmp_path / "m" / "b.json")
    data = json.loads(path.read_bytes())
    assert list(data) == ["hyperparameters", "metadata"]
    assert data["metadata"].keys() >= {
        "best_score", "timestamp", "objective", "method", "algorithm", "study_name", "storage", "trial", "n_trials",
        "data", "seed", "versions", "epochs",
    }  # fmt: skip
    assert data["metadata"]["timestamp"].endswith("Z")
    assert datetime.fromisoformat(data["metadata"]["timestamp"]).utcoffset() == timedelta(0)


def test_times_become_utc() -> None:
    time = datetime(2025, 1, 2, 3, 4, tzinfo=timezone(timedelta(hours=2)))
    assert metadata(timestamp=time).model_dump(mode="json")["timestamp"] == "2025-01-02T01:04:00Z"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), None, [1], {"a": 1}, b"x"])
def test_what_is_no_value_is_refused(value: object) -> None:
    with pytest.raises(pydantic.ValidationError):
        BestHyperparameters(hyperparameters={"a": value}, metadata=metadata())  # type: ignore[dict-item]


def test_a_metric_that_is_undefined_on_a_fold_is_null(tmp_path: Path) -> None:
    made = metadata(metrics={"f1": 0.5}, fold_metrics={"f1": (math.nan, 0.5)})
    path = BestHyperparameters(hyperparameters={}, metadata=made).write(tmp_path / "best.json")
    assert load(path).metadata.metrics == {"f1": 0.5}
    assert load(path).metadata.fold_metrics == {"f1": (None, 0.5)}


def test_a_score_that_is_not_finite_is_refused() -> None:
    with pytest.raises(pydantic.ValidationError, match="not a finite number"):
        metadata(best_score=float("inf"))


def broken(change: Any) -> bytes:
    data = json.loads(BestHyperparameters(hyperparameters={"units": 64}, metadata=metadata()).to_json())
    change(data)
    return json.dumps(data).encode()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "damaged: line 1, column 1"),
        (b'{"hyperparameters": {"units": 64}, "meta', "damaged: line 1, column 36"),
        (b'{\n"hyperparameters": {"units": 64,}}', "damaged: line 2"),
        (b"\xff\xfe\x00", "byte 0 is not UTF-8"),
        (b"[1, 2]", "the whole file"),
        (b"{}", "hyperparameters: Field required"),
        (b'{"a": 1, "a": 2}', "holds a more than once"),
        (b"[" * 100_000, "cannot be used"),
        (broken(lambda d: d["hyperparameters"].update(units=None)), r"hyperparameters\.units: expected a bool"),
        (broken(lambda d: d["hyperparameters"].update(units=float("nan"))), "NaN"),
        (broken(lambda d: d["hyperparameters"].update(units=float("inf"))), "Infinity"),
        (broken(lambda d: d["metadata"].update(epochs=0)), r"metadata\.epochs: .*greater than or equal to 1.*0"),
        (broken(lambda d: d["metadata"].pop("trial")), r"metadata\.trial: Field required"),
        (broken(lambda d: d["metadata"].update(timestamp="2025-01-01T00:00:00")), r"metadata\.timestamp: .*timezone"),
        (b'{"hyperparameters": {"x": 1e999}}', r"hyperparameters\.x: expected a bool, int, finite float"),
        (b" " * (LARGEST_FILE + 1), "larger than 10 MiB"),
    ],
)
def test_a_damaged_or_foreign_file_is_refused_with_the_place(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "best.json"
    path.write_bytes(content)
    with pytest.raises(ExportError, match=message):
        load(path)


def test_a_missing_file_or_a_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="Finish a search first"):
        load(tmp_path / "none.json")
    with pytest.raises(ExportError, match="cannot be read"):
        load(tmp_path)


def test_keys_of_a_later_version_are_tolerated(tmp_path: Path) -> None:
    path = tmp_path / "best.json"
    path.write_bytes(broken(lambda d: (d.update(later=1), d["metadata"].update(later=[1], checksum=None))))
    assert load(path).hyperparameters == {"units": 64}


def test_a_value_changed_after_the_export_is_refused_unless_it_was_on_purpose(tmp_path: Path) -> None:
    path = tmp_path / "best.json"
    path.write_bytes(broken(lambda d: d["hyperparameters"].update(units=65)))
    with pytest.raises(ExportError, match=r"changed after the export.*remove the line \"checksum\""):
        load(path)
    path.write_bytes(broken(lambda d: (d["hyperparameters"].update(units=65), d["metadata"].pop("checksum"))))
    assert load(path).hyperparameters == {"units": 65}


def test_a_byte_order_mark_is_tolerated(tmp_path: Path) -> None:
    path = tmp_path / "best.json"
    path.write_bytes(b"\xef\xbb\xbf" + broken(lambda d: None))
    assert load(path).metadata.trial == 17


def test_credentials_never_reach_the_file() -> None:
    assert metadata(storage="postgresql://me:secret@host/db").storage == "postgresql://host/db"


def test_the_schema_in_the_docs_is_current() -> None:
    assert SCHEMA_FILE.read_text() == schema_text(), f"Run: python -m truetune.results.export > docs/{SCHEMA_FILE.name}"
    jsonschema.Draft202012Validator.check_schema(schema())
