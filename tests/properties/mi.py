"""Probes of mutual_info, mutual_info_matrix, independence_test, MISelector and LearnedMI."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from tests.properties.probes import MATRIX_KINDS, SAME, TEXT, Probe, Refusal, is_none, is_zero, only
from validstats import LearnedMI, MISelector, independence_test, mutual_info, mutual_info_matrix

N = 24
_RNG = np.random.default_rng(0)
X, Y = _RNG.normal(size=(N, 2)), _RNG.normal(size=N)

CATEGORIES = TEXT | {"object_with_array", "object_too_large", "complex", "records", "two_columns", "vector"}
"""Legal for a side: text and dates are categories, and a side may have several columns."""


def value(x: Any, y: Any = Y, **options: Any) -> np.ndarray:
    result = mutual_info(x, y, **options)
    return np.array([result.estimate, result.upper_bound])


def tested(x: Any, y: Any, **options: Any) -> np.ndarray:
    options = {"statistic": "gaussian", "n_permutations": 9, "random_state": 0, **options}
    result = independence_test(x, y, **options)
    return np.array([result.statistic, result.p_value])


def matrix_of(data: Any, **options: Any) -> np.ndarray:
    return mutual_info_matrix(data, **{"method": "gaussian", **options}).values


def scores_of(rows: Any, target: Any = Y, **options: Any) -> np.ndarray:
    options = {"method": "gaussian", "k": "all", "random_state": 0, "n_permutations": 9, **options}
    return MISelector(**options).fit(rows, target).scores_


def learned(x: Any, y: Any = Y, **options: Any) -> np.ndarray:
    result = LearnedMI(**options).infer(x, y)
    return np.array([result.estimate, result.conf_low, result.conf_high]).ravel()


PROBES: list[Probe | Refusal] = [
    *(
        Probe(
            f"mutual_info(x), {method}",
            "x",
            partial(value, method=method),
            (N,),
            decides=CATEGORIES,
            rtol=1e-6,
            unnamed=frozenset({"two_columns"}),
        )
        for method in ("learned", "ksg", "gaussian", "cca", "histogram")
    ),
    Probe("mutual_info(y)", "y", lambda y: value(X, y, method="ksg"), (N,), decides=CATEGORIES),
    Probe("mutual_info(x), columns", "x", partial(value, method="ksg"), (N, 2), decides=CATEGORIES),
    Probe("independence_test(x)", "x", lambda x: tested(x, Y), (N,), decides=CATEGORIES),
    Probe("independence_test(y), columns", "y", lambda y: tested(Y, y), (N, 2), decides=CATEGORIES),
    Probe(
        "independence_test(strata)",
        "strata",
        lambda s: tested(Y, X, strata=s),
        (N,),
        decides=CATEGORIES | SAME,
        left_out=frozenset({"none"}),
    ),
    Probe("mutual_info_matrix(data)", "data", matrix_of, (N, 3), decides=CATEGORIES),
    Probe(
        "MISelector.fit(X)",
        "X",
        scores_of,
        (N, 3),
        decides=CATEGORIES,
        unnamed=only(MATRIX_KINDS, "refuse", "decide"),
    ),
    Probe("MISelector.fit(y)", "y", lambda y: scores_of(X, y), (N,), decides=CATEGORIES),
    Probe("LearnedMI.infer(x)", "x", learned, (N,), decides=CATEGORIES, rtol=1e-6),
    Probe("LearnedMI.infer(y), columns", "y", lambda y: learned(Y, y), (N, 2), decides=CATEGORIES, rtol=1e-6),
    Refusal(
        "mutual_info(confidence_level)",
        "confidence_level",
        lambda v: value(Y, X, method="gaussian", confidence_level=v),
        "level",
    ),
    Refusal(
        "LearnedMI(confidence_level)",
        "confidence_level",
        lambda v: learned(Y, X, confidence_level=v),
        "level",
    ),
    Refusal(
        "mutual_info(n_neighbors)", "n_neighbors", lambda v: value(Y, X, method="ksg", n_neighbors=v), "count"
    ),
    Refusal(
        "mutual_info(n_bins)", "n_bins", lambda v: value(Y, X, method="histogram", n_bins=v), "count", is_none
    ),
    Refusal(
        "independence_test(n_permutations)",
        "n_permutations",
        lambda v: tested(Y, X, n_permutations=v),
        "count",
    ),
    Refusal(
        "independence_test(random_state)", "random_state", lambda v: tested(Y, X, random_state=v), "seed"
    ),
    Refusal(
        "independence_test(stop_after)", "stop_after", lambda v: tested(Y, X, stop_after=v), "count", is_none
    ),
    Refusal("MISelector(k)", "k", lambda v: scores_of(X, Y, k=v), "count", is_zero),
    Refusal("MISelector(alpha)", "alpha", lambda v: scores_of(X, Y, control="fdr_bh", alpha=v), "level"),
]
