"""Kept trainings of a verification are found again by the next process, and by nothing that trains otherwise."""

from __future__ import annotations

import numpy as np
import pytest

from truetune.recipe import FitRecipe, Stage, unfreeze
from truetune.verification.kept import KeptTrainings, Measured, recipe_digest, source_digest

MEASURED = Measured({"loss": 0.5}, {"loss": np.array([0.4, 0.6])}, ("a note",))


def builder():
    def build(hp):
        return hp

    return build


def other_builder():
    def build_otherwise(hp):
        return hp

    return build_otherwise


def test_the_same_function_made_twice_has_one_digest():
    """As in two processes: the address in memory differs."""
    first, second = builder(), builder()
    assert first is not second
    assert source_digest(first) == source_digest(second) != ""
    assert source_digest(other_builder()) != source_digest(first)


def test_the_same_recipe_made_twice_has_one_digest():
    def recipe(epochs=3):
        return FitRecipe(
            lambda hp: [], stages=[Stage("head", epochs, lambda model, hp: None), Stage("all", 2, unfreeze())]
        )

    assert recipe_digest(recipe()) == recipe_digest(recipe())
    assert recipe_digest(recipe()) != recipe_digest(recipe(4))
    assert recipe_digest(FitRecipe()) == {}


def test_what_was_kept_is_found_under_its_key_alone(tmp_path):
    kept = KeptTrainings(tmp_path, {"data": "abc"})
    kept.keep({"seed": 1}, MEASURED)
    found = kept.find({"seed": 1})
    assert found.metrics == MEASURED.metrics
    assert found.notes == MEASURED.notes
    np.testing.assert_array_equal(found.resampled["loss"], MEASURED.resampled["loss"])
    assert kept.find({"seed": 2}) is None
    assert KeptTrainings(tmp_path, {"data": "def"}).find({"seed": 1}) is None


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"metrics": {}, "checksum": "0"}', b"\xff"])
def test_a_damaged_file_is_trained_again(tmp_path, damage):
    kept = KeptTrainings(tmp_path, {})
    kept.keep({"seed": 1}, MEASURED)
    (file,) = tmp_path.iterdir()
    file.write_bytes(damage)
    assert kept.find({"seed": 1}) is None


def test_without_a_folder_nothing_is_kept():
    kept = KeptTrainings(None, {})
    kept.keep({"seed": 1}, MEASURED)
    assert kept.find({"seed": 1}) is None
