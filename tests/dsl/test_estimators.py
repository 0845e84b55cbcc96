"""The public class: verbs, models, estimators, inputs and errors."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier

from tests.dsl.conftest import SURROGATES, make_documents
from validstats import DesignSupervised, NotCalibratedError
from validstats.dsl import InapplicableTest, Moment, NoRootError, joint_covariance
from validstats.exceptions import LabellingWarning

MODELS = [
    ("y", {"model": "mean"}, 1),
    ("y", {"model": "proportion", "population": "finite"}, 1),
    ("topic", {"model": "shares"}, 3),
    ("y ~ group", {"model": "difference"}, 2),
    ("score ~ x1 + x2", {}, 3),
    ("observed ~ t + x1", {}, 3),
    ("y ~ x1 + t", {"model": "logit"}, 3),
    ("y ~ x1", {"model": "probit"}, 2),
    ("y ~ x1", {"model": "poisson"}, 2),
    ("y ~ x1", {"model": "glm", "family": sm.families.Binomial(sm.families.links.CLogLog())}, 2),
    ("topic ~ x1", {"model": "multinomial"}, 4),
    ("observed ~ score + x2", {}, 3),
    ("np.exp(score / 10) ~ t * x1 + C(topic)", {}, 6),
    ("observed ~ x1 | t ~ x2 + group", {}, 3),
    ("score ~ x1 + x2 | unit", {}, 2),
    ("score ~ x1 + x2 | unit + time", {}, 2),
    ("observed ~ t + x1 | unit", {}, 2),
    ("observed ~ t + x1 | unit + time", {}, 2),
    ("score", {"model": "quantile", "quantile": 0.4}, 1),
]


@pytest.mark.share(3)
@pytest.mark.parametrize(
    ("formula", "options", "size"), MODELS, ids=[f"{m[0]}-{m[1].get('model', 'linear')}" for m in MODELS]
)
def test_every_model_gives_finite_coefficients_near_the_full_data_fit(
    calibrated, everything, formula, options, size
):
    result = calibrated.infer(formula, **options)
    assert result.params.shape == (size,) and len(result.names) == size
    assert np.all(np.isfinite(result.params)) and np.all(result.std_error > 0)
    full = everything.infer(formula, estimator="tuned" if "|" in formula else "gold", **options)
    # one of the outcomes is a covariate itself: its standard errors are rounding
    assert np.all(np.abs(full.params - result.params) < 5 * result.std_error + 1e-13)
    assert "guarantee" in str(result.summary())


@pytest.fixture(scope="module")
def everything(documents):
    data, _, truth = documents
    return DesignSupervised(random_state=0, n_repeats=1).fit(data, surrogate=SURROGATES).calibrate(truth)


@pytest.mark.share(3)
@pytest.mark.parametrize("estimator", ["tuned", "dsl", "ppi", "ppi++", "gold"])
@pytest.mark.parametrize("formula", ["y ~ x1 + x2", "observed ~ t + x1"])
def test_all_rows_labelled_is_the_ordinary_regression(documents, everything, estimator, formula):
    data, _, truth = documents
    result = everything.infer(formula, vcov="HC0", estimator=estimator)
    ols = smf.ols(formula, pd.concat([data, truth], axis=1)).fit(cov_type="HC0")
    np.testing.assert_allclose(result.params, ols.params, rtol=1e-9)
    np.testing.assert_allclose(result.std_error, ols.bse, rtol=1e-9)


@pytest.mark.parametrize("kind", ["HC0", "HC1", "HC2", "HC3"])
def test_hc_variances_are_the_usual_ones_when_all_rows_are_labelled(kind):
    data, _, truth = make_documents(seed=3, n=200)
    dsl = (
        DesignSupervised(random_state=0, estimator="gold", n_repeats=1)
        .fit(data, surrogate=SURROGATES)
        .calibrate(truth)
    )
    ols = smf.ols("score ~ x1 + x2", pd.concat([data, truth], axis=1)).fit(cov_type=kind)
    np.testing.assert_allclose(dsl.infer("score ~ x1 + x2", vcov=kind).std_error, ols.bse, rtol=1e-9)


@pytest.mark.share(2)
@pytest.mark.parametrize("estimator", ["tuned", "ppi++"])
def test_weights_and_offset_are_those_of_statsmodels_when_all_rows_are_labelled(documents, estimator):
    data, _, truth = documents
    weights, offset = np.random.default_rng(0).uniform(0.5, 2.0, len(data)), 0.3 * data["x2"].to_numpy()
    joined = pd.concat([data, truth], axis=1)
    dsl = (
        DesignSupervised(random_state=0, estimator=estimator, n_repeats=1)
        .fit(data, surrogate=SURROGATES)
        .calibrate(truth)
    )
    wls = smf.wls("score ~ x1", joined, weights=weights).fit(cov_type="HC0")
    ours = dsl.infer("score ~ x1", weights=weights, vcov="HC0")
    np.testing.assert_allclose(ours.params, wls.params, rtol=1e-9)
    np.testing.assert_allclose(ours.std_error, wls.bse, rtol=1e-9)
    poisson = smf.glm("y ~ x1", joined, family=sm.families.Poisson(), offset=offset).fit(
        cov_type="HC0", tol=1e-12
    )
    ours = dsl.infer("y ~ x1", model="poisson", offset=offset, vcov="HC0")
    np.testing.assert_allclose(ours.params, poisson.params, rtol=1e-7)
    np.testing.assert_allclose(ours.std_error, poisson.bse, rtol=1e-6)


def test_clustered_errors_are_those_of_statsmodels_when_all_rows_are_labelled(documents):
    data, _, truth = documents
    joined = pd.concat([data, truth], axis=1)
    ols = smf.ols("score ~ x1", joined).fit(
        cov_type="cluster", cov_kwds={"groups": data["unit"], "use_correction": False}
    )
    dsl = (
        DesignSupervised(random_state=0, n_repeats=1)
        .fit(data, surrogate=SURROGATES)
        .calibrate(truth, clusters="unit")
    )
    np.testing.assert_allclose(dsl.infer("score ~ x1", vcov="HC0").std_error, ols.bse, rtol=1e-9)


def test_gold_only_logit_is_the_weighted_fit_of_labelled_rows(calibrated, documents):
    data, labels, _ = documents
    known = labels["y"].notna()
    glm = smf.glm(
        "y ~ x1 + x2", pd.concat([data, labels], axis=1)[known], family=sm.families.Binomial()
    ).fit()
    result = calibrated.infer("y ~ x1 + x2", model="logit", estimator="gold")
    np.testing.assert_allclose(result.params, glm.params, rtol=1e-8)


def test_naive_column_is_the_fit_on_machine_labels(calibrated, documents):
    data, _, _ = documents
    naive = smf.logit("q ~ x1 + x2", data).fit(disp=0)
    result = calibrated.infer("y ~ x1 + x2", model="logit")
    np.testing.assert_allclose(result.naive_fit.params, naive.params, rtol=1e-5)


@pytest.mark.share(3)
@pytest.mark.parametrize(
    "convert", [lambda d: d, pl.from_pandas, pa.Table.from_pandas], ids=["pandas", "polars", "pyarrow"]
)
def test_frames_in_frames_out(documents, convert):
    data, labels, _ = documents
    dsl = (
        DesignSupervised(random_state=0, n_repeats=1).fit(convert(data), surrogate="q").calibrate(labels["y"])
    )
    tidy = dsl.infer("y ~ x1", model="logit").tidy()
    assert type(tidy).__module__.split(".")[0] == type(convert(data)).__module__.split(".")[0]
    expected = (
        DesignSupervised(random_state=0, n_repeats=1)
        .fit(data, surrogate="q")
        .calibrate(labels["y"])
        .infer("y ~ x1", model="logit")
    )
    np.testing.assert_array_equal(np.asarray(tidy["estimate"]), expected.params)


@pytest.mark.parametrize("kind", ["Int64", "boolean", "polars", "polars text"])
def test_labels_of_nullable_types(documents, kind):
    data, labels, _ = documents
    if kind.startswith("polars"):
        given = pl.from_pandas(labels)["topic" if kind.endswith("text") else "y"]
    else:
        given = labels["y"].astype("Int64").astype(kind)
    dsl = DesignSupervised(random_state=0, n_repeats=1).fit(data, surrogate="q").calibrate(given)
    assert dsl.calibration_.n_labelled == int(labels["y"].notna().sum())
    assert dsl.calibration_.kinds[given.name] == ("categorical" if kind.endswith("text") else "binary")


def test_inputs_are_not_changed_and_results_repeat(documents):
    data, labels, _ = documents
    before, before_labels = data.copy(), labels.copy()
    first = (
        DesignSupervised(random_state=1, n_repeats=1)
        .fit(data, surrogate=SURROGATES)
        .calibrate(labels)
        .infer("y ~ t")
    )
    second = (
        DesignSupervised(random_state=1, n_repeats=1)
        .fit(data, surrogate=SURROGATES)
        .calibrate(labels)
        .infer("y ~ t")
    )
    pd.testing.assert_frame_equal(data, before)
    pd.testing.assert_frame_equal(labels, before_labels)
    np.testing.assert_array_equal(first.params, second.params)
    assert repr(first) == repr(second)


def test_clone_and_state(documents):
    data, labels, _ = documents
    dsl = DesignSupervised(HistGradientBoostingClassifier(max_iter=5), n_folds=3, n_repeats=1, random_state=0)
    with pytest.raises(NotCalibratedError, match="fit"):
        dsl.calibrate(labels["y"])
    dsl.fit(data, surrogate="q")
    with pytest.raises(NotCalibratedError, match="calibrate"):
        dsl.infer("y ~ x1")
    dsl.calibrate(labels["y"])
    assert clone(dsl).get_params()["n_folds"] == 3
    assert np.isfinite(dsl.infer("y ~ x1", model="logit").params).all()
    assert "Sampling" in str(dsl.summary())
    dsl.fit(data, surrogate="q")
    with pytest.raises(NotCalibratedError):
        dsl.predict()


@pytest.mark.slow
def test_predict_is_unbiased_for_group_means(documents):
    data, labels, truth = documents
    dsl = DesignSupervised(random_state=0, n_repeats=1).fit(data, surrogate=SURROGATES).calibrate(labels)
    adjusted = dsl.predict("y")
    assert adjusted.shape == (len(data),)
    plain = (
        DesignSupervised(random_state=0, estimator="dsl", n_repeats=3)
        .fit(data, surrogate=SURROGATES)
        .calibrate(labels)
    )
    assert abs(adjusted.mean() - truth["y"].mean()) < 0.1
    assert plain.predict("topic").shape == (len(data), 3)
    np.testing.assert_allclose(plain.predict("topic").sum(axis=1), 1.0, atol=1e-12)
    with pytest.raises(ValueError, match="label must be one of"):
        dsl.predict()


def test_user_moment_reproduces_the_linear_model(calibrated):
    def score(c, b):
        x = np.column_stack([np.ones(len(c["x1"])), c["x1"]])
        return x * (c["score"] - x @ b)[:, None]

    moment = Moment(score=score, variables=("score", "x1"), start=(0.0, 0.0), names=("const", "x1"))
    own, built_in = (
        calibrated.infer(moment, estimator="gold"),
        calibrated.infer("score ~ x1", estimator="gold"),
    )
    np.testing.assert_allclose(own.params, built_in.params, rtol=1e-8)
    np.testing.assert_allclose(own.covariance, built_in.covariance, rtol=1e-6)
    assert np.all(np.isfinite(calibrated.infer(moment).params))


def test_tests_clusters_bootstrap_comparison(calibrated, documents):
    data, _, _ = documents
    result = calibrated.infer("y ~ x1 + x2", model="logit")
    assert result.wald_test({"x1": 1.0}).p_value > 1e-6
    joint = result.joint_test()
    single = result.wald_test("x1")
    assert joint.degrees_of_freedom == 2 and joint.p_value < 1e-6
    np.testing.assert_allclose(single.statistic, result.statistic[1] ** 2)
    assert isinstance(calibrated.infer("y ~ 1").joint_test(), InapplicableTest)
    # shares of the default are chosen under the clusters of infer; those of PPI are not
    plain = calibrated.infer("y ~ x1 + x2", model="logit", estimator="ppi")
    clustered = plain.recluster(data["unit"].to_numpy(), name="unit")
    direct = calibrated.infer("y ~ x1 + x2", model="logit", estimator="ppi", clusters="unit")
    np.testing.assert_allclose(clustered.covariance, direct.covariance, rtol=1e-12)
    draws = result.bootstrap(400, random_state=0)
    np.testing.assert_allclose(draws.std(axis=0), result.std_error, rtol=0.15)
    table = result.compare().tidy()
    assert set(table["fit"]) == {"validstats", "gold only", "naive"}
    other = calibrated.infer("t ~ x1")
    stacked = joint_covariance([result, other])
    np.testing.assert_allclose(stacked[:3, :3], result.covariance, rtol=1e-10)
    assert np.linalg.eigvalsh(stacked).min() > 0


def test_tables_for_other_packages(calibrated):
    result = calibrated.infer("score ~ x1 | unit")
    table = result.__maketables_coef_table__
    assert (
        list(table.columns) == ["b", "se", "t", "p", "ci95l", "ci95u"] and table.index.name == "Coefficient"
    )
    assert result.__maketables_stat__("N") == 1500 and result.__maketables_stat__("nothing") is None
    assert result.__maketables_depvar__ == "score" and result.__maketables_fixef_string__ == "unit"
    assert "tabular" in result.summary().as_latex() and "<table" in result.summary().as_html()


def test_p_values_are_two_sided(calibrated):
    from scipy import stats

    result = calibrated.infer("y ~ x1 + x2")
    np.testing.assert_allclose(
        result.p_value, 2 * stats.t.sf(np.abs(result.params / result.std_error), result.degrees)
    )


def test_estimated_probabilities_are_labelled_as_such(documents):
    data, labels, _ = documents
    dsl = (
        DesignSupervised(random_state=0)
        .fit(data, surrogate="q")
        .calibrate(labels["y"], sampling_probability="estimated")
    )
    assert "estimated, not known by design" in dsl.infer("y ~ x1").guarantee.paragraph()
    exact = DesignSupervised(random_state=0, n_repeats=1).fit(data, surrogate="q").calibrate(labels["y"])
    assert "simple random sample" in exact.infer("y ~ x1").guarantee.paragraph()


def test_designs_are_recognised(documents):
    data, labels, truth = documents
    dsl = DesignSupervised(random_state=0, n_repeats=1).fit(data, surrogate="q")
    assert dsl.calibrate(labels["y"], strata="group").calibration_.design.scheme == "stratified"
    assert dsl.calibrate(labels["y"], sampling_probability=0.3).calibration_.design.scheme == "independent"
    assert dsl.calibrate(labels["y"], clusters="unit").calibration_.design.scheme == "simple"
    whole = truth["y"].where(data["unit"] % 3 == 0)
    dsl.calibrate(whole, clusters="unit")
    assert dsl.calibration_.design.scheme == "clusters" and dsl.calibration_.n_units == 125
    assert np.isfinite(dsl.infer("y ~ x1 + x2", model="logit").std_error).all()


class TestErrors:
    def test_probabilities(self, documents):
        data, labels, _ = documents
        dsl = DesignSupervised(random_state=0, n_repeats=1).fit(data, surrogate="q")
        for bad in (0.0, 1.2, -0.1):
            with pytest.raises(ValueError, match=r"must be in \(0, 1\]"):
                dsl.calibrate(labels["y"], sampling_probability=np.full(len(data), bad))
        with pytest.raises(ValueError, match="entries"):
            dsl.calibrate(labels["y"], sampling_probability=np.full(3, 0.2))
        with pytest.raises(ValueError, match="NaN"):
            dsl.calibrate(labels["y"], sampling_probability=np.full(len(data), np.nan))
        certain = np.where(np.arange(len(data)) == int(labels["y"].isna().argmax()), 1.0, 0.3)
        with pytest.raises(ValueError, match="1 row\\(s\\) have sampling_probability 1"):
            dsl.calibrate(labels["y"], sampling_probability=certain)
        with pytest.warns(LabellingWarning, match="standard deviations away"):
            dsl.calibrate(labels["y"], sampling_probability=0.9)
        unequal = np.where(labels["y"].notna() & (data["x1"] > 2), 0.001, 0.3)
        with pytest.warns(LabellingWarning, match="worth"):
            dsl.calibrate(labels["y"], sampling_probability=unequal)

    def test_labels(self, documents):
        data, labels, _ = documents
        dsl = DesignSupervised(random_state=0, n_repeats=1).fit(data, surrogate="q")
        with pytest.raises(ValueError, match="No row carries"):
            dsl.calibrate(pd.Series(np.full(len(data), np.nan), name="y"))
        with pytest.raises(ValueError, match="infinite"):
            dsl.calibrate(labels["score"].replace(labels["score"].max(), np.inf))
        with pytest.raises(ValueError, match="shape"):
            dsl.calibrate(labels["y"].iloc[:10])
        with pytest.raises(ValueError, match="feature and an expert label"):
            dsl.calibrate({"q": labels["y"].to_numpy()})
        few = labels["y"].where(labels["y"].notna().cumsum() <= 30)
        with pytest.warns(LabellingWarning, match="rests on few labels"):
            dsl.calibrate(few).infer("y ~ x1 + x2", model="logit")
        two = labels["y"].where(labels["y"].notna().cumsum() <= 4)
        dsl.calibrate(two)
        with pytest.raises(ValueError, match="left to train on"):
            dsl.infer("y ~ 1")

    def test_partial_labels(self, documents):
        data, labels, _ = documents
        partial = labels[["y", "t"]].copy()
        partial.loc[partial["t"].notna() & (data["x1"] > 1.0), "t"] = np.nan
        dsl = DesignSupervised(random_state=0, n_repeats=1).fit(data, surrogate={"y": "q", "t": "qt"})
        with pytest.raises(ValueError, match="partial_labels='unlabelled'"):
            dsl.calibrate(partial)
        dsl.calibrate(partial, partial_labels="unlabelled")
        assert "count as unlabelled" in str(dsl.infer("y ~ t").summary())

    def test_strata_without_labels(self, documents):
        data, labels, _ = documents
        strata = np.where(labels["y"].notna(), "seen", "unseen")
        with pytest.raises(ValueError, match="1 of 2 strata have no labelled row"):
            DesignSupervised(random_state=0, n_repeats=1).fit(data, surrogate="q").calibrate(
                labels["y"], strata=strata
            )

    def test_category_without_labels(self, documents):
        data, labels, _ = documents
        data = data.assign(party=np.where(labels["y"].isna() & (data["x1"] > 1), "rare", data["group"]))
        dsl = DesignSupervised(random_state=0, n_repeats=1).fit(data, surrogate="q").calibrate(labels["y"])
        with pytest.warns(LabellingWarning, match="No labelled row identifies"):
            dsl.infer("y ~ C(party)")

    def test_separation(self):
        data, labels, truth = make_documents(seed=1, n=600)
        data = data.assign(perfect=truth["y"] * 2 - 1)
        dsl = DesignSupervised(random_state=0, n_repeats=1).fit(data, surrogate="q").calibrate(labels["y"])
        for estimator in ("tuned", "gold"):
            with pytest.raises(NoRootError, match=r"separate|No root"):
                dsl.infer("y ~ perfect", model="logit", estimator=estimator)

    def test_separation_of_the_expert_labels_alone(self):
        """Predictions that contradict no label give a root; the result says what it rests on."""
        data, labels, _ = make_documents(seed=2, n=3000, share=0.2)
        data = data.assign(high=(data["x1"] > 1).astype(float), q=(data["x1"] > 0.1).astype(float))
        known = (data["x1"] > 0).astype(float).rename("y").where(labels["y"].notna())
        dsl = DesignSupervised(random_state=0).fit(data, surrogate="q").calibrate(known)
        with pytest.warns(LabellingWarning, match="expert labels alone have no finite estimate"):
            result = dsl.infer("y ~ high", model="logit")
        assert result.gold is None and "no label contradicts" in " ".join(result.notes)

    @pytest.mark.parametrize("formula", ["score ~ x1", "observed ~ t", "observed ~ t | unit"])
    def test_a_single_cluster_has_no_variance(self, calibrated, formula):
        with pytest.raises(ValueError, match="clusters puts all rows in one cluster"):
            calibrated.infer(formula, clusters=np.zeros(1500))

    def test_clusters_of_an_influence_function(self, calibrated, documents):
        data, _, _ = documents
        result = calibrated.infer("score ~ x1")
        for use in (result.recluster, lambda c: result.bootstrap(2, clusters=c)):
            with pytest.raises(ValueError, match="clusters puts all rows in one cluster"):
                use(np.zeros(1500))
            with pytest.raises(ValueError, match="one label for each of the 1500 rows"):
                use(np.arange(10))
        both = calibrated.infer("score ~ x1", clusters=["unit", "group"])
        with pytest.raises(ValueError, match="clustered in two ways"):
            both.bootstrap(2)
        with pytest.raises(ValueError, match="clustered in different ways"):
            joint_covariance([result, both])
        coarse = result.recluster(data["unit"].to_numpy() // 5)
        np.testing.assert_allclose(joint_covariance([coarse, coarse])[:2, :2], coarse.covariance, rtol=1e-12)
        np.testing.assert_allclose(joint_covariance([coarse], [])[:2, :2], result.covariance, rtol=1e-12)
        draws = coarse.bootstrap(4000, random_state=0)
        np.testing.assert_allclose(draws.std(axis=0), coarse.std_error, rtol=0.06)

    def test_clusters_without_labels_do_not_count(self, calibrated, documents):
        _, labels, _ = documents
        labelled = labels["score"].notna().to_numpy()
        codes = np.where(labelled, np.arange(1500) % 60, 1000 + np.arange(1500) // 5)
        asked = calibrated.infer("score ~ x1", clusters=codes, estimator="ppi")
        again = calibrated.infer("score ~ x1", estimator="ppi").recluster(codes)
        assert len(np.unique(codes)) > 200
        assert asked.degrees_of_freedom == again.degrees_of_freedom == 59.0
        np.testing.assert_allclose(again.confidence_interval(), asked.confidence_interval(), rtol=1e-12)
        assert calibrated.infer("score ~ x1").recluster().degrees_of_freedom is None

    @pytest.mark.parametrize(
        ("formula", "options"),
        [
            ("score ~ x1", {}),
            ("observed ~ t | time", {}),
            pytest.param("score", {"model": "quantile"}, marks=pytest.mark.slow),
        ],
    )
    def test_few_clusters(self, calibrated, formula, options):
        for clusters in (["unit", "time"], "time"):
            with pytest.warns(LabellingWarning, match="Only 4 clusters") as caught:
                result = calibrated.infer(formula, clusters=clusters, **options)
            assert result.degrees_of_freedom == 3.0
            assert [w.filename for w in caught if "Only 4" in str(w.message)] == [__file__]
        with warnings.catch_warnings():
            warnings.simplefilter("error", LabellingWarning)
            calibrated.infer(formula, clusters="unit", **options)
            with pytest.raises(ValueError, match="clusters goes with population='superpopulation'"):
                calibrated.infer(formula, clusters=["unit", "time"], population="finite", **options)

    def test_few_clusters_of_an_influence_function(self, calibrated, documents):
        data, _, _ = documents
        result = calibrated.infer("score ~ x1")
        with pytest.warns(LabellingWarning, match=r"Only 4 clusters \(period\)") as caught:
            result.recluster(data["unit"].to_numpy(), data["time"].to_numpy(), name="period")
        assert [w.filename for w in caught] == [__file__]

    def test_few_drawn_clusters_are_told_once(self, documents):
        data, _, truth = documents
        unit = np.arange(1500) // 30
        labels = truth["score"].where(unit % 2 == 0)
        dsl = DesignSupervised(random_state=0, n_repeats=1).fit(data, surrogate="qscore")
        with pytest.warns(LabellingWarning, match="Only 25 clusters"):
            dsl.calibrate(labels, clusters=unit)
        with warnings.catch_warnings():
            warnings.simplefilter("error", LabellingWarning)
            assert dsl.infer("score ~ x1").degrees_of_freedom == 24.0
        with pytest.warns(LabellingWarning, match="Only 4 clusters"):
            dsl.infer("score ~ x1", clusters=unit // 13)

    @pytest.mark.parametrize("options", [{"model": "logit"}, {"family": sm.families.Gamma()}])
    def test_a_moment_is_a_model_of_its_own(self, calibrated, options):
        moment = Moment(score=lambda c, b: (c["y"] - b[0])[:, None], variables=("y",), start=(0.0,))
        with pytest.raises(ValueError, match=f"A Moment is a model of its own, which {next(iter(options))}="):
            calibrated.infer(moment, **options)

    def test_tuning_where_nothing_is_tuned(self, calibrated):
        with pytest.raises(ValueError, match="goes with estimator='tuned'"):
            calibrated.infer("y ~ x1", estimator="ppi", tuning="scalar")
        with pytest.raises(ValueError, match="nothing is tuned"):
            calibrated.infer("observed ~ t | unit", tuning="scalar")

    def test_collinear_and_constant_columns(self, calibrated, documents):
        with pytest.raises(ValueError, match=r"'I\(2 \* x1\)'.*leave them out"):
            calibrated.infer("y ~ x1 + I(2 * x1)")
        with pytest.raises(ValueError, match="absorbed effects"):
            calibrated.infer("y ~ group + unit | unit")

    def test_values(self, documents):
        data, labels, _ = documents
        infinite = data.assign(x1=data["x1"].replace(data["x1"].max(), np.inf))
        dsl = (
            DesignSupervised(random_state=0, n_repeats=1).fit(infinite, surrogate="q").calibrate(labels["y"])
        )
        with pytest.raises(ValueError, match="infinite"):
            dsl.infer("y ~ x1")
        gaps = data.assign(x1=data["x1"].where(data["x1"] < 1))
        dsl = DesignSupervised(random_state=0, n_repeats=1).fit(gaps, surrogate="q").calibrate(labels["y"])
        with pytest.raises(ValueError, match="missing in"):
            dsl.infer("y ~ x1")
        holes = data.assign(q=data["q"].where(data["x1"] < 1))
        with pytest.raises(ValueError, match="feature 'q'"):
            DesignSupervised(random_state=0, n_repeats=1).fit(holes, surrogate="q").calibrate(labels["y"])

    def test_formulas_and_options(self, calibrated):
        cases = [
            (("y ~ nothing",), {}, KeyError, "nothing"),
            (("observed ~ x1",), {}, ValueError, "none of the expert labels"),
            (("y ~ x1",), {"model": "mean"}, ValueError, "takes no covariates"),
            (("y ~ x1",), {"model": "cox"}, ValueError, "model must be one of"),
            (("y ~ x1",), {"estimator": "best"}, ValueError, "estimator must be one of"),
            (("y ~ x1",), {"vcov": "HC9"}, ValueError, "vcov must be one of"),
            (("score ~ x1",), {"model": "logit"}, ValueError, "between 0 and 1"),
            (("topic ~ x1",), {}, ValueError, "not numeric"),
            (("y ~ x1",), {"model": "glm"}, ValueError, "family"),
            (("y ~ x1",), {"weights": "q2"}, ValueError, "weights must be"),
            (("y ~ x1",), {"weights": np.full(1500, -1.0)}, ValueError, "not negative"),
            (("y",), {"model": "mean", "offset": "x1"}, ValueError, "takes no offset"),
            (("topic ~ x1",), {"model": "multinomial", "offset": "x1"}, ValueError, "takes no offset"),
            (
                (Moment(lambda c, b: b, variables=("y",), start=(0.0,)),),
                {"offset": "x1"},
                ValueError,
                "no offset",
            ),
            (("y ~ x1 |",), {}, ValueError, "not understood"),
            (("observed ~ x1 | t + y ~ x2",), {}, ValueError, "instruments"),
            (("y ~ x1 + x2",), {"model": "difference"}, ValueError, "two"),
            (("score ~ x1 | topic",), {}, ValueError, "'topic' is an expert label"),
            (("observed ~ x1 + I(2 * x1) | t ~ x2",), {}, ValueError, "leave them out"),
            (("y ~ x1 | unit",), {"model": "logit"}, ValueError, "Fixed effects"),
            (("observed ~ t | unit + time + group",), {}, ValueError, "one- or two-way"),
            (("observed ~ topic",), {"estimator": "dsl"}, ValueError, "categorical"),
            (("observed ~ t + x1 | unit",), {"estimator": "ppi++"}, ValueError, "not available"),
        ]
        for args, options, error, match in cases:
            with pytest.raises(error, match=match):
                calibrated.infer(*args, **options)

    def test_fit_inputs(self, documents):
        data, _, _ = documents
        with pytest.raises(TypeError, match="pandas, polars or pyarrow"):
            DesignSupervised().fit(np.zeros((3, 2)))
        with pytest.raises(KeyError, match="no column"):
            DesignSupervised().fit(data, surrogate="nothing")
        with pytest.raises(ValueError, match="no rows"):
            DesignSupervised().fit(data.iloc[:0], surrogate="q")
        with pytest.raises(ValueError, match="n_folds"):
            DesignSupervised(n_folds=1).fit(data, surrogate="q")
        with pytest.raises(ValueError, match="confidence_level"):
            DesignSupervised(confidence_level=95).fit(data, surrogate="q")

    def test_classifier_for_a_continuous_label(self, documents):
        data, labels, _ = documents
        dsl = DesignSupervised(HistGradientBoostingClassifier()).fit(data, surrogate="qscore")
        with pytest.raises(ValueError, match="Pass a regressor"):
            dsl.calibrate(labels["score"])

    def test_surrogate_with_unknown_classes_is_not_plugged_in(self, documents):
        data, labels, _ = documents
        odd = data.assign(qtopic=np.where(data["x1"] > 2, "zzz", data["qtopic"]))
        dsl = (
            DesignSupervised(random_state=0, n_repeats=1)
            .fit(odd, surrogate="qtopic")
            .calibrate(labels["topic"])
        )
        result = dsl.infer("topic", model="shares")
        assert any("no expert label has ('zzz')" in note for note in result.notes)
        assert result.naive_fit is None and np.isclose(result.params.sum(), 1.0, atol=0.05)
        with pytest.raises(ValueError, match="known classes"):
            dsl.infer("topic", model="shares", estimator="ppi")


@pytest.mark.parametrize("values", [pd.Series([0.5, 1.0]), np.array([0.5, 1.0]), [0.5, 1.0]], ids=type)
@pytest.mark.parametrize("streamed", [False, True])
def test_values_in_place_of_names_of_columns_are_refused(values, streamed) -> None:
    data = pd.DataFrame({"x": [0.0, 1.0], "m": [0.5, 1.0]})
    source = [data] if streamed else data
    with pytest.raises(TypeError, match=r"^surrogate names columns of data, got a"):
        DesignSupervised().fit(source, surrogate=values)
    with pytest.raises(TypeError, match=r"^features names columns of data, got a .*data\.assign"):
        DesignSupervised().fit(source, surrogate="m", features=values)


class TestWhatStandsBesideAnEstimate:
    def result(self, **options):
        rng = np.random.default_rng(3)
        truth = (rng.random(600) < 0.4).astype(float)
        machine = np.where(rng.random(600) < 0.9, truth, 1 - truth)
        rows = pd.DataFrame({"x": rng.normal(size=600), "machine": machine})
        labels = pd.Series(np.where(rng.random(600) < 0.3, truth, np.nan), name="y")
        study = DesignSupervised(random_state=0).fit(rows, surrogate="machine").calibrate(labels)
        return study.infer("y ~ x", estimator="ppi++", **options)

    @pytest.mark.parametrize("model", ["linear", "logit"])
    def test_it_is_made_when_it_is_asked_for_and_once(self, model):
        result = self.result(model=model)
        assert not {"gold", "naive", "worth", "marginal"} & set(vars(result.beside))
        assert result.gold is result.gold and result.naive_fit is result.naive_fit
        assert result.effective_labels is result.effective_labels and result.marginal is result.marginal

    @pytest.mark.parametrize("model", ["linear", "logit"])
    def test_a_result_that_is_stored_keeps_it(self, model):
        result = self.result(model=model)
        stored = pickle.loads(pickle.dumps(self.result(model=model)))
        assert stored.fit.influence_of.func is np.asarray and not hasattr(stored.beside.gold_of, "sample")
        np.testing.assert_array_equal(stored.gold.params, result.gold.params)
        np.testing.assert_array_equal(stored.effective_labels, result.effective_labels)
        ours, theirs = (r.variance_parts.std_errors(0.5) for r in (result, stored))
        np.testing.assert_array_equal(ours, theirs)
        assert stored.summary().as_text() == result.summary().as_text()
