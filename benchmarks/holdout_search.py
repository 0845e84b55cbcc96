"""One search over features, told by four ways: the naive loop, a fresh split, Bonferroni, and a gate with a certificate.

``python -m benchmarks.holdout_search --output FILE`` makes the table of the page "A real search". The rows are scikit-learn's
breast cancer data with pure noise beside the measurements, so that there is something to overfit.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy import stats
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from validstats.holdout import Ledger, ReusableHoldout
from validstats.holdout.widths import clopper_pearson

ALPHA = 0.05


def data(seed: int, noise: int, flipped: float) -> tuple[np.ndarray, np.ndarray, np.random.Generator]:
    """Six weak measurements, columns of noise, and labels of which a share is turned over."""
    rng = np.random.default_rng(seed)
    X, y = load_breast_cancer(return_X_y=True)
    kept = np.column_stack([X[:, [9, 1, 4, 8, 24, 28]], rng.normal(size=(len(X), noise))])
    turned = rng.random(len(y)) < flipped
    return kept, np.where(turned, 1 - y, y), rng


def search(seed: int, proposals: int) -> dict[str, float]:
    """Greedy search by random changes of a set of features; the holdout decides what is kept."""
    X, y, rng = data(seed, 100, 0.1)
    order = rng.permutation(len(y))
    train, hold, fresh = order[:150], order[150:350], order[350:]
    half = hold[:100]

    def fitted(columns: frozenset[int]) -> np.ndarray:
        if not columns:
            return np.full(len(y), round(y[train].mean()))
        some = sorted(columns)
        model = make_pipeline(StandardScaler(), LogisticRegression(C=10, max_iter=200))
        return model.fit(X[np.ix_(train, some)], y[train]).predict(X[:, some])

    def score(predicted: np.ndarray, rows: np.ndarray) -> float:
        return float((predicted == y)[rows].mean())

    def at_most(predicted: np.ndarray) -> float:
        """Upper end of the accuracy on fresh rows."""
        right = (predicted == y)[fresh]
        return clopper_pearson(int(right.sum()), len(fresh), math.log(ALPHA))[1]

    start = fitted(frozenset({0}))
    # each search is a study of its own, whatever rows another one had
    holdout = ReusableHoldout(queries=1, ledger=Ledger.in_memory(secret=seed.to_bytes(32, "big")))
    holdout.calibrate(X[hold], y[hold], check_reuse=False)
    gate = holdout.gate(start[hold])
    naive, split, ours = (start, frozenset({0})), (start, frozenset({0})), (start, frozenset({0}))
    for _ in range(proposals):
        change = frozenset(rng.choice(X.shape[1], 3, replace=False).tolist())
        trial = fitted(naive[1] ^ change)
        if score(trial, hold) > score(naive[0], hold):
            naive = (trial, naive[1] ^ change)
        trial = fitted(split[1] ^ change)
        if score(trial, half) > score(split[0], half):
            split = (trial, split[1] ^ change)
        trial = fitted(ours[1] ^ change)
        if gate.ask(trial[hold]):
            ours = (trial, ours[1] ^ change)
    certificate = gate.certify()
    rest = hold[100:]
    plain = clopper_pearson(round(score(naive[0], hold) * len(hold)), len(hold), math.log(ALPHA))
    bonferroni = clopper_pearson(
        round(score(naive[0], hold) * len(hold)), len(hold), math.log(ALPHA / proposals)
    )
    held = clopper_pearson(round(score(split[0], rest) * len(rest)), len(rest), math.log(ALPHA))
    return {
        "naive says": score(naive[0], hold), "naive low": plain[0], "naive fresh": score(naive[0], fresh),
        "Bonferroni low": bonferroni[0],
        "split says": score(split[0], rest), "split low": held[0], "split fresh": score(split[0], fresh),
        "ours low": certificate.accuracy_low, "ours high": certificate.accuracy_high, "ours fresh": score(ours[0], fresh),
        "naive most": at_most(naive[0]), "split most": at_most(split[0]), "ours most": at_most(ours[0]),
    }  # fmt: skip


def table(seed: int, replicates: int, proposals: int) -> Iterator[str]:
    found = [search(seed + i, proposals) for i in range(replicates)]
    mean = {name: float(np.mean([run[name] for run in found])) for name in found[0]}
    yield f"{replicates} searches of {proposals} proposals, 200 holdout rows, lower ends at 95 % (mean over searches)"
    rows = (
        ("naive loop", "naive says", "naive low", "naive fresh"),
        ("naive loop, Bonferroni", "naive says", "Bonferroni low", "naive fresh"),
        ("fresh split (100 + 100 rows)", "split says", "split low", "split fresh"),
        ("gate and certificate", "ours high", "ours low", "ours fresh"),
    )
    yield (
        "| way | says | lower end | accuracy on fresh rows | lower ends above it | above the upper end of its own interval | "
        "p-value of a level of 95 % |"
    )
    yield "|:--|--:|--:|--:|--:|--:|--:|"
    for name, says, low, fresh in rows:
        above = sum(run[low] > run[fresh] for run in found)
        # two intervals that hold, each in 95 %, one-sided .025: apart in at most 5 of 100 searches
        apart = sum(run[low] > run[fresh.replace("fresh", "most")] for run in found)
        shown = "" if name.startswith("gate") else f"{mean[says]:.3f}"
        p_value = stats.binom.sf(apart - 1, replicates, 0.05)
        yield (
            f"| {name} | {shown} | {mean[low]:.3f} | {mean[fresh]:.3f} | {above} of {replicates} | {apart} of {replicates} | "
            f"{p_value:.2g} |"
        )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=5107)
    parser.add_argument("--replicates", type=int, default=60)
    parser.add_argument("--proposals", type=int, default=150)
    parser.add_argument("--output", type=Path, default=None, help="Markdown file")
    options = parser.parse_args()
    lines = list(table(options.seed, options.replicates, options.proposals))
    print("\n".join(lines))
    if options.output is not None:
        given = " ".join(f"--{name} {getattr(options, name)}" for name in ("seed", "replicates", "proposals"))
        command = f"python -m benchmarks.holdout_search {given}"
        head = ["# A real search, told by four ways", "", f"Made by `{command}`.", "", f"{lines[0]}.", ""]
        options.output.write_text("\n".join([*head, *lines[1:]]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
