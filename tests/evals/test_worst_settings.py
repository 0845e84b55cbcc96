"""Settings in which a hunt found an evaluation below its level, each with the method that fails there."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from validstats import evals
from validstats.dsl.moments import coverage_lost_to_skewness
from validstats.validity import binomial_acceptance

COSTS = np.exp(1.2 * stats.norm.ppf((np.arange(40) + 0.5) / 40)) + 1.0
"""Lognormal costs of 40 items, as they are in the middle."""
PLAIN = stats.norm.ppf((np.arange(40) + 0.5) / 40) + 5.0


def words(result) -> list[str]:
    return [check.sentence for check in result.checks if check.code == "skewed-scores"]


def test_means_of_skewed_scores_say_how_much_they_lose() -> None:
    [said] = words(evals.evaluate({"score": COSTS}))
    assert "The scores of 40 independent units are skewed (skewness 3.0): about 89% of such intervals" in said
    assert said[:40] in " ".join(str(evals.evaluate({"score": COSTS}).summary()).split())
    assert words(evals.evaluate({"score": PLAIN})) == []
    assert (
        words(evals.evaluate({"score": np.repeat([0.0, 1.0], [39, 1])})) == []
    )  # shares have an interval of their own


@pytest.mark.parametrize("shared", [True, False])
def test_differences_of_skewed_scores_say_how_much_they_lose(shared) -> None:
    base = np.arange(40.0)
    if shared:
        assert "The differences of 40" in words(evals.compare({"a": base + COSTS, "b": base}, "a", "b"))[0]
        assert words(evals.compare({"a": base + PLAIN, "b": base}, "a", "b")) == []
        return
    data = {
        "item": np.arange(80),
        "system": np.repeat(["a", "b"], 40),
        "score": np.concatenate([COSTS, PLAIN]),
    }
    assert len(words(evals.compare(data, "a", "b", unpaired="ok"))) == 1


@pytest.mark.validity
@pytest.mark.parametrize("n", [20, 60])
def test_an_interval_holds_or_says_that_it_may_not(n) -> None:
    """Lognormal scores: .83 and .88 for .95 without the word."""
    rng = np.random.default_rng(24)
    x = np.exp(1.2 * rng.normal(size=(3000, n)))
    half = stats.t.ppf(0.975, n - 1) * x.std(axis=1, ddof=1) / np.sqrt(n)
    inside = np.abs(x.mean(axis=1) - np.exp(0.72)) <= half
    warned = np.array([coverage_lost_to_skewness(row, 0.95)[0] > 0.01 for row in x])
    assert not binomial_acceptance(int(inside.sum()), 3000, 0.93).accepted
    assert binomial_acceptance(int((inside | warned).sum()), 3000, 0.95).accepted
    normal = rng.normal(size=(3000, n))
    assert np.mean([coverage_lost_to_skewness(row, 0.95)[0] > 0.01 for row in normal]) < 0.1
