"""Machine labels with known bias: truth and limits against large samples, at five standard errors."""

import pickle

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf

from validstats import intake as frames
from validstats.datasets import make_surrogate_covariate, make_surrogate_labels, surrogates

N_LARGE = 100_000


def fit(sample, values):
    """The regression of interest, with the machine-labelled variable replaced by the values given."""
    frame = pd.DataFrame({**sample.columns, sample.gold_name: values})
    family = sm.families.Binomial() if sample.model == "logit" else sm.families.Gaussian()
    fitted = smf.glm(sample.formula, frame, family=family).fit(cov_type="HC0")
    order = [fitted.model.exog_names.index(name) for name in _plain_names(sample)]
    return fitted.params.to_numpy()[order], fitted.bse.to_numpy()[order]


def _plain_names(sample):
    return [name.replace("I(x1**2)", "I(x1 ** 2)") for name in sample.coefficient_names]


SAMPLES = {
    "differential": lambda n, **k: make_surrogate_labels(n, **k),
    "random_flip": lambda n, **k: make_surrogate_labels(n, design="random_flip", **k),
    "covariate": lambda n, **k: make_surrogate_covariate(n, **k),
}


@pytest.fixture(scope="module", params=SAMPLES)
def large(request):
    return SAMPLES[request.param](N_LARGE, random_state=1)


@pytest.fixture(scope="module")
def gold_fit(large):
    return fit(large, large.gold)


@pytest.fixture(scope="module")
def surrogate_fit(large):
    return fit(large, large.surrogate)


@pytest.mark.share(3)
def test_truth(large, gold_fit):
    estimate, error = gold_fit
    assert (np.abs(estimate - large.truth) < 5 * error).all()


def test_limit_of_machine_labels(large, surrogate_fit):
    estimate, error = surrogate_fit
    assert (np.abs(estimate - large.surrogate_limit) < 5 * error).all()


def test_machine_labels_are_biased(large, surrogate_fit):
    """Taking the machine's labels as the truth is wrong by many standard errors at this size."""
    estimate, error = surrogate_fit
    assert (np.abs(estimate - large.truth) > 10 * error).sum() >= 2


def test_accuracy(large):
    assert np.mean(large.gold == large.surrogate) == pytest.approx(
        large.surrogate_accuracy, abs=5 * 0.5 / N_LARGE**0.5
    )


def test_differential_errors_reverse_a_sign():
    sample = make_surrogate_labels(10, random_state=0)
    assert sample.truth[2] < -0.5 < 0.2 < sample.surrogate_limit[2]
    assert sample.surrogate_accuracy == pytest.approx(0.8545, abs=1e-4)


def test_random_flips_shrink_towards_zero():
    sample = make_surrogate_labels(10, design="random_flip", accuracy=0.8, random_state=0)
    assert (np.abs(sample.surrogate_limit) < np.abs(sample.truth)).all()
    perfect = make_surrogate_labels(200, design="random_flip", accuracy=1.0, random_state=0)
    np.testing.assert_array_equal(perfect.gold, perfect.surrogate)
    np.testing.assert_array_equal(perfect.truth, perfect.surrogate_limit)


def test_covariates_of_the_random_flip_design():
    columns = make_surrogate_labels(N_LARGE, design="random_flip", random_state=2).columns
    assert list(columns) == [f"x{j}" for j in range(1, 11)]
    assert columns["x2"].mean() == pytest.approx(0.2, abs=0.005)
    normal = np.corrcoef([v for name, v in columns.items() if name != "x2"])
    assert np.abs(normal[~np.eye(9, dtype=bool)] - 0.3).max() < 0.012


@pytest.mark.share(3)
@pytest.mark.parametrize(
    "limit, fine, tolerance",
    [
        (lambda n: surrogates._differential_limit(n)[0], 100, 1e-12),
        (lambda n: surrogates._covariate_limit(n)[0], 100, 1e-12),
        (lambda n: surrogates._random_flip_limit(1.0, n), 40, 1e-5),
    ],
)
def test_quadrature_has_converged(limit, fine, tolerance):
    default = {100: 80, 40: 28}[fine]
    assert np.abs(limit(default) - limit(fine)).max() < tolerance


def test_expert_labels_are_a_simple_random_sample():
    sample = make_surrogate_labels(1000, n_labelled=100, random_state=3)
    assert sample.labelled.sum() == 100
    np.testing.assert_array_equal(sample.sampling_probability, 0.1)
    assert make_surrogate_labels(50, random_state=3).labelled.all()


@pytest.mark.parametrize("backend", ["pandas", "polars", "pyarrow"])
def test_frame_hides_the_labels_that_no_expert_gave(backend):
    pytest.importorskip(backend)
    sample = make_surrogate_covariate(60, n_labelled=20, random_state=4)
    frame = sample.frame(backend)
    assert frames.backend_of(frame) == backend
    assert frames.column_names(frame) == ["y", "z", "d", "d_surrogate", "sampling_probability"]
    shown = frames.column(frame, "d")
    np.testing.assert_array_equal(np.isnan(shown), ~sample.labelled)
    np.testing.assert_array_equal(shown[sample.labelled], sample.gold[sample.labelled])
    np.testing.assert_array_equal(frames.column(frame, "d_surrogate"), sample.surrogate)


@pytest.mark.parametrize("draw", SAMPLES.values(), ids=SAMPLES)
def test_seed_decides_everything(draw):
    first, again, other = (draw(40, n_labelled=10, random_state=seed) for seed in (5, 5, 6))
    for name in ("gold", "surrogate", "labelled"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
    assert any((a != b).any() for a, b in zip(first.columns.values(), other.columns.values()))


def test_caller_cannot_change_the_truth():
    make_surrogate_labels(5, random_state=0).truth[:] = 0
    make_surrogate_labels(5, random_state=0).surrogate_limit[:] = 0
    sample = make_surrogate_labels(5, random_state=0)
    assert sample.truth[0] == -0.375 and sample.surrogate_limit[0] != 0
    with pytest.raises(TypeError):
        sample.columns["x1"] = np.zeros(5)


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda: make_surrogate_labels(0), ValueError, "n_samples"),
        (lambda: make_surrogate_labels(9, design="noise"), ValueError, "design must be one of"),
        (lambda: make_surrogate_labels(9, accuracy=0.9), ValueError, "random_flip"),
        (lambda: make_surrogate_labels(9, design="random_flip", accuracy=0.5), ValueError, "accuracy"),
        (lambda: make_surrogate_labels(9, design="random_flip", accuracy=1.1), ValueError, "accuracy"),
        (lambda: make_surrogate_labels(9, n_labelled=10), ValueError, "n_labelled"),
        (lambda: make_surrogate_covariate(9, n_labelled=0), ValueError, "n_labelled"),
        (lambda: make_surrogate_covariate(9.5), TypeError, "n_samples"),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_samples_travel_between_processes() -> None:
    sample = make_surrogate_labels(20, n_labelled=5, random_state=0)
    again = pickle.loads(pickle.dumps(sample))
    np.testing.assert_array_equal(again.frame(), sample.frame())
    with pytest.raises(TypeError):
        again.columns["x1"] = np.zeros(20)
