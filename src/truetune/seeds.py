"""Independent seeds from one.

Neighbouring integers are not independent seeds in every library (KerasTuner's advance by one per draw, so seeds
s and s + d share most of their trials), so every seed we hand out is drawn from a `numpy.random.SeedSequence`.
"""

from __future__ import annotations

import zlib

import numpy as np


def derive_seed(seed: int, *path: int | str) -> int:
    """A seed in [1, 2**31) that depends on `seed` and on every step of `path`, e.g. `("trial", 7)`.

    Zero is never returned: KerasTuner replaces it by a random seed.
    """
    words = [part if isinstance(part, int) else zlib.crc32(part.encode()) for part in path]
    state = np.random.SeedSequence([seed, *words]).generate_state(1)[0]
    return int(state) % (2**31 - 1) + 1
