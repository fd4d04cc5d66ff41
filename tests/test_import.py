"""What `import truetune` alone makes reachable, in a process of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest


def printed(line: str) -> str:
    return subprocess.run([sys.executable, "-c", line], capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize("name", ["metrics.__all__", "errors.InputError", "testing.__doc__"])
def test_public_modules_are_reachable_and_load_no_tensorflow(name: str) -> None:
    assert printed(f"import sys, truetune; truetune.{name}; print('tensorflow' in sys.modules)") == "False"


def test_tab_completion_shows_them() -> None:
    assert printed("import truetune; print({'metrics', 'errors', 'testing', 'tune'} <= set(dir(truetune)))") == "True"
    assert printed("import truetune; print('MacroF1' in dir(truetune.metrics))") == "True"


@pytest.mark.tensorflow
def test_a_metric_is_reachable() -> None:
    assert printed("import truetune; print(truetune.metrics.UnweightedAverageRecall.__name__)").endswith("Recall")
