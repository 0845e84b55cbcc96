"""Settings in which a hunt found a fault of the regressions, one test a fault."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest, norm
from statsmodels.genmod import families

from tests.oracles.dsl_cells import cells_by_hand
from validstats import DesignSupervised
from validstats.dsl.fit import LabelledSample, NoRootError, inference
from validstats.dsl.fit.cells import form_cells
from validstats.dsl.moments import MeanMoment, RegressionRows
from validstats.dsl.regression import LabelDistribution
from validstats.exceptions import LabellingWarning


def whole_clusters(n_clusters=60, size=40, n_labelled=8, rate=0.4, seed=0):
    """Rows with a coarse judge, of which a few whole clusters are labelled."""
    rng = np.random.default_rng(seed)
    cluster = np.repeat(np.arange(n_clusters), size)
    y = (rng.random(cluster.size) < rate).astype(float)
    chosen = np.isin(cluster, rng.choice(n_clusters, n_labelled, replace=False))
    rows = pd.DataFrame(
        {
            "judge": np.where(rng.random(y.size) < 0.8, y, 1 - y),
            "x": rng.integers(2, size=y.size).astype(float),
        }
    )
    return rows, np.where(chosen, y, np.nan), cluster, n_labelled / n_clusters


@pytest.mark.parametrize("n_clusters", [30, 200], ids=["each row", "distinct rows"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_rows_in_folds_without_a_labelled_cluster_are_predicted(n_clusters, seed) -> None:
    """Three labelled clusters leave two of five folds without a label; their rows were not predicted at all."""
    rows, labels, cluster, share = whole_clusters(n_clusters, n_labelled=3, seed=seed)
    found = []
    for dirt in (np.nan, 1e9):
        np.full((3, len(rows)), dirt)  # memory that is not initialised may hold anything
        study = DesignSupervised(random_state=0).fit(rows, surrogate="judge")
        study.calibrate({"y": labels}, clusters=cluster, sampling_probability=share)
        found.append(study.infer("y ~ x", model="linear", clusters="none").estimate)
    assert np.all(np.isfinite(found[0])) and np.all(np.abs(found[0]) < 1.5)
    np.testing.assert_array_equal(*found)
    assert len(study.calibration_.folds) and study.calibration_.n_folds == 5


def test_shares_of_dependent_rows_stay_between_0_and_1() -> None:
    """A share of 1 in 50 from 70 labelled rows of 60 clusters: estimate less two standard errors is below 0."""
    rng = np.random.default_rng(1)
    rows, labels, cluster, _ = whole_clusters(n_labelled=60, rate=0.02, seed=1)
    chosen = np.isin(np.arange(len(labels)), rng.choice(len(labels), 70, replace=False))
    study = DesignSupervised(random_state=0).fit(rows, surrogate="judge")
    study.calibrate(
        {"y": np.where(chosen, labels, np.nan)}, clusters=cluster, sampling_probability=chosen.mean()
    )
    result = study.infer("y", model="proportion", interval="normal")
    assert result.params[0] < 2 * result.std_error[0]
    assert result.conf_low[0] == min(0.0, result.params[0]) and result.conf_high[0] <= 1.0
    cells = study.infer("y", model="proportion")
    assert cells.interval_name == "cells" and 0.0 <= cells.conf_low[0] < cells.conf_high[0] <= 1.0
    difference = study.infer("y ~ x", model="difference", confidence_level=1 - 1e-12)
    assert np.all(np.abs(difference.confidence_interval()) <= 1.0)


def test_means_of_skewed_numbers_say_how_much_they_lose() -> None:
    """Lognormal numbers in 90 labelled rows, as they are in the middle: quantiles, of which the first 90 are labelled."""
    rng = np.random.default_rng(0)
    quantiles = norm.ppf((np.arange(90) + 0.5) / 90)
    y = np.exp(1.5 * np.concatenate([quantiles, rng.normal(size=310)]))
    chosen = np.arange(400) < 90
    study = DesignSupervised(random_state=0).fit(
        pd.DataFrame({"judge": rng.normal(size=400)}), surrogate="judge"
    )
    study.calibrate({"y": np.where(chosen, y, np.nan)}, sampling_probability=90 / 400)
    with pytest.warns(LabellingWarning, match=r"skewed \(skewness .*: about 8\d% of such intervals"):
        study.infer("y", model="mean")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        study.calibrate({"y": np.where(chosen, np.log(y), np.nan)}, sampling_probability=90 / 400)
        study.infer("y", model="mean")


@pytest.mark.parametrize("columns", ["0 + rare", "0 + rare + rarer", "rare + rarer"])
def test_coefficients_of_which_no_label_speaks_are_not_made_up(columns) -> None:
    """A column that is 0 in all labelled rows: alone it had an interval of the predictions, several raised an IndexError."""
    rng = np.random.default_rng(0)
    place, noise = np.arange(400), rng.normal(size=400)
    rows = pd.DataFrame({"rare": place >= 300, "rarer": place >= 350}).astype(float)
    y = noise + 3.0 * rows["rare"]
    rows["judge"] = rng.normal(size=400)
    study = DesignSupervised(random_state=0).fit(rows, surrogate="judge")
    study.calibrate({"y": np.where(place < 60, y, np.nan)}, sampling_probability=0.15)
    for estimator in ("tuned", "gold"):
        if columns.startswith("0"):
            with pytest.warns(LabellingWarning), pytest.raises(NoRootError, match="No root"):
                study.infer(f"y ~ {columns}", estimator=estimator)
            continue
        with pytest.warns(LabellingWarning):
            result = study.infer(f"y ~ {columns}", estimator=estimator)
        assert np.isnan(result.params).tolist() == [False, True, True]
    with pytest.warns(LabellingWarning, match="rare"):
        study.infer(f"y ~ {columns}", estimator="dsl")


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("estimator", ["tuned", "dsl", "ppi", "gold"])
@pytest.mark.parametrize("family", [None, families.Tweedie(var_power=1.5)], ids=["counts", "amounts"])
def test_counts_that_are_all_zero_have_no_root(estimator, family) -> None:
    """Their starting mean has no logarithm: LinAlgError."""
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"x": rng.normal(size=300), "judge": rng.poisson(0.1, 300).astype(float)})
    study = DesignSupervised(random_state=0).fit(rows, surrogate="judge")
    study.calibrate({"y": np.where(np.arange(300) < 40, 0.0, np.nan)}, sampling_probability=0.13)
    model = "poisson" if family is None else "glm"
    with pytest.raises(NoRootError, match="all expert labels are 0"):
        study.infer("y ~ x", model=model, family=family, estimator=estimator)


def published_slope(estimator, seed, n=445, n_labelled=218, spread=6.518, coarse=True):
    """A slope from labels drawn by unequal probabilities: whether it holds for these rows, and whether its interval is doubted."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 2))
    x[:, 1] = np.where(coarse, rng.exponential(size=n) - 1.0, x[:, 1])
    y = 0.7 * x[:, 1] + 0.2 * x[:, 0] + rng.normal(size=n)
    judge = 0.8 * y + 0.2 * y.std() * rng.normal(size=n)
    weight = spread ** rng.random(n)
    probability = np.clip(n_labelled * weight / weight.sum(), 0.0, 1.0)
    labels = np.where(rng.random(n) < probability, y, np.nan)
    rows = pd.DataFrame(
        {"judge": (judge > np.median(judge)) * 1.0 if coarse else judge, "a": x[:, 0], "b": x[:, 1]}
    )
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", LabellingWarning)
        study = DesignSupervised(random_state=0).fit(rows, surrogate="judge")
        study.calibrate({"y": labels}, sampling_probability=probability)
        found = study.infer("y ~ a + b", model="linear", estimator=estimator, population="finite")
    truth = np.linalg.lstsq(np.column_stack([np.ones(n), x]), y, rcond=None)[0][-1]
    doubted = any("a normal law for granted" in str(warning.message) for warning in said)
    return found.conf_low[-1] <= truth <= found.conf_high[-1], doubted


@pytest.mark.validity
@pytest.mark.parametrize("estimator", ["dsl", "ppi"])
def test_slopes_as_published_hold_or_a_warning_says_that_they_may_not(estimator) -> None:
    held, doubted = np.array([published_slope(estimator, seed) for seed in range(250)]).T
    assert binomtest(int((held | doubted).sum()), 250, 0.95, alternative="less").pvalue > 0.01
    # without the warning the setting shows the fault
    assert binomtest(int(held.sum()), 250, 0.95, alternative="less").pvalue < 0.001


@pytest.mark.parametrize("estimator", ["dsl", "ppi", "ppi++", "tuned"])
def test_slopes_as_published_are_not_doubted_where_many_labels_are_nearly_normal(estimator) -> None:
    doubts = [
        published_slope(estimator, seed, n=4000, n_labelled=2000, spread=1.0, coarse=False)[1]
        for seed in range(3)
    ]
    assert not any(doubts)


def rare_failures(seed, rates=(0.998, 0.9906), n=5861, n_clusters=68, n_labelled=8):
    """Difference of two groups' pass rates within clusters labelled as a whole: whether it holds, and whether it is doubted."""
    rng = np.random.default_rng(seed)
    cluster, group = np.arange(n) * n_clusters // n, (rng.random(n) < 0.26) * 1
    y = (rng.random(n) < np.array(rates)[group]) * 1.0
    judge = np.where(rng.random(n) < np.where(y == 1, 0.99, 0.28), 1, 0)
    chosen = np.isin(cluster, rng.choice(n_clusters, n_labelled, replace=False))
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", LabellingWarning)
        study = DesignSupervised(random_state=0).fit(
            pd.DataFrame({"judge": judge, "group": group}), surrogate="judge"
        )
        study.calibrate(
            {"y": np.where(chosen, y, np.nan)}, clusters=cluster, sampling_probability=n_labelled / n_clusters
        )
        found = study.infer(
            "y ~ group", model="difference", confidence_level=0.9, population="finite", clusters=None
        )
    truth = y[group == 1].mean() - y[group == 0].mean()
    doubted = any("hardly knows how rare such labels are" in str(warning.message) for warning in said)
    return found.conf_low[-1] <= truth <= found.conf_high[-1], doubted, found.interval_name


@pytest.mark.validity
def test_differences_of_rare_failures_within_clusters_hold_or_it_is_said() -> None:
    held, doubted, name = zip(*(rare_failures(seed) for seed in range(200)), strict=True)
    assert set(name) == {"normal"}
    assert binomtest(int(np.logical_or(held, doubted).sum()), 200, 0.88, alternative="less").pvalue > 0.01
    # without the warning the setting shows the fault
    assert binomtest(sum(held), 200, 0.88, alternative="less").pvalue < 0.05


@pytest.mark.parametrize(("rates", "where"), [((0.5, 1.0), "with group = 1"), ((0.4, 0.6), "")])
def test_a_group_whose_labels_are_alike_is_named(rates, where) -> None:
    """None is named where both groups have labels of both kinds."""
    rng = np.random.default_rng(4)
    group = np.tile([0, 1], 600)
    y = (rng.random(1200) < np.array(rates)[group]) * 1.0
    labels = np.where(rng.random(1200) < 0.2, y, np.nan)
    rows = pd.DataFrame({"judge": np.where(rng.random(1200) < 0.8, y, 1 - y), "group": group})
    study = DesignSupervised(random_state=0).fit(rows, surrogate="judge").calibrate({"y": labels})
    for options in ({"model": "difference", "interval": "normal"}, {"model": "linear"}):
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always", LabellingWarning)
            study.infer("y ~ group", **options)
        words = [str(w.message) for w in said if "differ from the rest" in str(w.message)]
        assert len(words) == bool(where)
        if where:
            known = ~np.isnan(labels) & (group == 1)
            assert words[0].startswith(f"Of the {known.sum()} labels {where}, 0 differ from the rest")


def test_a_mean_of_labels_that_are_alike_is_doubted_where_cells_are_not_taken() -> None:
    rows = pd.DataFrame({"judge": np.tile([1, 1, 0], 200)})
    study = DesignSupervised(random_state=0).fit(rows, surrogate="judge")
    study.calibrate({"y": np.where(np.arange(600) % 5 == 0, 1.0, np.nan)})
    with pytest.warns(LabellingWarning, match="Of the 120 labels in all, 0 differ from the rest"):
        study.infer("y ~ 1", model="mean", interval="normal")


def counts_in_a_tail(seed, n=13_679, n_labelled=588, lognormal=False):
    """Counts on a skewed covariate: whether the slope holds, and its share of the machine's fit.

    Exponential, with a coarse judge, equal probabilities; or lognormal, with a good judge and probabilities up to eight times as large.
    """
    rng = np.random.default_rng(seed)
    other = rng.normal(size=n)
    x = np.exp(0.8 * rng.normal(size=n)) - np.exp(0.32) if lognormal else rng.exponential(size=n) - 1.0
    y = rng.poisson(np.exp(np.minimum(0.127 + 0.35 * x + 0.1 * other, 5.0))).astype(float)
    judge = 0.883 * y + 0.117 * y.std() * rng.normal(size=n)
    weight = 8.0 ** rng.random(n) if lognormal else np.ones(n)
    probability = np.clip(n_labelled * weight / weight.sum(), 0.0, 1.0)
    rows = pd.DataFrame(
        {"judge": judge if lognormal else (judge > np.median(judge)) * 1.0, "z": other, "x": x}
    )
    study = DesignSupervised(random_state=0).fit(rows, surrogate="judge")
    study.calibrate({"y": np.where(rng.random(n) < probability, y, np.nan)}, sampling_probability=probability)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LabellingWarning)
        found = study.infer("y ~ z + x", model="poisson")
    return found.conf_low[-1] <= 0.35 <= found.conf_high[-1], found.fit.share[-1]


@pytest.mark.validity
@pytest.mark.parametrize("lognormal", [False, True], ids=["exponential", "lognormal"])
def test_slopes_of_counts_hold_where_chance_leaves_the_tail_out_of_the_labels(lognormal, monkeypatch) -> None:
    options = {"n": 5880, "lognormal": True} if lognormal else {}
    n_studies = 250 if lognormal else 600
    held = sum(counts_in_a_tail(seed, **options)[0] for seed in range(n_studies))
    assert binomtest(int(held), n_studies, 0.95, alternative="less").pvalue > 0.01
    if lognormal:
        # without what probabilities let expect the setting shows the fault
        monkeypatch.setattr(inference, "_expected_degrees", lambda *_: np.inf)
        held = sum(counts_in_a_tail(seed, **options)[0] for seed in range(n_studies))
        assert binomtest(int(held), n_studies, 0.95, alternative="less").pvalue < 0.001


def test_a_machine_whose_fit_rests_on_a_tail_that_few_labels_know_gets_no_share(monkeypatch) -> None:
    """Labels that chance has drawn elsewhere gave it .4 on average."""
    share = [counts_in_a_tail(seed, n=6000, n_labelled=300)[1] for seed in range(4)]
    monkeypatch.setattr(inference, "_expected_degrees", lambda *_: np.inf)
    by_labels = [counts_in_a_tail(seed, n=6000, n_labelled=300)[1] for seed in range(4)]
    assert np.all(np.array(share) <= np.array(by_labels))
    assert np.max(share) < 0.1 < np.max(by_labels)


def scores_of_single_rows(seed: int, n: int = 208, n_labelled: int = 15, gross: float = 0.00115) -> tuple:
    """Scores of .99 to 1, of which one in 870 is a zero that the judge does not see, and whom they belong to."""
    rng = np.random.default_rng(seed)
    y = 0.99 + 0.01 * rng.random(n)
    rows = pd.DataFrame({"judge": np.round(y, 3), "person": rng.permutation(n)})
    y[rng.random(n) < gross] = 0.0
    labels = np.full(n, np.nan)
    chosen = rng.choice(n, n_labelled, replace=False)
    labels[chosen] = y[chosen]
    return rows, labels, n_labelled / n


@pytest.mark.parametrize("in_parts", [False, True])
def test_clusters_of_one_row_are_rows(in_parts) -> None:
    """They were taken for dependent rows, whose interval does not see what the range of scores allows."""
    rows, labels, share = scores_of_single_rows(0)
    whole = rows.assign(y=labels)
    source = [whole[:100], whole[100:]] if in_parts else rows
    found = []
    for clusters in ("person", None):
        study = DesignSupervised(random_state=0).fit(source, surrogate="judge")
        study.calibrate("y" if in_parts else {"y": labels}, clusters=clusters, sampling_probability=share)
        with warnings.catch_warnings():
            warnings.simplefilter("error", LabellingWarning)
            found.append(study.infer("y", model="mean", outcome_range=(0, 1)))
    single, plain = found
    assert single.interval_name == plain.interval_name == "cells"
    assert single.conf_low == plain.conf_low < 0.9 and single.conf_high == plain.conf_high


@pytest.mark.filterwarnings("ignore::validstats.exceptions.LabellingWarning")
def test_means_of_scores_of_single_rows_hold() -> None:
    """Gross errors that no label shows: .76 held for .95."""
    truth, held, normal = 0.995 * (1 - 0.00115), 0, 0
    for seed in range(100):
        rows, labels, share = scores_of_single_rows(seed)
        study = DesignSupervised(random_state=0).fit(rows, surrogate="judge")
        study.calibrate({"y": labels}, clusters="person", sampling_probability=share)
        result = study.infer("y", model="mean", outcome_range=(0, 1))
        held += bool(result.conf_low[0] <= truth <= result.conf_high[0])
        regression = study.infer("y", model="mean", outcome_range=(0, 1), interval="normal")
        assert "unless values of the range are rarer than about 5 in 15 labels" in regression.guarantee.holds
        normal += bool(regression.conf_low[0] <= truth <= regression.conf_high[0])
    assert binomtest(held, 100, 0.93, "less").pvalue > 0.01
    assert binomtest(normal, 100, 0.95, "less").pvalue < 1e-6


@pytest.mark.parametrize("population", ["superpopulation", "finite"])
@pytest.mark.parametrize("interval", ["cells", "exact"])
def test_a_share_of_labels_that_are_all_one_may_be_one(interval, population) -> None:
    """Sums of the shares of seven strata are 1 less a rounding error, which left out a population without a zero: .84 for .9."""
    stratum = np.repeat(np.arange(7), 21)
    labels = np.where(np.arange(147) % 21 < 5, 1.0, np.nan)
    study = DesignSupervised(random_state=0).fit(pd.DataFrame({"judge": np.ones(147)}), surrogate="judge")
    study.calibrate({"y": labels}, strata=stratum)
    result = study.infer("y", model="proportion", interval=interval, population=population)
    assert result.interval_name == interval and result.conf_high[0] == 1.0
    none = study.calibrate({"y": 1 - labels}, strata=stratum)
    assert none.infer("y", model="proportion", interval=interval, population=population).conf_low[0] == 0.0


@pytest.mark.parametrize("every", [2, 3, 4, 5])
def test_an_exact_interval_of_a_finite_population_holds_the_shares_at_its_ends(every) -> None:
    """Its ends are shares that the population may have, of which other sums have another last digit."""
    row = np.arange(147)
    labels = np.where(row % 21 < 5, (row % every > 0).astype(float), np.nan)
    study = DesignSupervised(random_state=0).fit(pd.DataFrame({"judge": np.ones(147)}), surrogate="judge")
    study.calibrate({"y": labels}, strata=row // 21)
    result = study.infer("y", model="proportion", interval="exact", population="finite")
    low, high = result.confidence_interval()[0]
    fewest, most = np.round([147 * low, 147 * high])
    assert 147 * low == pytest.approx(fewest) and 147 * high == pytest.approx(most)
    assert low <= fewest / 147 and high >= most / 147


@pytest.mark.parametrize("q", [0.1, 0.9])
def test_a_quantile_that_no_label_may_reach_has_an_open_end(q) -> None:
    """Fifteen labels, of which none lies beyond the .9 quantile in one study of five: the largest was the upper end."""
    y = np.random.default_rng(0).normal(size=300)
    order = np.argsort(y) if q == 0.9 else np.argsort(-y)
    for n_labels in (35, 36):
        chosen = order[np.linspace(0, 255, n_labels).astype(int)]  # none of the tenth beyond
        study = DesignSupervised(random_state=0).fit(
            pd.DataFrame({"judge": np.zeros(300)}), surrogate="judge"
        )
        study.calibrate({"y": np.where(np.isin(np.arange(300), chosen), y, np.nan)})
        found = study.infer("y", model="quantile", quantile=q)
        inner, outer = found.interval[0] if q == 0.9 else -found.interval[0, ::-1]
        assert np.isfinite(inner) and np.isinf(outer) == (n_labels == 35)
        assert ("36 labels or more" in " ".join(found.notes)) == (n_labels == 35)


def said_of_a_quantile(study: DesignSupervised, q: float, **options: Any) -> tuple[Any, bool, bool]:
    """A quantile, whether its interval holds that of cells, and whether it is said to be short."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        found = study.infer("y", model="quantile", quantile=q, **options)
    short = any("may hold less often than it says" in str(w.message) for w in said)
    return found, "that of cells too" in " ".join(found.notes), short


@pytest.mark.parametrize(("largest", "q", "few"), [(0.2, 0.9, False), (0.9, 0.9, True), (0.9, 0.5, False)])
def test_quantiles_beyond_which_rarely_labelled_rows_may_lie_have_open_ends(largest, q, few) -> None:
    """Labelling probabilities from .05 to .9: 20 labels of the rarer rows may all lie below the .9 quantile."""
    rng, n = np.random.default_rng(0), 400
    probability = np.where(np.arange(n) % 2, 0.05, largest) if largest > 0.2 else np.full(n, 0.2)
    chosen = rng.random(n) < probability
    judge = pd.DataFrame({"judge": rng.normal(size=n)})
    given = {"y": np.where(chosen, rng.normal(size=n), np.nan)}
    study = DesignSupervised(random_state=0).fit(judge, surrogate="judge")
    study.calibrate(given, sampling_probability=probability)
    found, by_cells, short = said_of_a_quantile(study, q)
    assert by_cells == few and not short and np.isinf(found.interval[0, 1]) == few
    # without cells it is said instead
    published = DesignSupervised(random_state=0, estimator="ppi++").fit(judge, surrogate="judge")
    published.calibrate(given, sampling_probability=probability)
    _, by_cells, short = said_of_a_quantile(published, q)
    assert not by_cells and short == few


def test_errors_of_a_quantile_are_those_under_its_hypothesis_at_least() -> None:
    """Twenty labels of which one lies above a point: where the share above is .2, its error is sqrt(.2 .8 / 20)."""
    y, labelled = np.arange(20.0), np.arange(20) < 20
    sample = LabelledSample(
        moment=MeanMoment(),
        gold=RegressionRows(y=y, X=np.ones((20, 1))),
        labelled=labelled,
        probability=np.full(20, 0.5),
    )
    plain = LabelDistribution(
        sample=sample, expected=None, raw=None, estimator="gold", kind="HC0", population="superpopulation"
    )
    under = replace(plain, level=0.8, weights=np.full(20, 2.0))
    (value, _), (error, no_error) = plain(np.array([18.0, 19.0]))
    assert value == pytest.approx(0.95) and no_error == pytest.approx(0.0, abs=1e-12)
    told, beyond = under(np.array([18.0, 19.0]))[1]
    assert told == pytest.approx(error * np.sqrt((0.95 * 0.05 + 0.15**2) / (0.95 * 0.05)))
    assert beyond == pytest.approx(np.sqrt(0.2**2 / 20))


@pytest.mark.parametrize(("noise", "few"), [(0.0, True), (3.0, False)])
def test_quantiles_of_labels_that_are_alike_within_strata_hold_what_cells_hold(noise, few) -> None:
    """A hundred labels in fifty strata along the judge: .90 of intervals held where the judge is good (1,500 studies)."""
    rng, n = np.random.default_rng(0), 500
    judge = np.sort(rng.normal(size=n))
    y, strata = judge + noise * rng.normal(size=n), np.arange(n) // 10
    known, rows = np.arange(n) % 10 < 2, pd.DataFrame({"judge": judge})
    study = DesignSupervised(random_state=0).fit(rows, surrogate="judge")
    study.calibrate({"y": np.where(known, y, np.nan)}, strata=strata)
    found, by_cells, short = said_of_a_quantile(study, 0.25)
    assert by_cells == few and not short
    if few:
        # every label at which the interval of the share at or below it, made by hand, holds a quarter; cells are wider here
        probability = np.full(n, 0.2)
        cells = form_cells(probability, [judge], strata, strata_ordered=False)
        labels = np.sort(y[known])
        ends = [cells_by_hand(y <= x, cells.cell, known, probability, binary=True) for x in labels]
        holds = [k for k, (low, high) in enumerate(ends) if low <= 0.25 <= high]
        assert found.interval[0].tolist() == [labels[holds[0]], labels[holds[-1] + 1]]
    _, by_cells, short = said_of_a_quantile(study, 0.25, weights=np.ones(n))
    assert not by_cells and short == few


@pytest.mark.parametrize("drawn", [True, False])
@pytest.mark.parametrize("treated", [1, 2])
def test_one_or_two_clusters_that_carry_a_coefficient_vary_as_the_others_do(treated, drawn) -> None:
    """The fit makes the residuals of one treated cluster small: .71 of intervals held for .9 with eight (hunt of seed 91)."""
    rng, n_clusters, size = np.random.default_rng(4), 40, 10
    cluster = np.repeat(np.arange(n_clusters), size)
    known = cluster < 8 if drawn else rng.random(len(cluster)) < 0.4
    among = known if drawn else np.ones(len(cluster), dtype=bool)
    y = 3 * rng.normal(size=n_clusters)[cluster] + 0.1 * rng.normal(size=len(cluster))
    y[cluster < treated] = 1.0 + 0.1 * rng.normal(
        size=treated * size
    )  # that they are alike is seen by chance
    rows = pd.DataFrame({"x": (cluster < treated).astype(float), "judge": rng.normal(size=len(cluster))})
    study = DesignSupervised(estimator="gold").fit(rows, surrogate="judge")
    study.calibrate({"y": np.where(known, y, np.nan)}, clusters=cluster)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = study.infer("y ~ x")
        finite = study.infer("y ~ x", population="finite")
    means = np.array([y[known & (cluster == g)].mean() for g in range(treated, cluster[among].max() + 1)])
    expected = np.var(means) / treated
    assert expected < found.std_error[1] ** 2 < 2 * expected
    if drawn:  # a fifth of the clusters is known
        assert 0.8 * expected < finite.std_error[1] ** 2 < 1.3 * expected
    else:  # rows drawn one by one from those there are depend on no cluster
        assert finite.std_error[1] ** 2 < 0.1 * expected
