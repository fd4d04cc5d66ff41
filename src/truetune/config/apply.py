"""The winner into the config file, and out of it again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from truetune.config.backup import Origin, backups, undo
from truetune.config.languages import config_text, parse_config, read_text
from truetune.config.mapping import ConfigMapping, ConfigValue
from truetune.config.patch import Patch, plan_patch
from truetune.config.values import check_given, values_in
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
        config_path: the Python or YAML file to patch. It is read as text, never imported.
        mapping: which key holds which hyperparameter; None uses upper-case names.
        scope: the class, dict or mapping that holds the keys; None uses the mapping's, or looks everywhere.

    Raises:
        ExportError: the JSON is missing, damaged or not ours.
        ConfigError: the file cannot be patched safely; see `plan_patch`. Or the mapping was given keys (`with_keys`)
            that the file does not have, or for hyperparameters that the winner does not have.
    """
    winner = best if isinstance(best, BestHyperparameters) else load(best)
    mapping = mapping or ConfigMapping.for_names(winner.hyperparameters)
    scope = scope if scope is not None else mapping.scope
    _check_given(winner, mapping)
    check_given(parse_config(read_text(config_path)), mapping, scope)
    comment = f"{winner.metadata.study_name} trial {winner.metadata.trial}"
    patch = plan_patch(config_path, mapping.to_config(winner.hyperparameters), scope, comment, _epochs(winner, mapping))
    origin = Origin(comment=comment, scope=scope, keys=dict(mapping.keys), counts=dict(mapping.counts))
    return replace(patch, origin=origin)


def current_values(config_path: str | Path, mapping: ConfigMapping, scope: str | None = None) -> dict[str, Value]:
    """Hyperparameters, by name, that a config file holds now.

    Raises:
        ConfigError: it cannot be read, a key of the mapping is there but is not exactly one literal, or a list is
            shorter than its count.
    """
    return values_in(parse_config(read_text(config_path)), mapping, scope)


def before_values(
    config_path: str | Path, mapping: ConfigMapping | None = None, scope: str | None = None
) -> dict[str, Value]:
    """Hyperparameters, by name, that a config file held before the last apply.

    Args:
        config_path: the config file as it is now.
        mapping, scope: as they were given to `apply`; None, and a mapping of typed keys only, uses what that apply
            noted for the rest.

    Raises:
        ConfigError: nothing was applied, or the backup is damaged.
    """
    known = backups(config_path)
    if not known:
        raise ConfigError(
            f"Nothing was applied to {config_path}: no backup of an apply stands beside it. Run `truetune apply` first."
        )
    origin = known[0].origin
    mapping = mapping or ConfigMapping()
    scope = next((s for s in (scope, mapping.scope, origin.scope) if s is not None), None)
    if mapping.has_typed_keys_only:
        mapping = ConfigMapping(origin.scope, origin.keys, origin.counts).with_keys(mapping.keys)
    before = config_text(known[0].content(), str(known[0].path), Path(config_path).suffix)
    return values_in(parse_config(before), mapping, scope)


def _check_given(winner: BestHyperparameters, mapping: ConfigMapping) -> None:
    known = {mapping.pattern_of(name) for name in winner.hyperparameters}
    for name in sorted(mapping.given - known - {"epochs"}):
        raise ConfigError(
            f"The key {mapping.keys[name]} was given for {name}, and the winner has no such hyperparameter. It has: "
            f"{', '.join(sorted(known))}. Map one of these, or leave this one out."
        )


def _epochs(winner: BestHyperparameters, mapping: ConfigMapping) -> dict[str, ConfigValue]:
    """The winner's number of epochs, for a key that may be there; stages have their own."""
    has_stages = any(stage.name for stage in winner.metadata.training)
    if "epochs" in winner.hyperparameters or has_stages:
        return {}
    return {mapping.key_of("epochs"): winner.metadata.epochs}
