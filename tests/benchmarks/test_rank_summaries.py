"""The experiment with summaries of ranks: cells hold every rank, whatever the scores, their order and the parts."""

from __future__ import annotations

import functools
import operator

import numpy as np
import pytest

from benchmarks.experiments import rank_summaries
from benchmarks.experiments.rank_summaries import Cells

RNG = np.random.default_rng(0)
SCORES = {
    "random": RNG.normal(size=400),
    "skewed": RNG.lognormal(sigma=3.0, size=400),
    "tied": RNG.integers(0, 9, 400).astype(float),
    "two values": (RNG.random(400) < 0.1).astype(float),
    "infinite": np.where(RNG.random(400) < 0.3, -np.inf, RNG.normal(size=400)),
    "sorted": np.arange(400.0),
    "one": np.zeros(400),
}


@pytest.mark.parametrize("splitters", [RNG.normal(size=20), np.arange(-3.0, 9.0), np.array([1e9])], ids=len)
@pytest.mark.parametrize("law", list(SCORES))
def test_cells_hold_every_rank_and_a_second_pass_finds_it(monkeypatch, law, splitters) -> None:
    scores, ends = SCORES[law], np.sort(splitters)
    parts = [np.sort(part) for part in np.split(scores, [1, 1, 90, 250])]
    cells = [Cells.of(part, ends) for part in parts]
    ordered = np.sort(scores)
    monkeypatch.setattr(rank_summaries, "scored", lambda place: iter(parts))
    for way in (cells, cells[::-1], [cells[i] for i in RNG.permutation(len(cells))]):
        merged = functools.reduce(operator.add, way)
        brackets = [merged.bracket(rank) for rank in range(1, 401)]
        assert all(low <= score <= high for (low, high, _), score in zip(brackets, ordered, strict=True))
        asked = [(*bracket, rank) for rank, bracket in enumerate(brackets, 1)]
        assert rank_summaries.collected(None, asked) == ordered.tolist()
