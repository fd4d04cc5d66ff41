"""Options that `tune` does not have, before anything is read or trained."""

from __future__ import annotations

import pytest

import truetune
from truetune.errors import OptionError
from truetune.study.misplaced import _BELONGS


@pytest.mark.parametrize("name", sorted(_BELONGS))
def test_an_option_that_belongs_elsewhere_has_its_line(name: str) -> None:
    with pytest.raises(TypeError, match=f"no option '{name}'. Expected: ") as refused:
        truetune.tune(None, **{name: 1})
    assert isinstance(refused.value, OptionError)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("worker", "workers"),
        ("time_buget", "time_budget"),
        ("finalist", "finalists"),
        ("sede", "seed"),
        ("algo", "algorithm"),
        ("zzz", None),
    ],
)
def test_a_misspelt_option(name: str, meant: str | None) -> None:
    with pytest.raises(OptionError, match=f"'{meant}'" if meant else "Expected one of"):
        truetune.tune(None, **{name: 1})
