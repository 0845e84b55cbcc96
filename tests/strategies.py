"""Hypothesis strategies for hostile input, shared by the property tests of all domains.

Each draws a :class:`Hostile`: a value, the kind of trouble it is, and what any function that takes such an argument
owes its caller.

========  ==========================================================================================
expect    what the function must do
========  ==========================================================================================
refuse    raise ``TypeError`` or ``ValueError`` with a message that names the argument
same      answer exactly as for ``plain``, the same numbers in a C-contiguous float64 array
decide    either answer or refuse, but nothing else: no other error, no NaN for an answer
========  ==========================================================================================

In a test::

    @given(hostile_vectors())
    def test_scores(hostile):
        assert_answers_or_refuses(lambda scores: order_statistic_bound(scores, m=5), hostile, name="scores")

    @given(hostile_vectors(min_size=20, expect=("same", "decide")))    # at least 20 rows where rows count
    @given(hostile_matrices(kinds=("n_smaller_than_p",)))              # one kind only

``assert_answers_or_refuses`` also checks that the input was not modified. The kinds by name are in
``VECTOR_KINDS`` and ``MATRIX_KINDS``, for tests that go through all of them with ``pytest.mark.parametrize``.
There are also strategies for pairs of wrong lengths, and for hostile levels, counts and seeds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd
from hypothesis import strategies as st
from scipy import sparse

from tests.checks import assert_answers_or_refuses, fingerprint

try:
    import polars as pl
except ModuleNotFoundError:  # polars is optional; its kinds are left out
    pl = None

__all__ = [
    "MATRIX_KINDS",
    "VECTOR_KINDS",
    "Hostile",
    "assert_answers_or_refuses",
    "build_matrix",
    "build_vector",
    "fingerprint",
    "hostile_counts",
    "hostile_levels",
    "hostile_matrices",
    "hostile_seeds",
    "hostile_vectors",
    "pairs_of_wrong_length",
]

Expect: TypeAlias = Literal["refuse", "same", "decide"]
EXPECTATIONS: tuple[Expect, ...] = ("refuse", "same", "decide")

UNICODE_NAMES = (
    "größe",
    "数量",
    "доход",
    "a b",
    "x-1",
    "π",
    "😀",
    "",
    " ",
    "0",
    "class",
    "y~x",
    "I(x)",
    '"q"',
)
"""Column names that trip formula parsers, attribute access and encodings."""


@dataclass(frozen=True)
class Hostile:
    """An argument that is likely to break a careless function.

    Attributes
    ----------
    kind : str
        Name of the trouble.
    expect : {"refuse", "same", "decide"}
        What a function owes; see the module.
    value : object
        What to pass.
    plain : ndarray or None
        The same numbers as a C-contiguous float64 array, or None where the value is to be refused.
    """

    kind: str
    expect: Expect
    value: Any = field(repr=False)
    plain: np.ndarray | None = None


Builder: TypeAlias = Callable[[np.ndarray, np.random.Generator], Any]


# --- what is done to a vector ------------------------------------------------------------------------------------


def _with_value(bad: float) -> Builder:
    def build(plain: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        spoiled = plain.copy()
        spoiled.flat[generator.integers(spoiled.size)] = bad
        return spoiled

    return build


def _objects(*extra: Any) -> Builder:
    def build(plain: np.ndarray, _: np.random.Generator) -> np.ndarray:
        values = plain.astype(object)
        values.ravel()[: len(extra)] = extra
        return values

    return build


def _masked(n_masked: int) -> Builder:
    def build(plain: np.ndarray, _: np.random.Generator) -> np.ma.MaskedArray:
        mask = np.zeros(plain.shape, dtype=bool)
        mask.flat[:n_masked] = True
        return np.ma.MaskedArray(plain.copy(), mask)

    return build


def _strided(plain: np.ndarray, _: np.random.Generator) -> np.ndarray:
    return np.repeat(plain, 2, axis=0)[::2]


def _reversed(plain: np.ndarray, _: np.random.Generator) -> np.ndarray:
    return plain[::-1].copy()[::-1]


def _read_only(plain: np.ndarray, _: np.random.Generator) -> np.ndarray:
    locked = plain.copy()
    locked.flags.writeable = False
    return locked


def _unaligned(plain: np.ndarray, _: np.random.Generator) -> np.ndarray:
    shifted = np.frombuffer(b"\0" + plain.tobytes(), dtype=np.uint8)[1:]
    return shifted.view(np.float64).reshape(plain.shape)


def _duplicated_index(plain: np.ndarray, generator: np.random.Generator) -> pd.Series:
    return pd.Series(plain, index=generator.integers(0, 2, size=len(plain)), name="größe")


def _ragged(plain: np.ndarray, _: np.random.Generator) -> list[Any]:
    return [[1.0, 2.0], [3.0], *plain.tolist()]


REFUSED_VECTORS: dict[str, Builder] = {
    "nan": _with_value(np.nan),
    "infinite": _with_value(np.inf),
    "negative_infinite": _with_value(-np.inf),
    "empty": lambda plain, _: plain[:0],
    "empty_list": lambda plain, _: [],
    "two_columns": lambda plain, _: np.column_stack([plain, plain]),
    "three_dimensional": lambda plain, _: plain.reshape(-1, 1, 1),
    "scalar": lambda plain, _: float(plain[0]),
    "none": lambda plain, _: None,
    "strings": lambda plain, _: plain.astype(str),
    "string": lambda plain, _: "0.5",
    "object_with_string": _objects("high"),
    "object_with_none": _objects(None),
    "object_with_array": _objects(np.zeros(2)),
    "object_too_large": _objects(10**400),
    "complex": lambda plain, _: plain + 1j,
    "dates": lambda plain, _: np.arange(len(plain)).astype("datetime64[D]"),
    "durations": lambda plain, _: np.arange(len(plain)).astype("timedelta64[s]"),
    "records": lambda plain, _: np.array([(v,) for v in plain], dtype=[("a", float)]),
    "sparse": lambda plain, _: sparse.csr_matrix(plain.reshape(1, -1)),
    "masked": _masked(1),
    "all_masked": lambda plain, _: np.ma.masked_all(len(plain)),
    "set": lambda plain, _: set(plain.tolist()),
    "dict": lambda plain, _: dict(enumerate(plain.tolist())),
    "ragged": _ragged,
    "series_with_missing": lambda plain, _: pd.Series([*plain[:-1], pd.NA], dtype="Float64"),
    "categories": lambda plain, _: pd.Series(pd.Categorical(["a"] * len(plain))),
}
"""Vectors that every function must refuse."""

SAME_VECTORS: dict[str, Builder] = {
    "non_contiguous": _strided,
    "negative_stride": _reversed,
    "read_only": _read_only,
    "unaligned": _unaligned,
    "big_endian": lambda plain, _: plain.astype(">f8"),
    "nothing_masked": _masked(0),
    "object_of_numbers": _objects(),
    "list": lambda plain, _: plain.tolist(),
    "tuple": lambda plain, _: tuple(plain.tolist()),
    "duplicated_index": _duplicated_index,
    "nullable_series": lambda plain, _: pd.Series(plain, dtype="Float64"),
}
"""Vectors that hold ordinary numbers in an unusual form."""

if pl is not None:
    REFUSED_VECTORS["polars_with_missing"] = lambda plain, _: pl.Series(
        [*plain[:-1].tolist(), None], dtype=pl.Float64
    )
    SAME_VECTORS["polars_series"] = lambda plain, _: pl.Series("数量", plain)

DECIDED_VECTORS: dict[str, Builder] = {
    "one_row": lambda plain, _: plain[:1].copy(),
    "constant": lambda plain, _: np.full_like(plain, plain[0]),
    "zeros": lambda plain, _: np.zeros_like(plain),
    "signed_zeros": lambda plain, generator: generator.choice([0.0, -0.0], size=len(plain)),
    "tied": lambda plain, generator: generator.choice(plain[:2], size=len(plain)),
    "huge": lambda plain, generator: generator.choice([-1e300, 1e300, 1e308], size=len(plain)),
    "denormal": lambda plain, generator: generator.choice([5e-324, -5e-324, 1e-310], size=len(plain)),
    "mixed_magnitudes": lambda plain, generator: 10.0 ** generator.integers(-300, 300, size=len(plain)),
    "nearly_equal": lambda plain, generator: 1.0 + generator.integers(0, 3, size=len(plain)) * 2.0**-52,
    "integers": lambda plain, generator: generator.integers(-5, 6, size=len(plain)),
    "booleans": lambda plain, generator: generator.integers(0, 2, size=len(plain)).astype(bool),
    "float32": lambda plain, _: plain.astype(np.float32),
    "sorted": lambda plain, _: np.sort(plain),
}
"""Vectors of legal numbers that a method may find too few, too equal or too large."""

VECTOR_KINDS: dict[str, Expect] = {
    **dict.fromkeys(REFUSED_VECTORS, "refuse"),
    **dict.fromkeys(SAME_VECTORS, "same"),
    **dict.fromkeys(DECIDED_VECTORS, "decide"),
}
"""Kind of a hostile vector -> what a function owes."""

_VECTOR_BUILDERS: dict[str, Builder] = {**REFUSED_VECTORS, **SAME_VECTORS, **DECIDED_VECTORS}


# --- what is done to a matrix ------------------------------------------------------------------------------------


def _frame(plain: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(plain, columns=[f"x{j}" for j in range(plain.shape[1])])


def _unicode_frame(plain: np.ndarray, generator: np.random.Generator) -> pd.DataFrame:
    names = generator.permutation(UNICODE_NAMES)
    return pd.DataFrame(
        plain, columns=[str(names[j % len(names)]) + "'" * (j // len(names)) for j in range(plain.shape[1])]
    )


def _frame_with(values: Callable[[int], Any]) -> Builder:
    def build(plain: np.ndarray, _: np.random.Generator) -> pd.DataFrame:
        return _frame(plain).assign(x0=values(len(plain)))

    return build


def _constant_column(plain: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    spoiled = plain.copy()
    spoiled[:, generator.integers(plain.shape[1])] = 3.0
    return spoiled


def _wide(plain: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    return generator.standard_normal((2, plain.shape[1] + 3))


REFUSED_MATRICES: dict[str, Builder] = {
    "nan": _with_value(np.nan),
    "infinite": _with_value(np.inf),
    "negative_infinite": _with_value(-np.inf),
    "no_rows": lambda plain, _: plain[:0],
    "no_columns": lambda plain, _: plain[:, :0],
    "three_dimensional": lambda plain, _: plain[:, :, None],
    "scalar": lambda plain, _: 1.5,
    "none": lambda plain, _: None,
    "strings": lambda plain, _: np.full(plain.shape, "high"),
    "object_with_string": _objects("high"),
    "object_with_none": _objects(None),
    "complex": lambda plain, _: plain + 1j,
    "ragged": lambda plain, _: [[1.0, 2.0], [3.0]],
    "frame_with_text": _frame_with(lambda n: ["high"] * n),
    "frame_with_missing": _frame_with(lambda n: [np.nan] * n),
}
"""Matrices that every function must refuse."""

SAME_MATRICES: dict[str, Builder] = {
    "fortran_order": lambda plain, _: np.asfortranarray(plain),
    "non_contiguous": _strided,
    "negative_stride": _reversed,
    "read_only": _read_only,
    "unaligned": _unaligned,
    "big_endian": lambda plain, _: plain.astype(">f8"),
    "object_of_numbers": _objects(),
    "nested_lists": lambda plain, _: plain.tolist(),
    "frame": lambda plain, _: _frame(plain),
    "duplicated_index": lambda plain, generator: _frame(plain).set_axis(
        generator.integers(0, 2, size=len(plain)), axis=0
    ),
    "unicode_columns": _unicode_frame,
    "integer_columns": lambda plain, _: pd.DataFrame(plain),
}
"""Matrices that hold ordinary numbers in an unusual form."""

if pl is not None:
    SAME_MATRICES["polars_frame"] = lambda plain, _: pl.DataFrame(
        {f"数量{j}": plain[:, j] for j in range(plain.shape[1])}
    )

DECIDED_MATRICES: dict[str, Builder] = {
    "one_row": lambda plain, _: plain[:1].copy(),
    "one_column": lambda plain, _: plain[:, :1].copy(),
    "vector": lambda plain, _: plain[:, 0].copy(),
    "constant_column": _constant_column,
    "all_constant": lambda plain, _: np.ones_like(plain),
    "duplicated_columns": lambda plain, _: np.repeat(plain[:, :1], plain.shape[1], axis=1),
    "duplicated_rows": lambda plain, _: np.repeat(plain[:1], len(plain), axis=0),
    "n_smaller_than_p": _wide,
    "huge": lambda plain, generator: generator.choice([-1e300, 1e300, 1e308], size=plain.shape),
    "denormal": lambda plain, generator: generator.choice([5e-324, -5e-324, 1e-310], size=plain.shape),
    "integers": lambda plain, generator: generator.integers(-5, 6, size=plain.shape),
    "booleans": lambda plain, generator: generator.integers(0, 2, size=plain.shape).astype(bool),
    "float32": lambda plain, _: plain.astype(np.float32),
    "sparse": lambda plain, _: sparse.csr_matrix(plain),
    "duplicated_column_names": lambda plain, _: pd.DataFrame(plain, columns=["x"] * plain.shape[1]),
}
"""Matrices of legal numbers that a method may find too few, too equal, too large, or of no type it takes."""

MATRIX_KINDS: dict[str, Expect] = {
    **dict.fromkeys(REFUSED_MATRICES, "refuse"),
    **dict.fromkeys(SAME_MATRICES, "same"),
    **dict.fromkeys(DECIDED_MATRICES, "decide"),
}
"""Kind of a hostile matrix -> what a function owes."""

_MATRIX_BUILDERS: dict[str, Builder] = {**REFUSED_MATRICES, **SAME_MATRICES, **DECIDED_MATRICES}


# --- the strategies ----------------------------------------------------------------------------------------------


@st.composite
def hostile_vectors(
    draw: st.DrawFn,
    *,
    min_size: int = 3,
    max_size: int = 12,
    kinds: Iterable[str] | None = None,
    expect: Iterable[Expect] = EXPECTATIONS,
    shares: bool = False,
) -> Hostile:
    """Draw a hostile vector.

    Parameters
    ----------
    min_size, max_size : int, default 3 and 12
        Range of the length, at least 3, where the kind does not fix it.
    kinds : iterable of str, optional
        Keys of ``VECTOR_KINDS``; all by default.
    expect : iterable of {"refuse", "same", "decide"}
        Restrict to what is expected of the function.
    shares : bool, default False
        Whether ordinary numbers are shares between 0 and 1 instead of normal.
    """
    kind = draw(st.sampled_from(_choose(VECTOR_KINDS, kinds, expect)))
    size = draw(st.integers(min_size, max_size))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return build_vector(kind, size, generator, shares=shares)


@st.composite
def hostile_matrices(
    draw: st.DrawFn,
    *,
    min_rows: int = 3,
    max_rows: int = 12,
    min_columns: int = 2,
    max_columns: int = 4,
    kinds: Iterable[str] | None = None,
    expect: Iterable[Expect] = EXPECTATIONS,
) -> Hostile:
    """Draw a hostile matrix.

    Parameters
    ----------
    min_rows, max_rows, min_columns, max_columns : int
        Range of the shape, at least (3, 2), where the kind does not fix it.
    kinds : iterable of str, optional
        Keys of ``MATRIX_KINDS``; all by default.
    expect : iterable of {"refuse", "same", "decide"}
        Restrict to what is expected of the function.
    """
    kind = draw(st.sampled_from(_choose(MATRIX_KINDS, kinds, expect)))
    shape = draw(st.integers(min_rows, max_rows)), draw(st.integers(min_columns, max_columns))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return build_matrix(kind, shape, generator)


def build_vector(
    kind: str, size: int = 8, random_state: int | np.random.Generator = 0, *, shares: bool = False
) -> Hostile:
    """Build one hostile vector of a given kind, for parametrised tests."""
    generator = np.random.default_rng(random_state)
    return _build(kind, VECTOR_KINDS, _VECTOR_BUILDERS, (size,), generator, shares=shares)


def build_matrix(
    kind: str, shape: tuple[int, int] = (8, 3), random_state: int | np.random.Generator = 0
) -> Hostile:
    """Build one hostile matrix of a given kind, for parametrised tests."""
    return _build(kind, MATRIX_KINDS, _MATRIX_BUILDERS, shape, np.random.default_rng(random_state))


@st.composite
def pairs_of_wrong_length(draw: st.DrawFn, *, max_size: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """Draw two ordinary vectors of different lengths, each at least 1."""
    first, second = draw(st.lists(st.integers(1, max_size), min_size=2, max_size=2, unique=True))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return generator.standard_normal(first), generator.standard_normal(second)


def hostile_levels() -> st.SearchStrategy[Any]:
    """Draw something that is no confidence level: out of (0, 1), not finite, or not a number."""
    outside = st.one_of(
        st.floats(max_value=0.0), st.floats(min_value=1.0), st.integers(-3, 0), st.integers(1, 100)
    )
    nonsense = st.sampled_from([None, True, False, "0.9", [0.9], 0.9j, np.nan, Fraction(3, 2), object()])
    return st.one_of(outside, nonsense)


def hostile_counts() -> st.SearchStrategy[Any]:
    """Draw something that is no positive count: zero, negative, fractional, boolean, or not a number."""
    return st.one_of(
        st.integers(-(10**20), 0),
        st.floats(allow_nan=True),
        st.sampled_from([None, True, "3", [3], 3j, np.float64(3.0), Fraction(5, 2), np.array([1, 2])]),
    )


def hostile_seeds() -> st.SearchStrategy[Any]:
    """Draw something that is no seed: negative, fractional, boolean, text, or a module."""
    return st.one_of(st.integers(max_value=-1), st.sampled_from([1.5, "seed", True, [1, 2], np.random]))


def _choose(kinds: dict[str, Expect], wanted: Iterable[str] | None, expect: Iterable[Expect]) -> list[str]:
    allowed = set(expect)
    names = list(kinds) if wanted is None else list(wanted)
    chosen = [kind for kind in names if kinds[kind] in allowed]
    assert chosen, f"no kind is left of {names} with {sorted(allowed)}"
    return chosen


def _build(
    kind: str,
    kinds: dict[str, Expect],
    builders: dict[str, Builder],
    shape: tuple[int, ...],
    generator: np.random.Generator,
    *,
    shares: bool = False,
) -> Hostile:
    plain = generator.standard_normal(shape).round(3)
    if shares:
        plain = 0.1 + 0.8 * generator.random(shape).round(3)
    value = builders[kind](plain, generator)
    expect = kinds[kind]
    if expect == "refuse":
        return Hostile(kind, expect, value)
    if expect == "decide":
        plain = (
            None
            if isinstance(value, pd.DataFrame) or sparse.issparse(value)
            else np.array(value, dtype=np.float64)
        )
    return Hostile(kind, expect, value, plain)
