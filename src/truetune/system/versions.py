"""The versions of the packages that a result depends on."""

from __future__ import annotations

import importlib.metadata

PACKAGES = ("truetune", "keras-tuner", "optuna", "keras", "tensorflow", "numpy")


def versions() -> dict[str, str]:
    """Of the packages that a result depends on."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
