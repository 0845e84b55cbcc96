"""Selection of features with an error rate, beside features chosen by their uncorrected p-values."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from benchmarks.validity.rows import LEVELS, Row, Setting
from benchmarks.validity.seeds import seed_of

FAMILYWISE = "no false selection of a feature"
FALSE_SHARE = "share of false selections, as a chance"
UNCORRECTED = "features with small uncorrected p-values"
N_SIGNALS = 2

Draw = Callable[[np.random.Generator], tuple[np.ndarray, np.ndarray, int]]


def _correlated(rng: np.random.Generator, n_null: int = 6) -> tuple[np.ndarray, np.ndarray, int]:
    from tests.validity.test_mi_tests import selection_draw

    X, y = selection_draw(rng, n_null)
    return X, y, N_SIGNALS


def _nothing(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, int]:
    return rng.normal(size=(50, 8)) + rng.normal(size=(50, 1)), rng.exponential(size=50), 0


def _heavy(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, int]:
    X = rng.standard_t(2, size=(60, 8))
    return X, np.cbrt(X[:, 0]) - np.cbrt(X[:, 1]) + 0.5 * rng.standard_t(3, size=60), N_SIGNALS


def _classes(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, int]:
    y = rng.integers(0, 3, 60)
    X = rng.normal(size=(60, 8)) + 0.5 * rng.normal(size=(60, 1))
    X[:, :N_SIGNALS] += 1.2 * y[:, None]
    return X, y, N_SIGNALS


def _codes(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, int]:
    X = rng.integers(0, 3, size=(80, 8)).astype(float)
    return X, X[:, 0] + X[:, 1] + rng.normal(size=80), N_SIGNALS


LAWS: dict[str, tuple[Draw, tuple[str, ...]]] = {
    "correlated features": (_correlated, ("gaussian", "histogram")),
    "15 features": (partial(_correlated, n_null=13), ("gaussian",)),
    "no signal": (_nothing, ("gaussian", "histogram", "ksg")),
    "heavy tails": (_heavy, ("gaussian", "histogram")),
    "classes": (_classes, ("histogram",)),
    "coded features": (_codes, ("histogram",)),
}
"""Features of which the first few are true signals, the target, and how many signals there are."""

CONTROLS: dict[str, tuple[str, dict[str, Any]]] = {
    "max-T": (FAMILYWISE, {"control": "fwer", "n_permutations": 19}),
    "Holm": (FAMILYWISE, {"control": "fwer", "n_permutations": 159, "stop_after": 5}),
    "Benjamini-Hochberg": (FALSE_SHARE, {"control": "fdr_bh", "n_permutations": 159, "stop_after": 5}),
    "Benjamini-Yekutieli": (FALSE_SHARE, {"control": "fdr_by", "n_permutations": 159, "stop_after": 5}),
}
"""Error rate and options of the selector."""


def selection_settings() -> Iterator[Setting]:
    """Every control on every law with every method that applies."""
    for control in CONTROLS:
        for law, (_, methods) in LAWS.items():
            for method in methods:
                name = f"selection, {control}, {method}, {law}"
                yield Setting("mi", name, partial(_selection, name, control, law, method), 24, 1000)


def _selection(name: str, control: str, law: str, method: str, replicates: int) -> list[Row]:
    from validstats.runtime.replicates import map_replicates

    guarantee, options = CONTROLS[control]

    def one(rng: np.random.Generator, index: int) -> list[list[bool]]:
        X, y, n_signals = LAWS[law][0](rng)
        adjusted, raw = _fitted_p_values(method, options, X, y, rng)
        coin = rng.random()
        rates = [round(1 - level, 10) for level in LEVELS]
        return [[_holds(p <= rate, n_signals, guarantee, coin) for p in (adjusted, raw)] for rate in rates]

    hits = np.array(map_replicates(one, replicates, random_state=seed_of(name))).sum(axis=0)
    return [
        Row("mi", guarantee, name, level, int(ours), replicates, UNCORRECTED, int(wrong), replicates)
        for level, (ours, wrong) in zip(LEVELS, hits)
    ]


def _fitted_p_values(
    method: str, options: dict[str, Any], X: np.ndarray, y: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Adjusted p-values, which do not depend on the error rate that is asked for, and uncorrected ones."""
    from validstats.mi import MISelector

    selector = MISelector(method, alpha=0.2, random_state=rng, **options).fit(X, y)  # type: ignore[arg-type]
    return selector.adjusted_pvalues_, selector.pvalues_


def _holds(selected: np.ndarray, n_signals: int, guarantee: str, coin: float) -> bool:
    """Whether nothing false is selected; for the expected false share, with that chance whether a coin is above it."""
    false = int(selected[n_signals:].sum())
    if guarantee == FAMILYWISE:
        return false == 0
    return bool(coin >= false / max(1, int(selected.sum())))
