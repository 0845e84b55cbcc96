"""Claims of the package: every one makes its statement in settings of its prior, without an undocumented error."""

from __future__ import annotations

import json
import math
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

from tests.validity import claims_net
from tests.validity.claims_net import TABLE, judged, n_settings, setting_of, tried, watching
from validstats.holdout.mechanisms import Release
from validstats.mi import mutual_info
from validstats.validity import Refused, Trial, hunt
from validstats.validity.claims import DOMAINS, claims_of
from validstats.validity.claims import holdout as holdout_claims
from validstats.validity.claims.batch import _checked
from validstats.validity.claims.dsl import (
    DESIGNS,
    GLM_MEANS,
    LINKS,
    NUMBERS,
    SCORES,
    _chances,
    _design_matrix,
    _drawn,
    _exact_at_looks,
    _groups,
    _labels_alone,
    _student,
    _wilson,
)
from validstats.validity.claims.evals import _level_of_numbers
from validstats.validity.claims.mi import curve_information, draw_pair, shift_information, table_information
from validstats.validity.claims.words import documented, fault_of_interval

CLAIMS = [
    pytest.param(claim, id=f"{domain}: {claim.name}") for domain in DOMAINS for claim in claims_of(domain)
]
NET = json.loads(TABLE.read_text(encoding="utf-8"))
ROWS = [
    pytest.param(domain, claim, row, id=f"{domain}: {claim.name} {number}")
    for domain in DOMAINS
    for claim in claims_net.claims_of(domain)
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
    assert GLM_MEANS[rare](np.array([-99.0, 1.0])) == pytest.approx(
        [np.exp(-30), 1 - np.exp(-np.e)], rel=1e-9, abs=0.0
    )
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
    [claim] = [claim for claim in claims_net.claims_of("evals") if claim.name == name]
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


def test_few_units_with_numbers_are_promised_less() -> None:
    levels = {(30, 1): 0.95, (29, 1): 0.9, (89, 3): 0.9, (90, 3): 0.95}
    assert {case: _level_of_numbers({"items": case[0], "each": case[1]}) for case in levels} == levels


def test_one_wrong_interval_of_several_is_judged() -> None:
    low, high, truth = np.array([0.0, 1.0]), np.array([1.0, 2.0]), np.array([0.0, 2.0])
    assert _checked(low, high, truth, 3.0, True) == Trial(True, 1.0, True, 3.0)
    for k in (0, 1):
        off = np.eye(2)[k]
        assert not _checked(low, high, truth + 3 * off, 3.0, None).held
        assert not _checked(low, high, truth - 3 * off, 3.0, None).held
        assert _checked(np.where(off, np.nan, low), high, truth, 3.0, None).fault == "an end is NaN"
        assert _checked(low, np.where(off, np.nan, high), truth, 3.0, None).fault == "an end is NaN"
        assert _checked(low + 2 * off, high, truth, 3.0, None).fault == "a lower end lies above the upper one"
    assert _checked(low, low, low, 3.0, None).fault == ""


def test_ends_of_an_interval_are_judged() -> None:
    assert fault_of_interval(0.0, 1.0, 0.5) == fault_of_interval(0.0, 0.0, 0.0) == ""
    assert fault_of_interval(0.0, 1.0, np.nan) == fault_of_interval(0.0, 1.0, 1.0 + 5e-10) == ""
    assert (
        fault_of_interval(0.0, 1.0, 1.0 + 2e-9)
        == fault_of_interval(0.0, 1.0, -2e-9)
        == "the estimate lies outside"
    )
    assert fault_of_interval(0.0, 0.0, 1e-9) == fault_of_interval(0.0, 0.0, -1e-9) == ""
    assert fault_of_interval(1.0, 0.0, 0.5) == "a lower end lies above the upper one"
    assert fault_of_interval(np.nan, 0.0, 0.5) == fault_of_interval(0.0, np.nan, 0.5) == "an end is NaN"


def test_a_refusal_is_a_whole_sentence_of_the_package() -> None:
    with pytest.raises(ValueError) as caught:
        mutual_info(np.zeros(3), np.zeros(4))
    assert isinstance(documented(caught.value), Refused)
    with pytest.raises(ValueError) as caught:
        np.zeros(3).reshape(2, 2)
    assert documented(caught.value) is caught.value


def test_a_whole_sentence_of_somebody_else_is_no_refusal() -> None:
    """Neither from beside the package nor where the package called it."""

    def fail() -> None:
        raise ValueError("A whole sentence.")

    within: dict = {}
    exec(compile("def call(other):\n    other()", documented.__code__.co_filename, "exec"), within)
    for act in (fail, lambda: within["call"](fail)):
        with pytest.raises(ValueError) as caught:
            act()
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
    [claim] = [claim for claim in claims_net.claims_of("dsl") if claim.name == name]
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


@pytest.mark.parametrize(("labels", "k", "fault"), [(4, 4, True), (5, 5, False)])
def test_fewer_than_five_labels_are_refused(labels, k, fault) -> None:
    [claim] = [claim for claim in claims_of("dsl") if claim.name == "share by a judge"]
    setting = {
        **NET["dsl: share by a judge"][0]["setting"],
        "design": "simple",
        "labels": labels,
        "times": 4.0,
    }
    said = ""
    try:
        claim.trial({**setting, "logit": 0.0, "judge": "binary"}, np.random.default_rng(0))
    except Refused as refused:
        said = str(refused)
    assert ("fewer than five labels" in said) is fault


@pytest.mark.parametrize("n", [30, 31, 400])
@pytest.mark.parametrize("change", [{}, {"labels": 3, "cell": 20}, {"clusters": 200}, {"clusters": 4}])
def test_designs_draw_so_many_with_the_chances_that_they_say(n, change) -> None:
    """Also where there are fewer labels than a stratum asks for, and fewer rows than clusters."""
    setting = {"labels": 12, "cell": 5, "clusters": 6, "spread": 8.0, **change}
    judged, k = np.repeat([0.0, 1.0], [n // 2, n - n // 2]), setting["labels"]
    size = k // setting["clusters"]
    for design, least in (("rows of clusters", 2), ("clusters", 1)):
        groups = _groups(n, {**setting, "design": design})
        assert np.array_equal(groups, np.arange(n) // max(least, size))
    draws = {
        design: [
            _drawn({**setting, "design": design}, judged, groups, np.random.default_rng(seed))
            for seed in range(200 if design in ("independent", "unequal") else 1)
        ]
        for design in DESIGNS
    }
    chosen, told = draws["simple"][0]
    assert chosen.sum() == k and told["sampling_probability"] == pytest.approx(np.full(n, k / n))
    chosen, told = draws["rows of clusters"][0]
    assert chosen.sum() == k and told["sampling_probability"] == pytest.approx(np.full(n, k / n))
    assert np.array_equal(told["clusters"], groups) and "clusters" not in draws["simple"][0][1]
    chosen, told = draws["clusters"][0]
    n_groups = len(np.unique(groups))
    picked = min(setting["clusters"], n_groups - 1)
    assert len(np.unique(groups[chosen])) == picked and not set(groups[chosen]) & set(groups[~chosen])
    assert told["sampling_probability"] == pytest.approx(np.full(n, picked / n_groups))
    chosen, told = draws["stratified"][0]
    _, sizes = np.unique(told["strata"], return_counts=True)
    assert len(sizes) == max(1, k // setting["cell"]) and np.ptp(sizes) <= 1
    drawn = np.bincount(told["strata"], chosen)
    assert list(drawn) == [min(setting["cell"], size) for size in sizes]
    for design in ("independent", "unequal"):
        probability = draws[design][0][1]["sampling_probability"]
        counts = [int(chosen.sum()) for chosen, _ in draws[design]]
        expected = np.mean([told["sampling_probability"].sum() for _, told in draws[design]])
        assert np.mean(counts) == pytest.approx(expected, abs=5 * np.sqrt(k / 200)), design
        ratio = 1.0 if design == "independent" else setting["spread"]
        assert 0 < probability.min() <= probability.max() <= min(1.0, ratio * probability.min() + 1e-12)


@pytest.mark.parametrize("alike", [0.0, 0.6])
def test_chances_are_uniform_and_alike_within_clusters_only(alike) -> None:
    setting = {"labels": 8, "clusters": 4, "design": "rows of clusters", "alike": alike}
    chances = _chances(40_000, setting, np.random.default_rng(0))
    assert stats.kstest(chances[::2], "uniform").pvalue > 0.01
    z = stats.norm.ppf(chances)
    assert np.mean(z[::2] * z[1::2]) == pytest.approx(alike, abs=5 / np.sqrt(20_000))
    assert np.mean(z[1:-1:2] * z[2::2]) == pytest.approx(0.0, abs=5 / np.sqrt(20_000))
    alone = _chances(40_000, {**setting, "design": "simple"}, np.random.default_rng(0))
    z = stats.norm.ppf(alone)
    assert np.mean(z[::2] * z[1::2]) == pytest.approx(0.0, abs=5 / np.sqrt(20_000))


def test_references_of_constant_labels_hold_where_the_truth_is_the_constant() -> None:
    every = np.ones(30, dtype=bool)
    for value in (0.0, 1.0):
        y = np.full(30, value)
        assert _student(y, every, value, 0.95) == (True, 0.0)
        held, width = _wilson(y, every, value, 0.95)
        z = stats.norm.ppf(0.975)
        assert held and width == pytest.approx(z**2 / (30 + z**2))


def test_least_squares_on_labels_alone_need_more_rows_than_coefficients() -> None:
    rng = np.random.default_rng(0)
    X, chosen = rng.normal(size=(40, 2)), np.zeros(40, dtype=bool)
    y = X @ [1.0, 2.0] + rng.normal(size=40)
    chosen[:4] = True
    assert _labels_alone(y, X, chosen, 2.0, 0.95) is None
    chosen[:5] = True
    assert _labels_alone(y, X, chosen, 2.0, 0.95) is not None


def test_systems_without_any_success_have_the_whole_range_as_reference() -> None:
    name = "difference of the pass rates of two systems on items of their own"
    [claim] = [claim for claim in claims_of("evals") if claim.name == name]
    for logit in (-40.0, 40.0):
        found = claim.trial(
            {"items": 12, "times": 1.0, "logit": logit, "gain": 0.0}, np.random.default_rng(0)
        )
        assert found.reference_held is True and found.reference_width == 2.0


@pytest.mark.parametrize(("looks", "refused"), [(49, False), (50, True)])
def test_chunks_and_rounds_want_a_row_for_each_question(looks, refused) -> None:
    [claim] = [claim for claim in claims_of("holdout") if claim.name == "scores of adaptively chosen models"]
    for mechanism in ("fresh_chunks", "rounds", "gaussian"):
        setting = {"n": 50, "looks": looks, "mechanism": mechanism, "analyst": "the same again"}
        said = False
        try:
            claim.trial({**setting, "guess": 0.5, "n_guess": 20, "level": 0.9}, np.random.default_rng(0))
        except Refused as error:
            said = not str(error)
        assert said == (refused and mechanism != "gaussian"), mechanism


STUDY = {"n": 60, "level": 0.9, "greed": 0.5, "looks": 9}


def study_of(holdout, each=1):
    return holdout._Study(
        {**STUDY, "each": each}, np.random.default_rng(0), queries=9, mechanism="guess_and_check", guess=None
    )


SPOILS_NOTICED = {
    "_ask_score": {"higher", "lower"},
    "_ask_without_guess": {"higher", "lower"},
    "_ask_again": {"higher", "lower"},
    "_ask_difference": {"higher", "lower"},
    "_ask_sign": {"all found"},
    "_ask_claim": {"all found"},
    "_ask_gain": {"all found"},
    "_ask_best": {"higher", "lower"},
    "_ask_board": {"higher", "lower"},
    "_ask_ties": set(),
    "_ask_function": {"higher", "lower"},
    "_join": set(),
}
"""Releases of a holdout, and the wrong answers that each must notice."""


def test_every_release_of_a_holdout_notices_wrong_answers() -> None:
    holdout = claims_net.module_of("holdout")
    [claim] = [claim for claim in holdout.CLAIMS if claim.name == "releases of every kind in any order"]
    found = {ask.__name__: set() for ask in holdout.RELEASES}
    for ask in holdout.RELEASES:
        for name in ("higher", "lower", "all found"):
            with watching("holdout", claim, claims_net.SPOILED[name]):
                study = study_of(holdout)
                ask(study)
                if not study.held:
                    found[ask.__name__].add(name)
                study.held = False
                ask(study)
                assert not study.held, (ask.__name__, name)
    assert found == SPOILS_NOTICED


@pytest.mark.parametrize("each", [1, 3])
def test_a_holdout_grows_by_what_was_learned_up_to_four_times(each) -> None:
    for votes, share in ((-1.0, 0.6), (0.0, 0.6), (1.0, 0.3)):
        study = study_of(holdout_claims, each)
        study.votes += votes
        before = study.n
        holdout_claims._join(study)
        labels, clusters = study.labels[before:], before and study.n - before
        assert len(labels) == clusters == len(study.votes) - before
        units = round(before / each * share)
        assert clusters == units if each == 1 else units <= clusters < 2 * each * units
    for rows, grows in ((4 * each * STUDY["n"], True), (4 * each * STUDY["n"] + 1, False)):
        study = study_of(holdout_claims, each)
        study.n = rows
        holdout_claims._join(study)
        assert (study.n > rows) is grows


def test_what_is_claimed_of_coins_is_false() -> None:
    """Scores above one half, gains above nothing."""
    [claim] = [
        claim
        for claim in claims_net.claims_of("holdout")
        if claim.name == "releases of every kind in any order"
    ]
    holdout = claims_net.module_of("holdout")
    with watching("holdout", claim) as notes:
        study = study_of(holdout)
        holdout._ask_claim(study)
        holdout._ask_gain(study)
    assert notes.calls["validate"][0][-2]["at_least"] > 0.5
    assert notes.calls["validate_gain"][0][-2]["at_least"] >= 0.0


def test_searches_of_a_gate_propose_what_they_say() -> None:
    """One label in turn, blocks as wide as the root, three labels, anything, and every fifth time the majority."""
    study = study_of(holdout_claims)
    n, guess = study.n, np.arange(study.n) % 2
    study.votes = np.tile([1.0, -1.0, 0.0], n)[:n]
    majority = (np.arange(n) % 3 == 0).astype(int)
    for step in (0, 1, 4, 5, 6, n - 1, n, n + 1, 2 * n + 7):
        found = {
            name: holdout_claims._proposals(name, study, guess, step) for name in holdout_claims.SEARCHES
        }
        changed = {name: np.flatnonzero(proposal != guess) for name, proposal in found.items()}
        assert all(set(proposal) <= {0, 1} for proposal in found.values())
        assert changed["one label at a time"].tolist() == [step % n]
        assert (len(changed["blocks"]), len(changed["near copies"])) == (math.isqrt(n), 3)
        assert n / 4 < len(changed["many seeds"]) < 3 * n / 4
        assert not np.array_equal(found["many seeds"], majority)
        assert np.array_equal(found["sign aggregation"], majority) is (step % 5 == 0)
    assert np.array_equal(guess, np.arange(n) % 2)


def test_one_kind_of_release_is_asked_again_and_again_before_the_others(monkeypatch) -> None:
    """For half of the declared questions, where repeats are drawn; two questions more than were declared are tried."""
    asked: list[int] = []
    kinds = tuple(lambda study, k=k: asked.append(k) for k in range(12))
    monkeypatch.setattr(holdout_claims, "RELEASES", kinds)
    orders = {}
    for repeats in (False, True):
        asked.clear()
        setting = {**STUDY, "mechanism": "guess_and_check", "repeats": repeats, "vault": 0.0}
        holdout_claims._mixed_trial(setting, np.random.default_rng(2))
        orders[repeats] = list(asked)
    any_order = orders[False]
    assert len(any_order) == STUDY["looks"] + 2
    first = any_order[0]
    assert not {first} & set(any_order[1:5])
    assert orders[True] == [first] * 4 + any_order[4:]


class Said:
    """An answer that a study hears: a number, a bit, a winner."""

    bounds = None

    def __init__(self, value=math.nan, passed=None, winner=None) -> None:
        self.value, self.passed, self.winner = value, passed, winner

    def __float__(self) -> float:
        return self.value


@pytest.mark.parametrize(
    ("ask", "answers"),
    [
        ("_ask_score", {0.6: True, 0.5: False, 0.4: False}),
        ("_ask_without_guess", {0.6: True, 0.5: False, 0.4: False}),
        ("_ask_difference", {0.1: True, 0.0: False, -0.1: False}),
        ("_ask_claim", {"yes": True, "no": False}),
        ("_ask_board", {"yes": True, "no": False}),
    ],
)
def test_a_study_learns_from_what_it_hears(ask, answers) -> None:
    """Votes for what scored well, and against what did not."""
    for value, good in answers.items():
        study = study_of(holdout_claims)
        said = Said(passed=value == "yes") if isinstance(value, str) else Said(value)
        study.holdout = SimpleNamespace(
            infer=lambda p, guess=None, said=said: said,
            compare=lambda p, q, said=said: said,
            validate=lambda p, at_least, said=said: said,
            leaderboard=lambda baseline, said=said: SimpleNamespace(submit=lambda p: said),
        )
        proposal = np.arange(study.n) % 2
        study.proposal = lambda proposal=proposal: proposal
        before = study.votes.copy()
        getattr(holdout_claims, ask)(study)
        assert np.array_equal(study.votes - before, (2 * proposal - 1) * (1 if good else -1))


@pytest.mark.parametrize("winner", range(4))
def test_a_study_learns_from_the_winner(winner) -> None:
    study = study_of(holdout_claims)
    candidates = [np.arange(study.n) % (k + 2) == 0 for k in range(4)]
    proposals = iter(candidates)
    study.proposal = lambda: next(proposals).astype(int)
    study.holdout = SimpleNamespace(best=lambda models: Said(winner=winner))
    holdout_claims._ask_best(study)
    assert np.array_equal(study.votes, np.where(candidates[winner], 1.0, -1.0))


class Fixed:
    """A generator whose uniform numbers are all one, and whose coins are heads and tails in turn."""

    def __init__(self, u: float) -> None:
        self.u = u

    def random(self) -> float:
        return self.u

    def integers(self, low: int, high: int, n: int) -> np.ndarray:
        return np.arange(n) % 2


@pytest.mark.parametrize(
    ("u", "fails", "good"), [(0.04, True, True), (0.06, False, True), (0.4, False, True), (0.6, False, False)]
)
def test_a_function_fails_on_a_holdout_one_time_in_twenty(u, fails, good) -> None:
    study, asked = study_of(holdout_claims), []
    study.proposal = lambda: np.ones(study.n, dtype=int)
    study.rng = Fixed(u)
    study.holdout = SimpleNamespace(query=lambda hits, guess: asked.append((hits, guess)) or Said())
    holdout_claims._ask_function(study)
    [(hits, guess)] = asked
    assert guess == 0.5 and set(study.votes) == {1.0 if good else -1.0}
    if fails:
        with pytest.raises(RuntimeError):
            hits(None, np.array([0, 1]))
    else:
        assert hits(None, np.array([0, 1])).tolist() == [0.0, 1.0]


def test_every_stratum_is_calibrated_where_there_are_fewer_rows_than_strata() -> None:
    name = "mean of a batch that mixes strata otherwise"
    [claim] = [claim for claim in claims_net.claims_of("batch") if claim.name == name]
    setting = NET[f"batch: {name}"][0]["setting"]
    for n, rows in ((5, 10), (10, 10), (13, 13)):
        with watching("batch", claim) as notes, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            claim.trial({**setting, "n": n, "strata": 10}, np.random.default_rng(0))
        strata = notes.calls["calibrate"][0][-2]["strata"]
        assert len(strata) == rows and strata[:10].tolist() == list(range(10))


def test_the_last_losses_are_those_of_the_majority_of_what_scored_well(monkeypatch) -> None:
    """A proposal has a vote for itself where its loss was below the truth, and against itself otherwise."""
    setting = {"n": 40, "looks": 5, "bold": 0.8, "guess": "none", "n_guess": 10, "level": 0.9}
    truth = 0.5 * (0.8**2 + 0.2**2)
    for values in ([0.0, 1.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, truth, None], [1.0, 1.0, 0.0, 1.0, 0.0]):
        seen: list[np.ndarray] = []
        said = iter([*values, 0.0])

        def step(state, losses, guess, seen=seen, said=said):
            seen.append(losses)
            return state, Release(value=next(said), low=0.0, high=1.0)

        kind = SimpleNamespace(initial_state=lambda n, **options: {}, step=step)
        monkeypatch.setattr(holdout_claims, "mechanism", lambda name, kind=kind: kind)
        # by their words, since a width that is not a number differs from itself
        assert repr(holdout_claims._values_trial(setting, np.random.default_rng(3))) == repr(Trial(True, 1.0))
        rng = np.random.default_rng(3)
        labels, *proposals = (rng.integers(0, 2, 40) for _ in range(7))
        votes = sum(
            (2 * proposal - 1) * (1 if (value or 0.0) < truth else -1)
            for proposal, value in zip(proposals[:5], values, strict=True)
        )
        assert len(seen) == 6
        assert (np.isclose(seen[-1], 0.2**2) == ((votes > 0) == labels)).all()


def test_nothing_is_asked_after_a_refusal(monkeypatch) -> None:
    setting = {"n": 40, "looks": 5, "bold": 0.8, "guess": "none", "n_guess": 10, "level": 0.9}
    answers = [Release(value=0.3, low=0.0, high=1.0), Release(value=0.3, low=0.0, high=0.5)]
    for refused in (Release(), Release(low=0.0), Release(high=1.0)):
        asked: list[Release] = []

        def step(state, losses, guess, asked=asked, refused=refused):
            asked.append([*answers, refused, *answers, *answers][len(asked)])
            return state, asked[-1]

        kind = SimpleNamespace(initial_state=lambda n, **options: {}, step=step)
        monkeypatch.setattr(holdout_claims, "mechanism", lambda name, kind=kind: kind)
        # by their words, since a width that is not a number differs from itself
        assert repr(holdout_claims._values_trial(setting, np.random.default_rng(0))) == repr(Trial(True, 0.5))
        assert len(asked) == 3


def test_the_last_score_of_a_search_is_that_of_the_majority_of_what_scored_well(monkeypatch) -> None:
    heard: list[list[float]] = []

    def audit(n, score, *, scores, **options):
        heard.append(list(scores))
        return SimpleNamespace(best=SimpleNamespace(low=0.0, high=1.0))

    monkeypatch.setattr(holdout_claims, "audit_looks", audit)
    setting = {"n": 60, "looks": 8, "decimals": 3, "known": "scores", "level": 0.9}
    for seed in range(3):
        holdout_claims._audit_trial(setting, np.random.default_rng(seed))
        rng = np.random.default_rng(seed)
        labels, *proposals = (rng.integers(0, 2, 60) for _ in range(8))
        scores = [round(float((proposal == labels).mean()), 3) for proposal in proposals]
        votes = sum(
            (2 * p - 1) * (1 if score > 0.5 else -1) for p, score in zip(proposals, scores, strict=True)
        )
        scores.append(round(float(((votes > 0) == labels).mean()), 3))
        assert heard[seed] == scores


@pytest.mark.parametrize("n", [60, 430])
def test_who_climbs_turns_a_twentieth_of_the_labels_at_a_time(n, monkeypatch) -> None:
    asked: list[np.ndarray] = []

    class Heard(holdout_claims._Guarded):
        def __call__(self, predictions):
            asked.append(predictions.copy())
            return super().__call__(predictions)

    monkeypatch.setattr(holdout_claims, "_Guarded", Heard)
    setting = {
        "n": n, "looks": 1, "mechanism": "guess_and_check", "analyst": "hill climbing", "guess": 0.5, "n_guess": 20,
        "level": 0.9,
    }  # fmt: skip
    holdout_claims._answers_trial(setting, np.random.default_rng(0))
    assert np.sum(asked[0] != asked[1]) == n // 20


@pytest.mark.parametrize(("rows", "least"), [(2, 1), (5, 1), (30, 10)])
def test_weeks_of_unequal_size_have_from_a_third_to_twice_as_many_rows(rows, least) -> None:
    for name, smallest, more in (
        ("total of a whole week from whole past weeks", least, {"shock": 0.5}),
        ("warning that rows of one batch move together", max(least, 2), {"shock": 0.0}),
    ):
        [claim] = [claim for claim in claims_net.claims_of("batch") if claim.name == name]
        setting = {**NET[f"batch: {name}"][0]["setting"], "weeks": 40, "rows": rows, "unequal": True, **more}
        with watching("batch", claim) as notes, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            claim.trial(setting, np.random.default_rng(0))
        weeks = 40 + ("past" in name)
        sizes = np.random.default_rng(0).integers(smallest, 2 * rows, weeks)
        assert np.bincount(notes.calls["calibrate"][0][-2]["batches"]).tolist() == sizes[:40].tolist()


def test_a_judge_without_a_sensitivity_is_refused_and_an_end_without_a_reason_is_a_fault(monkeypatch) -> None:
    from validstats.results import NotApplicable
    from validstats.validity.claims import evals

    setting = {"labels": 40, "logit": 0.0, "sensitivity": 0.9, "specificity": 0.8}

    def judge(low, reasons, terms=("specificity", "sensitivity")):
        ends = {"conf_low": [0.0, low], "conf_high": [1.0, 0.99], "estimate": [0.5, 0.95]}
        return SimpleNamespace(terms=list(terms), reasons=reasons, **ends)

    reason = {"sensitivity": "no good answer is labelled"}
    for found, outcome in (
        (NotApplicable("no judge"), "no sensitivity"),
        (judge(0.8, {}, ("specificity", "agreement")), "no sensitivity"),
        (judge(math.nan, reason), reason["sensitivity"]),
        (judge(math.nan, {}), "an end is NaN"),
        (judge(0.8, reason), ""),
        (judge(0.8, {}), ""),
    ):
        monkeypatch.setattr(
            evals, "evaluate", lambda data, found=found, **options: SimpleNamespace(judge=found)
        )
        if outcome in ("", "an end is NaN"):
            trial = evals._agreement_trial(setting, np.random.default_rng(0))
            assert trial.fault == outcome and trial.held is (outcome == "")
        else:
            with pytest.raises(Refused, match=f"^{outcome}$"):
                evals._agreement_trial(setting, np.random.default_rng(0))
