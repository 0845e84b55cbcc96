from __future__ import annotations

import pytest
from scipy import stats

from validstats.validity import binomial_acceptance, simulate


@pytest.mark.parametrize(("successes", "alternative"), [(870, "less"), (930, "greater"), (870, "two-sided")])
def test_the_verdict_is_the_exact_binomial_one(successes, alternative) -> None:
    check = binomial_acceptance(successes, 1000, 0.9, alternative)
    assert check.p_value == pytest.approx(stats.binomtest(successes, 1000, 0.9, alternative).pvalue)
    assert check.accepted == (check.p_value > 1e-3)


def test_a_broken_guarantee_is_rejected_and_a_kept_one_accepted() -> None:
    assert not simulate(lambda rng, i: rng.random() < 0.8, 800, 0.9, random_state=0).accepted
    assert simulate(lambda rng, i: rng.random() < 0.9, 800, 0.9, random_state=0).accepted


def test_less_does_not_mind_overcoverage_and_two_sided_does() -> None:
    assert binomial_acceptance(1000, 1000, 0.9).accepted
    assert not binomial_acceptance(1000, 1000, 0.9, "two-sided").accepted


def test_bad_arguments() -> None:
    with pytest.raises(ValueError, match="successes must be between 0 and 10"):
        binomial_acceptance(11, 10, 0.9)
    with pytest.raises(ValueError, match="alternative must be one of"):
        binomial_acceptance(1, 10, 0.9, "lower")


def test_the_check_prints_as_one_line() -> None:
    assert str(binomial_acceptance(590, 1000, 0.9)).startswith(
        "590/1000 = 0.5900 (se 0.0156) against 0.9000: REJECTED"
    )
