"""The whole path on real EEG, once per search algorithm: tune, apply, retrain, verify; prints a table.

    python benchmarks/eeg_smni.py DIR [--trials 15] [--epochs 20] [--label condition] [--only 'optuna tpe']

DIR holds the UCI EEG tables (20 subjects, 30 one-second trials each). Every algorithm starts from a copy of
src/config.py (its EPOCHS set to --epochs) in a folder of its own and sees the same sealed test subjects. The winner is
applied and verified also where the recommendation is to keep today's config: so it can be seen what that spared. Where
the winner is today's config, there is nothing to verify.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CONFIG = Path(__file__).resolve().parent.parent / "src" / "config.py"
TRUETUNE = "from truetune.cli import main; main()"
HEAD = (
    "| search | trials | search score | winner, re-trained | today's config, re-trained | gain | recommendation "
    "| test before | test after | improvement, 95 % | verdict |",
    "|---|---|---|---|---|---|---|---|---|---|---|",
)
SEARCHES = {
    "keras-tuner bayesian": ["--method", "keras-tuner"],
    "keras-tuner hyperband": ["--method", "keras-tuner", "--tuning-algorithm", "hyperband"],
    "keras-tuner random": ["--method", "keras-tuner", "--tuning-algorithm", "random"],
    "optuna tpe": ["--method", "optuna"],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--label", default="condition")
    parser.add_argument("--trials", default="15")
    parser.add_argument("--epochs", default="20")
    parser.add_argument("--only", choices=list(SEARCHES), help="one of the searches")
    chosen = parser.parse_args()
    rows = []
    for name, search in SEARCHES.items():
        if chosen.only not in (None, name):
            continue
        with tempfile.TemporaryDirectory() as folder:
            rows.append(_one(name, search, chosen, Path(folder)))
        print(rows[-1], flush=True)
    print("\n".join(["", *HEAD, *rows]))


def _one(name: str, search: list[str], chosen: argparse.Namespace, folder: Path) -> str:
    (folder / "src").mkdir()
    config = re.sub(r"EPOCHS: int = \d+", f"EPOCHS: int = {chosen.epochs}", CONFIG.read_text())
    (folder / "src" / "config.py").write_text(config)
    began = time.perf_counter()
    tune = ["tune", "--data", str(chosen.data.resolve()), "--label", chosen.label, "--epochs", chosen.epochs]
    log = _run(folder, *tune, "--max-trials", chosen.trials, *search)
    tuned = time.perf_counter()
    log += _run(folder, "apply", "--yes")
    best = json.loads((folder / "models" / "best_hyperparameters.json").read_text())["metadata"]
    counts = ", ".join(f"{n} {state}" for state, n in best["n_trials"].items() if n)
    fresh = best["finalists"]
    estimates = " | ".join(_estimate(fresh[of]) for of in ("confirmed", "today", "gain"))
    row = (
        f"| {name} | {counts} in {(tuned - began) / 60:.1f} min | {best['best_score']:.3f} (trial {best['trial']}) "
        f"| {estimates} | {fresh['recommendation']} | "
    )
    if (folder / "src" / "config.py").read_text() == config:
        print(log, file=sys.stderr, flush=True)
        return row + "– | – | – | the winner is today's config |"
    log += _run(folder, "train")
    found = _run(folder, "verify")
    minutes = (time.perf_counter() - tuned) / 60
    print(log, found, sep="\n", file=sys.stderr, flush=True)
    before, after = (_number(found, rf"{word} optimization: +(\S+)") for word in ("Before", "After"))
    change = _number(found, r"Improvement: +(\S+ \[.*?\])")
    return row + f"{before} | {after} | {change} | {_number(found, r'Verdict: +(.+)')} ({minutes:.1f} min) |"


def _estimate(estimate: dict[str, float] | None) -> str:
    """Of fresh runs, with its interval."""
    if estimate is None:
        return "–"
    if estimate["low"] is None:
        return f"{estimate['mean']:.3f}"
    return f"{estimate['mean']:.3f} [{estimate['low']:.3f}, {estimate['high']:.3f}]"


def _run(folder: Path, *arguments: str) -> str:
    command = [sys.executable, "-c", TRUETUNE, *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"truetune {' '.join(arguments)} exited with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def _number(text: str, pattern: str) -> str:
    match = re.search(pattern, text)
    return match[1] if match else "–"


if __name__ == "__main__":
    main()
