"""Shares with a judge and few labels: other packages on the same data sets, each in an environment of its own.

``python -m benchmarks.dsl_shares_peers --peers FOLDER --output DIR`` takes ``FOLDER/<name>/bin/python`` for ``ppi-python``,
``glide-py`` and ``truescore`` and writes ``dsl_shares_peers.md``: 300 settings with 2,000 units, the same labels for everyone.
Errors are counted as failures; coverage and width are those of the answers that a package gave.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.dsl_shares import INTERVALS, Draws, Setting, grid, wilson

UNITS = 2000

CALLS = {
    "ppi-python": """
from ppi_py import ppi_mean_ci
def interval(y, judge, unlabelled):
    low, high = ppi_mean_ci(y, judge, unlabelled, alpha=0.05)
    return float(np.ravel(low)[0]), float(np.ravel(high)[0])
""",
    "glide-py": """
from glide.estimators import PPIMeanEstimator
def interval(y, judge, unlabelled):
    found = PPIMeanEstimator().estimate(np.r_[y, np.full(len(unlabelled), np.nan)], np.r_[judge, unlabelled])
    return found.confidence_interval.lower_bound, found.confidence_interval.upper_bound
""",
    "truescore": """
from truescore import ppi_estimate
def interval(y, judge, unlabelled):
    found = ppi_estimate(np.r_[judge, unlabelled], y, np.arange(len(y)))
    return found.low, found.high
""",
}
"""Package -> code that defines ``interval(y, judge, unlabelled)`` of 0/1 arrays."""

SERVER = """
import sys, warnings
import numpy as np
warnings.simplefilter("ignore")
{call}
data = np.load(sys.argv[1])
labels, rest = data["labels"], data["rest"]
out = np.full((len(labels), 2), np.nan)
kinds = np.array([(0, 0), (1, 0), (0, 1), (1, 1)], dtype=float)
for i in range(len(labels)):
    y, judge = kinds.repeat(labels[i], axis=0).T
    unlabelled = kinds[:, 1].repeat(rest[i])
    try:
        out[i] = interval(y, judge, unlabelled)
    except Exception:
        pass
np.save(sys.argv[2], out)
"""


def answers(python: Path, call: str, labels: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """Return the ends that a package gives, NaN where it raised; counts by class of shape (R, 4)."""
    with tempfile.TemporaryDirectory() as folder:
        source, target, script = (Path(folder) / n for n in ("in.npz", "out.npy", "peer.py"))
        np.savez(source, labels=labels, rest=rest)
        script.write_text(SERVER.format(call=call))
        subprocess.run([str(python), str(script), str(source), str(target)], check=True)
        return np.load(target)


def counts(setting: Setting, rng: np.random.Generator, replicates: int) -> tuple[np.ndarray, np.ndarray]:
    """Return labelled and unlabelled units by class: (truth, verdict) = (0, 0), (1, 0), (0, 1), (1, 1)."""
    p, t, f = setting.share, setting.sensitivity, setting.false_positives
    law = np.array([(1 - p) * (1 - f), p * (1 - t), (1 - p) * f, p * t])
    units = rng.multinomial(UNITS, law, size=replicates)
    labels = np.array([rng.multivariate_hypergeometric(u, setting.n) for u in units])
    return labels, units - labels


def as_draws(setting: Setting, labels: np.ndarray, rest: np.ndarray) -> Draws:
    """Return the same data sets for our own intervals."""
    n = np.column_stack([labels[:, 0] + labels[:, 1], labels[:, 2] + labels[:, 3]])
    units = labels + rest
    share = np.column_stack([units[:, 0] + units[:, 1], units[:, 2] + units[:, 3]]) / UNITS
    return Draws(labels[:, [1, 3]], n, share, np.full(len(n), setting.share), setting)


def table(found: dict[str, list[tuple[float, float, float]]]) -> list[str]:
    """Return one line an interval from (coverage, width over Wilson's, share of failures) by setting."""
    lines = [
        "| interval | lowest coverage | mean | settings below .94 | width / Wilson | calls without an answer |",
        "| :--- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, rows in found.items():
        coverage, width, failed = np.array(rows).T
        lines.append(
            f"| {name} | {np.nanmin(coverage):.3f} | {np.nanmean(coverage):.3f} | {np.nanmean(coverage < 0.94):.1%} "
            f"| {np.nanmean(width):.3f} | {failed.mean():.2%} |"
        )
    return lines


def run(peers: Path | None, replicates: int, seed: int, settings: Sequence[Setting]) -> dict:
    """Return (coverage, width, failures) of every interval by setting."""
    found: dict[str, list[tuple[float, float, float]]] = {}
    drawn = [counts(s, np.random.default_rng([seed, k]), replicates) for k, s in enumerate(settings)]
    reference = []
    for setting, (labels, rest) in zip(settings, drawn, strict=True):
        draws = as_draws(setting, labels, rest)
        low, high = wilson(draws)
        reference.append(np.mean(high - low))
        for name, call in INTERVALS.items():
            low, high = call(draws)
            inside = np.mean((low <= setting.share) & (setting.share <= high))
            found.setdefault(name, []).append((inside, np.mean(high - low) / reference[-1], 0.0))
    for name, call in CALLS.items():
        python = None if peers is None else peers / name / "bin" / "python"
        if python is None or not python.exists():
            continue
        labels, rest = (np.concatenate([d[j] for d in drawn]) for j in (0, 1))
        ends = answers(python, call, labels, rest).reshape(len(settings), replicates, 2)
        for k, setting in enumerate(settings):
            low, high = ends[k].T
            told = np.isfinite(low) & np.isfinite(high)
            inside = (
                np.mean((low <= setting.share) & (setting.share <= high), where=told)
                if told.any()
                else np.nan
            )
            width = np.mean((high - low)[told]) / reference[k] if told.any() else np.nan
            found.setdefault(name, []).append((inside, width, 1.0 - told.mean()))
    return found


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dsl_shares_peers", description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--peers", type=Path, default=None)
    parser.add_argument("--replicates", type=int, default=200)
    parser.add_argument("--seed", type=int, default=20_240)
    arguments = parser.parse_args()
    found = run(arguments.peers, arguments.replicates, arguments.seed, grid(float(UNITS), False))
    command = f"python -m benchmarks.dsl_shares_peers --peers ... --replicates {arguments.replicates} --seed {arguments.seed}"
    text = "\n".join(
        [f"Made by `{command}`; 300 settings, {UNITS} units, target the law.", "", *table(found)]
    )
    arguments.output.mkdir(parents=True, exist_ok=True)
    (arguments.output / "dsl_shares_peers.md").write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
