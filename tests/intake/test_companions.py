"""Companions of every public call in another order of rows: the same answer, or a refusal; never another answer."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

N = 240


def frame(rng: np.random.Generator) -> pd.DataFrame:
    """Rows with identifiers as their index, and everything that may arrive beside them."""
    x = rng.normal(size=N)
    rows = pd.DataFrame({"x": x, "w": rng.normal(size=N)}, index=[f"doc-{i:04d}" for i in rng.permutation(N)])
    rows["y"] = x + 0.5 * rng.normal(size=N)
    rows["class"] = (rows["y"] > 0).astype(int)
    rows["machine"] = rows["y"] + 0.5 * rng.normal(size=N)
    rows["group"] = np.repeat(np.arange(N // 4), 4)
    rows["stratum"] = rng.choice(["a", "b"], N)
    rows["weight"] = rng.uniform(0.5, 2, N)
    return rows


def other_order(values: Any) -> Any:
    return values.iloc[np.random.default_rng(9).permutation(len(values))]


def mutual(rows, y):
    from validstats import mutual_info

    return mutual_info(rows[["x"]], y, method="ksg").estimate


def independence(rows, y, strata):
    from validstats import independence_test

    return independence_test(rows[["x"]], y, strata=strata, n_permutations=39, random_state=0).null


def conditional(rows, y, z):
    from validstats.mi import conditional_mutual_info

    return conditional_mutual_info(rows[["x"]], y, z).estimate


def learned(rows, y):
    from validstats import LearnedMI

    return LearnedMI().infer(rows[["x"]], y).estimate


def selector(rows, y):
    from validstats import MISelector

    return MISelector(k=1).fit(rows[["x", "w"]], y).scores_


CALLS: dict[str, tuple[Callable[..., Any], dict[str, Callable[[pd.DataFrame], Any]]]] = {
    "mutual_info": (mutual, {"y": lambda r: r["y"]}),
    "independence_test": (independence, {"y": lambda r: r["y"], "strata": lambda r: r["stratum"]}),
    "conditional_mutual_info": (conditional, {"y": lambda r: r["y"], "z": lambda r: r["w"]}),
    "LearnedMI.infer": (learned, {"y": lambda r: r[["y"]]}),
    "MISelector.fit": (selector, {"y": lambda r: r["y"]}),
}
"""Public call -> a function of the rows and their companions, and the companions."""

CASES = [(call, name) for call, (_, companions) in CALLS.items() for name in companions]


def answered(call: str, rows: pd.DataFrame, **changed: Any) -> np.ndarray:
    function, companions = CALLS[call]
    given = {name: take(rows) for name, take in companions.items()} | changed
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.asarray(function(rows, **given), dtype=float)


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    return frame(np.random.default_rng(0))


@pytest.mark.parametrize(("call", "name"), CASES)
def test_equal_labels_in_another_order_give_the_same_answer(call, name, rows) -> None:
    companion = CALLS[call][1][name](rows)
    expected = answered(call, rows)
    np.testing.assert_array_equal(answered(call, rows, **{name: other_order(companion)}), expected)
    by_position = other_order(companion).to_numpy()
    assert not np.array_equal(answered(call, rows, **{name: by_position}), expected, equal_nan=True)


@pytest.mark.parametrize(("call", "name"), CASES)
def test_other_labels_are_refused_by_name(call, name, rows) -> None:
    companion = CALLS[call][1][name](rows)
    strange = companion.set_axis([f"page-{i}" for i in range(N)])
    with pytest.raises(ValueError, match=rf"{name} has {N} labels .*'page-0'.*to_numpy"):
        answered(call, rows, **{name: strange})


@pytest.mark.parametrize(("call", "name"), CASES)
def test_shuffled_row_numbers_are_refused(call, name, rows) -> None:
    plain = rows.reset_index(drop=True)
    companion = CALLS[call][1][name](plain)
    with pytest.raises(ValueError, match=rf"{name} has the row numbers 0 to {N - 1} as its labels"):
        answered(call, plain, **{name: other_order(companion)})
