"""What people's YAML configs look like: each is patched with nothing else changed, or refused with a reason."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pytest
import ruamel.yaml
import yaml

from truetune.config.languages import config_text, parse_config
from truetune.config.patch import Patch, plan_patch
from truetune.errors import ConfigError

HYDRA = """\
# @package _global_
defaults:
  - model: resnet
  - override hydra/launcher: joblib
  - _self_

seed: ${oc.env:SEED,1}
optimizer:
  _target_: torch.optim.Adam
  lr: 0.001            # tuned by hand
  weight_decay: ${.lr}
hydra:
  run:
    dir: outputs/${now:%Y-%m-%d}/${now:%H-%M-%S}
"""
HYPERPYYAML = """\
seed: !!int 1986
__set_seed: !apply:torch.manual_seed [!ref <seed>]
lr: 0.01
optimizer: !name:torch.optim.Adam
    lr: !ref <lr>
data: !include:data.yaml
"""
SWEEP = """\
program: train.py
parameters:
  learning_rate:
    value: 0.01
  batch_size:
    values: [16, 32]
"""
GITHUB = """\
on:
  push: {branches: [main]}
env: {LR: "0.001"}
yes: 1
"""
TEXTS = """\
title: >-
  A long text: lr: 0.1
  # and this is text
notes: |2
    indented
  lr: 0.3
lr: 0.01
script: "a \\
  b: 1"
"""
UNICODE = """\
größe: 32  # ünïcödé
学習率: 0.001
"smile 😀": {größe: 1}
"""
NUMERIC = """\
stages:
  0: {lr: 0.1}
  1: {lr: 0.01}
  1.5: {lr: 0.5}
"""
LISTED = """\
stages:
- name: head
  lr: 0.1
-   name: body
    lr: 0.01
- [1, {lr: 2}]
"""
DEFAULTS = """\
default: &default
  lr: 0.1
  batch: 32
fast:
  <<: *default
  lr: 0.5   # its own
"""
JSON = '{"lr": 0.1, "model": {"units": [32, 64], "bias": true, "name": "a b"}}'
ALIGNED = "lr     :   0.1\nbatch  :   32\n\n\n"


def deep(levels: int) -> str:
    return "".join(f"{'  ' * i}l{i}:\n" for i in range(levels)) + f"{'  ' * levels}lr: 0.1\n"


@pytest.mark.parametrize(
    ("before", "values", "changed"),
    [
        (HYDRA, {"optimizer.lr": 5e-05}, {"lr: 0.001 ": "lr: 5.0e-05 "}),
        (HYPERPYYAML, {".lr": 0.5, "seed": 7}, {"\nlr: 0.01": "\nlr: 0.5", "!!int 1986": "!!int 7"}),
        (SWEEP, {"parameters.learning_rate.value": 0.5}, {"0.01": "0.5"}),
        (SWEEP, {"parameters.batch_size.values": [64]}, {"[16, 32]": "[64]"}),
        (GITHUB, {"yes": 2, "env.LR": "1e-3"}, {"yes: 1": "yes: 2", '"0.001"': '"1e-3"'}),
        (TEXTS, {"lr": 0.5}, {"\nlr: 0.01": "\nlr: 0.5"}),
        (UNICODE, {".größe": 64, "学習率": 0.5}, {"32": "64", "0.001": "0.5"}),
        (UNICODE, {"smile 😀.größe": 3}, {"{größe: 1}": "{größe: 3}"}),
        (NUMERIC, {"stages.0.lr": 0.25, "stages.1.lr": 0.5}, {"lr: 0.1}": "lr: 0.25}", "lr: 0.01": "lr: 0.5"}),
        (NUMERIC, {"stages.1.5.lr": 0.25}, {"lr: 0.5": "lr: 0.25"}),
        (LISTED, {"stages.1.lr": 0.5, "stages.2.0": 3}, {"0.01": "0.5", "[1, ": "[3, "}),
        (DEFAULTS, {"fast.lr": 0.25}, {"0.5   #": "0.25   #"}),
        (JSON, {"lr": 0.5, "model.units": [1, 2, 3]}, {"0.1": "0.5", "[32, 64]": "[1, 2, 3]"}),
        (JSON, {"model.bias": False, "name": "on"}, {"true": "false", '"a b"': '"on"'}),
        (ALIGNED, {"lr": 0.5, "batch": 64}, {"0.1": "0.5", "32": "64"}),
        (deep(60), {"lr": 0.5}, {"0.1": "0.5"}),
        ("%YAML 1.2\n---\nlr: 0.1\n...\n", {"lr": 0.5}, {"0.1": "0.5"}),
        ("--- # of the paper\nlr: 0.1\n", {"lr": 0.5}, {"0.1": "0.5"}),
        ("lr: !!float 1e-3  # c\n", {"lr": 5e-05}, {"1e-3": "5.0e-05"}),
        ("lr: .001\n", {"lr": 0.5}, {".001": "0.5"}),
        ("steps: 1_000\n", {"steps": 2000}, {"1_000": "2000"}),
        ("mode: 0o17\n", {"mode": 16}, {"0o17": "16"}),
        ("lr: 1e-3\n", {"lr": 0.001}, {"1e-3": "0.001"}),
        ("lr: 1.0E-3\nb: 2\n", {"lr": 0.001, "b": 3}, {"b: 2": "b: 3"}),
        ("amp: yes\n", {"amp": False}, {"yes": "false"}),
        ("name: adam\n", {"name": "12:30"}, {"adam": "'12:30'"}),
        ("name: adam\n", {"name": "~"}, {"adam": "'~'"}),
        ("name: adam\n", {"name": "0x10"}, {"adam": "'0x10'"}),
        ("name: adam\n", {"name": "on"}, {"adam": "'on'"}),
        ("name: adam\n", {"name": "007"}, {"adam": "'007'"}),
        ("optimizer.lr: 0.1\noptimizer.name: x\n", {"optimizer.lr": 0.5}, {"0.1": "0.5"}),
        ("a:\r\n  lr: 0.1\r\nb: 2", {"lr": 0.5, "b": 3}, {"0.1": "0.5", "b: 2": "b: 3"}),
    ],
)  # fmt: skip
def test_patched(before: str, values: dict[str, Any], changed: dict[str, str]) -> None:
    patch = patched(before, values)
    expected = before
    for old, new in changed.items():
        assert expected.count(old) == 1
        expected = expected.replace(old, new)
    assert patch.after.text == expected
    assert not patched(expected, values)
    for reader in (pyyaml, ruamel_yaml):
        was, now = dict(leaves(reader(before))), dict(leaves(reader(expected)))
        assert wanted(values) <= {(type(value), value) for value in now.values()}
        new = [value for path, value in now.items() if path not in was or was[path] != value]
        assert {(type(value), value) for value in new} <= wanted(values)


def wanted(values: dict[str, Any]) -> set[tuple[type, Any]]:
    return {(type(one), one) for value in values.values() for one in (value if isinstance(value, list) else [value])}


@pytest.mark.parametrize(
    ("before", "key", "message"),
    [
        (HYDRA, "seed", r"line 7 .* is `\${oc.env:SEED,1}`, which something else fills in"),
        (HYDRA, "weight_decay", "line 11 .* something else fills in"),
        (HYPERPYYAML, "optimizer.lr", r"line 5 .optimizer., has the tag !ref"),
        (HYPERPYYAML, "lr", r"gives lr a value|has the tag"),
        (SWEEP, "learning_rate", "line 3 .parameters., is a mapping, not one value"),
        (DEFAULTS, "default.lr", "line 2 .default., is shared: the anchor &default of line 1 is used again in line 5"),
        (DEFAULTS, "fast.batch", "line 5 .fast., comes from the merge `<<` in line 5, and stands in line 3"),
        (DEFAULTS, "lr", "gives lr a value 2 times: lr in line 2 .default., lr in line 6 .fast."),
        ("lr: {{ lr }}\n", "lr", "is a mapping|something else fills in"),
        ("lr: '{{ lr }}'\n", "lr", "something else fills in"),
        ("lr: '0.001'\n", "lr", "holds str, and the new value 0.5 is float"),
        ("lr: 010\n", "lr", "is `010`, which is 8 to PyYAML .YAML 1.1. and 10 to YAML 1.2"),
        ("lr: 12:30\n", "lr", "is `12:30`, which is 750 to PyYAML"),
        ("lr: 2024-01-01\n", "lr", "is a date to PyYAML"),
        ("a: {lr: 0.1}\n---\na: {lr: 0.2}\n", "lr", "2 documents, which begin in lines 1, 2"),
        ("a.b: {c: 0.1}\na: {b.c: 0.2}\n", "a.b.c", "gives a.b.c a value 2 times: c in line 1 .a.b., b.c in line 2"),
        ("lr: 0.1\nlr: 0.2\n", "lr", "gives lr a value 2 times: lr in line 1 .top level., lr in line 2"),
        ("lr: 0.1\n'lr': 0.2\n", "lr", "gives lr a value 2 times"),
        ("lr: |\n  0.1\n", "lr", "holds str, and the new value 0.5 is float"),
        ("lr: !mine 0.1\n", "lr", "has the tag !mine"),
        ("lr: *rate\n", "lr", r"line 1 has the alias \*rate, and no anchor"),
    ],
)
def test_refused(before: str, key: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        patched(before, {key: 0.5})


def patched(text: str, values: dict[str, Any]) -> Patch:
    return plan_patch(config_text(text.encode(), "config.yaml"), values)


class Lenient(yaml.SafeLoader):
    """With any tag of a user's own."""


Lenient.add_multi_constructor(
    "!", lambda loader, suffix, node: f"{suffix} {node.start_mark.index - node.end_mark.index}"
)


def pyyaml(text: str) -> Any:
    return yaml.load(text, Loader=Lenient)


def ruamel_yaml(text: str) -> Any:
    reader = ruamel.yaml.YAML(typ="safe", pure=True)
    reader.constructor.add_multi_constructor("!", lambda constructor, suffix, node: suffix)
    return reader.load(io.StringIO(text))


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    if isinstance(value, (dict, list)):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(inner, (*path, key))
    else:
        yield path, value


def test_each_value_has_its_line() -> None:
    file = parse_config(config_text(HYDRA.encode(), "config.yaml"))
    assert {a.path: a.line for a in file.assignments if a.key in ("lr", "dir")} == {
        "optimizer.lr": 10,
        "hydra.run.dir": 14,
    }
