"""Covariance split for planning: what more labels shrink, and what they do not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from validstats._typing import Bool1D, Float1D, Float2D, FloatND
from validstats.dsl.moments.variance import SamplingDesign, drawn_deviations

__all__ = ["VarianceParts", "variance_parts"]


@dataclass(frozen=True, kw_only=True)
class VarianceParts:
    """Covariance of an estimate, split into what more labels shrink and what they do not."""

    covariance: FloatND  # covariance of each sample split, ``S = 1`` unless medians of splits are reported
    # the part that is inversely proportional to the number of labels, ``J^-1 main_1 J^-T / n``
    label_covariance: FloatND

    @classmethod
    def stack(cls, parts: Sequence[VarianceParts]) -> Self:
        """Put the parts of several sample splits together."""
        return cls(
            covariance=np.concatenate([p.covariance for p in parts]),
            label_covariance=np.concatenate([p.label_covariance for p in parts]),
        )

    def variances(self, label_ratio: float) -> Float2D:
        """Return the variances to expect in every split."""
        # ``diag(J^-1 [ratio main_1 + main_23] J^-T) / n``. A forecast below the part that labels cannot
        # shrink to zero may be negative for many labels; it is then the present variance times the ratio, a
        # lower bound of what more labels leave.
        present = np.diagonal(self.covariance, axis1=1, axis2=2)
        labels = np.diagonal(self.label_covariance, axis1=1, axis2=2)
        forecast = present + (label_ratio - 1.0) * labels
        return np.where(forecast > 0.0, forecast, present * label_ratio)

    def std_errors(self, label_ratio: float) -> Float1D:
        """Return the standard errors to expect, medians over splits."""
        return np.median(np.sqrt(self.variances(label_ratio)), axis=0)


def variance_parts(
    covariance: Float2D,
    residual: Float2D,
    probability: Float1D,
    n_rows: int,
    design: SamplingDesign,
    labelled: Bool1D,
) -> VarianceParts:
    """Split the covariance of an estimate for planning."""
    # Source: Egami et al. (2024), framework paper of the R package ``dsl``, function ``power_dsl``.
    scaled, _ = drawn_deviations(residual, probability, design, labelled)
    label_covariance = scaled.T @ scaled / n_rows**2
    return VarianceParts(covariance=covariance[None].copy(), label_covariance=label_covariance[None])
