"""One answer for each kind of side, whichever call is used, and one BLAS thread."""

from __future__ import annotations

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from validstats.mi import LearnedMI, mutual_info
from validstats.mi.network import member_quantiles_of
from validstats.mi.statistics import summarise_data


def sides():
    generator = np.random.default_rng(0)
    x, e = generator.standard_normal((2, 120))
    y = x + e
    words = np.array(["low", "middle", "high"])[np.digitize(x, [-0.5, 0.5])]
    tables = np.column_stack([np.digitize(x, [-0.5, 0.5]), generator.integers(0, 2, 120)])
    return {
        "continuous": (x, y),
        "several columns": (np.column_stack([x, e]), y),
        "atoms beside measurements": (np.maximum(x, 0), y),
        "one discrete column": (words, y),
        "text and booleans": (words, y > 0),
        "several discrete columns": (tables, y > 0),
        "independent pairs": (
            np.column_stack([x, e]),
            np.column_stack([x**2, np.cos(e)]) + 0.2 * generator.standard_normal((120, 2)),
        ),
    }


@pytest.mark.parametrize("kind", list(sides()))
def test_every_door_gives_the_same_answer(kind):
    x, y = sides()[kind]
    one = mutual_info(x, y, confidence_level=0.9, certify=False)
    two = LearnedMI().infer(x, y, confidence_level=0.9, certify=False)
    for name in ("estimate", "conf_low", "conf_high"):
        assert getattr(one, name) == pytest.approx(getattr(two, name), abs=1e-12)
    pairs = {"independent pairs": 2}.get(kind, 0)
    assert two.n_pairs.tolist() == [pairs]
    assert one.estimator == ("learned, 2 independent pairs of columns" if pairs else "learned")


def threads():
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


def test_small_matrices_are_multiplied_on_one_thread(monkeypatch):
    seen = []
    for original in (summarise_data, member_quantiles_of):

        def spy(*arguments, original=original, **options):
            seen.append(threads())
            return original(*arguments, **options)

        monkeypatch.setattr(f"validstats.mi.network.forward_pass.{original.__name__}", spy)
    generator = np.random.default_rng(1)
    with threadpool_limits(2, user_api="blas"):
        assert threads() == {2}
        LearnedMI().predict(*generator.standard_normal((2, 60)))
        assert threads() == {2}
    assert seen == [{1}, {1}]
