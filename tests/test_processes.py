"""The same answers from threads, forked and spawned processes, and one budget between all of them."""

from __future__ import annotations

import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

from validstats import BatchPredictor, DesignSupervised, ReusableHoldout, mutual_info
from validstats.batch import BatchMean, BatchQuantile
from validstats.exceptions import BudgetExhaustedError
from validstats.holdout import Ledger
from validstats.mi import independence_test

pytestmark = pytest.mark.slow

N_QUERIES = 12
METHODS = [m for m in ("fork", "spawn") if m in multiprocessing.get_all_start_methods()]


def batch_answer(seed: int) -> list[float]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(560, 2))
    y = x[:, 0] + rng.normal(size=560)
    found = []
    for target in (BatchMean(), BatchQuantile(0.5)):
        model = BatchPredictor(LinearRegression(), target, random_state=0, confidence_level=0.9).fit(
            x[:100], y[:100]
        )
        table = model.calibrate(x[100:540], y[100:540]).infer(x[540:]).tidy()
        found += table.select_dtypes("number").to_numpy().ravel().tolist()
    return found


def dsl_answer(seed: int) -> list[float]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=500)
    y = x + rng.normal(size=500)
    data = pd.DataFrame({"x": x, "machine": y + rng.normal(size=500)})
    labels = pd.Series(np.where(rng.random(500) < 0.4, y, np.nan), name="y")
    study = DesignSupervised(random_state=0, n_repeats=1).fit(data, surrogate="machine").calibrate(labels)
    result = study.infer("y ~ x")
    return [*result.params, *result.std_error]


def mi_answer(seed: int) -> list[float]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=150)
    y = x + rng.normal(size=150)
    test = independence_test(x, y, n_permutations=99, random_state=0)
    return [float(mutual_info(x, y)), float(mutual_info(x, y, method="ksg")), float(test.p_value)]


def answers(seed: int) -> list[float]:
    """Answers of three domains."""
    return batch_answer(seed) + dsl_answer(seed) + mi_answer(seed)


@pytest.fixture(scope="module")
def expected() -> list[list[float]]:
    return [answers(seed) for seed in range(4)]


@pytest.mark.parametrize("method", METHODS)
def test_processes_answer_as_the_parent_does(method, expected):
    """The parent has compiled and run everything before; children that are forked inherit that state."""
    context = multiprocessing.get_context(method)
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        np.testing.assert_array_equal(list(pool.map(answers, range(4))), expected)


def test_threads_answer_as_the_parent_does(expected):
    with ThreadPoolExecutor(4) as pool:
        np.testing.assert_array_equal(list(pool.map(answers, [0, 1, 2, 3] * 2)), expected * 2)


@pytest.fixture(autouse=True, scope="module")
def anchors(tmp_path_factory):
    """Anchors of the ledgers go to a folder of this module, in the children as well."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


def holdout_rows(key: str) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(list(key.encode()))
    x = rng.normal(size=(400, 1))
    return x, (x[:, 0] + rng.normal(size=400) > 0).astype(int)


def ask(path: str, seed: int) -> int:
    """Ask new questions until the ledger refuses; how many were answered."""
    x, y = holdout_rows(path)
    holdout = ReusableHoldout(ledger=path, queries=N_QUERIES).calibrate(x, y)
    rng = np.random.default_rng([9, seed])
    for count in range(N_QUERIES + 1):
        try:
            holdout.infer(rng.integers(0, 2, 400))
        except BudgetExhaustedError:
            return count
    return N_QUERIES + 1


@pytest.mark.parametrize("method", [*METHODS, "threads"])
def test_one_budget_between_all(method, tmp_path):
    path = str(tmp_path / "ledger.sqlite")
    Ledger.create(path)
    if method == "threads":
        with ThreadPoolExecutor(4) as pool:
            counts = list(pool.map(ask, [path] * 4, range(4)))
    else:
        context = multiprocessing.get_context(method)
        with ProcessPoolExecutor(2, mp_context=context) as pool:
            counts = list(pool.map(ask, [path] * 4, range(4)))
    assert sum(counts) == N_QUERIES


def test_an_open_ledger_survives_a_fork(tmp_path):
    """A connection opened before a fork must not be used by the child."""
    if "fork" not in METHODS or sys.platform == "darwin":
        pytest.skip("needs fork")
    path = str(tmp_path / "ledger.sqlite")
    x, y = holdout_rows(path)
    Ledger.create(path)
    holdout = ReusableHoldout(ledger=path, queries=N_QUERIES).calibrate(x, y)
    holdout.infer(np.zeros(400, dtype=int))
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)

    def child() -> None:
        sender.send(float(holdout.infer(np.ones(400, dtype=int))))

    process = context.Process(target=child)
    process.start()
    process.join(60)
    assert process.exitcode == 0 and receiver.poll(1)
    value = receiver.recv()
    assert 0.0 <= value <= 1.0
    assert holdout.infer(np.ones(400, dtype=int)).value == value
    assert holdout.ledger_.verify().n_entries >= 2
