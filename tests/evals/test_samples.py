"""pass@k from repeated samples with and without audits, and the best of n."""

from __future__ import annotations

import json
from itertools import combinations, product
from pathlib import Path

import numpy as np
import pytest

from tests.oracles import evals as oracle
from validstats import evals
from validstats.evals.statistics import (
    audited_pass_at_k,
    best_of_n_utility,
    chance_none_passes,
    column_means,
    corrected_rows,
    delivery_weights,
    expected_samples,
    finite_pass_at_k_covariance,
    linear_guess,
    pass_at_k,
    simultaneous_band,
    unseen_errors,
)


@pytest.mark.parametrize(
    ("n", "c", "k", "value"),
    [(10, 3, 5, 0.9166667), (5, 0, 5, 0.0), (5, 5, 1, 1.0), (100, 1, 100, 1.0), (200, 3, 100, 0.8768844)],
)
def test_known_numbers(n, c, k, value):
    assert 1 - chance_none_passes(n, c, k) == pytest.approx(value, abs=5e-8)


def test_pass_at_k_counts_subsets():
    for n in range(1, 8):
        for c in range(n + 1):
            ks = np.arange(1, n + 1)
            found = pass_at_k(np.array([n]), np.array([c]), ks)[0]
            np.testing.assert_allclose(found, [oracle.pass_at_k(n, c, k) for k in ks], atol=1e-12)


def test_samples_of_a_file_have_the_known_pass_at_k():
    data = Path(__file__).parent / "data"
    rows = [json.loads(line) for line in (data / "samples.jsonl_results.jsonl").read_text().splitlines()]
    problems = sorted({row["task_id"] for row in rows})
    passing = np.array([sum(r["passed"] for r in rows if r["task_id"] == p) for p in problems])
    known = json.loads((data / "expected.json").read_text())["samples.jsonl_results.jsonl"]["pass_at_k"]
    found = pass_at_k(np.full(len(problems), 10), passing, np.array([1, 2, 5, 10])).mean(axis=0)
    np.testing.assert_allclose(found, list(known.values()), atol=5e-7)


@pytest.mark.parametrize(
    ("s", "c", "m", "b"), [(6, 4, 4, 2), (6, 4, 3, 1), (5, 5, 5, 0), (7, 2, 2, 2), (4, 0, 0, 0)]
)
def test_audited_pass_at_k_is_written_out(s, c, m, b):
    ks = np.arange(1, m + 1) if c else np.arange(1, s + 1)
    low, high = audited_pass_at_k([s], [c], [m], [b], ks)
    expected = [oracle.audited_pass_at_k(m, b, int(k), s, c) for k in ks]
    np.testing.assert_allclose(low[0], expected, atol=1e-12)
    np.testing.assert_allclose(high[0], expected, atol=1e-12)


@pytest.mark.parametrize("with_failing", [False, True])
def test_audited_pass_at_k_is_unbiased_over_all_audits(with_failing):
    # Samples 0..3 pass (of these 0 and 1 are right), 4..6 fail (of these 4 is right).
    right = [1, 1, 0, 0, 1 if with_failing else 0, 0, 0]
    k = 3
    truth = np.mean([any(right[i] for i in subset) for subset in combinations(range(7), k)])
    values = []
    for passing_audits, failing_audits in product(combinations(range(4), 3), combinations(range(4, 7), 3)):
        b = sum(right[i] for i in passing_audits)
        b0 = sum(right[i] for i in failing_audits)
        extra = ([3], [b0]) if with_failing else ()
        low, high = audited_pass_at_k([7], [4], [3], [b], np.array([k]), *extra)
        assert low[0, 0] == pytest.approx(high[0, 0])
        values.append(low[0, 0])
    assert np.mean(values) == pytest.approx(truth, abs=1e-12)


def test_too_few_audits_give_a_range_that_holds_the_truth():
    right = [1, 0, 0, 0, 0]
    truth = np.mean([any(right[i] for i in subset) for subset in combinations(range(5), 4)])
    lows, highs = [], []
    for audits in combinations(range(5), 2):
        low, high = audited_pass_at_k([5], [5], [2], [sum(right[i] for i in audits)], np.array([4]))
        lows.append(low[0, 0])
        highs.append(high[0, 0])
    assert np.mean(lows) <= truth <= np.mean(highs)
    assert np.mean(highs) > np.mean(lows)


def test_one_audit_a_problem_cannot_tell_pass_at_2():
    """Precision 1/2 in every problem, or 1 in half and 0 in the rest: one audit sees the same, pass@2 differs."""
    even = np.mean([1 - 0.25])
    split = np.mean([1.0, 0.0])
    assert even == 0.75
    assert split == 0.5
    low_even, high_even = audited_pass_at_k([4] * 2, [4] * 2, [1] * 2, [1, 0], np.array([2]))
    assert low_even.mean() <= split
    assert high_even.mean() >= even


def test_delivery_weights_count_subsets():
    rng = np.random.default_rng(0)
    for _ in range(10):
        passed = rng.random(6) < 0.6
        score = rng.integers(0, 3, 6).astype(float)
        right = rng.random(6) < 0.5
        ns = np.arange(1, 7)
        weights = delivery_weights(np.zeros(6, dtype=int), passed, score, ns)
        for column, n in enumerate(ns):
            good, any_delivered = oracle.delivered_right(passed, right, score, int(n))
            assert weights[:, column] @ right == pytest.approx(good, abs=1e-12)
            assert weights[:, column].sum() == pytest.approx(any_delivered, abs=1e-12)


def test_delivery_of_several_problems_is_that_of_each():
    rng = np.random.default_rng(1)
    problem = np.repeat([0, 1, 2], 5)
    passed, score = rng.random(15) < 0.5, rng.random(15).round(1)
    together = delivery_weights(problem, passed, score, np.array([1, 3]))
    for p in range(3):
        rows = problem == p
        alone = delivery_weights(np.zeros(5, dtype=int), passed[rows], score[rows], np.array([1, 3]))
        np.testing.assert_allclose(together[rows], alone)


def test_expected_samples_stop_at_the_first_pass():
    for s, c, n in [(6, 2, 4), (5, 0, 5), (4, 4, 3)]:
        drawn = []
        for order in set(__import__("itertools").permutations([1] * c + [0] * (s - c), n)):
            drawn.append(order)
        total = weight = 0.0
        for order in __import__("itertools").permutations([1] * c + [0] * (s - c)):
            first = order[:n]
            total += first.index(1) + 1 if 1 in first else n
            weight += 1
        assert expected_samples([s], [c], np.array([n]))[0, 0] == pytest.approx(total / weight)


def test_corrected_rows_are_unbiased_for_any_guess():
    rng = np.random.default_rng(2)
    target, guess = rng.random((5, 2)), rng.random((5, 2))
    probability = np.array([0.2, 0.5, 0.9, 0.4, 0.7])
    total = np.zeros(2)
    for pattern in product([0, 1], repeat=5):
        known = np.array(pattern, bool)
        chance = np.prod(np.where(known, probability, 1 - probability))
        total += chance * corrected_rows(guess, target, known, probability).mean(axis=0)
    np.testing.assert_allclose(total, target.mean(axis=0), atol=1e-12)


def test_guess_of_a_fold_does_not_read_its_audits():
    rng = np.random.default_rng(3)
    base, target = rng.random((30, 2)), rng.random((30, 2))
    folds, known = np.arange(30) % 3, np.ones(30, bool)
    one = linear_guess(target, base, known, folds)
    changed = target.copy()
    changed[folds == 1] = 0.0
    other = linear_guess(changed, base, known, folds)
    np.testing.assert_array_equal(one[folds == 1], other[folds == 1])
    assert not np.allclose(one[folds == 0], other[folds == 0])


def test_covariance_of_sampling_alone_is_unbiased():
    """Mean over all outcomes of 6 samples of two problems, against the variance of pass@2 over these outcomes."""
    from math import comb

    p, k, s = (0.3, 0.8), np.array([1, 2]), 6
    outcomes = []
    for c1, c2 in product(range(s + 1), repeat=2):
        chance = np.prod([comb(s, c) * q**c * (1 - q) ** (s - c) for c, q in zip((c1, c2), p)])
        cell = np.array([c1, c2])
        sizes = np.array([s, s])
        outcomes.append(
            (chance, pass_at_k(sizes, cell, k).mean(0), finite_pass_at_k_covariance(sizes, cell, k))
        )
    chance = np.array([o[0] for o in outcomes])
    means = np.array([o[1] for o in outcomes])
    centre = chance @ means
    true = (means - centre).T @ (chance[:, None] * (means - centre))
    stated = np.einsum("o,okl->kl", chance, np.array([o[2] for o in outcomes]))
    np.testing.assert_allclose(stated, true, atol=1e-12)
    np.testing.assert_allclose(
        centre, np.mean([1 - (1 - np.array(p)[:, None]) ** k], axis=(0, 1)), atol=1e-12
    )


def test_all_problems_solved_is_no_certainty():
    rows = np.ones((20, 3))
    mean, covariance = column_means(rows)
    band = simultaneous_band(mean, covariance, 20, 19, 0.95, np.random.default_rng(0))
    assert (band.low < 0.95).all()
    assert (band.low > 0.7).all()
    np.testing.assert_array_equal(band.high, 1.0)


def test_clusters_of_single_problems_change_nothing():
    rng = np.random.default_rng(4)
    rows = rng.random((12, 2))
    mean, covariance = column_means(rows)
    mean_2, covariance_2 = column_means(rows, np.arange(12))
    np.testing.assert_allclose(mean, mean_2)
    np.testing.assert_allclose(covariance, covariance_2)


def test_best_n_is_found_where_it_is_clear():
    rng = np.random.default_rng(5)
    n = 400
    right = np.clip(np.array([0.3, 0.6, 0.61]) + 0.05 * rng.normal(size=(n, 3)), 0, 1)
    delivered, cost = right + 0.1, np.array([0.0, 0.0, 0.3]) * np.ones((n, 3))
    mean, _, sets = best_of_n_utility(right, delivered, cost, 1.0, n - 1, 0.95, np.random.default_rng(0))
    assert sets.may_be_best.tolist() == [False, True, False]
    np.testing.assert_allclose(mean, (right - 0.1 - cost).mean(axis=0))


@pytest.mark.parametrize("law", [(0.7, 1.2), (0.3, 3.0)])
def test_the_rate_of_the_tests_times_a_precision_is_not_pass_at_k(law):
    """Very many problems, all audited: the mean of y(k) is E[1 - (1 - right)^k], the product lies far off."""
    rng = np.random.default_rng(4)
    p = rng.beta(*law, 40_000)
    passing = rng.binomial(20, p)
    right = rng.binomial(passing, 1 - 0.25 * (1 - p))
    size, k = np.full(len(p), 20), np.array([10])
    truth = np.mean(1 - (1 - p * (1 - 0.25 * (1 - p))) ** 10)
    audited = audited_pass_at_k(size, passing, passing, right, k)[0][:, 0]
    error = audited.std() / np.sqrt(len(p))
    assert abs(audited.mean() - truth) < 4 * error
    product = pass_at_k(size, passing, k).mean() * right.sum() / passing.sum()
    assert abs(product - truth) > 8 * error


def test_unseen_errors_by_hand():
    """Two classes of problems; one saw no wrong answer: p~(1 - p~)/m with one pseudo-audit of each kind."""
    rate = np.array([0.1, 0.1, 0.1, 0.9, 0.9, 0.9])
    audited = np.array([1.0, 1.0, 0.0, 1.0, 1.0, 0.0])
    right = np.array([1.0, 1.0, 0.0, 1.0, 0.0, 0.0])
    delivered = np.array([[0.1, 0.4], [0.1, 0.4], [0.1, 0.4], [0.9, 1.0], [0.9, 1.0], [0.9, 1.0]])
    low, high = np.array([0.05, 0.2]), np.array([0.45, 0.5])
    # 2 of 2 right: 3/4 (1 - 3/4)/2. 1 of 2 right: the pseudo-audits add nothing.
    expected = np.outer(low, low) * 0.75 * 0.25 / 2 + 0.0 * np.outer(high, high)
    np.testing.assert_allclose(unseen_errors(rate, audited, right, delivered, fewest=2), expected)


def test_numbers_of_samples_stay_possible_where_few_audits_saw_no_wrong_answer():
    """All audits are right: that more samples deliver more is no proof that they deliver more right answers."""
    rng = np.random.default_rng(5)
    p = np.repeat([0.02, 0.9], [40, 80])
    passed = rng.random((120, 10)) < p[:, None]
    drawn = rng.random((120, 10)) < 0.15
    data = {
        "problem": np.repeat(np.arange(120), 10),
        "passed": passed.ravel().astype(int),
        "audit": np.where(passed & drawn, 1.0, np.nan).ravel(),
        "audit_probability": np.full(1200, 0.15),
    }
    result = evals.pass_at_k(data, design="samples", wrong_costs=4.0)
    assert {2, 10} <= set(result.best_n)
