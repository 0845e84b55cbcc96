"""The learned estimator on prepared sides: estimates, statistics for tests, and the chain rule."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import lru_cache

import numpy as np

from validstats._typing import Float2D, Int1D
from validstats.exceptions import SupportWarning
from validstats.mi.estimators import LearnedMI
from validstats.mi.network import dependence_evidence, shipped_dependence_head
from validstats.mi.results import LearnedMIResult
from validstats.mi.sides import Side

__all__ = ["learned_chain_rule", "learned_inference", "learned_statistic", "learned_value"]


@lru_cache(maxsize=1)
def _estimator() -> LearnedMI:
    return LearnedMI().fit()


def numeric_rows(side: Side) -> Float2D:
    """Columns as the network reads them: levels by number where a side is one discrete column.

    Parameters
    ----------
    side : Side
        The side.

    Returns
    -------
    ndarray of shape (n, p)
        Rows.
    """
    if side.codes is not None and side.n_columns == 1:
        return side.codes[:, None].astype(np.float64)
    return side.rows


def learned_inference(x: Side, y: Side, confidence_level: float) -> LearnedMIResult:
    """Estimate with an interval from the shipped weights.

    Parameters
    ----------
    x, y : Side
        The sides, neither constant.
    confidence_level : float
        Level of the interval.

    Returns
    -------
    LearnedMIResult
        In nats.

    Warns
    -----
    SupportWarning
        If the data do not look like those the network was trained on.
    """
    return _estimator().infer(numeric_rows(x), numeric_rows(y), confidence_level=confidence_level)


def learned_value(x: Side, y: Side) -> float:
    """Plain estimate from the shipped weights, without the support check.

    Parameters
    ----------
    x, y : Side
        The sides.

    Returns
    -------
    float
        Nats.
    """
    return float(_estimator().predict(numeric_rows(x), numeric_rows(y)))


def learned_statistic(x: Side, y: Side) -> Callable[[Int1D], float]:
    """Bind the learned evidence of dependence to two sides, for permutation tests.

    Parameters
    ----------
    x, y : Side
        The sides.

    Returns
    -------
    callable
        Maps an order of the rows of Y to the evidence: the logit of a network trained to tell dependent from
        independent data sets, which has more power than the estimate of the information itself.
    """
    rows_x, rows_y = numeric_rows(x), numeric_rows(y)
    weights, head = _estimator().weights_, shipped_dependence_head()
    return lambda order: dependence_evidence(rows_x, rows_y[order], weights, head)


def learned_chain_rule(x: Side, y: Side, z: Side) -> float:
    """I(X; Y | Z) by the chain rule, averaged over its two forms.

    Parameters
    ----------
    x, y, z : Side
        The sides.

    Returns
    -------
    float
        ``(I(X; (Y, Z)) - I(X; Z) + I(Y; (X, Z)) - I(Y; Z)) / 2`` in nats, unclipped; 0 where Z determines X
        or Y.
    """
    a, b, c = (numeric_rows(side) for side in (x, y, z))
    pairs = [(a, np.hstack([b, c])), (a, c), (b, np.hstack([a, c])), (b, c)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SupportWarning)
        x_yz, x_z, y_xz, y_z = (float(value) for value in _estimator().predict(pairs))
    if np.isinf(x_z) or np.isinf(y_z):
        return 0.0
    return 0.5 * (x_yz - x_z + y_xz - y_z)
