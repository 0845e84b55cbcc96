"""Claims of the package: every one makes its statement in settings of its prior, without an undocumented error."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pytest
from scipy import stats

from tests.validity.claims_net import TABLE, judged, n_settings, setting_of, tried, watching
from validstats.mi import mutual_info
from validstats.validity import Refused, hunt
from validstats.validity.claims import DOMAINS, claims_of
from validstats.validity.claims.dsl import GLM_MEANS, LINKS, NUMBERS, SCORES, _design_matrix, _exact_at_looks
from validstats.validity.claims.mi import curve_information, draw_pair, shift_information, table_information
from validstats.validity.claims.words import documented, fault_of_interval

CLAIMS = [
    pytest.param(claim, id=f"{domain}: {claim.name}") for domain in DOMAINS for claim in claims_of(domain)
]
NET = json.loads(TABLE.read_text(encoding="utf-8"))
ROWS = [
    pytest.param(domain, claim, row, id=f"{domain}: {claim.name} {number}")
    for domain in DOMAINS
    for claim in claims_of(domain)
    for number, row in enumerate(NET.get(f"{domain}: {claim.name}", ()))
]


def test_the_table_has_every_claim_in_all_its_settings() -> None:
    claims = {f"{domain}: {claim.name}": claim for domain in DOMAINS for claim in claims_of(domain)}
    assert {name: len(rows) for name, rows in NET.items()} == {
        name: n_settings(claim) for name, claim in claims.items()
    }


@pytest.mark.share(4)
@pytest.mark.parametrize(("domain", "claim", "row"), ROWS)
def test_a_claim_hands_over_and_judges_as_in_the_table(domain, claim, row) -> None:
    """Laws, truths, references and options of seeded trials; who changes a claim writes the table anew (tests/validity/claims_net.py)."""
    # settings of files are lists where those that were drawn are tuples
    assert json.loads(json.dumps(setting_of(claim, row["seed"]))) == row["setting"]
    found = tried(domain, claim, row["setting"], row["seed"])
    assert found.keys() == row.keys() - {"setting", "seed", "spoiled"}
    assert found["notes"].keys() == row["notes"].keys()
    for name, value in found["notes"].items():
        assert value == pytest.approx(row["notes"][name], rel=1e-6, abs=1e-7), name
    # a step of one in a large end of a prior moves its number little
    assert found["prior"] == pytest.approx(row["prior"], rel=1e-10)
    for name in found.keys() - {"notes", "prior"}:
        expected = pytest.approx(row[name], rel=1e-6) if isinstance(row[name], float) else row[name]
        assert found[name] == expected, name


@pytest.mark.share(6)
@pytest.mark.parametrize(("domain", "claim", "row"), [case for case in ROWS if "spoiled" in case.values[2]])
def test_wrong_answers_are_noticed_as_in_the_table(domain, claim, row) -> None:
    """Intervals that lie elsewhere, have no number or swapped ends, and tests that find everything."""
    assert judged(domain, claim, row, row["spoiled"]) == row["spoiled"]


@pytest.mark.validity
@pytest.mark.parametrize("claim", CLAIMS)
def test_trials_of_a_claim_end_in_a_statement_or_a_documented_refusal(claim) -> None:
    rng = np.random.default_rng(0)
    made = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(30):
            setting = claim.prior.draw(rng)
            assert 0.5 <= claim.level_of(setting) < 1
            try:
                trial = claim.trial(setting, rng)
            except Refused:
                continue
            assert trial.fault == "", setting
            made += 1
            if made == 3:
                break
    assert made == 3


TRIALS = {"batch": 180, "dsl": 195, "evals": 210, "holdout": 80, "mi": 150}
"""Trials of the search of a domain, so many that every claim is hunted: two minutes of processor time in all."""


@pytest.mark.validity
@pytest.mark.parametrize("domain", TRIALS)
def test_a_small_hunt_finds_nothing(domain) -> None:
    """The same settings and seeds on every machine."""
    found = hunt(claims_of(domain), n_trials=TRIALS[domain], n_confirmed=1, confirm_trials=6, random_state=24)
    assert not found.faults, str(found.summary())
    assert {f.claim for f in found.drawn} == {claim.name for claim in claims_of(domain)}


@pytest.mark.slow
def test_truths_of_laws_are_those_of_a_large_sample() -> None:
    """The plug-in and nearest neighbours find, from many rows, what the formulas say."""
    rng = np.random.default_rng(1)
    setting = {"n": 2000, "dims": 1, "strength": 0.7, "shape": "plain", "levels": (3, 3), "copies": 1}
    for law in ("gaussian", "parabola", "labels"):
        x, y, truth = draw_pair({**setting, "law": law}, rng)
        assert mutual_info(x, y, method="ksg").estimate == pytest.approx(truth, abs=0.06), law
    x, y, truth = draw_pair({**setting, "law": "table"}, rng)
    assert mutual_info(x, y, method="plug-in").estimate == pytest.approx(truth, abs=0.03)


def test_information_at_its_limits() -> None:
    assert table_information(np.full((3, 4), 1 / 12)) == pytest.approx(0.0, abs=1e-12)
    assert table_information(np.eye(3) / 3) == pytest.approx(np.log(3))
    assert shift_information(4, 40.0) == pytest.approx(np.log(4), abs=1e-6)
    assert shift_information(4, 0.0) == pytest.approx(0.0, abs=1e-6)
    # a step is a coin of .3 and .7 where the noise is small
    assert curve_information("step", 0.02) == pytest.approx(-0.3 * np.log(0.3) - 0.7 * np.log(0.7), abs=1e-3)


@pytest.mark.parametrize("laws", [NUMBERS, SCORES], ids=["numbers", "scores"])
def test_means_of_laws_are_the_integrals_of_their_quantile_functions(laws) -> None:
    u = (np.arange(200_000) + 0.5) / 200_000
    for name, (quantile, mean) in laws.items():
        assert np.mean(quantile(u)) == pytest.approx(mean, abs=2e-3), name


def test_means_of_outcomes_are_the_inverse_links_of_statsmodels() -> None:
    from statsmodels.genmod.families import links

    eta = np.linspace(-2, 1.5, 8)
    for name, link in (("logit", links.Logit()), ("probit", links.Probit()), ("poisson", links.Log())):
        assert LINKS[name](eta) == pytest.approx(link.inverse(eta)), name
    log = links.Log().inverse(eta)
    means = {
        "gamma, log": log,
        "binomial, complementary log-log": links.CLogLog().inverse(eta),
        "gaussian, log": log,
    }
    assert LINKS["poisson"](np.array([9.0])) == pytest.approx(np.exp(5))
    assert GLM_MEANS["gamma, log"](np.array([-9.0, 9.0])) == pytest.approx(np.exp([-5, 5]))
    assert GLM_MEANS["gaussian, log"](np.array([-9.0, 9.0])) == pytest.approx(np.exp([-5, 3]))
    rare = "binomial, complementary log-log"
    assert GLM_MEANS[rare](np.array([-99.0, 1.0])) == pytest.approx([np.exp(-30), 1 - np.exp(-np.e)])
    assert 1 - GLM_MEANS[rare](np.array([9.0])) == pytest.approx(np.exp(-np.exp(3)), rel=1e-6)
    assert GLM_MEANS.keys() == means.keys()
    for name, mean in means.items():
        assert GLM_MEANS[name](eta) == pytest.approx(mean), name


MEANS = {
    "rate of a benchmark with repeated samples": ({"items": 20_000, "samples": 2}, "evaluate", "score"),
    "difference of two systems on the same items": ({"items": 20_000}, "compare", "a - b"),
    "difference of two systems whose scores are numbers": ({"items": 20_000, "each": 1}, "compare", "a - b"),
    "mean of scores that are numbers": ({"items": 20_000, "each": 1}, "evaluate", "cost"),
    "mean of numbers by a judge and few humans": ({"labels": 10_000, "times": 2.0}, "evaluate", "human"),
    "rate by a judge and few humans": ({"labels": 10_000, "times": 2.0, "samples": 1}, "evaluate", "human"),
}
"""Claims about the mean of what is handed over: a large setting, the call, and the column."""


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", MEANS)
def test_truths_of_evaluations_are_the_means_of_large_samples(name, seed) -> None:
    """What an interval is compared with is what many rows have as their mean, within four standard errors."""
    [claim] = [claim for claim in claims_of("evals") if claim.name == name]
    setting, call, column = MEANS[name]
    rng = np.random.default_rng(seed)
    setting = {**claim.prior.draw(rng), **setting}
    with watching("evals", claim) as notes, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        claim.trial(setting, rng)
    data = notes.calls[call][0][0]
    values = data["a"] - data["b"] if column == "a - b" else data[column]
    values = values[np.isfinite(values)]
    truths = {given[1] for given in notes.calls["against"] if given[0] == "greater_equal" and len(given) == 2}
    error = values.std() / np.sqrt(len(values))
    assert any(abs(values.mean() - truth) < 4 * max(error, 1e-4) for truth in truths), (values.mean(), truths)


def test_settings_that_no_user_has_are_not_drawn() -> None:
    """The largest setting that goes together, and one a little beyond it."""
    limits = {
        "dsl": [({"labels": 500, "times": 40.0}, {"labels": 10_000.5, "times": 2})],
        "evals": [
            (
                {"labels": 400, "times": 10.0, "items": 150, "each": 10},
                {"labels": 2000.5, "times": 2, "items": 149, "each": 10},
            ),
            (
                {"labels": 150, "times": 4, "items": 100, "each": 10},
                {"labels": 300.5, "times": 2, "items": 99, "each": 10},
            ),
        ],
    }
    for domain, cases in limits.items():
        for claim in claims_of(domain):
            if claim.prior.valid is not None:
                verdicts = [(claim.prior.valid(a), claim.prior.valid(b)) for a, b in cases]
                assert (True, False) in verdicts, claim.name


def test_ends_of_an_interval_are_judged() -> None:
    assert fault_of_interval(0.0, 1.0, 0.5) == fault_of_interval(0.0, 0.0, 0.0) == ""
    assert fault_of_interval(0.0, 1.0, np.nan) == fault_of_interval(0.0, 1.0, 1.0 + 5e-10) == ""
    assert (
        fault_of_interval(0.0, 1.0, 1.0 + 2e-9)
        == fault_of_interval(0.0, 1.0, -2e-9)
        == "the estimate lies outside"
    )
    assert fault_of_interval(1.0, 0.0, 0.5) == "a lower end lies above the upper one"
    assert fault_of_interval(np.nan, 0.0, 0.5) == fault_of_interval(0.0, np.nan, 0.5) == "an end is NaN"


def test_a_refusal_is_a_whole_sentence_of_the_package() -> None:
    with pytest.raises(ValueError) as caught:
        mutual_info(np.zeros(3), np.zeros(4))
    assert isinstance(documented(caught.value), Refused)
    with pytest.raises(ValueError) as caught:
        np.zeros(3).reshape(2, 2)
    assert documented(caught.value) is caught.value


def test_covariates_are_normal_skewed_and_dummies_in_turn() -> None:
    X = _design_matrix({"n_covariates": 9, "covariate": "normal"}, 20_000, np.random.default_rng(0))
    assert X.mean(axis=0) == pytest.approx([0.0, 0.0, 0.3] * 3, abs=0.03)
    assert stats.skew(X[:, [0, 3, 6]]) == pytest.approx(0.0, abs=0.1)
    assert stats.skew(X[:, [1, 4, 7]]) == pytest.approx(2.0, abs=0.3)
    assert set(X[:, [2, 5, 8]].ravel()) == {0.0, 1.0}


def test_intervals_at_looks_are_those_of_scipy() -> None:
    y = np.repeat([0.0, 1.0, 0.0], [40, 40, 10])
    known = [1, 40, 45, 90]
    for labels in (y, y[::-1], 1 - y):
        found = _exact_at_looks(labels, known, 0.9)
        for k, (low, high) in zip(known, found, strict=True):
            exact = stats.binomtest(int(labels[:k].sum()), k).proportion_ci(1 - 0.1 / len(known), "exact")
            assert (low, high) == pytest.approx((exact.low, exact.high)), k


def unwarned(monkeypatch, domain, name, category, setting, seed=0):
    """The fault of a trial that does not hear warnings of a category, because it listens for others."""
    [claim] = [claim for claim in claims_of(domain) if claim.name == name]
    setting = {**NET[f"{domain}: {name}"][0]["setting"], **setting}
    monkeypatch.setattr(f"validstats.validity.claims.{domain}.{category}", BytesWarning)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return claim.trial(setting, np.random.default_rng(seed))


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"clusters": 49}, "few clusters without a warning"),
        ({"clusters": 50}, ""),
        ({"clusters": 49, "population": "finite"}, ""),
        ({"clusters": 49, "design": "simple"}, ""),
    ],
)
def test_few_clusters_without_a_warning_are_a_fault(change, fault, monkeypatch) -> None:
    setting = {
        "labels": 500,
        "times": 3.0,
        "design": "clusters",
        "population": "superpopulation",
        "logit": 0.0,
    }
    found = unwarned(monkeypatch, "dsl", "share by a judge", "LabellingWarning", {**setting, **change})
    assert found.fault == fault and found.held


@pytest.mark.parametrize(
    ("name", "low", "fault"),
    [
        ("share by a judge", -0.5, "an end lies outside 0 and 1"),
        ("mean of scores in a known range", -0.5, "an end lies outside 0 and 1"),
        ("difference of the shares of two groups", -1.5, "an end lies outside -1 and 1"),
    ],
)
def test_ends_a_little_outside_the_range_are_a_fault(name, low, fault) -> None:
    [claim] = [claim for claim in claims_of("dsl") if claim.name == name]
    row = NET[f"dsl: {name}"][0]
    for end, value in (("conf_low", low), ("conf_high", 1.5)):
        instead = {end: lambda answer, value=value: np.full(np.shape(answer.conf_low), value)}
        with watching("dsl", claim, instead), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert claim.trial(row["setting"], np.random.default_rng(row["seed"])).fault == fault


@pytest.mark.parametrize("law", ["gaussian", "line"])
def test_copies_without_a_warning_are_a_fault(law, monkeypatch) -> None:
    setting = {"law": law, "copies": 2, "n": 50, "dims": 1}
    found = unwarned(monkeypatch, "mi", "certified lower bound", "RepeatedRowsWarning", setting)
    assert found.fault == "copies of rows without a warning" and found.held


def test_an_interval_that_is_withheld_without_a_warning_is_a_fault(monkeypatch) -> None:
    setting = {"n": 500, "memory": 0.95}
    found = unwarned(
        monkeypatch, "mi", "estimates of two independent series", "SerialDependenceWarning", setting
    )
    assert found.fault == "no interval, and no warning" and found.held


def test_a_warning_of_batches_that_is_not_heard_is_not_counted(monkeypatch) -> None:
    setting = {"weeks": 60, "rows": 30, "shock": 0.2, "law": "normal", "unequal": False}
    name = "warning that rows of one batch move together"
    assert unwarned(monkeypatch, "batch", name, "DependentRowsWarning", setting).decided is False
    monkeypatch.undo()
    [claim] = [claim for claim in claims_of("batch") if claim.name == name]
    assert claim.trial(setting, np.random.default_rng(0)).decided is True
