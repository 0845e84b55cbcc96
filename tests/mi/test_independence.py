"""Permutation tests of independence: p-values, statistics, strata, early stopping."""

from __future__ import annotations

import joblib
import numpy as np
import pandas as pd
import pytest

from tests.oracles import mi_classical as oracle
from validstats.mi import LearnedMI, independence_test, mutual_info
from validstats.mi.anchors import plug_in
from validstats.mi.network import dependence_evidence, shipped_dependence_head
from validstats.mi.permutation import (
    Permuter,
    bind_statistic,
    distance_correlation,
    permutation_p_value,
    permuter,
)
from validstats.mi.sides import prepare_sides

NAMES = ["learned", "ksg", "gaussian", "cca", "histogram", "distance_correlation"]


@pytest.fixture(scope="module")
def parabola():
    generator = np.random.default_rng(0)
    x = generator.uniform(-1, 1, size=80)
    return x, x**2 + 0.2 * generator.standard_normal(80)


def test_distance_correlation_equals_the_oracle() -> None:
    generator = np.random.default_rng(1)
    x = generator.normal(size=(30, 2))
    y = x[:, :1] ** 2 + generator.normal(size=(30, 1))
    assert distance_correlation(x, y) == pytest.approx(oracle.distance_correlation(x, y), abs=1e-10)
    assert distance_correlation(x, 3 * x + 1) == pytest.approx(1.0)
    few = generator.normal(size=(12, 3))
    few[0] *= 50
    squares = few**2 + generator.normal(size=(12, 3))
    expected = oracle.distance_correlation(few, squares)
    assert distance_correlation(few, squares) == pytest.approx(expected, abs=1e-12)
    with pytest.raises(ValueError, match="at most 20,000 rows"):
        distance_correlation(np.arange(20_001.0), np.arange(20_001.0) ** 2)


@pytest.mark.parametrize("name", NAMES)
def test_bound_statistics_equal_those_of_reordered_rows(parabola, name) -> None:
    x, y = parabola
    order = np.random.default_rng(2).permutation(80)
    whole, permuted = prepare_sides(x, y), prepare_sides(x, y[order])
    expected = bind_statistic(name, *permuted)(np.arange(80))
    assert bind_statistic(name, *whole)(order) == pytest.approx(expected, abs=1e-12)


def test_bound_statistics_are_the_estimates(parabola) -> None:
    x, y = parabola
    identity = np.arange(80)
    sides = prepare_sides(x, y)
    assert bind_statistic("ksg", *sides)(identity) == mutual_info(x, y, method="ksg").unclipped
    assert bind_statistic("cca", *sides)(identity) == mutual_info(x, y, method="cca").unclipped
    coarse = prepare_sides(x > 0, y)
    assert bind_statistic("ksg", *coarse)(identity) == mutual_info(x > 0, y, method="ksg").unclipped


@pytest.mark.share(3)
@pytest.mark.parametrize("name", NAMES)
def test_the_p_value_counts_exceedances(parabola, name) -> None:
    x, y = parabola
    result = independence_test(x, y, statistic=name, n_permutations=19, random_state=3)
    assert result.p_value == (1 + (result.null >= result.statistic - 1e-12).sum()) / 20
    assert result.null.shape == (19,)
    assert result.p_value in np.arange(1, 21) / 20


def test_non_monotone_dependence_is_found_where_linear_statistics_fail(parabola) -> None:
    x, y = parabola
    assert independence_test(x, y, random_state=4, statistic="ksg", n_permutations=199).p_value == 0.005
    assert independence_test(x, y, statistic="cca", random_state=4).p_value > 0.05


def test_results_depend_on_the_seed_alone(parabola) -> None:
    x, y = parabola
    one = independence_test(x, y, n_permutations=60, random_state=5, statistic="ksg")
    with joblib.parallel_config(backend="threading", n_jobs=2):
        two = independence_test(x, y, n_permutations=60, random_state=5, statistic="ksg")
    np.testing.assert_array_equal(one.null, two.null)
    other = independence_test(x, y, n_permutations=60, random_state=6, statistic="ksg")
    assert not np.array_equal(one.null, other.null)


def test_permutations_are_keyed_by_number_and_respect_strata() -> None:
    strata = np.repeat([0, 1, 2], [5, 1, 14])
    permuter = Permuter.from_random_state(20, 7, strata)
    order = permuter.permutation(3)
    np.testing.assert_array_equal(order, permuter.permutation(3))
    np.testing.assert_array_equal(np.sort(order), np.arange(20))
    np.testing.assert_array_equal(strata[order], strata)
    assert not np.array_equal(order, permuter.permutation(4))


def test_strata_remove_what_they_explain() -> None:
    generator = np.random.default_rng(8)
    group = generator.integers(0, 4, size=200)
    x, y = group + 0.3 * generator.standard_normal((2, 200))
    marginal = independence_test(x, y, statistic="cca", n_permutations=99, random_state=0)
    given = independence_test(x, y, statistic="cca", strata=group, n_permutations=99, random_state=0)
    assert marginal.p_value == 0.01
    assert given.p_value > 0.05
    assert given.n_strata == 4 and "given strata" in str(given.summary())


def test_ties_among_permutations_count_as_exceedances() -> None:
    outcome = permutation_p_value(lambda order: 1.0, 1.0 + 1e-15, Permuter(10, 0), 9)
    assert outcome.p_value == 1.0


def test_early_stopping_follows_besag_and_clifford() -> None:
    values = iter([0.0, 2.0, 0.0, 3.0, 5.0, 5.0])
    outcome = permutation_p_value(lambda order: next(values), 1.0, Permuter(10, 0), 6, stop_after=3)
    assert (outcome.p_value, outcome.n_drawn, outcome.n_exceeding) == (3 / 5, 5, 3)
    values = iter([0.0, 2.0, 0.0])
    outcome = permutation_p_value(lambda order: next(values), 1.0, Permuter(10, 0), 3, stop_after=3)
    assert (outcome.p_value, outcome.n_drawn) == (2 / 4, 3)


def test_early_stopping_saves_work_where_nothing_depends() -> None:
    x, y = np.random.default_rng(9).standard_normal((2, 60))
    result = independence_test(x, y, statistic="gaussian", stop_after=10, n_permutations=999, random_state=0)
    assert result.n_permutations < 500
    assert result.p_value == 10 / result.n_permutations


def test_a_callable_serves_as_statistic(parabola) -> None:
    x, y = parabola

    def correlation(rows_x, rows_y):
        return abs(np.corrcoef(rows_x[:, 0] ** 2, rows_y[:, 0])[0, 1])

    result = independence_test(x, y, statistic=correlation, n_permutations=99, random_state=0)
    assert result.p_value == 0.01 and result.statistic_name == "correlation"


def test_a_callable_that_writes_into_its_arrays_changes_nothing(parabola) -> None:
    def tidy(rows_x, rows_y):
        return abs(np.corrcoef(rows_x[:, 0] ** 2, rows_y[:, 0])[0, 1])

    def careless(rows_x, rows_y):
        value = tidy(rows_x, rows_y)
        rows_x[:] = 0.5
        rows_y.sort(axis=0)
        return value

    x, y = parabola
    before = x.copy(), y.copy()
    one, two = (
        independence_test(x, y, statistic=f, n_permutations=39, random_state=0) for f in (tidy, careless)
    )
    np.testing.assert_array_equal(one.null, two.null)
    assert one.p_value == two.p_value == 1 / 40
    np.testing.assert_array_equal(x, before[0])
    np.testing.assert_array_equal(y, before[1])


def test_a_statistic_that_is_no_number_is_refused(parabola) -> None:
    """NaN exceeds nothing, so that it would count as evidence of dependence."""
    x, y = parabola
    with pytest.raises(ValueError, match="statistic returned NaN"):
        independence_test(x, y, statistic=lambda a, b: np.nan, n_permutations=19)
    calls = iter([1.0, 2.0, np.nan])
    with pytest.raises(ValueError, match="statistic returned NaN"):
        independence_test(x, y, statistic=lambda a, b: next(calls), n_permutations=19)
    with pytest.raises(TypeError, match="statistic must return a number, got None of type NoneType"):
        independence_test(x, y, statistic=lambda a, b: None, n_permutations=19)


def test_infinite_statistics_tie() -> None:
    x, y = np.random.default_rng(12).standard_normal((2, 30))
    result = independence_test(x, y, statistic=lambda a, b: np.inf, n_permutations=19, random_state=0)
    assert result.p_value == 1.0
    stopped = permutation_p_value(lambda order: np.inf, np.inf, Permuter(10, 0), 9, stop_after=2)
    assert (stopped.p_value, stopped.n_drawn) == (1.0, 2)
    wide = np.random.default_rng(13).standard_normal((12, 11))
    saturated = independence_test(wide, x[:12], statistic="cca", n_permutations=19, random_state=0)
    assert saturated.p_value == 1.0


def test_early_stopping_shows_progress(parabola, monkeypatch) -> None:
    seen = []

    def bar(items, total, description, verbose):
        seen.append((total, description, verbose))
        return items

    monkeypatch.setattr(permuter, "progress", bar)
    independence_test(
        *parabola, statistic="cca", n_permutations=30, stop_after=2, random_state=0, verbose=True
    )
    assert seen == [(30, "permutations", True)]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.filterwarnings("ignore::validstats.exceptions.ConstantColumnWarning")
def test_a_constant_side_ties_with_all_its_permutations(parabola, name) -> None:
    x, _ = parabola
    for pair in ((x, np.ones(80)), (np.ones(80), x)):
        result = independence_test(*pair, statistic=name, n_permutations=19, random_state=0)
        assert (result.statistic, result.p_value) == (0.0, 1.0)


@pytest.mark.parametrize("scale", [1e-200, 1e100, 1e139])
def test_distance_correlation_has_no_unit(parabola, scale) -> None:
    x, y = parabola
    assert distance_correlation(scale * x, scale * y) == pytest.approx(distance_correlation(x, y), abs=1e-9)
    assert distance_correlation(x + 1e6, y - 1e6) == pytest.approx(distance_correlation(x, y), abs=1e-8)


def test_which_statistic_serves_which_kinds(parabola) -> None:
    x, y = parabola
    identity = np.arange(80)
    levels, other = prepare_sides(x > 0, np.round(2 * y).astype(int), True, True)
    counted = plug_in(levels.codes, other.codes).plug_in
    for name in ("learned", "ksg", "histogram"):
        assert bind_statistic(name, levels, other)(identity) == pytest.approx(counted, abs=1e-14)
    one, two = prepare_sides(x > 0, y)
    weights = LearnedMI().fit().weights_.first
    for sides in ((one, two), (two, one)):
        rows = [s.rows if s.codes is None else s.codes[:, None].astype(float) for s in sides]
        expected = dependence_evidence(*rows, weights, shipped_dependence_head())
        assert bind_statistic("learned", *sides)(identity) == expected


def test_seeds_have_keys_of_their_own() -> None:
    keys = {Permuter.from_random_state(5, seed).seed for seed in range(200)}
    assert len(keys) == 200 and max(keys) > 2**60 and max(keys) < 2**63


def test_results_print_and_tabulate(parabola) -> None:
    x, y = parabola
    result = independence_test(pd.Series(x), y, n_permutations=19, random_state=0, statistic="ksg")
    assert list(result.tidy().columns) == ["term", "statistic", "p_value"]
    assert result.glance()["n_permutations"][0] == 19
    assert "What you can rely on" in str(result.summary())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"statistic": "hsic"}, "statistic must be one of"),
        ({"n_permutations": 0}, "n_permutations must be at least 1"),
        ({"stop_after": 5000}, "stop_after must be between 1 and 999"),
        ({"strata": np.arange(80)}, "Every row has a stratum of its own"),
        ({"strata": np.repeat([0, 1], 20)}, "x and strata must have the same number of rows"),
        ({"n_neighbors": 80}, "n_neighbors must be between 1 and 79"),
    ],
)
def test_bad_options_are_refused(parabola, options, message) -> None:
    with pytest.raises(ValueError, match=message):
        independence_test(*parabola, **{"statistic": "ksg", **options})


def test_the_learned_statistic_is_the_evidence_of_a_network(parabola) -> None:
    x, y = parabola
    result = independence_test(x, y, statistic="learned", n_permutations=19, random_state=1)
    assert result.statistic_name == "learned" and result.p_value == 0.05
    rows = np.asarray(x)[:, None], np.asarray(y)[:, None]
    assert result.statistic == dependence_evidence(
        *rows, LearnedMI().fit().weights_, shipped_dependence_head()
    )
