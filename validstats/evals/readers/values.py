"""Values of scores: words and numbers of many tools as numbers between 0 and 1, or as missing."""

from __future__ import annotations

import math
import numbers
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from validstats._typing import AnyArray, Float1D
from validstats.evals.readers.errors import EvalFileError
from validstats.intake import as_floats, is_missing

__all__ = [
    "MISSING_WORDS",
    "WORDS",
    "argument_of",
    "as_scores",
    "check_names",
    "judge_names",
    "looks_like_scores",
    "score_of",
    "words_of",
]

WORDS = {
    "pass": 1.0,
    "passed": 1.0,
    "fail": 0.0,
    "failed": 0.0,
    "yes": 1.0,
    "no": 0.0,
    "correct": 1.0,
    "incorrect": 0.0,
    "true": 1.0,
    "false": 0.0,
    "c": 1.0,  # Inspect: correct, incorrect, partial, no answer
    "i": 0.0,
    "p": 0.5,
    "n": 0.0,
}
"""Words that are read as scores, in any case."""

MISSING_WORDS = frozenset({"", "na", "n/a", "nan", "none", "null", "<na>", "#n/a"})
"""Words that say that there is no score."""


def score_of(value: Any) -> float | None:
    """One value as a number, NaN where it is missing; None if it is no score."""
    if hasattr(value, "__len__") and not isinstance(value, str):
        return None
    if is_missing(value):
        return math.nan
    if isinstance(value, bool | np.bool_):
        return float(value)
    if isinstance(value, numbers.Number) and not isinstance(value, complex | np.complexfloating):
        try:
            number = float(value)  # type: ignore[arg-type]
        except (OverflowError, TypeError, ValueError):
            return None
        if isinstance(value, numbers.Integral) and int(value) != number:
            return None
        return None if math.isinf(number) else number
    if not isinstance(value, str):
        return None
    word = value.strip().lower()
    if word in MISSING_WORDS:
        return math.nan
    if word in WORDS:
        return WORDS[word]
    try:
        number = float(word)
    except ValueError:
        return None
    return number if math.isfinite(number) and "_" not in word else None


def _one_each(values: Any) -> AnyArray:
    """A column as an array with one entry a row, lists as they are."""
    try:
        array = np.asarray(values)
    except ValueError:  # lists beside numbers
        array = np.empty((0, 0))
    if array.ndim == 1:
        return array
    found = np.empty(len(values), dtype=object)
    for row, value in enumerate(values):
        found[row] = value
    return found


def as_scores(values: Sequence[Any] | AnyArray, name: str) -> Float1D:
    """A column as numbers; other words are refused with their list."""
    array = _one_each(values)
    large = array.dtype.kind == "f" and bool((np.abs(array[np.isfinite(array)]) >= 2.0**53).any())
    if large and not isinstance(values, np.ndarray):
        # whole numbers beside fractions, which NumPy has rounded
        array = np.array(list(values), dtype=object)
    if array.dtype.kind in "mM":
        raise EvalFileError(
            f"The column {name!r} holds dates or durations, which are no scores; write numbers."
        )
    if array.dtype.kind in "fiub":
        scores = as_floats(array, f"The column {name!r}")
        if np.isinf(scores).any():
            raise EvalFileError(
                f"The column {name!r} holds an infinite score in row {_first(np.isinf(scores))}."
            )
        return scores
    out = np.empty(len(array))
    unknown: dict[str, int] = {}
    for row, value in enumerate(array.tolist()):
        number = score_of(value)
        if number is None:
            unknown.setdefault(str(value)[:40], row + 1)
            number = math.nan
        out[row] = number
    if unknown:
        shown = ", ".join(f"{word!r} (row {row})" for word, row in list(unknown.items())[:8])
        raise EvalFileError(
            f"The column {name!r} holds words that are no scores: {shown}. Known words are pass/fail, yes/no, "
            "correct/incorrect, true/false and C/I/P/N in any case; recode the others, or name another column."
        )
    return out


def words_of(values: Iterable[Any]) -> dict[str, int]:
    """Known words of scores in a column, in small letters, with their numbers."""
    words = Counter(value.strip().lower() for value in values if isinstance(value, str))
    return {word: n for word, n in words.items() if word in WORDS}


def looks_like_scores(values: Sequence[Any]) -> bool:
    """Whether every value of a column is a number, a known word, or missing, and one at least is there."""
    array = _one_each(values)
    if array.dtype.kind in "fiub":
        return bool(np.isfinite(array.astype(np.float64)).any())
    seen = False
    for value in set(array.tolist()) if array.dtype.kind in "USO" and _hashable(array) else array.tolist():
        number = score_of(value)
        if number is None:
            return False
        seen = seen or not math.isnan(number)
    return seen


def _hashable(array: Any) -> bool:
    return all(isinstance(v, str | int | float | bool | type(None)) for v in array[:50].tolist()) and all(
        isinstance(v, str | int | float | bool | type(None)) for v in array.tolist()
    )


def _first(mask: Any) -> int:
    return int(np.argmax(mask)) + 1


def argument_of(role: str) -> str:
    """The argument that names the column of a role."""
    return "sampling_probability" if role == "probability" else role.split()[0]


def judge_names(judge: Any) -> tuple[str, ...]:
    """Names of the judges' columns: one name, or a list of them."""
    if judge is None:
        return ()
    if not isinstance(judge, list | tuple) or not all(isinstance(name, str) for name in judge):
        check_names(judge=judge)
        return (judge,)
    if not judge:
        raise EvalFileError("judge= is an empty list; name one column or more, or leave it out.")
    twice = sorted({name for name in judge if judge.count(name) > 1})
    if twice:
        raise EvalFileError(
            f"judge= names {', '.join(map(repr, twice))} twice, and a judge tells nothing the second time; name each column once."
        )
    return tuple(judge)


def check_names(**given: Any) -> None:
    """Refuse values where the name of a column or of a system is asked for."""
    for role, name in given.items():
        if hasattr(name, "__len__") and not isinstance(name, str | bytes | tuple):
            raise TypeError(
                f"{role} is a name, of a column of the data or of a system in them; got a {type(name).__name__} with "
                f"{len(name)} entries. Put values into the data first, where pandas matches them by index: "
                f"data.assign({role}=values), {role}={role!r}."
            )
