"""Answers of single targets: labels tied with a bound, functions of unbounded scores, strata, what says something."""

from __future__ import annotations

import itertools
import math
import pickle
import warnings
from fractions import Fraction

import numpy as np
import pytest
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.dummy import DummyRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression
from sklearn.tree import DecisionTreeRegressor

from tests.oracles import batch as oracle
from validstats import (
    BatchMean,
    BatchPredictor,
    BatchQuantile,
    BatchTotal,
    Envelope,
    ErrorCount,
    Selection,
    Simultaneous,
)
from validstats.batch import (
    AbsoluteScore,
    CallableScore,
    Compositional,
    CQRScore,
    ErrorScore,
    NormalisedScore,
    SignedScore,
)
from validstats.batch.laws import compositional_interval, ignored_extremes, reach_out, smallest_drop_n
from validstats.batch.targets.selection import _largest_remainders
from validstats.exceptions import UninformativeWarning

FREE = (-np.inf, np.inf)


def constant(labels):
    """A fitted learner that predicts the mean of labels."""
    return FrozenEstimator(DummyRegressor().fit(np.zeros((len(labels), 1)), labels))


def few_labels(rng, size):
    return rng.choice([0.1, 2.9], p=[0.3, 0.7], size=size)


class TestLabelsTiedWithTheThreshold:
    """A label whose score is at most the threshold belongs to the set, also where both are rounded."""

    @staticmethod
    def outputs(score, rng, n):
        size = 10.0 ** rng.integers(-6, 7)
        centre = rng.normal(size=n) * size
        if isinstance(score, NormalisedScore):
            return np.column_stack([centre, rng.exponential(size=n) * 10.0 ** rng.integers(-6, 7)])
        if isinstance(score, CQRScore):
            return np.sort(np.column_stack([centre, rng.normal(size=n) * size]), axis=1)
        return centre

    @pytest.mark.parametrize(
        "score",
        [AbsoluteScore(), SignedScore(), NormalisedScore(), CQRScore()],
        ids=lambda s: type(s).__name__,
    )
    def test_every_label_lies_in_the_set_of_its_own_score(self, score):
        rng = np.random.default_rng(0)
        for decimals in (None, 1, 2, None):
            for _ in range(100):
                outputs = self.outputs(score, rng, 100)
                labels = rng.normal(size=100) * 10.0 ** rng.integers(-6, 7)
                if decimals is not None:
                    outputs, labels = outputs.round(decimals) + 0.0, labels.round(decimals)
                if isinstance(score, NormalisedScore):
                    outputs[:, 1] = np.maximum(outputs[:, 1], 1e-3)
                thresholds = score.scores(outputs, labels)
                ends = score.interval(outputs, thresholds, FREE)
                assert ((ends[:, 0] <= labels) & (labels <= ends[:, 1])).all()

    @pytest.mark.parametrize("score", [AbsoluteScore(), SignedScore(), NormalisedScore()], ids=str)
    def test_the_set_is_hardly_larger_than_its_definition(self, score):
        rng = np.random.default_rng(1)
        outputs = self.outputs(score, rng, 1000)
        thresholds = score.scores(outputs, rng.normal(size=1000))
        ends = score.interval(outputs, thresholds, FREE)
        size = np.abs(outputs if outputs.ndim == 1 else outputs[:, 0]) + np.abs(ends[:, 1])
        scale = 1.0 if outputs.ndim == 1 else outputs[:, 1]
        assert (np.abs(score.scores(outputs, ends[:, 1]) - thresholds) * scale <= 1e-15 * size).all()

    def test_ends_that_need_no_step_stay_where_they_are(self):
        ends = AbsoluteScore().interval(np.array([0.0, 5.0]), 1.5, FREE)
        np.testing.assert_array_equal(ends, [[-1.5, 1.5], [3.5, 6.5]])
        for threshold in (0.0, np.inf):
            ends = AbsoluteScore().interval(np.array([0.0, 2.0]), threshold, (0.0, 9.0))
            np.testing.assert_array_equal(ends[:, 0], [0.0, 2.0 if threshold == 0 else 0.0])

    def test_steps_grow_until_they_suffice(self):
        moved = reach_out(np.zeros(2), np.ones(2), 1.0, lambda y: y <= np.array([-1.0, 1e-6]))
        assert moved[0] == 0.0 and 1e-6 <= moved[1] <= 3e-6

    @pytest.mark.share(3)
    @pytest.mark.parametrize(
        ("learner", "score"),
        [
            (DummyRegressor(), "absolute"),
            (DummyRegressor(), "signed"),
            (DecisionTreeRegressor(max_depth=2), "absolute"),
            (DecisionTreeRegressor(max_depth=2), NormalisedScore(DecisionTreeRegressor(max_depth=1))),
            (
                DummyRegressor(),
                CQRScore(DecisionTreeRegressor(max_depth=1), DecisionTreeRegressor(max_depth=2)),
            ),
        ],
        ids=str,
    )
    def test_sets_hold_what_the_scores_say(self, learner, score):
        rng = np.random.default_rng(2)
        for seed in range(20):
            X = rng.normal(size=(600, 2))
            y = few_labels(rng, 600) if seed % 2 else (X[:, 0] + rng.normal(size=600)).round(1)
            model = BatchPredictor(
                learner,
                Simultaneous(miss=0.1),
                conformity_score=score,
                random_state=seed,
                confidence_level=0.9,
            )
            result = model.fit(X[:400], y[:400]).infer(X[400:])
            threshold = result.answers[0].threshold
            fits = model.conformity_scores(X[400:], y[400:]) <= threshold
            assert fits[result.contains(y[400:])].mean() > 0.999
            assert result.contains(y[400:])[fits].all()

    def test_sets_for_two_labels_cover_as_promised(self):
        """The labels sit at the ends of their own intervals; one rounding error loses three in ten rows."""
        rng = np.random.default_rng(0)
        held = 0
        for seed in range(100):
            X, y = np.zeros((500, 1)), few_labels(rng, 500)
            model = BatchPredictor(
                DummyRegressor(),
                Simultaneous(miss=0.1),
                calibration_size=200,
                random_state=seed,
                confidence_level=0.9,
            )
            held += model.fit(X[:400], y[:400]).infer(X[400:]).contains(y[400:]).mean() >= 0.9
        assert held >= 90

    @pytest.mark.share(2)
    @pytest.mark.parametrize("score", [None, "absolute"])
    @pytest.mark.parametrize("target", [BatchMean, BatchTotal])
    def test_means_tied_with_their_bound_lie_within_it(self, target, score):
        """Means of the same labels differ by the order of their sum; the bound must not depend on it."""
        rng = np.random.default_rng(3)
        lost = 0
        for seed in range(60):
            X, y = np.zeros((405, 1)), few_labels(rng, 405)
            model = BatchPredictor(
                DummyRegressor(),
                target(),
                conformity_score=score,
                calibration_size=200,
                random_state=seed,
                confidence_level=0.9,
            )
            ends = model.fit(X[:400], y[:400]).infer(X[400:])
            values = y[400:] if score is None else np.abs(y[400:] - model.predict(X[400:]))
            truth = float(math.fsum(values)) / (5 if target is BatchMean else 1)
            for bound in (ends.conf_low[0, 0], ends.conf_high[0, 0]):
                lost += abs(truth - bound) < 1e-9 and not ends.conf_low[0, 0] <= truth <= ends.conf_high[0, 0]
            assert abs(ends.conf_high[0, 0] - np.round(ends.conf_high[0, 0], 12)) < 1e-11
        assert lost == 0

    def test_the_mean_of_an_envelope_holds_means_tied_with_it(self):
        rng = np.random.default_rng(4)
        y = np.full(200, 0.1)
        result = BatchPredictor(constant(y), Envelope(), random_state=0, confidence_level=0.9).calibrate(
            np.zeros((200, 1)), y
        )
        for m in (3, 7, 10):
            low, high = result.infer(np.zeros((m, 1))).mean()[0]
            truth = float(np.cumsum(rng.permutation(np.full(m, 0.1)))[-1] / m)
            assert not np.isfinite(low) or low <= truth
            assert truth <= high


X = np.random.default_rng(5).normal(size=(200, 2))
Y = X[:, 0] + np.random.default_rng(6).normal(size=200)
LINE = FrozenEstimator(LinearRegression().fit(X, Y))
NEW = X[:20]


def shifted(model, rows, labels):
    return np.abs(labels - model.predict(rows))


class TestParametersChangedInPlace:
    @pytest.mark.parametrize(
        ("score", "change"),
        [
            (ErrorScore(tolerance=1.0), {"conformity_score__tolerance": 2.0}),
            (CallableScore(shifted, bounds=(0, 20)), {"conformity_score__bounds": (0, 30)}),
            (
                CallableScore(shifted),
                {"conformity_score__function": lambda m, rows, y: 2 * shifted(m, rows, y)},
            ),
        ],
        ids=["tolerance", "bounds", "function"],
    )
    def test_a_changed_score_is_refused_and_the_next_calibration_follows_it(self, score, change):
        target = ErrorCount() if isinstance(score, ErrorScore) else BatchMean(side="upper", method="rank-sum")
        model = BatchPredictor(
            LINE, target, conformity_score=score, random_state=0, confidence_level=0.9
        ).calibrate(X, Y)
        before = model.infer(NEW).conf_high
        model = pickle.loads(pickle.dumps(model)) if isinstance(score, ErrorScore) else model
        np.testing.assert_array_equal(model.infer(NEW).conf_high, before)
        model.set_params(**change)
        for use in (lambda: model.infer(NEW), lambda: model.update(X, Y)):
            with pytest.raises(ValueError, match=r"score was changed.*calibrate"):
                use()
        after = model.calibrate(X, Y).infer(NEW).conf_high
        fresh = BatchPredictor(
            LINE,
            target,
            conformity_score=model.get_params()["conformity_score"],
            random_state=0,
            confidence_level=0.9,
        )
        np.testing.assert_array_equal(after, fresh.calibrate(X, Y).infer(NEW).conf_high)
        assert after != before

    def test_changed_bounds_are_refused_and_the_next_calibration_follows_them(self):
        model = BatchPredictor(
            LINE, BatchQuantile(1.0, side="upper"), random_state=0, confidence_level=0.9
        ).calibrate(X[:20], Y[:20])
        with pytest.warns(UninformativeWarning):
            assert np.isinf(model.infer(NEW).conf_high)
        model.set_params(bounds=(-50, 50))
        for use in (lambda: model.infer(NEW), lambda: model.update(X, Y)):
            with pytest.raises(
                ValueError, match=r"bounds were changed.*\[-inf, inf\] to \[-50, 50\].*calibrate"
            ):
                use()
        with pytest.warns(UninformativeWarning):
            assert model.calibrate(X[:20], Y[:20]).infer(NEW).conf_high == 50
        with pytest.raises(ValueError, match="outside the stated bounds"):
            model.set_params(bounds=(-1e-3, 1e-3)).calibrate(X, Y)

    def test_bounds_given_later_to_a_callable_score_are_refused_too(self):
        model = BatchPredictor(
            LINE, BatchMean(), conformity_score=shifted, random_state=0, confidence_level=0.9
        ).calibrate(X, Y)
        with pytest.raises(ValueError, match="bounds are those of the labels"):
            model.set_params(bounds=(-50, 50)).calibrate(X, Y)

    def test_learned_weights_follow_bounds_that_are_given_later(self):
        later = BatchPredictor(
            LinearRegression(), BatchMean(method="phi-band"), random_state=0, confidence_level=0.9
        ).fit(X, Y)
        later.set_params(bounds=(-9, 9)).calibrate(-X, Y)
        at_once = BatchPredictor(
            LinearRegression(),
            BatchMean(method="phi-band"),
            bounds=(-9, 9),
            random_state=0,
            confidence_level=0.9,
        )
        at_once.fit(X, Y).calibrate(-X, Y)
        assert later.calibration_.reference_bounds == at_once.calibration_.reference_bounds

    def test_strata_are_not_renamed_by_an_update(self):
        numbers = np.arange(200) % 2
        model = BatchPredictor(LINE, BatchQuantile(), random_state=0, confidence_level=0.9).calibrate(
            X, Y, strata=numbers
        )
        for text in (numbers.astype(str), numbers.astype(str).astype(object)):
            with pytest.raises(TypeError, match=r"strata were numbers.*text in update\(\), such as '0'"):
                model.update(X, Y, strata=text)
        model.update(X, Y, strata=numbers.astype(float))
        assert list(model.calibration_.by_stratum) == [0, 1]


class TestSharesOfFalseClaims:
    def test_the_shares_add_up(self):
        rng = np.random.default_rng(0)
        for _ in range(200):
            sizes = rng.integers(1, 30, rng.integers(1, 7)).tolist()
            total = int(rng.integers(0, sum(sizes) + 1))
            shares = _largest_remainders(total, sizes)
            assert sum(shares) == total
            assert all(abs(s - total * m / sum(sizes)) < 1 and s <= m for s, m in zip(shares, sizes))
        assert _largest_remainders(3, [10, 10, 10, 10]) == [1, 1, 1, 0]

    def test_few_allowed_claims_in_many_strata_select_something(self):
        rng = np.random.default_rng(1)
        X = rng.normal(size=(1200, 1))
        y = X[:, 0] + 0.2 * rng.normal(size=1200)
        strata = np.arange(1200) % 4
        model = BatchPredictor(
            FrozenEstimator(LinearRegression().fit(X[:400], y[:400])),
            Selection(above=0.0, max_false=3),
            confidence_level=0.9,
        )
        model.calibrate(X[400:1160], y[400:1160], strata=strata[400:1160])
        result, groups = model.infer(X[1160:], strata=strata[1160:]), strata[1160:]
        thresholds = [result.answers[0].threshold[groups == s] for s in range(4)]
        assert np.isfinite(thresholds[:3]).all() and result.informative
        assert all(result.selected[groups == s].any() for s in range(3))
        assert result.false_claims(y[1160:])[0] <= 3


STEPS = {
    "sum": (lambda j, acc, s: acc + s, 0.0, sum),
    "largest": (lambda j, acc, s: s, 0.0, max),
    "without the largest": (lambda j, acc, s: acc + (s if j < 3 else 0.0), 0.0, lambda v: sum(sorted(v)[:2])),
}


class TestFunctionsOfUnboundedScores:
    @pytest.mark.share(5)
    @pytest.mark.parametrize("name", STEPS)
    @pytest.mark.parametrize(("n", "m"), list(itertools.product((2, 4, 6, 7), (2, 3))))
    @pytest.mark.parametrize("alpha", [Fraction(1, 3), Fraction(1, 2), Fraction(3, 5)])
    def test_against_enumeration(self, name, n, m, alpha):
        """Rank vectors beyond the calibration scores count as infinite, where the level allows it."""
        step, start, g = STEPS[name]
        rng = np.random.default_rng(n + m)
        scores, weights = np.sort(rng.normal(size=n)), np.sort(rng.integers(0, 5, n + 1))
        ignored = ignored_extremes(step, start, m, 1.0)
        plain = lambda r: sum(weights[k - 1] for k in r)  # noqa: E731
        inside = lambda r: math.inf if r[-1] == n + 1 else plain(r)  # noqa: E731
        q = oracle.upper_quantile(n, m, plain, alpha)[0]
        reaches = any(plain(r) <= q and r.count(n + 1) > ignored for r in oracle.rank_vectors(n, m))
        drop = reaches and Fraction(n, n + m) >= 1 - alpha
        expected = oracle.upper_bound(scores, m, g, inside if drop else plain, alpha, np.inf)
        bound = compositional_interval(step, scores, m, alpha, start=start, weights=weights, side="upper")
        assert bound.high == pytest.approx(expected, rel=1e-9)
        assert bound.informative == np.isfinite(expected) or bound.q_upper == m * weights.max()

    @pytest.mark.parametrize(("n", "m"), [(4, 2), (6, 3), (7, 2)])
    def test_the_lower_side_is_the_upper_one_in_a_mirror(self, n, m):
        rng = np.random.default_rng(n)
        scores, weights = np.sort(rng.normal(size=n)), np.arange(n + 1)
        step = STEPS["sum"][0]
        for alpha in (0.4, 0.5):
            high = compositional_interval(step, scores, m, alpha, weights=weights, side="upper").high
            low = compositional_interval(step, -scores[::-1], m, alpha, weights=weights, side="lower").low
            assert np.isfinite(high) and low == pytest.approx(-high)
        both = compositional_interval(step, scores, m, 0.8, weights=weights)
        assert both.high == compositional_interval(step, scores, m, 0.4, weights=weights, side="upper").high

    def test_how_many_extremes_a_function_ignores(self):
        middle = lambda j, acc, s: acc + (s if 3 <= j <= 5 else 0.0)  # noqa: E731
        assert ignored_extremes(middle, 0.0, 8, 1.0) == 3
        assert ignored_extremes(middle, 0.0, 8, -1.0) == 2
        assert ignored_extremes(lambda j, acc, s: acc + math.log(s), 0.0, 8, 1.0) == 0
        assert ignored_extremes(lambda j, acc, s: acc + math.atan(s), 0.0, 8, 1.0) == 8

    @pytest.mark.parametrize("side", ["upper", "lower", "two-sided"])
    def test_the_first_size_with_a_finite_bound_is_the_one_that_is_told(self, side):
        rng = np.random.default_rng(0)
        target, m = Compositional(lambda j, acc, s: acc + s, side=side), 5
        y = rng.normal(size=1000)
        model = BatchPredictor(constant(y), target, random_state=0, confidence_level=0.9)
        share = Fraction(1, 20) if side == "two-sided" else Fraction(1, 10)
        needed = smallest_drop_n(m, share)
        assert needed == (95 if side == "two-sided" else 45)
        for n in (needed, needed + 7):
            result = model.calibrate(np.zeros((n, 1)), y[:n]).infer(np.zeros((m, 1)))
            assert result.informative and result.answers[0].smallest_n == needed
        model.calibrate(np.zeros((needed - 1, 1)), y[: needed - 1])
        with pytest.warns(UninformativeWarning, match=f"would be informative is {needed}"):
            assert not model.infer(np.zeros((m, 1))).informative

    def test_bounded_scores_are_told_apart_from_their_bounds(self):
        target = Compositional(lambda j, acc, s: acc + s, side="upper")
        y = np.random.default_rng(0).random(9)
        model = BatchPredictor(constant(y), target, bounds=(0, 1), random_state=0, confidence_level=0.9)
        for n in (2, 3):
            model.calibrate(np.zeros((n, 1)), y[:n])
            with warnings.catch_warnings(record=True) as found:
                warnings.simplefilter("always")
                result = model.infer(np.zeros((2, 1)))
            assert result.informative == (not found) == (n >= 3)
            assert result.answers[0].smallest_n == 3
            assert (result.conf_high[0, 0] < 2) == (n >= 3)

    @pytest.mark.share(3)
    @pytest.mark.parametrize("side", ["upper", "lower", "two-sided"])
    def test_sums_of_strata_cover(self, side):
        rng = np.random.default_rng(1)
        target = Compositional(lambda j, acc, s: acc + s, side=side)
        strata, mixed = np.arange(400) % 2, np.arange(6) % 2
        held = 0
        for seed in range(60):
            y, new = rng.standard_cauchy(400) + 5 * strata, rng.standard_cauchy(6) + 5 * mixed
            model = BatchPredictor(constant(y), target, random_state=seed, confidence_level=0.9)
            result = model.calibrate(np.zeros((400, 1)), y, strata=strata).infer(
                np.zeros((6, 1)), strata=mixed
            )
            assert result.informative
            held += result.conf_low[0, 0] <= new.sum() <= result.conf_high[0, 0]
        assert held >= 50


class TestWhatSaysSomething:
    def test_an_interval_of_no_errors_says_much(self):
        y = np.zeros(500)
        model = BatchPredictor(constant(y), ErrorCount("two-sided"), random_state=0, confidence_level=0.9)
        result = model.calibrate(np.zeros((500, 1)), y).infer(np.zeros((20, 1)))
        assert (result.conf_low, result.conf_high) == (0, 0) and result.informative
        few = model.calibrate(np.zeros((1, 1)), y[:1])
        with pytest.warns(UninformativeWarning):
            result = few.infer(np.zeros((2, 1)))
        assert (result.conf_low, result.conf_high) == (0, 2) and not result.informative

    def test_errors_of_one_stratum_bound_those_of_all(self):
        y, strata = np.zeros(101), np.repeat([0, 1], [100, 1])
        model = BatchPredictor(constant(y), ErrorCount(), random_state=0, confidence_level=0.9)
        result = model.calibrate(np.zeros((101, 1)), y, strata=strata).infer(
            np.zeros((4, 1)), strata=[0, 0, 0, 1]
        )
        assert result.conf_high == 1 and result.informative

    def test_bounds_of_labels_in_strata_are_no_statement(self):
        strata = np.arange(200) % 2
        model = BatchPredictor(LINE, BatchQuantile(), bounds=(-20, 20), random_state=0, confidence_level=0.9)
        model.calibrate(X[:4], Y[:4], strata=strata[:4])
        with pytest.warns(UninformativeWarning, match="in each stratum"):
            result = model.infer(NEW, strata=strata[:20])
        assert (result.conf_low, result.conf_high) == (-20, 20) and not result.informative
        model.calibrate(X, Y, strata=strata)
        result = model.infer(NEW, strata=strata[:20])
        assert -20 < result.conf_low < result.conf_high < 20 and result.informative

    def test_known_bounds_of_a_score_bound_its_mean(self):
        for target in (BatchMean(side="upper"), BatchTotal(side="upper")):
            result = (
                BatchPredictor(
                    LINE, target, conformity_score="absolute", random_state=0, confidence_level=0.9
                )
                .calibrate(X, Y)
                .infer(NEW)
            )
            assert result.conf_low == 0 and np.isfinite(result.conf_high)
        bounded = BatchPredictor(
            LINE,
            BatchMean(side="lower"),
            conformity_score=CallableScore(shifted, bounds=(0, 30)),
            random_state=0,
            confidence_level=0.9,
        )
        assert bounded.calibrate(X, Y).infer(NEW).conf_high == 30


class Slope(RegressorMixin, BaseEstimator):
    """Predicts the first column."""

    def fit(self, X, y):
        self.n_features_in_ = np.shape(X)[1]
        return self

    def __sklearn_is_fitted__(self):
        return True

    def predict(self, X):
        return np.asarray(X)[:, 0]


class TestEnvelopes:
    def test_means_stay_within_the_bounds_of_labels(self):
        labels = np.clip(0.9 + 0.3 * np.random.default_rng(0).normal(size=200), 0, 1)
        model = BatchPredictor(
            LINE, Envelope(), conformity_score="signed", bounds=(0, 1), random_state=0, confidence_level=0.9
        )
        ends = model.calibrate(X, labels).infer(NEW).mean()[0]
        assert 0 <= ends[0] < ends[1] <= 1
        free = BatchPredictor(
            LINE, Envelope(), conformity_score="signed", random_state=0, confidence_level=0.9
        ).calibrate(X, labels)
        assert free.infer(NEW).mean()[0, 1] > 1

    def test_discoveries_count_tied_predictions_together(self):
        rng = np.random.default_rng(1)
        predictions, batch = rng.integers(0, 5, (300, 1)) / 1.0, rng.integers(0, 5, (40, 1)) / 1.0
        labels = predictions[:, 0] + rng.normal(size=300)
        model = BatchPredictor(
            FrozenEstimator(Slope().fit(predictions, labels)), Envelope(above=1.0), confidence_level=0.9
        )
        curve = model.calibrate(predictions, labels).infer(batch).discoveries()
        values = np.unique(batch)[::-1]
        np.testing.assert_array_equal(curve.selected, [(batch >= v).sum() for v in values])
        assert (curve.max_false <= curve.selected).all()

    @pytest.mark.parametrize("batch", [-1, 2, 5])
    def test_a_batch_that_is_not_there_is_refused_by_name(self, batch):
        result = (
            BatchPredictor(LINE, Envelope(above=0.0), random_state=0, confidence_level=0.9)
            .calibrate(X, Y)
            .infer(NEW, batches=np.arange(20) % 2)
        )
        for use in (result.discoveries, result.plot):
            with pytest.raises(ValueError, match=f"batch must be between 0 and 1, got {batch}"):
                use(batch=batch)
        with pytest.raises(TypeError, match="batch must be an integer"):
            result.discoveries(batch="a")
