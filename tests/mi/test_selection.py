"""Feature selection by mutual information: ranking, p-values, control of error rates, scikit-learn's contract."""

from __future__ import annotations

from fractions import Fraction

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import stats
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.feature_selection import SelectKBest, mutual_info_classif, mutual_info_regression
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from validstats.exceptions import PermutationResolutionWarning
from validstats.mi import MISelector, independence_test, mutual_info
from validstats.mi.selection import adjust_p_values, max_t_p_values


@pytest.fixture(scope="module")
def regression():
    generator = np.random.default_rng(0)
    X = generator.uniform(-1, 1, size=(120, 8))
    return X, 2 * X[:, 2] ** 2 + X[:, 5] + 0.1 * generator.standard_normal(120)


@parametrize_with_checks(
    [MISelector("ksg", k=1), MISelector("histogram", control="fwer", n_permutations=19, random_state=0)]
)
def test_scikit_learn_contract(estimator, check) -> None:
    check(estimator)


@pytest.mark.parametrize("k", [1, 3, "all"])
def test_replaces_select_k_best_for_regression(regression, k) -> None:
    X, y = regression
    ours = MISelector("ksg", k=k).fit(X, y)
    theirs = SelectKBest(lambda a, b: mutual_info_regression(a, b, random_state=0), k=k).fit(X, y)
    np.testing.assert_allclose(ours.scores_, theirs.scores_, atol=1e-9)
    np.testing.assert_array_equal(ours.get_support(), theirs.get_support())
    np.testing.assert_array_equal(ours.transform(X), theirs.transform(X))


def test_replaces_select_k_best_for_classification(regression) -> None:
    X, y = regression
    labels = np.where(y > 0.3, "high", "low")
    ours = MISelector("ksg", k=2).fit(X, labels)
    np.testing.assert_allclose(ours.scores_, mutual_info_classif(X, labels, random_state=0), atol=1e-9)


def test_works_in_pipelines_and_searches(regression) -> None:
    X, y = regression
    search = GridSearchCV(
        make_pipeline(MISelector("ksg"), LinearRegression()), {"miselector__k": [1, 2]}, cv=3
    )
    assert search.fit(X, y).best_params_["miselector__k"] in (1, 2)
    assert clone(MISelector("ksg", k=3, alpha=0.2)).get_params()["alpha"] == 0.2


def test_frames_with_categories_keep_names(regression) -> None:
    X, y = regression
    frame = pd.DataFrame(X[:, :3], columns=["a", "b", "c"]).assign(group=np.where(y > 0.3, "u", "v"))
    selector = MISelector("ksg", k=1).fit(frame, y)
    assert selector.get_feature_names_out().tolist() == ["group"]
    assert selector.scores_[3] == mutual_info(frame["group"], y, method="ksg").estimate
    selected = MISelector("ksg", k=2).set_output(transform="pandas").fit(frame, y).transform(frame)
    assert "group" in selected.columns
    np.testing.assert_array_equal(
        MISelector("ksg", k=1).fit(pl.from_pandas(frame), y).scores_, selector.scores_
    )


def test_unfitted_selector_says_so() -> None:
    with pytest.raises(NotFittedError):
        MISelector("ksg").get_support()


# --- p-values and control ---------------------------------------------------------------------------------


@pytest.mark.share(3)
@pytest.mark.parametrize("control", ["fdr_bh", "fdr_by", "fwer"])
def test_control_finds_the_informative_features(regression, control) -> None:
    X, y = regression
    selector = MISelector("ksg", control=control, n_permutations=249, random_state=0).fit(X, y)
    assert selector.get_support(indices=True).tolist() == [2, 5]
    assert (selector.adjusted_pvalues_ >= selector.pvalues_).all()
    assert selector.guarantee_.finite_sample
    assert "yes" in str(selector.summary()) and "p-value" in str(selector.summary())


def test_p_values_are_those_of_the_independence_test(regression) -> None:
    X, y = regression
    selector = MISelector("ksg", control="fdr_bh", n_permutations=99, stop_after=None, random_state=7).fit(
        X, y
    )
    for j in (0, 2):
        test = independence_test(X[:, j], y, statistic="ksg", n_permutations=99, random_state=7)
        assert selector.pvalues_[j] == test.p_value


def test_sequential_p_values_agree_where_they_stop_and_save_work(regression) -> None:
    X, y = regression
    full = MISelector("ksg", control="fdr_bh", n_permutations=99, stop_after=None, random_state=7).fit(X, y)
    early = MISelector("ksg", control="fdr_bh", n_permutations=99, stop_after=10, random_state=7).fit(X, y)
    assert early.n_permutations_.sum() < full.n_permutations_.sum() == 99 * 8
    kept = early.n_permutations_ == 99
    np.testing.assert_array_equal(early.pvalues_[kept], full.pvalues_[kept])


def test_default_permutations_reach_the_level() -> None:
    selector = MISelector("ksg", control="fdr_bh", alpha=0.05)
    assert selector._n_permutations(40, 10) == 40 / 0.05 - 1
    by = MISelector("ksg", control="fdr_by", alpha=0.05)._n_permutations(4, 10)
    assert by == int(np.ceil(4 / 0.05 * (1 + 1 / 2 + 1 / 3 + 1 / 4))) - 1
    assert MISelector("ksg", control="fwer", alpha=0.05)._n_permutations(4, None) == 999


def test_too_few_permutations_warn_and_stay_valid(regression) -> None:
    X, y = regression
    with pytest.warns(PermutationResolutionWarning, match="use n_permutations = 79 or more"):
        selector = MISelector("ksg", control="fdr_bh", n_permutations=30, random_state=0).fit(
            X[:, [0, 1, 3, 4, 6, 7, 0, 2]], y
        )
    assert selector.pvalues_.min() >= 1 / 31


@pytest.mark.parametrize(("ours", "theirs"), [("fdr_bh", "bh"), ("fdr_by", "by")])
def test_adjustment_equals_scipy(ours, theirs) -> None:
    p_values = [Fraction(int(v), 200) for v in np.random.default_rng(1).integers(1, 200, size=15)]
    expected = stats.false_discovery_control([float(p) for p in p_values], method=theirs)
    got = [min(1.0, float(p)) for p in adjust_p_values(p_values, ours)]
    np.testing.assert_allclose(got, expected, atol=1e-12)


def test_holm_steps_down() -> None:
    p_values = [Fraction(3, 100), Fraction(1, 100), Fraction(2, 100)]
    assert adjust_p_values(p_values, "holm") == [Fraction(4, 100), Fraction(3, 100), Fraction(4, 100)]


def test_ties_at_the_level_are_decided_exactly() -> None:
    # 0.1 in binary exceeds 1/10: the feature at exactly alpha is kept.
    assert adjust_p_values([Fraction(1, 10)], "fdr_bh")[0] <= Fraction("0.1")
    generator = np.random.default_rng(2)
    X = generator.uniform(-1, 1, size=(60, 1))
    selector = MISelector("ksg", control="fwer", stop_after=20, n_permutations=19, alpha=0.05, random_state=0)
    selector.set_params(stop_after=None).fit(X, X[:, 0] ** 2 + 0.01 * generator.standard_normal(60))
    assert selector.adjusted_pvalues_[0] == 1 / 20 and selector.get_support()[0]


def test_max_t_steps_down_as_by_hand() -> None:
    observed = np.array([1.0, 3.0, 2.0])
    null = np.array([[0.5, 2.5, 0.1], [1.5, 0.2, 0.3], [0.1, 0.1, 2.2]])
    # Order 3, 2, 1; successive maxima of each row from the smallest: (2.5, .5, .5), (1.5, 1.5, 1.5), (2.2, 2.2, .1).
    assert max_t_p_values(observed, null) == [Fraction(2, 4), Fraction(1, 4), Fraction(2, 4)]


def test_the_guarantee_is_that_of_the_fit(regression) -> None:
    X, y = regression
    selector = MISelector("ksg", k=3, control="fdr_bh", n_permutations=99, random_state=0).fit(X, y)
    selected = selector.get_support()
    assert selected.sum() == 2
    selector.set_params(control=None)
    np.testing.assert_array_equal(selector.get_support(), selected)
    text = " ".join(str(selector.summary()).split())
    assert "at most 10 in 100 selected features are unrelated" in text and "Adjusted" in text
    selector.fit(X, y)
    assert selector.get_support().sum() == 3
    assert not any(hasattr(selector, name) for name in ("pvalues_", "adjusted_pvalues_", "n_permutations_"))
    text = " ".join(str(selector.summary()).split())
    assert "no error rate is controlled" in text and "Adjusted" not in text
    with pytest.raises(NotFittedError, match="control was set after fit"):
        selector.set_params(control="fwer").get_support()


def test_infinite_statistics_tie_in_max_t() -> None:
    observed, null = np.array([np.inf, 1.0]), np.array([[np.inf, 0.5], [2.0, 1.5], [np.inf, 0.1]])
    assert max_t_p_values(observed, null) == [Fraction(3, 4), Fraction(3, 4)]


def test_results_do_not_depend_on_the_workers(regression) -> None:
    X, y = regression
    one = MISelector("ksg", control="fwer", n_permutations=49, random_state=3).fit(X, y)
    with joblib.parallel_config(backend="threading", n_jobs=2):
        two = MISelector("ksg", control="fwer", n_permutations=49, random_state=3).fit(X, y)
    np.testing.assert_array_equal(one.adjusted_pvalues_, two.adjusted_pvalues_)


# --- bad input --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"method": "mine"}, "method must be one of"),
        ({"control": "bonferroni"}, "control must be one of"),
        ({"control": "fdr_bh", "alpha": 1.0}, "alpha must be finite and in"),
        ({"control": "fdr_bh", "stop_after": 0}, "stop_after must be at least 1"),
        ({"control": "fdr_bh", "n_permutations": 5}, "stop_after = 10 must be at most n_permutations = 5"),
        ({"k": -1}, "k must be at least 0"),
        ({"n_neighbors": 0, "k": 1}, "n_neighbors must be between 1 and"),
        ({"discrete_features": [True]}, "discrete_features must be True, False, 'auto' or 8 booleans"),
        ({"discrete_features": "no"}, "^discrete_features must be True, False or 'auto', got 'no'"),
        (
            {"method": "cca", "k": 1, "discrete_target": True},
            r"Every level of y occurs only once.*discrete_target=False",
        ),
        ({"discrete_target": "no"}, "^discrete_target must be True, False or 'auto', got 'no'"),
    ],
)
def test_bad_parameters_are_refused_at_fit(regression, parameters, message) -> None:
    with pytest.raises(ValueError, match=message):
        MISelector(**{"method": "ksg", **parameters}).fit(*regression)


@pytest.mark.slow
def test_constant_features_score_zero_and_are_not_selected(regression) -> None:
    X, y = regression
    selector = MISelector("ksg", control="fdr_bh", random_state=0).fit(
        np.column_stack([X[:, 2], np.ones(120)]), y
    )
    assert selector.scores_[1] == 0.0
    assert selector.get_support().tolist() == [True, False]
    with pytest.warns(UserWarning, match="k = 20 is greater than the 8 features"):
        assert MISelector("ksg", k=20).fit(X, y).get_support().all()


def test_the_default_scores_are_learned(regression) -> None:
    X, y = regression
    selector = MISelector(k=2).fit(X[:, :6], y)
    assert selector.get_support(indices=True).tolist() == [2, 5]
    assert selector.scores_[2] == mutual_info(X[:, 2], y).estimate
