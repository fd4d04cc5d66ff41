"""Sphinx: `pip install -e ".[docs]" && sphinx-build -W docs docs/_build`."""

project = "truetune"
extensions = ["myst_parser"]
myst_heading_anchors = 3
exclude_patterns = ["_build", "results/*.json"]
html_theme = "alabaster"
# tests/test_docs.py checks links (some lead to files that are no pages) and that every page is reached.
suppress_warnings = ["myst.xref_missing", "toc.not_included"]
