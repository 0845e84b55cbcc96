"""Claims of the package: every one makes its statement in settings of its prior, without an undocumented error."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from validstats.mi import mutual_info
from validstats.validity import Refused, hunt
from validstats.validity.claims import DOMAINS, claims_of
from validstats.validity.claims.mi import curve_information, draw_pair, shift_information, table_information

CLAIMS = [
    pytest.param(claim, id=f"{domain}: {claim.name}") for domain in DOMAINS for claim in claims_of(domain)
]


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
