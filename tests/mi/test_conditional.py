"""Conditional mutual information against its oracle, closed forms and the chain rule."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from tests.oracles import mi_classical as oracle
from validstats.mi import LearnedMI, conditional_mutual_info, mutual_info
from validstats.mi.anchors import gaussian_plug_in, normal_scores
from validstats.mi.conditional import conditional_ksg, gaussian_chain_rule
from validstats.mi.permutation import conditional_scores


def triple(n, rho, seed):
    """Gaussian X, Y with a common part Z, and correlation rho given Z."""
    generator = np.random.default_rng(seed)
    z = generator.standard_normal(n)
    e = generator.standard_normal((2, n))
    return z + e[0], z + rho * e[0] + np.sqrt(1 - rho**2) * e[1], z


@pytest.mark.parametrize("decimals", [8, 0])
def test_conditional_ksg_equals_the_oracle(decimals) -> None:
    generator = np.random.default_rng(0)
    x, y, z = (generator.normal(size=(40, p)).round(decimals) for p in (1, 2, 1))
    for k in (1, 3):
        expected = oracle.conditional_ksg(x, y, z, k)
        assert conditional_ksg(x, y, z, k) == pytest.approx(expected, abs=1e-12)


@pytest.mark.share(2)
@pytest.mark.parametrize("method", ["ksg", "gaussian"])
@pytest.mark.parametrize("rho", [0.0, 0.7])
def test_gaussian_triples_have_the_closed_form(method, rho) -> None:
    x, y, z = triple(1500, rho, seed=1)
    truth = -0.5 * np.log(1 - rho**2)
    result = conditional_mutual_info(x, y, z, method=method)
    assert result.estimate == pytest.approx(truth, abs=0.06)
    assert mutual_info(x, y, method="ksg").estimate > truth + 0.1


def test_gaussian_chain_rule_is_symmetric_and_equals_the_partial_correlation() -> None:
    x, y, z = (side[:, None] for side in triple(100, 0.5, seed=2))
    assert gaussian_chain_rule(x, y, z) == pytest.approx(gaussian_chain_rule(y, x, z), abs=1e-10)
    residual = [side - np.polyval(np.polyfit(z[:, 0], side[:, 0], 1), z) for side in (x, y)]
    partial = np.corrcoef(residual[0][:, 0], residual[1][:, 0])[0, 1]
    plain = gaussian_plug_in(x, np.hstack([y, z])).value - gaussian_plug_in(x, z).value
    assert plain == pytest.approx(-0.5 * np.log(1 - partial**2), abs=1e-10)
    got = conditional_mutual_info(x, y, z, method="gaussian").unclipped
    assert got == pytest.approx(gaussian_chain_rule(*(normal_scores(s) for s in (x, y, z))), abs=1e-12)


def test_discrete_condition_averages_over_its_levels() -> None:
    generator = np.random.default_rng(3)
    z = generator.integers(0, 2, size=400)
    x = generator.standard_normal(400)
    y = np.where(z == 1, x, 0.0) + generator.standard_normal(400)
    result = conditional_mutual_info(x, y, z)
    parts = [
        (z == level).mean() * mutual_info(x[z == level], y[z == level], method="ksg").unclipped
        for level in (0, 1)
    ]
    assert result.unclipped == pytest.approx(sum(parts), abs=1e-10)
    assert result.estimator == "average of 'ksg' over the levels of Z"


def test_three_discrete_variables_follow_the_chain_rule() -> None:
    generator = np.random.default_rng(4)
    z = generator.integers(0, 3, size=3000)
    x = (z + generator.integers(0, 2, size=3000)) % 3
    independent_given_z = (z + generator.integers(0, 2, size=3000)) % 3
    assert conditional_mutual_info(x, independent_given_z, z).estimate == pytest.approx(0.0, abs=0.01)
    assert mutual_info(x, independent_given_z, method="ksg").estimate > 0.05
    exact = conditional_mutual_info(x, x, z, unit="bits")
    assert exact.estimate == pytest.approx(1.0, abs=0.02)


def test_mixed_sides_use_the_mixture_form() -> None:
    x, y, z = triple(600, 0.6, seed=5)
    label = y > 0
    result = conditional_mutual_info(x, label, z)
    assert result.estimator.startswith("mixture conditional KSG")
    assert 0.0 < result.estimate < result.upper_bound
    unrelated = conditional_mutual_info(np.random.default_rng(6).standard_normal(600), label, z)
    assert unrelated.estimate < 0.05


def test_results_print_and_tabulate() -> None:
    result = conditional_mutual_info(*triple(100, 0.5, seed=7))
    assert list(result.tidy().columns) == [
        "term",
        "estimate",
        "std_error",
        "conf_low",
        "conf_high",
        "p_value",
    ]
    assert result.glance()["dim_z"][0] == 1
    assert float(result) == result.estimate
    assert "strata=z" in " ".join(str(result.summary(details=True)).split())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "cca"}, "method must be one of"),
        ({"z": np.arange(60.0)}, "x has 100, y has 100, z has 60"),
        ({"z": np.repeat([0, 1], [95, 5])}, r"A level of z has only 5 row\(s\); each needs at least 10"),
        ({"n_neighbors": 100}, "n_neighbors must be between 1 and 99"),
        ({"x": np.repeat([0, 1], 50), "method": "gaussian"}, "x is discrete"),
    ],
)
def test_bad_input_is_refused(options, message) -> None:
    x, y, z = triple(100, 0.5, seed=8)
    arguments = {"x": x, "y": y, "z": z} | options
    with pytest.raises(ValueError, match=message):
        conditional_mutual_info(**arguments)


@pytest.mark.slow
def test_learned_form_reads_what_regressions_leave_over() -> None:
    """A nonlinear common cause: four learned estimates, added and subtracted, are far off."""
    generator = np.random.default_rng(9)
    z = generator.standard_normal((400, 3))
    cause, (x, y) = np.cos(2 * z).sum(axis=1), generator.standard_normal((2, 400))
    result = conditional_mutual_info(cause + x, cause + y, z, method="learned", random_state=0)
    assert result.conf_low == 0.0 <= result.estimate < result.conf_high
    predict = LearnedMI().predict
    forms = [
        predict(a, np.column_stack([b, z])) - predict(a, z)
        for a, b in ((cause + x, cause + y), (cause + y, cause + x))
    ]
    assert result.estimate < 0.1 < abs(np.mean(forms))
    linked = conditional_mutual_info(cause + x, cause + x + y, z, method="learned", test=False)
    assert linked.conf_low < 0.5 * np.log(2) < linked.conf_high
    assert conditional_mutual_info(x, y, x, method="learned").estimate == 0.0


def test_labels_take_the_chain_rule_without_an_interval() -> None:
    x, y, z = triple(150, 0.6, seed=9)
    result = conditional_mutual_info((x > 0).astype(int), y, z, method="learned", test=False)
    assert result.estimator == "learned, chain rule" and 0 <= result.estimate <= np.log(2)
    assert "continuous X and Y" in str(result.conf_low)


def test_scores_given_z_have_its_place_and_spread_removed() -> None:
    generator = np.random.default_rng(13)
    z, e = generator.standard_normal((2, 600))
    column = np.sin(2 * z) + np.exp(0.7 * z) * e
    left = conditional_scores(column[:, None], normal_scores(z[:, None]))[:, 0]
    assert np.corrcoef(left, e)[0, 1] > 0.9
    assert abs(np.corrcoef(np.abs(left), z)[0, 1]) < 0.15 < np.corrcoef(np.abs(column), z)[0, 1]


@pytest.mark.parametrize("method", ["gaussian", "ksg", "learned"])
def test_intervals_or_why_there_are_none(method) -> None:
    x, y, z = triple(400, 0.6, seed=14)
    truth = -0.5 * np.log(1 - 0.36)
    result = conditional_mutual_info(x, y, z, method=method, random_state=0)
    assert result.p_value == 0.001 and result.test.given == "Z"
    if method == "ksg":
        assert 0.01 < result.std_error < 0.2
        assert "outweighs" in str(result.conf_low) and "No interval" in str(result.summary())
    else:
        assert result.conf_low < truth < result.conf_high
        narrow = conditional_mutual_info(x, y, z, method=method, confidence_level=0.5, test=False)
        assert narrow.conf_high - narrow.conf_low < 0.6 * (result.conf_high - result.conf_low)
        assert narrow.test is None and "no test was run" in str(narrow.p_value)


def test_discrete_conditions_have_an_interval_and_an_exact_test() -> None:
    generator = np.random.default_rng(16)
    z = generator.integers(0, 2, 400)
    x = np.where(z == 1, 2.0, 0.0) + generator.standard_normal(400)
    y = np.where(z == 1, 2.0, 0.0) + generator.standard_normal(400)
    result = conditional_mutual_info(x, y, z, random_state=0)
    assert (
        result.p_value > 0.05 and result.test.guarantee.kind == "finite-sample" and result.test.n_strata == 2
    )
    assert result.conf_low == 0.0 and 0.0 <= result.estimate < result.conf_high < 0.2
    labels = [(side > 1).astype(int) for side in (x, x + 0.3 * y)]
    plug_in = conditional_mutual_info(*labels, z, random_state=0)
    assert plug_in.p_value == 0.001 and 0 < plug_in.conf_low < plug_in.estimate < plug_in.conf_high


@pytest.mark.validity
def test_intervals_of_the_gaussian_form_keep_their_level_and_without_z_they_do_not() -> None:
    truth, runs = -0.5 * np.log(1 - 0.25), 400
    covered = naive = 0
    for seed in range(runs):
        x, y, z = triple(120, 0.5, seed=1000 + seed)
        result = conditional_mutual_info(x, y, z, method="gaussian", test=False)
        covered += result.low <= truth <= result.high
        without = mutual_info(x, y, method="gaussian", certify=False)
        naive += without.low <= truth <= without.high
    assert binom.cdf(covered, runs, 0.95) > 1e-3
    assert binom.cdf(naive, runs, 0.95) < 1e-3


@pytest.mark.share(3)
@pytest.mark.parametrize("method", ["ksg", "gaussian", "learned"])
def test_columns_that_z_repeats_are_left_out_and_no_more(method) -> None:
    """I((A, Z); Y | Z) = I(A; Y | Z): a shared column must not make the answer 0."""
    x, y, z = triple(300, 0.8, seed=10)
    expected = conditional_mutual_info(x, y, z, method=method).estimate
    assert expected > 0.3
    for shared in (z, -(z**3)):
        left, right = np.column_stack([shared, x]), np.column_stack([y, shared])
        for pair in ((left, y), (x, right), (left, right)):
            assert conditional_mutual_info(*pair, z, method=method).estimate == pytest.approx(
                expected, abs=1e-12
            )
    assert conditional_mutual_info(np.exp(z), y, z, method=method).estimate == 0.0


@pytest.mark.parametrize("method", ["gaussian", "learned"])
def test_a_combination_that_z_determines_is_refused_by_the_chain_rule(method) -> None:
    x, y, z = triple(300, 0.8, seed=11)
    scores = [normal_scores(side[:, None])[:, 0] for side in (x, y, z)]
    both = np.column_stack([scores[0], 2 * scores[2] - scores[0]])
    with pytest.raises(ValueError, match="Z determines a combination of the columns of x"):
        conditional_mutual_info(both, y, scores[2], method=method)
    with pytest.raises(ValueError, match="Z determines a combination of the columns of y"):
        conditional_mutual_info(y, both, scores[2], method=method)
    assert conditional_mutual_info(both, y, scores[2]).estimate > 0.3
    given = np.column_stack([x, y])
    assert conditional_mutual_info(x + y, z, given, method=method).estimate == 0.0


@pytest.mark.parametrize("method", ["ksg", "gaussian", "learned"])
def test_exact_relations_given_z_are_unbounded(method) -> None:
    x, y, z = triple(120, 0.3, seed=12)
    for pair in ((x, x), (x, 2 * x - 3 * z)):
        result = conditional_mutual_info(*pair, z, method=method)
        assert result.estimate == np.inf and result.estimator == "exact functional relation"
    assert np.isfinite(conditional_mutual_info(x, y, z, method=method).estimate)
