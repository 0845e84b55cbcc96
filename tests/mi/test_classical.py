"""Classical estimators against their oracles, against scikit-learn and against the reference implementation."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import special, stats
from scipy.special import digamma
from sklearn.feature_selection import mutual_info_classif, mutual_info_regression
from sklearn.metrics import mutual_info_score

from tests.oracles import mi_classical as oracle
from validstats.kernels import nearest_neighbours as kernels
from validstats.mi.anchors import discrete
from validstats.mi.anchors import neighbours as classical

REFERENCE = json.loads((Path(__file__).parent / "golden" / "ksg_reference.json").read_text())


def correlated(n, p, q, seed, weight=0.7):
    generator = np.random.default_rng(seed)
    shared = generator.standard_normal((n, 1))
    return (
        shared + weight * generator.standard_normal((n, p)),
        shared**2 + shared + weight * generator.standard_normal((n, q)),
    )


@pytest.mark.parametrize("case", REFERENCE["cases"])
def test_ksg_equals_the_reference_implementation(case) -> None:
    data = REFERENCE["data"][case["data"]]
    scaling = "standard" if case["standardize"] else "none"
    x, y = (classical.scale_columns(np.array(data[side]), scaling) for side in "xy")
    assert classical.ksg(x, y, case["n_neighbors"], case["metric"]) == pytest.approx(case["mi"], abs=1e-12)


@pytest.mark.parametrize("metric", ["chebyshev", "euclidean"])
@pytest.mark.parametrize("shape", [(60, 1, 1), (60, 3, 2), (40, 6, 7)])
def test_ksg_equals_the_oracle(shape, metric) -> None:
    x, y = correlated(*shape, seed=1)
    for k in (1, 4):
        assert classical.ksg(x, y, k, metric) == pytest.approx(oracle.ksg(x, y, k, metric), abs=1e-12)


@pytest.mark.parametrize("n", [50, 500, 5000])
def test_ksg_equals_scikit_learn(n) -> None:
    x, y = correlated(n, 1, 1, seed=n)
    ours = classical.ksg(classical.scale_columns(x, "standard"), classical.scale_columns(y, "standard"))
    assert ours == pytest.approx(mutual_info_regression(x, y[:, 0], random_state=0)[0], abs=1e-9)


def test_strict_inequality_leaves_the_neighbour_itself_out() -> None:
    x = np.arange(6.0)[:, None] ** 2
    radii = classical.neighbour_radii(x, np.zeros_like(x), 2)
    np.testing.assert_array_equal(radii, [4, 3, 4, 7, 9, 16])
    np.testing.assert_array_equal(classical.neighbour_counts(x, radii), [1, 1, 1, 1, 1, 1])


@pytest.mark.parametrize("dim", [1, 2, 9])
def test_trees_bisection_and_all_pairs_count_the_same(dim, monkeypatch) -> None:
    rows = np.random.default_rng(2).normal(size=(80, dim)).round(1)
    radii = np.random.default_rng(3).choice([0.0, 0.1, 0.5, 1.0], size=80)
    expected = oracle.counts_within(rows, radii)
    np.testing.assert_array_equal(kernels.counts_within(rows, radii, False), expected)
    monkeypatch.setattr(classical, "TREE_MIN_ROWS", 0)
    np.testing.assert_array_equal(classical.neighbour_counts(rows, radii), expected)
    empty = np.zeros((80, 0))
    by_tree = classical.neighbour_radii(rows, empty, 3)
    monkeypatch.setattr(classical, "TREE_MIN_ROWS", 10**9)
    monkeypatch.setattr(classical, "WIDE_TREE_MIN_ROWS", 10**9)
    np.testing.assert_array_equal(classical.neighbour_radii(rows, empty, 3), by_tree)


@pytest.mark.parametrize(("n", "dim"), [(600, 2), (600, 5), (700, 20)])
@pytest.mark.parametrize("ties", [False, True])
def test_trees_give_the_estimate_of_all_pairs(n, dim, ties, monkeypatch) -> None:
    x, y = correlated(n, dim, dim, seed=n)
    if ties:
        x, y = x.round(1), y.round(1)
    by_tree = classical.ksg(x, y)
    monkeypatch.setattr(classical, "TREE_MIN_ROWS", 10**9)
    assert by_tree == pytest.approx(classical.ksg(x, y), abs=1e-12)


@pytest.mark.parametrize("name", ["product_radii", "counts_within"])
def test_compiled_kernels_equal_their_python_text(name) -> None:
    rows = np.random.default_rng(4).normal(size=(25, 2)).round(1)
    other = np.ascontiguousarray(rows[::-1])
    radii = np.random.default_rng(5).uniform(0, 1, size=25).round(1)
    arguments = {
        "product_radii": (rows, other, 3, True),
        "counts_within": (rows, radii, True),
    }[name]
    kernel = getattr(kernels, name)
    plain = getattr(kernel, "py_func", kernel)
    np.testing.assert_array_equal(kernel(*arguments), plain(*arguments))


@pytest.mark.parametrize("kind", ["plain", "lattice", "atoms", "tails", "clusters"])
def test_counts_on_a_line_are_those_of_all_pairs_however_far_the_guess_is_off(kind, monkeypatch) -> None:
    generator = np.random.default_rng(6)
    values = generator.normal(size=400)
    if kind == "lattice":
        values = values.round(1)
    elif kind == "atoms":
        values[generator.random(400) < 0.5] = 0.0
    elif kind == "tails":
        values = np.exp(20 * values)
    elif kind == "clusters":
        values = 1e-6 * values + generator.integers(0, 3, size=400)
    gaps = np.abs(values[:, None] - values)
    # differences that occur, so that a neighbour lies at the radius exactly; none, and one beyond all others
    radii = np.column_stack([gaps[np.arange(400), generator.integers(0, 400, size=400)], gaps.max(axis=1)])
    radii = np.column_stack([radii, np.zeros(400), generator.choice([1e-9, 0.1, 1.0, 1e300], size=400)])
    expected = np.maximum((gaps[:, :, None] < radii[:, None]).sum(axis=1) - 1, 0)
    order = np.argsort(values)
    np.testing.assert_array_equal(classical.line_counts(values, radii, order), expected)
    found = np.empty(radii.shape, dtype=np.int64)
    kernel, twin = kernels.counts_within_sorted, kernels.counts_within_sorted_plain
    for count, steps in ((kernel.dispatcher, 64), (twin, 64), (kernel.py_func, 64), (kernel.py_func, 3)):
        monkeypatch.setattr(kernels, "_STEPS", steps)
        count(values[order], radii[order], found)
        np.testing.assert_array_equal(found, expected[order])


def test_normal_scores_do_not_feel_increasing_maps() -> None:
    x, y = correlated(200, 2, 1, seed=6)
    scores = classical.normal_scores(x)
    np.testing.assert_array_equal(scores, classical.normal_scores(np.exp(x)))
    assert (
        classical.normal_scores(np.array([[1.0], [1.0], [2.0]]))[0]
        == classical.normal_scores(np.array([[1.0], [1.0], [2.0]]))[1]
    )
    plain = classical.ksg(scores, classical.normal_scores(y))
    assert plain == classical.ksg(classical.normal_scores(x**3), classical.normal_scores(y))


def test_scaling_leaves_the_input_alone() -> None:
    rows = np.random.default_rng(7).normal(size=(20, 2))
    rows[:, 1] = 3.0
    before = rows.copy()
    for scaling in ("standard", "normal_scores", "none"):
        scaled = classical.scale_columns(rows, scaling)
        assert not np.shares_memory(scaled, rows)
    np.testing.assert_array_equal(rows, before)
    np.testing.assert_array_equal(classical.scale_columns(rows, "standard")[:, 1], 3.0)


def test_subsample_error_does_not_feel_the_order_of_rows_and_is_near_the_truth() -> None:
    x, y = correlated(200, 1, 1, seed=8)
    order = np.random.default_rng(9).permutation(200)
    rows = np.hstack([x, y])

    def error(a, b):
        return classical.subsample_standard_error(
            lambda part: classical.ksg(a[part], b[part]), np.hstack([a, b])
        )

    assert error(x, y) == pytest.approx(error(x[order], y[order]), abs=1e-12)
    estimates = [classical.ksg(*correlated(200, 1, 1, seed=100 + r)) for r in range(60)]
    assert 0.5 < error(x, y) / np.std(estimates) < 1.5
    assert rows.shape == (200, 2)


def hostile(kind, n, p, seed):
    """Rows of a kind that trees or ranks could stumble over."""
    generator = np.random.default_rng(seed)
    rows = generator.normal(size=(n, p))
    if kind == "lattice":
        rows = np.round(rows, 1)
    elif kind == "atoms":
        rows[generator.random(n) < 0.4] = 0.0
        rows[::7] *= -0.0
    elif kind == "tails":
        rows = np.exp(20 * rows)
    elif kind == "tiny":
        rows *= 1e-300
    elif kind == "columns":
        rows = np.asfortranarray(rows)
    return rows


KINDS = ["plain", "lattice", "atoms", "tails", "tiny", "columns"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (2, 3)])
def test_trees_find_the_radii_and_counts_of_all_pairs(kind, shape) -> None:
    n, (p, q) = 600, shape
    x, y = hostile(kind, n, p, seed=21), hostile(kind, n, q, seed=22)
    orders = np.array([1, 3, 8])
    radii = classical.tree_radii(np.hstack([x, y]), orders)
    sides = [np.ascontiguousarray(side) for side in (x, y)]
    for k, found in zip(orders.tolist(), radii.T, strict=True):
        assert np.array_equal(found, kernels.product_radii(*sides, k, False))
        assert np.array_equal(found, classical.neighbour_radii(x, y, k))
        for side in sides:
            expected = kernels.counts_within(side, np.ascontiguousarray(found), False)
            assert np.array_equal(classical.neighbour_counts(side, found), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_ranks_and_orders_are_those_of_scipy_and_numpy(kind) -> None:
    rows = hostile(kind, 300, 3, seed=23)
    for column in rows.T:
        assert np.array_equal(classical.midranks(column), stats.rankdata(column))
    for n in (1, 2):
        assert np.array_equal(classical.midranks(rows[:n, 0]), stats.rankdata(rows[:n, 0]))
    assert np.array_equal(classical.sorted_order(rows), np.lexsort(rows.T))
    scores = special.ndtri(stats.rankdata(rows, axis=0) / 301.0)
    np.testing.assert_array_equal(classical.normal_scores(rows), scores)


# --- Gaussian models --------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(50, 1, 1), (80, 3, 2)])
def test_gaussian_plug_in_equals_the_determinants(shape) -> None:
    x, y = correlated(*shape, seed=10)
    fit = classical.gaussian_plug_in(x, y)
    assert fit.value == pytest.approx(oracle.gaussian_mutual_information(x, y), abs=1e-10)
    assert (fit.rank_x, fit.rank_y) == shape[1:]


def test_bias_correction_is_the_expected_log_determinant() -> None:
    n, p, q = 30, 3, 2
    bias = oracle.wishart_log_determinant_bias
    expected = 0.5 * (bias(n, p) + bias(n, q) - bias(n, p + q))
    assert classical._wishart_bias(n, p, q) == pytest.approx(expected, abs=1e-12)
    generator = np.random.default_rng(11)
    draws = [
        classical.gaussian_plug_in(
            generator.normal(size=(n, p)), generator.normal(size=(n, q)), bias_correction=True
        ).value
        for _ in range(400)
    ]
    assert abs(np.mean(draws)) < 4 * np.std(draws) / 20


def test_gaussian_copula_is_invariant_and_ignores_duplicate_columns() -> None:
    x, y = correlated(100, 2, 2, seed=12)
    value = classical.gaussian_copula(x, y).value
    assert classical.gaussian_copula(np.exp(x), y**3).value == pytest.approx(value, abs=1e-12)
    assert classical.gaussian_copula(x[:, ::-1], y).value == pytest.approx(value, abs=1e-10)
    assert classical.gaussian_copula(y, x).value == pytest.approx(value, abs=1e-10)
    assert classical.gaussian_copula(np.hstack([x, x]), y).value == pytest.approx(value, abs=1e-8)


def test_exact_linear_dependence_is_infinite() -> None:
    x = np.random.default_rng(13).normal(size=(50, 3))
    assert classical.gaussian_plug_in(x, x @ np.array([[1.0], [2.0], [-1.0]])).value == np.inf


def test_too_few_rows_for_a_gaussian_fit_are_refused() -> None:
    x = np.random.default_rng(14).normal(size=(12, 6))
    with pytest.raises(ValueError, match="needs more rows than dimensions"):
        classical.gaussian_plug_in(x, x[::-1])


# --- discrete sides ---------------------------------------------------------------------------------------


def test_plug_in_equals_the_entropies_and_scikit_learn() -> None:
    generator = np.random.default_rng(15)
    x = generator.integers(0, 4, size=90)
    y = (x + generator.integers(0, 3, size=90)) % 5
    plain, corrected = oracle.plug_in(x.tolist(), y.tolist())
    fit = discrete.plug_in(x, y)
    assert fit.value == pytest.approx(corrected, abs=1e-12)
    assert fit.plug_in == pytest.approx(plain, abs=1e-12)
    assert fit.plug_in == pytest.approx(mutual_info_score(x, y), abs=1e-12)
    assert discrete.plug_in(x, y, miller_madow=False).value == pytest.approx(plain, abs=1e-12)
    assert fit.entropy_x == pytest.approx(oracle.entropy(x.tolist()), abs=1e-12)
    assert fit.plug_in <= min(fit.entropy_x, fit.entropy_y)


def test_plug_in_of_a_variable_with_itself_is_its_entropy() -> None:
    x = np.random.default_rng(16).integers(0, 4, size=90)
    assert discrete.plug_in(x, x).plug_in == pytest.approx(discrete.entropy(x), abs=1e-12)


def test_miller_madow_removes_the_bias_at_independence() -> None:
    generator = np.random.default_rng(17)
    raw, corrected = [], []
    for _ in range(300):
        x, y = generator.integers(0, 4, size=(2, 200))
        fit = discrete.plug_in(x, y)
        raw.append(fit.plug_in)
        corrected.append(fit.value)
    assert np.mean(raw) > 0.015
    assert abs(np.mean(corrected)) < 0.003


@pytest.mark.parametrize("dim", [1, 3])
def test_ross_equals_the_oracle(dim) -> None:
    generator = np.random.default_rng(18)
    codes = generator.integers(0, 3, size=60)
    codes[0] = 3
    rows = codes[:, None] + generator.normal(size=(60, dim))
    for k in (1, 3, 40):
        got = discrete.ross(codes, rows, k)
        assert got == pytest.approx(oracle.ross(codes.tolist(), rows, k), abs=1e-12)


def test_ross_equals_scikit_learn() -> None:
    generator = np.random.default_rng(19)
    codes = generator.integers(0, 4, size=300)
    rows = classical.scale_columns(codes[:, None] + generator.normal(size=(300, 1)), "standard")
    theirs = mutual_info_classif(rows, codes, discrete_features=False, random_state=0)[0]
    assert discrete.ross(codes, rows) == pytest.approx(theirs, abs=1e-9)


def test_ross_needs_a_level_that_occurs_twice() -> None:
    with pytest.raises(ValueError, match="Every level of the discrete side occurs only once"):
        discrete.ross(np.arange(12), np.random.default_rng(0).normal(size=(12, 1)))


def test_mixture_estimator_equals_the_oracle() -> None:
    generator = np.random.default_rng(20)
    x = np.maximum(generator.normal(size=(60, 1)), 0.0)
    y = np.round(x + generator.normal(size=(60, 2)), 0)
    for k in (1, 3):
        assert discrete.mixed_ksg(x, y, k) == pytest.approx(oracle.mixed_ksg(x, y, k), abs=1e-12)


def test_mixture_estimator_is_near_ksg_without_ties_and_near_the_plug_in_without_anything_else() -> None:
    x, y = correlated(300, 1, 1, seed=21)
    assert discrete.mixed_ksg(x, y) == pytest.approx(
        classical.ksg(x, y) + np.log(300) - digamma(300), abs=1e-12
    )
    codes = np.random.default_rng(22).integers(0, 3, size=(2000, 2))
    other = (codes[:, :1] + (codes[:, 1:] == 0)) % 3
    plain = discrete.plug_in(codes[:, 0], other[:, 0]).plug_in
    assert discrete.mixed_ksg(codes[:, :1].astype(float), other.astype(float)) == pytest.approx(
        plain, abs=0.01
    )


def test_mixture_estimator_finds_the_known_value_of_a_discrete_and_a_uniform_side() -> None:
    # Gao et al. (2017), experiment II: X uniform on m levels, Y uniform on [X, X + 2].
    generator = np.random.default_rng(23)
    x = generator.integers(0, 4, size=4000).astype(float)
    y = x + generator.uniform(0, 2, size=4000)
    truth = np.log(4) - 3 * np.log(2) / 4
    assert discrete.mixed_ksg(x[:, None], y[:, None]) == pytest.approx(truth, abs=0.06)


def test_a_lattice_does_not_look_like_dependence() -> None:
    generator = np.random.default_rng(25)
    lattice = generator.normal(scale=77, size=(440, 1)).round()
    side = generator.integers(0, 2, size=(440, 1)).astype(float)
    estimate = discrete.mixed_ksg(lattice / 77, 2 * side)
    assert abs(estimate) < 0.05
    # Open balls, as in the authors' code of the mixture estimator, report dependence.
    radii = classical.neighbour_radii(lattice / 77, 2 * side, 3)
    counts = [classical.neighbour_counts(rows, radii) + 1 for rows in (lattice / 77, 2 * side)]
    assert digamma(3) + np.log(440) - np.mean(digamma(counts[0]) + digamma(counts[1])) > 0.15


def test_bins_hold_equal_counts_and_keep_ties_together() -> None:
    values = np.random.default_rng(24).normal(size=(100, 1))
    np.testing.assert_array_equal(np.bincount(discrete.bin_columns(values, 4)), [25, 25, 25, 25])
    tied = np.repeat([1.0, 2.0, 3.0], [50, 25, 25])[:, None]
    assert len(np.unique(np.column_stack([tied[:, 0], discrete.bin_columns(tied, 4)]), axis=0)) <= 3
    assert discrete.bin_columns(np.hstack([values, values]), 4).max() == 3
