"""Intervals for kinds that were not simulated: thresholds over kinds, refusals, unions, and coverage of a further kind."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from scipy.stats import binom

from validstats.mi import LearnedMI, mutual_info
from validstats.mi.families import FAMILY_NAMES, KINDS
from validstats.mi.network import (
    QUANTILE_LEVELS,
    ROBUST_CELLS,
    SCORE_LEVELS,
    RobustScores,
    pack_calibration,
    robust_level,
    robust_scores,
    save_weights,
)

TENTH = Fraction(1, 10)
CELLS = len(ROBUST_CELLS)


def pair(n=120, dim=2, seed=0):
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(n, dim))
    return x, x + generator.normal(size=(n, dim))


def scale_of(scores):
    return RobustScores(tuple(f"kind {i}" for i in range(len(scores))), np.asarray(scores, float))


def with_robust(scores):
    estimator = LearnedMI(confidence_level=0.9).fit()
    estimator.calibration_ = replace(estimator.calibration_, robust=scale_of(scores))
    return estimator


def test_every_family_belongs_to_one_kind():
    assert sorted(name for names in KINDS.values() for name in names) == sorted(FAMILY_NAMES)
    assert len(KINDS) == 11


def test_the_threshold_is_a_quantile_of_the_average_of_distribution_functions():
    generator = np.random.default_rng(0)
    scores = np.sort(
        generator.exponential(generator.uniform(0.5, 3, (11, 1, 1)), (11, CELLS, len(SCORE_LEVELS)))
    )
    robust = scale_of(scores)
    for n, alpha in ((10, TENTH), (39, TENTH), (40, Fraction(1, 5)), (700, Fraction(1, 2)), (2000, TENTH)):
        cell = max(i for i, low in enumerate(ROBUST_CELLS) if n >= low)
        level = float(1 - alpha) * 12 / 11
        candidates = np.unique(scores[:, cell])
        average = [np.mean([(kind <= t).mean() for kind in scores[:, cell]]) for t in candidates]
        expected = candidates[np.argmax(np.array(average) >= level - 1e-12)]
        assert robust.limits(np.array([n]), alpha)[0] == expected


def test_eleven_kinds_resolve_eleven_twelfths():
    assert robust_level(11, Fraction(1, 12)) == 1
    assert robust_level(11, TENTH) == Fraction(54, 55)
    assert np.isinf(scale_of(np.ones((11, CELLS, 200))).limits(np.array([100]), Fraction(1, 20))).all()
    estimator = with_robust(np.ones((11, CELLS, 200)))
    with pytest.raises(ValueError, match=r"11 kinds of laws, which resolve levels up to 11/12 = 0\.917"):
        estimator.infer(*pair(), confidence_level=0.95, scope="robust")


def test_weights_without_residuals_of_kinds_are_refused_with_the_reason():
    estimator = LearnedMI(confidence_level=0.9).fit()
    estimator.calibration_ = replace(estimator.calibration_, robust=None)
    with pytest.raises(ValueError, match="networks that left each kind of law out"):
        estimator.infer(*pair(), scope="robust")
    with pytest.raises(ValueError, match="scope must be one of"):
        estimator.infer(*pair(), scope="wide")
    assert estimator.infer(*pair()).scope == "meta"


def test_the_robust_interval_is_the_union_and_says_what_it_speaks_of():
    x, y = pair()
    for score in (-5.0, 0.0, 0.4):
        estimator = with_robust(np.full((11, CELLS, 200), score))
        narrow, wide = (
            estimator.infer(x, y, certify=False),
            estimator.infer(x, y, certify=False, scope="robust"),
        )
        assert wide.conf_low <= narrow.conf_low <= narrow.estimate <= narrow.conf_high <= wide.conf_high
        assert (narrow.scope, wide.scope) == ("meta", "robust")
        assert "kind of law drawn like the 11 simulated kinds" in wide.guarantee.holds
        assert wide.guarantee.kind == "asymptotic" and narrow.guarantee.kind == "marginal-over-family"
        assert (wide.conf_high == narrow.conf_high) is (score < 0.4)


def test_scores_say_how_far_a_truth_lies_beyond_the_band():
    generator = np.random.default_rng(2)
    quantiles = np.sort(generator.normal(size=(50, len(QUANTILE_LEVELS))), axis=1)
    target = generator.normal(0, 3, 50)
    scores = robust_scores(quantiles, target)
    # The interval at a set's own score ends at its truth.
    for q, t, score in zip(quantiles, target, scores, strict=True):
        low, high = scale_of(np.full((11, CELLS, 200), score)).interval(np.array([100]), q[None], TENTH)
        assert min(abs(low[0] - t), abs(high[0] - t)) < 1e-9
        assert low[0] - 1e-9 <= t <= high[0] + 1e-9


def test_residuals_of_kinds_come_back_from_the_file_of_weights(tmp_path):
    generator = np.random.default_rng(1)
    scores = np.sort(generator.exponential(1.0, (11, CELLS, 200)))
    estimator = with_robust(scores)
    save_weights(estimator.weights_, tmp_path / "own.npz", pack_calibration(estimator.calibration_))
    again = LearnedMI(weights=tmp_path / "own.npz", confidence_level=0.9)
    x, y = pair()
    one, two = (e.infer(x, y, scope="robust", certify=False) for e in (estimator, again))
    assert one.conf_high == pytest.approx(two.conf_high, rel=1e-5)
    assert again.calibration_.robust.kinds == estimator.calibration_.robust.kinds


@pytest.mark.validity
def test_a_further_kind_is_covered_and_a_quantile_without_the_correction_does_not_do():
    generator = np.random.default_rng(7)
    runs, covered, naive = 3000, 0, 0
    for _ in range(runs):
        size = np.exp(0.7 * generator.normal(size=12))
        scores = np.sort(np.abs(generator.normal(size=(11, 1, 200))) * size[:11, None, None], axis=2)
        new = abs(generator.normal()) * size[11]
        robust = scale_of(np.repeat(scores, CELLS, axis=1))
        covered += new <= robust.limits(np.array([100]), TENTH)[0]
        naive += new <= np.quantile(scores, 0.9)
    assert binom.cdf(covered, runs, 0.9) > 1e-3
    assert binom.cdf(naive, runs, 0.9) < 1e-3


def test_one_door_gives_the_interval_of_the_scope():
    x, y = pair(80, 3)
    result = LearnedMI(confidence_level=0.9).infer(x, y, certify=False)
    other = mutual_info(x, y, confidence_level=0.9, certify=False)
    assert (other.conf_low, other.conf_high) == (result.conf_low, result.conf_high)
