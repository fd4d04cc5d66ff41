"""A task's options, declared as the fields of a frozen dataclass."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Literal

import pytest

import truetune
from truetune.errors import InputError
from truetune.tasks.chosen import build, compared, given
from truetune.tasks.fields import options_of


class Layout(Enum):
    """How pictures lie in the folder."""

    FOLDERS = "folders"
    TABLE = "table"


@dataclass(frozen=True)
class Options:
    """One option of every type."""

    data: Path = truetune.option(help="Folder of images.", instead_of="dummy")
    image_size: int = truetune.option(48, help="Pixels on each side.")
    rate: float | None = truetune.option(None, help="Sampling rate in Hz.", compare=False)
    weights: Literal["none", "imagenet"] = truetune.option("none", help="Weights to begin with.")
    channels: Literal[1, 3] = truetune.option(3, help="Channels of an image.")
    layout: Layout = truetune.option(Layout.FOLDERS, help="How the images lie in the folder.")
    dummy: bool = truetune.option(False, help="Made-up images.")
    flip: bool = truetune.option(True, help="Flip images of the training part.")
    more: tuple[Path, ...] = truetune.option((), help="Further folders.", compare=True)
    backbone: Path | None = truetune.option(None, help="A file of weights.", must_exist=True, compare=True)
    plain: int = 3
    noted: str = field(default="x", compare=False)


EVERYTHING = {
    "data": "two words/é",
    "image_size": 64,
    "rate": 128,
    "weights": "imagenet",
    "channels": "1",
    "layout": "table",
    "dummy": True,
    "flip": False,
    "more": ["a", "b"],
    "plain": 4,
    "noted": "y",
}


def test_fields_become_options():
    options = {option.name: option for option in options_of(Options)}
    assert options["image_size"].flag == "--image-size"
    assert [name for name, option in options.items() if option.is_required] == ["data"]
    assert (options["weights"].kind, list(options["weights"].choices)) == (str, ["none", "imagenet"])
    assert list(options["layout"].choices) == ["folders", "table"]
    assert (options["rate"].kind, options["rate"].may_be_none) == (float, True)
    assert (options["more"].kind, options["more"].is_many) == (Path, True)
    assert (options["plain"].help, options["plain"].default) == ("", 3)


def test_what_was_given_becomes_values_of_their_types():
    assert build(Options, EVERYTHING, "faces") == Options(
        data=Path("two words/é"),
        image_size=64,
        rate=128.0,
        weights="imagenet",
        channels=1,
        layout=Layout.TABLE,
        dummy=True,
        flip=False,
        more=(Path("a"), Path("b")),
        plain=4,
        noted="y",
    )


def test_the_record_keeps_what_differs_from_the_defaults():
    recorded = given(build(Options, EVERYTHING, "faces"))
    assert recorded == EVERYTHING
    assert given(Options(Path("a"))) == {"data": "a"}
    assert build(Options, recorded, "faces") == build(Options, EVERYTHING, "faces")


def test_what_a_study_must_be_resumed_with():
    """Not where its data are: what they hold is compared."""
    flags = [
        "--image-size",
        "--weights",
        "--channels",
        "--layout",
        "--dummy",
        "--flip",
        "--more",
        "--backbone",
        "--plain",
    ]
    assert list(compared(Options(Path("a")))) == flags
    assert compared(Options(Path("a"), layout=Layout.TABLE))["--layout"] == "table"
    assert compared(None) == {}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"image_size": "abc"}, "--image-size was 'abc'. Expected a whole number"),
        ({"image_size": 1.5}, "--image-size was 1.5"),
        ({"image_size": True}, "--image-size was True"),
        ({"image_size": None}, "--image-size was None"),
        ({"rate": "fast"}, "--rate was 'fast'. Expected a number"),
        ({"flip": "yes"}, "--flip was 'yes'. Expected true or false"),
        ({"data": 3}, "--data was 3. Expected a path"),
        ({"weights": "vggface"}, "--weights was 'vggface'. Expected one of: none, imagenet"),
        ({"channels": 2}, "--channels was 2. Expected one of: 1, 3"),
        ({"layout": "FOLDERS"}, "--layout was 'FOLDERS'. Expected one of: folders, table"),
        ({"backbone": "nowhere.h5"}, "--backbone: nowhere.h5 does not exist. Expected a file or folder"),
        ({"imagesize": 3}, r"The task faces has no option --imagesize. Expected one of: --data, --image-size, "),
    ],
)
def test_what_does_not_fit_is_refused(values, message):
    with pytest.raises(InputError, match=message):
        build(Options, {"data": "a", **values}, "faces")


def test_what_must_be_given_is_listed_with_its_help():
    with pytest.raises(
        InputError,
        match=r"The task faces needs these options:\n  --data  Folder of images\.\n",
    ):
        build(Options, {"plain": 2}, "faces")


@dataclass(frozen=True)
class Checked:
    """Options that check themselves."""

    size: int = truetune.option(8, help="Divisible by 8.")

    def __post_init__(self) -> None:
        if self.size % 8:
            raise ValueError(f"size={self.size} is not divisible by 8.")
        if self.size < 0:
            raise OSError("no disk")


def test_a_value_error_of_the_class_is_a_message_for_its_user():
    with pytest.raises(InputError, match="The options of faces do not fit: size=12 is not divisible by 8"):
        build(Checked, {"size": 12}, "faces")
    with pytest.raises(truetune.TruetuneError, match="The options of faces raised OSError: no disk"):
        build(Checked, {"size": -8}, "faces")


def declared(**fields):
    """A frozen dataclass of one or more fields, (annotation, default) each."""
    annotations = {name: annotation for name, (annotation, _) in fields.items()}
    defaults = {name: default for name, (_, default) in fields.items()}
    return dataclass(frozen=True)(type("Made", (), {"__annotations__": annotations, **defaults}))


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (declared(sizes=(dict, None)), r"Made\.sizes is of type dict\. Expected str, int, float, bool, Path"),
        (declared(size=(int | str, 3)), r"Made\.size is of type"),
        (declared(size=(int, "three")), r"The default of Made\.size does not fit its type: --size was 'three'"),
        (declared(size=(int, None)), r"The default of Made\.size does not fit"),
        (declared(epochs=(int, 3)), r"declares the option 'epochs', but --epochs is an option of the commands"),
        (declared(task_spec=(str, "a")), "rename the field"),
        (declared(help=(bool, False)), "rename the field"),
        (declared(_size=(int, 3)), "rename the field"),
        (declared(size=(int, 3), size_=(int, 3)), "the same flag as another option"),
        (declared(flip=(bool, True), no_flip=(bool, False)), "the same flag as another option"),
        (declared(data=(int, truetune.option(1, help="x", instead_of="nothing"))), "is instead of nothing"),
        (int, "not a frozen dataclass"),
        (dataclass(type("Thawed", (), {})), "The options Thawed are not a frozen dataclass"),
    ],
)
def test_what_cannot_be_an_option_is_refused_where_it_is_declared(made, message):
    with pytest.raises(InputError, match=message):
        options_of(made)


def test_a_default_path_need_not_exist_where_the_class_stands():
    made = declared(weights=(Path, truetune.option(Path("nowhere"), help="x", must_exist=True)))
    assert options_of(made)[0].default == Path("nowhere")
