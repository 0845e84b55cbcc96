"""Means of scores: weights, clusters and an interval that is never degenerate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from validstats._typing import AnyArray, Float1D, Float2D, FloatND, Int1D

__all__ = [
    "ClusterMean",
    "agresti_caffo",
    "cluster_mean",
    "effective_score_interval",
    "effective_size",
    "kish_size",
    "no_spread",
    "pointwise",
    "t_quantile",
    "welch_difference",
]


def no_spread(mean: FloatND | float, std_error: FloatND | float) -> AnyArray:
    """Whether a standard error is no more than what rounding leaves of equal numbers."""
    return np.asarray(std_error) <= 1e-12 * np.abs(mean)


def kish_size(weights: AnyArray) -> float:
    """Effective number of equally weighted units: ``(sum a)^2 / sum a^2``."""
    total = float(np.sum(weights))
    return total * total / float(np.sum(np.square(weights)))


@dataclass(frozen=True)
class ClusterMean:
    """Weighted mean of scores whose rows depend on each other within clusters."""

    estimate: float
    contributions: Float1D
    """One value a cluster; their mean is the estimate and their variance over G its squared standard error."""
    weights: Float1D
    """Total weight of each cluster."""

    @property
    def variance(self) -> float:
        """Squared standard error, NaN with one cluster."""
        n = len(self.contributions)
        found = float(np.var(self.contributions, ddof=1) / n) if n > 1 else float("nan")
        return 0.0 if no_spread(self.estimate, np.sqrt(found)) else found

    @property
    def std_error(self) -> float:
        """Standard error."""
        return float(np.sqrt(self.variance))

    @property
    def effective_units(self) -> float:
        """Kish's number of clusters; with rows as units and log-normal weights intervals would cover .78."""
        return kish_size(self.weights)

    @property
    def degrees_of_freedom(self) -> float:
        """Effective clusters - 1, at least a sliver above 0."""
        return max(self.effective_units - 1.0, 0.1)


def cluster_mean(values: Float1D, clusters: Int1D, weights: Float1D | None = None) -> ClusterMean:
    """Ratio estimate ``E[aY]/E[a]`` with one contribution a cluster; codes are 0..G-1."""
    weights = np.ones(len(values)) if weights is None else weights
    n_clusters = int(clusters.max()) + 1
    numerator = np.bincount(clusters, weights * values, n_clusters)
    denominator: Float1D = np.bincount(clusters, weights, n_clusters).astype(np.float64)
    estimate = float(numerator.sum() / denominator.sum())
    # Linearised ratio: psi_g = theta + (num_g - theta den_g) / mean(den).
    contributions = estimate + (numerator - estimate * denominator) / denominator.mean()
    return ClusterMean(estimate, contributions, denominator)


def t_quantile(confidence_level: float, degrees_of_freedom: float | None) -> float:
    """Two-sided critical value of the t law; of the normal law without degrees of freedom."""
    tail = (1.0 - confidence_level) / 2.0
    if degrees_of_freedom is None or np.isinf(degrees_of_freedom):
        return float(stats.norm.isf(tail))
    return float(stats.t.isf(tail, degrees_of_freedom))


def effective_size(mean: FloatND | float, std_error: FloatND | float, n_units: FloatND | float) -> FloatND:
    """Number of independent 0/1 units that would have this standard error."""
    m, se, n = (np.asarray(v, dtype=float) for v in (mean, std_error, n_units))
    # Two pseudo-units, one at 0 and one at 1, keep the variance above 0 (Agresti-Caffo's device).
    mean_2 = (n * m + 1.0) / (n + 2.0)
    variance_2 = (n * (n * se**2 + m**2) + 1.0) / (n + 2.0) - mean_2**2
    return np.asarray(n * mean_2 * (1.0 - mean_2) / variance_2)


def effective_score_interval(
    mean: FloatND | float, std_error: FloatND | float, n_units: FloatND | float, critical: FloatND | float
) -> tuple[FloatND, FloatND]:
    """Score interval of a mean of values in [0, 1], with the sample size that its standard error implies."""
    m = np.clip(np.asarray(mean, dtype=float), 0.0, 1.0)
    se, n, c = (np.asarray(v, dtype=float) for v in (std_error, n_units, critical))
    n_eff = effective_size(m, se, n)
    # Wilson's interval with n_eff units.
    shrink = 1.0 + c**2 / n_eff
    centre = (m + c**2 / (2.0 * n_eff)) / shrink
    half = c / shrink * np.sqrt(m * (1.0 - m) / n_eff + c**2 / (4.0 * n_eff**2))
    return np.clip(np.minimum(centre - half, m), 0.0, 1.0), np.clip(np.maximum(centre + half, m), 0.0, 1.0)


def pointwise(
    theta: Float1D, covariance: Float2D, df: float, confidence_level: float, n_units: Float1D | None
) -> tuple[Float1D, Float1D]:
    """Intervals of single means: score intervals where they lie in [0, 1] and have effective units, else t intervals."""
    std_error = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    critical = t_quantile(confidence_level, df)
    if n_units is not None:
        return effective_score_interval(theta, std_error, n_units, critical)
    # No spread is no certainty where a score has no bounds.
    half = np.where(no_spread(theta, std_error), np.inf, critical * std_error)
    return theta - half, theta + half


def welch_difference(a: ClusterMean, b: ClusterMean) -> tuple[float, float, float]:
    """Difference of two independent means, its standard error and Welch-Satterthwaite degrees of freedom."""
    parts = np.array([a.variance, b.variance])
    dfs = np.array([a.degrees_of_freedom, b.degrees_of_freedom])
    total = float(parts.sum())
    df = total**2 / float(np.sum(parts**2 / dfs)) if total > 0 else float(dfs.min())
    return a.estimate - b.estimate, float(np.sqrt(total)), df


def agresti_caffo(a: ClusterMean, b: ClusterMean) -> tuple[float, float, float]:
    """Centre of an interval for the difference of two means in [0, 1], its standard error and degrees of freedom.

    Each sample gets two pseudo-units, one at 0 and one at 1 (Agresti and Caffo 2000, The American Statistician 54, 280-288):
    Welch's interval covers .11 where 10 units of one and 1,000 of the other have a rate of .01.
    """
    padded = [_with_pseudo_units(mean) for mean in (a, b)]
    variances, dfs = np.array([p[1] for p in padded]), np.array([p[2] for p in padded])
    total = float(variances.sum())
    return padded[0][0] - padded[1][0], float(np.sqrt(total)), total**2 / float(np.sum(variances**2 / dfs))


def _with_pseudo_units(mean: ClusterMean) -> tuple[float, float, float]:
    """Mean, its variance and degrees of freedom with one more unit at 0 and one at 1."""
    n, m = mean.effective_units, mean.estimate
    centre = (n * m + 1.0) / (n + 2.0)
    # The sum of squares of n units with this mean and standard error is (n - 1) n se^2 + n m^2.
    square = ((n - 1.0) * n * mean.variance + n * m**2 + 1.0) / (n + 2.0)
    return centre, (square - centre**2) / (n + 2.0), n + 1.0
