"""Settings in which a hunt found an evaluation below its level, each with the method that fails there."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from validstats import evals
from validstats.dsl.moments import coverage_lost_to_skewness, is_too_skewed
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


def test_rankings_of_skewed_scores_name_the_system_that_loses_most() -> None:
    """A system of lognormal costs beside two of normal ones: one leaderboard in eight was wrong for one in twenty."""
    scores = np.column_stack([PLAIN, COSTS, PLAIN[::-1]])
    data = {"item": np.repeat(np.arange(40), 3), "system": ["ash", "birch", "cedar"] * 40}
    [said] = words(evals.rank({**data, "score": scores.ravel()}))
    assert "The scores of 'birch' of 40 independent units are skewed (skewness 3.0)" in said
    scores[:, 1] = PLAIN
    assert words(evals.rank({**data, "score": scores.ravel()})) == []
    binary = np.repeat([0.0, 0.0, 1.0], [79, 40, 1])
    assert words(evals.rank({**data, "score": binary})) == []


def judged(n_labels: int, skewed: bool) -> dict:
    """200 costs, some of them known, and a judge who knows nothing."""
    rng = np.random.default_rng(5)
    cost = np.exp(1.2 * rng.normal(size=200)) if skewed else rng.normal(size=200)
    return {"judge": rng.normal(size=200), "human": np.where(np.arange(200) < n_labels, cost, np.nan)}


@pytest.mark.parametrize("n_labels", [15, 40])
def test_judged_means_of_skewed_numbers_say_how_much_they_lose(n_labels) -> None:
    [said] = words(evals.evaluate(judged(n_labels, True)))
    assert f"The corrected scores of {n_labels} independent units that humans labelled are skewed" in said
    assert "Label more items" in said
    assert words(evals.evaluate(judged(n_labels, False))) == []


@pytest.mark.parametrize("both", [True, False])
def test_judged_comparisons_and_rankings_of_skewed_numbers_say_it(both) -> None:
    """Humans label both answers of an item, or other items of each system."""
    a, b = judged(40, True), judged(40, False)
    other = b["human"] if both else b["human"][::-1]
    data = {"item": np.repeat(np.arange(200), 2), "system": ["a", "b"] * 200}
    data["judge"] = np.column_stack([a["judge"], b["judge"]]).ravel()
    data["human"] = np.column_stack([a["human"], other]).ravel()
    assert "The corrected differences of " in words(evals.compare(data, "a", "b"))[0]
    assert "The corrected scores of 'a' of 40 independent units that humans" in words(evals.rank(data))[0]


def test_a_category_of_skewed_scores_is_named() -> None:
    data = {"score": np.concatenate([COSTS, PLAIN]), "topic": np.repeat(["cost", "plain"], 40)}
    said = words(evals.evaluate(data, by="topic"))
    assert any("The scores of 'cost' of 40 independent units are skewed" in sentence for sentence in said)
    assert not any("'plain'" in sentence for sentence in said)


def said(rows):
    """Samples of which it is said that they are too skewed for their interval."""
    return np.array([is_too_skewed(*coverage_lost_to_skewness(row, 0.95), len(row)) for row in rows])


@pytest.mark.validity
@pytest.mark.parametrize("n", [20, 60])
def test_an_interval_holds_or_says_that_it_may_not(n) -> None:
    """Lognormal scores: .83 and .88 for .95 without the word."""
    rng = np.random.default_rng(24)
    x = np.exp(1.2 * rng.normal(size=(3000, n)))
    half = stats.t.ppf(0.975, n - 1) * x.std(axis=1, ddof=1) / np.sqrt(n)
    inside = np.abs(x.mean(axis=1) - np.exp(0.72)) <= half
    assert not binomial_acceptance(int(inside.sum()), 3000, 0.93).accepted
    assert binomial_acceptance(int((inside | said(x)).sum()), 3000, 0.95).accepted
    assert np.mean(said(rng.normal(size=(3000, n)))) < 0.1


@pytest.mark.validity
def test_differences_partly_lognormal_hold_or_it_is_said() -> None:
    """Normal differences of items beside lognormal ones, 60 items: .90 held for .95, and .93 held or were doubted from .01 on."""
    rng = np.random.default_rng(25)
    x = 1.1415 * rng.normal(size=(3000, 60)) + np.exp(1.2 * rng.normal(size=(3000, 60))) - np.exp(0.72)
    inside = np.abs(x.mean(axis=1)) <= stats.t.ppf(0.975, 59) * x.std(axis=1, ddof=1) / np.sqrt(60)
    assert binomial_acceptance(int((inside | said(x)).sum()), 3000, 0.95).accepted
    from_a_hundredth = np.array([coverage_lost_to_skewness(row, 0.95)[0] > 0.01 for row in x])
    assert not binomial_acceptance(int((inside | from_a_hundredth).sum()), 3000, 0.95).accepted
