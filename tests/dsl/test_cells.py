"""Cells of equal verdict and their intervals: the oracle, the exact limits, edges, symmetry."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from tests.oracles.dsl_cells import cells_by_hand, pairs_of_labels
from tests.validity.dsl_share_settings import rows_of_clusters
from validstats.dsl.fit.cell_intervals import (
    CellSums,
    cell_counts,
    cell_difference,
    cell_estimate,
    cell_interval,
    cell_sums,
    effective_cells,
    expected_sums,
    label_surprises,
    table_sums,
)
from validstats.dsl.fit.cells import form_cells


def random_case(rng, *, equal=False):
    n, k = int(rng.integers(8, 40)), int(rng.integers(1, 5))
    cell = rng.permutation(np.arange(n) % k)
    probability = np.full(n, 0.4) if equal else rng.choice([0.9, 0.3, 0.05, 1.0], n)
    labelled = rng.random(n) < np.maximum(probability, 0.3)
    labelled[rng.integers(n)] = True
    return n, k, cell, probability, labelled


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("finite", [False, True])
@pytest.mark.parametrize("binary", [False, True])
def test_the_interval_is_the_one_computed_label_by_label(seed, finite, binary):
    rng = np.random.default_rng(seed)
    n, k, cell, probability, labelled = random_case(rng)
    y = (rng.random(n) < 0.8).astype(float) if binary else rng.beta(2, 1, n)
    size = rng.integers(1, 6, n).astype(float) if seed % 3 == 0 else None
    level = (0.95, 0.9)[seed % 2]
    sums = cell_sums(y[labelled], cell, labelled, probability, k, finite=finite, size=size)
    found = cell_interval(sums, level, binary=binary)
    slow = cells_by_hand(y, cell, labelled, probability, level, binary=binary, finite=finite, size=size)
    assert [found.conf_low, found.conf_high] == pytest.approx(slow, abs=1e-9)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("binary", [False, True])
def test_labels_of_rows_that_depend_on_each_other_are_one_label_of_their_cell(seed, binary):
    """Groups of one to six units that lie in one cell or in several; with many labels too, and a cell without any."""
    rng = np.random.default_rng(seed)
    n, k, cell, probability, labelled = random_case(rng)
    if seed % 3 == 2:
        n, k = 300, 4
        cell, probability = np.arange(n) % 4, np.full(n, 0.8)
        labelled = (rng.random(n) < 0.8) & ((cell < 3) | (seed % 2 == 0))
    group = np.sort(rng.integers(0, max(n // 3, 3), n))
    common = rng.random(n)[group]
    y = (
        (common * 0.7 + 0.3 * rng.random(n) < 0.7).astype(float)
        if binary
        else 0.5 * common + rng.random(n) / 2
    )
    size = rng.integers(1, 6, n).astype(float) if seed % 4 == 0 else None
    sums = cell_sums(y[labelled], cell, labelled, probability, k, size=size, group=7 * group)
    assert sums.dependence.inflation >= 1.0
    found = cell_interval(sums, (0.95, 0.9)[seed % 2])
    slow = cells_by_hand(y, cell, labelled, probability, (0.95, 0.9)[seed % 2], size=size, group=group)
    assert [found.conf_low, found.conf_high] == pytest.approx(slow, abs=1e-9)
    finite = cell_sums(y[labelled], cell, labelled, probability, k, size=size, group=group, finite=True)
    assert finite.dependence is None  # what is drawn is labels, whatever rows share


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("finite", [False, True])
def test_labels_that_tell_their_spread_leave_less_to_the_one_that_was_not_drawn(seed, finite):
    """Two hundred and fifty smooth scores, then with cells of fewer labels or unequal weights, then with zeros."""
    rng = np.random.default_rng(seed)
    n, k = 280, (3, 12)[seed % 2]
    cell = np.arange(n) % k
    probability = np.full(n, 0.9) if seed < 4 else rng.choice([0.95, 0.6], n)
    labelled = rng.random(n) < probability
    y = np.clip(0.3 + 0.4 * cell / k + 0.1 * rng.normal(size=n), 0, 1)
    if seed in (2, 3):
        y[rng.choice(n, 4, replace=False)] = 0.0
    level = (0.95, 0.99)[seed // 2 % 2]
    found = cell_interval(cell_sums(y[labelled], cell, labelled, probability, k, finite=finite), level)
    slow = cells_by_hand(y, cell, labelled, probability, level, finite=finite)
    assert [found.conf_low, found.conf_high] == pytest.approx(slow, abs=1e-9)


@pytest.mark.parametrize("finite", [False, True])
@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("rare", [2, 12])
def test_cells_without_labels_and_without_units_are_computed_as_by_hand(rare, binary, finite):
    """Two cells with labels, one of a few units that nobody labelled, and a verdict that no unit has."""
    rng = np.random.default_rng(rare)
    cell = np.repeat([0, 1, 2], [150, 150, rare])
    labelled = (rng.random(len(cell)) < 0.5) & (cell < 2)
    y = (rng.random(len(cell)) < 0.5).astype(float) if binary else rng.random(len(cell))
    probability = np.full(len(cell), 0.5)
    sums = cell_sums(y[labelled], cell, labelled, probability, 4, finite=finite)
    slow = cells_by_hand(y, cell, labelled, probability, binary=binary, finite=finite)
    assert list(cell_interval(sums, binary=binary)[1:]) == pytest.approx(slow, abs=1e-9)


def test_a_hundred_billion_labels_have_the_normal_interval():
    """Beyond what the incomplete beta function resolves."""
    n = 1e11
    estimate, low, high = cell_interval(
        cell_counts(np.array([0.3 * n]), np.array([n]), np.ones(1), 0.1), binary=True
    )
    half = 1.959964 * np.sqrt(0.21 / n)
    assert estimate == pytest.approx(0.3, abs=1e-12)
    assert [estimate - low, high - estimate] == pytest.approx([half, half], rel=1e-3)


def test_smooth_scores_of_many_labels_have_nearly_the_normal_interval():
    """With 600 labels within a sixth of the normal interval of the same cells, with 60 half as long again and more."""
    rng = np.random.default_rng(0)

    def ratio(n_labels):
        cell = np.arange(n_labels) % 5
        y = 0.3 + 0.08 * cell + 0.2 * rng.uniform(-1, 1, n_labels)
        everything = np.ones(n_labels, dtype=bool)
        sums = replace(cell_sums(y, cell, everything, np.full(n_labels, 0.1), 5), n_units=np.inf)
        _, low, high = cell_interval(sums)
        return (high - low) / (2 * 1.96 * np.sqrt(np.sum(sums.share**2 * sums.spread / sums.total**2)))

    assert ratio(600) < 7 / 6
    assert ratio(60) > 1.5


def test_counts_give_the_sums_of_rows():
    rng = np.random.default_rng(3)
    n, k, cell, probability, labelled = random_case(rng, equal=True)
    y = (rng.random(n) < 0.7).astype(float)
    for finite in (False, True):
        rows = cell_sums(y[labelled], cell, labelled, probability, k, finite=finite)
        counts = cell_counts(
            np.bincount(cell[labelled], y[labelled], minlength=k),
            np.bincount(cell[labelled], minlength=k),
            np.bincount(cell) / n,
            0.4,
            finite=finite,
            n_units=n,
        )
        assert np.allclose(cell_interval(rows, binary=True), cell_interval(counts, binary=True), atol=1e-12)
        assert label_surprises(rows) == pytest.approx(label_surprises(counts))
        assert rows.fourth == pytest.approx(counts.fourth)


@pytest.mark.parametrize("level", [0.95, *(pytest.param(c, marks=pytest.mark.slow) for c in (0.8, 0.99))])
def test_one_cell_of_binary_labels_is_clopper_pearson(level):
    for n in range(1, 31):
        y = np.arange(n + 1)
        sums = cell_counts(y[:, None], np.full((n + 1, 1), n), np.ones(1), 0.1)
        found = cell_interval(sums, level, binary=True)
        exact = [stats.binomtest(int(v), n).proportion_ci(level, "exact") for v in y]
        assert found.conf_low == pytest.approx([e.low for e in exact], abs=1e-10)
        assert found.conf_high == pytest.approx([e.high for e in exact], abs=1e-10)


@pytest.mark.parametrize("n", [1, 5, 20, 100])
@pytest.mark.parametrize("flagged", [None, 0.02, 0.1, 0.5])
@pytest.mark.parametrize("finite", [False, True])
def test_no_and_all_events_are_answered(n, flagged, finite):
    share = np.ones(1) if flagged is None else np.array([1 - flagged, flagged])
    labels = np.array([n]) if flagged is None else np.array([n - round(n * flagged), round(n * flagged)])
    for rate in (0, 1):
        sums = cell_counts(
            rate * labels, labels, share, n / 1000 if finite else 1e-6, finite=finite, n_units=1000
        )
        low, high = cell_interval(sums, binary=True)[1:]
        assert 0 <= low <= rate <= high <= 1
        if n == 100 and not finite:
            assert 0.036 <= (high if rate == 0 else 1 - low) <= 0.042


def test_a_cell_without_labels_opens_the_interval_by_its_share():
    sums = cell_counts(np.array([30, 0]), np.array([40, 0]), np.array([0.8, 0.2]), 0.1)
    estimate, low, high = cell_interval(sums, binary=True)
    assert estimate == pytest.approx(0.75)
    assert low < 0.6
    assert high > 0.8
    full = cell_interval(cell_counts(np.zeros(1), np.zeros(1), np.ones(1), 0.1), binary=True)
    assert np.isnan(full.estimate)
    assert (full.conf_low, full.conf_high) == (0.0, 1.0)


def test_a_cell_without_labels_has_the_mean_of_its_stratum():
    n, ones = np.array([10, 0, 10, 10]), np.array([9, 0, 1, 1])
    sums = cell_counts(ones, n, np.full(4, 0.25), 0.1)
    found = cell_interval(replace(sums, stratum=np.array([0, 0, 1, 1])), binary=True)
    assert found.estimate == pytest.approx(np.mean([0.9, 0.9, 0.1, 0.1]))
    alone = cell_interval(replace(sums, stratum=np.array([0, 1, 2, 2])), binary=True)
    assert alone.estimate == pytest.approx(
        np.mean([0.9, 11 / 30, 0.1, 0.1])
    )  # no label in its stratum: all labels


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("finite", [False, True])
def test_mirrored_outcomes_give_the_mirrored_interval(binary, finite):
    rng = np.random.default_rng(5)
    n, k, cell, probability, labelled = random_case(rng)
    y = (rng.random(n) < 0.8).astype(float) if binary else rng.random(n)
    code = rng.permutation(k)[cell]
    order = rng.permutation(n)
    here = cell_interval(cell_sums(y[labelled], cell, labelled, probability, k, finite=finite), binary=binary)
    there = cell_interval(
        cell_sums(
            1 - y[order][labelled[order]], code[order], labelled[order], probability[order], k, finite=finite
        ),
        binary=binary,
    )
    assert there.conf_low == pytest.approx(1 - here.conf_high, abs=1e-12)
    assert there.conf_high == pytest.approx(1 - here.conf_low, abs=1e-12)


@pytest.mark.share(3)
@pytest.mark.parametrize(
    ("share", "most"), [(0.1, 0.021), (0.3, 0.021), (0.5, 1e-12), (0.15, 0.024), (0.2, 0.024)]
)
def test_one_more_event_hardly_ever_lowers_an_end(share, most):
    lowest = 0.0
    for n_first in range(7):
        for n_second in range(7):
            pairs = list(pairs_of_labels(n_first, n_second))
            if not pairs:
                continue
            labels, shares = np.tile([n_first, n_second], (len(pairs), 1)), np.array([share, 1 - share])
            before, after = (
                cell_interval(cell_counts(np.array([p[k] for p in pairs]), labels, shares, 0.1), binary=True)
                for k in (0, 1)
            )
            falls = (after.conf_low - before.conf_low, after.conf_high - before.conf_high)
            lowest = min(lowest, *(f.min() for f in falls))
    assert lowest >= -most


def test_random_halves_of_both_cells_widen_little():
    rng = np.random.default_rng(0)
    for rate, share in ((0.9, 0.7), (0.6, 0.4)):
        n = np.array([round(100 * (1 - share)), round(100 * share)])
        ones = rng.binomial(n, [1 - rate, rate])
        whole = cell_interval(cell_counts(ones, n, np.array([1 - share, share]), 0.1), binary=True)
        halves = n // 2
        part = np.array([rng.hypergeometric(o, m - o, h) for o, m, h in zip(ones, n, halves)])
        split = cell_counts(
            np.concatenate([part, ones - part]),
            np.concatenate([halves, n - halves]),
            np.concatenate(
                [np.array([1 - share, share]) * halves / n, np.array([1 - share, share]) * (n - halves) / n]
            ),
            0.1,
        )
        found = cell_interval(split, binary=True)
        assert (found.conf_high - found.conf_low) <= 1.12 * (whole.conf_high - whole.conf_low)


def test_unequal_probabilities_count_the_rare_unit_that_was_not_drawn():
    # 50 of the labels come from often drawn units; the rarely drawn ones have 1 / pi = 500 and no label
    n = 1000
    probability = np.where(np.arange(n) < 100, 0.5, 0.002)
    labelled = np.arange(n) < 50
    sums = cell_sums(np.ones(50), np.zeros(n, int), labelled, probability, 1)
    assert sums.largest_weight[0] == 500
    assert cell_interval(sums, binary=True).conf_low < 0.5


def test_the_difference_of_single_cells_melds_their_beta_laws():
    first, second = (
        cell_counts(np.array([18]), np.array([20]), np.ones(1), 0.1),
        cell_counts(np.array([11]), np.array([20]), np.ones(1), 0.1),
    )
    estimate, low, high = cell_difference(first, second, binary=True)
    assert estimate == pytest.approx(0.35)
    ends = []
    for (a, b), (c, d), tail in (((18, 3), (12, 9), 0.025), ((19, 2), (11, 10), 0.975)):
        one, two = stats.beta(a, b), stats.beta(c, d)
        m, v = (one.mean() - two.mean() + 1) / 2, (one.var() + two.var()) / 4
        size = m * (1 - m) / v - 1
        ends.append(2 * stats.beta.ppf(tail, m * size, (1 - m) * size) - 1)
        # the law of the difference itself, by simulation (melding)
        rng = np.random.default_rng(0)
        melded = np.quantile(rng.beta(a, b, 400_000) - rng.beta(c, d, 400_000), tail)
        assert ends[-1] == pytest.approx(melded, abs=0.01)
    assert (low, high) == pytest.approx(ends, abs=1e-9)
    swapped = cell_difference(second, first, binary=True)
    assert (swapped.conf_low, swapped.conf_high) == pytest.approx((-high, -low), abs=1e-12)


def test_alike_units_may_be_given_once():
    rng = np.random.default_rng(8)
    n = 3000
    verdict, stratum = rng.integers(0, 3, n), rng.integers(0, 4, n)
    probability = np.array([0.01, 0.02, 0.03, 0.04])[stratum]
    labelled = rng.random(n) < probability
    y = rng.random(n)
    rows = form_cells(probability, [verdict], stratum)
    whole = cell_sums(y[labelled], rows.cell, labelled, probability, rows.n_cells, stratum=rows.stratum)
    table, code, count = np.unique(
        np.column_stack([stratum, verdict]), axis=0, return_inverse=True, return_counts=True
    )
    chance = np.array([0.01, 0.02, 0.03, 0.04])[table[:, 0]]
    cells = form_cells(chance, [table[:, 1]], table[:, 0], count=count.astype(float))
    assert cells.n_cells == rows.n_cells
    compact = table_sums(
        y[labelled],
        cells.cell[code.reshape(-1)[labelled]],
        probability[labelled],
        None,
        cells.cell,
        chance,
        cells.n_cells,
        count=count.astype(float),
        stratum=cells.stratum,
    )
    assert np.allclose(cell_interval(compact), cell_interval(whole), atol=1e-12)


def test_sums_of_a_small_table_are_those_written_down():
    """Three labels of four units in two of three cells: weights 1, 2 and 4, the second unit there twice, the last not labelled."""
    y, cell = np.array([1.0, 0.5, 0.25]), np.array([0, 0, 1, 1])
    probability, count = np.array([1.0, 0.5, 0.25, 0.2]), np.array([1.0, 2.0, 1.0, 4.0])
    for finite, open_parts in ((False, (1.0, 1.0, 1.0)), (True, (0.0, 0.5, 0.75))):
        sums = table_sums(
            y, cell[:3], probability[:3], None, cell, probability, 3, count=count, finite=finite
        )
        # first cell: ybar = (1 + 2 / 2) / 3 = 2 / 3, so that labels are 1 / 3 above and 1 / 6 below it
        written = {
            "share": [3 / 8, 5 / 8, 0],
            "largest_weight": [2, 5, 0],
            "smallest_probability": [0.5, 0.2, 1],
            "n": [2, 1, 0],
            "total": [3, 4, 0],
            "square": [5, 16, 0],
            "mean": [2 / 3, 0.25, 0],
            "spread": [2 / 9, 0, 0],
            "fourth": [2 / 81, 0, 0],
            "open_square": [open_parts[0] + 4 * open_parts[1], 16 * open_parts[2], 0],
            "open_first": [open_parts[0] / 3 - 4 * open_parts[1] / 6, 0, 0],
            "open_spread": [open_parts[0] / 9 + 4 * open_parts[1] / 36, 0, 0],
        }
        for name, values in written.items():
            assert getattr(sums, name) == pytest.approx(np.array(values), abs=1e-14), name
        assert (sums.n_units, sums.finite) == (8.0, finite)
    del written["n"]
    assert CellSums(**written, n=sums.n).finite is False  # the law, where nothing else is said


def test_equal_probabilities_leave_cells_without_units_without_weight():
    for n in (1, 3):
        sums = table_sums(
            np.ones(1), np.zeros(1, int), np.full(1, 0.5), None, np.zeros(n, int), np.full(n, 0.5), 2
        )
        assert sums.largest_weight.tolist() == [2.0, 0.0]
        assert sums.smallest_probability.tolist() == [0.5, 1.0]
        assert sums.share.tolist() == [1.0, 0.0]
    equal = cell_counts(np.ones(3), np.full(3, 5), np.array([0.5, 0.5, 0.0]), 0.1)
    assert effective_cells(equal) == pytest.approx(2.0)  # and where a weight is given with a share of 0
    assert effective_cells(replace(equal, largest_weight=np.array([3.0, 1.0, 9.0]))) == pytest.approx(1.6)


def test_clusters_of_equal_probability_weigh_by_their_rows_and_may_be_given_once():
    size, probability = np.array([2.0, 6.0, 4.0]), np.full(3, 0.5)
    labels = (np.array([0.5, 1.0]), np.zeros(2, int), probability[:2], size[:2])
    once = table_sums(*labels, np.zeros(3, int), probability, 1, size=size, count=np.array([1.0, 1.0, 2.0]))
    rows = np.array([0, 1, 2, 2])
    whole = table_sums(*labels, np.zeros(4, int), probability[[0, 0, 0, 0]], 1, size=size[rows])
    assert once.largest_weight.tolist() == whole.largest_weight.tolist() == [12.0]
    shared = table_sums(*labels, np.array([0, 0, 1]), probability, 2, size=size, count=np.array([1.0, 1, 2]))
    assert shared.share.tolist() == [0.5, 0.5]
    assert shared.largest_weight.tolist() == [12.0, 8.0]


def test_one_label_that_was_sure_to_be_drawn_counts_once():
    """Its weight is 1, the smallest there is."""
    one = np.ones(1)
    sums = cell_sums(np.array([0.75]), np.array([0, 1]), np.array([True, False]), np.ones(2), 2)
    assert sums.mean.tolist() == [0.75, 0.0]
    assert cell_estimate(sums) == 0.75  # nobody else can stand in for the other cell
    counted = cell_counts(one, one, one, 1.0)
    assert (counted.mean[0], counted.total[0], cell_estimate(counted)) == (1.0, 1.0, 1.0)
    strata = cell_counts(
        np.array([1.0, 0, 0, 0]), np.array([1.0, 0, 50, 50]), np.full(4, 0.25), np.array([1, 1, 0.5, 0.5])
    )
    assert cell_estimate(replace(strata, stratum=np.array([0, 0, 1, 1]))) == pytest.approx(0.5)


def hard_cases():
    """Name, outcomes, cells, labelled, probability, level: settings in which a clause of the formula decides."""
    rng = np.random.default_rng(7)
    # seven labels are as surprising as one at the end of the cell that has one label
    cell = np.repeat([0, 1], [180, 20])
    labelled = np.isin(np.arange(200), [*range(60), 190])
    y = np.where(cell == 0, 0.5 + 0.39 * (2 * (np.arange(200) + 0.5) / 60 - 1), 0.9)
    yield "a cell of one label", y, cell, labelled, np.full(200, 0.3), 0.95
    # of eighty labels, which count as at most forty, a third of what is spared where many tell the spread
    y = 0.5 + 0.17 * (2 * (np.arange(80) + 0.5) / 80 - 1)
    yield "a third of it", y, np.zeros(80, int), np.ones(80, bool), np.full(80, 0.5), 0.95
    # eighty labels with 13 times the square of one at the end: w would be more than 1 / 2
    y = 0.5 + 0.35 * (2 * (np.arange(80) + 0.5) / 80 - 1)
    yield "more than half", y, np.zeros(80, int), np.ones(80, bool), np.full(80, 0.5), 0.99
    cell = np.arange(240) % 12
    labelled = np.arange(240) < 12
    yield "a dozen cells of one label", rng.random(240), cell, labelled, np.full(240, 0.05), 0.95
    cell = np.repeat(np.arange(60), [940, *[1] * 59])
    labelled = np.isin(np.arange(999), [0, 1, *range(940, 999)])
    y = np.where(np.arange(999) % 2, 1.0, 0.0)
    yield "nearly all units in a cell of two labels", y, cell, labelled, np.full(999, 0.5), 0.95


@pytest.mark.parametrize("finite", [False, True])
@pytest.mark.parametrize("case", list(hard_cases()), ids=lambda case: case[0])
def test_every_clause_of_the_formula_is_that_of_the_slow_one(case, finite):
    _, y, cell, labelled, probability, level = case
    sums = cell_sums(y[labelled], cell, labelled, probability, int(cell.max()) + 1, finite=finite)
    with np.errstate(all="raise", under="ignore"):
        found = cell_interval(sums, level)
    slow = cells_by_hand(y, cell, labelled, probability, level, finite=finite)
    assert [found.conf_low, found.conf_high] == pytest.approx(slow, abs=1e-9)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_scores_that_all_lie_at_an_end_are_answered_without_a_numerical_warning(value):
    sums = cell_sums(np.full(10, value), np.zeros(40, int), np.arange(40) < 10, np.full(40, 0.25), 1)
    with np.errstate(all="raise", under="ignore"):
        low, high = cell_interval(sums)[1:]
    assert (low if value == 0 else high) == value
    assert 0.15 < high - low < 0.35


def test_rounded_shares_lead_out_of_the_range_nowhere():
    """Twenty times a twentieth is more than 1 in floating point."""
    share, n = np.full(20, 1 / 20), np.full(20, 5)
    ones, none = (cell_counts(k * n, n, share, 0.1) for k in (1, 0))
    assert cell_interval(ones, binary=True).conf_high == 1.0
    assert cell_difference(ones, none, binary=True).conf_high == 1.0
    assert cell_difference(none, ones, binary=True).conf_low == -1.0


def test_scores_are_no_zeros_and_ones_unless_it_is_said():
    y = np.linspace(0.05, 0.95, 40)
    sums = cell_sums(y, np.zeros(40, int), np.ones(40, bool), np.full(40, 0.1), 1)
    for plain, scores, declared in (
        (cell_interval(sums), *(cell_interval(sums, binary=b) for b in (False, True))),
        (cell_difference(sums, sums), *(cell_difference(sums, sums, binary=b) for b in (False, True))),
    ):
        assert plain == scores
        assert plain.conf_high < declared.conf_high


@pytest.mark.parametrize("finite", [False, True])
@pytest.mark.parametrize("ratio", [0.5, 2.0, 4.0])
def test_more_labels_like_those_there_are_labels_repeated_with_more_probability(ratio, finite):
    """Four times as many labels are each one four times, and of half as many every second of pairs."""
    cell = np.array([0, 0, 0, 0, 1, 1])
    y = np.array([0.1, 0.1, 0.7, 0.7, 0.4, 0.4])
    probability, population = np.where(cell == 0, 0.2, 0.05), np.array([0] * 30 + [1] * 60)

    def sums(labels, chance):
        of_unit = np.array([chance[0], chance[-1]])[population]
        return table_sums(
            y[labels], cell[labels], chance[labels], None, population, of_unit, 2, finite=finite
        )

    rows = np.arange(6)
    found = expected_sums(sums(rows, probability), ratio)
    wanted = sums(rows[::2] if ratio < 1 else np.repeat(rows, int(ratio)), probability * ratio)
    for name in ("share", "largest_weight", "smallest_probability", "n", "total", "square", "mean", "spread"):
        assert getattr(found, name) == pytest.approx(getattr(wanted, name), rel=1e-12), name
    for name in ("fourth", "open_square", "open_first", "open_spread"):
        assert getattr(found, name) == pytest.approx(getattr(wanted, name), rel=1e-12, abs=1e-12), name
    assert cell_interval(found) == pytest.approx(cell_interval(wanted), abs=1e-12)


@pytest.mark.parametrize(
    "law", [{"alike": 0.05, "rate": 0.7}, {"alike": 0.7, "rate": 0.7}, {"alike": 0.5, "law": "scores"}]
)
def test_four_times_the_labels_of_clusters_are_expected_as_they_come(law):
    """A hundred labels in 200 clusters of ten rows; on average within a tenth of what 400 labels give."""
    rng, expected, came = np.random.default_rng(0), [], []

    def sums_of(data):
        labelled = data.label(rng)
        cells = form_cells(data.probability, data.surrogates)
        y, probability = data.y[labelled], data.probability
        return cell_sums(y, cells.cell, labelled, probability, cells.n_cells, group=data.group)

    def width(sums):
        return float(np.diff(cell_interval(sums)[1:]).item())

    for _ in range(60):
        data = rows_of_clusters(rng, False, n_clusters=200, size=10, n_labels=100, **law)
        few = sums_of(data)
        assert width(expected_sums(few, 1.0)) == pytest.approx(width(few), abs=1e-12)
        expected.append(width(expected_sums(few, 4.0)))
        came.append(width(sums_of(replace(data, probability=4 * data.probability))))
    assert np.mean(expected) == pytest.approx(np.mean(came), rel=0.1)


def test_more_labels_than_units_are_all_units():
    y, cell, probability = np.array([0.2, 0.8, 0.6]), np.array([0, 0, 1]), np.array([0.9, 0.8, 1.0])
    sums = cell_sums(y, cell, np.ones(3, bool), probability, 2, finite=True)
    assert 0 < sums.open_square[0] < 1
    with np.errstate(all="raise"):
        found = expected_sums(sums, 3.0)
    assert found.smallest_probability.tolist() == [1.0, 1.0]
    assert found.open_square.tolist() == found.open_first.tolist() == found.open_spread.tolist() == [0.0, 0.0]
    a_little = expected_sums(sums, 1.05)
    known = 1 / 0.9 + 1 / 0.8
    assert a_little.open_square[0] == pytest.approx(sums.square[0] / 1.05 - known)
    shrinks = a_little.open_square[0] / sums.open_square[0]
    assert a_little.open_first == pytest.approx(sums.open_first * [shrinks, 0])
    assert a_little.open_spread == pytest.approx(sums.open_spread * [shrinks, 0])
    unequal = replace(sums, open_first=np.array([0.3, 0.0]))
    assert expected_sums(unequal, 1.05).open_first[0] == pytest.approx(0.3 * shrinks)


def test_no_variance_is_that_of_a_two_point_law_or_more():
    """One label in a cell that has nearly all of three units; of Beta laws with more variance there is none."""
    share = np.append(1 - 59e-9, np.full(59, 1e-9))
    sums = cell_counts(np.ones(60), np.ones(60), share, 0.5, n_units=3)
    estimate, low, high = cell_interval(sums, binary=True)
    assert estimate == pytest.approx(1.0)
    assert 0 <= low < 1e-9
    assert high == 1.0


def test_a_cell_without_units_changes_nothing():
    sums = cell_counts(
        np.array([1, 0]), np.array([50, 9]), np.array([1.0, 0.0]), 0.5, finite=True, n_units=100
    )
    alone = cell_counts(np.array([1]), np.array([50]), np.array([1.0]), 0.5, finite=True, n_units=100)
    assert cell_interval(sums) == pytest.approx(cell_interval(alone), abs=1e-15)


class TestForming:
    """Cells are formed from verdicts, strata and probabilities alone."""

    def test_binary_verdicts_are_never_merged_under_simple_random_sampling(self):
        verdict = np.r_[np.ones(20), np.zeros(980)]
        cells = form_cells(np.full(1000, 0.02), [verdict])
        assert cells.n_cells == 2
        assert cells.discrete

    def test_rare_values_join_the_neighbour_with_fewer_labels(self):
        verdict = np.repeat([1, 2, 3, 4], [500, 30, 170, 300])
        cells = form_cells(np.full(1000, 0.1), [verdict])
        assert cells.n_cells == 3
        assert cells.cell[verdict == 2][0] == cells.cell[verdict == 3][0]

    def test_three_values_are_kept_from_three_expected_labels_on(self):
        verdict = np.repeat([-1, 0, 1], [40, 900, 60])
        assert form_cells(np.full(1000, 0.1), [verdict]).n_cells == 3
        assert form_cells(np.full(1000, 0.05), [verdict]).n_cells == 2

    def test_continuous_scores_are_cut_into_bins_of_ten_expected_labels(self):
        score = np.random.default_rng(0).random(2000)
        for n_labels, expected in ((9, 1), (25, 2), (60, 6), (500, 10)):
            cells = form_cells(np.full(2000, n_labels / 2000), [score])
            assert cells.n_cells == expected
            assert np.ptp(np.bincount(cells.cell)) <= 2
            assert not cells.discrete

    def test_strata_with_one_or_two_labels_are_merged_with_neighbours(self):
        strata = np.repeat(np.arange(30), 10)
        probability = np.where(strata < 20, 0.1, 0.5)
        cells = form_cells(probability, [], strata)
        expected = np.bincount(cells.cell, probability)
        assert expected.min() >= 5 - 1e-9
        assert 20 <= cells.merged_strata <= 21
        assert np.all(np.diff(cells.cell) >= 0)

    def test_verdicts_inside_merged_strata_need_ten_labels(self):
        strata = np.repeat(np.arange(4), 100)
        verdict = np.tile([0, 1], 200)
        few = form_cells(np.full(400, 0.02), [verdict], strata)
        assert few.n_cells == 1
        many = form_cells(np.full(400, 0.03), [verdict], strata)
        assert many.n_cells == 2

    def test_unordered_strata_are_neighbours_by_their_mean_score(self):
        strata = np.repeat(np.arange(4), 250)
        score = np.repeat([0, 1, 0, 1], 250)
        cells = form_cells(np.full(1000, 0.018), [score], strata, strata_ordered=False)
        assert cells.cell[0] == cells.cell[600]
        assert cells.cell[300] == cells.cell[900]

    def test_several_judges_are_crossed_while_each_combination_expects_five(self):
        rng = np.random.default_rng(0)
        a, b = rng.integers(0, 2, 2000), rng.integers(0, 2, 2000)
        assert form_cells(np.full(2000, 0.05), [a, b]).n_cells == 4
        binned = form_cells(np.full(2000, 0.009), [a, b])
        assert not binned.discrete

    def test_text_verdicts_are_values(self):
        verdict = np.array(["fail", "pass"] * 50, dtype=object)
        assert form_cells(np.full(100, 0.5), [verdict]).n_cells == 2
