from __future__ import annotations

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from validstats.runtime import map_replicates, one_thread, progress, spawn_generators


def draw(generator: np.random.Generator, index: int) -> tuple[int, float]:
    return index, float(generator.standard_normal())


@pytest.mark.slow
def test_results_do_not_depend_on_the_number_of_workers() -> None:
    serial = map_replicates(draw, 7, 11)
    assert serial == map_replicates(draw, 7, 11, n_jobs=2)
    assert [index for index, _ in serial] == list(range(7))
    assert len({value for _, value in serial}) == 7


def test_streams_do_not_depend_on_how_many_there_are() -> None:
    assert spawn_generators(1, 3)[2].random() == spawn_generators(1, 9)[2].random()


def test_no_replicates() -> None:
    assert map_replicates(draw, 0, 0) == []
    with pytest.raises(ValueError, match="n_replicates must be at least 0"):
        map_replicates(draw, -1, 0)


def test_no_bar_where_nobody_looks(capsys) -> None:
    assert list(progress(range(3), verbose=True)) == [0, 1, 2]
    assert capsys.readouterr().err == ""


def threads() -> set[int]:
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


def test_small_linear_algebra_has_one_thread_and_leaves_what_it_found() -> None:
    with threadpool_limits(2):
        before = threads()
        with one_thread():
            assert threads() == {1}
            with one_thread():
                assert threads() == {1}
            assert threads() == {1}
        assert threads() == before
        with pytest.raises(ZeroDivisionError), one_thread():
            1 / 0
        assert threads() == before
