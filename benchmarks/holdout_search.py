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
    yield "| way | says | lower end | accuracy on fresh rows | lower ends above it | chance of so many |"
    yield "|:--|--:|--:|--:|--:|--:|"
    for name, says, low, fresh in rows:
        above = sum(run[low] > run[fresh] for run in found)
        shown = "" if name.startswith("gate") else f"{mean[says]:.3f}"
        chance = chance_of(above, replicates, 100 if "split" in name else 200)
        yield f"| {name} | {shown} | {mean[low]:.3f} | {mean[fresh]:.3f} | {above} of {replicates} | {chance:.2g} |"


def chance_of(above: int, replicates: int, rows: int, fresh: int = 219) -> float:
    """Probability that so many lower ends lie above the accuracy on fresh rows, where each is that of one honest look.

    The largest over accuracies from .55 to .85; the fresh rows are a sample as well.
    """
    ends = [clopper_pearson(count, rows, math.log(ALPHA))[0] for count in range(rows + 1)]
    below = np.ceil(np.asarray(ends) * fresh - 1e-9) - 1.0  # most right fresh rows that lie below the end
    single = max(
        float(stats.binom.pmf(np.arange(rows + 1), rows, p) @ stats.binom.cdf(below, fresh, p))
        for p in np.linspace(0.55, 0.85, 31)
    )
    return float(stats.binom.sf(above - 1, replicates, single))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=5107)
    parser.add_argument("--replicates", type=int, default=40)
    parser.add_argument("--proposals", type=int, default=100)
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
