"""The estimator: verbs, invariances, many pairs, bad input, the user's own calibration and training."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from validstats.exceptions import ConstantColumnWarning, NotCalibratedError, SupportWarning
from validstats.mi import JointSample, LearnedMI
from validstats.mi.anchors import ksg, normal_scores
from validstats.mi.families.gaussian import GaussianFamily, StudentFamily
from validstats.mi.network import (
    MEDIAN,
    member_quantiles_of,
    member_stack,
    shipped_weights_path,
    to_log_scale,
)
from validstats.mi.statistics import ANCHOR_NAMES, pack_summaries, summarise_data
from validstats.mi.training import check_folder
from validstats.mi.training.shards import write_shards


def linear_pair(n, dim, seed=0, noise=1.0):
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(n, dim))
    return x, x + noise * generator.normal(size=(n, dim))


@pytest.fixture(scope="module")
def estimator():
    return LearnedMI()


@pytest.fixture(scope="module")
def result(estimator):
    return estimator.infer(*linear_pair(300, 2))


def test_estimate_is_near_the_truth(estimator):
    truth = 2 * 0.5 * np.log(2)
    estimates = [estimator.predict(*linear_pair(400, 2, seed)) for seed in range(6)]
    assert np.mean(estimates) == pytest.approx(truth, abs=0.15)


def test_result_holds_what_it_promises(result):
    assert 0 <= result.conf_low <= result.estimate <= result.conf_high
    assert result.quantiles.shape == (1, 19)
    assert (np.diff(result.quantiles) >= 0).all()
    assert result.quantiles[0, MEDIAN] == pytest.approx(result.estimate)
    assert set(result.anchors) == set(ANCHOR_NAMES)
    assert float(result) == result.estimate
    assert len(result) == 1
    assert "default meta-distribution" in result.guarantee.paragraph()
    assert result.guarantee.kind == "marginal-over-family"
    assert "Learned mutual information" in str(result.summary())
    tidy = result.tidy()
    assert list(tidy["estimate"]) == [result.estimate]
    assert {"term", "conf_low", "conf_high"} <= set(tidy.columns)


def test_invariances_are_exact(estimator):
    x, y = linear_pair(200, 3)
    y = y[:, :2]
    rows = np.random.default_rng(1).permutation(200)
    base = estimator.infer(x, y)
    for a, b in ((x[rows], y[rows]), (x[:, ::-1], y[:, ::-1]), (y, x), (np.exp(x), y**3), (1e6 * x - 5, y)):
        other = estimator.infer(a, b)
        assert (other.estimate, other.conf_low, other.conf_high) == (
            base.estimate,
            base.conf_low,
            base.conf_high,
        )


def test_repeated_columns_change_nothing_and_noise_little(estimator):
    x, y = linear_pair(500, 1)
    base = estimator.predict(x, y)
    assert estimator.predict(np.column_stack([x, x]), y) == base
    extra = np.random.default_rng(2).normal(size=500)
    assert estimator.predict(np.column_stack([x, extra]), y) == pytest.approx(base, abs=0.1)


def test_many_pairs_equal_single_ones(estimator):
    pairs = [linear_pair(n, dim, seed) for seed, (n, dim) in enumerate([(40, 1), (200, 3), (100, 2)])]
    many = estimator.infer(pairs)
    singles = [estimator.infer(*pair) for pair in pairs]
    assert np.allclose(many.estimate, [one.estimate for one in singles], atol=1e-10)
    assert np.allclose(many.conf_high, [one.conf_high for one in singles], atol=1e-10)
    assert np.allclose(estimator.predict(pairs), many.estimate, atol=1e-12)
    assert len(many.tidy()) == 3
    with pytest.raises(TypeError, match="3 data sets"):
        float(many)


def test_units_and_levels(estimator):
    x, y = linear_pair(200, 2)
    nats, bits = estimator.infer(x, y), LearnedMI(unit="bits").infer(x, y)
    assert bits.estimate == pytest.approx(nats.estimate / np.log(2))
    assert bits.conf_low == pytest.approx(nats.conf_low / np.log(2))
    narrow, wide = (estimator.infer(x, y, confidence_level=level) for level in (0.5, 0.99))
    assert wide.conf_low <= nats.conf_low <= narrow.conf_low <= narrow.estimate
    assert narrow.conf_high <= nats.conf_high <= wide.conf_high


def test_frames_and_categories(estimator):
    generator = np.random.default_rng(3)
    frame = pd.DataFrame({"a": generator.normal(size=150), "b": generator.normal(size=150)})
    label = pd.Series(np.where(frame["a"] > 0, "yes", "no"))
    result = estimator.infer(frame, label)
    assert 0.3 < result.estimate <= np.log(2) + 1e-9
    assert result.tidy().__class__.__module__.startswith("pandas")
    polars = pytest.importorskip("polars")
    again = estimator.infer(polars.from_pandas(frame), polars.Series(label.to_list()))
    assert again.estimate == result.estimate
    assert isinstance(again.tidy(), polars.DataFrame)


def test_discrete_estimates_stay_below_the_entropy(estimator):
    x = np.random.default_rng(4).integers(0, 2, 200)
    assert estimator.predict(x, x) <= np.log(2) + 1e-6


def test_inputs_are_not_mutated(estimator):
    x, y = linear_pair(50, 2)
    before = x.copy(), y.copy()
    estimator.infer(x, y)
    assert np.array_equal(before[0], x)
    assert np.array_equal(before[1], y)


def test_known_answers(estimator):
    x = np.random.default_rng(5).normal(size=100)
    assert estimator.infer(x, x).estimate == np.inf
    assert estimator.infer(x, x).conf_low == np.inf
    with pytest.warns(ConstantColumnWarning):
        constant = estimator.infer(x, np.ones(100))
    assert (constant.estimate, constant.conf_low, constant.conf_high) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.arange(9.0), np.arange(9.0), "at least 10 rows"),
        (np.arange(20.0), np.arange(21.0), "same number of rows"),
        (np.r_[np.arange(19.0), np.nan], np.arange(20.0), "missing|NaN|nan"),
        (np.r_[np.arange(19.0), np.inf], np.arange(20.0), "infinite|finite"),
    ],
)
def test_bad_data_are_refused(estimator, x, y, message):
    with pytest.raises(ValueError, match=message):
        estimator.infer(x, y)


def test_bad_arguments_are_refused(estimator):
    with pytest.raises(ValueError, match="list of pairs"):
        estimator.infer([])
    with pytest.raises(ValueError, match="list of pairs"):
        estimator.infer(np.arange(20.0))
    with pytest.raises(ValueError, match="unit"):
        LearnedMI(unit="hartley").infer(*linear_pair(20, 1))
    with pytest.raises(ValueError, match="weights must be"):
        LearnedMI(weights="none").infer(*linear_pair(20, 1))
    with pytest.raises(ValueError, match="confidence_level"):
        estimator.infer(*linear_pair(20, 1), confidence_level=1.5)
    with pytest.raises(ValueError, match="at least one data set"):
        LearnedMI().calibrate([])
    for truth in (-1.0, np.inf, "much"):
        with pytest.raises(ValueError, match="finite and at least 0; that of number 1 is"):
            LearnedMI().calibrate([(*linear_pair(20, 1), truth)])
    with pytest.raises(ValueError, match=r"triples \(x, y, mutual_information\); number 2"):
        LearnedMI().calibrate([(*linear_pair(20, 1), 0.3), linear_pair(20, 1)])
    for nothing in (None, 3, "gaussian"):
        with pytest.raises(TypeError, match="reference must be a Family or data sets"):
            LearnedMI().calibrate(nothing)
    with pytest.raises(TypeError, match="family must be a Family or None"):
        LearnedMI().fit([(*linear_pair(20, 1), 0.3)])


def test_errors_name_the_data_set_of_a_list(estimator):
    good, bad = linear_pair(20, 1), linear_pair(20, 1)
    bad[1][3] = np.nan
    for call in (estimator.infer, estimator.predict):
        with pytest.raises(ValueError, match=r"^Data set 2: y has 1 missing value"):
            call([good, bad])
    with pytest.raises(TypeError, match=r"^Data set 1: x is complex"):
        estimator.infer([(1j * good[0], good[1])])
    with pytest.raises(ValueError, match=r"^Data set 2: y has 1 missing value"):
        LearnedMI().calibrate([(*good, 0.3), (*bad, 0.3)])
    with pytest.raises(ValueError, match=r"^y has 1 missing value"):
        estimator.infer(*bad)


def test_weights_that_were_changed_are_read_anew():
    x, y = linear_pair(100, 2)
    estimator = LearnedMI()
    first = estimator.predict(x, y)
    changed = estimator.set_params(weights="evaluation").predict(x, y)
    assert changed == LearnedMI(weights="evaluation").predict(x, y) != first
    assert estimator.set_params(weights="shipped").predict(x, y) == first
    own = LearnedMI().calibrate([(*linear_pair(40, 1, seed), 0.5 * np.log(2)) for seed in range(20)])
    own.set_params(weights="evaluation")
    with pytest.raises(ValueError, match=r"weights was changed to 'evaluation' after calibrate"):
        own.infer(x, y)
    assert own.fit().predict(x, y) == changed


def test_a_file_that_was_written_anew_is_read_anew(tmp_path):
    path, (x, y) = tmp_path / "own.npz", linear_pair(100, 2)
    for name in ("shipped", "evaluation"):
        path.write_bytes(shipped_weights_path(name).read_bytes())
        assert LearnedMI(weights=path).predict(x, y) == LearnedMI(weights=name).predict(x, y)


@pytest.mark.parametrize("content", [b"", b"nothing", None])
def test_a_file_without_weights_is_named(tmp_path, content):
    path = tmp_path / "other.npz"
    if content is None:
        np.savez(path, a=1)
    else:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=r"weights = .*other\.npz' does not hold weights"):
        LearnedMI(weights=path).infer(*linear_pair(20, 1))


def test_the_summary_follows_the_level():
    estimator = LearnedMI().fit()
    assert "in 50 of 100 data sets" in " ".join(
        str(estimator.set_params(confidence_level=0.5).summary()).split()
    )


def test_notes_of_many_data_sets_hide_nothing(estimator):
    x = np.random.default_rng(6).normal(size=(30, 55))
    pairs = [(x, x[::-1, 0])] * 12 + [(x[:, 0], x[:, 0]), (x[:, 0], np.ones(30))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = estimator.infer(pairs)
    text = " ".join(str(result.summary()).split())
    assert text.count("No interval (") == 10 and "2 more data sets have no interval" in text
    assert "mutual information is unbounded" in text
    assert "A side does not vary in the sample (data set 14)" in text
    assert "does not vary" not in str(estimator.infer(*linear_pair(60, 1)).summary())


def test_more_columns_than_were_simulated_have_no_interval(estimator):
    generator = np.random.default_rng(6)
    with pytest.warns(SupportWarning, match="more than the 50 of any data set"):
        result = estimator.infer(generator.normal(size=(60, 55)), generator.normal(size=60))
    assert np.isfinite(result.estimate)
    assert not result.conf_high and "55 columns" in result.conf_high.reason
    assert "No interval" in str(result.summary())


def test_a_result_says_what_was_read_pair_by_pair(estimator):
    generator = np.random.default_rng(8)
    x = generator.normal(size=(120, 3))
    y = np.log(np.abs(x) + 0.2) + 0.3 * generator.normal(size=x.shape)
    result = estimator.infer(x, y, certify=False)
    assert result.n_pairs.tolist() == [3] == result.tidy()["n_pairs"].tolist()
    assert "the columns fall into 3 independent pairs" in " ".join(str(result.summary()).split())
    one = estimator.infer(x, y[:, 1], certify=False)
    assert "one column of each side shares information" in " ".join(str(one.summary()).split())
    several = estimator.infer([(x, y), (x, x + 1.0 * generator.normal(size=x.shape)), (x, y[:, 1])])
    assert several.n_pairs.tolist() == [3, 0, 1]
    assert "data set 1 (3), data set 3 (1)." in " ".join(str(several.summary()).split())


def test_long_data_are_read_in_parts_that_are_averaged(estimator):
    x, y = linear_pair(20_500, 2)
    result = estimator.infer(x, y, certify=False)
    assert result.estimate == pytest.approx(np.log(2), abs=0.06)
    assert result.conf_low < result.estimate < result.conf_high


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::validstats.exceptions.SupportWarning")
def test_the_correction_goes_on_shrinking_beyond_the_trained_sizes(estimator):
    """The consistency that is claimed for two single columns needs it; read as 10,000 rows a bias would stay."""
    x, y = linear_pair(40_000, 1, noise=0.3)
    result = estimator.infer(x, y)
    full = pack_summaries([summarise_data(x, y)])
    clipped, members = member_quantiles_of(full, estimator.weights_)
    assert (full.shape[0, 0], clipped.shape[0, 0]) == (40_000, 10_000)
    anchor = to_log_scale(full.anchors[0, 0].astype(float))
    as_read = member_stack(clipped, estimator.weights_).mean(axis=0)[0]
    np.testing.assert_allclose(members.mean(axis=0)[0] - anchor, (as_read - anchor) / 2, atol=1e-12)
    assert result.estimate == pytest.approx(0.5 * np.expm1(members.mean(axis=0)[0, MEDIAN]), rel=1e-12)
    sides = normal_scores(x), normal_scores(y)
    assert float(full.anchors[0, 0]) == pytest.approx(0.5 * (ksg(*sides, 3) + ksg(*sides, 8)), rel=1e-4)


def test_ordinary_data_do_not_warn(estimator):
    with warnings.catch_warnings():
        warnings.simplefilter("error", SupportWarning)
        estimator.infer(*linear_pair(200, 2))


def test_clone_pickle_and_repr(estimator):
    copy = clone(LearnedMI(confidence_level=0.8, unit="bits"))
    assert copy.confidence_level == 0.8
    assert repr(copy) == "LearnedMI(confidence_level=0.8, unit='bits')"
    x, y = linear_pair(60, 1)
    again = pickle.loads(pickle.dumps(estimator))
    assert again.predict(x, y) == estimator.predict(x, y)
    assert "Calibration sets" in str(estimator.summary())


def test_calibration_on_known_data_sets():
    sets = [(*linear_pair(60, 1, seed), 0.5 * np.log(2)) for seed in range(40)]
    estimator = LearnedMI(random_state=0).calibrate(sets)
    assert estimator.calibration_.n_sets == 40
    assert "the law of the data sets passed to calibrate" in estimator.guarantee_.paragraph()
    result = estimator.infer(*linear_pair(60, 1, seed=99))
    assert result.conf_low <= result.estimate <= result.conf_high
    assert estimator.infer(*linear_pair(60, 1, seed=99), confidence_level=0.99).conf_high == np.inf


@pytest.mark.slow
def test_calibration_on_a_family_is_reproducible():
    one, two = (
        LearnedMI(random_state=3).calibrate(GaussianFamily(), n_sets=40, verbose=False) for _ in range(2)
    )
    assert np.array_equal(one.calibration_.table.pooled, two.calibration_.table.pooled)
    assert "'gaussian'" in one.guarantee_.paragraph()


@pytest.mark.slow
def test_training_on_a_family(tmp_path):
    pytest.importorskip("torch")
    estimator = LearnedMI(random_state=1)
    estimator.fit(GaussianFamily(), n_sets=200, epochs=2, ensemble=1, shards=tmp_path, verbose=False)
    assert len(list(tmp_path.glob("shard-*.npz"))) == 1
    x, y = linear_pair(100, 1)
    with pytest.raises(NotCalibratedError, match="calibrate"):
        estimator.infer(x, y)
    before = estimator.weights_
    with pytest.raises(ValueError, match="holds sets of another family"):
        estimator.fit(StudentFamily(), n_sets=200, epochs=1, ensemble=1, shards=tmp_path, verbose=False)
    assert estimator.weights_ is before
    with pytest.raises(ValueError, match="set random_state to an integer"):
        LearnedMI().fit(GaussianFamily(), n_sets=200, shards=tmp_path)
    estimator.calibrate(GaussianFamily(), n_sets=30, verbose=False)
    result = estimator.infer(x, y)
    assert result.conf_low <= result.estimate <= result.conf_high
    # It saw hardly any two single columns, so that it does not read pairs one by one.
    assert not estimator.weights_.reads_pairs
    x = np.random.default_rng(1).normal(size=(100, 2))
    assert estimator.infer(x, np.abs(x)).n_pairs.tolist() == [0]
    estimator.fit()
    assert estimator.weights_.reads_pairs and estimator.calibration_.n_sets > 1000


class _Stretched(GaussianFamily):
    """Same laws and truths as the Gaussian family, other rows."""

    def draw(self, generator, n):
        drawn = super().draw(generator, n)
        return JointSample(drawn.x, np.abs(drawn.y), drawn.mutual_information, drawn.family)


def test_a_folder_of_sets_belongs_to_a_family_and_a_seed(tmp_path):
    list(write_shards(GaussianFamily(), 5, range(1), tmp_path, size=6))
    check_folder(tmp_path, GaussianFamily(), 5)
    check_folder(tmp_path, StudentFamily(), 6)
    check_folder(tmp_path / "absent", StudentFamily(), 5)
    for other in (StudentFamily(), _Stretched()):
        with pytest.raises(ValueError, match=r"shards=.* holds sets of another family"):
            check_folder(tmp_path, other, 5)


def test_shipped_weights_are_small():
    assert shipped_weights_path().stat().st_size < 10e6


def test_results_are_drawn():
    import matplotlib.pyplot as plt

    generator = np.random.default_rng(0)
    x = generator.normal(size=(60, 1))
    y = x + generator.normal(size=(60, 1))
    estimator = LearnedMI().fit()
    one = estimator.infer(x, y)
    display = one.plot()
    assert display.names == ["learned", "KSG", "Gaussian copula", "Matched pairs", "KSG, whitened"]
    assert display.estimates[0] == one.estimate and display.estimates[1] == one.anchors["ksg"][0]
    assert display.highlighted.tolist() == [True] + [False] * 4 and np.isnan(display.conf_low[1:]).all()
    _, ax = plt.subplots()
    several = estimator.infer([(x, y), (x, y**3)])
    assert several.plot(ax).ax_ is ax
    assert [text.get_text() for text in ax.get_yticklabels()] == ["data set 1", "data set 2"]
    plt.close("all")
