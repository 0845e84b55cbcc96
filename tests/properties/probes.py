"""Probes: one argument of one public entry point, what is passed for it, and what the entry point owes."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from hypothesis import strategies as st

from tests.strategies import (
    MATRIX_KINDS,
    VECTOR_KINDS,
    Expect,
    Hostile,
    assert_answers_or_refuses,
    hostile_counts,
    hostile_levels,
    hostile_matrices,
    hostile_seeds,
    hostile_vectors,
)

EXAMPLES = int(os.environ.get("VALIDSTATS_EXAMPLES", "100"))
"""Examples of each domain, shared among its probes; 10,000 in the long lane."""


@dataclass(frozen=True)
class Probe:
    """One argument of one public entry point.

    Attributes
    ----------
    name : str
        Entry point and argument, for the name of the test.
    argument : str
        Public name that a refusal must mention.
    call : callable
        Takes the hostile value and returns numbers (NaN is never one of them).
    shape : tuple of int
        Number of rows, and for a matrix of columns, of ordinary input that fits.
    decides : iterable of str
        Kinds that are legal here though they are refused elsewhere: text for labels, NaN for a missing label.
    rtol : float
        How closely two answers agree where only the form of the numbers differs.
    left_out : iterable of str
        Kinds that have no meaning for this argument.
    unnamed : iterable of str
        Kinds whose refusal is worded by scikit-learn or narwhals, without the name of the argument.
    shares : bool
        Whether ordinary numbers are shares between 0 and 1.
    """

    name: str
    argument: str
    call: Callable[[Any], Any]
    shape: tuple[int, ...]
    decides: frozenset[str] = frozenset()
    left_out: frozenset[str] = frozenset()
    rtol: float = 1e-9
    unnamed: frozenset[str] = frozenset()
    shares: bool = False

    def __str__(self) -> str:
        return self.name

    def strategy(self) -> st.SearchStrategy[Hostile]:
        """Draw hostile values for the argument."""
        kinds = MATRIX_KINDS if len(self.shape) == 2 else VECTOR_KINDS
        chosen = [kind for kind in kinds if kind not in self.left_out]
        rows = self.shape[0]
        if len(self.shape) == 2:
            columns = self.shape[1]
            return hostile_matrices(
                min_rows=rows, max_rows=rows, min_columns=columns, max_columns=columns, kinds=chosen
            )
        return hostile_vectors(min_size=rows, max_size=rows, kinds=chosen, shares=self.shares)

    def check(self, hostile: Hostile) -> None:
        """Pass the value and judge the answer."""
        if hostile.kind in self.decides:
            hostile = Hostile(hostile.kind, "decide", hostile.value)

        def same(answer: Any, other: Any) -> None:
            np.testing.assert_allclose(answer, other, rtol=self.rtol, atol=1e-12)

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            name = None if hostile.kind in self.unnamed else self.argument
            assert_answers_or_refuses(self.call, hostile, name=name, same=same)


@dataclass(frozen=True)
class Refusal:
    """An argument that takes one number, and draws of what it must refuse."""

    name: str
    argument: str
    call: Callable[[Any], Any]
    kind: Literal["level", "count", "seed"]
    allows: Callable[[Any], bool] = lambda value: False

    def __str__(self) -> str:
        return self.name

    def strategy(self) -> st.SearchStrategy[Hostile]:
        """Draw values to be refused; those that the argument allows are taken out."""
        values = {"level": hostile_levels, "count": hostile_counts, "seed": hostile_seeds}[self.kind]()
        return values.filter(lambda v: not self.allows(v)).map(lambda v: Hostile(self.kind, "refuse", v))

    def check(self, hostile: Hostile) -> None:
        """Pass the value and judge the refusal."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            assert_answers_or_refuses(self.call, hostile, name=self.argument)


def share(probes: Iterable[Any]) -> int:
    """Examples for each probe of a domain, so that the domain has ``EXAMPLES`` in total."""
    return max(1, -(-EXAMPLES // len(list(probes))))


def only(kinds: dict[str, Expect], *expect: Expect) -> frozenset[str]:
    """Kinds with one of the given expectations."""
    return frozenset(kind for kind, owed in kinds.items() if owed in expect)


TEXT = frozenset({"strings", "object_with_string", "categories", "dates", "durations", "frame_with_text"})
"""Kinds that hold categories rather than numbers."""

SAME = only(VECTOR_KINDS, "same")
"""Ordinary numbers in unusual form; as labels of groups every row has its own, which may be refused."""

MISSING = frozenset(
    {"nan", "object_with_none", "series_with_missing", "polars_with_missing", "frame_with_missing"}
)
"""Kinds in which a value is missing."""


def is_zero(value: Any) -> bool:
    """Whether a number is zero, where zero is allowed."""
    return isinstance(value, int | float) and not isinstance(value, bool) and value == 0


def is_one(value: Any) -> bool:
    """Whether a number is one, where one is allowed."""
    return isinstance(value, int | float) and not isinstance(value, bool) and value == 1


def is_none(value: Any) -> bool:
    """Whether an optional argument is left out."""
    return value is None
