"""Names where users of R and statsmodels look, ratios, marginal effects, and tables of several models for papers."""

from __future__ import annotations

import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from tests.dsl.streams import streamed as stream_regression
from validstats.dsl import DesignSupervised
from validstats.dsl.results import level_text
from validstats.results import NotApplicable

pytestmark = pytest.mark.filterwarnings("ignore::validstats.exceptions.LabellingWarning")


@pytest.fixture(scope="module")
def logit(calibrated):
    return calibrated.infer("y ~ x1 + x2", model="logit")


def test_coefficients_covariances_and_intervals_have_names(logit) -> None:
    assert logit.coef()["x1"] == logit.params[1]
    assert logit.vcov().loc["x1", "x2"] == logit.covariance[1, 2]
    assert list(logit.confint().columns) == ["2.5 %", "97.5 %"]
    np.testing.assert_array_equal(logit.confint(0.9), logit.confidence_interval(0.9))
    assert logit.nobs == logit.n_rows and logit.terms == logit.names


def test_odds_ratios_are_exponentiated_coefficients(logit) -> None:
    table = logit.tidy(exponentiate=True)
    np.testing.assert_allclose(table["estimate"], np.exp(logit.params))
    np.testing.assert_allclose(table["conf_low"], np.exp(logit.conf_low))
    np.testing.assert_allclose(table["std_error"], logit.std_error)
    text = str(logit.summary(exponentiate=True, labels={"x1": "Income"}, drop=["Intercept"]))
    assert "Odds ratio" in text and "Income" in text and "Intercept" not in text


@pytest.mark.share(2)
@pytest.mark.parametrize(
    ("formula", "options", "ratio"),
    [
        ("y ~ x1", {"model": "logit"}, "odds ratio"),
        ("y ~ x1", {"model": "poisson"}, "rate ratio"),
        ("topic ~ x1", {"model": "multinomial"}, "relative risk ratio"),
        ("y ~ x1", {"model": "glm", "family": sm.families.Binomial()}, "odds ratio"),
    ],
)
def test_ratios_have_the_name_of_the_link(calibrated, formula, options, ratio) -> None:
    assert calibrated.infer(formula, **options).ratio == ratio


def test_a_subclass_of_a_family_keeps_its_limits_and_its_ratio(calibrated) -> None:
    class Quasibinomial(sm.families.Binomial):
        """A family of one's own."""

    result = calibrated.infer("y ~ x1", model="glm", family=Quasibinomial())
    assert result.ratio == "odds ratio"
    with pytest.raises(ValueError, match="between 0 and 1"):
        calibrated.infer("score ~ x1", model="glm", family=Quasibinomial())


@pytest.mark.parametrize(("formula", "model"), [("y ~ x1", "linear"), ("y ~ x1", "probit")])
def test_coefficients_that_are_no_logarithms_are_not_exponentiated(calibrated, formula, model) -> None:
    with pytest.raises(ValueError, match="no logarithms"):
        calibrated.infer(formula, model=model).summary(exponentiate=True)


@pytest.mark.parametrize("model", ["logit", "probit", "poisson"])
def test_marginal_effects_of_complete_labels_are_those_of_statsmodels(documents, model) -> None:
    data, _, truth = documents
    known = DesignSupervised(estimator="gold").fit(data).calibrate(truth["y"])
    effects = known.infer("y ~ x1 + x2", model=model).marginal_effects()
    kind = {"logit": sm.Logit, "probit": sm.Probit, "poisson": sm.Poisson}[model]
    fitted = kind(truth["y"], sm.add_constant(data[["x1", "x2"]])).fit(disp=0)
    np.testing.assert_allclose(effects.estimate, fitted.get_margeff().margeff, rtol=1e-6)
    assert effects.terms == ("x1", "x2")


@pytest.mark.slow
def test_standard_errors_of_marginal_effects_are_those_of_fresh_samples() -> None:
    rng, found, errors = np.random.default_rng(0), [], []
    for _ in range(120):
        x = rng.normal(size=400)
        y = (rng.random(400) < 1 / (1 + np.exp(-x))).astype(float)
        frame = pd.DataFrame({"x": x})
        known = DesignSupervised(estimator="gold").fit(frame).calibrate({"y": y})
        effects = known.infer("y ~ x", model="logit").marginal_effects()
        found.append(effects.estimate[0])
        errors.append(effects.std_error[0])
    # the ratio of a standard deviation from 120 draws has a standard error of 6.5 %
    assert 0.75 < np.mean(errors) / np.std(found) < 1.3


def test_marginal_effects_of_a_predicted_covariate_are_near_those_of_complete_labels(
    calibrated, documents
) -> None:
    data, _, truth = documents
    effects = calibrated.infer("y ~ t + x1", model="logit").marginal_effects()
    full = sm.Logit(truth["y"], sm.add_constant(pd.DataFrame({"t": truth["t"], "x1": data["x1"]}))).fit(
        disp=0
    )
    assert np.all(np.abs(effects.estimate - full.get_margeff().margeff) < 4 * effects.std_error)


def test_models_without_marginal_effects_say_why(calibrated) -> None:
    result = calibrated.infer("y ~ x1")
    assert isinstance(result.marginal, NotApplicable)
    with pytest.raises(ValueError, match="no marginal effects: the coefficients are on the scale"):
        result.marginal_effects()


def test_influence_values_give_the_covariance(calibrated) -> None:
    for result in (calibrated.infer("y ~ x1"), calibrated.infer("y ~ x1", clusters="unit")):
        values = result.influence_values()
        np.testing.assert_allclose(values.T @ values / result.n_rows**2, result.covariance, rtol=1e-10)


def test_influence_values_of_a_stream_are_kept_by_cluster(documents) -> None:
    data, labels, _ = documents
    rows = data.assign(y=labels["y"])
    options = {"label": "y", "covariates": ["x1"], "predictions": "q", "features": (), "random_state": 0}
    result = stream_regression(rows, sampling_probability=0.3, clusters="unit", chunk_size=400, **options)
    values = result.influence_values()
    assert values.shape == (data["unit"].nunique(), 2)
    np.testing.assert_allclose(values.T @ values / result.n_rows**2, result.covariance, rtol=1e-10)
    with pytest.raises(ValueError, match="not in memory together"):
        stream_regression(rows, sampling_probability=0.3, chunk_size=400, **options).influence_values()


class TestSeveralModelsSideBySide:
    """Tables of papers are made by maketables, which reads results as they are."""

    @pytest.fixture
    def table(self, calibrated, logit):
        maketables = pytest.importorskip("maketables")
        linear = calibrated.infer("score ~ x1 | unit")
        return maketables.ETable([logit, linear], labels={"x1": "Income"}, digits=3)

    def test_latex(self, table, logit) -> None:
        text = table.make(type="tex")
        assert f"{logit.params[1]:.3f}" in text and "Income" in text and "Expert labels" in text
        assert text.count(r"\begin{tabularx}") == 1 and "unit" in text

    def test_word(self, table, tmp_path) -> None:
        docx = pytest.importorskip("docx")
        path = tmp_path / "models.docx"
        table.save(type="docx", file_name=str(path), show=False)
        cells = [c.text for t in docx.Document(str(path)).tables for r in t.rows for c in r.cells]
        assert any("Income" in c for c in cells) and any("440" in c for c in cells)


@pytest.mark.share(2)
@pytest.mark.parametrize(
    ("level", "text"), [(0.975, "97.5%"), (0.999, "99.9%"), (0.95, "95%"), (0.29, "29%")]
)
def test_headings_show_the_level_that_was_asked_for(calibrated, level, text) -> None:
    assert level_text(level) == text
    fitted = calibrated.infer("y ~ x1", confidence_level=level)
    assert f"{text} low" in str(fitted) and f"{text} high" in str(fitted)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="LaTeX is not installed")
def test_nine_columns_fit_the_page_of_an_article(logit, tmp_path) -> None:
    table = logit.summary(labels={"x1": "Income & wealth_1 (1,000)"}).as_latex()
    page = (
        rf"\documentclass{{article}}\usepackage{{booktabs,graphicx}}\begin{{document}}{table}\end{{document}}"
    )
    (tmp_path / "page.tex").write_text(page, encoding="utf-8")
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "page.tex"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Overfull" not in done.stdout
