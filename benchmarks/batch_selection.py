"""Power of selections at one bound of the false discovery rate, beside two peers.

Run with ``python -m benchmarks.batch_selection --peer PYTHON``, where PYTHON is the interpreter of an environment with ``nonconform``
(Python 3.12 or later); without it the peer's columns are empty. Both see the same labelled rows and the same strengths. ``nonconform``
calibrates on the rows whose claim is false, as detection of anomalies does; ours on all of them. ConfSelect is on no registry of
packages: its procedure, weighted conformalised selection, is written here from the paper (Jin and Candes, 2023, arXiv 2307.09291),
with its randomised p-values and both prunings, at the constant weights that rows drawn alike have.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import warnings
from pathlib import Path

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.frozen import FrozenEstimator

from benchmarks.batch_means import table
from validstats import BatchPredictor
from validstats.batch import Selection
from validstats.exceptions import DriftWarning

SETTINGS = [
    (n, m, share, signal, fdr)
    for n, m in ((200, 50), (1000, 100))
    for share, signal, fdr in (
        (0.05, 3.0, 0.1),
        (0.1, 2.0, 0.1),
        (0.1, 3.0, 0.1),
        (0.1, 3.0, 0.2),
        (0.25, 2.0, 0.1),
        (0.25, 2.0, 0.2),
        (0.25, 3.0, 0.05),
        (0.5, 1.5, 0.1),
        (0.5, 1.5, 0.2),
        (0.5, 2.0, 0.1),
    )
]
"""Labelled rows, batch, share of true claims, distance of their mean strength in standard deviations, bound of the rate."""

PEER = """
import logging, sys
import numpy as np
from sklearn.base import BaseEstimator
from nonconform import ConformalDetector, Split
logging.disable(logging.CRITICAL)

class Strength(BaseEstimator):
    def fit(self, X, y=None):
        return self
    def decision_function(self, X):
        return np.asarray(X)[:, 0]

data, found = np.load(sys.argv[1]), {}
for key in [k[5:] for k in data.files if k.startswith("past_")]:
    past, true, new = (data[f"{part}_{key}"] for part in ("past", "true", "new"))
    for method in ("bh", "storey"):
        chosen = np.zeros(new.shape, dtype=bool)
        for i in range(len(past)):
            model = ConformalDetector(Strength(), Split(), score_polarity="higher_is_anomalous")
            model.calibrate(past[i][~true[i]][:, None])
            chosen[i] = model.select(new[i][:, None], alpha=float(data[f"fdr_{key}"]), method=method)
        found[f"{method}_{key}"] = chosen
np.savez(sys.argv[2], **found)
"""


class Strength(RegressorMixin, BaseEstimator):
    """A fitted learner whose prediction is its only column."""

    def fit(self, X, y=None):
        """Learn nothing."""
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def predict(self, X):
        """The strength of the claim."""
        return np.asarray(X)[:, 0]


def drawn(setting: tuple, replicates: int, seed: int) -> dict[str, np.ndarray]:
    """Strengths of labelled and new rows, and which claims are true: every row is true with the share, at random."""
    n, m, share, signal, fdr = setting
    rng = np.random.default_rng(seed)
    true, new_true = rng.random((replicates, n)) < share, rng.random((replicates, m)) < share
    return {
        "past": rng.normal(size=true.shape) + signal * true,
        "true": true,
        "new": rng.normal(size=new_true.shape) + signal * new_true,
        "new_true": new_true,
        "fdr": np.array(fdr),
    }


def ours(data: dict[str, np.ndarray], randomised: bool) -> np.ndarray:
    """Claims of ``Selection(fdr=)``."""
    target = Selection(above=0.5, fdr=float(data["fdr"]), randomised=randomised)
    chosen = np.zeros(data["new"].shape, dtype=bool)
    for i in range(len(chosen)):
        model = BatchPredictor(FrozenEstimator(Strength()), target, random_state=i, check_reuse=False)
        model.calibrate(data["past"][i][:, None], data["true"][i].astype(float))
        chosen[i] = model.select(data["new"][i][:, None])
    return chosen


def of_peer(sets: list[dict[str, np.ndarray]], python: str) -> dict[str, np.ndarray]:
    """Claims of the peer, for all settings in one process."""
    with tempfile.TemporaryDirectory() as folder:
        given, answered = Path(folder, "given.npz"), Path(folder, "answered.npz")
        np.savez(given, **{f"{part}_{i}": data[part] for i, data in enumerate(sets) for part in data})
        subprocess.run([python, "-c", PEER, str(given), str(answered)], check=True)
        return dict(np.load(answered))


def conformalised(data: dict[str, np.ndarray], pruning: str) -> np.ndarray:
    """Claims of weighted conformalised selection with clipped scores and constant weights."""
    rng = np.random.default_rng(17)
    chosen = np.zeros(data["new"].shape, dtype=bool)
    for i, (past, true, new) in enumerate(zip(data["past"], data["true"], data["new"], strict=True)):
        n, m, q = past.size, new.size, float(data["fdr"])
        # clipped scores V = infinity where the claim is true, minus the strength elsewhere; V_i < V_j of a new row
        false = np.sort(past[~true])
        smaller = false.size - np.searchsorted(false, new, side="right")
        ties = false.size - np.searchsorted(false, new, side="left") - smaller
        p = (smaller + rng.random(m) * (1 + ties)) / (n + 1)
        # row j: p-values of the others as if j were a calibration row, and 0 for j
        others = (smaller[None, :] + (new[:, None] > new[None, :])) / (n + 1)
        np.fill_diagonal(others, 0.0)
        ordered = np.sort(others, axis=1) <= q * np.arange(1, m + 1) / m
        sizes = m - np.argmax(ordered[:, ::-1], axis=1)
        first = p <= q * sizes / m
        drawn_sizes = sizes * (rng.random(m) if pruning == "heterogeneous" else 1.0)
        counts = [(first & (drawn_sizes <= r)).sum() >= r for r in range(m + 1)]
        chosen[i] = first & (drawn_sizes <= np.flatnonzero(counts).max())
    return chosen


def cells(chosen: np.ndarray | None, true: np.ndarray) -> list[str]:
    """Share of the true claims that were made, and mean false discovery proportion."""
    if chosen is None:
        return ["", ""]
    power = (chosen & true).sum() / true.sum()
    false = ((chosen & ~true).sum(axis=1) / np.maximum(chosen.sum(axis=1), 1)).mean()
    return [f"{power:.3f}", f"{false:.3f}"]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.batch_selection", description=__doc__)
    parser.add_argument("--peer", help="interpreter of an environment with nonconform")
    parser.add_argument("--replicates", type=int, default=200)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", DriftWarning)  # of redrawn batches one in a hundred looks moved
    sets = [drawn(s, arguments.replicates, 8000 + i) for i, s in enumerate(SETTINGS)]
    peer = {} if arguments.peer is None else of_peer(sets, arguments.peer)
    rows = []
    for i, (setting, data) in enumerate(zip(SETTINGS, sets, strict=True)):
        found = [ours(data, False), ours(data, True), peer.get(f"bh_{i}"), peer.get(f"storey_{i}")]
        found += [conformalised(data, "heterogeneous"), conformalised(data, "deterministic")]
        name = "n = {}, m = {}, {:.0%} true at {:g} sd, FDR {:g}".format(*setting)
        rows.append([name, *(cell for chosen in found for cell in cells(chosen, data["new_true"]))])
    print(
        f"Share of true claims that are made, and mean false discovery proportion ({arguments.replicates} draws a setting)\n"
    )
    heads = [
        h
        for name in (
            "ours",
            "ours, randomised",
            "nonconform, BH",
            "nonconform, Storey",
            "WCS, heterogeneous pruning",
            "WCS, deterministic pruning",
        )
        for h in (name, "FDP")
    ]
    print(table(["setting", *heads], rows))


if __name__ == "__main__":
    main()
