"""Probes of mutual_info, mutual_info_matrix, independence_test, MISelector, LearnedMI, and of the data that is drawn."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from tests.properties.probes import MATRIX_KINDS, SAME, TEXT, Probe, Refusal, is_none, is_one, is_zero, only
from validstats import LearnedMI, MISelector, datasets, independence_test, mutual_info, mutual_info_matrix
from validstats.mi import default_family

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


def trained(family: Any = None, *, random_state: Any = 0, **options: Any) -> Any:
    family = default_family() if family is None else family
    return LearnedMI(random_state=random_state).fit(family, verbose=False, **{"n_sets": 200, **options})


def calibrated(*, random_state: Any = 0, **options: Any) -> Any:
    return LearnedMI(random_state=random_state).calibrate(default_family(), verbose=False, **options)


def gaussian_pair(correlations: Any) -> np.ndarray:
    pair = datasets.make_gaussian_pair(3, correlations, random_state=0)
    return np.append(np.column_stack([pair.X, pair.Y]), pair.mutual_information)


def accuracy(weights: Any) -> float:
    sample = datasets.make_adaptive_classification(3, 5, signal=0.5, n_informative=2, random_state=0)
    return sample.true_accuracy(weights)


GENERATORS: dict[str, tuple[Any, tuple[str, ...]]] = {
    "make_heteroscedastic_regression": (
        datasets.make_heteroscedastic_regression,
        ("n_samples", "n_features", "coefficient_seed", "random_state"),
    ),
    "make_adaptive_classification": (
        partial(datasets.make_adaptive_classification, n_features=3),
        ("n_samples", "n_features", "n_informative", "random_state"),
    ),
    "make_gaussian_pair": (
        partial(datasets.make_gaussian_pair, correlations=0.5),
        ("n_samples", "n_x", "n_y", "random_state"),
    ),
    "make_surrogate_labels": (
        datasets.make_surrogate_labels,
        ("n_samples", "n_labelled", "random_state"),
    ),
    "make_surrogate_covariate": (
        datasets.make_surrogate_covariate,
        ("n_samples", "n_labelled", "random_state"),
    ),
}
"""Generators of data, with their counts and seeds."""

OPTIONAL = {"n_x": is_none, "n_y": is_none, "n_labelled": is_none, "n_informative": is_zero}


def drawn(name: str, argument: str, value: Any) -> Any:
    return GENERATORS[name][0](**{"n_samples": 5, "random_state": 0, argument: value})


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
    Refusal("LearnedMI.fit(n_sets)", "n_sets", lambda v: trained(n_sets=v), "count"),
    Refusal("LearnedMI.fit(epochs)", "epochs", lambda v: trained(epochs=v), "count"),
    Refusal("LearnedMI.fit(ensemble)", "ensemble", lambda v: trained(ensemble=v), "count"),
    Refusal("LearnedMI.fit, random_state", "random_state", lambda v: trained(random_state=v), "seed"),
    Refusal("LearnedMI.calibrate(n_sets)", "n_sets", lambda v: calibrated(n_sets=v), "count"),
    Refusal(
        "LearnedMI.calibrate, random_state",
        "random_state",
        lambda v: calibrated(n_sets=1, random_state=v),
        "seed",
    ),
    Refusal("LearnedMI.calibrate(reference)", "reference", LearnedMI().calibrate, "count"),
    *(
        Refusal(
            f"{name}({argument})",
            argument,
            partial(drawn, name, argument),
            "seed" if argument.endswith(("seed", "state")) else "count",
            OPTIONAL.get(argument, lambda value: False),
        )
        for name, (_, arguments) in GENERATORS.items()
        for argument in arguments
    ),
    Refusal(
        "make_surrogate_labels(accuracy)",
        "accuracy",
        lambda v: datasets.make_surrogate_labels(5, design="random_flip", accuracy=v),
        "level",
        lambda v: is_none(v) or is_one(v),
    ),
    Probe(
        "make_gaussian_pair(correlations)",
        "correlations",
        gaussian_pair,
        (5,),
        decides=frozenset({"scalar"}),
        shares=True,
    ),
    Probe("AdaptiveSample.true_accuracy(weights)", "weights", accuracy, (5,)),
]
