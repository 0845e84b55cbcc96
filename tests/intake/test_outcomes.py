"""Outcomes keep their values; words need the one that counts."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from validstats.intake import read_outcome


@pytest.mark.parametrize(
    ("values", "numbers"),
    [
        ([-1, 1, 1], [-1.0, 1.0, 1.0]),
        ([1, 2, 2], [1.0, 2.0, 2.0]),
        ([0, 5, 0], [0.0, 5.0, 0.0]),
        ([True, False, True], [1.0, 0.0, 1.0]),
        ([Decimal("0.5"), Decimal(2), 3], [0.5, 2.0, 3.0]),
        (np.array([[1.0], [2.0], [3.0]]), [1.0, 2.0, 3.0]),
        (pd.Series([1, 2, 2], dtype="category"), [1.0, 2.0, 2.0]),
    ],
)
def test_numbers_keep_their_values(values, numbers) -> None:
    assert read_outcome(values, "y").tolist() == numbers


@pytest.mark.parametrize(
    ("values", "positive", "numbers"),
    [
        (["pass", "fail", "pass"], "pass", [1, 0, 1]),
        (["True", "False", "True"], "True", [1, 0, 1]),
        (["no", "abstain", "yes"], "yes", [0, 0, 1]),
        (["fail", "fail", "fail"], "pass", [0, 0, 0]),
        ([1, 2, 2], 2, [0, 1, 1]),
        (pd.Series(["a", "b", "b"], dtype="category"), "b", [0, 1, 1]),
    ],
)
def test_words_count_by_the_positive_one(values, positive, numbers) -> None:
    assert read_outcome(values, "y", positive=positive).tolist() == numbers


def test_missing_words_stay_missing_where_they_may() -> None:
    values = ["pass", None, "fail"]
    np.testing.assert_array_equal(read_outcome(values, "y", positive="pass", allow_nan=True), [1, np.nan, 0])
    with pytest.raises(ValueError, match=r"y has 1 missing value"):
        read_outcome(values, "y", positive="pass")


def test_words_alone_are_refused_with_the_remedy() -> None:
    with pytest.raises(TypeError, match=r"y holds text \('fail', 'pass'\).*positive='pass'"):
        read_outcome(["pass", "fail"], "y")


def test_a_level_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match=r"positive='Pass' is no level of y; the levels are 'fail', 'pass'"):
        read_outcome(["pass", "fail"], "y", positive="Pass")
