"""Scores and Jacobians of the models against statsmodels and finite differences."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import statsmodels.api as sm

from tests.oracles.dsl import numeric_jacobian
from validstats.dsl import Moment
from validstats.dsl.fit import Component, LabelledSample, identity_augmentation
from validstats.dsl.fit.augmentation import fit_augmented, fit_term
from validstats.dsl.moments import (
    GLMMoment,
    InstrumentalMoment,
    LinearMoment,
    MeanMoment,
    MultinomialMoment,
    RegressionRows,
    UserMoment,
    two_stage_projection,
)


def fit_rows(moment, rows):
    """Solve the score of rows that are all labelled."""
    n = rows.n_rows
    sample = LabelledSample(moment=moment, gold=rows, labelled=np.ones(n, dtype=bool), probability=np.ones(n))
    return fit_term(sample, (Component(rows=rows),))


F = sm.families
LINKS = F.links
FAMILIES = [
    F.Gaussian(),
    F.Gaussian(LINKS.Log()),
    F.Binomial(),
    F.Binomial(LINKS.Probit()),
    F.Binomial(LINKS.CLogLog()),
    F.Binomial(LINKS.LogLog()),
    F.Binomial(LINKS.Cauchy()),
    F.Poisson(),
    F.Poisson(LINKS.Sqrt()),
    F.Gamma(LINKS.Log()),
    F.Gamma(LINKS.InversePower()),
    F.InverseGaussian(LINKS.Log()),
    F.NegativeBinomial(alpha=0.7),
    F.Tweedie(LINKS.Log(), var_power=1.5),
]


def rows_for(family, rng, n=120):
    X = np.column_stack([np.ones(n), rng.uniform(-0.5, 0.5, n), rng.uniform(0, 1, n)])
    mu = family.link.inverse(X @ np.array([0.9, 0.3, 0.4]))
    name = type(family).__name__
    if name == "Binomial":
        y = (rng.random(n) < mu).astype(float)
    elif name in ("Poisson", "NegativeBinomial", "Tweedie"):
        y = rng.poisson(mu).astype(float)
    elif name == "Gaussian":
        y = mu + 0.1 * rng.normal(size=n)
    else:
        y = mu * rng.gamma(5.0, 0.2, n)
    return RegressionRows(y=y, X=X)


def family_id(family):
    return f"{type(family).__name__}-{type(family.link).__name__}"


@pytest.mark.parametrize("family", FAMILIES, ids=family_id)
def test_glm_jacobian_is_the_exact_derivative(family):
    rng = np.random.default_rng(0)
    rows, moment = rows_for(family, rng), GLMMoment(family)
    weights, b = rng.normal(size=120), np.array([0.8, 0.2, 0.3])
    expected = numeric_jacobian(lambda c: weights @ moment.score(rows, c), b)
    np.testing.assert_allclose(moment.jacobian(rows, b, weights), expected, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("family", FAMILIES, ids=family_id)
def test_glm_root_is_the_statsmodels_fit(family):
    rows = rows_for(family, np.random.default_rng(1))
    fit = sm.GLM(rows.y, rows.X, family=family).fit(tol=1e-13, maxiter=500)
    newton = fit_rows(GLMMoment(family), rows)
    assert newton.converged
    np.testing.assert_allclose(newton.params, fit.params, rtol=2e-6, atol=2e-7)
    assert newton.largest_moment < 1e-12


@pytest.mark.parametrize("family", [F.Gaussian(), F.Poisson(), F.Gamma(LINKS.Log())], ids=family_id)
def test_glm_starts_from_one_step_of_reweighted_least_squares(family):
    rng = np.random.default_rng(6)
    weights, offset = rng.uniform(0.5, 2.0, 120), rng.normal(size=120)
    rows = replace(rows_for(family, rng), weights=weights, offset=offset)
    row_weights = rng.uniform(1.0, 3.0, 120)
    model = sm.GLM(rows.y, rows.X, family=family, var_weights=weights * row_weights, offset=offset)
    step = model.fit(maxiter=1)
    np.testing.assert_allclose(GLMMoment(family).start(rows, row_weights), step.params, rtol=1e-9)


def other_moments(rng, n=80):
    X = np.column_stack([np.ones(n), rng.normal(size=n)])
    Z = np.column_stack([np.ones(n), X[:, 1] + rng.normal(size=n)])
    onehot = np.eye(3)[rng.integers(0, 3, n)]
    weights, offset = rng.uniform(0.5, 2, n), rng.normal(size=n)
    cubic = Moment(
        score=lambda c, b: np.column_stack([c["y"] - b[0], (c["y"] - b[0]) ** 2 - np.exp(b[1])]),
        variables=("y",),
        start=(0.0, 0.0),
    )
    y = rng.normal(size=n)
    return [
        (LinearMoment(), RegressionRows(y=y, X=X, weights=weights, offset=offset)),
        (MeanMoment(), RegressionRows(y=onehot, X=np.ones((n, 1)), weights=weights)),
        (MultinomialMoment(3), RegressionRows(y=onehot, X=X, weights=weights)),
        (InstrumentalMoment(), RegressionRows(y=y, X=X, Z=Z, weights=weights)),
        (GLMMoment(F.Poisson()), RegressionRows(y=np.abs(y), X=X, weights=weights, offset=offset)),
        (UserMoment(cubic), RegressionRows(y=y, X=X, weights=weights, columns={"y": y})),
    ]


@pytest.mark.parametrize("case", range(6))
def test_jacobian_and_leverage_of_every_moment(case):
    rng = np.random.default_rng(2)
    moment, rows = other_moments(rng)[case]
    p = moment.n_params(rows)
    b, weights = 0.3 * rng.normal(size=p), rng.normal(size=rows.n_rows)
    expected = numeric_jacobian(lambda c: weights @ moment.score(rows, c), b)
    np.testing.assert_allclose(moment.jacobian(rows, b, weights), expected, rtol=1e-6, atol=1e-6)
    total = moment.jacobian(rows, b, np.ones(rows.n_rows))
    leverage = moment.leverage(rows, b, np.linalg.inv(total))
    np.testing.assert_allclose(leverage.sum(), p, rtol=1e-8)
    one = moment.jacobian(rows.take(np.array([3])), b, np.ones(1))
    np.testing.assert_allclose(leverage[3], np.trace(np.linalg.inv(total) @ one), rtol=1e-7)


def test_multinomial_root_is_mnlogit():
    rng = np.random.default_rng(3)
    X = sm.add_constant(rng.normal(size=(400, 2)))
    y = rng.integers(0, 3, 400)
    fit = sm.MNLogit(y, X).fit(disp=0, tol=1e-12, maxiter=200)
    newton = fit_rows(MultinomialMoment(3), RegressionRows(y=np.eye(3)[y], X=X))
    np.testing.assert_allclose(newton.params, fit.params.T.ravel(), atol=1e-7)


def test_two_stage_least_squares():
    rng = np.random.default_rng(4)
    z, u = rng.normal(size=(500, 2)), rng.normal(size=500)
    d = z @ [1.0, 0.5] + u + rng.normal(size=500)
    y = 1 + 2 * d + u
    X, Z = np.column_stack([np.ones(500), d]), np.column_stack([np.ones(500), z])
    projection = two_stage_projection(Z.T @ Z / 500, Z.T @ X / 500)
    fitted = Z @ np.linalg.lstsq(Z, X, rcond=None)[0]
    expected = np.linalg.solve(fitted.T @ X, fitted.T @ y)
    newton = fit_rows(InstrumentalMoment(), RegressionRows(y=y, X=X, Z=Z @ projection))
    np.testing.assert_allclose(newton.params, expected, rtol=1e-9)
    with pytest.raises(ValueError, match="cannot identify"):
        two_stage_projection(np.eye(1), np.ones((1, 2)))


def test_nearly_collinear_columns_do_not_stop_newton():
    rng = np.random.default_rng(5)
    x1 = rng.normal(size=3000)
    x2 = 0.998 * x1 + np.sqrt(1 - 0.998**2) * rng.normal(size=3000)
    X = np.column_stack([np.ones(3000), 50 * x1, 3000 * x2])
    y = (rng.random(3000) < 1 / (1 + np.exp(-x1 + 0.8 * x2))).astype(float)
    rows = RegressionRows(y=y, X=X)
    sample = LabelledSample(
        moment=GLMMoment(F.Binomial()), gold=rows, labelled=np.ones(3000, bool), probability=np.ones(3000)
    )
    q = 1 - y
    term = (Component(rows=RegressionRows(y=q, X=X)),)
    fit = fit_augmented(sample, identity_augmentation(term, 3))
    expected = sm.Logit(y, X).fit(disp=0, tol=1e-14, maxiter=100)
    np.testing.assert_allclose(fit.params, expected.params, rtol=1e-7)
    np.testing.assert_allclose(fit.bread / 3000, expected.cov_params(), rtol=1e-6)


def test_user_moment_shape_is_checked():
    rows = RegressionRows(y=np.zeros(4), X=np.zeros((4, 0)), columns={"y": np.zeros(4)})
    bad = UserMoment(Moment(score=lambda c, b: c["y"], variables=("y",), start=(0.0,)))
    with pytest.raises(ValueError, match=r"must return \(4, 1\)"):
        bad.score(rows, np.zeros(1))
    wrong = Moment(
        score=lambda c, b: c["y"][:, None], jacobian=lambda c, b: np.zeros(3), variables=("y",), start=(0.0,)
    )
    with pytest.raises(ValueError, match="row, equation, parameter"):
        UserMoment(wrong).jacobian(rows, np.zeros(1), np.ones(4))


def test_an_array_that_a_user_keeps_is_not_changed():
    rng = np.random.default_rng(8)
    n = 40
    y, q, labelled = rng.normal(size=n), rng.normal(size=n), np.arange(n) % 2 == 0
    kept = {}

    def score(columns, b):
        return kept.setdefault((len(columns["y"]), float(b[0])), columns["y"][:, None] - b)

    moment = UserMoment(Moment(score=score, variables=("y",), start=(0.0,)))

    def rows(values):
        return RegressionRows(y=values, X=np.ones((len(values), 1)), columns={"y": values})

    sample = LabelledSample(
        moment=moment, gold=rows(y[labelled]), labelled=labelled, probability=np.full(n, 0.5)
    )
    term = (Component(rows=rows(q), weight=0.3), Component(rows=rows(q), weight=0.7))
    fit = fit_augmented(sample, identity_augmentation(term, 1, 0.8))
    plain = fit_augmented(replace(sample, moment=MeanMoment()), identity_augmentation(term, 1, 0.8))
    np.testing.assert_allclose(fit.params, plain.params, rtol=1e-12)
    np.testing.assert_allclose(fit.psi, plain.psi, atol=1e-12)
    whole = {b: values for (size, b), values in kept.items() if size == n}
    assert whole
    for b, values in whole.items():
        np.testing.assert_array_equal(values[:, 0], q - b)
