"""Generators with known truth: the truth is compared with large samples, at five standard errors."""

import numpy as np
import pytest
from scipy import stats

from validstats.datasets import (
    make_adaptive_classification,
    make_gaussian_pair,
    make_heteroscedastic_regression,
)


def test_regression_has_the_stated_conditional_law():
    sample = make_heteroscedastic_regression(20_000, random_state=1)
    errors = (sample.y - sample.mean) / sample.scale
    assert stats.kstest(errors, "norm").pvalue > 1e-3
    assert abs(np.corrcoef(np.abs(errors), sample.scale)[0, 1]) < 5 / np.sqrt(20_000)
    variances = sample.X.var(axis=0)
    assert np.abs(variances - 5).max() < 5 * 5 * np.sqrt(2 / 20_000)


def test_regression_scale_and_curve_matter():
    sample = make_heteroscedastic_regression(5000, random_state=2)
    line = np.column_stack([np.ones(5000), sample.X])
    residual = sample.mean - line @ np.linalg.lstsq(line, sample.mean, rcond=None)[0]
    assert residual.std() > 1
    assert np.quantile(sample.scale, 0.9) > 5 * np.quantile(sample.scale, 0.1)


def test_calls_share_the_law_but_not_the_rows():
    first = make_heteroscedastic_regression(50, random_state=1)
    again = make_heteroscedastic_regression(50, random_state=1)
    other = make_heteroscedastic_regression(50, random_state=2)
    np.testing.assert_array_equal(first.y, again.y)
    assert not np.isin(first.X, other.X).any()
    long = make_heteroscedastic_regression(20_000, random_state=3)
    longer = make_heteroscedastic_regression(20_000, random_state=4)
    centre = long.X.mean(axis=0) - longer.X.mean(axis=0)
    assert np.abs(centre).max() < 5 * np.sqrt(2 * 5 / 20_000)
    elsewhere = make_heteroscedastic_regression(20_000, coefficient_seed=1, random_state=4)
    assert np.abs(long.X.mean(axis=0) - elsewhere.X.mean(axis=0)).max() > 0.5


@pytest.mark.parametrize("signal", [0.0, 0.06, 0.3])
def test_accuracy_of_linear_classifiers_is_known(signal):
    sample = make_adaptive_classification(200_000, 30, signal, n_informative=5, random_state=1)
    weights = np.random.default_rng(2).standard_normal(30) + 1
    observed = np.mean(np.sign(sample.X @ weights) == sample.y)
    assert observed == pytest.approx(sample.true_accuracy(weights), abs=5 * 0.5 / np.sqrt(200_000))
    assert sample.true_accuracy(sample.effects if signal else np.ones(30)) >= sample.true_accuracy(weights)


def test_only_informative_features_are_shifted():
    sample = make_adaptive_classification(50_000, 12, 0.2, n_informative=3, random_state=3)
    correlations = sample.X.T @ sample.y / 50_000
    np.testing.assert_array_equal(sample.effects, [0.2] * 3 + [0.0] * 9)
    assert np.abs(correlations - sample.effects).max() < 5 * np.sqrt(1.04 / 50_000)
    assert set(np.unique(sample.y)) == {-1, 1}
    assert abs(sample.y.mean()) < 5 / np.sqrt(50_000)


def test_selection_overfits_a_reused_holdout():
    """The experiment of the paper at a tenth of its size: an apparent accuracy above 60 %, a true one of 50 %."""
    train = make_adaptive_classification(1000, 1000, random_state=4)
    holdout = make_adaptive_classification(1000, 1000, random_state=5)
    on_train, on_holdout = train.X.T @ train.y / 1000, holdout.X.T @ holdout.y / 1000
    agree = (np.sign(on_train) == np.sign(on_holdout)) & (
        np.minimum(np.abs(on_train), np.abs(on_holdout)) > 1000**-0.5
    )
    weights = np.where(agree, np.sign(on_train), 0.0)
    apparent = np.mean(np.sign(holdout.X @ weights) == holdout.y)
    assert apparent > 0.6
    assert holdout.true_accuracy(weights) == 0.5


def test_dtype_of_features():
    sample = make_adaptive_classification(20, 5, 0.5, dtype="float32", random_state=0)
    assert sample.X.dtype == np.float32 and sample.y.dtype == np.int64


@pytest.mark.parametrize("rotate", [False, True])
def test_mutual_information_of_a_gaussian_pair(rotate):
    pair = make_gaussian_pair(100_000, [0.9, -0.4], n_x=3, n_y=2, rotate=rotate, random_state=6)
    assert pair.mutual_information == pytest.approx(-0.5 * (np.log(1 - 0.81) + np.log(1 - 0.16)), rel=1e-14)
    joint = np.cov(np.column_stack([pair.X, pair.Y]).T)
    logdet = [np.linalg.slogdet(part)[1] for part in (joint[:3, :3], joint[3:, 3:], joint)]
    assert 0.5 * (logdet[0] + logdet[1] - logdet[2]) == pytest.approx(pair.mutual_information, abs=0.02)
    assert np.abs(joint[:3, :3] - np.eye(3)).max() < 0.03
    assert (np.abs(joint[0, 1:]) > 0.05).sum() >= (2 if rotate else 1)


def test_one_correlation_as_a_number():
    pair = make_gaussian_pair(10, 0.0, random_state=0)
    assert pair.X.shape == (10, 1) and pair.mutual_information == 0


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda: make_heteroscedastic_regression(0), ValueError, "n_samples"),
        (lambda: make_heteroscedastic_regression(2.5), TypeError, "n_samples"),
        (lambda: make_heteroscedastic_regression(5, n_features=0), ValueError, "n_features"),
        (lambda: make_adaptive_classification(5, 5, float("nan")), ValueError, "signal"),
        (lambda: make_adaptive_classification(5, 5, dtype="float16"), ValueError, "dtype"),
        (lambda: make_adaptive_classification(5, 3).true_accuracy([1, 2]), ValueError, "3 features"),
        (lambda: make_adaptive_classification(5, 2).true_accuracy([0, 0]), ValueError, "all zero"),
        (lambda: make_gaussian_pair(5, 1.0), ValueError, "strictly between"),
        (lambda: make_gaussian_pair(5, [0.1, 0.2], n_x=1), ValueError, "n_x"),
        (lambda: make_gaussian_pair(5, []), ValueError, "correlations is empty"),
        (lambda: make_gaussian_pair(5, 0.5, random_state="seed"), TypeError, "random_state"),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()
