"""Power of selections at one bound of the false discovery rate, beside a peer that runs in an environment of its own.

Run with ``python -m benchmarks.batch_selection --peer PYTHON``, where PYTHON is the interpreter of an environment with ``nonconform``
(Python 3.12 or later); without it the peer's columns are empty. Both see the same labelled rows and the same strengths. ``nonconform``
calibrates on the rows whose claim is false, as detection of anomalies does; ours on all of them.
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
        name = "n = {}, m = {}, {:.0%} true at {:g} sd, FDR {:g}".format(*setting)
        rows.append([name, *(cell for chosen in found for cell in cells(chosen, data["new_true"]))])
    print(
        f"Share of true claims that are made, and mean false discovery proportion ({arguments.replicates} draws a setting)\n"
    )
    heads = [
        h
        for name in ("ours", "ours, randomised", "nonconform, BH", "nonconform, Storey")
        for h in (name, "FDP")
    ]
    print(table(["setting", *heads], rows))


if __name__ == "__main__":
    main()
