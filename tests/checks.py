"""Checks that tests share: that a function withstands hostile input (:mod:`tests.strategies`), and large tables in turn."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

if TYPE_CHECKING:
    from tests.strategies import Hostile

try:
    import polars as pl
except ModuleNotFoundError:  # polars is optional
    pl = None


def in_turn(first: Sequence[Any], second: Sequence[Any]) -> list[Any]:
    """All pairs for ``parametrize``: in the fast lane one of the second for each of the first, in turn; in the slow lane all."""
    return [
        pytest.param(a, b, marks=() if j == i % len(second) else pytest.mark.slow)
        for i, a in enumerate(first)
        for j, b in enumerate(second)
    ]


def assert_answers_or_refuses(
    function: Callable[[Any], Any],
    hostile: Hostile,
    *,
    name: str | None = None,
    same: Callable[[Any, Any], None] = np.testing.assert_array_equal,
    allow_runtime_warnings: bool = False,
) -> Any:
    """Check that a function treats a hostile argument as it owes.

    Parameters
    ----------
    function : callable
        Takes the value alone; close over the other arguments.
    hostile : Hostile
        What to pass.
    name : str, optional
        Public name of the argument; a refusal must mention it.
    same : callable, default ``numpy.testing.assert_array_equal``
        Asserts that two answers agree, where the form of the numbers must not matter.
    allow_runtime_warnings : bool, default False
        Accept numpy's warnings of overflow and the like.

    Returns
    -------
    object
        The answer, or None if the value was refused.
    """
    before = fingerprint(hostile.value)
    answer, refusal = _call(function, hostile.value, allow_runtime_warnings)
    assert fingerprint(hostile.value) == before, f"the argument was modified ({hostile.kind})"
    if refusal is not None:
        assert hostile.expect != "same", f"refused {hostile.kind}, which holds ordinary numbers: {refusal}"
        assert name is None or name in refusal, (
            f"{hostile.kind}: the message does not name {name!r}: {refusal}"
        )
        return None
    assert hostile.expect != "refuse", f"accepted {hostile.kind} and answered {answer!r}"
    if hostile.expect == "same":
        same(answer, function(hostile.plain.copy()))
    if isinstance(answer, float | np.ndarray) and np.asarray(answer).dtype.kind == "f":
        assert not np.isnan(answer).any(), f"answered NaN for {hostile.kind}"
    return answer


def fingerprint(value: Any) -> str:
    """Describe the content of a value, to see whether a function has modified it."""
    if sparse.issparse(value):
        return repr((value.shape, value.data.tolist(), value.tocoo().coords))
    if isinstance(value, np.ma.MaskedArray):
        return repr((value.data.tolist(), np.ma.getmaskarray(value).tolist()))
    if isinstance(value, np.ndarray):
        return repr((value.dtype, value.shape, value.strides, value.flags.writeable, value.tolist()))
    if isinstance(value, pd.Series | pd.DataFrame):
        axes = [axis.tolist() for axis in value.axes]
        return repr((axes, value.astype(object).to_numpy().tolist()))
    if pl is not None and isinstance(value, pl.Series | pl.DataFrame):
        return repr((value.to_frame() if isinstance(value, pl.Series) else value).to_dict(as_series=False))
    return repr(value)


def _call(function: Callable[[Any], Any], value: Any, allow_runtime_warnings: bool) -> tuple[Any, str | None]:
    """Return the answer, or the message of the refusal."""
    with warnings.catch_warnings():
        if not allow_runtime_warnings:
            warnings.simplefilter("error", RuntimeWarning)
        try:
            return function(value), None
        except (TypeError, ValueError) as error:
            return None, str(error)
