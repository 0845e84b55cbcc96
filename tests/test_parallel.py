from __future__ import annotations

import numpy as np
import pytest

from validstats.runtime import map_replicates, progress, spawn_generators


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
