"""The winner into `config.py`, and out of it again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from truetune.config.backup import Origin, backups, undo
from truetune.config.mapping import ConfigMapping, ConfigValue
from truetune.config.patch import Patch, plan_patch
from truetune.config.source import ConfigSource, literals, parse_config
from truetune.config.text import ConfigText
from truetune.errors import ConfigError
from truetune.results.export import BestHyperparameters, load
from truetune.space import Value

__all__ = ["apply", "backups", "before_values", "current_values", "undo"]


def apply(
    best: BestHyperparameters | str | Path,
    config_path: str | Path,
    mapping: ConfigMapping | None = None,
    scope: str | None = None,
) -> Patch:
    """Plan to write the winner into a config file; `.diff()` shows it, `.write()` does it.

    Args:
        best: the winner, or the `best_hyperparameters.json` that holds it.
        config_path: the Python file to patch. It is read as source, never imported.
        mapping: which key holds which hyperparameter; None uses upper-case names.
        scope: the class or dict that holds the keys; None uses the mapping's, or looks everywhere.

    Raises:
        ExportError: the JSON is missing, damaged or not ours.
        ConfigError: the file cannot be patched safely; see `plan_patch`.
    """
    winner = best if isinstance(best, BestHyperparameters) else load(best)
    mapping = mapping or ConfigMapping.for_names(winner.hyperparameters)
    scope = scope if scope is not None else mapping.scope
    comment = f"{winner.metadata.study_name} trial {winner.metadata.trial}"
    patch = plan_patch(config_path, mapping.to_config(winner.hyperparameters), scope, comment, _epochs(winner, mapping))
    origin = Origin(comment=comment, scope=scope, keys=dict(mapping.keys), counts=dict(mapping.counts))
    return replace(patch, origin=origin)


def current_values(config_path: str | Path, mapping: ConfigMapping, scope: str | None = None) -> dict[str, Value]:
    """Hyperparameters, by name, that a config file holds now.

    Raises:
        ConfigError: it cannot be read, a key of the mapping is there but is not exactly one literal, or a list is
            shorter than its count says.
    """
    source = parse_config(ConfigText.read(config_path))
    return _values(source, mapping, scope if scope is not None else mapping.scope)


def before_values(
    config_path: str | Path, mapping: ConfigMapping | None = None, scope: str | None = None
) -> dict[str, Value]:
    """Hyperparameters, by name, that a config file held before the last apply.

    Args:
        config_path: the config file as it is now.
        mapping, scope: as they were given to `apply`; None uses what that apply noted.

    Raises:
        ConfigError: nothing was applied, or the backup is damaged.
    """
    known = backups(config_path)
    if not known:
        raise ConfigError(
            f"Nothing was applied to {config_path}: no backup of an apply stands beside it. Run `truetune apply` first."
        )
    origin = known[0].origin
    mapping = mapping or ConfigMapping(origin.scope, origin.keys, origin.counts)
    scope = next((s for s in (scope, mapping.scope, origin.scope) if s is not None), None)
    source = parse_config(ConfigText.from_bytes(known[0].content(), str(known[0].path)))
    return _values(source, mapping, scope)


def _values(source: ConfigSource, mapping: ConfigMapping, scope: str | None) -> dict[str, Value]:
    present = [key for key in mapping.keys.values() if source.find(key, scope)]
    return mapping.from_config(literals(source, scope, required=present))


def _epochs(winner: BestHyperparameters, mapping: ConfigMapping) -> dict[str, ConfigValue]:
    """The winner's number of epochs, for a key that may be there; stages have their own."""
    has_stages = any(stage.name for stage in winner.metadata.training)
    if "epochs" in winner.hyperparameters or has_stages:
        return {}
    return {mapping.key_of("epochs"): winner.metadata.epochs}
