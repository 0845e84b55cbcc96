"""Replicates run unchanged on a dask cluster, and rows in parts give the answers of those in memory, also where workers die."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator
from sklearn.frozen import FrozenEstimator

from validstats.batch import BatchPredictor, BatchQuantile, BatchTotal
from validstats.exceptions import StreamingError
from validstats.holdout import ReusableHoldout, absolute_error
from validstats.mi import mutual_info_matrix
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

    found = vars(make_shard(GaussianFamily(), 3, 4 * index, 4))
    return {name: values for name, values in found.items() if name != "pairs"} | {
        f"pairs/{name}": values for name, values in vars(found["pairs"]).items()
    }


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


# --- rows in parts on a cluster ---------------------------------------------------------------------------


class Line(BaseEstimator):
    """A model of the column a that may end its worker's process where the column exceeds a limit."""

    def __init__(self, limit: float = np.inf, marks: Path | None = None) -> None:
        self.limit = limit
        self.marks = marks

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def fit(self, X: Any, y: Any = None) -> Line:
        return self

    def predict(self, X: Any) -> np.ndarray:
        values = np.asarray(X["a"], dtype=float)
        if values.max() > self.limit and (self.marks is None or not self.marks.exists()):
            if self.marks is not None:
                self.marks.write_text("a worker was here")
            os._exit(1)
        return values


def rows_of_parts() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=4000), "b": rng.integers(0, 3, 4000).astype(float)})
    frame["y"] = (frame["a"] + rng.normal(size=4000)).round(3)
    frame["hit"] = (frame["y"] > 0).astype(int)
    return frame


def calibrated(rows: Any, y: Any, line: Line | None = None) -> np.ndarray:
    model = BatchPredictor(
        FrozenEstimator(Line() if line is None else line),
        BatchQuantile((0.2, 0.8)),
        conformity_score="signed",
        random_state=0,
    )
    result = model.calibrate(rows, y).infer(rows_of_parts()[["a"]][:50])
    return np.concatenate([np.ravel(result.conf_low), np.ravel(result.conf_high)])


def from_parts(columns: list[str], n_parts: int = 7) -> Any:
    return pytest.importorskip("dask.dataframe").from_pandas(
        rows_of_parts()[columns], npartitions=n_parts, sort=False
    )


def inferred(rows: Any) -> np.ndarray:
    model = BatchPredictor(FrozenEstimator(Line()), BatchTotal(), random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.calibrate(rows_of_parts()[["a"]], rows_of_parts()["y"])
        return np.ravel(model.infer(rows).conf_low)


def unit_values(rows: Any, y: Any) -> np.ndarray:
    held = ReusableHoldout(queries=10).calibrate(rows, y)
    desk = held.desk_
    return desk.values(Line(), desk.chosen(absolute_error(bound=1.0)))[0]


ON_A_CLUSTER = {
    "calibrate": (lambda: calibrated(from_parts(["a", "y"]), "y"), lambda f: calibrated(f[["a"]], f["y"])),
    "infer": (lambda: inferred(from_parts(["a"])), lambda f: inferred(f[["a"]])),
    "holdout": (lambda: unit_values(from_parts(["a", "y"]), "y"), lambda f: unit_values(f[["a"]], f["y"])),
    "plug-in": (
        lambda: mutual_info_matrix(from_parts(["b", "hit"]), method="plug-in").values,
        lambda f: mutual_info_matrix(f[["b", "hit"]], method="plug-in").values,
    ),
    "cca": (
        lambda: mutual_info_matrix(from_parts(["a", "y"]), method="cca").values,
        lambda f: mutual_info_matrix(f[["a", "y"]], method="cca").values,
    ),
}


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize("entry", list(ON_A_CLUSTER))
def test_partitions_on_a_cluster_give_the_answer_in_memory(entry) -> None:
    of_parts, of_rows = ON_A_CLUSTER[entry]
    np.testing.assert_allclose(of_parts(), of_rows(rows_of_parts()), rtol=1e-10)


@pytest.fixture(scope="module")
def mortal():
    """Two workers, which are started again when they die; a task may take two down."""
    import dask

    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 1}),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=60
        ) as local,
        distributed.Client(local) as client,
    ):
        yield client


def test_a_worker_that_dies_once_changes_no_answer(mortal, tmp_path) -> None:
    first = float(rows_of_parts()["a"].max()) - 1e-9
    marks = tmp_path / "marks"
    found = calibrated(from_parts(["a", "y"]), "y", Line(first, marks))
    assert marks.exists()
    np.testing.assert_array_equal(found, calibrated(rows_of_parts()[["a"]], rows_of_parts()["y"]))


def test_workers_that_die_of_a_part_are_an_error_that_says_what_to_do(mortal) -> None:
    last = float(rows_of_parts()["a"].max()) - 1e-9
    with pytest.raises(StreamingError, match=r"lost workers again and again .*smaller partitions"):
        calibrated(from_parts(["a", "y"]), "y", Line(last))
