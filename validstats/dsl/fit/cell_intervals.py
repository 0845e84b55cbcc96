"""Intervals of shares, bounded means and differences from labels within cells of equal machine verdict.

Labels are compared within cells of equal machine verdict; the interval is what the labels allow if one more label, of
the kind that would hurt most, had been drawn. With one cell of 0/1 labels it is the Clopper-Pearson interval.

Arrays carry the cells in their last axis, so that many data sets are computed at once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse, special

from validstats._typing import Bool1D, Float1D, Float2D, FloatND, Int1D
from validstats.dsl.moments import is_constant

__all__ = [
    "ROUNDING",
    "CellInterval",
    "CellSums",
    "cell_counts",
    "cell_difference",
    "cell_estimate",
    "cell_interval",
    "cell_sums",
    "effective_cells",
    "expected_sums",
    "label_surprises",
    "table_sums",
    "with_outcome",
]

ROUNDING = 1e-13
"""What sums of shares may miss by rounding: the mean of labels that are all 1 is 1, and intervals hold it."""

_LARGE_SIZE = 1e8
"""Prior size s of a Beta law above which its quantiles are taken from the normal law; betaincinv loses digits there."""


@dataclass(frozen=True, kw_only=True)
class Dependence:
    """What rows that depend on each other within groups change: the labels of a group count as one label of its cells."""

    of_shares: Float2D  # Covariance ``(K, K)`` of the shares of the cells, of groups drawn from the law
    inflation: float  # Variance of sums by group over that of independent cells, at least 1
    largest_group: float  # Units of the largest group: the weight that its labels have on average
    # square, spread: Sums of ``a ** 2`` and ``a ** 2 (y - ybar) ** 2`` of single labels, which more labels make less
    square: FloatND
    spread: FloatND

    def of_means(self, mean: FloatND) -> FloatND:
        """Return the variance of ``sum W m`` by the units that were drawn, for means of the cells in the last axis."""
        return np.asarray(((mean @ self.of_shares) * mean).sum(axis=-1))

    def of_exchanged(self, part: FloatND, whole: FloatND) -> FloatND:
        """Return the same for each cell that has another mean than the rest: ``m + d e_j``, with ``d = whole - part``."""
        moved, other = part @ self.of_shares, whole - part
        return self.of_means(part)[..., None] + 2.0 * other * moved + other**2 * np.diag(self.of_shares)


@dataclass(frozen=True, kw_only=True)
class CellSums:
    """What the labels of every cell add up to, all outcomes rescaled to [0, 1]; arrays of shape ``(..., K)``."""

    share: FloatND  # Share ``W`` of all units that lie in the cell; known
    largest_weight: FloatND  # Largest ``1 / pi`` over all units of the cell, labelled or not
    smallest_probability: FloatND  # Smallest ``pi`` over all units of the cell
    n: FloatND  # Number of labels
    # total, square: ``S``, the sum of the weights ``a = 1 / pi`` of the labels, and the sum of ``a ** 2``
    total: FloatND
    square: FloatND
    mean: FloatND  # Weighted mean ``ybar`` of the labels; 0 where there are none
    spread: FloatND  # Sum of ``a ** 2 (y - ybar) ** 2``
    fourth: FloatND  # Sum of ``a ** 4 (y - ybar) ** 4``
    # open_square, open_first, open_spread: Sums of ``a ** 2 f``, ``a ** 2 f (y - ybar)`` and ``a ** 2 f (y -
    # ybar) ** 2``, with ``f = 1 - pi`` where the target is the finite population and 1 otherwise
    open_square: FloatND
    open_first: FloatND
    open_spread: FloatND
    # Stratum of every cell, whose label mean stands in where a cell has no label
    stratum: Int1D | None = None
    finite: bool = False  # Whether the target is the finite population
    n_units: FloatND | float = np.inf  # Number ``N`` of units; infinite where the shares are those of the law
    dependence: Dependence | None = None  # of units within groups, where the target is the law


class CellInterval(NamedTuple):
    """Estimate and ends, each of the shape of the sums without their last axis."""

    estimate: FloatND
    conf_low: FloatND
    conf_high: FloatND


class _Limits(NamedTuple):
    """The ends of the interval, lower and upper first, with the mean and variance of the Beta laws that gave them."""

    value: FloatND
    mean: FloatND
    variance: FloatND


def cell_sums(
    y: Float1D,
    cell: Int1D,
    labelled: Bool1D,
    probability: Float1D,
    n_cells: int,
    *,
    size: Float1D | None = None,
    count: Float1D | None = None,
    lowest: Float1D | None = None,
    finite: bool = False,
    stratum: Int1D | None = None,
    rows: Int1D | None = None,
    group: Int1D | None = None,
) -> CellSums:
    """Return the sums of one data set: labels ``y`` (in [0, 1], one a labelled unit) of cells of all ``N`` units.

    ``rows`` are the positions of the labelled units, where they are known. Units of a ``group`` depend on each other, which
    matters where the target is their law.
    """
    rows = np.flatnonzero(labelled) if rows is None else rows
    found = table_sums(
        y,
        cell[rows],
        probability[rows],
        None if size is None else size[rows],
        cell,
        probability if lowest is None else lowest,
        n_cells,
        size=size,
        count=count,
        finite=finite,
        stratum=stratum,
    )
    if group is None or finite:
        return found
    mass = np.ones(len(cell)) if size is None else size
    mass = mass if count is None else mass * count
    weight = (1.0 if size is None else size[rows]) / probability[rows]
    return _dependent(found, y, cell[rows], weight, group[rows], cell, mass, group)


def _dependent(
    sums: CellSums,
    y: Float1D,
    label_cell: Int1D,
    weight: Float1D,
    label_group: Int1D,
    cell: Int1D,
    mass: Float1D,
    group: Int1D,
) -> CellSums:
    """Return the sums where the labels of a group are one label of each of its cells, of their weight and their mean."""
    n_cells, everyone = len(sums.share), np.append(group, label_group)
    codes = np.unique(everyone, return_inverse=True)[1].reshape(-1)
    group, label_group = codes[: len(group)], codes[len(group) :]
    n_groups = int(codes.max()) + 1
    pair, of_pair = np.unique(label_group * n_cells + label_cell, return_inverse=True)
    of_pair, of_cell = of_pair.reshape(-1), pair % n_cells

    def add(codes: Int1D, values: Float1D, length: int) -> Float1D:
        return np.bincount(codes, values, minlength=length).astype(np.float64)

    a = add(of_pair, weight, len(pair))
    off = add(of_pair, weight * (y - sums.mean[label_cell]), len(pair))  # a (y - ybar)
    square, spread = add(of_cell, a**2, n_cells), add(of_cell, off**2, n_cells)
    # N_gc, units of group g in cell c: Cov(W) = G / (G - 1) sum_g (N_gc - n_g W_c) (N_gc' - n_g W_c') / N^2
    table = sparse.csr_array((mass, (group, cell)), shape=(n_groups, n_cells))
    size = add(group, mass, n_groups)
    total = size.sum()
    beside = np.outer(sums.share, table.T @ size)
    products = (
        (table.T @ table).toarray() - beside - beside.T + np.outer(sums.share, sums.share) * (size @ size)
    )
    groups = n_groups / (n_groups - 1.0) if n_groups > 1 else 1.0
    of_shares = products * groups / total**2
    # influence functions summed by group: of labels within cells, and of units between them
    factor = np.divide(sums.share, sums.total, out=np.zeros(n_cells), where=sums.total > 0)
    centred = np.where(sums.n > 0, sums.mean - np.nan_to_num(cell_estimate(sums)), 0.0)
    influence = add(pair // n_cells, factor[of_cell] * off, n_groups)
    influence += table @ centred / total
    apart = float((factor**2 * spread).sum() + centred @ of_shares @ centred)
    together = float(influence @ influence) * groups
    return replace(
        sums,
        largest_weight=np.where(sums.share > 0, np.maximum(sums.largest_weight, size.max()), 0.0),
        n=add(of_cell, np.ones(len(a)), n_cells),
        square=square,
        spread=spread,
        fourth=add(of_cell, off**4, n_cells),
        open_square=square,
        open_first=add(of_cell, a * off, n_cells),
        open_spread=spread,
        dependence=Dependence(
            of_shares=of_shares,
            inflation=max(together / apart, 1.0) if apart > 0 else 1.0,
            largest_group=float(size.max()),
            square=sums.square,
            spread=sums.spread,
        ),
    )


def table_sums(
    y: Float1D,
    label_cell: Int1D,
    label_probability: Float1D,
    label_size: Float1D | None,
    cell: Int1D,
    probability: Float1D,
    n_cells: int,
    *,
    size: Float1D | None = None,
    count: Float1D | None = None,
    finite: bool = False,
    stratum: Int1D | None = None,
) -> CellSums:
    """Return the sums of labels beside a table of all units, alike ones given once with their ``count``."""
    mass = count  # of units; clusters: rows of the unit
    if size is not None:
        mass = size if count is None else size * count
    if n_cells == 1 and mass is None:
        units = np.array([float(len(cell))])
    else:
        units = np.bincount(cell, mass, minlength=n_cells).astype(np.float64)
    share = units / (len(cell) if mass is None else mass.sum())
    largest, smallest = np.zeros(n_cells), np.ones(n_cells)
    if size is None and len(cell) and is_constant(probability):
        largest[share > 0], smallest[share > 0] = 1.0 / probability[0], probability[0]
    else:
        np.maximum.at(largest, cell, (1.0 if size is None else size) / probability)
        np.minimum.at(smallest, cell, probability)
    return CellSums(
        share=share,
        largest_weight=largest,
        smallest_probability=smallest,
        stratum=stratum,
        finite=finite,
        n_units=float(len(cell) if count is None else count.sum()),
        **_label_sums(y, label_cell, label_probability, label_size, n_cells, finite),
    )


def with_outcome(
    sums: CellSums,
    y: Float1D,
    label_cell: Int1D,
    label_probability: Float1D,
    label_size: Float1D | None = None,
) -> CellSums:
    """Return the sums of another outcome of the same labels, of independent units."""
    return replace(
        sums,
        **_label_sums(y, label_cell, label_probability, label_size, len(sums.share), sums.finite),
    )


def _label_sums(
    y: Float1D,
    of_label: Int1D,
    label_probability: Float1D,
    label_size: Float1D | None,
    n_cells: int,
    finite: bool,
) -> dict[str, Any]:
    """Return what labels of cells add up to: fields of their sums."""
    a = 1.0 / label_probability if label_size is None else label_size / label_probability

    def add(values: Float1D) -> Float1D:
        return np.bincount(of_label, values, minlength=n_cells).astype(np.float64)

    total = add(a)
    mean = np.divide(add(a * y), total, out=np.zeros(n_cells), where=total > 0)
    off = y - mean[of_label]  # about ybar, not about 0: no digits are lost where labels are nearly alike
    open_square = a**2 * (1.0 - label_probability if finite else 1.0)
    surprise = (a * off) ** 2
    return {
        "n": add(np.ones(len(y))),
        "total": total,
        "square": add(a**2),
        "mean": mean,
        "spread": add(surprise),
        "fourth": add(surprise**2),
        "open_square": add(open_square),
        "open_first": add(open_square * off),
        "open_spread": add(open_square * off**2),
    }


def cell_counts(
    ones: FloatND,
    n: FloatND,
    share: FloatND,
    probability: FloatND,
    *,
    finite: bool = False,
    n_units: FloatND | float = np.inf,
) -> CellSums:
    """Return the sums of 0/1 labels by cell from counts, with one labelling probability in each cell."""
    n = np.asarray(n, dtype=np.float64)
    mean = np.divide(ones, n, out=np.zeros(n.shape), where=n > 0)
    pi = np.broadcast_to(np.asarray(probability, dtype=np.float64), n.shape)
    square = n / pi**2
    spread = square * mean * (1.0 - mean)
    still_open = 1.0 - pi if finite else 1.0
    return CellSums(
        share=np.broadcast_to(share, n.shape),
        largest_weight=1.0 / pi,
        smallest_probability=pi,
        n=n,
        total=n / pi,
        square=square,
        mean=mean,
        spread=spread,
        fourth=spread / pi**2 * (1.0 - 3.0 * mean * (1.0 - mean)),
        open_square=square * still_open,
        open_first=np.zeros(n.shape),
        open_spread=spread * still_open,
        finite=finite,
        n_units=n_units,
    )


def cell_estimate(sums: CellSums) -> FloatND:
    """Return ``sum W ybar``, with the label mean of the stratum (else of all labels) in cells without labels."""
    empty = sums.n == 0
    mean = sums.mean
    if (empty & (sums.share > 0)).any():
        everything = _pooled(sums.total, sums.mean)[..., None]
        stand_in = np.broadcast_to(everything, mean.shape).copy()
        if sums.stratum is not None:
            for h in np.unique(sums.stratum):
                inside = sums.stratum == h
                total = sums.total[..., inside]
                pooled = _pooled(total, sums.mean[..., inside])[..., None]
                stand_in[..., inside] = np.where(
                    total.sum(axis=-1)[..., None] > 0, pooled, stand_in[..., inside]
                )
        mean = np.where(empty, stand_in, mean)
    return (sums.share * mean).sum(axis=-1)


def _pooled(total: FloatND, mean: FloatND) -> FloatND:
    """Return the weighted mean of the labels of several cells, NaN without labels."""
    everything = total.sum(axis=-1)
    return np.divide(
        np.sum(total * mean, axis=-1), everything, out=np.full(everything.shape, np.nan), where=everything > 0
    )


def effective_cells(sums: CellSums) -> FloatND:
    """Return ``K_eff = (sum a_max) ** 2 / sum a_max ** 2`` over the cells that have units."""
    largest = np.where(sums.share > 0, sums.largest_weight, 0.0)
    return largest.sum(axis=-1) ** 2 / (largest**2).sum(axis=-1)


def label_surprises(sums: CellSums) -> FloatND:
    """Return the number of 0/1 labels that are unlike the commonest label of their cell."""
    ones = sums.n * sums.mean
    return np.minimum(ones, sums.n - ones).sum(axis=-1)


def _pseudo_weight(sums: CellSums, end: FloatND, tail: float) -> FloatND:
    """Return the weight of the pseudo-label at either end: 1 where few labels are as surprising, less where many are.

    ``T = sum W^2 sum a^2 (y - ybar)^2 / S^2  over  max (W a_max / S)^2 (end - ybar)^2`` counts the labels that are as
    surprising as one at the end; ``w = clip(1.5 - T / 10, 1/2, 1)``. Where many labels tell the spread, one that was not
    seen matters only by its shift of the estimate, ``d = 1 / sqrt(T)`` standard errors (of a sample of units too, where
    the target is their law), and all pseudo-labels together weigh ``max(.42 - .3 log10 T, 1/4)`` if that is less; above
    level .95, with the normal quantile ``z``, ``.85 (z - 1.96)`` more.
    """
    has = sums.n > 0
    total = np.where(has, sums.total, 1.0)
    part = np.where(has, sums.share / total, 0.0)
    counted = np.sum(part**2 * sums.spread, axis=-1)
    largest = np.where(
        has, (sums.share * sums.largest_weight / total) ** 2 * (end - sums.mean) ** 2, sums.share**2
    ).max(axis=-1)

    def surprises(variance: FloatND) -> FloatND:
        return np.divide(variance, largest, out=np.zeros(np.shape(largest)), where=largest > 0)

    few = np.clip(1.5 - surprises(counted) / 10.0, 0.5, 1.0)
    of_units = _variance_of_units(sums, sums.mean)
    # est - d w - z sqrt(1 + d^2 (N + w)) covers for every Poisson number N of labels at the end from w = .73, .38, .25,
    # .10 on at T = .1, 1, 3, 10 (level .99: 1.23, .94, .72, .38); the other cells have w / 2 (1 - 1 / K) besides
    base = 0.42 + 0.85 * max(-float(special.ndtri(tail)) - 1.96, 0.0)
    everything = np.maximum(base - 0.3 * np.log10(np.maximum(surprises(counted + of_units), 1e-9)), 0.25)
    many = everything / (1.5 - 0.5 / effective_cells(sums))
    return few + _told_spread(sums, part, counted) * np.minimum(many - few, 0.0)


def _variance_of_units(sums: CellSums, mean: FloatND) -> FloatND | float:
    """Return what a sample of units from the law adds to the variance of ``sum W m``; 0 where the units are the target."""
    if sums.finite:
        return 0.0
    if sums.dependence is not None:
        return sums.dependence.of_means(mean)
    # (sum W m^2 - M^2) / N
    between = np.sum(sums.share * mean**2, axis=-1) - np.sum(sums.share * mean, axis=-1) ** 2
    return np.maximum(between, 0.0) / sums.n_units


def _told_spread(sums: CellSums, part: FloatND, counted: FloatND) -> FloatND:
    """Return from 0 to 1 whether the labels tell their spread: 0 where few do, 1 where sixty and every cell do.

    ``m = 1 / (k4 - 1 / n)``, ``k4 = sum u^4 / (sum u^2)^2``, ``u = W a (y - ybar) / S``, at most n / 2, is the number
    of labels on which the spread rests, that of the surprises where these are rare. ``S / a_max`` is the number of
    labels of a cell, counted by its heaviest unit.
    """
    n = sums.n.sum(axis=-1)
    fourth = np.sum(part**4 * sums.fourth, axis=-1)
    square = np.where(counted > 0, counted**2, 1.0)
    one_of = np.maximum(fourth / square - 1.0 / np.maximum(n, 1.0), 2.0 / np.maximum(n, 1.0))
    units = sums.share > 0
    heavy = np.where(units, sums.total / np.where(units, sums.largest_weight, 1.0), np.inf).min(axis=-1)
    return np.clip(1.0 / one_of / 30.0 - 1.0, 0.0, 1.0) * np.clip(heavy / 10.0 - 1.0, 0.0, 1.0)


def _with_pseudo_label(
    sums: CellSums, end: FloatND, weight: FloatND, power: FloatND
) -> tuple[FloatND, FloatND]:
    """Return mean and variance of every cell with pseudo-labels of total weight ``weight * a_max`` at either end."""
    has = sums.n > 0
    total = np.where(has, sums.total, 1.0)
    added = weight * sums.largest_weight
    fbar = 1.0 - sums.smallest_probability if sums.finite else np.ones(np.shape(sums.share))
    everything = total + added
    mean = (total * sums.mean + added * end) / everything
    # B and B': effective numbers of labels, 1 / n, without and with the pseudo-labels
    before = np.minimum(np.where(has, sums.square / total**2, 0.0), 0.5)
    after = (sums.square + weight * sums.largest_weight**2) / everything**2
    # sum a^2 f (y - m)^2 = Q + 2 (ybar - m) L + (ybar - m)^2 A
    shift = sums.mean - mean
    spread = sums.open_spread + 2.0 * shift * sums.open_first + shift**2 * sums.open_square
    spread = np.maximum(spread, 0.0) + weight * sums.largest_weight**2 * fbar * (end - mean) ** 2
    # Dirichlet variance (divisor n + 1); with many effective cells the divisor moves to n - 1
    variance = spread / everything**2 / (1.0 + after) * ((1.0 + before) / (1.0 - before)) ** power
    # a finite target: the pseudo-label moves the mean by what is not labelled, by one unlabelled unit at least
    reach = np.where(fbar > 0, np.maximum(np.sqrt(fbar), 1.0 - fbar), 0.0)
    mean = sums.mean + reach * (mean - sums.mean)
    return np.where(has, mean, end), np.where(has, variance, 0.0)


def _limits(sums: CellSums, tail: float, binary: bool) -> _Limits:
    """Return the lower and upper limits: the worst over the cell that gets one full pseudo-label at 0 or at 1."""
    shape = np.shape(sums.share)
    end = np.array([0.0, 1.0]).reshape(2, *(1 for _ in shape))
    effective = effective_cells(sums)[..., None]
    power = 1.0 - 6.0 / np.maximum(effective, 6.0)
    full = np.ones((1,) * len(shape)) if binary else _pseudo_weight(sums, end, tail)[..., None]
    partial = full * np.where(sums.n < 5, 0.25, 0.5 / np.maximum(effective, 2.0))
    mean_part, variance_part = _with_pseudo_label(sums, end, partial, power)
    mean_full, variance_full = _with_pseudo_label(sums, end, full, power)

    def exchange(share: FloatND, part: FloatND, whole: FloatND) -> FloatND:
        return (share * part).sum(axis=-1, keepdims=True) + share * (whole - part)

    mean = exchange(sums.share, mean_part, mean_full)
    variance = exchange(sums.share**2, variance_part, variance_full)
    if sums.dependence is not None:
        added = sums.dependence.of_exchanged(mean_part, mean_full)
        variance = sums.dependence.inflation * (variance + added)
    elif not sums.finite:
        # a sample of N units from the law: + (sum W m^2 - M^2) / N
        squares = exchange(sums.share, mean_part**2, mean_full**2)
        units = np.asarray(sums.n_units, dtype=np.float64)[..., None]
        variance = variance + np.maximum(squares - mean**2, 0.0) / units
    value = _beta_quantiles(mean, variance, 0.0, 1.0, tail)
    lowest = np.where(sums.share > 0, value[0], np.inf).argmin(axis=-1)
    highest = np.where(sums.share > 0, value[1], -np.inf).argmax(axis=-1)
    worst = np.array([lowest, highest])[..., None]
    return _Limits(*(np.take_along_axis(a, worst, -1)[..., 0] for a in (value, mean, variance)))


def _beta_quantiles(mean: FloatND, variance: FloatND, low: float, high: float, tail: float) -> FloatND:
    """Return the quantiles at ``tail`` of the Beta laws on [low, high] with the first moments, at its upper tail of the second."""
    width = high - low
    m = np.minimum(np.maximum((mean - low) / width, 0.0), 1.0)
    v = np.minimum(variance / width**2, 0.999 * m * (1.0 - m))
    regular = (m > 0) & (m < 1) & (v > 0)
    m_safe, v_safe = np.where(regular, m, 0.5), np.where(regular, v, 0.1)
    size = m_safe * (1.0 - m_safe) / v_safe - 1.0
    bounded = np.minimum(size, _LARGE_SIZE)
    ones, zeros = m_safe * bounded, (1.0 - m_safe) * bounded
    quantile = np.empty(m.shape)
    quantile[0] = special.betaincinv(ones[0], zeros[0], tail)
    quantile[1] = special.betainccinv(ones[1], zeros[1], tail)
    beyond = size > _LARGE_SIZE
    if beyond.any():
        z = special.ndtri(tail) * np.array([1.0, -1.0]).reshape(2, *(1 for _ in m.shape[1:]))
        quantile = np.where(beyond, np.clip(m_safe + z * np.sqrt(v_safe), 0.0, 1.0), quantile)
    return low + width * np.where(regular, quantile, m)


def cell_interval(sums: CellSums, confidence_level: float = 0.95, *, binary: bool = False) -> CellInterval:
    """Return the interval of a share (``binary``: outcomes declared 0/1) or of a mean of outcomes in [0, 1]."""
    tail = (1.0 - confidence_level) / 2.0
    estimate = cell_estimate(sums)
    lower, upper = _limits(sums, tail, binary).value
    return CellInterval(estimate, *_ends(lower, upper, estimate, 0.0))


def _ends(lower: FloatND, upper: FloatND, estimate: FloatND, lowest: float) -> tuple[FloatND, FloatND]:
    """Return ends within the range that hold the estimate, and what equals them up to rounding."""
    # fmin and fmax: without any label the estimate is NaN and the interval open
    low, high = np.fmin(lower, estimate) - ROUNDING, np.fmax(upper, estimate) + ROUNDING
    return np.clip(low, lowest, 1.0), np.clip(high, lowest, 1.0)


def cell_difference(
    first: CellSums, second: CellSums, confidence_level: float = 0.95, *, binary: bool = False
) -> CellInterval:
    """Return the interval of the mean of the first group minus that of the second, labelled independently.

    Lower limit: ``M = M_a(lower) - M_b(upper)``, ``V = V_a + V_b``, a Beta law on [-1, 1]; upper likewise (melding).
    """
    tail = (1.0 - confidence_level) / 2.0
    estimate = cell_estimate(first) - cell_estimate(second)
    a, b = _limits(first, tail, binary), _limits(second, tail, binary)
    ends = _beta_quantiles(a.mean - b.mean[::-1], a.variance + b.variance[::-1], -1.0, 1.0, tail)
    return CellInterval(estimate, *_ends(ends[0], ends[1], estimate, -1.0))


def expected_sums(sums: CellSums, ratio: float) -> CellSums:
    """Return the sums to expect of ``ratio`` times as many labels like those there: counts grow, weights shrink."""
    if sums.dependence is not None:
        return _expected_of_groups(sums, sums.dependence, ratio)
    # a -> a / r and n -> n r: sums of a stay, of a^2 shrink by r, of a^4 by r^3, sums of a^2 pi stay
    known = sums.square - sums.open_square
    open_square = np.maximum(sums.square / ratio - known, 0.0)
    still = np.divide(
        open_square, sums.open_square, out=np.zeros(np.shape(known)), where=sums.open_square > 0
    )
    return replace(
        sums,
        largest_weight=sums.largest_weight / ratio,
        smallest_probability=np.minimum(sums.smallest_probability * ratio, 1.0),
        n=sums.n * ratio,
        square=sums.square / ratio,
        spread=sums.spread / ratio,
        fourth=sums.fourth / ratio**3,
        open_square=open_square,
        open_first=sums.open_first * still,
        open_spread=sums.open_spread * still,
    )


def _expected_of_groups(sums: CellSums, dependence: Dependence, ratio: float) -> CellSums:
    """Return the sums to expect where groups of labels are one: what single labels add shrinks, what they share stays."""
    less = 1.0 - 1.0 / ratio
    square = np.maximum(sums.square - less * dependence.square, 0.0)
    # labels of a group may miss the mean in opposite directions: at least what they add singly is left
    least = np.minimum(sums.spread, dependence.spread) / ratio
    spread = np.maximum(sums.spread - less * dependence.spread, least)
    shrunk = np.divide(square, sums.square, out=np.ones(np.shape(square)), where=sums.square > 0)
    single = np.where(sums.largest_weight > dependence.largest_group, sums.largest_weight / ratio, 0.0)
    return replace(
        sums,
        largest_weight=np.where(sums.share > 0, np.maximum(single, dependence.largest_group), 0.0),
        smallest_probability=np.minimum(sums.smallest_probability * ratio, 1.0),
        n=np.divide(sums.n, shrunk, out=np.zeros(np.shape(shrunk)), where=shrunk > 0),
        square=square,
        spread=spread,
        fourth=sums.fourth * shrunk**3,
        open_square=square,
        open_first=sums.open_first * shrunk,
        open_spread=spread,
        dependence=replace(dependence, square=dependence.square / ratio, spread=dependence.spread / ratio),
    )
