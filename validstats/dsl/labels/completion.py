"""Completions of the unlabelled variables: what the score is averaged over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from validstats._typing import AnyArray, Float1D, Float2D, FloatND
from validstats.dsl.labels.crossfit import CrossFitter, FoldModels, label_kind, one_hot

__all__ = ["Completion", "Outcome", "expected_completions", "expected_values", "plug_in_completions"]

_N_DRAWS = 8
_MAX_DISCRETE = 6
_DRAW_ORDERS = (
    (0, 1, 2, 3, 4, 5, 6, 7),
    (3, 6, 0, 5, 2, 7, 1, 4),
    (3, 1, 7, 6, 0, 5, 2, 4),
    (4, 2, 5, 0, 6, 7, 1, 3),
)
"""Orders of the draws of up to four labels that are uncorrelated with each other."""


@dataclass(frozen=True, kw_only=True)
class Completion:
    """Values for the unlabelled variables of every row, with their probability."""

    weight: Float1D | float = 1.0  # conditional probability of these values
    replacements: Mapping[str, AnyArray] = field(default_factory=dict)  # values of the covariate labels
    outcome: FloatND | None = None  # expected outcome; None where the outcome is always observed


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The outcome of a model on the labelled rows, where it depends on a label."""

    name: str  # name that picks the learner
    values: FloatND  # numbers, or one indicator column a category


def _predict_outcome(
    fitter: CrossFitter,
    outcome: Outcome | None,
    features: Float2D,
    extra_training: Float2D | None,
    extra_target: list[Float2D],
) -> list[FloatND | None]:
    """Return the expected outcome at each completion of the covariates, per repeat on the first axis."""
    n_completions = max(len(extra_target), 1)
    if outcome is None:
        return [None] * n_completions
    if outcome.values.ndim == 2:
        codes = outcome.values.argmax(axis=1)
        found = fitter.classify(outcome.name, codes, outcome.values.shape[1], features)
        return [np.moveaxis(found, 1, 2)] * n_completions
    found = fitter.regress(outcome.name, outcome.values, features, extra_training, extra_target)
    return [found[:, k] for k in range(found.shape[1])]


def _discrete(values: AnyArray) -> bool:
    if label_kind(values) != "continuous":
        return True
    return len(np.unique(values)) <= _MAX_DISCRETE


def expected_completions(
    fitter: CrossFitter, labels: Mapping[str, AnyArray], outcome: Outcome | None, features: Float2D
) -> tuple[Completion, ...]:
    """Return completions whose weighted scores add to the expected score given the features."""
    # Discrete covariate labels are summed over their observed combinations with cross-fitted probabilities
    # (their joint distribution); continuous ones over draws of their cross-fitted residuals. The outcome
    # enters by its expectation given the features and the completed covariates. Repeats are averaged.
    if not labels:
        found = _predict_outcome(fitter, outcome, features, None, [])[0]
        return (Completion(outcome=None if found is None else found.mean(axis=0)),)
    n = len(features)
    parts: list[tuple[Float1D | float, dict[str, AnyArray]]] = [(1.0, {})]
    discrete = {v: x for v, x in labels.items() if _discrete(x)}
    continuous = {v: x for v, x in labels.items() if v not in discrete}
    extra_training: list[Float2D] = []
    encoders: list[tuple[tuple[str, ...], list[tuple[object, ...]]]] = []
    if discrete:
        names = tuple(discrete)
        rows = list(zip(*(x.tolist() for x in discrete.values()), strict=True))
        combinations = sorted(set(rows), key=str)
        position = {combination: k for k, combination in enumerate(combinations)}
        codes = np.array([position[row] for row in rows], dtype=np.int64)
        probability = fitter.classify(names[0], codes, len(combinations), features).mean(axis=0)
        parts = [
            (probability[k], {v: _filled(combination[j], n) for j, v in enumerate(names)})
            for k, combination in enumerate(combinations)
        ]
        extra_training.append(one_hot(codes, len(combinations)))
        encoders.append((names, combinations))
    if continuous:
        means = {v: fitter.regress(v, x, features)[:, 0].mean(axis=0) for v, x in continuous.items()}
        draws = {
            v: fitter.residual_quantiles(v, x, features, _N_DRAWS).mean(axis=0) for v, x in continuous.items()
        }
        order = _draw_order(len(continuous))
        parts = [
            (
                weight / _N_DRAWS,
                {**fixed, **{v: means[v] + draws[v][order[j][d]] for j, v in enumerate(means)}},
            )
            for weight, fixed in parts
            for d in range(_N_DRAWS)
        ]
        extra_training.append(np.column_stack(list(continuous.values())))
    targets = [_encode(values, encoders, tuple(continuous), n) for _, values in parts]
    outcomes = _predict_outcome(fitter, outcome, features, np.hstack(extra_training), targets)
    return tuple(
        Completion(weight=w, replacements=r, outcome=None if y is None else y.mean(axis=0))
        for (w, r), y in zip(parts, outcomes, strict=True)
    )


@dataclass(frozen=True)
class ValuesModel:
    """The law of a numeric label given features: probabilities of few values, or a mean with draws around it."""

    means: FoldModels | None = None
    draws: FoldModels | None = None
    classes: FoldModels | None = None
    values: Float1D | None = None


def expected_values(fitter: CrossFitter, name: str, values: Float1D, features: Float2D) -> ValuesModel:
    """Fit the law of a label as :func:`expected_completions` does; features are those of the labelled rows."""
    if not _discrete(values):
        return ValuesModel(
            means=fitter.means(name, values, features),
            draws=fitter.residuals(name, values, features, _N_DRAWS),
        )
    known = np.array(sorted(set(values.tolist()), key=str))
    codes = np.array([known.tolist().index(v) for v in values.tolist()], dtype=np.int64)
    return ValuesModel(classes=fitter.classes(name, codes, len(known), features), values=known)


def _filled(value: object, n: int) -> AnyArray:
    return np.full(n, value) if not isinstance(value, str) else np.array([value] * n, dtype=object)


def _draw_order(n_labels: int) -> list[list[int]]:
    """Return for every label a fixed order of its quantiles, so that draws of several labels are not tied."""
    return [list(_DRAW_ORDERS[j % len(_DRAW_ORDERS)]) for j in range(n_labels)]


def _encode(
    values: Mapping[str, AnyArray],
    encoders: list[tuple[tuple[str, ...], list[tuple[object, ...]]]],
    continuous: tuple[str, ...],
    n: int,
) -> Float2D:
    blocks = []
    for names, combinations in encoders:
        here = tuple(np.asarray(values[v])[0] for v in names)
        code = next(
            k for k, c in enumerate(combinations) if all(a == b for a, b in zip(c, here, strict=True))
        )
        blocks.append(one_hot(np.full(n, code), len(combinations)))
    if continuous:
        blocks.append(np.column_stack([values[v] for v in continuous]))
    return np.hstack(blocks)


def plug_in_completions(
    fitter: CrossFitter, labels: Mapping[str, AnyArray], outcome: Outcome | None, features: Float2D
) -> tuple[tuple[Completion, ...], ...]:
    """Return one completion a repeat with every label at its cross-fitted mean, as the R package ``dsl``."""
    for name, values in labels.items():
        if label_kind(values) == "categorical":
            raise ValueError(
                f"estimator='dsl' plugs in the mean of a label, and {name!r} is categorical. Use "
                "estimator='tuned', which sums over its classes, or encode it as indicators."
            )
    covariates = {v: fitter.regress(v, x.astype(np.float64), features)[:, 0] for v, x in labels.items()}
    outcomes = _predict_outcome(fitter, outcome, features, None, [])[0]
    return tuple(
        (
            Completion(
                replacements={v: x[s] for v, x in covariates.items()},
                outcome=None if outcomes is None else outcomes[s],
            ),
        )
        for s in range(len(fitter.folds))
    )
