"""Ties and lattices: a few repeated values beside others, units, exact relations of few values, many categories."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pandas as pd
import pytest

from validstats.exceptions import SparseCellsWarning
from validstats.mi import LearnedMI, conditional_mutual_info, mutual_info, sides
from validstats.mi.anchors import ball_counts, ksg, mixed_ksg, plug_in, ross, scale_columns
from validstats.mi.conditional import conditional_ksg
from validstats.mi.sides import prepare_side


def zero_inflated(n, seed, share=0.04):
    generator = np.random.default_rng(seed)
    x, y = generator.standard_normal((2, n))
    zero = generator.random(n) < share
    x[zero] = y[zero] = 0.0
    return x, y


# --- a few repeated values --------------------------------------------------------------------------------


@pytest.mark.share(2)
@pytest.mark.parametrize("n", [2000, 8000])
def test_a_few_shared_zeros_do_not_make_the_neighbours_diverge(n) -> None:
    x, y = zero_inflated(n, seed=0)
    truth = -0.04 * np.log(0.04) - 0.96 * np.log(0.96)
    result = mutual_info(x, y, method="ksg")
    assert result.kind_x == result.kind_y == "continuous" and result.estimator == "mixture KSG, k = 3"
    assert result.estimate == pytest.approx(truth, abs=0.08)
    # Kraskov's own estimator takes the zeros for infinitely dense: 0.04 log n too much.
    assert ksg(x[:, None], y[:, None]) > truth + 0.15


def test_repeats_up_to_k_keep_the_estimator_of_kraskov() -> None:
    x, y = zero_inflated(1000, seed=1, share=0.0)
    x[:3] = y[:3] = 0.0
    y[10:30] = 1.0
    expected = ksg(*(scale_columns(side[:, None], "standard") for side in (x, y)))
    result = mutual_info(x, y, method="ksg")
    assert result.estimator == "KSG 1, k = 3" and result.unclipped == expected
    assert mutual_info(x, y, method="ksg", n_neighbors=2).estimator == "mixture KSG, k = 2"


@pytest.mark.slow
def test_a_few_zeros_in_one_class_are_counted_in_both() -> None:
    truth = np.log(2) + 0.02 * np.log(0.02) + 0.48 * np.log(0.48) + 0.5 * np.log(0.5)
    truth += -0.02 * np.log(0.02) - 0.98 * np.log(0.98)
    estimates = []
    for seed in range(4):
        generator = np.random.default_rng(seed)
        label = generator.integers(0, 2, size=4000)
        y = generator.standard_normal(4000)
        y[(label == 1) & (generator.random(4000) < 0.04)] = 0.0
        estimates.append(mutual_info(label, y, method="ksg").unclipped)
    assert np.mean(estimates) == pytest.approx(truth, abs=0.015)


def test_ross_counts_all_rows_at_distance_zero_by_hand() -> None:
    from scipy.special import digamma

    codes = np.array([0] * 6 + [1] * 5)
    values = np.array([0, 0, 0, 0, 0, 7.0, 0, 0, 3, 5, 9])
    got = ross(codes, values[:, None], 2)
    terms = [digamma(4) - digamma(6) - digamma(6)] * 5
    for i in (5, *range(6, 11)):
        same = [abs(values[i] - values[j]) for j in range(11) if j != i and codes[j] == codes[i]]
        radius = sorted(same)[1]
        within = sum(abs(values[i] - values[j]) < radius for j in range(11) if j != i)
        terms.append(digamma(2) - digamma(len(same) + 1) - digamma(within + 1))
    assert got == pytest.approx(digamma(11) + np.mean(terms), abs=1e-12)


# --- units ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lattice():
    generator = np.random.default_rng(0)
    x = generator.integers(0, 50, size=400)
    return x, np.round(x / 2 + generator.normal(0, 4, size=400))


@pytest.mark.share(2)
@pytest.mark.parametrize("scaling", ["none", "standard"])
def test_a_lattice_has_one_estimate_in_every_unit(lattice, scaling) -> None:
    x, y = lattice
    options = {"method": "ksg", "scaling": scaling}
    expected = mutual_info(x, y, **options).unclipped
    for unit in (0.1, 0.01, 1 / 3, 1e5):
        for origin in (0.0, 1000.0):
            got = mutual_info(x * unit + origin, y * unit - origin, **options).unclipped
            assert got == pytest.approx(expected, abs=1e-9)


def test_a_distant_origin_leaves_the_standardised_lattice(lattice) -> None:
    x, y = lattice
    expected = mutual_info(x, y, method="ksg").unclipped
    assert mutual_info(x + 1e9, y - 1e9, method="ksg").unclipped == pytest.approx(expected, abs=1e-9)


@pytest.mark.slow
def test_a_conditional_lattice_has_one_estimate_in_every_unit(lattice) -> None:
    x, y = lattice
    z = np.random.default_rng(1).integers(0, 20, size=400)
    rows = [side[:, None].astype(float) for side in (x, y, z)]
    expected = conditional_ksg(*rows)
    for unit in (0.1, 0.01, 1 / 3):
        assert conditional_ksg(*(side * unit for side in rows)) == pytest.approx(expected, abs=1e-9)
    shifted = conditional_mutual_info(x + 1e9, y, z / 3)
    assert shifted.unclipped == pytest.approx(conditional_mutual_info(x, y, z / 3).unclipped, abs=1e-9)


def test_balls_count_equal_distances_as_equal() -> None:
    rows = np.arange(4)[:, None] * 0.1
    closed, inside = ball_counts(rows, np.full(4, 0.1))
    assert closed.tolist() == [1, 2, 2, 1] and inside.tolist() == [0, 0, 0, 0]
    closed, inside = ball_counts(np.array([[0.0], [0.0], [1e-300]]), np.zeros(3))
    assert closed.tolist() == [1, 1, 0] and inside.tolist() == [0, 0, 0]


def test_the_mixture_estimate_is_the_plug_in_of_levels_in_any_unit() -> None:
    codes = np.repeat(np.arange(4), 100)
    value = mixed_ksg(codes[:, None] / 3, codes[:, None] / 7)
    assert value == pytest.approx(plug_in(codes, codes).plug_in, abs=0.02)


# --- the standard error -----------------------------------------------------------------------------------


def test_the_standard_error_does_not_depend_on_the_order_of_the_sides() -> None:
    generator = np.random.default_rng(2)
    x = generator.standard_normal(300)
    y = x + generator.standard_normal(300)
    order = generator.permutation(300)
    label = np.where(y > 0.5, "high", "low")
    for a, b in ((x, y), (x, label), (np.round(x, 1), np.column_stack([y, x**2]))):
        one, two = mutual_info(a, b, method="ksg"), mutual_info(b, a, method="ksg")
        assert one.std_error == pytest.approx(two.std_error, abs=1e-12) and one.std_error > 0
        shuffled = mutual_info(b[order], a[order], method="ksg")
        assert shuffled.std_error == pytest.approx(one.std_error, abs=1e-12)


# --- exact relations of few values ------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["gaussian", "cca"])
@pytest.mark.parametrize("noise", [0.0, 1e-9])
def test_few_values_bound_a_gaussian_value_by_their_entropy(method, noise) -> None:
    generator = np.random.default_rng(3)
    x = generator.integers(0, 30, size=200)
    y = 2 * x + 1 + noise * generator.standard_normal(200)
    for a, b in ((x, y), (y, x)):
        result = mutual_info(a, b, method=method, repeats="keep")
        assert not result.unbounded and 0 < result.estimate <= np.log(30)
        if noise:
            assert result.conf_low < result.estimate < result.conf_high < 4
    if noise == 0.0:
        assert result.estimator == "entropy of x, below the Gaussian value"
        assert "too few values to tell" in " ".join(str(result.summary(details=True)).split())


def test_ten_rows_in_one_order_have_a_finite_gaussian_value() -> None:
    a, b = np.sort(np.random.default_rng(4).standard_normal((2, 20)), axis=1)
    result = mutual_info(a, b, method="gaussian")
    assert result.estimate == pytest.approx(np.log(20)) and result.conf_low <= result.estimate
    assert mutual_info(np.arange(60.0), np.arange(60.0), method="gaussian").unbounded


def test_few_values_bound_a_conditional_gaussian_value() -> None:
    generator = np.random.default_rng(5)
    x = generator.integers(0, 30, size=200)
    z = generator.standard_normal(200)
    result = conditional_mutual_info(x, 2 * x + 1, z, method="gaussian")
    assert 2 < result.estimate <= np.log(30)
    by_level = conditional_mutual_info(x, 2 * x + 1, z > 0, method="gaussian")
    assert 2 < by_level.estimate <= np.log(30)


def test_strong_but_inexact_gaussian_relations_are_not_cut() -> None:
    x = np.random.default_rng(6).standard_normal((2, 60))
    result = mutual_info(x[0], x[0] + 5e-3 * x[1], method="cca")
    assert result.estimate > np.log(60) and result.estimator == "canonical correlations"


# --- many categories --------------------------------------------------------------------------------------


def test_many_texts_stay_codes_where_only_codes_are_read() -> None:
    texts = np.array([f"word {i // 2}" for i in range(4000)])
    values = np.random.default_rng(7).standard_normal(4000)
    tracemalloc.start()
    try:
        with pytest.warns(SparseCellsWarning):
            result = mutual_info(texts, texts[::-1], method="plug-in")
        repeated = np.repeat(texts[:2000], 2)
        mutual_info(repeated, values, method="ksg")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert result.estimate > 7 and peak < 30e6


def test_too_many_categories_are_refused_by_name(monkeypatch) -> None:
    monkeypatch.setattr(sides, "LARGEST_BLOCK", 1000)
    texts = np.array([f"word {i}" for i in range(60)])
    frame = pd.DataFrame({"text": texts, "number": np.arange(60.0) ** 2})
    with pytest.raises(ValueError, match=r"^x has 60 categories in 60 rows.*Merge rare categories"):
        LearnedMI().infer(frame, np.arange(60.0))


def test_sides_made_late_have_the_columns_of_sides_made_at_once() -> None:
    labels = np.array(list("abca" * 10))
    numbers = np.arange(40) % 7
    side = prepare_side(pd.DataFrame({"l": labels, "x": numbers}), "x")
    expected = np.column_stack([*(labels == level for level in "abc"), numbers]).astype(float)
    np.testing.assert_array_equal(side.rows, expected)
    assert side.width == 4 and side.numeric_columns.tolist() == [3]
    kept = labels != "b"
    np.testing.assert_array_equal(side.take(kept).rows, expected[kept][:, [0, 2, 3]])
    only = side.take(labels == "b")
    np.testing.assert_array_equal(only.rows, expected[labels == "b"][:, [3]])
    assert only.numeric_columns.tolist() == [0]
