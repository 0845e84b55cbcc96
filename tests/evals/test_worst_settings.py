"""Settings in which a hunt found an evaluation below its level, each with the method that fails there."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from validstats import evals
from validstats.dsl.moments import coverage_lost_to_skewness, is_too_skewed
from validstats.evals.statistics import ClusterMean, agresti_caffo, effective_score_interval, welch_difference
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


def conditions(result) -> str:
    return " ".join(result.guarantee.check)


def test_few_units_are_said_to_hide_a_long_tail() -> None:
    """From 30 units on a sample shows it; below, the reader is told what cannot be seen, and what it would cost."""
    score, base = PLAIN[:29] - PLAIN[:29].mean(), np.arange(29.0)
    tail = "have no long tail that 29 units do not show (with one, some 88 of 100 intervals at 95 % hold)"
    one = evals.evaluate({"score": score})
    assert conditions(one).startswith(
        f"units (item) do not depend on each other, and the scores {tail} items stand"
    )
    paired = evals.compare({"a": base + score, "b": base}, "a", "b")
    assert f"do not depend on each other, and the differences {tail} this is the first look" in conditions(
        paired
    )
    assert "no long tail that 29 units do not show" in " ".join(str(paired.summary()).split())
    data = {"item": np.repeat(np.arange(29), 2), "system": ["ash", "birch"] * 29}
    ranked = evals.rank({**data, "score": np.column_stack([base, score]).ravel()})
    named = tail.replace("29 units", "29 units of 'ash'")
    assert (
        conditions(ranked)
        == f"all systems answered the same items, and the scores {named} this is the first look at these data"
    )
    apart = {
        "item": np.arange(50),
        "system": np.repeat(["a", "b"], [40, 10]),
        "score": np.append(PLAIN, PLAIN[:10]),
    }
    assert "the scores have no long tail that 10 units of 'b' do not show" in conditions(
        evals.compare(apart, "a", "b", unpaired="ok")
    )
    labels = judged(15, False)
    assert "the scores have no long tail that 15 units do not show" in conditions(evals.evaluate(labels))
    topics = {"score": PLAIN, "topic": np.repeat(["large", "small"], [35, 5])}
    assert "that 5 units of 'small' do not show" in conditions(evals.evaluate(topics, by="topic"))
    assert one.checks == () or {c.code for c in one.checks} <= {"no-items"}  # a condition, and no warning


def test_no_tail_is_looked_for_where_none_can_be_hidden() -> None:
    """30 units, three different values, values all alike, or an interval that is made for scores in [0, 1]."""
    base = np.arange(30.0)
    assert "tail" not in conditions(evals.compare({"a": base + PLAIN[:30], "b": base}, "a", "b"))
    assert "tail" not in conditions(evals.evaluate({"score": np.repeat([0.0, 0.1, 30.0], [5, 10, 5])}))
    assert "tail" in conditions(evals.evaluate({"score": np.repeat([0.0, 0.1, 0.2, 30.0], 5)}))
    assert "tail" not in conditions(evals.evaluate({"score": np.linspace(0, 1, 20)}))
    assert "tail" not in conditions(evals.compare({"a": base[:20] + 5, "b": base[:20]}, "a", "b"))
    tiny = 1e-12 * PLAIN[:20]
    assert "tail" in conditions(evals.compare({"a": 5 * tiny, "b": tiny - 1e-12}, "a", "b"))


def test_differences_of_scores_between_0_and_1_are_said_to_be_skewed() -> None:
    """Two of 28 answers half a point better: Student's interval holds .83 of the time where one in nine is."""
    a, b = np.repeat([0.5, 0.0], [2, 26]), np.zeros(28)
    a[-1] = b[-1] = 1.0
    [said] = words(evals.compare({"a": a, "b": b}, "a", "b"))
    assert said.startswith(
        "The differences of 28 independent units are skewed (skewness 3.3): about 85% of such"
    )
    assert said.endswith("meant. Score more items.")
    assert (
        words(
            evals.compare({"a": np.tile([0.5, 0, 1, 0], 7), "b": np.tile([0.0, 0.5, 0.5, 0.5], 7)}, "a", "b")
        )
        == []
    )


def differences(law: str, n: int, rng) -> np.ndarray:
    """3,000 samples of differences with mean 0."""
    normal = rng.normal(size=(3000, n))
    if law == "normal":
        return normal
    # so much of each that skewness costs much and shows little
    return 1.3 * normal + np.exp(1.2 * rng.normal(size=(3000, n))) - np.exp(0.72)


@pytest.mark.validity
@pytest.mark.parametrize("n", [15, 20, 28, 30, 60])
def test_differences_hold_or_it_is_said_from_30_items_on_and_fewer_have_a_condition(n) -> None:
    rng = np.random.default_rng(n)
    x = differences("lognormal", n, rng)
    inside = np.abs(x.mean(axis=1)) <= stats.t.ppf(0.975, n - 1) * x.std(axis=1, ddof=1) / np.sqrt(n)
    held = int((inside | said(x)).sum())
    if n < 30:
        assert binomial_acceptance(int(inside.sum()), 3000, 0.88).accepted  # as the condition says
        assert not binomial_acceptance(int(inside.sum()), 3000, 0.91).accepted
    else:
        assert binomial_acceptance(held, 3000, 0.93).accepted
    if n == 20:
        assert not binomial_acceptance(held, 3000, 0.93).accepted  # which is why there is a condition
    plain = differences("normal", n, rng)
    assert np.mean(said(plain)) < (0.16 if n == 15 else 0.1)


@pytest.mark.validity
@pytest.mark.parametrize("n", [15, 20, 28, 60])
def test_differences_of_three_values_hold_or_it_is_said(n) -> None:
    """Differences of -1, 0 and 1 where scores may be halves: all samples there are, under all shares of a grid."""
    up, down = np.indices((n + 1, n + 1)).reshape(2, -1)
    up, down = up[up + down <= n], down[up + down <= n]
    rows = np.array([np.repeat([1.0, -1.0, 0.0], [u, d, n - u - d]) for u, d in zip(up, down, strict=True)])
    mean, se, c = rows.mean(axis=1), rows.std(axis=1, ddof=1) / np.sqrt(n), stats.t.ppf(0.975, n - 1)
    ends = 2 * np.array(effective_score_interval((mean + 1) / 2, 0.0, float(n), c)) - 1
    low, high = np.where(se > 0, [mean - c * se, mean + c * se], ends)
    doubted, without, shares = said(rows), [], []
    for p in np.linspace(0.01, 0.6, 30):
        for q in np.linspace(0.0, 0.4, 11):
            chance = stats.multinomial.pmf(np.column_stack([up, down, n - up - down]), n, [p, q, 1 - p - q])
            inside = (low <= p - q + 1e-12) & (p - q <= high + 1e-12)
            shares.append(chance[inside | doubted].sum())
            without.append(chance[inside].sum())
    assert min(shares) >= 0.93
    assert min(without) < 0.89


def two_samples(n_a: int, n_b: int, interval):
    """Coverage of an interval of the difference of two shares, over all samples there are, at shares of a grid."""
    found = np.empty((n_a + 1, n_b + 1, 2))
    means = [[share_of(k, n) for k in range(n + 1)] for n in (n_a, n_b)]
    for i, a in enumerate(means[0]):
        for j, b in enumerate(means[1]):
            centre, se, df = interval(a, b)
            half = stats.t.isf(0.025, df) * se if se > 0 else 2.0
            d = i / n_a - j / n_b
            found[i, j] = min(centre - half, d), max(centre + half, d)
    shares = (0.001, 0.01, 0.05, 0.2, 0.5, 0.8, 0.99)
    laws = [[stats.binom.pmf(np.arange(n + 1), n, p) for p in shares] for n in (n_a, n_b)]
    return min(
        float(np.outer(laws[0][i], laws[1][j])[(found[..., 0] <= p - q) & (p - q <= found[..., 1])].sum())
        for i, p in enumerate(shares)
        for j, q in enumerate(shares)
    )


def share_of(k: int, n: int) -> ClusterMean:
    return ClusterMean(k / n, np.repeat([1.0, 0.0], [k, n - k]), np.ones(n))


@pytest.mark.parametrize(("n_a", "n_b", "welch"), [(5, 8, 0.94), (20, 20, 0.9), (10, 60, 0.75)])
def test_shares_of_two_samples_hold_where_one_has_no_event(n_a, n_b, welch) -> None:
    """Exact coverage: Welch's interval takes a sample without an event for certain."""
    assert two_samples(n_a, n_b, agresti_caffo) >= 0.925
    assert two_samples(n_a, n_b, welch_difference) < welch


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
