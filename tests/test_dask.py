"""Replicates run unchanged on a dask cluster, with results equal to the serial ones bit for bit."""

from __future__ import annotations

import joblib
import numpy as np
import pytest

from validstats.parallel import map_replicates
from validstats.validity import simulate

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
