"""The hunt finds planted faults, says nothing of what holds, repeats itself, and goes on where it was stopped."""

from __future__ import annotations

import inspect
import itertools
import json
import os
import signal
import sys
import warnings
import zlib
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

from validstats.batch import laws
from validstats.batch.laws import rank_upper
from validstats.validity import Choice, Claim, LogUniform, Prior, Refused, Trial, Uniform, hunt, replay

FEW = Prior({"n": LogUniform(5, 300), "shift": Uniform(-1, 1)})


def mean_interval(quantile, with_batch=True):
    """A prediction interval for the mean of m normal rows from n others."""

    def trial(setting, rng):
        n, m = setting["n"], setting.get("m", 10)
        x, new = rng.normal(setting["shift"], 1, n), rng.normal(setting["shift"], 1, m)
        scale = np.sqrt(1 / n + (1 / m if with_batch else 0.0))
        half = quantile(n) * x.std(ddof=1) * scale
        return Trial(abs(new.mean() - x.mean()) <= half, 2 * half)

    return trial


def quantile_bound(off):
    def trial(setting, rng):
        n, m = setting["n"], 8
        scores, new = rng.normal(size=n), rng.normal(size=m)
        rank = rank_upper(n, m, 4, 0.1).rank - off
        bound = np.sort(scores)[rank - 1] if 1 <= rank <= n else np.inf
        return Trial(np.sort(new)[3] <= bound)

    return trial


def looks(counted):
    """The best of ``looks`` noisy answers, reported with an interval that counts so many of them."""

    def trial(setting, rng):
        k, n = setting["looks"], setting["n"]
        answers = rng.binomial(n, 0.5, k) / n
        half = np.sqrt(np.log(2 * counted(k) / 0.05) / (2 * n))
        return Trial(abs(answers.max() - 0.5) <= half)

    return trial


def total(recode):
    def trial(setting, rng):
        low, high = setting["classes"]
        y = np.where(rng.random(400) < 0.4, high, low).astype(float)
        read = (y == high).astype(float) if recode else y
        half = 2.8 * y.std(ddof=1) / 20
        return Trial(abs(read.mean() - (0.4 * high + 0.6 * low)) <= half)

    return trial


T, Z = (lambda n: stats.t.ppf(0.975, n - 1)), (lambda n: stats.norm.ppf(0.975))
RANKS = Prior({"n": LogUniform(20, 200)})
LOOKS = Prior({"n": LogUniform(100, 1000), "looks": LogUniform(2, 200)})
CODES = Prior({"classes": Choice(((0, 1), (1, 2), (-1, 1), (0, 5)))})

PAIRS = {
    "z for the t quantile": (
        Claim("mean", FEW, mean_interval(Z), 0.95),
        Claim("mean", FEW, mean_interval(T), 0.95),
    ),
    "a forgotten variance term": (
        Claim("mean", FEW, mean_interval(T, with_batch=False), 0.95),
        Claim("mean", FEW, mean_interval(T), 0.95),
    ),
    "an off-by-one rank": (
        Claim("rank", RANKS, quantile_bound(1), 0.9),
        Claim("rank", RANKS, quantile_bound(0), 0.9),
    ),
    "an uncounted bit": (
        Claim("looks", LOOKS, looks(lambda k: 1), 0.95),
        Claim("looks", LOOKS, looks(lambda k: k), 0.95),
    ),
    "a recoded label": (Claim("codes", CODES, total(True), 0.95), Claim("codes", CODES, total(False), 0.95)),
}


@pytest.mark.validity
@pytest.mark.parametrize("fault", sorted(PAIRS))
def test_planted_faults_are_found_and_what_holds_is_not_blamed(fault) -> None:
    many = {"n_trials": 8000, "n_confirmed": 2, "confirm_trials": 8000, "random_state": 1}
    wrong, right = (hunt([claim], **many) for claim in PAIRS[fault])
    assert wrong.faults, wrong.sentence
    assert "below" in wrong.sentence
    assert not right.faults, right.sentence
    assert right.sentence.startswith("Nothing was found below its level in")


@pytest.mark.slow
def test_a_seed_line_reproduces_a_failing_data_set() -> None:
    claim = PAIRS["z for the t quantile"][0]
    worst = hunt([claim], n_trials=3000, random_state=2).faults[0]
    assert not replay(claim, worst.setting, worst.seed).held


def without_times(value):
    if isinstance(value, dict):
        return {k: without_times(v) for k, v in value.items() if k not in ("seconds", "minutes", "answer")}
    return [without_times(v) for v in value] if isinstance(value, (list, tuple)) else value


def test_a_hunt_repeats_itself_and_goes_on_from_its_store(tmp_path) -> None:
    calls = []

    def trial(setting, rng):
        calls.append(1)
        return Trial(bool(rng.random() < 0.97), 1.0, True, 2.0)

    claim = Claim("coin", Prior({"n": LogUniform(5, 50)}), trial, 0.9)
    store = tmp_path / "hunt.jsonl"
    first = hunt([claim], n_trials=1500, random_state=3, store=store)
    made = len(calls)
    store.write_text("\n".join(store.read_text().splitlines()[:-2]) + '\n{"key": "cut')
    again = hunt([claim], n_trials=1500, random_state=3, store=store)
    assert without_times(again.to_dict()) == without_times(first.to_dict())
    assert 0 < len(calls) - made < made
    assert first.findings[0].width_ratio == pytest.approx(0.5) and first.findings[0].reference_held == 1.0


@pytest.mark.slow
def test_crashes_and_faults_are_failures_and_refusals_are_not() -> None:
    def crash(setting, rng):
        if setting["n"] > 25:
            raise KeyError("n")
        return Trial(True)

    def silent(setting, rng):
        return Trial(True, fault="an end is NaN" if rng.random() < 0.2 else "")

    def refuse(setting, rng):
        raise Refused("too few rows")

    prior = Prior({"n": LogUniform(5, 50)})
    found = hunt(
        [Claim("crash", prior, crash, 0.9), Claim("silent", prior, silent, 0.9)],
        n_trials=2000,
        random_state=0,
    )
    errors = {text for f in found.faults for text in f.errors}
    assert any("KeyError in crash" in text for text in errors) and "an end is NaN" in errors
    assert "has errors" in found.sentence
    assert not hunt([Claim("refuse", prior, refuse, 0.9)], n_trials=500, random_state=0).faults


@pytest.mark.slow
def test_asymptotic_statements_have_two_points() -> None:
    def coin(setting, rng):
        return Trial(bool(rng.random() < 0.937))

    prior = Prior({"n": LogUniform(5, 50)})
    for kind, fault in (("asymptotic", False), ("finite-sample", True)):
        claim = Claim("coin", prior, coin, 0.95, kind)
        assert (
            bool(hunt([claim], n_trials=2000, confirm_trials=60_000, n_confirmed=1, random_state=0).faults)
            is fault
        )


def test_slow_claims_get_fewer_trials_and_the_hunt_ends_in_its_minutes(monkeypatch) -> None:
    """By a clock of the test's own, on which trials alone take time."""
    now = [100.0]
    clock = SimpleNamespace(monotonic=lambda: now[0], process_time=lambda: now[0])
    monkeypatch.setattr(sys.modules["validstats.validity.hunt"], "time", clock)

    def lasting(seconds):
        def trial(setting, rng):
            now[0] += seconds
            return Trial(True)

        return trial

    prior = Prior({"n": LogUniform(5, 50)})
    claims = [Claim("slow", prior, lasting(0.05), 0.9), Claim("fast", prior, lasting(0.0005), 0.9)]
    found = hunt(claims, minutes=0.04, n_confirmed=2, confirm_trials=10_000, random_state=0)
    # 2.4 seconds, and at most one trial more for each setting of a stage or of the confirmation
    assert 2.3 < now[0] - 100.0 < 2.4 + 20 * 0.05
    assert found.minutes == pytest.approx((now[0] - 100.0) / 60)
    trials = {name: sum(f.trials for f in found.drawn if f.claim == name) for name in ("slow", "fast")}
    assert 0 < trials["slow"] < trials["fast"]
    assert {f.claim for f in found.findings} == {"slow", "fast"} and all(f.trials for f in found.findings)


def test_an_interrupted_hunt_reports_what_was_done() -> None:
    calls = []

    def trial(setting, rng):
        calls.append(1)
        if len(calls) in (400, 600):
            raise KeyboardInterrupt
        return Trial(bool(rng.random() < 0.97))

    prior = Prior({"n": LogUniform(5, 50)})
    found = hunt([Claim("coin", prior, trial, 0.9)], n_trials=5000, confirm_trials=400, random_state=0)
    assert 600 <= len(calls) < 2000 and found.findings and found.drawn
    assert "trials in" in found.sentence and str(found.summary())


def test_the_widest_settings_are_found_where_the_reference_holds() -> None:
    def trial(setting, rng):
        wide = 1.0 + setting["n"] / 10
        return Trial(True, wide, bool(rng.random() < (0.95 if setting["law"] == "kind" else 0.3)), 1.0)

    def blind(setting, rng):
        return Trial(True, decided=setting["n"] < 25, reference_decided=True)

    prior = Prior({"n": LogUniform(5, 50), "law": Choice(("kind", "unkind"))})
    claims = [Claim("wide", prior, trial, 0.9), Claim("blind", prior, blind, 0.9)]
    wide, weak = hunt(claims, n_trials=4000, confirm_trials=100, random_state=1).widest
    assert wide.setting["law"] == "kind" and wide.width_ratio > 4.5 and wide.reference_held > 0.8
    assert weak.setting["n"] >= 25 and (weak.power, weak.reference_power) == (0.0, 1.0)


def test_numerical_warnings_of_the_package_are_faults() -> None:
    def trial(setting, rng):
        rank_upper(setting["n"], 8, 4, 0.1)
        np.log(np.zeros(1))  # not of the package
        warnings.warn_explicit("divide by zero", RuntimeWarning, laws.__file__, 1)
        return Trial(True)

    found = hunt(
        [Claim("loud", RANKS, trial, 0.9)], n_trials=100, confirm_trials=5, n_confirmed=1, random_state=0
    )
    assert list(found.faults[0].errors) == ["divide by zero in __init__.py, line 1"]


def test_parameters_are_drawn_within_their_ends_and_move_a_little() -> None:
    rng = np.random.default_rng(0)
    for parameter in (Uniform(-2, 3), LogUniform(0.1, 9, whole=False), LogUniform(2, 900)):
        drawn = [parameter.draw(rng) for _ in range(400)]
        moved = [parameter.mutate(value, rng) for value in drawn]
        for value in drawn + moved:
            assert parameter.low <= value <= parameter.high and value == round(value, 6)
        place = np.log if isinstance(parameter, LogUniform) else np.asarray
        span = float(place(parameter.high) - place(parameter.low))
        inside = [k for k, v in enumerate(drawn) if 0.3 < (place(v) - place(parameter.low)) / span < 0.7]
        assert np.std(place(moved)[inside] - place(drawn)[inside]) / span == pytest.approx(0.1, rel=0.2)
        middle = (place(parameter.low) + place(parameter.high)) / 2
        assert np.mean(place(drawn) < middle) == pytest.approx(0.5, abs=0.1)
    assert any(value != round(value, 5) for value in (Uniform(0, 1).draw(rng) for _ in range(20)))
    options = Choice((1, 2, 3, 4))
    moved = [options.mutate(1, rng) for _ in range(800)]
    assert moved.count(1) / 800 == pytest.approx(0.75 + 0.25 / 4, abs=0.05) and set(moved) == {1, 2, 3, 4}


def test_what_is_drawn_is_what_the_formulas_say() -> None:
    """By a generator of the test's own with the same seed, so that a hunt repeats itself on every version."""
    for seed in range(5):
        rng, own = np.random.default_rng(seed), np.random.default_rng(seed)
        assert Uniform(-2, 3).draw(rng) == round(own.uniform(-2, 3), 6)
        assert Uniform(-2, 3).mutate(0.5, rng) == round(np.clip(0.5 + own.normal(0, 0.1) * 5, -2, 3), 6)
        assert Uniform(-2, 3).mutate(3, rng) == round(min(3 + own.normal(0, 0.1) * 5, 3), 6)
        assert LogUniform(2, 900).draw(rng) == round(np.exp(own.uniform(np.log(2), np.log(900))))
        spread = 0.1 * np.log(90)
        moved = LogUniform(0.1, 9, whole=False).mutate(0.5, rng)
        assert moved == pytest.approx(round(0.5 * np.exp(own.normal(0, spread)), 6), abs=1e-9)
        assert LogUniform(0.1, 9, whole=False).mutate(9, rng) == min(
            round(9 * np.exp(own.normal(0, spread)), 6), 9
        )
        assert Choice((1, 2, 3)).draw(rng) == (1, 2, 3)[own.integers(3)]


def test_a_prior_gives_up_after_a_thousand_draws() -> None:
    asked = []
    never = Prior({"n": Choice((1, 2))}, valid=lambda s: asked.append(s["n"]))
    with pytest.raises(ValueError, match="No valid setting was found in 1,000 draws"):
        never.draw(np.random.default_rng(0))
    assert len(asked) == 1000
    assert (
        Uniform(1, 1).draw(np.random.default_rng(0)),
        LogUniform(2, 2).draw(np.random.default_rng(0)),
    ) == (1, 2)


def trials_by_setting(n_trials: int, n_claims: int = 1) -> list[int]:
    claims = [Claim(str(k), ANY, lambda setting, rng: Trial(True), 0.9) for k in range(n_claims)]
    return sorted(f.trials for f in hunt(claims, n_trials=n_trials, confirm_trials=1).drawn)


def test_a_round_has_three_stages_of_equal_work_and_there_are_three_rounds() -> None:
    # 540 trials, of which a stage of three in a round of three has 60: twelve settings of five, of which four go on with 15 and one
    # with 45; a fourth round takes what is left
    rounds = [5] * 8 + [20] * 3 + [65]
    assert trials_by_setting(540) == sorted(4 * rounds)
    # of two claims the one that has had less is next, until the trials are spent: after four rounds of one and three of the other
    assert trials_by_setting(1080, 2) == sorted(7 * rounds)
    # at least three settings of two trials, at most twelve of 24
    assert trials_by_setting(9) == [2, 2, 8]
    assert trials_by_setting(90) == sorted(
        6 * [2, 2, 2, 2, 8]
    )  # five settings of two trials, of which one goes on with six
    assert trials_by_setting(10_000)[0] == 24 and trials_by_setting(10_000)[-1] == 24 + 72 + 216


def test_a_bar_sees_every_hundredth_once(monkeypatch) -> None:
    shown = []

    def seen(steps, total, description, verbose):
        asked.append((total, verbose))
        for step in steps:
            shown.append((description, step))
            yield step

    asked = []
    monkeypatch.setattr(sys.modules["validstats.validity.hunt"], "progress", seen)
    hunt([SURE], n_trials=900, confirm_trials=40)
    search = [step for description, step in shown if description == "hunt"]
    assert asked == [(100, False)] * 2
    assert search == list(range(len(search))) and 30 < len(search) <= 100


def test_what_is_not_asked_for_is_as_the_documentation_says() -> None:
    """Ten settings are tried again, 2,000 times each, from the seed 0."""
    defaults = {name: p.default for name, p in inspect.signature(hunt).parameters.items() if name != "claims"}
    assert defaults == {
        "minutes": None, "n_trials": None, "n_confirmed": 10, "confirm_trials": 2000, "random_state": 0,
        "n_jobs": None, "store": None, "verbose": False,
    }  # fmt: skip
    plain = Trial(True)
    assert np.isnan([plain.width, plain.reference_width]).all() and plain.fault == ""
    assert (plain.reference_held, plain.decided, plain.reference_decided) == (None, None, None)
    assert (SURE.kind, SURE.reference, Uniform(0, 1).says) == ("finite-sample", "", "")


def test_the_widest_settings_have_a_table_where_there_are_any() -> None:
    wide = Claim("wide", ANY, lambda setting, rng: Trial(True, 2.0, True, 1.0), 0.9)
    many = {"n_trials": 200, "confirm_trials": 10}
    assert "Widest and most silent settings" in str(hunt([wide], **many).summary())
    assert "Widest" not in str(hunt([SURE], **many).summary())


def test_a_finding_has_the_seed_of_a_data_set_in_which_it_failed() -> None:
    coin = Claim("coin", ANY, lambda setting, rng: Trial(bool(rng.random() < 0.5)), 0.9)
    for found in hunt([coin], n_trials=100, confirm_trials=20, random_state=4).findings:
        assert found.seed and not replay(coin, found.setting, found.seed).held


def test_settings_that_do_not_go_together_are_drawn_again() -> None:
    prior = Prior({"n": LogUniform(5, 50), "m": LogUniform(5, 50)}, valid=lambda s: s["m"] < s["n"])
    rng = np.random.default_rng(0)
    drawn = [prior.draw(rng) for _ in range(50)]
    assert all(s["m"] < s["n"] for s in drawn + [prior.mutate(drawn[0], rng) for _ in range(50)])
    impossible = Prior({"n": LogUniform(5, 50)}, valid=lambda s: False)
    with pytest.raises(ValueError, match="No valid setting"):
        impossible.draw(rng)


ANY = Prior({"n": LogUniform(5, 50)})
SURE = Claim("sure", ANY, lambda setting, rng: Trial(True), 0.9)
LITTLE = {"n_trials": 20, "confirm_trials": 2}

ONE = Prior({"n": Choice((7,))})


def scripted(outcomes, level=0.9, **options):
    """A hunt of one setting's worth of words: nine trials are three settings of two, of which the first goes on with six.

    Every trial has the next outcome; those that are raised are errors. What is tried again follows in quarters.
    """
    following, seen = iter(outcomes), []

    def trial(setting, rng):
        seen.append(rng.random())
        outcome = next(following)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    options = {"confirm_trials": 8, "n_confirmed": 1, "random_state": 3, **options}
    return hunt([Claim("script", ONE, trial, level)], n_trials=9, **options), seen


def test_every_count_of_a_finding_is_that_of_its_trials() -> None:
    again = [
        Trial(True, 2.0, True, 1.0, "odd", True, True),
        Trial(False, 3.0, False, 1.0, "odd"),
        Refused("too few"),
        Trial(True, np.inf, True, 1.0),
        Trial(True, np.inf, True, np.inf),
        Trial(True, 1.0, None, 0.0),
        Trial(True, 0.0, None, 1.0, decided=True),
        ValueError("x" * 130),
    ]
    report, seen = scripted([Trial(True)] * 12 + again)
    [found] = report.findings
    assert (found.claim, found.setting, found.level) == ("script", {"n": 7}, 0.9)
    assert (found.held, found.trials, found.refused) == (5, 7, 1)
    assert found.achieved == 5 / 7
    assert found.errors == {"odd": 2, "ValueError in trial: " + "x" * 120: 1}
    assert found.width_ratio == pytest.approx(np.sqrt(6))
    assert (found.reference_held, found.power, found.reference_power) == (3 / 4, 1.0, 1.0)
    assert found.silent == pytest.approx(1 / 3)
    exact = stats.binomtest(5, 7).proportion_ci(0.95, "exact")
    assert (found.low, found.high) == pytest.approx((exact.low, exact.high))
    assert found.p_value == pytest.approx(stats.binom.cdf(5, 7, 0.89))
    assert found.fault and report.faults == (found,) and not report.widest
    # the first of the trials with a fault, in the first setting: seed, claim, what is tried again, setting, trial
    assert found.seed == [3, 0, 1_000_000, zlib.crc32(b'{"n": 7}'), 0]
    assert np.random.default_rng(found.seed).random() == seen[12] and len(seen) == 20
    assert [f.trials for f in report.drawn] == [8, 2, 2] and not any(f.fault or f.seed for f in report.drawn)
    assert (report.n_settings, report.n_trials, report.random_state) == (3, 20, 3)
    assert report.sentence.startswith("1 settings are below their level in 20 trials in 3 settings (0.0 min")
    assert report.sentence.endswith("seed 3); the worst, script, has errors.")
    plain = report.to_dict()
    assert plain["findings"][0]["achieved"] == 5 / 7 and plain["drawn"][0]["achieved"] == 1.0
    assert plain["widest"] == [] and len(plain["drawn"]) == 3


def test_a_finding_without_anything_beside_it_says_nothing_of_it() -> None:
    report, _ = scripted([Trial(True)] * 20)
    [found] = report.findings
    beside = (found.width_ratio, found.reference_held, found.power, found.reference_power, found.silent)
    assert np.isnan(beside).all()
    assert (found.held, found.trials, found.p_value, found.seed) == (8, 8, 1.0, [])
    assert report.sentence.startswith("Nothing was found below its level in 20 trials in 3 settings (0.0 min")
    assert report.sentence.endswith("seed 3); 1 of the worst were tried again.")
    other = replace(found, trials=0, held=0)
    assert replace(report, findings=(found, other)).sentence.endswith("; 1 of the worst were tried again.")
    assert replace(report, findings=(other,)).sentence.endswith(
        "seed 3), stopped before the worst were tried again."
    )
    refused, _ = scripted([Refused("no")] * 20)
    assert not refused.findings and np.isnan([f.achieved for f in refused.drawn]).all()
    assert [(f.trials, f.refused, f.p_value, f.low, f.high) for f in refused.drawn] == [
        (0, k, 1.0, 0.0, 1.0) for k in (8, 2, 2)
    ]


def test_errors_of_the_search_and_of_several_stages_are_added_up() -> None:
    """Two trials of the first stage and six of the second: with errors a setting is the worst."""
    first = [Trial(True)] * 2 + [Trial(True), Trial(False, fault="odd")] + [Trial(True)] * 2
    second = [Trial(True, fault="odd"), KeyError(1), *[Trial(False)] * 4]
    report, seen = scripted([*first, *second, *[Trial(True)] * 8])
    [found] = [f for f in report.drawn if f.errors]
    assert found.errors == {"odd": 2, "KeyError in trial: 1": 1} and (found.held, found.trials) == (2, 8)
    assert np.random.default_rng(found.seed).random() == seen[3] and not found.fault
    assert not report.faults


DOUBLE = Trial(True, 2.0, None, 1.0)
SILENT = Trial(True, np.inf, None, 1.0)
BLIND = Trial(True, decided=False, reference_decided=True)


def kept(held, of, n, level_of=DOUBLE):
    """Trials with twice the reference's width, whose reference holds in so many of some."""
    return [Trial(True, 2.0, k < held, 1.0) for k in range(of)] + [level_of] * (n - of)


WIDE = {
    "eight pairs of widths": ([DOUBLE] * 8, 0.9, True),
    "seven pairs of widths": ([DOUBLE] * 7 + [Trial(True)], 0.9, False),
    "narrower": ([Trial(True, 1.0, None, 2.0)] * 8, 0.9, False),
    # 2 standard errors of eight trials at .9 are .21
    "a reference that may keep its level": (kept(6, 8, 8), 0.9, True),
    "a reference that does not": (kept(5, 8, 8), 0.9, False),
    # 2 standard errors of four trials at .5 are .5
    "a reference at the very limit": (kept(0, 4, 8), 0.5, True),
    "eight questions that the reference decides": ([BLIND] * 8, 0.9, True),
    "seven questions": ([BLIND] * 7 + [Trial(True)], 0.9, False),
    "questions that both decide": ([Trial(True, decided=True, reference_decided=True)] * 8, 0.9, False),
    "questions that are not asked of both": ([Trial(True, reference_decided=True)] * 8, 0.9, False),
    "eight without an interval": ([SILENT] * 8, 0.9, True),
    "one of eight without an interval": ([SILENT] + [Trial(True, 1.0, None, 2.0)] * 7, 0.9, True),
    "one of seven": ([SILENT] + [Trial(True, 1.0, None, 2.0)] * 6 + [Trial(True)], 0.9, False),
    "half of eight": ([SILENT] * 4 + [Trial(True, 1.0, None, 2.0)] * 4, 0.9, True),
    "both without an interval": ([Trial(True, np.inf, None, np.inf)] * 8, 0.9, False),
}


@pytest.mark.parametrize("case", WIDE)
def test_what_is_tried_again_as_the_widest_or_most_silent(case) -> None:
    of_first, level, chosen = WIDE[case]
    outcomes = [*of_first[:2], *[Trial(True)] * 4, *of_first[2:]]
    report, _ = scripted([*outcomes, *[Trial(True)] * 16], level)
    assert len(report.widest) == chosen and len(report.findings) == 1
    if chosen:
        assert report.widest[0].trials == 8
        assert report.to_dict()["widest"][0]["achieved"] == 1.0
        # the second of what is tried again: a seed of its own
        blamed, seen = scripted([*outcomes, *[Trial(True)] * 2, Trial(False), *[Trial(True)] * 13], level)
        assert blamed.widest[0].seed[:3] == [3, 0, 1_000_001]
        assert np.random.default_rng(blamed.widest[0].seed).random() == seen[14]


@pytest.mark.parametrize(
    ("allowance", "kind"), [(0.01, "finite-sample"), (0.01, "marginal-over-family"), (0.02, "asymptotic")]
)
def test_a_fault_is_a_p_value_of_one_in_a_hundred_divided_by_what_is_tried_again(allowance, kind) -> None:
    """Seven of twelve have one of .0065 at .89 and of .0095 at .88: enough for one setting, and not for one of two."""

    def found(n_confirmed, level=0.9):
        # quarters of three trials of each setting: 3, 3, 1 and 0 of them hold
        quarters = [k < n for n in (3, 3, 1, 0) for _ in range(n_confirmed) for k in range(3)]
        held = itertools.chain([True] * 12, quarters, itertools.repeat(True))
        claim = Claim("coin", ONE, lambda setting, rng: Trial(next(held)), level, kind)
        return hunt([claim], n_trials=9, n_confirmed=n_confirmed, confirm_trials=12)

    for n_confirmed in (1, 2):
        report = found(n_confirmed)
        p = stats.binom.cdf(7, 12, 0.9 - allowance)
        assert 0.005 < p < 0.01 and bool(report.faults) == (n_confirmed == 1)
        # what is not confirmed is in doubt, and gets 48 trials more
        trials, held = (12, 7) if report.faults else (60, 55)
        assert [f.trials for f in report.findings] == [trials] * n_confirmed
        p = stats.binom.cdf(held, trials, 0.9 - allowance)
        assert [f.p_value for f in report.findings] == pytest.approx([p] * n_confirmed)
        if report.faults:
            assert report.sentence.endswith("the worst, coin, holds 0.583 for 0.9.")
    assert found(1, level=0.005).findings[0].p_value == 1.0  # less its allowance a level is 0 at least


@pytest.mark.parametrize(("share", "trials"), [(0.855, 1500), (0.9, 300), (0.5, 300)])
def test_what_is_in_doubt_is_tried_more_often(share, trials) -> None:
    """Of 300 trials .855 for .9 does not tell among eight settings, and of 1,500 it does; what is clear needs no more."""
    claim = Claim("coin", ANY, lambda setting, rng: Trial(bool(rng.random() < share)), 0.9)
    report = hunt([claim], n_trials=200, n_confirmed=8, confirm_trials=300, random_state=2)
    assert Counter(f.trials for f in report.findings).most_common(1)[0][0] == trials
    assert (
        any(f.fault and f.trials == trials for f in report.findings) == (share < 0.9) == bool(report.faults)
    )


def test_faults_come_first_and_then_the_smallest_p_value() -> None:
    sure = Claim("odd", ONE, lambda setting, rng: Trial(True, fault="odd"), 0.9)
    weak, weaker = (
        Claim(f"coin {p}", ONE, lambda setting, rng, p=p: Trial(bool(rng.random() < p)), 0.9)
        for p in (0.88, 0.86)
    )
    report = hunt([weak, sure, weaker], n_trials=27, n_confirmed=3, confirm_trials=40, random_state=1)
    assert report.findings[0].claim == "odd" and [f.fault for f in report.findings] == [True, False, False]
    assert report.findings[1].p_value <= report.findings[2].p_value < 1.0 == report.findings[0].p_value
    assert report.faults == report.findings[:1]


def test_the_tables_of_a_summary_show_every_finding() -> None:
    prior = Prior({"share": Choice((0.12345678,)), "law": Choice(("odd",))})
    claim = Claim("one", prior, lambda setting, rng: Trial(False, 3.0, True, 1.5, "broken"), 0.9)
    text = " ".join(str(hunt([claim], n_trials=9, n_confirmed=1, confirm_trials=2).summary()).split())
    for part in ("Worst settings", "Widest and most silent settings beside the reference", "broken", "2.00"):
        assert part in text
    page = hunt([claim], n_trials=9, n_confirmed=1, confirm_trials=2).summary()._repr_html_()
    assert "share 0.1235, law odd" in page


class ByHand:
    """A clock of which every trial takes a hundredth of a second."""

    def __init__(self, monkeypatch) -> None:
        self.now, self.calls = 50.0, 0
        clock = SimpleNamespace(monotonic=lambda: self.now, process_time=lambda: self.now)
        monkeypatch.setattr(sys.modules["validstats.validity.hunt"], "time", clock)

    def trial(self, setting, rng):
        self.now, self.calls = self.now + 0.01, self.calls + 1
        return Trial(bool(rng.random() < 0.97))


def test_a_timed_hunt_spends_its_time_as_it_says_and_its_store_counts_as_time(monkeypatch, tmp_path) -> None:
    """Of 3.66 seconds 2.379 are for the search.

    The first round, of unknown cost, has three settings of two trials, of which one goes on with six. A stage of a round
    (three rounds of three stages) may take .264 seconds, which are twelve settings of two trials; four go on with six, one with
    18. After 12 + 3 * 66 trials .279 seconds are left, enough for the first stage and for the second to begin. The other 1.08
    seconds are for what is tried again, in four quarters: three settings of 30 trials, which is what they are asked for.
    """
    clock = ByHand(monkeypatch)
    claim = Claim("coin", ANY, clock.trial, 0.9)
    options = {"minutes": 0.061, "n_confirmed": 3, "confirm_trials": 30, "store": tmp_path / "hunt.jsonl"}
    first = hunt([claim], **options)
    rounds = [2, 2, 8] + 3 * [*[2] * 8, *[8] * 3, 26] + [2] * 8 + [8] * 4
    assert sorted(f.trials for f in first.drawn) == sorted(rounds)
    assert [f.trials for f in first.findings] == [30, 30, 30]
    assert clock.calls == sum(rounds) + 90
    assert first.minutes == pytest.approx(clock.calls / 6000)
    again = hunt([claim], **options)
    assert clock.calls == sum(rounds) + 90
    assert without_times(again.to_dict()) == without_times(first.to_dict())
    # a quarter of 1.08 seconds is .09 for each of three settings, so that they get nine or ten trials, and so on
    short = hunt([claim], **{**options, "confirm_trials": 1000, "store": None})
    assert all(35 <= f.trials <= 38 for f in short.findings)


def test_two_workers_have_twice_the_time(monkeypatch) -> None:
    """Of a minute 39 seconds are for the search; 30 seconds of trials are 15 on two workers."""
    clock = ByHand(monkeypatch)
    hours = sys.modules["validstats.validity.hunt"]._Clock(1.0, None, 2, 2)
    assert (hours.timed, hours.total, hours.spent(), hours.n_jobs) == (True, 60.0, 0.0, 2)
    hours.credit = 30.0
    clock.now += 5.0
    assert hours.spent() == 20.0 and hours.seconds_left(4) == 20.0 and hours.seconds_left(0) == 80.0
    herd = SimpleNamespace(tallies=[])
    # a stage is a ninth of what two workers do for one of two claims: 60 * .65 * 2 / 2 / 9 seconds
    assert hours.round_of(herd) == (3, 2, pytest.approx(13 / 3))
    herd.tallies = [SimpleNamespace(elapsed=1.0, trials=10), SimpleNamespace(elapsed=2.0, trials=20)]
    assert hours.round_of(herd) == (12, 3, pytest.approx(13 / 3))  # 43 trials
    assert hours.spent_on(herd) == 3.0
    for seconds, over in ((38.99, False), (39.0, True), (61.0, True)):
        hours.credit, clock.now = 0.0, 50.0 + seconds
        assert hours.search_is_over() is over and hours.spent() == pytest.approx(min(seconds, 60.0))
    counted = sys.modules["validstats.validity.hunt"]._Clock(None, 90, 1, 2)
    assert (counted.timed, counted.total, counted.seconds_left(4)) == (False, 90.0, np.inf)
    assert counted.spent_on(herd) == 30 and counted.round_of(herd) == (5, 2, np.inf)  # a ninth are ten trials
    for made, over in ((89, False), (90, True)):
        counted.made = made
        assert counted.search_is_over() is over and counted.spent() == made


def test_half_of_the_settings_are_new_and_a_quarter_of_the_others_start_from_the_widest(monkeypatch) -> None:
    """The first of four settings is the widest, the second the most silent, and the others are the worst."""
    asked = []

    class Watched(Prior):
        def draw(self, rng):
            return {"n": -1}

        def mutate(self, setting, rng):
            return setting

    def those(name, *places):
        def found(self, n):
            asked.append((name, n))
            return [(i, self) for i in places]

        monkeypatch.setattr(herd_type, name, found)

    herd_type = sys.modules["validstats.validity.hunt"]._Herd
    for name, *places in (("widest", 0), ("silent", 1), ("worst", 2, 3)):
        those(name, *places)
    herd = herd_type(Claim("kinds", Watched(ONE.parameters), SURE.trial, 0.9), 0, 0)
    assert herd._new_setting() == {"n": -1}  # nothing was tried
    herd.settings, herd.tallies = [{"n": i} for i in range(4)], [SimpleNamespace(made=1)] * 4
    origins = [herd._new_setting()["n"] for _ in range(20_000)]
    shares = {-1: 1 / 2, 0: 1 / 16, 1: 1 / 16, 2: 3 / 16, 3: 3 / 16}
    for place, share in shares.items():
        assert stats.binomtest(origins.count(place), 20_000, share).pvalue > 1e-6
    assert set(asked) == {("worst", 5), ("widest", 3), ("silent", 2)}


HOSTILE = {
    "no claim": (lambda: hunt([], n_trials=20), "one claim or more, got none"),
    "one claim": (lambda: hunt(SURE, n_trials=20), "must be a list of Claim, got Claim"),
    "a text": (lambda: hunt("sure", n_trials=20), "must be a list of Claim, got 'sure'"),
    "a name twice": (lambda: hunt([SURE, SURE], n_trials=20), "'sure' occurs twice"),
    "neither time nor trials": (lambda: hunt([SURE]), "one of minutes= and n_trials=, got minutes=None"),
    "time and trials": (lambda: hunt([SURE], minutes=1, n_trials=20), "one of minutes= and n_trials="),
    "negative minutes": (lambda: hunt([SURE], minutes=-3), "minutes must be finite and in .0, inf., got -3"),
    "minutes in words": (lambda: hunt([SURE], minutes="3"), "minutes must be a number, got '3'"),
    "endless minutes": (lambda: hunt([SURE], minutes=float("inf")), "minutes must be finite"),
    "no minutes": (lambda: hunt([SURE], minutes=0), "minutes must be finite and in .0, inf., got 0"),
    "no trials": (lambda: hunt([SURE], n_trials=0), "n_trials must be at least 1, got 0"),
    "half a trial": (lambda: hunt([SURE], n_trials=0.5), "n_trials must be an integer, got 0.5"),
    "none tried again": (lambda: hunt([SURE], **LITTLE, n_confirmed=-1), "n_confirmed must be at least 1"),
    "NaN trials": (lambda: hunt([SURE], n_trials=20, confirm_trials=float("nan")), "confirm_trials must be"),
    "no workers": (
        lambda: hunt([SURE], **LITTLE, n_jobs=0),
        "n_jobs must be None or a whole number other than 0",
    ),
    "a folder as store": (lambda: hunt([SURE], **LITTLE, store="."), "store='.' cannot be read and written"),
    "a level of 95": (lambda: Claim("a", ANY, SURE.trial, 95), "level must be finite and in .0, 1., got 95"),
    "a level of 1": (lambda: Claim("a", ANY, SURE.trial, 1.0), "level must be finite and in .0, 1., got 1"),
    "a level of 0": (lambda: Claim("a", ANY, SURE.trial, 0.0), "level must be finite and in .0, 1., got 0"),
    "a level that becomes 1": (
        lambda: hunt([Claim("a", ANY, SURE.trial, lambda setting: 1.0)], **LITTLE),
        "level of 'a' must be finite and in .0, 1., got 1",
    ),
    "a level that becomes 0": (
        lambda: hunt([Claim("a", ANY, SURE.trial, lambda setting: 0.0)], **LITTLE),
        "level of 'a' must be finite and in .0, 1., got 0",
    ),
    "a level that leaves": (
        lambda: hunt([Claim("a", ANY, SURE.trial, lambda setting: setting["n"])], **LITTLE),
        "level of 'a' must be finite and in .0, 1., got",
    ),
    "another kind": (lambda: Claim("a", ANY, SURE.trial, 0.9, "certain"), "kind must be one of .*'certain'"),
    "no trial": (lambda: Claim("a", ANY, None, 0.9), "trial must be a function .* got None"),
    "a mapping as prior": (lambda: Claim("a", {"n": 5}, SURE.trial, 0.9), "prior must be a Prior, got"),
    "no name": (lambda: Claim("", ANY, SURE.trial, 0.9), "name must be a text"),
    "nothing drawn": (lambda: Prior({}), "one name or more to parameters, got {}"),
    "a plain value": (lambda: Prior({"n": 5}), "got 5 for 'n'; one value alone is Choice"),
    "valid is no function": (lambda: Prior({"n": Uniform(0, 1)}, valid=True), "valid must be a function"),
    "a logarithm of 0": (lambda: LogUniform(0, 5), "low must be finite and in .0, inf., got 0"),
    "ends swapped": (lambda: Uniform(5, 1), "got low=5 and high=1"),
    "a NaN end": (lambda: Uniform(0, float("nan")), "high must be finite"),
    "an end in words": (lambda: LogUniform("5", 9), "low must be a number, got '5'"),
    "no option": (lambda: Choice(()), "one value or more, got"),
    "a word as options": (lambda: Choice("ab"), "one value or more, got 'ab'"),
    "objects as options": (lambda: Choice((object(),)), "must be plain numbers, texts"),
    "a setting without its value": (lambda: replay(SURE, {"m": 5}, [1]), "setting must have values of 'n'"),
    "a seed in words": (lambda: replay(SURE, {"n": 5}, "24"), "seed must be a list of whole numbers"),
    "a negative seed": (lambda: replay(SURE, {"n": 5}, [-1]), "seed must be a list of whole numbers"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_what_cannot_be_hunted_is_refused_by_name(case) -> None:
    call, said = HOSTILE[case]
    with pytest.raises((ValueError, TypeError), match=said):
        call()


@pytest.mark.parametrize("returned", [(True, 1.0), None, Trial(None), Trial(np.nan), True])
def test_a_trial_without_a_verdict_is_a_fault(returned) -> None:
    """NaN is true to Python."""
    found = hunt([Claim("a", ANY, lambda setting, rng: returned, 0.9)], **LITTLE)
    assert all("Trial whose held is True or False" in text for f in found.faults for text in f.errors)
    assert len(found.faults) == len(found.findings)


DAMAGE = {
    "nothing": lambda lines: [],
    "a cut line": lambda lines: [*lines[:-1], lines[-1][: len(lines[-1]) // 2]],
    "bytes that are no text": lambda lines: [b"\xff\xfe\x00\n", *lines],
    "records of something else": lambda lines: [b"3\n", b"{}\n", b'{"key": 1, "tally": {}}\n', *lines],
    "impossible counts": lambda lines: (
        [line.replace(b'"held": ', b'"held": 9') for line in lines[:1]] + lines[1:]
    ),
    "another version": lambda lines: [line.replace(b'"held"', b'"hits"') for line in lines[:2]] + lines[2:],
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_store_changes_nothing_but_the_time(damage, tmp_path) -> None:
    claim = Claim("coin", ANY, lambda setting, rng: Trial(bool(rng.random() < 0.9)), 0.9)
    options = {"n_trials": 200, "confirm_trials": 20, "n_confirmed": 1, "random_state": 5}
    store = tmp_path / "hunt.jsonl"
    first = hunt([claim], **options, store=store)
    store.write_bytes(b"".join(DAMAGE[damage](store.read_bytes().splitlines(keepends=True))))
    for _ in range(2):  # and what is written beside the damage is found again
        size = store.stat().st_size
        again = hunt([claim], **options, store=store)
        assert without_times(again.to_dict()) == without_times(first.to_dict())
    assert store.stat().st_size == size


def test_a_store_with_one_cut_line_is_begun_anew(tmp_path) -> None:
    store = tmp_path / "hunt.jsonl"
    store.write_text('{"key": "cut')
    hunt([SURE], **LITTLE, store=store)
    assert store.read_text().startswith('{"key": "cut\n{"key": "sure|')


def test_another_file_is_no_store(tmp_path) -> None:
    table = tmp_path / "table.csv"
    table.write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match=r"table.csv' is another file: no line of it is of a hunt"):
        hunt([SURE], **LITTLE, store=table)
    assert table.read_text() == "a,b\n1,2\n"


@pytest.mark.slow
def test_a_killed_worker_is_said_and_the_hunt_goes_on_from_its_store(tmp_path) -> None:
    def deadly(setting, rng):
        if trap.exists() and setting["n"] > 10:
            os.kill(os.getpid(), signal.SIGKILL)
        return Trial(bool(rng.random() < 0.97))

    trap, store = tmp_path / "trap", tmp_path / "hunt.jsonl"
    calm = Claim("calm", ANY, lambda setting, rng: Trial(bool(rng.random() < 0.97)), 0.9)
    claims = [calm, Claim("deadly", ANY, deadly, 0.9)]
    trap.touch()
    with pytest.raises(
        RuntimeError, match="worker process was killed in trials of 'deadly', often for memory"
    ):
        hunt(claims, n_trials=100, confirm_trials=5, n_jobs=2, store=store)
    assert store.read_text().count("calm|") > 2
    trap.unlink()
    again = hunt(claims, n_trials=100, confirm_trials=5, n_jobs=2, store=store)
    alone = hunt(claims, n_trials=100, confirm_trials=5)
    assert without_times(again.to_dict()) == without_times(alone.to_dict())


def test_where_there_is_no_interval_is_found_beside_a_reference_that_keeps_its_level() -> None:
    def trial(setting, rng):
        width = np.inf if setting["n"] < 15 else 1.0
        return Trial(True, width, bool(rng.random() < (0.95 if setting["law"] == "kind" else 0.3)), 1.0)

    prior = Prior({"n": LogUniform(5, 50), "law": Choice(("kind", "unkind"))})
    [silent] = hunt([Claim("sequence", prior, trial, 0.9)], n_trials=1500, confirm_trials=40).widest
    assert silent.setting["n"] < 15 and silent.setting["law"] == "kind"
    assert silent.silent == 1.0 and np.isnan(silent.width_ratio) and not silent.fault


@pytest.mark.slow
def test_a_report_prints_plots_and_is_json() -> None:
    found = hunt([PAIRS["an uncounted bit"][0]], n_trials=1500, random_state=0)
    assert found.sentence in " ".join(str(found.summary()).split())
    assert json.loads(json.dumps(found.to_dict()))["findings"][0]["claim"] == "looks"
    axes = found.plot().ax_
    assert len(axes.get_yticks()) == len(found.findings)
