"""What was computed is kept by content, whatever it was computed from."""

import numpy as np
import pytest

from truetune.data.reading import cache


@pytest.fixture
def data():
    return np.arange(12, dtype=np.float32).reshape(3, 4)


def test_the_key_changes_with_every_value_shape_type_and_setting(data):
    other = data.copy()
    other[2, 3] += 1e-5
    arguments = [
        (data, "v1", 48),
        (other, "v1", 48),
        (data.reshape(4, 3), "v1", 48),
        (data.astype(np.float64), "v1", 48),
        (data, "v2", 48),
        (data, "v1", 64),
        (data, "v1", 48, ("a", "b")),
        (data, "v1", 48, ("b", "a")),
    ]
    assert len({cache.content_key(*one) for one in arguments}) == len(arguments)


def test_the_key_is_the_same_for_the_same_values_however_they_lie_in_memory(data):
    assert cache.content_key(np.asfortranarray(data), "v1") == cache.content_key(data, "v1")


def test_pictures_are_kept_as_features_are(tmp_path, data):
    pictures, computed = np.zeros((3, 8, 8, 1), np.float32), []
    key = cache.content_key(data, "pictures")
    for _ in range(2):
        found = cache.remember(tmp_path, key, pictures.shape, lambda: computed.append(1) or pictures)
        np.testing.assert_array_equal(found, pictures)
    assert len(computed) == 1
    (file,) = tmp_path.iterdir()
    assert cache.FILES.fullmatch(file.name)
