"""Variances of design-based estimates: meat, corrections for small samples, clusters, finite populations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from scipy import stats

from validstats._typing import Bool1D, Float1D, Float2D, Int1D

__all__ = [
    "SamplingDesign",
    "VarianceKind",
    "clustered_meat",
    "critical_value",
    "design_meat",
    "effective_labels",
    "forecast_variance",
    "influence_functions",
    "kish_size",
    "median_of_splits",
    "meat_parts",
    "sandwich",
    "small_sample_scores",
    "sum_by_cluster",
]

VarianceKind: TypeAlias = Literal["HC0", "HC1", "HC2", "HC3"]
"""Small-sample corrections of the sandwich, named as for linear regression."""

SamplingScheme: TypeAlias = Literal["independent", "simple", "stratified", "clusters"]
"""Poisson sampling row by row, a fixed number at random, the same within strata, or whole clusters."""


@dataclass(frozen=True, kw_only=True)
class SamplingDesign:
    """How rows were chosen for expert labelling.

    Parameters
    ----------
    scheme : {"independent", "simple", "stratified", "clusters"}
        ``"independent"``: each row by its own coin (Poisson sampling). ``"simple"``: a fixed number of rows,
        all subsets equally likely. ``"stratified"``: the same within strata. ``"clusters"``: whole clusters,
        each by its own coin.
    units : ndarray of shape (n,) or None, default None
        Stratum codes for ``"stratified"``, cluster codes for ``"clusters"``.
    """

    scheme: SamplingScheme = "independent"
    units: Int1D | None = None


def sum_by_cluster(values: Float2D, codes: Int1D) -> Float2D:
    """Return the sums of rows within clusters.

    Parameters
    ----------
    values : ndarray of shape (n, p)
        Row values.
    codes : ndarray of shape (n,)
        Cluster codes ``0..G-1``.

    Returns
    -------
    ndarray of shape (G, p)
        Sums.

    Examples
    --------
    >>> import numpy as np
    >>> sum_by_cluster(np.array([[1.0], [2.0], [4.0]]), np.array([0, 1, 0]))
    array([[5.],
           [2.]])
    """
    n_clusters = int(codes.max()) + 1
    return np.column_stack(
        [np.bincount(codes, values[:, j], minlength=n_clusters) for j in range(values.shape[1])]
    )


def clustered_meat(psi: Float2D, clusters: Sequence[Int1D] = ()) -> Float2D:
    """Return the meat of the sandwich, for independent rows or one- or two-way clusters.

    Parameters
    ----------
    psi : ndarray of shape (n, p)
        Estimating function of every row.
    clusters : sequence of ndarray of shape (n,), default ()
        None, one or two vectors of cluster codes.

    Returns
    -------
    ndarray of shape (p, p)
        Sum of outer products of cluster sums, divided by ``n``. Two ways are combined as the first plus the
        second minus their intersection; a negative eigenvalue of the result is set to zero.

    References
    ----------
    Cameron, Gelbach and Miller (2011), Journal of Business and Economic Statistics 29, 238-249.
    """
    n = len(psi)
    if len(clusters) == 0:
        return psi.T @ psi / n
    sums = [sum_by_cluster(psi, codes) for codes in clusters]
    meats = [s.T @ s / n for s in sums]
    if len(clusters) == 1:
        return meats[0]
    if len(clusters) > 2:
        raise ValueError(f"Variances can be clustered in one or two ways; {len(clusters)} were given.")
    pairs = clusters[0] * (int(clusters[1].max()) + 1) + clusters[1]
    both = sum_by_cluster(psi, np.unique(pairs, return_inverse=True)[1].reshape(-1))
    total = meats[0] + meats[1] - both.T @ both / n
    values, vectors = np.linalg.eigh((total + total.T) / 2.0)
    return (vectors * np.maximum(values, 0.0)) @ vectors.T


def meat_parts(
    expected: Float2D, correction: Float2D, clusters: Sequence[Int1D] = ()
) -> tuple[Float2D, Float2D]:
    """Split the meat into the part that more labels shrink and the rest.

    Parameters
    ----------
    expected : ndarray of shape (n, p)
        Expected scores ``g``.
    correction : ndarray of shape (n, p)
        ``w (s - g)``, zero on unlabelled rows.
    clusters : sequence of ndarray of shape (n,), default ()
        Vectors of cluster codes. The first part is a sum over rows in any case: labels of different rows
        are drawn independently, so terms across rows of a cluster do not shrink with more labels.

    Returns
    -------
    main_1, main_23 : ndarray of shape (p, p)
        Their sum is the meat.
    """
    total = clustered_meat(expected + correction, clusters)
    main_1 = correction.T @ correction / len(correction)
    return main_1, total - main_1


def sandwich(bread: Float2D, meat: Float2D, n_rows: int) -> Float2D:
    """Return ``bread @ meat @ bread.T / n``, symmetrised.

    Parameters
    ----------
    bread : ndarray of shape (p, p)
        Inverse mean Jacobian.
    meat : ndarray of shape (p, p)
        Meat.
    n_rows : int
        Number of rows.

    Returns
    -------
    ndarray of shape (p, p)
        Covariance matrix of the estimate.
    """
    covariance = bread @ meat @ bread.T / n_rows
    return (covariance + covariance.T) / 2.0


def forecast_variance(
    bread: Float2D, main_1: Float2D, main_23: Float2D, n_rows: int, label_ratio: float
) -> Float2D:
    """Return the covariance to expect with ``1 / label_ratio`` times as many labels.

    Parameters
    ----------
    bread : ndarray of shape (p, p)
        Inverse mean Jacobian.
    main_1, main_23 : ndarray of shape (p, p)
        Parts of the meat, see :func:`meat_parts`.
    n_rows : int
        Number of rows.
    label_ratio : float
        Present number of labels divided by the number that is planned.

    Returns
    -------
    ndarray of shape (p, p)
        Predicted covariance matrix.
    """
    return sandwich(bread, label_ratio * main_1 + main_23, n_rows)


def small_sample_scores(
    psi: Float2D, leverage: Float1D, kind: VarianceKind, n_labelled: int, n_fitted: int
) -> Float2D:
    """Return scores inflated for the parameters that were fitted to them.

    Parameters
    ----------
    psi : ndarray of shape (n, p)
        Estimating function of every row.
    leverage : ndarray of shape (n,)
        Leverage of every row, see :func:`validstats.dsl.augmentation.psi_leverage`.
    kind : {"HC0", "HC1", "HC2", "HC3"}
        ``"HC1"`` multiplies the variance by ``n_labelled / (n_labelled - n_fitted)``; ``"HC2"`` and
        ``"HC3"`` divide each score by the square root of one minus its leverage, and by one minus it.
    n_labelled : int
        Number of labelled units.
    n_fitted : int
        Number of fitted numbers a coefficient: parameters and tuning.

    Returns
    -------
    ndarray of shape (n, p)
        Inflated scores. With every row labelled they give the HC variances of linear regression.
    """
    if kind == "HC0":
        return psi
    if kind == "HC1":
        return psi * np.sqrt(n_labelled / max(n_labelled - n_fitted, 1))
    room = np.clip(1.0 - leverage, 0.01, None)[:, None]
    return psi / np.sqrt(room) if kind == "HC2" else psi / room


def design_meat(
    residual: Float2D, probability: Float1D, n_rows: int, design: SamplingDesign, labelled: Bool1D
) -> Float2D:
    """Return the meat that comes from the choice of rows to label alone, the population held fixed.

    Parameters
    ----------
    residual : ndarray of shape (n_labelled, p)
        ``s - g`` on the labelled rows.
    probability : ndarray of shape (n_labelled,)
        Their labelling probabilities.
    n_rows : int
        Size of the finite population.
    design : SamplingDesign
        How rows were chosen.
    labelled : ndarray of shape (n,)
        Which rows are labelled.

    Returns
    -------
    ndarray of shape (p, p)
        For independent sampling ``sum (1 - pi) / pi^2 r r' / n``; for a fixed number of rows the same with
        ``r`` centred (within strata) and ``n_h / (n_h - 1)``; for whole clusters with ``r`` summed by
        cluster.

    References
    ----------
    Saerndal, Swensson and Wretman (1992), Model Assisted Survey Sampling, Sections 3.5-3.7 and 6.6.
    """
    if design.scheme == "independent":
        scaled = residual * (np.sqrt(1.0 - probability) / probability)[:, None]
        return scaled.T @ scaled / n_rows
    if design.scheme == "clusters":
        assert design.units is not None
        codes = np.unique(design.units[labelled], return_inverse=True)[1].reshape(-1)
        sums = sum_by_cluster(residual / probability[:, None], codes)
        unit_probability = np.bincount(codes, probability) / np.bincount(codes)
        scaled = sums * np.sqrt(1.0 - unit_probability)[:, None]
        return scaled.T @ scaled / n_rows
    codes = np.zeros(len(residual), dtype=np.int64)
    if design.scheme == "stratified":
        assert design.units is not None
        codes = np.unique(design.units[labelled], return_inverse=True)[1].reshape(-1)
    size = np.bincount(codes).astype(float)
    centre = sum_by_cluster(residual, codes) / size[:, None]
    lonely = size < 2
    centre[lonely] = 0.0
    inflation = np.where(lonely, 1.0, size / np.maximum(size - 1.0, 1.0))
    scaled = (residual - centre[codes]) * np.sqrt((1.0 - probability) * inflation[codes])[:, None]
    scaled /= probability[:, None]
    return scaled.T @ scaled / n_rows


def influence_functions(psi: Float2D, bread: Float2D) -> Float2D:
    """Return the influence function of every row on every coefficient.

    Parameters
    ----------
    psi : ndarray of shape (n, p)
        Estimating function of every row.
    bread : ndarray of shape (p, p)
        Inverse mean Jacobian.

    Returns
    -------
    ndarray of shape (n, p)
        ``psi @ bread.T``; the estimate minus the truth is close to its mean.
    """
    return psi @ bread.T


def critical_value(alpha: float, degrees_of_freedom: float | None) -> float:
    """Return the two-sided critical value of the t or, without degrees of freedom, the normal distribution.

    Parameters
    ----------
    alpha : float
        One minus the confidence level.
    degrees_of_freedom : float or None
        Degrees of freedom of the t distribution.

    Returns
    -------
    float
        Upper ``alpha / 2`` quantile.

    Examples
    --------
    >>> round(critical_value(0.05, None), 4), round(critical_value(0.05, 10), 4)
    (1.96, 2.2281)
    """
    if degrees_of_freedom is None:
        return float(stats.norm.isf(alpha / 2.0))
    return float(stats.t.isf(alpha / 2.0, degrees_of_freedom))


def effective_labels(n_labelled: int, gold_variance: Float1D, variance: Float1D) -> Float1D:
    """Return how many expert labels alone would have given the same variance, per coefficient.

    Parameters
    ----------
    n_labelled : int
        Number of expert labels.
    gold_variance : ndarray of shape (p,)
        Variances of the gold-only estimate.
    variance : ndarray of shape (p,)
        Variances of the estimate.

    Returns
    -------
    ndarray of shape (p,)
        ``n_labelled * gold_variance / variance``.
    """
    return n_labelled * gold_variance / variance


def kish_size(weights: Float1D) -> float:
    """Return Kish's effective sample size of unequal weights, ``(sum w)^2 / sum w^2``.

    Parameters
    ----------
    weights : ndarray of shape (n_labelled,)
        Inverse probabilities.

    Returns
    -------
    float
        Effective sample size, the number of weights where they are equal.

    Examples
    --------
    >>> import numpy as np
    >>> kish_size(np.array([2.0, 2.0, 2.0]))
    3.0
    """
    return float(weights.sum() ** 2 / np.sum(weights**2))


def median_of_splits(params: Float2D, covariances: Float2D) -> tuple[Float1D, Float1D, Float2D]:
    """Aggregate repeated sample splits by medians, as the R package ``dsl`` does.

    Parameters
    ----------
    params : ndarray of shape (n_splits, p)
        Estimates of the splits.
    covariances : ndarray of shape (n_splits, p, p)
        Their covariance matrices.

    Returns
    -------
    estimate : ndarray of shape (p,)
        Medians.
    std_error : ndarray of shape (p,)
        Root of the median of squared standard errors plus squared distances to the median.
    covariance : ndarray of shape (p, p)
        Elementwise median of covariances plus outer products of distances. It has no influence function
        and need not be positive definite.

    References
    ----------
    Chernozhukov et al. (2018), The Econometrics Journal 21, C1-C68, Definition 3.3.
    """
    estimate = np.median(params, axis=0)
    distance = params - estimate
    spread = covariances + distance[:, :, None] * distance[:, None, :]
    std_error = np.sqrt(np.median(np.diagonal(spread, axis1=1, axis2=2), axis=0))
    return estimate, std_error, np.median(spread, axis=0)
