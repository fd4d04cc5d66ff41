"""The comment at the end of a changed line that records where its value came from; Python and YAML share its form."""

from __future__ import annotations

import re

from truetune.config.text import ConfigText, Edit

_MARKER = "# truetune: "
_OURS = re.compile(r"# truetune: [^#\r\n]*?(?=\s*(?:#|$))")


def note_edit(text: ConfigText, start: int, end: int, comment: str) -> Edit:
    """The edit that leaves `# truetune: comment` at the end of a line, in place of an earlier one.

    Args:
        text: the file.
        start, end: of what stands at the end of the line: spaces and comments, or nothing.
        comment: where the values came from.
    """
    note = written_note(text, comment)
    rest = text.text[start:end]
    if _OURS.search(rest):
        return Edit(start, end, _OURS.sub(lambda _: note, rest, count=1))
    spaces = len(rest) - len(rest.rstrip(" \t"))
    return Edit(end, end, " " * max(0, 2 - spaces) + note)


def written_note(text: ConfigText, comment: str) -> str:
    """On one line, without `#` (which would end it for the next patch), in the file's own encoding."""
    words = " ".join(comment.replace("#", " ").split())
    return _MARKER + "".join(c if c.isprintable() and text.can_encode(c) else "?" for c in words).strip()
