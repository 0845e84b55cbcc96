"""Replicates run unchanged on a dask cluster, with results equal to the serial ones bit for bit."""

from __future__ import annotations

import joblib
import numpy as np
import pytest

from validstats.runtime import map_replicates
from validstats.validity import simulate

pytestmark = pytest.mark.slow

distributed = pytest.importorskip("dask.distributed")


@pytest.fixture(scope="module")
def cluster():
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
        ) as local,
        distributed.Client(local) as client,
    ):
        yield client


def draw(generator: np.random.Generator, index: int) -> float:
    return index + float(generator.standard_normal(1000).sum())


def covered(generator: np.random.Generator, index: int) -> bool:
    return bool(generator.random() < 0.9)


def where(generator: np.random.Generator, index: int) -> str:
    return str(distributed.get_worker().address)


@pytest.mark.usefixtures("cluster")
def test_replicates_are_equal_to_the_serial_ones_bit_for_bit() -> None:
    serial = map_replicates(draw, 12, 5)
    with joblib.parallel_config(backend="dask"):
        assert map_replicates(draw, 12, 5) == serial


@pytest.mark.usefixtures("cluster")
def test_the_work_really_goes_to_the_workers() -> None:
    with joblib.parallel_config(backend="dask"):
        assert all(address.startswith("tcp://") for address in map_replicates(where, 4, 0))


@pytest.mark.usefixtures("cluster")
def test_coverage_simulations_move_too() -> None:
    serial = simulate(covered, 60, 0.9, random_state=3)
    with joblib.parallel_config(backend="dask"):
        assert simulate(covered, 60, 0.9, random_state=3) == serial


def pairs() -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(2)
    X = generator.normal(size=(80, 3))
    return X, X[:, 0] ** 2 + 0.3 * generator.normal(size=80)


def permutation_null() -> np.ndarray:
    from validstats.mi import independence_test

    X, y = pairs()
    return independence_test(X[:, 0], y, n_permutations=60, random_state=0).null


def matrix_values() -> np.ndarray:
    from validstats.mi import mutual_info_matrix

    return mutual_info_matrix(pairs()[0], method="ksg").values


def selection_p_values() -> np.ndarray:
    from validstats.mi import MISelector

    X, y = pairs()
    return MISelector(method="ksg", control="fdr_bh", n_permutations=40, random_state=0).fit(X, y).pvalues_


def search_guesses() -> np.ndarray:
    from sklearn.linear_model import LogisticRegression

    from validstats.holdout import HoldoutSearchCV, ReusableHoldout

    X = np.random.default_rng(3).normal(size=(300, 3))
    y = (X[:, 0] > 0).astype(int)
    holdout = ReusableHoldout(queries=4, random_state=0).fit(X[:100], y[:100]).calibrate(X[100:], y[100:])
    search = HoldoutSearchCV(LogisticRegression(), {"C": [0.01, 1.0]}, holdout).fit(X[:100], y[:100])
    return np.asarray(search.cv_results_["mean_test_score"])


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize("loop", [permutation_null, matrix_values, selection_p_values, search_guesses])
def test_loops_of_the_domains_are_equal_to_the_serial_ones(loop) -> None:
    serial = loop()
    with joblib.parallel_config(backend="dask"):
        np.testing.assert_array_equal(loop(), serial)


def matrix_intervals() -> np.ndarray:
    from validstats.mi import mutual_info_matrix

    return mutual_info_matrix(pairs()[0], method="learned").values


def training_set(generator: np.random.Generator, index: int) -> tuple[bytes, bytes, float]:
    from validstats.mi import default_family

    sample = default_family().sample(int(generator.integers(2**31)), index)
    return sample.x.tobytes(), sample.y.tobytes(), sample.mutual_information


def training_shard(index: int) -> dict[str, np.ndarray]:
    from validstats.mi.families.gaussian import GaussianFamily
    from validstats.mi.training.shards import make_shard

    return vars(make_shard(GaussianFamily(), 3, 4 * index, 4))


@pytest.mark.usefixtures("cluster")
def test_learned_matrices_are_equal_to_the_serial_ones() -> None:
    serial = matrix_intervals()
    with joblib.parallel_config(backend="dask"):
        np.testing.assert_array_equal(matrix_intervals(), serial)


@pytest.mark.usefixtures("cluster")
def test_training_data_of_the_network_are_equal_to_the_serial_ones() -> None:
    serial = map_replicates(training_set, 6, 1)
    with joblib.parallel_config(backend="dask"):
        assert map_replicates(training_set, 6, 1) == serial


@pytest.mark.usefixtures("cluster")
def test_shards_of_training_data_are_equal_to_the_serial_ones() -> None:
    serial = [training_shard(index) for index in range(2)]
    with joblib.parallel_config(backend="dask"):
        moved = joblib.Parallel()(joblib.delayed(training_shard)(index) for index in range(2))
    for one, other in zip(serial, moved, strict=True):
        assert one.keys() == other.keys()
        for name in one:
            np.testing.assert_array_equal(np.asarray(one[name]), np.asarray(other[name]))


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize("formula", ["rating ~ n_words", "positive ~ n_words"])
def test_cross_fitting_is_equal_to_the_serial_one_bit_for_bit(formula) -> None:
    from validstats import DesignSupervised
    from validstats.datasets import load_sentiment

    sentences = load_sentiment().sample(frac=1.0, random_state=0).iloc[:1500].reset_index(drop=True)
    labelled = np.random.default_rng(0).random(len(sentences)) < 0.3
    rating = np.where(labelled, sentences["human_mean"], np.nan)
    labels = {"rating": rating, "positive": np.where(labelled, rating > 0, np.nan)}
    documents = sentences[["vader_compound", "n_words"]]
    name = formula.split()[0]

    def coefficients() -> np.ndarray:
        study = DesignSupervised(random_state=0, n_repeats=2).fit(documents, surrogate="vader_compound")
        study.calibrate({name: labels[name]}, sampling_probability=0.3)
        return np.asarray(study.infer(formula, model="linear").tidy()["estimate"])

    serial = coefficients()
    with joblib.parallel_config(backend="dask"):
        assert np.array_equal(coefficients(), serial)
