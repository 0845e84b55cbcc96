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
    ROBUST_CELLS,
    SCORE_LEVELS,
    RobustScale,
    pack_calibration,
    robust_inputs,
    robust_level,
    save_weights,
)
from validstats.mi.statistics import ANCHOR_NAMES, STATISTIC_NAMES

TENTH = Fraction(1, 10)


def pair(n=120, dim=2, seed=0):
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(n, dim))
    return x, x + generator.normal(size=(n, dim))


def scale_of(scores, size=0.0):
    """Residual sizes that are the network's own spread times exp(size)."""
    width = len(STATISTIC_NAMES) + 2 * len(ANCHOR_NAMES) + 2
    parameters = {
        "inner.weight": np.zeros((3, width)), "inner.bias": np.zeros(3),
        "outer.weight": np.zeros((1, 3)), "outer.bias": np.full(1, size),
    }  # fmt: skip
    return RobustScale(tuple(f"kind {i}" for i in range(len(scores))), np.asarray(scores), parameters)


def with_robust(scores, size=0.0):
    estimator = LearnedMI(confidence_level=0.9).fit()
    estimator.calibration_ = replace(estimator.calibration_, robust=scale_of(scores, size))
    return estimator


def test_every_family_belongs_to_one_kind():
    assert sorted(name for names in KINDS.values() for name in names) == sorted(FAMILY_NAMES)
    assert len(KINDS) == 11


def test_the_threshold_is_a_quantile_of_the_average_of_distribution_functions():
    generator = np.random.default_rng(0)
    scores = np.sort(generator.exponential(generator.uniform(0.5, 3, (11, 1, 1)), (11, 4, len(SCORE_LEVELS))))
    robust = scale_of(scores)
    for n, alpha in ((10, TENTH), (39, TENTH), (40, Fraction(1, 5)), (700, Fraction(1, 2))):
        cell = max(i for i, low in enumerate(ROBUST_CELLS) if n >= low)
        level = float(1 - alpha) * 12 / 11
        candidates = np.unique(scores[:, cell])
        average = [np.mean([(kind <= t).mean() for kind in scores[:, cell]]) for t in candidates]
        expected = candidates[np.argmax(np.array(average) >= level - 1e-12)]
        assert robust.limit(n, alpha) == expected


def test_eleven_kinds_resolve_eleven_twelfths():
    assert robust_level(11, Fraction(1, 12)) == 1
    assert robust_level(11, TENTH) == Fraction(54, 55)
    assert np.isinf(scale_of(np.ones((11, 4, 200))).limit(100, Fraction(1, 20)))
    estimator = with_robust(np.ones((11, 4, 200)))
    with pytest.raises(ValueError, match=r"11 kinds of laws, which resolve levels up to 11/12 = 0\.917"):
        estimator.infer(*pair(), confidence_level=0.95, scope="robust")


def test_weights_without_residuals_of_kinds_are_refused_with_the_reason():
    estimator = LearnedMI(confidence_level=0.9).fit()
    estimator.calibration_ = replace(estimator.calibration_, robust=None)
    with pytest.raises(ValueError, match="networks that left each kind of law out"):
        estimator.infer(*pair(), scope="robust")
    with pytest.raises(ValueError, match="scope must be one of"):
        estimator.infer(*pair(), scope="wide")
    assert estimator.infer(*pair()).scopes == ("meta",)


def test_the_robust_interval_is_the_union_and_says_what_it_speaks_of():
    x, y = pair()
    for size in (-8.0, 0.0, 0.4):
        estimator = with_robust(np.ones((11, 4, 200)), size)
        narrow, wide = (
            estimator.infer(x, y, certify=False),
            estimator.infer(x, y, certify=False, scope="robust"),
        )
        assert wide.conf_low <= narrow.conf_low <= narrow.estimate <= narrow.conf_high <= wide.conf_high
        assert (
            wide.scopes == ("robust",)
            and "kind of law drawn like the 11 simulated kinds" in wide.guarantee.holds
        )
        assert wide.guarantee.kind == "asymptotic"
    assert wide.conf_high > narrow.conf_high


def test_a_much_wider_robust_interval_is_given_unasked_and_said_so():
    x, y = pair()
    estimator = with_robust(np.ones((11, 4, 200)), 2.5)
    result = estimator.infer(x, y, certify=False)
    asked = estimator.infer(x, y, certify=False, scope="robust")
    assert (result.scope, result.scopes) == ("meta", ("robust",))
    assert (result.conf_low, result.conf_high) == (asked.conf_low, asked.conf_high)
    text = " ".join(str(result.summary()).split())
    assert "more than three times as wide" in text and "not among them" in text
    assert "three times" not in str(asked.summary())
    # Nothing is known at levels that eleven kinds do not resolve.
    assert estimator.infer(x, y, certify=False, confidence_level=0.95).scopes == ("meta",)


def test_residuals_of_kinds_come_back_from_the_file_of_weights(tmp_path):
    generator = np.random.default_rng(1)
    scores = np.sort(generator.exponential(1.0, (11, 4, 200)))
    estimator = with_robust(scores, 0.25)
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
        robust = scale_of(np.repeat(scores, 4, axis=1))
        covered += new <= robust.limit(100, TENTH)
        naive += new <= np.quantile(scores, 0.9)
    assert binom.cdf(covered, runs, 0.9) > 1e-3
    assert binom.cdf(naive, runs, 0.9) < 1e-3


def test_inputs_of_the_size_model_are_finite_and_have_the_declared_width():
    from validstats.mi.network import forward
    from validstats.mi.statistics import pack_summaries, summarise_data

    weights = LearnedMI().fit().weights_
    sets = pack_summaries([summarise_data(*pair(60, dim)) for dim in (1, 3)])
    inputs = robust_inputs(sets, forward(sets, weights), weights.scaling)
    assert inputs.shape == (2, len(STATISTIC_NAMES) + 2 * len(ANCHOR_NAMES) + 2)
    assert np.isfinite(inputs).all()


def test_one_door_gives_the_interval_of_the_scope():
    x, y = pair(80, 3)
    result = LearnedMI(confidence_level=0.9).infer(x, y, certify=False)
    other = mutual_info(x, y, confidence_level=0.9, certify=False)
    assert (other.conf_low, other.conf_high) == (result.conf_low, result.conf_high)
