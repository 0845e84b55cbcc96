"""One call for every estimator: dispatch on kinds, bounds, units, input forms and bad input."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse, stats
from sklearn.feature_selection import mutual_info_classif, mutual_info_regression

from validstats.exceptions import ConstantColumnWarning, SparseCellsWarning, SupportWarning
from validstats.mi import (
    LearnedMI,
    conditional_mutual_info,
    independence_test,
    methods,
    mutual_info,
    mutual_info_matrix,
    sides,
)
from validstats.mi.sides import is_functional, prepare_side, prepare_sides

METHODS = ["ksg", "gaussian", "cca", "histogram"]


@pytest.fixture(scope="module")
def pair():
    generator = np.random.default_rng(0)
    x = generator.standard_normal(300)
    return x, 0.8 * x + 0.6 * generator.standard_normal(300)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_is_near_the_truth_for_a_gaussian_pair(pair, method) -> None:
    result = mutual_info(*pair, method=method)
    assert result.estimate == pytest.approx(-0.5 * np.log(1 - 0.64), abs=0.12)
    assert 0 <= result.conf_low <= result.estimate <= result.conf_high
    assert result.method == method and float(result) == result.estimate
    assert (result.kind_x, result.kind_y, result.dim_x, result.n_samples) == (
        "continuous",
        "continuous",
        1,
        300,
    )


def test_ksg_matches_scikit_learn(pair) -> None:
    x, y = pair
    theirs = mutual_info_regression(x[:, None], y, random_state=0)[0]
    assert mutual_info(x, y, method="ksg").estimate == pytest.approx(theirs, abs=1e-9)
    label = (y > 0).astype(int)
    theirs = mutual_info_classif(x[:, None], label, random_state=0)[0]
    assert mutual_info(x, label, method="ksg").estimate == pytest.approx(theirs, abs=1e-9)


@pytest.mark.share(2)
@pytest.mark.parametrize("method", METHODS)
def test_swapping_sides_and_reordering_rows_and_columns_changes_nothing(method) -> None:
    generator = np.random.default_rng(1)
    x = generator.standard_normal((200, 2))
    y = x[:, :1] + generator.standard_normal((200, 1))
    order = generator.permutation(200)
    reference = mutual_info(x, y, method=method)
    for other in (
        mutual_info(y, x, method=method),
        mutual_info(x[order], y[order], method=method),
        mutual_info(x[:, ::-1], y, method=method),
    ):
        assert other.estimate == pytest.approx(reference.estimate, abs=1e-10)


@pytest.mark.parametrize("method", ["gaussian", "histogram", "ksg"])
def test_increasing_maps_change_nothing_on_ranks(pair, method) -> None:
    x, y = pair
    options = {"scaling": "normal_scores"} if method == "ksg" else {}
    plain = mutual_info(x, y, method=method, **options)
    mapped = mutual_info(np.exp(x), y**3, method=method, **options)
    assert mapped.estimate == pytest.approx(plain.estimate, abs=1e-10)


def test_units() -> None:
    generator = np.random.default_rng(2)
    x = generator.integers(0, 2, size=100)
    nats, bits = mutual_info(x, x), mutual_info(x, x, unit="bits")
    assert bits.estimate == pytest.approx(nats.estimate / np.log(2))
    assert bits.upper_bound == pytest.approx(1.0, abs=0.05)
    assert bits.conf_high == pytest.approx(nats.conf_high / np.log(2))


# --- kinds of sides ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (np.arange(100.0), "continuous"),
        (np.arange(100) % 7, "discrete"),
        (np.arange(100) % 30, "mixed"),
        (np.arange(100) % 2 == 0, "discrete"),
        (["a", "b"] * 50, "discrete"),
        (pd.Series(["a", "b"] * 50, dtype="category"), "discrete"),
        (np.array([1.5, 2.5] * 50, dtype=object), "discrete"),
        (np.maximum(np.linspace(-1, 1, 100), 0), "mixed"),
        (np.column_stack([np.arange(100.0), np.arange(100) % 2]), "mixed"),
        (np.column_stack([np.arange(100) % 3, np.arange(100) % 2]), "discrete"),
        (pl.DataFrame({"a": ["u", "v"] * 50, "b": [0, 1] * 50}), "discrete"),
    ],
)
def test_kinds_are_found_from_the_values(values, kind) -> None:
    assert prepare_side(values, "x").kind == kind


def test_a_declared_kind_wins(pair) -> None:
    x, y = pair
    rating = np.clip(np.round(y * 2), -3, 3)
    assert mutual_info(x, rating, method="ksg").estimator.startswith("discrete-continuous")
    assert mutual_info(x, rating, discrete_y=False, method="ksg").estimator.startswith("mixture KSG")
    assert mutual_info(x, rating, discrete_y=False, method="gaussian").estimate > 0.2
    levels = prepare_side(np.repeat(np.arange(20.0), 2), "x", True)
    assert levels.kind == "discrete" and levels.codes.max() == 19


def test_estimators_follow_the_kinds(pair) -> None:
    x, y = pair
    coarse, text = x > 0, np.where(y > 0, "yes", "no")
    assert mutual_info(x, y, method="ksg").estimator == "KSG 1, k = 3"
    assert mutual_info(coarse, y, method="ksg").estimator == "discrete-continuous (Ross), k = 3"
    assert mutual_info(np.maximum(x, 0), y, method="ksg").estimator == "mixture KSG, k = 3"
    for method in METHODS:
        assert mutual_info(coarse, text, method=method).estimator == "plug-in, Miller-Madow"


def test_mutual_information_is_at_most_the_entropy_of_a_discrete_side(pair) -> None:
    x, _ = pair
    sign = x > 0
    for method in ("ksg", "histogram", "learned"):
        result = mutual_info(sign, x, method=method)
        assert result.estimate <= result.upper_bound < np.log(2)
        assert result.estimate > 0.6


@pytest.mark.parametrize("method", ["learned", "ksg"])
def test_the_entropy_in_the_sample_does_not_cut_the_interval(pair, method) -> None:
    """I(sign X; X) is log 2, and the entropy of the signs in a sample is nearly always less."""
    x, _ = pair
    sign = x > 0
    result = mutual_info(sign, x, method=method)
    assert result.conf_low <= result.estimate <= result.upper_bound < np.log(2) < result.conf_high
    matrix = mutual_info_matrix(pd.DataFrame({"s": sign, "x": x}), method=method, intervals=True)
    assert matrix.conf_high[0, 1] == result.conf_high and type(result.conf_high) is float
    counted = mutual_info(sign, sign, method="plug-in")
    assert counted.estimate == counted.upper_bound < counted.conf_high


def test_negative_estimates_are_clipped_and_said() -> None:
    generator = np.random.default_rng(5)
    results = [mutual_info(*generator.standard_normal((2, 60)), method="ksg") for _ in range(12)]
    negative = [r for r in results if r.unclipped < 0]
    assert negative
    assert all(r.estimate == 0.0 and r.conf_low == 0.0 for r in negative)
    assert "never negative" in str(negative[0].summary())


def test_relabelling_categories_changes_nothing(pair) -> None:
    x, _ = pair
    group = np.digitize(x, [-1, 0, 1])
    renamed = np.array(["d", "a", "c", "b"])[group]
    noise = np.random.default_rng(6).standard_normal(300) + x
    assert mutual_info(renamed, noise, method="ksg").estimate == pytest.approx(
        mutual_info(group, noise, method="ksg").estimate, abs=1e-12
    )
    beside = pd.DataFrame({"g": renamed, "z": noise})
    swapped = pd.DataFrame({"g": np.array(["b", "d", "a", "c"])[group], "z": noise})
    one = mutual_info(beside, x + 0.1 * noise, method="ksg").estimate
    assert mutual_info(swapped, x + 0.1 * noise, method="ksg").estimate == pytest.approx(one, abs=1e-12)


# --- exact relations --------------------------------------------------------------------------------------


@pytest.mark.share(2)
@pytest.mark.parametrize("method", METHODS)
def test_a_functional_relation_is_reported_as_unbounded(pair, method) -> None:
    x, y = pair
    both = np.column_stack([x, y])
    for left, right in (
        (x, x),
        (x, -(x**3)),
        (both, np.column_stack([np.exp(x), x * y])),
        (both, 2 * x - 3 * y),
    ):
        result = mutual_info(left, right, method=method)
        assert result.unbounded and result.estimate == np.inf
        assert np.isnan(result.low) and not result.conf_low
    assert "unbounded" in str(mutual_info(x, x).summary())


def test_strong_but_inexact_relations_stay_finite(pair) -> None:
    x, y = pair
    result = mutual_info(x, x + 1e-3 * y, method="ksg")
    assert not result.unbounded and 2 < result.estimate < 8
    shared = np.random.default_rng(7).integers(0, 2, size=300)
    sides = prepare_sides(np.column_stack([x, shared]), np.column_stack([y[::-1], shared]))
    assert not is_functional(*sides)


def test_few_values_in_the_same_order_are_no_exact_relation() -> None:
    """Ten rows may be in one order by chance, and two sides of few levels have bounded information."""
    generator = np.random.default_rng(8)
    a, b = np.sort(generator.standard_normal((2, 49)), axis=1)
    for n in (10, 49):
        assert not mutual_info(a[:n], b[:n], method="ksg").unbounded
    assert mutual_info(*np.sort(generator.standard_normal((2, 50)), axis=1), method="ksg").unbounded
    coin, rating = np.array([0, 1, 1] * 5), np.arange(40) % 5
    for levels in (coin, rating):
        assert prepare_side(levels, "x").kind == "mixed"
        assert np.isfinite(mutual_info(levels, levels, method="ksg").estimate)
        assert np.isfinite(mutual_info(levels, 1 - levels, method="ksg").estimate)


@pytest.mark.parametrize("n", [10, 20])
def test_equal_columns_are_unbounded_from_few_rows_on(n) -> None:
    x = np.random.default_rng(9).standard_normal(n)
    for right in (x, 3 - 2 * x):
        assert mutual_info(x, right, method="ksg").unbounded
        assert LearnedMI().infer(x, right).estimate == np.inf


def test_a_censored_column_is_unbounded_with_itself(pair) -> None:
    x, _ = pair
    assert mutual_info(np.maximum(x, 0), np.maximum(x, 0), method="ksg").unbounded
    assert mutual_info(np.maximum(x, 0), np.exp(np.maximum(x, 0)), method="ksg").unbounded


# --- input forms ------------------------------------------------------------------------------------------


def test_input_forms_agree_and_inputs_are_not_changed(pair) -> None:
    x, y = pair
    before = x.copy(), y.copy()
    reference = mutual_info(x, y, method="ksg").estimate
    for left, right in (
        (x.tolist(), y[:, None]),
        (pd.Series(x), pl.Series(y)),
        (pd.DataFrame({"a": x}), pl.DataFrame({"b": y})),
        (np.array(x, dtype=object), y),
    ):
        assert mutual_info(left, right, method="ksg").estimate == reference
    np.testing.assert_array_equal(x, before[0])
    np.testing.assert_array_equal(y, before[1])


def test_results_come_in_the_frame_library_of_x(pair) -> None:
    x, y = pair
    assert isinstance(mutual_info(pl.Series(x), y, method="ksg").tidy(), pl.DataFrame)
    tidy = mutual_info(x, y, method="ksg").tidy()
    assert list(tidy.columns) == ["term", "estimate", "std_error", "conf_low", "conf_high", "certified"]
    assert mutual_info(x, y, method="ksg").glance()["estimator"][0] == "KSG 1, k = 3"
    assert mutual_info(x, y, method="ksg").to_dict()["overall"]["n"] == 300
    text = str(mutual_info(x > 0, y, unit="bits", method="ksg").summary())
    assert "Upper bound" in text and "bits" in text and "0x" not in text


# --- bad input --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "y", "error", "message"),
    [
        (np.arange(9.0), np.arange(9.0), ValueError, "needs at least 10 rows, x has 9"),
        ([], [], ValueError, "needs at least 10 rows, x has 0"),
        (np.arange(20.0), np.arange(19.0), ValueError, "same number of rows; x has 20, y has 19"),
        (np.r_[np.nan, np.arange(19.0)], np.arange(20.0), ValueError, r"x has 1 missing value\(s\) \(NaN\)"),
        (np.arange(20.0), np.r_[np.inf, np.arange(19.0)], ValueError, r"y has 1 infinite value"),
        ([None, *"abcdefghijk"], np.arange(12.0), ValueError, "x has 1 missing value"),
        (pd.Series([pd.NA, *range(11)], dtype="Int64"), np.arange(12.0), ValueError, "x has 1 missing value"),
        (np.zeros((20, 2, 2)), np.arange(20.0), ValueError, "one or two dimensions"),
        (np.zeros((20, 0)), np.arange(20.0), ValueError, "x has no columns"),
        (sparse.eye(20), np.arange(20.0), TypeError, "x is a sparse matrix"),
        (np.arange(20.0) * 1j, np.arange(20.0), TypeError, "x is complex"),
        (
            np.arange(20).astype("datetime64[D]"),
            np.arange(20.0),
            TypeError,
            "x holds dates or durations",
        ),
        (np.ma.masked_less(np.arange(20.0), 3), np.arange(20.0), ValueError, r"x has \d+ masked value"),
    ],
)
def test_bad_data_are_refused_with_a_reason(x, y, error, message) -> None:
    with pytest.raises(error, match=message):
        mutual_info(x, y)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "mine"}, "method must be one of"),
        ({"unit": "hartley"}, "unit must be one of"),
        ({"scaling": "robust"}, "scaling must be one of"),
        ({"confidence_level": 90}, "confidence_level must be strictly between 0 and 1"),
        ({"n_neighbors": 0}, "n_neighbors must be between 1 and 299"),
        ({"n_neighbors": 300}, "n_neighbors must be between 1 and 299"),
        ({"discrete_x": "maybe"}, "discrete_x must be True, False or 'auto'"),
        ({"method": "histogram", "n_bins": 1}, "n_bins must be at least 2"),
    ],
)
def test_bad_options_are_refused(pair, options, message) -> None:
    with pytest.raises(ValueError, match=message):
        mutual_info(*pair, **options)


def test_methods_that_do_not_suit_the_sides_say_what_does(pair) -> None:
    x, y = pair
    for method in ("gaussian", "cca"):
        with pytest.raises(ValueError, match=r"x is discrete\. Use method='ksg' or 'histogram'"):
            mutual_info(x > 0, y, method=method)
    with pytest.raises(ValueError, match="A histogram of 10 continuous columns needs more rows"):
        mutual_info(
            np.random.default_rng(8).normal(size=(100, 5)),
            np.random.default_rng(9).normal(size=(100, 5)),
            method="histogram",
        )
    with pytest.raises(TypeError, match="x holds categories"):
        mutual_info(["a", "b"] * 10, np.arange(20.0), discrete_x=False)


def test_constant_columns_warn_and_carry_nothing(pair) -> None:
    x, y = pair
    with pytest.warns(ConstantColumnWarning, match=r"x has 1 constant column\(s\) out of 2"):
        beside = mutual_info(np.column_stack([x, np.ones(300)]), y)
    assert beside.estimate == mutual_info(x, y).estimate
    assert beside.dim_x == 2
    with pytest.warns(ConstantColumnWarning):
        nothing = mutual_info(np.ones(300), y)
    assert nothing.estimate == 0.0 and nothing.upper_bound == 0.0
    with pytest.warns(ConstantColumnWarning):
        assert mutual_info(["same"] * 300, y, method="gaussian").estimate == 0.0


def test_all_rows_tied_in_pairs_still_gives_a_number(pair) -> None:
    x, y = pair
    result = mutual_info(np.repeat(x[:30], 2), np.repeat(y[:30], 2), method="ksg")
    assert result.kind_x == "mixed" and np.isfinite(result.estimate)


def test_duplicated_columns_do_not_matter(pair) -> None:
    x, y = pair
    doubled = np.column_stack([x, x])
    for method in ("ksg", "gaussian", "cca"):
        one, two = mutual_info(x, y, method=method), mutual_info(doubled, y, method=method)
        assert two.estimate == pytest.approx(one.estimate, abs=1e-8)


def test_clean_data_raise_no_warning(pair) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for method in METHODS:
            mutual_info(*pair, method=method)
        mutual_info(pair[0] > 0, pair[1] > 0)


def test_no_interval_where_rows_are_too_few_for_parts() -> None:
    generator = np.random.default_rng(3)
    result = mutual_info(*generator.standard_normal((2, 20)))
    assert np.isnan(result.std_error) and np.isfinite(result.estimate)


def test_number_of_bins_follows_the_rows() -> None:
    assert methods._choose_bins(500, 2, None, coded=False) == 10
    assert methods._choose_bins(500, 1, None, coded=True) == 10
    assert methods._choose_bins(500, 2, 7, coded=False) == 7
    assert methods._choose_bins(12, 2, None, coded=False) == 2


# --- the learned estimator, the default ---------------------------------------------------------------------


def test_the_default_is_learned_and_equals_the_estimator(pair) -> None:
    x, y = pair
    result, direct = mutual_info(x, y), LearnedMI().infer(x, y)
    assert (result.method, result.estimator) == ("learned", "learned")
    assert result.estimate == direct.estimate
    assert (result.conf_low, result.conf_high) == (direct.conf_low, direct.conf_high)
    assert result.guarantee.kind == "marginal-over-family"
    assert mutual_info(x, y, unit="bits").estimate == pytest.approx(result.estimate / np.log(2))


def test_the_learned_estimate_respects_the_entropy_of_a_discrete_side(pair) -> None:
    x, y = pair
    result = mutual_info(y > 0, x)
    assert result.conf_low <= result.estimate <= min(result.conf_high, result.upper_bound)
    assert result.kind_x == "discrete" and result.estimator == "learned"


def test_two_discrete_sides_have_one_door_and_a_plug_in_beside_it(pair) -> None:
    x, y = pair
    learned = mutual_info(x > 0, y > 0)
    assert learned.estimator == "learned"
    assert learned.estimate == pytest.approx(LearnedMI().infer(x > 0, y > 0).estimate, abs=1e-12)
    counted = mutual_info(x > 0, y > 0, method="plug-in")
    assert counted.estimator == "plug-in, Miller-Madow"
    assert learned.estimate == pytest.approx(counted.estimate, abs=0.05)
    with pytest.raises(ValueError, match=r"method='plug-in' needs two discrete sides, but y is continuous"):
        mutual_info(x > 0, y, method="plug-in")


def test_data_unlike_the_training_are_named_in_a_warning() -> None:
    wide = np.random.default_rng(10).standard_normal((150, 90))
    with pytest.warns(SupportWarning, match="90 columns, more than the 50"):
        mutual_info(wide, wide[::-1, 0])


# --- options of other methods ------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["learned", *METHODS])
def test_options_that_a_method_does_not_read_are_refused(pair, method) -> None:
    for name, value, owner in (
        ("n_neighbors", 5, "ksg"),
        ("n_bins", 4, "histogram"),
        ("scaling", "none", "ksg"),
    ):
        if method == owner:
            default = mutual_info(*pair, method=method).unclipped
            assert (
                mutual_info(*pair, method=method, **{name: value}).unclipped != default or name == "scaling"
            )
        else:
            with pytest.raises(
                ValueError, match=f"^{name}={value!r} is for '{owner}' only; '{method}' does not"
            ):
                mutual_info(*pair, method=method, **{name: value})


def test_the_other_calls_refuse_them_too(pair) -> None:
    x, y = pair
    with pytest.raises(ValueError, match=r"^scaling='none' is for 'ksg' only"):
        mutual_info_matrix(np.column_stack([x, y]), scaling="none")
    with pytest.raises(ValueError, match=r"^n_neighbors=5 is for 'ksg' only"):
        mutual_info_matrix(np.column_stack([x, y]), method="cca", n_neighbors=5)
    with pytest.raises(ValueError, match=r"^n_neighbors=5 is for 'ksg' only"):
        conditional_mutual_info(x, y, x**2, method="gaussian", n_neighbors=5)
    with pytest.raises(ValueError, match=r"^n_neighbors=5 is for 'ksg' only; 'cca'"):
        independence_test(x, y, statistic="cca", n_neighbors=5, n_permutations=9)
    assert independence_test(x, y, statistic="ksg", n_neighbors=5, n_permutations=9).p_value == 0.1


def test_levels_that_rarely_occur_twice_leave_the_spread_open() -> None:
    codes = np.r_[np.arange(100), 0]
    result = mutual_info(codes, np.random.default_rng(3).standard_normal(101), discrete_x=True, method="ksg")
    assert np.isnan([result.std_error, result.low, result.high]).all() and result.estimate >= 0


# --- sparse cells ---------------------------------------------------------------------------------------------


def test_sparse_cells_are_named_and_dense_ones_are_not() -> None:
    generator = np.random.default_rng(30)
    many, few = generator.integers(0, 40, size=(2, 300)), generator.integers(0, 3, size=(2, 300))
    with pytest.warns(SparseCellsWarning, match="cell"):
        sparse_cells = mutual_info(*many, method="ksg", discrete_x=True, discrete_y=True)
    assert sparse_cells.estimate > 0.3
    with warnings.catch_warnings():
        warnings.simplefilter("error", SparseCellsWarning)
        dense = mutual_info(*few, method="ksg", discrete_x=True, discrete_y=True)
    assert dense.estimate < 0.05


def test_the_standard_error_of_several_columns_waits_until_it_is_read(monkeypatch) -> None:
    generator = np.random.default_rng(8)
    x = generator.normal(size=(200, 2))
    y = x + generator.normal(size=(200, 2))
    calls = []
    plain = methods.subsample_standard_error

    def counted(*arguments):
        calls.append(1)
        return plain(*arguments)

    monkeypatch.setattr(methods, "subsample_standard_error", counted)
    result = mutual_info(x, y, method="ksg", unit="bits")
    assert not calls and str(result.answer)
    error = result.std_error
    assert error > 0 and result.tidy()["std_error"][0] == error and len(calls) == 1
    copied = pickle.loads(pickle.dumps(mutual_info(x, y, method="ksg")))
    assert copied.std_error == pytest.approx(error * np.log(2), rel=1e-14) and len(calls) == 2
    assert np.isfinite(mutual_info(x[:, 0], y[:, 0], method="ksg").low) and len(calls) == 3


@pytest.mark.parametrize("kind", ["distinct", "levels", "two values", "signed zeros"])
def test_functions_of_a_column_are_found_by_its_ranks(kind) -> None:
    generator = np.random.default_rng(31)
    rows = generator.normal(size=(200, 3))
    if kind == "levels":
        rows = np.round(rows, 1)
    elif kind == "two values":
        rows = (rows > 0).astype(float)
    elif kind == "signed zeros":
        rows[::3] = 0.0
        rows[::6] = -0.0
    column = rows[:, 0]
    for other in (
        column,
        np.exp(column),
        -(column**3),
        rows[:, 1],
        column + 1e-3 * rows[:, 1],
        np.roll(column, 1),
    ):
        ranks = stats.rankdata(column)
        alike = any(np.array_equal(ranks, stats.rankdata(sign * other)) for sign in (1, -1))
        assert sides._share_an_order([column, rows[:, 2]], [rows[:, 1] + 7, other]) == (
            alike or sides._share_an_order([column, rows[:, 2]], [rows[:, 1] + 7])
        )
        assert sides._share_an_order([column], [other]) == alike
    for values in (column, column[:1], column[:0]):
        assert sides.count_distinct(values) == len(np.unique(values))


@pytest.mark.parametrize("decimals", [8, 1, 0])
def test_repeats_and_orders_are_those_of_whole_rows(decimals) -> None:
    generator = np.random.default_rng(32)
    for width in (1, 2, 3):
        side = prepare_side(np.round(generator.normal(size=(300, width)), decimals), "x", False)
        most = np.unique(side.rows, axis=0, return_counts=True)[1].max()
        assert [methods._repeat_beyond(k, side) for k in (0, most - 1, most, 300)] == [
            True,
            most > 0,
            False,
            False,
        ]
        x, y = side.rows, np.round(generator.normal(size=(300, width)), decimals) * -0.5
        for a, b in ((x, y), (y, x), (x, x), (np.zeros_like(x), x)):
            both = [np.hstack(pair) + 0.0 for pair in ((a, b), (b, a))]
            expected = min(both, key=lambda rows: rows[np.lexsort(rows.T)].tobytes())
            assert np.array_equal(methods._in_either_order(a, b), expected)
