"""Statistics: exact invariances, kernels against their oracles, edge cases."""

from __future__ import annotations

import numpy as np
import pytest

from tests.oracles import mi as oracle
from validstats.kernels import local_geometry
from validstats.kernels.local_geometry import local_counts, pair_information_sums, same_class_counts
from validstats.mi import default_family
from validstats.mi.statistics import (
    ANCHOR_NAMES,
    CLASSICAL_ANCHORS,
    STATISTIC_NAMES,
    gaussian_bias,
    local,
    summarise_data,
)
from validstats.mi.statistics.linear import (
    break_common_ties,
    canonical_scores,
    cross_fitted_information,
    doubled_ranks,
    has_common_ties,
    linear_parts,
    normal_scores,
    side_labels,
)
from validstats.mi.statistics.local import (
    class_information,
    digamma_table,
    distance_correlation,
    pair_information,
)

ARRAYS = ("statistics", "anchors")


def some_sets(count, most_rows=600):
    family, index, found = default_family(), 0, []
    while len(found) < count:
        sample = family.sample(77, index)
        index += 1
        if sample.n <= most_rows:
            found.append(sample)
    return found


@pytest.mark.share(5)
@pytest.mark.parametrize("sample", some_sets(25), ids=lambda s: f"{s.family}-{s.n}")
def test_order_of_rows_columns_and_sides_changes_nothing(sample):
    generator = np.random.default_rng(sample.n)
    rows = generator.permutation(sample.n)
    x = sample.x[rows][:, generator.permutation(sample.x.shape[1])]
    y = sample.y[rows][:, generator.permutation(sample.y.shape[1])]
    one, two, swapped = summarise_data(sample.x, sample.y), summarise_data(x, y), summarise_data(y, x)
    for name in ARRAYS:
        assert np.array_equal(getattr(one, name), getattr(two, name), equal_nan=True), name
        assert np.array_equal(getattr(one, name), getattr(swapped, name), equal_nan=True), name


@pytest.mark.share(3)
@pytest.mark.parametrize("sample", some_sets(8), ids=lambda s: f"{s.family}-{s.n}")
def test_increasing_maps_change_nothing(sample):
    # Ranks divided by n are exact, so the maps keep the values distinct.
    x, y = (doubled_ranks(side) / 4096.0 for side in (sample.x, sample.y))
    one, two = summarise_data(x, y), summarise_data(np.exp(x), y**3)
    for name in ARRAYS:
        assert np.array_equal(getattr(one, name), getattr(two, name), equal_nan=True), name


@pytest.mark.slow
def test_decreasing_maps_change_little():
    changes = []
    for sample in some_sets(25):
        one, two = summarise_data(sample.x, sample.y), summarise_data(-sample.x, sample.y)
        changes.append(np.abs(one.anchors - two.anchors))
    classical, structure = np.split(np.array(changes), [len(CLASSICAL_ANCHORS)], axis=1)
    assert np.median(classical.max(axis=1)) < 1e-9
    assert classical.max() < 0.1
    # Trees cut the reflected columns at other places.
    assert np.nanmedian(structure) < 0.02


def test_inputs_are_not_mutated():
    sample = some_sets(1)[0]
    x, y = sample.x.copy(), sample.y.copy()
    summarise_data(x, y)
    assert np.array_equal(x, sample.x)
    assert np.array_equal(y, sample.y)


def test_copies_and_constants_are_left_out():
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(80, 2)), generator.normal(size=(80, 3))
    wide = np.column_stack([x, x[:, 0], -x[:, 1], np.full(80, 3.0)])
    one, two = summarise_data(x, y), summarise_data(wide, y)
    assert np.array_equal(one.statistics, two.statistics)
    assert canonical_scores(wide, y).dropped == 3
    with pytest.raises(ValueError, match="Every coordinate of Y is constant"):
        summarise_data(x, np.zeros((80, 2)))


@pytest.mark.parametrize("n", [10, 11, 37])
def test_small_and_wide_data_are_finite(n):
    generator = np.random.default_rng(n)
    summary = summarise_data(generator.normal(size=(n, 50)), generator.normal(size=(n, 45)))
    assert np.isfinite(summary.statistics).all()
    assert np.nanmin(summary.anchors) >= 0
    assert summary.statistics.shape == (len(STATISTIC_NAMES),)
    assert summary.anchors.shape == (len(ANCHOR_NAMES),)


def test_binary_data_are_finite():
    generator = np.random.default_rng(1)
    x = generator.integers(0, 2, (60, 3)).astype(float)
    summary = summarise_data(x, (x[:, :1] + generator.integers(0, 2, (60, 1))) % 2)
    assert np.isfinite(summary.statistics).all()
    assert summary.entropy_bound <= np.log(2) + 1e-12


@pytest.mark.parametrize("ties", [False, True])
def test_normal_scores_match_the_oracle(ties):
    column = np.random.default_rng(2).normal(size=40)
    if ties:
        column = np.round(column, 0)
    scores = normal_scores(doubled_ranks(column[:, None]))[:, 0]
    assert np.allclose(scores, oracle.normal_scores(column), atol=1e-12)
    assert np.array_equal(normal_scores(doubled_ranks(-column[:, None]))[:, 0], -scores) or ties


@pytest.mark.parametrize("euclidean", [0, 1])
@pytest.mark.parametrize("ties", [False, True])
def test_local_counts_match_the_oracle(euclidean, ties):
    generator = np.random.default_rng(3)
    x, y = generator.normal(size=(40, 2)), generator.normal(size=(40, 3))
    if ties:
        x, y = np.round(x), np.round(y[:, :1])
    x, y = np.ascontiguousarray(x), np.ascontiguousarray(y)
    orders = np.array([1, 3, 8, 20])
    got = local_counts(x, y, 12, orders, euclidean)
    want = oracle.local_counts(x, y, 12, orders, bool(euclidean))
    # Which of several equally near points is nearest is not defined, so ranks of prediction need no ties.
    columns = slice(0, 16) if ties else slice(0, 18)
    assert np.allclose(got[:, columns], want[:, columns], atol=1e-12)


@pytest.mark.parametrize("decimals", [8, 0])
def test_pair_information_matches_the_oracle(decimals):
    generator = np.random.default_rng(4)
    x = np.round(generator.normal(size=60), decimals)
    y = np.round(x + generator.normal(size=60), decimals)
    got = pair_information(x, y, (1, 3, 8))
    assert np.allclose(got, [oracle.pair_information(x, y, k) for k in (1, 3, 8)], atol=1e-12)


@pytest.mark.parametrize("kind", ["plain", "tails", "rounded", "lattice"])
def test_a_tree_gives_the_bits_of_the_walk_along_one_side(kind, monkeypatch):
    generator = np.random.default_rng(6)
    x = generator.normal(size=1_500)
    y = x + generator.standard_cauchy(size=1_500)
    if kind == "tails":
        x = np.exp(9 * x)
    elif kind == "rounded":
        x, y = np.round(x, 3), np.round(y, 2)
    elif kind == "lattice":
        x, y = np.round(x), np.round(y)  # radii of zero: the kernel answers
    for orders in ((3, 8), (3,), (1, 3, 8)):
        walked = pair_information(x, y, orders)
        monkeypatch.setattr(local, "TREE_ROWS", 10)
        assert pair_information(x, y, orders).tobytes() == walked.tobytes()
        monkeypatch.undo()


@pytest.mark.parametrize("decimals", [8, 1, 0])
def test_ties_are_broken_as_two_sorts_would(decimals):
    generator = np.random.default_rng(7)
    x, y = np.round(generator.normal(size=(80, 2)), decimals), np.round(generator.normal(size=(80, 1)), 8)
    scores = canonical_scores(x, y)
    found = break_common_ties(scores)
    drawn = np.random.default_rng([20_251_119, 80])
    for side in ("first", "second"):
        ranks = getattr(scores, f"ranks_{side}")
        noise = drawn.random(ranks.shape)
        order = [np.argsort(np.lexsort((noise[:, j], ranks[:, j]))) for j in range(ranks.shape[1])]
        broken = 2 * np.column_stack(order).astype(np.int64) - 79
        assert np.array_equal(getattr(found, f"ranks_{side}"), broken)
        assert getattr(found, side).tobytes() == normal_scores(broken).tobytes()


@pytest.mark.parametrize("euclidean", [0, 1])
@pytest.mark.parametrize("decimals", [8, 0])
@pytest.mark.parametrize("n", [4, 30])
def test_kernels_equal_their_plain_twins_in_all_bits(n, decimals, euclidean, monkeypatch):
    generator = np.random.default_rng(5)
    x, y = np.round(generator.normal(size=(2, n)), decimals)
    order = np.argsort(x, kind="stable")
    ranks = np.minimum([1, 3, 8, 20], n - 1)
    pair = (x, y, order, x[order], np.sort(y), ranks, digamma_table(n))
    first, second = np.column_stack([x, np.round(y)]), np.column_stack([y, x, generator.normal(size=n)])
    kernels = {name: getattr(local_geometry, name) for name in ("add_pair_terms", "add_counts")}
    twins = {name: getattr(local_geometry, f"{name}_plain") for name in kernels}
    said = []
    for attempt in (
        {name: kernel.dispatcher for name, kernel in kernels.items()},
        {name: kernel.py_func for name, kernel in kernels.items()},
        twins,
    ):
        for name, function in attempt.items():
            monkeypatch.setattr(local_geometry, name, function)
        said.append((pair_information_sums(*pair), local_counts(first, second, n - 1, ranks, euclidean)))
    for terms, counts in said[1:]:
        assert terms.tobytes() == said[0][0].tobytes()
        assert counts.tobytes() == said[0][1].tobytes()


def test_class_counts_equal_their_plain_function():
    generator = np.random.default_rng(5)
    label, side = generator.integers(0, 3, 30), generator.normal(size=(30, 2))
    plain_classes = getattr(same_class_counts, "py_func", same_class_counts)
    assert np.array_equal(same_class_counts(side, label, 9, 3), plain_classes(side, label, 9, 3))


def test_class_information_matches_the_oracle():
    generator = np.random.default_rng(6)
    label = generator.integers(0, 3, 50)
    side = generator.normal(size=(50, 2)) + label[:, None]
    assert class_information(side, label) == pytest.approx(
        oracle.class_information(side, label, 3), abs=1e-12
    )


def test_gaussian_bias_centres_the_plug_in():
    generator = np.random.default_rng(7)
    values = []
    for _ in range(400):
        rows = generator.normal(size=(60, 7))
        covariance = np.cov(rows.T)
        parts = [np.linalg.slogdet(c)[1] for c in (covariance[:3, :3], covariance[3:, 3:], covariance)]
        values.append(0.5 * (parts[0] + parts[1] - parts[2]))
    assert gaussian_bias(60, 3, 4) == pytest.approx(np.mean(values), abs=4 * np.std(values) / 20)
    assert gaussian_bias(8, 3, 4) == 0.0


def test_cross_fitting_sees_no_dependence_where_there_is_none():
    generator = np.random.default_rng(8)
    values = [
        cross_fitted_information(generator.normal(size=(60, 8)), generator.normal(size=(60, 8)), 0.3, 8)
        for _ in range(30)
    ]
    plain = [
        linear_parts(generator.normal(size=(60, 8)), generator.normal(size=(60, 8))).values["gauss_plain"]
        for _ in range(5)
    ]
    assert np.mean(values) < 0.1 < np.mean(plain)


def test_distance_correlation_is_centred_and_detects():
    generator = np.random.default_rng(9)
    x = generator.normal(size=(120, 2))
    null = [distance_correlation(x, generator.normal(size=(120, 2))) for _ in range(40)]
    assert abs(np.mean(null)) < 0.02
    assert distance_correlation(x, x**2) > 0.2


def test_labels_number_distinct_rows():
    rows = np.array([[1, 2], [1, 3], [1, 2], [0, 0]])
    label = side_labels(rows)
    assert label[0] == label[2]
    assert len(set(label.tolist())) == 3


def lattice_pair(n=300, levels=8, seed=0):
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(n, 2))
    y = np.column_stack([x[:, 0] + generator.normal(size=n), generator.normal(size=n)])
    return np.round(x * levels / 4), np.round(y * levels / 4)


def test_ties_on_both_sides_are_broken_in_an_order_of_their_own():
    generator = np.random.default_rng(3)
    x, y = lattice_pair()
    scores = canonical_scores(x, y)
    assert has_common_ties(scores)
    broken = break_common_ties(scores)
    for tied, free in ((scores.ranks_first, broken.ranks_first), (scores.ranks_second, broken.ranks_second)):
        assert all(len(np.unique(column)) == len(column) for column in free.T)
        gaps = np.subtract.outer(tied[:, 0], tied[:, 0]) > 0
        assert (np.subtract.outer(free[:, 0], free[:, 0]) > 0)[gaps].all()
    rows = generator.permutation(len(x))
    again = summarise_data(np.exp(y[rows][:, ::-1]), x[rows][:, ::-1])
    for name in ARRAYS:
        assert np.array_equal(getattr(summarise_data(x, y), name), getattr(again, name), equal_nan=True), name


def test_ties_on_one_side_alone_are_kept():
    x, y = lattice_pair()
    free = y + 1e-3 * np.random.default_rng(1).normal(size=y.shape)
    assert not has_common_ties(canonical_scores(x, free))
    assert has_common_ties(canonical_scores(x, y))


@pytest.mark.parametrize("n", [400, 3000])
def test_a_lattice_is_not_read_as_dependence(n):
    # Independent numbers rounded to tenths of their deviation: the nearest neighbours of mid-ranks see only coinciding points.
    generator = np.random.default_rng(n)
    x, y = np.round(generator.normal(size=(2, n, 1)) * 10)
    assert summarise_data(x, y).anchors[0] < 0.1
    tied = canonical_scores(x, y)
    counted = pair_information(tied.first[:, 0], tied.second[:, 0])
    assert max(counted) > 0.1


def test_the_plug_in_is_the_anchor_of_dense_cells_alone():
    generator = np.random.default_rng(4)
    dense = generator.integers(0, 3, size=(2, 400, 1)).astype(float)
    sparse = generator.integers(0, 60, size=(2, 400, 1)).astype(float)
    names = list(STATISTIC_NAMES)
    for (x, y), used in ((dense, True), (sparse, False)):
        summary = summarise_data(x, y)
        plug_in = summary.statistics[names.index("plug_in")]
        cells = len(np.unique(np.column_stack([x, y]), axis=0))
        assert summary.statistics[names.index("cell_rows")] == pytest.approx(np.log(400 / cells))
        assert (summary.anchors[0] == max(plug_in, 0.0)) == used
