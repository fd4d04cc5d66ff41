"""`best_hyperparameters.json`: the winner and its provenance.

Its JSON Schema is `docs/best_hyperparameters.schema.json`; `python -m truetune.results.export` prints it.
"""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

import pydantic
from pydantic import AfterValidator, AwareDatetime, ConfigDict, Field, StrictBool, StrictFloat, StrictInt, StrictStr

from truetune.errors import ExportError
from truetune.search.registry import ALGORITHMS, METHODS
from truetune.storage.credentials import strip_credentials
from truetune.system.checksum import checksum
from truetune.system.files import write_atomically

LARGEST_FILE = 10 * 1024 * 1024
"""Bytes; an exported file has a few thousand."""


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise ValueError(f"{value} is not a finite number")
    return value


# In this order and strict: True stays a bool, 16 an int, 16.0 a float.
HyperparameterValue = Annotated[
    StrictBool | StrictInt | Annotated[StrictFloat, AfterValidator(_finite)] | StrictStr,
    Field(union_mode="left_to_right"),
]
Score = Annotated[float, AfterValidator(_finite)]
MetricValue = Annotated[
    float | None, AfterValidator(lambda value: value if value is not None and math.isfinite(value) else None)
]
"""A metric other than the objective may be undefined on a fold; it is null in the JSON."""
Hyperparameters = dict[str, HyperparameterValue]


class _Record(pydantic.BaseModel):
    """Frozen; unknown keys (of a later version) are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class ObjectiveRecord(_Record):
    """The optimized metric."""

    name: str = Field(description="the logged metric, e.g. val_accuracy")
    direction: Literal["min", "max"]


class DataRecord(_Record):
    """The data of the search."""

    fingerprint: str = Field(description="changes when a value, a label, a group or the order of rows changes")
    kind: str = Field(description='e.g. "EEG features"')
    is_dummy: bool = Field(default=False, description="whether the data are synthetic")
    source: dict[str, Any] | None = Field(
        default=None, description="the task's options on the command line: its name, the data's path, the label"
    )


class EstimateRecord(_Record):
    """A mean over re-trainings, with its 95 % interval."""

    mean: Score
    low: Score | None = Field(default=None, description="null if no spread can be estimated, e.g. from one run")
    high: Score | None = None
    n_runs: int = Field(ge=1)


class FinalistRecord(_Record):
    """One finalist, and the re-trainings that the choice was made from."""

    trial: int = Field(ge=0)
    search_score: Score | None = Field(default=None, description="objective in the search")
    scores: tuple[Score, ...] = Field(description="of its re-trainings")
    mean: Score | None = Field(default=None, description="of the scores; null if it was excluded")
    low: Score | None = None
    high: Score | None = None
    reason: str = Field(default="", description="why it was excluded; empty otherwise")


class FinalistsRecord(_Record):
    """The re-evaluation: the best trials and today's configuration, trained again with new seeds and splits."""

    runs: int = Field(
        ge=1, description="re-trainings per finalist; the winner and today's configuration get as many again"
    )
    confirmed: EstimateRecord | None = Field(
        default=None, description="the winner, from re-trainings that took no part in the choice: the number to quote"
    )
    today: EstimateRecord | None = Field(
        default=None, description="today's configuration, with the same seeds and splits as the confirmed winner"
    )
    gain: EstimateRecord | None = Field(
        default=None, description="paired improvement of the winner over today's configuration; positive is better"
    )
    is_within_noise: bool = Field(default=False, description="whether the interval of the gain contains 0")
    recommendation: Literal["apply", "keep today's", "unknown"]
    optimism: Score | None = Field(
        default=None,
        description="mean difference between the best epoch of a re-training and the epoch chosen by the search",
    )
    spread: Score | None = Field(default=None, description="standard deviation between re-trainings")
    difference: Score | None = Field(
        default=None,
        description="standard deviation, between parts, of a finalist's improvement over today's configuration",
    )
    validation_share: Score | None = Field(
        default=None, description="fraction of the development rows that a part was scored on"
    )
    finalists: tuple[FinalistRecord, ...] = Field(description="best first")


class OuterFoldRecord(_Record):
    """One outer fold: the winner of a search that did not see it."""

    name: str
    score: Score = Field(description="the objective's metric on the rows that were left out")
    rows: int = Field(ge=1, description="number of rows left out")
    hyperparameters: Hyperparameters
    epochs: int = Field(ge=1)


class StageRecord(_Record):
    """One stage of the training that led to the winner's weights."""

    name: str = Field(description='of the stage; "" where the recipe has callbacks and no stages')
    epochs: int = Field(ge=0, description="that led to the weights")
    learning_rates: tuple[MetricValue, ...] = Field(
        default=(), description="of each epoch, at its beginning; null where the optimizer has no single one"
    )


class NestedRecord(_Record):
    """The nested evaluation of a search like this: how good its winner is on new groups."""

    score: EstimateRecord = Field(description="of the rows of all outer folds together")
    metrics: dict[str, Score] = Field(description="every metric of the model on the same rows")
    folds: tuple[OuterFoldRecord, ...]


class Baseline(_Record):
    """The configuration that the search started from."""

    hyperparameters: Hyperparameters
    score: Score | None = Field(default=None, description="of its trial; null if it did not finish")
    confirmed: EstimateRecord | None = Field(default=None, description="from re-trainings; null if there are none")


class Metadata(_Record):
    """Provenance of the winner."""

    best_score: Score = Field(
        description="search score: objective of the weights that the winning trial keeps; too optimistic, as the best "
        "of many scores (see finalists.confirmed)"
    )
    timestamp: Annotated[AwareDatetime, AfterValidator(lambda time: time.astimezone(UTC))] = Field(
        default_factory=lambda: datetime.now(UTC), description="of the export, UTC"
    )
    objective: ObjectiveRecord
    method: str = Field(description=" or ".join(METHODS))
    algorithm: str = Field(
        description=", ".join(known.name for known in ALGORITHMS) + "; or the name of a searcher of your own"
    )
    study_name: str
    storage: Annotated[str, AfterValidator(strip_credentials)] | None = Field(
        default=None, description="URL of the study's storage, without credentials"
    )
    trial: int = Field(ge=0, description="number of the winning trial")
    n_trials: dict[str, Annotated[int, Field(ge=0)]] = Field(description="by state: complete, pruned, failed, ...")
    data: DataRecord
    seed: int
    versions: dict[str, str] = Field(description="of Python and the libraries")
    epochs: int = Field(ge=1, description="epochs that the winner's weights were trained for")
    training: tuple[StageRecord, ...] = Field(
        default=(), description="how these epochs were trained, where the task has a recipe with callbacks or stages"
    )
    baseline: Baseline | None = None
    finalists: FinalistsRecord | None = Field(default=None, description="null without a re-evaluation")
    protocol: dict[str, Any] | None = Field(default=None, description="how a trial was evaluated")
    fold_scores: tuple[Score, ...] = Field(default=(), description="of the winning trial, if it had several folds")
    metrics: dict[str, MetricValue] = Field(
        default_factory=dict,
        description="every metric of the winning trial on the validation rows of all folds together, by the name that "
        "Keras logs; empty if it had one fold; null if a value is not finite",
    )
    fold_metrics: dict[str, tuple[MetricValue, ...]] = Field(
        default_factory=dict, description="the same metrics on each fold alone, in the order of fold_scores"
    )
    nested: NestedRecord | None = None
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    checksum: str | None = Field(
        default=None, description="of everything else in the file; remove it if you edit the file by hand"
    )


class BestHyperparameters(_Record):
    """The winner of a search; `write` and `load` are each other's inverse."""

    hyperparameters: Hyperparameters = Field(description="by name, as the builder asks for them; only those it used")
    metadata: Metadata

    def to_json(self) -> bytes:
        """The content of the file: indented UTF-8, numbers in their shortest exact form."""
        metadata = {**self.metadata.model_dump(mode="json"), "checksum": None}
        data = {"hyperparameters": dict(self.hyperparameters), "metadata": metadata}
        metadata["checksum"] = _checksum(data)
        return (json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()

    def write(self, path: str | Path) -> Path:
        """Write atomically, creating the folder if necessary; return the path written.

        Raises:
            StorageError: the disk is full or read-only.
        """
        return write_atomically(path, self.to_json(), make_folder=True)


def load(path: str | Path) -> BestHyperparameters:
    """Read a `best_hyperparameters.json`.

    Raises:
        ExportError: it is missing, too large, damaged, or was not written by truetune; the message names the place.
    """
    text = _read(Path(path))
    try:
        data = json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_without_repeats)
    except json.JSONDecodeError as error:
        raise ExportError(
            f"{path} is damaged: line {error.lineno}, column {error.colno}: {error.msg}. {_REMEDY}"
        ) from error
    except (ValueError, RecursionError) as error:
        raise ExportError(f"{path} cannot be used: {error}. {_REMEDY}") from error
    try:
        best = BestHyperparameters.model_validate(data)
    except pydantic.ValidationError as error:
        raise ExportError(f"{path} does not hold exported hyperparameters: {_places(error)}. {_REMEDY}") from error
    if best.metadata.checksum not in (None, _checksum(data)):
        raise ExportError(
            f"{path} was changed after the export or is damaged: its checksum does not match its content. Export it "
            'again from the study; if you edited it on purpose, remove the line "checksum".'
        )
    return best.model_copy(update={"metadata": best.metadata.model_copy(update={"checksum": None})})


def _checksum(data: dict[str, Any]) -> str:
    return checksum({**data, "metadata": {**data["metadata"], "checksum": None}})


_REMEDY = "Expected a file that truetune exported; export it again from the study."


def schema() -> dict[str, Any]:
    """The file's JSON Schema."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **BestHyperparameters.model_json_schema(),
        "title": "best_hyperparameters.json",
    }


def schema_text() -> str:
    """The content of `docs/best_hyperparameters.schema.json`."""
    return json.dumps(schema(), indent=2) + "\n"


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_FILE + 1)
    except FileNotFoundError as error:
        raise ExportError(
            f"There is no file {path}. Finish a search first (it exports the winner), or pass another path."
        ) from error
    except OSError as error:
        raise ExportError(f"{path} cannot be read: {error.strerror or error}. Pass a readable file.") from error
    if len(data) > LARGEST_FILE:
        raise ExportError(f"{path} is larger than {LARGEST_FILE // 1024**2} MiB. {_REMEDY}")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ExportError(f"{path} is damaged: byte {error.start} is not UTF-8 text. {_REMEDY}") from error


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"it holds {name} where a finite number is expected")


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) < len(pairs):
        repeated = sorted({key for key, _ in pairs if [k for k, _ in pairs].count(key) > 1})
        raise ValueError(f"it holds {', '.join(repeated)} more than once")
    return data


def _places(error: pydantic.ValidationError) -> str:
    """The first problems, each with its path in the file; the alternatives of a union count once."""
    found: dict[str, str] = {}
    for problem in error.errors(include_url=False, include_context=False):
        path = [str(part) for part in problem["loc"]]
        if path[:1] == ["hyperparameters"] and len(path) > 2:
            place, message = ".".join(path[:2]), f"expected a bool, int, finite float or string, not {_short(problem)}"
        else:
            place, message = ".".join(path) or "the whole file", f"{problem['msg']}, received {_short(problem)}"
        found.setdefault(place, message)
    return "; ".join(f"{place}: {message}" for place, message in list(found.items())[:5])


def _short(problem: Any) -> str:
    shown = repr(problem["input"])
    return shown if len(shown) <= 60 else shown[:57] + "..."


if __name__ == "__main__":
    print(schema_text(), end="")
