"""Values beside rows some of which are not used: filtered, failed, or one row for several systems."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from validstats import evals

N = 60
rng = np.random.default_rng(0)
FAILED = np.arange(N) % 5 == 2
SCORE = (rng.random(N) < 0.6).astype(float)
WEIGHT = rng.uniform(0.5, 2, N)
NAMES = [f"row-{i}" for i in rng.permutation(N)]
DATA = pd.DataFrame({"item": np.arange(N), "score": SCORE, "error": FAILED}, index=NAMES)


def estimate(data: Any, weights: Any, **given: Any) -> float:
    return evals.evaluate(data, score="score", errors="drop", weights=weights, **given).estimate


def expected() -> float:
    kept = DATA[~FAILED].drop(columns="error")
    return evals.evaluate(kept, score="score", weights=WEIGHT[~FAILED]).estimate


def test_values_of_all_rows_lose_those_of_rows_that_are_left_out() -> None:
    series = pd.Series(WEIGHT, index=NAMES)
    plain = DATA.reset_index(drop=True)
    for data in (DATA, plain):
        assert estimate(data, WEIGHT) == estimate(data, WEIGHT.tolist()) == expected()
    assert estimate(DATA, series) == estimate(DATA, series.sample(frac=1, random_state=1)) == expected()
    assert estimate([DATA], series.sample(frac=1, random_state=1)) == expected()
    assert estimate(DATA, series) != pytest.approx(estimate(DATA, None))


def test_values_of_the_used_rows_alone_are_matched_to_them() -> None:
    series, plain = pd.Series(WEIGHT, index=NAMES), DATA.reset_index(drop=True)
    assert estimate(DATA, WEIGHT[~FAILED]) == expected()
    assert estimate(DATA, series[~FAILED].sample(frac=1, random_state=1)) == expected()
    numbered = pd.Series(WEIGHT)[~FAILED]
    assert estimate(plain, numbered) == estimate(plain, numbered.iloc[::-1]) == expected()


def test_other_rows_are_refused_with_both_counts() -> None:
    series = pd.Series(WEIGHT, index=NAMES)
    with pytest.raises(
        ValueError, match=r"weights has 48 labels and the index of the rows .* 48; 47 of them"
    ):
        estimate(DATA, series[~FAILED].rename({series[~FAILED].index[0]: "row-x"}))
    with pytest.raises(ValueError, match=r"weights has 48 labels .*; 38 of them match"):
        estimate(DATA, series.iloc[:48])
    with pytest.raises(
        ValueError, match=r"shape \(60,\) \(or \(48,\), for the rows that are used\), got \(12,\)"
    ):
        estimate(DATA, WEIGHT[FAILED])


def test_a_row_for_several_systems_hands_its_value_to_each() -> None:
    wide = pd.DataFrame({"item": np.arange(N), "score_a": SCORE, "score_b": 1 - SCORE}, index=NAMES)
    long = pd.DataFrame({"item": np.tile(np.arange(N), 2), "system": np.repeat(["a", "b"], N)})
    long["score"] = np.r_[SCORE, 1 - SCORE]
    given = pd.Series(WEIGHT, index=NAMES)
    found = evals.compare(wide, a="a", b="b", weights=given.sample(frac=1, random_state=2))
    assert (
        found.estimate
        == evals.compare(long, score="score", a="a", b="b", weights=np.tile(WEIGHT, 2)).estimate
    )
    named = wide.rename(columns={"score_a": "a", "score_b": "b"})
    assert (
        evals.compare(named, a="a", b="b", weights=given.sample(frac=1, random_state=2)).estimate
        == found.estimate
    )
    groups = pd.Series(np.arange(N) // 4, index=NAMES)
    clustered = evals.compare(wide, a="a", b="b", clusters=groups.sample(frac=1, random_state=2))
    by_hand = evals.compare(long, score="score", a="a", b="b", clusters=np.tile(groups, 2))
    assert clustered.conf_high == by_hand.conf_high


def test_a_filter_keeps_the_values_of_its_rows() -> None:
    both = pd.concat([DATA.drop(columns="error").assign(filter=name) for name in ("strict", "loose")])
    both.index = [f"{name}-{f}" for name, f in zip(both.index, both["filter"], strict=True)]
    given = pd.Series(np.r_[WEIGHT, np.ones(N)], index=both.index).sample(frac=1, random_state=3)
    found = evals.evaluate(both, score="score", filter="strict", weights=given)
    assert (
        found.estimate == evals.evaluate(DATA.drop(columns="error"), score="score", weights=WEIGHT).estimate
    )


NAMED = {
    evals.evaluate: ("score", "judge", "human", "item", "system", "by"),
    evals.compare: ("score", "judge", "human", "item", "system", "candidate", "baseline"),
    evals.rank: ("score", "judge", "human", "item", "system"),
    evals.pass_at_k: ("problem", "passed", "human", "system", "score", "drawn", "clusters"),
    evals.plan: ("judge", "human", "system", "score"),
    evals.read: ("judge", "human", "item", "system", "sample", "sampling_probability", "filter"),
}
"""Arguments that name a column or a system."""


@pytest.mark.parametrize(("ask", "name"), [(ask, name) for ask, names in NAMED.items() for name in names])
@pytest.mark.parametrize("values", [pd.Series([1.0, 0.0], ["a", "b"]), np.ones(2), [1, 0]], ids=type)
def test_values_where_a_name_is_asked_for_are_refused_by_name(ask, name, values) -> None:
    data = pd.DataFrame({"item": ["a", "b"], "judge": [1, 0], "human": [1, np.nan], "system": ["m", "n"]})
    given = {"width": 0.2} if ask is evals.plan else {}
    with pytest.raises(TypeError, match=rf"^{name} is a name, .*data\.assign\({name}=values\)"):
        ask(data, **{name: values}, **given)
