"""Writes the layers of tests/test_architecture.py into the pages that show them: `python docs/generate_layers.py`.

A test fails if a page is stale.
"""

from __future__ import annotations

import re
import runpy
import textwrap
from pathlib import Path

ROOT = Path(__file__).parents[1]
RULES = ROOT / "tests" / "test_architecture.py"
PAGES = (ROOT / "CONTRIBUTING.md", ROOT / "docs" / "architecture.md")
BEGIN = "<!-- layers: made by docs/generate_layers.py from tests/test_architecture.py -->"
END = "<!-- end of layers -->"
BLOCK = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)
WIDTH = 116


def layers() -> str:
    """The layers from the ground up, as a block of text between the two markers."""
    named = (", ".join(parts) for parts in runpy.run_path(str(RULES))["LAYERS"])
    words = "  ←  ".join(layer.replace(" ", "\N{NO-BREAK SPACE}") for layer in named)
    lines = textwrap.wrap(words, WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
    # A line begins with an arrow rather than end with one.
    text = "\n".join(lines).replace("  ←\n  ", "\n  ←  ").replace("\N{NO-BREAK SPACE}", " ")
    return f"{BEGIN}\n```text\n{text}\n```\n{END}"


def with_layers(page: str) -> str:
    """The text of a page with the layers as they are now.

    Raises:
        ValueError: the page has no place for them, or several.
    """
    written, places = BLOCK.subn(lambda _: layers(), page)
    if places != 1:
        raise ValueError(f"Found {places} blocks of layers. Expected one, between {BEGIN!r} and {END!r}.")
    return written


if __name__ == "__main__":
    for path in PAGES:
        path.write_text(with_layers(path.read_text(encoding="utf-8")), encoding="utf-8")
