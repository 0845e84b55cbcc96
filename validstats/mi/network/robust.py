"""Intervals for kinds of laws that were never simulated: residuals of networks that left each kind out, and a model of their size."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from validstats._typing import Float1D, Float2D, FloatND
from validstats.mi.network.forward_pass import (
    MEDIAN,
    QUANTILE_LEVELS,
    linear,
    scale_statistics,
    to_log_scale,
)
from validstats.mi.statistics import SummaryTable

__all__ = [
    "ROBUST_CELLS",
    "SCORE_LEVELS",
    "RobustScale",
    "pack_robust",
    "read_robust",
    "robust_inputs",
    "robust_level",
    "spread_of",
]

ROBUST_CELLS = (10, 40, 150, 500)
"""Lower ends of the cells of n in which scores are kept apart."""
SCORE_LEVELS = (np.arange(200) + 0.5) / 200
"""Levels of the stored quantiles of scores: 200 equally likely values a kind and cell."""
CANDIDATE_SCALE = 3.0
LEAST_SPREAD = 0.02
LOW, HIGH = QUANTILE_LEVELS.index(0.1), QUANTILE_LEVELS.index(0.9)


@dataclass(frozen=True)
class RobustScale:
    """What intervals of scope "robust" rest on."""

    kinds: tuple[str, ...]  # Kinds of laws, each left out once
    scores: FloatND  # (kinds, cells of n, 200) quantiles of |log-scale residual| / size, each kind by models without it
    parameters: dict[str, FloatND]  # Network of the size of a residual

    def sizes(self, sets: SummaryTable, quantiles: Float2D, scaling: dict[str, FloatND]) -> Float1D:
        """Predicted size of the residual of each set on the logarithmic scale."""
        inputs = robust_inputs(sets, quantiles, scaling)
        hidden = np.tanh(linear(inputs, self.parameters, "inner"))
        return np.asarray(spread_of(quantiles) * np.exp(linear(hidden, self.parameters, "outer")[:, 0]))

    def limit(self, n: int, alpha: Fraction) -> float:
        """Score that covers the kinds on average at the level 1 - alpha, raised for their small number."""
        # The average over kinds of their distribution functions is that of the pooled quantiles, each kind having as many.
        cell = max(int(np.searchsorted(ROBUST_CELLS, n, side="right")) - 1, 0)
        level = robust_level(len(self.kinds), alpha)
        pooled = np.sort(self.scores[:, cell].ravel())
        rank = -int((-level * len(pooled)) // 1)
        return float(pooled[min(rank, len(pooled)) - 1]) if level <= 1 else float("inf")

    def interval(
        self, sets: SummaryTable, quantiles: Float2D, scaling: dict[str, FloatND], alpha: Fraction
    ) -> tuple[Float1D, Float1D]:
        """Intervals on the logarithmic scale."""
        limits = np.array([self.limit(int(n), alpha) for n in sets.shape[:, 0]])
        reach = limits * self.sizes(sets, quantiles, scaling)
        return quantiles[:, MEDIAN] - reach, quantiles[:, MEDIAN] + reach


def robust_level(n_kinds: int, alpha: Fraction) -> Fraction:
    """(1 - alpha) (1 + 1/G): the quantile over G exchangeable kinds that covers a further one; above 1 there is none."""
    return (1 - alpha) * Fraction(n_kinds + 1, n_kinds)


def spread_of(quantiles: Float2D) -> Float1D:
    """What the network itself says about its error: the distance of its outer quantiles."""
    return np.asarray(quantiles[:, HIGH] - quantiles[:, LOW] + LEAST_SPREAD)


def robust_inputs(sets: SummaryTable, quantiles: Float2D, scaling: dict[str, FloatND]) -> FloatND:
    """What the model of sizes reads: statistics, candidates relative to the median, the median and the spread."""
    median = quantiles[:, [MEDIAN]]
    anchors = sets.anchors.astype(np.float64)
    known = np.isfinite(anchors)
    apart = np.where(known, to_log_scale(np.nan_to_num(anchors)) - median, 0.0)
    blocks = [
        scale_statistics(sets.statistics, scaling),
        np.clip(CANDIDATE_SCALE * apart, -5.0, 5.0),
        known.astype(np.float64),
        median,
        np.log(spread_of(quantiles))[:, None],
    ]
    return np.concatenate(blocks, axis=1)


def pack_robust(robust: RobustScale | None) -> dict[str, Any]:
    """Return scores and parameters as arrays, for the file of weights."""
    if robust is None:
        return {}
    out: dict[str, Any] = {
        "robust/kinds": np.array(robust.kinds),
        "robust/scores": robust.scores.astype(np.float32),
    }
    out.update({f"robust/size/{k}": v.astype(np.float16) for k, v in robust.parameters.items()})
    return out


def read_robust(file: Any) -> RobustScale | None:
    """Read what :func:`pack_robust` wrote; None where a file holds nothing of it."""
    if "robust/scores" not in file.files:
        return None
    start = "robust/size/"
    parameters = {k[len(start) :]: file[k].astype(np.float64) for k in file.files if k.startswith(start)}
    kinds = tuple(str(kind) for kind in file["robust/kinds"])
    return RobustScale(kinds, file["robust/scores"].astype(np.float64), parameters)
