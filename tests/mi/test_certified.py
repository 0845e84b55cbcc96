"""The certified lower bound: the inequality behind it, what may shape it, its level, and when it is refused."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from validstats.mi import LearnedMI, mutual_info
from validstats.mi.certified import (
    LowerBound,
    Predictions,
    _binned_table,
    _bound_function,
    _column_sums,
    _Levels,
    _logistic_table,
    _share_columns,
    certified_bound,
    first_rows,
    is_quick,
    lower_bound,
    predict_rows,
)
from validstats.mi.sides import prepare_sides
from validstats.mi.statistics import keyed_order

FLOOR = 0.03
TABLE = np.array([[0.2, 0.05, 0.05], [0.05, 0.2, 0.05], [0.05, 0.05, 0.3]])


def information(table):
    seen = table > 0
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0)
    return float((table[seen] * np.log(table[seen] / expected[seen])).sum())


def table_predictions(generator, m, theta=0.08):
    """Rows of a known table with the best possible prediction, fixed beforehand."""
    cell = generator.choice(9, m, p=TABLE.ravel())
    x, levels = cell // 3, cell % 3
    reference = np.full(3, 1 / 3)
    table = (1 - FLOOR) * TABLE / TABLE.sum(axis=1, keepdims=True) + FLOOR * reference
    return Predictions(levels, np.log(table[x, levels] / reference[levels]), reference, FLOOR, theta, "y")


def bound_of(x, y, alpha=0.05, codes_x=None, codes_y=None):
    return certified_bound(x, y, codes_x, codes_y, keyed_order(x, y), alpha)


@pytest.mark.parametrize("count", [*range(1, 26), 64])
def test_shares_of_columns_are_those_of_rows_in_all_bits(count):
    values = np.random.default_rng(count).normal(scale=3.0, size=(200, count))
    assert np.array_equal(_column_sums(np.ascontiguousarray(values.T)), values.sum(axis=1))
    weights = np.exp(values - values.max(axis=1, keepdims=True))
    shares = _share_columns(np.ascontiguousarray(values.T))
    assert np.array_equal(shares.T, weights / weights.sum(axis=1, keepdims=True))


def levels_of(generator, n, count):
    """Levels that two columns tell something about."""
    columns = generator.normal(size=(n, 2))
    codes = np.clip(np.rint(columns[:, 0] + generator.normal(size=n)) + count // 2, 0, count - 1)
    return columns, _Levels(codes.astype(np.int64), count)


@pytest.mark.parametrize("count", [2, 5, 9])
def test_a_table_of_bins_multiplies_the_shares_of_single_columns(count):
    generator = np.random.default_rng(count)
    columns, levels = levels_of(generator, 90, count)
    cells, known, law = np.searchsorted([-0.7, 0.0, 0.7], columns.T), 60, generator.dirichlet(np.ones(count))
    expected = []
    for row in range(known, 90):
        weights = law.copy()
        for column in cells:
            inside = column[:known] == column[row]
            share = (inside.sum() + 0.5) / (known + 2.0)
            of_level = np.array([(levels.codes[:known] == level).sum() for level in range(count)])
            both = np.array([(levels.codes[:known][inside] == level).sum() for level in range(count)])
            weights *= (both + 8.0 * share) / (of_level + 8.0) / share
        expected.append(weights / weights.sum())
    np.testing.assert_allclose(_binned_table(cells, levels, known, law, 4), expected, rtol=1e-12)


@pytest.mark.parametrize("count", [2, 5, 9])
def test_a_table_of_logits_takes_forty_steps_of_fixed_curvature(count):
    generator = np.random.default_rng(count)
    features, levels = levels_of(generator, 90, count)
    known, law = 61, generator.dirichlet(np.ones(count))
    rows = np.column_stack([np.ones(90), features])
    one_hot = np.eye(count)[levels.codes[:known]]
    curvature = 0.5 * rows[:known].T @ rows[:known] + np.eye(3)
    slopes = np.array([np.log(law), np.zeros(count), np.zeros(count)])

    def shares(x):
        weights = np.exp(x @ slopes)
        return weights / weights.sum(axis=1, keepdims=True)

    for _ in range(40):
        ridge = slopes * np.array([[0.0], [1.0], [1.0]])
        slopes = slopes + np.linalg.solve(
            curvature, rows[:known].T @ (one_hot - shares(rows[:known])) - ridge
        )
    found = _logistic_table(features, levels, known, law)
    np.testing.assert_allclose(found, shares(rows[known:]), rtol=1e-9)


@pytest.mark.slow
def test_the_capital_is_a_supermartingale_and_the_bound_is_rarely_violated():
    """With S = theta sum(Z - mu0) - psi sum(Z - mu0)^2: E exp(S) <= 1, and G(mu0) <= S wherever the limits of the levels hold."""
    truth, alpha, runs, m = information(TABLE), 0.1, 2000, 100
    generator = np.random.default_rng(0)
    p = TABLE.sum(axis=0)
    capitals, violations = [], 0
    for _ in range(runs):
        predictions = table_predictions(generator, m)
        z = predictions.log_ratios - np.log(p / predictions.reference)[predictions.levels]
        mean = truth - _loss()
        gain, threshold = _bound_function(predictions, alpha)
        # The true increments have mean I - KL; the capital at the truth uses mu0 = I.
        b = np.log(1 / FLOOR) + max(float(np.log(p / predictions.reference).max()), 0.0) + np.log(3)
        psi = (-np.log1p(-predictions.theta * b) - predictions.theta * b) / b**2
        capitals.append(np.exp(predictions.theta * (z - truth).sum() - psi * ((z - truth) ** 2).sum()))
        assert mean <= truth
        if gain(truth) >= threshold:
            violations += 1
        assert gain(truth) <= np.log(capitals[-1]) + 1e-9 or not _limits_hold(predictions, p, alpha)
    assert np.mean(capitals) <= 1.02
    assert binom.sf(violations - 1, runs, alpha) > 1e-3


def _loss():
    """Kullback-Leibler loss of the mixed table."""
    given = TABLE / TABLE.sum(axis=1, keepdims=True)
    mixed = (1 - FLOOR) * given + FLOOR / 3
    return float((TABLE * np.log(given / mixed)).sum())


def _limits_hold(predictions, p, alpha):
    from scipy.stats import beta

    counts, m = np.bincount(predictions.levels, minlength=3), len(predictions.levels)
    side = 0.1 * alpha / 6
    upper = np.where(counts < m, beta.isf(side, counts + 1, np.maximum(m - counts, 1)), 1.0)
    lower = np.where(counts > 0, beta.ppf(side, np.maximum(counts, 1), m - counts + 1), 0.0)
    return bool(((lower <= p) & (p <= upper)).all())


def _independent(generator, n):
    return generator.normal(size=(n, 2)), generator.standard_t(2, size=(n, 1)), None, None


def _table(generator, n):
    cell = generator.choice(9, n, p=TABLE.ravel())
    return (cell // 3)[:, None].astype(float), (cell % 3)[:, None].astype(float), cell // 3, cell % 3


def _rare(generator, n):
    x = (generator.random(n) < 0.1).astype(int)
    return x[:, None].astype(float), x[:, None].astype(float), x, x


RARE = -(0.1 * np.log(0.1) + 0.9 * np.log(0.9))


@pytest.mark.validity
@pytest.mark.parametrize(
    ("draw", "truth", "n"), [(_independent, 0.0, 100), (_table, information(TABLE), 200), (_rare, RARE, 300)]
)
def test_bounds_are_above_the_truth_no_more_often_than_the_level(draw, truth, n):
    """The whole procedure, levels and tables from the data; the plain mean of the gains is above it more often."""
    runs, alpha, above, naive = 200, 0.1, 0, 0
    for seed in range(runs):
        x, y, codes_x, codes_y = draw(np.random.default_rng([11, seed]), n)
        order = keyed_order(x, y)
        sides = [None if v is None else v[order] for v in (codes_x, codes_y)]
        read = predict_rows(x[order], y[order], *sides, alpha)
        above += lower_bound(read, alpha) > truth
        shares = np.bincount(read.levels, minlength=len(read.reference)) / len(read.levels)
        naive += (read.log_ratios - np.log((shares / read.reference)[read.levels])).mean() > truth
    assert binom.sf(above - 1, runs, alpha) > 1e-3, above
    # The plain mean of the gains, without a price.
    assert naive > above


def test_the_bound_is_the_crossing_of_the_gain():
    predictions = table_predictions(np.random.default_rng(1), 800)
    bound = lower_bound(predictions, 0.05)
    gain, threshold = _bound_function(predictions, 0.05)
    assert 0 < bound < np.log(3)
    assert gain(bound) == pytest.approx(threshold, abs=1e-6)
    assert all(gain(mu) >= threshold for mu in np.linspace(0, bound * (1 - 1e-9), 20))
    assert lower_bound(predictions, 0.01) < bound


@pytest.mark.parametrize("columns", [1, 3])
def test_later_rows_change_nothing_before_them(columns):
    """With three columns a side the levels are combinations of levels of columns, whose shares differ."""
    generator = np.random.default_rng(2)
    n = 300
    x = generator.normal(size=(n, max(columns, 2)))
    y = x[:, :columns] + 0.5 * generator.normal(size=(n, columns))
    cut = 200
    other_x, other_y = x.copy(), y.copy()
    other_x[cut:], other_y[cut:] = (
        generator.normal(size=x[cut:].shape) * 3,
        generator.normal(size=y[cut:].shape) + 5,
    )
    one, two = (predict_rows(a, b, None, None, 0.05) for a, b in ((x, y), (other_x, other_y)))
    kept = slice(0, cut - first_rows(n))
    assert (one.direction, one.theta, one.floor) == (two.direction, two.theta, two.floor)
    assert np.array_equal(one.reference, two.reference)
    assert np.array_equal(one.levels[kept], two.levels[kept])
    assert np.array_equal(one.log_ratios[kept], two.log_ratios[kept])
    assert not np.array_equal(one.log_ratios, two.log_ratios)
    assert columns == 1 or one.reference.max() > 1.2 * one.reference.min()


def test_levels_of_later_rows_change_nothing_before_them():
    generator = np.random.default_rng(3)
    x = generator.integers(0, 5, 300)
    y = (x + generator.integers(0, 2, 300)) % 5
    other = y.copy()
    other[200:] = 7
    one, two = (predict_rows(None, None, x, codes, 0.05) for codes in (y, other))
    assert np.array_equal(one.log_ratios[: 200 - first_rows(300)], two.log_ratios[: 200 - first_rows(300)])


@pytest.mark.parametrize(("rho", "least"), [(0.8, 0.1), (0.99, 1.0)])
def test_gaussian_pairs_are_certified_below_the_truth(rho, least):
    truth = -0.5 * np.log(1 - rho**2)
    for seed in range(3):
        generator = np.random.default_rng(seed)
        x = generator.normal(size=(500, 1))
        y = rho * x + np.sqrt(1 - rho**2) * generator.normal(size=(500, 1))
        assert least < bound_of(x, y) < truth


def test_combinations_of_columns_certify_what_no_single_column_tells():
    """Three pairs of .51 nats each: no single column can give more than .51."""
    generator = np.random.default_rng(9)
    x = generator.normal(size=(1000, 3))
    y = 0.8 * x + 0.6 * generator.normal(size=(1000, 3))
    assert 0.55 < bound_of(x, y) < -1.5 * np.log(1 - 0.64)


def test_equal_rows_are_not_neighbours_in_the_keyed_order():
    """A hash of the content alone puts equal rows side by side, and the row before then tells what follows."""
    generator = np.random.default_rng(4)
    x, y = generator.integers(0, 2, (400, 1)).astype(float), generator.integers(0, 2, (400, 1)).astype(float)
    order = keyed_order(x, y)
    labels = (2 * x + y)[order, 0]
    same = (labels[1:] == labels[:-1]).mean()
    expected = (np.bincount(labels.astype(int)) ** 2).sum() / 400**2
    assert abs(same - expected) < 4 * np.sqrt(expected * (1 - expected) / 400)
    assert bound_of(x, y, 0.05, x[:, 0].astype(int), y[:, 0].astype(int)) == 0.0


def test_order_of_rows_changes_nothing():
    generator = np.random.default_rng(5)
    x = generator.normal(size=(200, 1))
    y = x + 0.5 * generator.normal(size=(200, 1))
    rows = generator.permutation(200)
    assert bound_of(x, y) == bound_of(x[rows], y[rows]) > 0


def test_the_bound_is_printed_rounded_down_and_as_a_sentence_of_its_own():
    assert (
        LowerBound(0.4099, 0.95).sentence("nats")
        == "Certified: at least 0.40 nats (95 %, any law, independent rows)."
    )
    assert "nothing above 0" in LowerBound(0.0, 0.9).sentence("bits")
    generator = np.random.default_rng(6)
    x = generator.normal(size=400)
    y = x + 0.3 * generator.normal(size=400)
    result = mutual_info(x, y)
    assert result.certified.sentence("nats") in " ".join(str(result.summary()).split())
    assert result.certified.value < result.estimate
    bits = mutual_info(x, y, unit="bits").certified.value
    assert bits <= result.certified.value / np.log(2) < bits + 3e-4
    assert LearnedMI().infer(x, y).certified == result.certified


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda x, y: (np.sort(x), y), "sorted"),
        (lambda x, y: (x[:50], y[:50]), "needs 60 rows"),
        (lambda x, y: (np.repeat(x[:75], 4), np.repeat(y[:75], 4)), "copies"),
    ],
)
def test_rows_that_are_not_independent_draws_are_refused(change, reason):
    generator = np.random.default_rng(7)
    x = generator.normal(size=300)
    x, y = change(x, x + generator.normal(size=300))
    result = mutual_info(x, y, method="ksg")
    assert not result.certified.value
    assert reason in result.certified.value.reason


def test_a_sticky_side_alone_is_refused():
    """Dependence of X alone breaks the bound, and no test of both sides sees it."""
    generator = np.random.default_rng(8)
    x = np.zeros(600)
    for t in range(1, 600):
        x[t] = 0.8 * x[t - 1] + generator.normal()
    result = mutual_info(x, generator.normal(size=600), method="ksg")
    assert "resemble each other" in result.certified.value.reason
    again = mutual_info(x, generator.normal(size=600), method="ksg", exchangeable=True)
    assert again.certified.value == 0.0


@pytest.mark.parametrize(
    ("n", "dim", "made"), [(8000, 1, True), (8001, 1, False), (6000, 5, True), (6001, 5, False)]
)
def test_the_bound_is_made_unasked_where_it_is_quick(n, dim, made):
    x, y = np.random.default_rng(0).normal(size=(2, n, dim))
    assert is_quick(*prepare_sides(x, y)) is made
