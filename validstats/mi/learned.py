"""The learned estimator on prepared sides: estimates, statistics for tests, and the chain rule."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from validstats._typing import Float2D, Int1D
from validstats.mi.estimators import LearnedMI, Unit, infer_rows, predict_rows
from validstats.mi.network import dependence_evidence, shipped_dependence_head
from validstats.mi.results import LearnedMIResult
from validstats.mi.sides import RowOptions, Rows, Side, join_sides, network_columns, prepare_side

__all__ = ["learned_chain_rule", "learned_columns", "learned_inference", "learned_statistic", "learned_value"]


@lru_cache(maxsize=1)
def _estimator() -> LearnedMI:
    return LearnedMI().fit()


def learned_inference(
    rows: Rows, level: Any, options: RowOptions, certify: bool | None, unit: Unit, backend: Any
) -> LearnedMIResult:
    """Estimate with an interval and a certified bound from the shipped weights."""
    return infer_rows(_estimator(), [rows], level, options, certify, unit, True, backend)


def learned_value(x: Side, y: Side) -> float:
    """Plain estimate in nats from the shipped weights."""
    return float(predict_rows([Rows(x, y, x.n_rows)], _estimator().weights_)[0])


def learned_statistic(x: Side, y: Side) -> Callable[[Int1D], float]:
    """Bind the learned evidence of dependence to two sides, for permutation tests: a function of the order of the rows of Y.

    It is the logit of a network trained to tell dependent from independent data sets, which has more power than the estimate of the
    information itself. Levels without an order are numbered anew under every permutation: their numbers are part of the statistic.
    """
    whole, head = _estimator().weights_, shipped_dependence_head()
    weights = whole.first or whole  # the head reads quantiles of the first stage, on which it was trained

    def evaluate(order: Int1D) -> float:
        columns = network_columns(x, y.reorder(order))
        return dependence_evidence(*columns, weights, head)

    return evaluate


def learned_columns(x: Float2D, y: Float2D, level: float) -> tuple[float, float, float]:
    """Estimate and interval of two sides of continuous columns, in nats."""
    sides = prepare_side(x, "x", False), prepare_side(y, "y", False)
    rows, given = Rows(*sides, len(x)), RowOptions(exchangeable=True)
    found = learned_inference(rows, level, given, False, "nats", "pandas")
    return float(found.estimates[0]), float(found.lows[0]), float(found.highs[0])


def learned_chain_rule(x: Side, y: Side, z: Side) -> float:
    """I(X; Y | Z) = (I(X; (Y, Z)) - I(X; Z) + I(Y; (X, Z)) - I(Y; Z)) / 2 in nats, unclipped; 0 where Z determines X or Y."""
    pairs = [(x, join_sides(y, z)), (x, z), (y, join_sides(x, z)), (y, z)]
    values = predict_rows([Rows(a, b, a.n_rows) for a, b in pairs], _estimator().weights_)
    x_yz, x_z, y_xz, y_z = (float(value) for value in values)
    if np.isinf(x_z) or np.isinf(y_z):
        return 0.0
    return 0.5 * (x_yz - x_z + y_xz - y_z)
