"""Intervals for kinds of laws that were never simulated, from the errors of networks that left each kind out."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from validstats._typing import Float1D, Float2D, FloatND
from validstats.mi.network.forward_pass import QUANTILE_LEVELS

__all__ = [
    "ROBUST_CELLS",
    "SCORE_LEVELS",
    "RobustScores",
    "pack_robust",
    "read_robust",
    "robust_level",
    "robust_scores",
]

ROBUST_CELLS = (10, 40, 150, 500, 2000)
"""Lower ends of the cells of n in which scores are kept apart."""
SCORE_LEVELS = (np.arange(200) + 0.5) / 200
"""Levels of the stored quantiles of scores: 200 equally likely values a kind and cell."""
LOW, HIGH = QUANTILE_LEVELS.index(0.05), QUANTILE_LEVELS.index(0.95)
LEAST_SPREAD = 0.02
BELOW_SHARE = 0.5
"""Reach below the band as a share of that above: networks that never saw a kind are far below the truth more often than far above."""


@dataclass(frozen=True)
class RobustScores:
    """Scores of sets of each kind by networks that left it out."""

    kinds: tuple[str, ...]  # Kinds of laws, each left out once
    scores: FloatND  # (kinds, cells of n, 200) quantiles of the scores of each kind

    def limits(self, n: npt.NDArray[np.integer], alpha: Fraction) -> Float1D:
        """Scores that cover the kinds on average at the level 1 - alpha, raised for their small number, by sample size."""
        level = robust_level(len(self.kinds), alpha)
        if level > 1:
            return np.full(len(n), np.inf)
        # The average over kinds of their distribution functions is that of the pooled quantiles, each kind having as many.
        pooled = np.sort(np.moveaxis(self.scores, 1, 0).reshape(len(ROBUST_CELLS), -1), axis=1)
        rank = -int((-level * pooled.shape[1]) // 1)
        cells = np.maximum(np.searchsorted(ROBUST_CELLS, n, side="right") - 1, 0)
        return np.asarray(pooled[cells, rank - 1])

    def interval(
        self, n: npt.NDArray[np.integer], quantiles: Float2D, alpha: Fraction
    ) -> tuple[Float1D, Float1D]:
        """Ends on the logarithmic scale; crossed where the score is far below 0."""
        reach = self.limits(n, alpha) * unit_of(quantiles)
        return quantiles[:, LOW] - BELOW_SHARE * reach, quantiles[:, HIGH] + reach


def robust_level(n_kinds: int, alpha: Fraction) -> Fraction:
    """(1 - alpha) (1 + 1/G): the quantile over G exchangeable kinds that covers a further one; above 1 there is none."""
    return (1 - alpha) * Fraction(n_kinds + 1, n_kinds)


def unit_of(quantiles: Float2D) -> Float1D:
    """Root of the network's own spread: errors on a kind that it never saw grow more slowly than what it says about itself."""
    return np.sqrt(quantiles[:, HIGH] - quantiles[:, LOW] + LEAST_SPREAD)


def robust_scores(quantiles: Float2D, target: Float1D) -> Float1D:
    """By how many units the target lies beyond the network's own 90 % band, negative within it."""
    below, above = (quantiles[:, LOW] - target) / BELOW_SHARE, target - quantiles[:, HIGH]
    return np.asarray(np.maximum(below, above) / unit_of(quantiles))


def pack_robust(robust: RobustScores | None) -> dict[str, Any]:
    """Return scores as arrays, for the file of weights."""
    if robust is None:
        return {}
    return {"robust/kinds": np.array(robust.kinds), "robust/scores": robust.scores.astype(np.float32)}


def read_robust(file: Any) -> RobustScores | None:
    """Read what :func:`pack_robust` wrote; None where a file holds nothing of it."""
    if "robust/scores" not in file.files:
        return None
    kinds = tuple(str(kind) for kind in file["robust/kinds"])
    return RobustScores(kinds, file["robust/scores"].astype(np.float64))
