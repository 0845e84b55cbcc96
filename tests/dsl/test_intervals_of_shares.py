"""Shares, bounded means and differences through the public door: which interval, its edges, its words."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.base import BaseEstimator, RegressorMixin

from validstats import DesignSupervised

pytestmark = pytest.mark.filterwarnings("ignore::validstats.exceptions.LabellingWarning")


def study(n=2000, n_labels=100, rate=0.9, accuracy=0.98, seed=0):
    rng = np.random.default_rng(seed)
    truth = (rng.random(n) < rate).astype(float)
    frame = pd.DataFrame({"machine": np.where(rng.random(n) < accuracy, truth, 1 - truth)})
    frame["group"] = rng.choice(["a", "b"], n, p=[0.3, 0.7])
    labelled = np.zeros(n, dtype=bool)
    labelled[rng.choice(n, n_labels, replace=False)] = True
    frame["human"] = np.where(labelled, truth, np.nan)
    return frame, truth, labelled


def calibrated(frame, label="human", **options):
    return DesignSupervised(random_state=0).fit(frame, surrogate="machine").calibrate(frame[label], **options)


class Spy(RegressorMixin, BaseEstimator):
    """A learner that counts its fits."""

    fits = 0

    def fit(self, X, y):
        type(self).fits += 1
        return self

    def predict(self, X):
        return np.zeros(len(X))


@pytest.mark.parametrize("value", [0.0, 1.0])
@pytest.mark.parametrize("n_labels", [1, 5, 20, 100])
def test_labels_that_are_all_alike_have_an_interval(value, n_labels):
    frame, _, labelled = study(n_labels=n_labels)
    frame["human"] = np.where(labelled, value, np.nan)
    result = calibrated(frame).infer("human", model="proportion")
    ((low, high),) = result.confidence_interval()
    assert 0 <= low <= value <= high <= 1
    if n_labels == 100:
        assert 0.036 <= high - low <= 0.042


def test_the_result_says_which_interval_and_why():
    frame, _, _ = study()
    result = calibrated(frame).infer("human", model="proportion")
    assert result.interval_name == "cells"
    text = result.summary()
    assert "if one more" in " ".join(str(text).split())
    assert "disagree with the commonest of their cell" in " ".join(str(text).split())


def test_no_learner_is_fitted_for_cells_and_for_labels_alone():
    frame, _, _ = study()
    Spy.fits = 0
    dsl = DesignSupervised(Spy(), random_state=0).fit(frame, surrogate="machine").calibrate(frame["human"])
    dsl.infer("human", model="proportion")
    dsl.infer("human ~ group", model="difference")
    dsl.infer("human ~ group", estimator="gold")
    dsl.infer("human ~ group", estimator="ppi")
    assert Spy.fits == 0
    dsl.infer("human ~ group")
    assert Spy.fits == 15


def test_labels_alone_without_a_judge_are_clopper_pearson():
    frame, _, labelled = study()
    result = calibrated(frame).infer("human", model="proportion", estimator="gold")
    known = frame["human"][labelled]
    exact = stats.binomtest(int(known.sum()), 100).proportion_ci(method="exact")
    assert result.confidence_interval()[0] == pytest.approx([exact.low, exact.high], abs=1e-10)


def test_every_level_can_be_asked_of_one_result():
    frame, _, _ = study()
    dsl = calibrated(frame)
    result = dsl.infer("human", model="proportion")
    ninety = dsl.infer("human", model="proportion", confidence_level=0.9)
    assert result.confidence_interval(0.9) == pytest.approx(ninety.confidence_interval())
    wide = np.diff(result.confidence_interval(0.99)) > np.diff(result.confidence_interval())
    assert wide.all()


def test_the_three_intervals_by_name():
    frame, truth, _ = study()
    dsl = calibrated(frame)
    for name in ("cells", "exact", "normal"):
        result = dsl.infer("human", model="proportion", interval=name)
        assert result.interval_name == name
        ((low, high),) = result.confidence_interval()
        assert low < truth.mean() < high
    with pytest.raises(ValueError, match="interval must be one of"):
        dsl.infer("human", model="proportion", interval="wald")
    with pytest.raises(ValueError, match="goes with the models"):
        dsl.infer("human ~ group", interval="cells")
    with pytest.raises(ValueError, match="keeps its own estimate"):
        dsl.infer("human", model="proportion", estimator="ppi", interval="cells")
    assert dsl.infer("human", model="proportion", estimator="ppi").interval_name == "normal"


def test_standard_errors_asked_by_name_take_the_normal_interval():
    frame, _, _ = study()
    result = calibrated(frame).infer("human", model="proportion", vcov="HC1")
    assert result.interval_name == "normal"
    assert any("HC1" in note for note in result.notes)


def test_groups_and_a_group_without_labels():
    frame, _, _ = study()
    frame.loc[:9, "group"] = "empty"
    frame.loc[:9, "human"] = np.nan
    result = calibrated(frame).infer("human ~ group", model="proportion")
    assert result.names == (
        "proportion(human), group=a",
        "proportion(human), group=b",
        "proportion(human), group=empty",
    )
    assert np.isnan(result.params[2])
    assert result.confidence_interval()[2].tolist() == [0.0, 1.0]
    assert np.all(np.isfinite(result.params[:2]))


def test_shares_of_classes_and_by_group():
    rng = np.random.default_rng(1)
    n = 3000
    truth = rng.choice(["x", "y", "z"], n, p=[0.6, 0.3, 0.1])
    frame = pd.DataFrame(
        {"machine": np.where(rng.random(n) < 0.9, truth, "y"), "group": rng.choice(["a", "b"], n)}
    )
    frame["human"] = np.where(rng.random(n) < 0.1, truth, None)
    dsl = calibrated(frame)
    result = dsl.infer("human", model="shares")
    assert result.names == ("human=x", "human=y", "human=z")
    assert result.params.sum() == pytest.approx(1)
    for (low, high), share in zip(result.confidence_interval(), (0.6, 0.3, 0.1)):
        assert low < share < high
    by_group = dsl.infer("human ~ group", model="shares")
    assert len(by_group.names) == 6


def test_a_paired_difference_is_one_thing_by_two_names():
    rng = np.random.default_rng(2)
    n = 2000
    a, b = (rng.random(n) < 0.8).astype(float), (rng.random(n) < 0.7).astype(float)
    frame = pd.DataFrame({"judge_a": a, "judge_b": b})
    labelled = rng.random(n) < 0.05
    labels = {"a": np.where(labelled, a, np.nan), "b": np.where(labelled, b, np.nan)}
    dsl = (
        DesignSupervised(random_state=0)
        .fit(frame, surrogate={"a": "judge_a", "b": "judge_b"})
        .calibrate(labels)
    )
    first = dsl.infer("I(a - b)", model="mean")
    second = dsl.infer("I(a - b)", model="difference")
    assert first.interval_name == second.interval_name == "cells"
    assert first.confidence_interval() == pytest.approx(second.confidence_interval())
    ((low, high),) = first.confidence_interval()
    assert low < 0.1 < high


def test_an_unpaired_difference_keeps_its_names_and_lies_in_range():
    frame, _, _ = study(rate=0.99)
    result = calibrated(frame).infer("human ~ group", model="difference")
    assert result.names == ("Intercept", "group[T.b]")
    low, high = result.confidence_interval()[1]
    assert -1 <= low < 0 < high <= 1


def test_scores_need_a_range_and_their_price_is_named():
    rng = np.random.default_rng(3)
    n = 4000
    score = rng.beta(4, 2, n)
    frame = pd.DataFrame({"machine": np.clip(score + 0.05 * rng.normal(size=n), 0, 1)})
    few, many = score.copy(), score.copy()
    few[100:], many[400:] = np.nan, np.nan
    frame["few"], frame["many"] = few, many
    assert calibrated(frame, "few").infer("few", model="mean").interval_name == "normal"
    known = calibrated(frame, "few").infer("few", model="mean", outcome_range=(0, 1))
    assert known.interval_name == "cells"
    enough = calibrated(frame, "many").infer("many", model="mean", outcome_range=(0, 1))
    assert enough.interval_name == "cells"
    assert any("gross errors" in note for note in enough.notes)
    shorter = calibrated(frame, "many").infer("many", model="mean", outcome_range=(0, 1), interval="normal")
    assert np.diff(shorter.confidence_interval()) < np.diff(enough.confidence_interval())
    with pytest.raises(ValueError, match=r"must lie between 0 and 0\.5"):
        calibrated(frame, "few").infer("few", model="mean", outcome_range=(0, 0.5))
    with pytest.raises(ValueError, match="the first the smaller"):
        calibrated(frame, "few").infer("few", model="mean", outcome_range=(1, 0))
    with pytest.raises(ValueError, match="outcome_range goes with"):
        calibrated(frame, "few").infer("few", model="proportion", outcome_range=(0, 1))


def test_the_range_rescales_the_interval():
    frame, _, _ = study()
    frame["grade"] = 1 + 4 * frame["human"]
    plain = calibrated(frame).infer("human", model="mean", outcome_range=(0, 1))
    graded = calibrated(frame, "grade").infer("grade", model="mean", outcome_range=(1, 5))
    assert graded.confidence_interval() == pytest.approx(1 + 4 * plain.confidence_interval())


def test_strata_with_one_label_are_merged_and_said_so():
    rng = np.random.default_rng(4)
    strata = np.repeat(np.arange(30), 40)
    truth = (rng.random(1200) < 0.8).astype(float)
    labelled = np.zeros(1200, dtype=bool)
    for h in range(30):
        labelled[rng.choice(np.flatnonzero(strata == h), 1 if h < 20 else 5, replace=False)] = True
    frame = pd.DataFrame({"machine": truth, "human": np.where(labelled, truth, np.nan)})
    result = calibrated(frame, strata=strata).infer("human", model="proportion")
    assert any("strata" in note and "merged" in note for note in result.notes)
    ((low, high),) = result.confidence_interval()
    assert low < 0.8 < high


def test_whole_clusters_are_the_units():
    rng = np.random.default_rng(5)
    cluster = np.repeat(np.arange(100), 8)
    rate = rng.beta(8, 2, 100)
    truth = (rng.random(800) < rate[cluster]).astype(float)
    drawn = np.isin(cluster, rng.choice(100, 30, replace=False))
    frame = pd.DataFrame({"machine": truth, "human": np.where(drawn, truth, np.nan)})
    result = calibrated(frame, clusters=cluster).infer("human", model="proportion")
    assert result.interval_name == "cells"
    ((low, high),) = result.confidence_interval()
    assert low < 0.8 < high


def test_groups_of_whole_clusters_have_cells_and_groups_within_clusters_the_normal_interval():
    frame, truth, _ = study(n=1200)
    frame["unit"] = np.arange(1200) // 12
    frame["region"] = np.where(frame["unit"] % 2, "east", "west")
    drawn = np.isin(frame["unit"], np.random.default_rng(1).choice(100, 40, replace=False))
    frame["human"] = np.where(drawn, truth, np.nan)
    estimator = calibrated(frame, clusters="unit")
    regions = estimator.infer("human ~ region", model="proportion")
    assert regions.interval_name == "cells"
    east = frame[frame["region"] == "east"].reset_index(drop=True)
    alone = calibrated(east, clusters="unit").infer("human", model="proportion")
    # drawn by the same probability, which the region alone would take from its own labels
    assert regions.estimate[0] == pytest.approx(alone.estimate[0], rel=1e-12)
    assert regions.confidence_interval()[0] == pytest.approx(alone.confidence_interval()[0], abs=0.005)
    mixed = estimator.infer("human ~ group", model="proportion")
    assert mixed.interval_name == "normal"
    assert any("groups divide clusters" in note for note in mixed.notes)


def alike_rows(n_clusters=60, size=10, seed=3):
    """Rows of clusters that are all alike but for the judge, a fifth of them labelled singly."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"unit": np.repeat(np.arange(n_clusters), size)})
    truth = (rng.random(n_clusters) < 0.7).astype(float)[frame["unit"]]
    frame["machine"] = np.where(rng.random(len(frame)) < 0.8, truth, 1 - truth)
    frame["group"] = np.where(np.arange(len(frame)) % 2, "a", "b")
    frame["region"] = np.where(frame["unit"] % 2, "east", "west")
    frame["human"] = np.where(rng.random(len(frame)) < 0.2, truth, np.nan)
    return frame


def length(result, term=0):
    low, high = result.confidence_interval()[term]
    return high - low


def test_rows_labelled_singly_within_clusters_have_cells_of_clusters():
    frame = alike_rows()
    found = calibrated(frame, clusters="unit").infer("human", model="proportion")
    assert (found.interval_name, found.clustered_by) == ("cells", "unit")
    assert "rows of different clusters (unit) do not depend on each other" in found.guarantee.check
    independent = calibrated(frame, clusters="unit").infer("human", model="proportion", clusters="none")
    rows = calibrated(frame).infer("human", model="proportion")
    assert independent.confidence_interval() == pytest.approx(rows.confidence_interval(), abs=1e-14)
    assert independent.clustered_by is None and length(found) > 1.3 * length(rows)
    named = calibrated(frame).infer("human", model="proportion", clusters="unit")
    assert named.confidence_interval() == pytest.approx(found.confidence_interval(), abs=1e-14)
    finite = calibrated(frame, clusters="unit").infer("human", model="proportion", population="finite")
    assert finite.clustered_by is None and length(finite) < length(rows)


def test_influence_functions_summed_by_cluster_give_the_printed_standard_errors():
    frame = alike_rows()
    found = calibrated(frame, clusters="unit").infer("human ~ region", model="proportion")
    sums = np.array([np.bincount(frame["unit"], column) for column in found.influence.T])
    assert np.sqrt(np.sum(sums**2, axis=1)) / len(frame) == pytest.approx(found.std_error)
    assert np.diag(found.covariance) == pytest.approx(found.std_error**2)


def test_few_clusters_of_rows_are_warned_of():
    for n_clusters, heard in ((49, 1), (60, 0)):
        frame = alike_rows(n_clusters, size=40)
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            calibrated(frame, clusters="unit").infer("human", model="proportion")
        assert sum("clusters (unit) carry expert labels" in str(w.message) for w in said) == heard


def test_where_clusters_of_rows_have_no_cells():
    """Exact intervals, clusters of two ways, and differences of groups that divide clusters."""
    study = calibrated(alike_rows(), clusters="unit")
    with pytest.raises(ValueError, match="rows depend on each other within clusters that were not drawn"):
        study.infer("human", model="proportion", interval="exact")
    two = study.infer("human", model="proportion", clusters=["unit", "machine"])
    assert two.interval_name == "normal" and "clusters of two ways" in " ".join(two.notes)
    divided = study.infer("human ~ group", model="difference")
    assert divided.interval_name == "normal" and "divide clusters of rows" in " ".join(divided.notes)
    whole = study.infer("human ~ region", model="difference")
    assert (whole.interval_name, whole.clustered_by) == ("cells", "unit")
    assert study.infer("human ~ group", model="proportion").interval_name == "cells"


def test_larger_clusters_than_those_drawn_are_groups_of_them():
    """Whole clusters are labelled, and clusters of ten of them are alike."""
    frame = alike_rows(40, size=40)
    frame["part"] = np.arange(len(frame)) // 4
    drawn = np.isin(frame["part"], np.random.default_rng(0).choice(400, 80, replace=False))
    frame["human"] = np.where(drawn, (frame["unit"] % 3 > 0).astype(float), np.nan)
    study = calibrated(frame, clusters="part")
    parts, units = (study.infer("human", model="proportion", clusters=c) for c in (None, "unit"))
    assert (parts.clustered_by, units.clustered_by) == (None, "unit")
    assert units.estimate == pytest.approx(parts.estimate, abs=1e-14)
    assert units.interval_name == "cells" and length(units) > 1.3 * length(parts)


def test_normal_intervals_of_groups_and_of_a_paired_difference_are_those_of_regressions():
    frame, truth, labelled = study(n_labels=200)
    estimator = calibrated(frame)
    shares = estimator.infer("human ~ group", model="proportion", interval="normal")
    means = estimator.infer("human ~ 0 + C(group)", model="linear")
    assert shares.names == ("proportion(human), group=a", "proportion(human), group=b")
    assert shares.estimate == pytest.approx(means.estimate, rel=1e-12)
    assert shares.std_error == pytest.approx(means.std_error, rel=1e-12)
    assert 0 <= shares.conf_low.min() <= shares.conf_high.max() <= 1
    assert shares.answer.startswith("The share of human where group=a is")
    untuned = estimator.infer("human ~ group", model="proportion", estimator="ppi++")
    assert untuned.interval_name == "normal"
    frame["other"] = np.where(labelled, np.roll(truth, 1), np.nan)
    both = (
        DesignSupervised(random_state=0).fit(frame, surrogate="machine").calibrate(frame[["human", "other"]])
    )
    by_name = both.infer("I(human - other)", model="difference", interval="normal")
    as_mean = both.infer("I(human - other)", model="mean", interval="normal")
    assert by_name.confidence_interval() == pytest.approx(as_mean.confidence_interval(), rel=1e-12)


def test_shares_of_classes_by_group_say_that_they_have_no_normal_interval():
    frame, truth, labelled = study(n_labels=200)
    frame["human"] = pd.Series(np.where(labelled, np.where(truth > 0, "yes", "no"), None), dtype=object)
    estimator = calibrated(frame)
    for asked in ({"interval": "normal"}, {"estimator": "ppi"}):
        with pytest.raises(ValueError, match="no normal ones"):
            estimator.infer("human ~ group", model="shares", **asked)
    one = estimator.infer("I(human == 'yes') ~ 0 + C(group)", model="linear")
    assert len(one.estimate) == 2


def test_a_finite_population_is_known_when_all_are_labelled():
    frame, truth, _ = study()
    frame["human"] = truth
    result = calibrated(frame).infer("human", model="proportion", population="finite")
    assert result.confidence_interval()[0] == pytest.approx([truth.mean()] * 2)


def test_influence_functions_give_the_printed_standard_errors():
    frame, _, _ = study()
    result = calibrated(frame).infer("human ~ group", model="proportion")
    n = len(frame)
    assert np.sqrt(np.sum(result.influence**2, axis=0)) / n == pytest.approx(result.std_error)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert result.plan_labels([200]) is not None


@pytest.mark.parametrize("interval", ["cells", "exact"])
def test_p_values_agree_with_the_intervals(interval):
    rng = np.random.default_rng(5)
    n = 1500
    better, worse = (rng.random(n) < 0.85).astype(float), (rng.random(n) < 0.7).astype(float)
    data = pd.DataFrame(
        {f"m_{k}": np.where(rng.random(n) < 0.9, v, 1 - v) for k, v in zip("ab", (better, worse))}
    )
    data["arm"] = np.where(rng.random(n) < 0.5, "new", "old")
    seen = np.arange(n) < 90
    labels = pd.DataFrame({"a": np.where(seen, better, np.nan), "b": np.where(seen, worse, np.nan)})
    study = DesignSupervised(random_state=0).fit(data, surrogate={"a": "m_a", "b": "m_b"}).calibrate(labels)
    for formula, model, k in (("I(a - b)", "difference", 0), ("a ~ arm", "difference", 1)):
        result = study.infer(formula, model=model, interval=interval)
        p = float(result.p_value[k])
        assert (p < 0.05) == bool(result.conf_low[k] > 0 or result.conf_high[k] < 0)
        if 0 < p < 1:
            low, high = result.confidence_interval(1 - 1.002 * p)[k]
            assert low > 0 or high < 0
            low, high = result.confidence_interval(1 - 0.998 * p)[k]
            assert low <= 0 <= high
    # a share is zero at no level where an expert said yes, and zero where nobody did
    assert study.infer("a", model="proportion", interval=interval).p_value == [0.0]
    nobody = DesignSupervised(random_state=0).fit(data, surrogate="m_a").calibrate(labels["a"] * 0)
    assert nobody.infer("a", model="proportion", interval=interval).p_value == [1.0]


@pytest.mark.slow
@pytest.mark.parametrize("interval", ["cells", "exact"])
def test_several_groups_are_compared_in_all_pairs_at_once(interval):
    rng = np.random.default_rng(0)
    group = rng.choice(["a", "b", "c"], 3000)
    truth = (rng.random(3000) < np.where(group == "c", 0.6, 0.85)).astype(float)
    frame = pd.DataFrame({"group": group, "machine": np.where(rng.random(3000) < 0.9, truth, 1 - truth)})
    frame["human"] = np.where(rng.permutation(3000) < 300, truth, np.nan)
    result = calibrated(frame).infer("human ~ group", model="difference", interval=interval)
    assert result.names == ("group=b - group=a", "group=c - group=a", "group=c - group=b")
    assert "differences of human are clear" in result.answer
    assert any("hold together" in note for note in result.notes)
    # each pair alone, at the level that Bonferroni gives it
    part = frame[frame["group"] != "b"].reset_index(drop=True)
    probability = float(frame["human"].notna().mean())
    alone = calibrated(part, sampling_probability=probability).infer(
        "human ~ group", model="difference", interval=interval, confidence_level=1 - 0.05 / 3
    )
    if interval == "cells":  # N of the smaller table differs, which weighs little here
        assert result.confidence_interval()[1] == pytest.approx(alone.confidence_interval()[1], abs=0.01)
    p = result.p_value
    assert np.array_equal(p < 0.05, (result.conf_low > 0) | (result.conf_high < 0))
    frame["many"] = np.arange(3000) % 21
    with pytest.raises(ValueError, match="all pairs of up to 20"):
        calibrated(frame).infer("human ~ many", model="difference")
