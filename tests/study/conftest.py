"""Studies on disk without Keras, closed after each test."""

from __future__ import annotations

import pytest

from support.lifecycle_lab import Lab


@pytest.fixture
def make_lab(tmp_path):
    """`make_lab(builder, …)` makes a `Lab` in the test's folder, or in a folder in it."""
    made = []

    def make(*options, inside="", **more):
        folder = tmp_path / inside
        folder.mkdir(exist_ok=True)
        made.append(Lab(folder, *options, **more))
        return made[-1]

    yield make
    for lab in made:
        for store in lab.stores:
            store.close()


@pytest.fixture
def lab(make_lab):
    return make_lab()
