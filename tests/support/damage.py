"""Damages a file in every way that the tests try: cut short at 512-byte boundaries, and with single bits flipped."""

from __future__ import annotations

import random

from truetune.errors import TruetuneError

MOST_CUTS = 60
FLIPS = 100
"""Over all the files of one kind."""


def cuts(content):
    """`content` cut at every 512-byte boundary, or at so many of them in a large file; the empty file is among them."""
    ends = list(range(0, len(content), 512))
    if len(ends) > MOST_CUTS:
        step = len(ends) / MOST_CUTS
        ends = [ends[int(i * step)] for i in range(MOST_CUTS - 1)] + [ends[-1]]
    return [(f"cut at {end}", content[:end]) for end in ends]


def flips(content, count, seed=0):
    chance = random.Random(seed)
    found = []
    for bit in sorted(chance.sample(range(8 * len(content)), min(count, 8 * len(content)))):
        changed = bytearray(content)
        changed[bit // 8] ^= 1 << bit % 8
        found.append((f"bit {bit} flipped", bytes(changed)))
    return found


class Tally:
    """What became of each damage: a clear error, or a result that is right."""

    def __init__(self):
        self.refused, self.right, self.wrong = 0, 0, []

    def count(self, how, read, is_right):
        """`read()` may raise a TruetuneError that says what to do; what it returns must be right."""
        try:
            found = read()
        except TruetuneError as error:
            self.refused += 1
            if len(str(error)) < 40:
                self.wrong.append(f"{how}: the error says too little: {error}")
        except Exception as error:
            self.wrong.append(f"{how}: {type(error).__name__}: {error}")
        else:
            if is_right(found):
                self.right += 1
            else:
                self.wrong.append(f"{how}: a wrong result: {found}")

    def check(self, name):
        print(f"{name}: {self.refused} refused, {self.right} read correctly, {len(self.wrong)} wrong")
        assert not self.wrong, "\n".join([f"{len(self.wrong)} of the damages to {name}:", *self.wrong[:10]])


def try_all(path, read, is_right, flip_count=FLIPS):
    """Damage the file `path` in every way and `read` it each time; it is put back in the end."""
    content, tally = path.read_bytes(), Tally()
    try:
        for how, damaged in [*cuts(content), *flips(content, flip_count)]:
            path.write_bytes(damaged)
            tally.count(f"{path.name} {how}", read, is_right)
    finally:
        path.write_bytes(content)
    tally.check(path.name)
    return tally
