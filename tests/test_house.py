"""`benchmarks/house.py` on a small package whose figures are known."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "house.py"

PATH = '''
from truetune.inside.end import Sink

LIMIT = 3
_HIDDEN = 4

def first(value):
    """Not counted."""
    return second(value)

def second(value):
    return Walker().third(value)

class Walker:
    def third(self, value):
        return self.fourth(on=value)

    def fourth(self, on):
        return sink(Sink(), on)

def sink(target: Sink, on):
    return target.fifth(on)

def wide(a, b, c, d, e, f, g, h):
    return a + b
'''

END = """
class Sink:
    def fifth(self, value):
        return value + 1
"""


def measured(folder, *options):
    command = [sys.executable, str(SCRIPT), str(folder), *options]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def write(folder, path=PATH, end=END):
    inside = folder / "src" / "truetune" / "inside"
    inside.mkdir(parents=True)
    (inside / "end.py").write_text(end, encoding="utf-8")
    (inside.parent / "path.py").write_text(path, encoding="utf-8")
    return folder


def figures(text):
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    return {row[0]: row[1] for row in rows}


def test_the_figures_of_a_small_package(tmp_path):
    found = figures(measured(write(tmp_path), "--markdown"))
    assert found["modules"] == "2"
    assert found["functions"] == "7"
    assert found["lines of a function's body (median / p95 / max)"] == "1 / 1 / 1"
    assert found["files in the root"] == "1"
    assert found["public names of a module (median / p95 / max)"] == "6 / 6 / 6"
    assert found["functions with more than 7 parameters"] == "1"
    assert found["functions that relay a value over 5 hops or more, per 1,000"] == "142.9"
    assert found["import circles"] == "0"


def test_a_value_that_is_used_on_the_way_is_handed_on(tmp_path):
    used = PATH.replace("return second(value)", "return second(value) + value")
    found = figures(measured(write(tmp_path, used), "--markdown"))
    assert found["functions that relay a value over 5 hops or more, per 1,000"] == "0.0"
    assert found["functions that hand a value on over 5 hops or more, per 1,000"] == "142.9"


def test_the_chain_is_listed_and_a_circle_counted(tmp_path):
    text = measured(write(tmp_path, end=f"from truetune.path import first\n{END}"), "--relays")
    assert "relayed over 5 hops: path.first(value) > path.second(value) > path.Walker.third(value)" in text
    assert "8 parameters: truetune.path.wide" in text
    assert text.splitlines()[12].split() == ["import", "circles", "1"]
