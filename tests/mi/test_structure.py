"""Candidates of structure: summaries, blocks, norms, tables; against oracles, and the naive methods that must fail."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import hypergeom

from tests.oracles import mi_classical as oracle
from validstats.mi import LearnedMI
from validstats.mi.anchors import (
    adjusted_plug_in,
    chosen_columns_plug_in,
    forest_means,
    interaction_strength,
    ksg,
    merge_rare,
    offered_columns,
    plug_in,
    polynomial_means,
    predicted_levels,
    rank_scores,
    reduce_predictions,
    side_targets,
    split_blocks,
    strongest_pairs,
    symmetric_columns,
)
from validstats.mi.anchors.blocks import pairwise_chi_squares
from validstats.mi.anchors.polynomials import RIDGES
from validstats.mi.anchors.tables import expected_plug_in
from validstats.mi.statistics import ANCHOR_NAMES, summarise_data


def ranks_of(rows):
    return np.argsort(np.argsort(rows, axis=0), axis=0)


def candidate(x, y, name):
    return float(summarise_data(x, y).anchors[ANCHOR_NAMES.index(name)])


def test_expected_plug_in_is_the_mean_over_permutations():
    generator = np.random.default_rng(0)
    x, y = generator.integers(0, 4, 60), generator.integers(0, 3, 60)
    counts_x, counts_y = np.bincount(x), np.bincount(y)
    plain = sum(
        hypergeom.pmf(k, 60, a, b) * k / 60 * np.log(60 * k / (a * b))
        for a in counts_x for b in counts_y for k in range(1, min(a, b) + 1)
    )  # fmt: skip
    assert expected_plug_in(counts_x, counts_y) == pytest.approx(plain, abs=1e-12)
    drawn = [plug_in(x, generator.permutation(y), miller_madow=False).value for _ in range(2000)]
    assert expected_plug_in(counts_x, counts_y) == pytest.approx(
        np.mean(drawn), abs=4 * np.std(drawn) / np.sqrt(2000)
    )


def test_adjusted_plug_in_is_zero_on_average_and_the_entropy_for_a_function():
    generator = np.random.default_rng(1)
    independent = [
        adjusted_plug_in(generator.integers(0, 12, 100), generator.integers(0, 6, 100))[0] for _ in range(200)
    ]
    assert abs(np.mean(independent)) < 4 * np.std(independent) / np.sqrt(200)
    x = generator.integers(0, 6, 200)
    assert adjusted_plug_in(x, x // 2)[0] == pytest.approx(plug_in(x, x // 2).entropy_y)
    naive = [
        plug_in(generator.integers(0, 12, 100), generator.integers(0, 6, 100)).plug_in for _ in range(50)
    ]
    assert np.mean(naive) > 0.2


def test_the_columns_that_matter_are_found_on_the_other_half():
    generator = np.random.default_rng(2)
    bits = generator.integers(0, 2, (500, 8))
    y = ((bits[:, 0] & bits[:, 4]) | bits[:, 6]) ^ (generator.random(500) < 0.06)
    halves = np.arange(250), np.arange(250, 500)
    value = chosen_columns_plug_in(list(bits.T), y.astype(np.int64), halves)
    assert value == pytest.approx(0.442, abs=0.1)
    noise = [
        chosen_columns_plug_in(
            list(generator.integers(0, 2, (500, 8)).T), generator.integers(0, 2, 500), halves
        )
        for _ in range(20)
    ]
    assert abs(np.mean(noise)) < 0.02


def test_predicted_levels_stay_below_the_truth_and_rare_levels_are_merged():
    generator = np.random.default_rng(3)
    x = generator.normal(size=(800, 2))
    y = (x[:, 0] + 0.5 * generator.normal(size=800) > 0).astype(np.int64)
    gain, probabilities = predicted_levels(offered_columns(rank_scores(x)), y)
    assert 0.2 < gain < 0.45
    assert np.allclose(probabilities.sum(axis=1), 1.0)
    assert len(np.unique(merge_rare(generator.integers(0, 40, 500)))) == 16


def test_chi_squares_by_one_product_are_those_of_each_pair():
    ranks = ranks_of(np.random.default_rng(4).normal(size=(150, 3)))
    squares = pairwise_chi_squares(ranks, 4)
    cells = ranks * 4 // 150
    for i in range(3):
        for j in range(3):
            table = np.zeros((4, 4))
            np.add.at(table, (cells[:, i], cells[:, j]), 1)
            expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / 150
            assert squares[i, j] == pytest.approx(((table - expected) ** 2 / expected).sum(), rel=1e-9)


@pytest.mark.parametrize("decimals", [8, 1])
def test_different_independent_blocks_are_rarely_joined(decimals):
    joined = 0
    for seed in range(120):
        generator = np.random.default_rng(seed)
        x = generator.normal(size=(200, 2)).round(decimals)
        y = (x + generator.normal(size=(200, 2))).round(decimals)
        noise = generator.random(x.shape), generator.random(x.shape)
        ranks = np.hstack(
            [np.argsort(np.lexsort((u, v), axis=0), axis=0) for u, v in zip(noise, (x, y), strict=True)]
        )
        split = split_blocks(ranks, 2)
        joined += split.block_of[0] == split.block_of[1]
    assert joined <= 6


def test_aligned_pairs_add_up_over_their_blocks():
    generator = np.random.default_rng(5)
    x = generator.normal(size=(1000, 4))
    y = np.sin(1.3 * x + 0.4 * np.arange(4)) + 0.4 * generator.normal(size=(1000, 4))
    assert candidate(x, y, "blocks") == pytest.approx(2.431, rel=0.1)
    assert candidate(x, y, "ksg") < 0.6 * 2.431


def test_pairwise_independent_blocks_that_are_not_mutually_so_are_seen():
    """x3 = |z| sign(x1 x2): no pair of columns depends on each other, and a sum over blocks would be too large."""
    generator = np.random.default_rng(6)
    x = generator.normal(size=(500, 3))
    free = interaction_strength(x, np.arange(3))
    x[:, 2] = np.abs(x[:, 2]) * np.sign(x[:, 0] * x[:, 1])
    assert interaction_strength(x, np.arange(3)) > 0.15 > 10 * free


def test_summaries_of_rows_that_grew_the_trees_show_dependence_where_there_is_none():
    generator = np.random.default_rng(7)
    left_out, naive = [], []
    for _ in range(6):
        x, y = generator.normal(size=(200, 6)), generator.normal(size=(200, 1))
        targets, columns = side_targets(y), offered_columns(x)
        summary = reduce_predictions(forest_means(columns, targets), targets, 2)
        left_out.append(ksg(rank_scores(summary), y))
        # The naive method: each row asked twice, and its copy grew the trees.
        doubled = forest_means(np.vstack([columns, columns]), np.vstack([targets, targets]), 200)[200:]
        naive.append(ksg(rank_scores(reduce_predictions(doubled, targets, 2)), y))
    assert np.mean(left_out) < 0.1
    assert np.mean(naive) > 0.3


@pytest.mark.parametrize(("n", "dim", "n_targets"), [(60, 3, 2), (97, 12, 1), (250, 1, 3)])
def test_polynomials_are_cross_fitted_ridge_regressions(n, dim, n_targets):
    generator = np.random.default_rng([n, dim])
    rows = generator.normal(size=(n, dim))
    targets = generator.normal(size=(n, n_targets)) + rows[:, :1] ** 2
    targets -= targets.mean(axis=0)
    np.testing.assert_allclose(
        polynomial_means(rows, targets), oracle.polynomial_means(rows, targets, RIDGES), rtol=1e-7, atol=1e-9
    )


@pytest.mark.slow
def test_a_ridge_for_each_fifth_would_show_dependence_where_there_is_none():
    """Both sides would tell the fifths apart by the size of what is predicted."""
    generator = np.random.default_rng(17)
    common, naive = [], []
    for _ in range(4):
        x, y = generator.normal(size=(1000, 6)), generator.normal(size=(1000, 1))
        to_x, to_y = side_targets(x), side_targets(y)
        for found, own in ((common, False), (naive, True)):
            of_x, of_y = (
                rank_scores(
                    reduce_predictions(oracle.polynomial_means(rows, targets, RIDGES, own), targets, 2)
                )
                for rows, targets in ((x, to_y), (y, to_x))
            )
            found.append(ksg(of_x, of_y, 3))
    assert np.mean(common) < 0.05
    assert np.mean(naive) > 2 * max(np.mean(common), 0.03)


def test_indices_find_norms_of_unequal_columns_and_one_of_many():
    """y = 1.2 |s x| + .3 e with standard deviations .3 to 2 (truth 1.46 by the norm itself), and a cubic of one of twenty (.697)."""
    generator = np.random.default_rng(18)
    x = generator.normal(size=(1000, 12)) * np.linspace(0.3, 2.0, 12)
    norm = np.linalg.norm(x, axis=1, keepdims=True)
    y = 1.2 * norm + 0.3 * generator.normal(size=(1000, 1))
    truth = ksg(norm, y)
    assert candidate(x, y, "index") == pytest.approx(truth, abs=0.2)
    assert candidate(x, y, "radius") < candidate(x, y, "summary") < truth - 0.5
    x = generator.normal(size=(1000, 20))
    y = x[:, 4:5] ** 3 - 3 * x[:, 4:5] + generator.normal(size=(1000, 1))
    assert candidate(x, y, "index") == pytest.approx(0.697, abs=0.12)
    assert candidate(x, y, "summary") < 0.56


@pytest.mark.parametrize("dim", [2, 7])
def test_symmetric_functions_are_those_of_their_definitions(dim):
    generator = np.random.default_rng([19, dim])
    rows = rank_scores(generator.standard_t(2, size=(150, dim)))
    np.testing.assert_allclose(
        symmetric_columns(rows), rank_scores(oracle.symmetric_functions(rows)), rtol=0, atol=1e-12
    )
    np.testing.assert_array_equal(symmetric_columns(rows[:, :1]), rows[:, :1])
    others = rank_scores(np.column_stack([rows.max(axis=1), generator.normal(size=150), rows[:, 0] ** 2]))
    functions = symmetric_columns(rows)
    pairs = [tuple(pair) for pair in strongest_pairs(functions, others, 5).tolist()]
    assert pairs == oracle.strongest_pairs(functions, others, 5)
    assert pairs[0] == (4, 0)


@pytest.mark.parametrize("kind", ["norm of uniform columns", "sum of sizes", "largest"])
def test_symmetric_functions_of_many_columns_are_found(kind):
    """Of ten columns, when no single column, forest or whitened norm shows as much."""
    generator = np.random.default_rng(20)
    x = generator.normal(size=(1000, 10))
    if kind == "norm of uniform columns":
        x = generator.uniform(-1, 1, size=x.shape)
        value = np.linalg.norm(x, axis=1)
    elif kind == "sum of sizes":
        value = np.abs(x).sum(axis=1)
    else:
        value = x.max(axis=1)
    value = (value - value.mean()) / value.std()
    y = (value + 0.2 * generator.normal(size=1000))[:, None]
    found = dict(zip(ANCHOR_NAMES, summarise_data(x, y).anchors, strict=True))
    assert found["symmetric"] == pytest.approx(ksg(value[:, None], y), abs=0.25)
    assert max(found[name] for name in ("radius", "summary", "ksg")) < found["symmetric"] - 0.1


def test_symmetric_functions_of_independent_sides_say_little():
    generator = np.random.default_rng(21)
    found = [
        candidate(generator.normal(size=(200, 6)), generator.normal(size=(200, 3)), "symmetric")
        for _ in range(6)
    ]
    assert np.mean(found) < 0.08


def test_norms_and_tables_are_found():
    generator = np.random.default_rng(8)
    x = generator.normal(size=(1500, 12))
    y = 1.2 * np.linalg.norm(x, axis=1, keepdims=True) + 0.3 * generator.normal(size=(1500, 1))
    assert candidate(x, y, "radius") == pytest.approx(1.086, abs=0.12)
    levels = generator.integers(0, 4, (1500, 5)).astype(float)
    answer = np.abs(levels[:, :1] - levels[:, 3:4])
    assert candidate(levels, answer, "chosen_columns") == pytest.approx(1.255, abs=0.1)


def test_ties_are_not_broken_by_position():
    """Binary y independent of sorted x: equal ranks by position would make them dependent (chi-square p = 3e-67)."""
    generator = np.random.default_rng(9)
    values = []
    for _ in range(5):
        x, y = (
            np.sort(generator.normal(size=(400, 2)), axis=0),
            generator.integers(0, 2, (400, 1)).astype(float),
        )
        values.append(LearnedMI().predict(x, y))
    assert np.median(values) < 0.03


@pytest.mark.parametrize("copies", [2, 4])
def test_copies_of_a_pair_side_by_side_add_up(copies):
    generator = np.random.default_rng(copies)
    x = generator.normal(size=(1000, copies))
    y = np.log(np.abs(x) + 0.2) + 0.3 * generator.normal(size=(1000, copies))
    single = LearnedMI().predict(x[:, 0], y[:, 0])
    assert LearnedMI().predict(x, y) == pytest.approx(copies * single, rel=0.15)


def test_rounded_measurements_are_not_read_as_a_table():
    """A lattice of a hundred values on each side fills nearly as many cells as there are rows."""
    generator = np.random.default_rng(10)
    x = generator.normal(size=(800, 1))
    y = 0.5 * x + generator.normal(size=(800, 1))
    fine = LearnedMI().predict(x, y)
    coarse = summarise_data(np.round(x, 1), np.round(y, 1))
    assert np.isnan(coarse.anchors[ANCHOR_NAMES.index("table")])
    assert LearnedMI().predict(np.round(x, 1), np.round(y, 1)) == pytest.approx(fine, abs=0.06)
