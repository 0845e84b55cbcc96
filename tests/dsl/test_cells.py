"""Cells of equal verdict and their intervals: the oracle, the exact limits, edges, symmetry."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from tests.oracles.dsl_cells import cells_by_hand, pairs_of_labels
from validstats.dsl.fit.cell_intervals import (
    cell_counts,
    cell_difference,
    cell_interval,
    cell_sums,
    label_surprises,
    select_cells,
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


def test_a_group_is_its_own_cells():
    share = np.array([0.3, 0.2, 0.5])
    everything = cell_counts(np.array([8, 3, 10]), np.array([10, 10, 20]), share, 0.1, n_units=1000)
    alone = cell_counts(np.array([8, 3]), np.array([10, 10]), np.array([0.6, 0.4]), 0.1, n_units=500)
    inside = select_cells(everything, np.array([True, True, False]))
    assert np.allclose(cell_interval(inside, binary=True), cell_interval(alone, binary=True), atol=1e-12)


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
