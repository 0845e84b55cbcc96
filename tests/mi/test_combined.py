"""The combined and the conditional test of independence."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from validstats.kernels.permuted_sums import permuted_sums
from validstats.mi import conditional_independence_test, independence_test
from validstats.mi.permutation import (
    bind_combined,
    combine_ranks,
    inflation,
    left_out_fits,
    left_out_residuals,
    rotations,
)
from validstats.mi.permutation.residuals import smoothing_kernels, unpenalised_basis
from validstats.mi.sides import prepare_sides


def test_sums_over_pairs_equal_their_definition_and_their_python_text():
    generator = np.random.default_rng(0)
    matrices = [m + m.T for m in generator.normal(size=(4, 12, 12))]
    orders = np.stack([generator.permutation(12) for _ in range(3)])
    got = permuted_sums(*matrices, orders)
    a, k, b, q = matrices
    for row, order in zip(got, orders, strict=True):
        assert row[0] == pytest.approx((a * b[np.ix_(order, order)]).sum(), abs=1e-10)
        assert row[1] == pytest.approx((k * q[np.ix_(order, order)]).sum(), abs=1e-10)
    np.testing.assert_allclose(permuted_sums.py_func(*matrices, orders), got, atol=1e-12)


def test_ranks_are_joined_as_written():
    values = np.array([[3.0, 1.0], [2.0, 5.0], [1.0, 4.0]])
    ranks = np.array([[1, 3], [2, 1], [3, 2]])
    expected = ranks.min(axis=1) + 0.001 * np.log(ranks).mean(axis=1)
    np.testing.assert_allclose(combine_ranks(values), expected)


@pytest.mark.slow
def test_the_level_is_exact_for_ties_heavy_tails_and_labels():
    rejected, runs = 0, 200
    for seed in range(runs):
        generator = np.random.default_rng(seed)
        x = [
            generator.standard_cauchy((40, 2)),
            generator.integers(0, 3, 40),
            np.round(generator.normal(size=40)),
        ][seed % 3]
        y = [generator.integers(0, 2, 40), generator.standard_cauchy(40)][seed % 2]
        rejected += independence_test(x, y, n_permutations=39, random_state=seed).p_value <= 0.05
    assert binom.sf(rejected - 1, runs, 0.05) > 1e-3


@pytest.mark.parametrize("law", ["linear", "wave", "scale", "interaction"])
def test_dependence_of_many_kinds_is_found(law):
    generator = np.random.default_rng(1)
    x = generator.normal(size=(150, 2))
    noise = generator.normal(size=150)
    y = {
        "linear": 0.6 * x[:, 0] + noise, "wave": np.cos(4 * x[:, 0]) + 0.4 * noise,
        "scale": np.exp(np.abs(x[:, 0])) * noise, "interaction": x[:, 0] * x[:, 1] + 0.5 * noise,
    }[law]  # fmt: skip
    assert independence_test(x, y, n_permutations=199, random_state=0).p_value <= 0.01


def test_sequential_and_full_tests_agree_and_strata_are_kept():
    generator = np.random.default_rng(2)
    strata = np.repeat([0, 1], 60)
    x, y = strata + 0.3 * generator.normal(size=(2, 120))
    assert independence_test(x, y, n_permutations=99, random_state=0).p_value == 0.01
    assert independence_test(x, y, strata=strata, n_permutations=99, random_state=0).p_value > 0.05
    early = independence_test(
        x, generator.normal(size=120), n_permutations=500, stop_after=10, random_state=0
    )
    assert early.n_permutations < 500


@pytest.mark.slow
def test_of_many_rows_distances_are_held_for_a_subset_chosen_by_x_alone():
    generator = np.random.default_rng(3)
    x, y = generator.normal(size=(2, 2300))
    first = bind_combined(*prepare_sides(x, y), 0)
    second = bind_combined(*prepare_sides(x, y[::-1].copy()), 0)
    assert len(first.subset) == 2000
    assert np.array_equal(first.subset, second.subset)
    strata = first.strata(2300, None)
    assert strata is not None and strata.sum() == 2000


def test_a_series_is_rotated():
    shifts = rotations(50, 10, 1000, np.random.default_rng(0))
    assert sorted(int(order[-1] + 1) % 50 for order in shifts) == sorted((50 - s) % 50 for s in range(10, 41))
    generator = np.random.default_rng(4)
    series = np.zeros((300, 2))
    for t in range(1, 300):
        series[t] = 0.8 * series[t - 1] + generator.normal(size=2)
    result = independence_test(series[:, 0], series[:, 1], blocks="auto", random_state=0)
    assert result.block_length > 1 and result.guarantee.kind == "asymptotic"
    with pytest.raises(ValueError, match="whole series"):
        independence_test(series[:, 0], series[:, 1], blocks=5, stop_after=3)


def test_left_out_residuals_are_those_of_fits_without_the_row():
    generator = np.random.default_rng(5)
    z = generator.normal(size=(40, 1))
    y = np.sin(2 * z) + 0.3 * generator.normal(size=(40, 1))
    got = left_out_residuals(y, z)
    kernel, basis = smoothing_kernels(z)[0], unpenalised_basis(z)
    assert got.shape == (40, 1)
    assert 0.2 < got.std() < y.std()
    # Without a kernel: least squares on the basis without the row.
    hat = basis @ basis.T
    expected = (y - hat @ y)[:, 0] / (1 - np.diag(hat))
    keep = np.arange(40) != 7
    slopes = np.linalg.lstsq(basis[keep], y[keep], rcond=None)[0]
    assert expected[7] == pytest.approx(float((y[7] - basis[7] @ slopes)[0]), abs=1e-9)
    assert kernel.shape == (40, 40)


def test_conditional_dependence_is_found_and_a_common_cause_is_none():
    generator = np.random.default_rng(6)
    z = generator.normal(size=300)
    x, y = np.sin(2 * z) + 0.5 * generator.normal(size=(2, 300))
    common = conditional_independence_test(x, y, z, random_state=0)
    assert 0 < common.p_value <= 1 and "given Z" in common.answer
    assert independence_test(x, y, n_permutations=99, random_state=0).p_value == 0.01
    linked = conditional_independence_test(x, y + 0.7 * x, z, random_state=0)
    assert linked.p_value < 0.01
    with pytest.raises(ValueError, match="z is discrete"):
        conditional_independence_test(x, y, (z > 0).astype(int))
    with pytest.raises(ValueError, match="same number of rows"):
        conditional_independence_test(x, y, z[:200])


@pytest.mark.validity
def test_a_common_cause_is_rejected_no_more_often_than_the_level_and_always_without_z():
    """Many data sets, none chosen: rejections at .05 beside those of the test that does not know Z."""
    runs, rejected, naive = 250, 0, 0
    for seed in range(runs):
        generator = np.random.default_rng([6, seed])
        z = generator.normal(size=150)
        x, y = np.sin(2 * z) + 0.5 * generator.normal(size=(2, 150))
        rejected += conditional_independence_test(x, y, z, random_state=generator).p_value <= 0.05
        if seed < 20:
            naive += independence_test(x, y, n_permutations=19, random_state=generator).p_value <= 0.05
    assert binom.sf(rejected - 1, runs, 0.05) > 1e-3, rejected
    assert binom.sf(naive - 1, 20, 0.05) < 1e-3, naive


def test_products_of_residuals_spread_more_than_independent_ones_and_the_test_knows_it():
    """The naive way: multipliers take products of residuals of one wiggly fit for independent."""
    generator = np.random.default_rng(7)
    z = generator.normal(size=(120, 3))
    residuals, matrices = left_out_fits(
        generator.normal(size=(120, 2)) + np.cos(2 * z).sum(axis=1)[:, None], z
    )
    assert residuals.shape == (120, 2)
    maker = matrices[0]
    factor = inflation([maker], [maker])[0, 0]
    assert factor > 1.05
    noise = generator.normal(size=(2, 120, 4000))
    products = (maker @ noise[0]) * (maker @ noise[1])
    naive = np.sqrt((products.var(axis=1)).sum())
    assert products.sum(axis=0).std() / naive == pytest.approx(factor, rel=0.04)


def test_the_matrix_of_a_fit_makes_its_residuals():
    generator = np.random.default_rng(8)
    z = generator.normal(size=(60, 2))
    targets = np.sin(2 * z) + 0.3 * generator.normal(size=(60, 2))
    residuals, matrices = left_out_fits(targets, z)
    for j, matrix in enumerate(matrices):
        np.testing.assert_allclose(matrix @ targets[:, j], residuals[:, j], atol=1e-9)
