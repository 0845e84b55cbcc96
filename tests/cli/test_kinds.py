"""Kinds of values in columns of files at every command: the right number, or exit code 1 and the name of the column."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd
import pytest

from tests.cli.test_help import COMMANDS
from tests.intake.entries import COUNTS, GROUPS, PARTNER, POSITIVE, RIGHT, THIRD
from tests.intake.kinds import CATEGORIES, NUMBERS, QUARTERS, REFUSED, SHARES, WHOLE, WHOLES, WORDS, N

HALF = np.where(np.arange(N) % 2 == 0, np.roll(QUARTERS, 7), np.nan)
NAMES = np.array([f"case {i}" for i in range(N)])


@dataclass(frozen=True)
class Asked:
    """A command that reads a column ``q``, the other columns of its files, and what the column may hold."""

    command: str
    files: dict[str, dict[str, Any]]
    """Columns of each file; None stands for the column in question."""
    numbers: Any = None
    wholes: Any = None
    words: Any = None
    takes: frozenset[str] = frozenset()
    """Kinds that mean something there."""


def asked(command: str, takes: Any = (), **files: dict[str, Any]) -> Asked:
    kinds = {"numbers": QUARTERS, "wholes": WHOLE}
    for name in ("numbers", "wholes", "words"):
        if name in files:
            kinds[name] = files.pop(name)  # type: ignore[assignment]
    if "words" in kinds:
        kinds = {"words": kinds["words"]}
    return Asked(command, files, takes=frozenset(takes), **kinds)


MISSING = {"NaN", "NA", "None", "NaT"}
BATCH = "batch a.F b.F --confidence-level 0.8 --seed 1"
DSL = "dsl a.F --learner linear --seed 1"
MI = "mi a.F --y y --method ksg"
HOLD = "holdout infer l.ledger a.F --key name --queries 5 --metric squared_error --bounds -9 9"
NEW = {"p": PARTNER[:40]}
UNITS = {"machine": PARTNER, "x": THIRD}

NUMBER_COLUMNS = {
    "batch --label": asked(
        BATCH + " --label q --prediction p --target quantile", a={"p": PARTNER, "q": None}, b=NEW
    ),
    "batch --features": asked(
        BATCH + " --label y --features q --model linear --target quantile",
        MISSING,
        a={"y": PARTNER, "q": None},
        b={"q": QUARTERS[:40]},
    ),
    "batch --prediction": asked(
        BATCH + " --label y --prediction q --target quantile",
        a={"y": PARTNER, "q": None},
        b={"q": QUARTERS[:40]},
    ),
    "dsl --label": asked(
        DSL + " --formula q~x --label q --surrogate machine --probability 1", MISSING, a={**UNITS, "q": None}
    ),
    "dsl covariate": asked(
        DSL + " --formula y~q --label y --surrogate machine --probability 0.5",
        a={**UNITS, "q": None, "y": HALF},
    ),
    "dsl --surrogate": asked(
        DSL + " --formula y~x --label y --surrogate q --probability 0.5",
        MISSING,
        a={**UNITS, "q": None, "y": HALF},
    ),
    "dsl --probability": asked(
        DSL + " --formula y~x --label y --surrogate machine --probability q",
        a={**UNITS, "q": None, "y": QUARTERS},
        numbers=SHARES,
        wholes=None,
    ),
    "plan labels": asked(
        "plan labels a.F --formula y~q --label y --surrogate machine --learner linear --sizes 50",
        a={**UNITS, "q": None, "y": HALF},
    ),
    "plan design --uncertainty": asked(
        "plan design a.F --labels 40 --uncertainty q", a={**UNITS, "q": None}, numbers=POSITIVE, wholes=COUNTS
    ),
    "mi --x": asked(MI + " --x q", MISSING, a={"y": PARTNER, "q": None}),
    "mi --test": asked(MI + " --x q --test --permutations 9", MISSING, a={"y": PARTNER, "q": None}),
    "holdout infer --label": asked(
        HOLD + " --label q --prediction p",
        a={"name": NAMES, "q": None, "p": PARTNER},
    ),
    "holdout infer --prediction": asked(
        HOLD + " --label y --prediction q",
        a={"name": NAMES, "y": PARTNER, "q": None},
    ),
    "eval --score": asked("eval a.F --score q", a={"item": NAMES, "q": None}),
    "eval --human": asked(
        "eval a.F --judge s --human q", MISSING, a={"item": NAMES, "s": PARTNER, "q": None}
    ),
    "eval --weights": asked(
        "eval a.F --score s --weights q",
        a={"item": NAMES, "s": PARTNER, "q": None},
        numbers=POSITIVE,
        wholes=COUNTS,
    ),
    "eval --probability": asked(
        "eval a.F --judge s --human h --probability q",
        a={"item": NAMES, "s": PARTNER, "h": HALF, "q": None},
        numbers=SHARES / 2,
        wholes=None,
    ),
    "compare --score": asked(
        "compare a.F --score q --a m --b n",
        a={"item": np.arange(N) // 2, "system": ["m", "n"] * (N // 2), "q": None},
    ),
    "rank --score": asked(
        "rank a.F --score q --seed 1",
        a={"item": np.arange(N) // 2, "system": ["m", "n"] * (N // 2), "q": None},
    ),
    "eval --judge": asked("eval a.F --judge q --human h", MISSING, a={"item": NAMES, "q": None, "h": HALF}),
    "eval --features": asked(
        "eval a.F --judge s --human h --features q",
        MISSING,
        a={"item": NAMES, "s": PARTNER, "q": None, "h": HALF},
    ),
    "compare --weights": asked(
        "compare a.F --score s --a m --b n --weights q",
        a={"item": np.arange(N) // 2, "system": ["m", "n"] * (N // 2), "s": PARTNER, "q": None},
        numbers=np.repeat(POSITIVE[::2], 2),
        wholes=np.repeat(COUNTS[::2], 2),
    ),
    "passk --human": asked(
        "passk a.F --problem g --passed p --human q -k 2",
        MISSING,
        a={"g": GROUPS, "p": RIGHT, "q": None},
        numbers=RIGHT,
        wholes=RIGHT.astype(int),
    ),
    "passk --probability": asked(
        "passk a.F --problem g --passed p --human h --probability q -k 2",
        a={"g": GROUPS, "p": RIGHT, "h": np.where(np.isnan(HALF), np.nan, RIGHT), "q": None},
        numbers=SHARES / 2,
        wholes=None,
    ),
    "passk --score": asked(
        "passk a.F --problem g --passed p --human h --score q --design samples -k 2",
        a={"g": GROUPS, "p": RIGHT, "h": np.where(np.isnan(HALF), np.nan, RIGHT), "q": None},
    ),
    "plan eval --human": asked(
        "plan eval a.F --judge s --human q --width 0.3",
        MISSING,
        a={"item": NAMES, "s": RIGHT, "q": None},
        numbers=np.where(np.arange(N) % 3 == 0, 1 - RIGHT, RIGHT),
        wholes=None,
    ),
    "plan eval --judge": asked(
        "plan eval a.F --judge q --human h --width 0.3",
        MISSING,
        a={"item": NAMES, "q": None, "h": np.where(np.isnan(HALF), np.nan, RIGHT)},
        numbers=np.where(np.arange(N) % 3 == 0, 1 - RIGHT, RIGHT),
        wholes=None,
    ),
    "passk --passed": asked(
        "passk a.F --problem g --passed q -k 2",
        a={"g": GROUPS, "q": None},
        numbers=RIGHT,
        wholes=RIGHT.astype(int),
    ),
    "release --score": asked(
        "release a.F b.F --score q --max-false 20", a={"q": None, "right": RIGHT}, b={"q": QUARTERS}
    ),
    "release --right": asked(
        "release a.F b.F --score s --right q --max-false 20",
        a={"s": PARTNER, "q": None},
        b={"s": PARTNER},
        numbers=RIGHT,
        wholes=RIGHT.astype(int),
    ),
}

_GROUPS = {
    "datetime64",
    "date",
    "datetime",
    "time zone",
    "timedelta64",
    "timedelta",
    "beyond 2^53",
    "near 9e18",
}

WORD_COLUMNS = {
    "batch --label": asked(
        BATCH + " --label q --prediction p --target errors",
        a={"p": np.roll(WORDS, 5), "q": None},
        b={"p": WORDS[:40]},
        words=WORDS,
    ),
    "batch --strata": asked(
        BATCH + " --label y --prediction p --target quantile --strata q",
        a={"y": QUARTERS, "p": PARTNER, "q": None},
        b={**NEW, "q": WORDS[:40]},
        words=WORDS,
    ),
    "batch --batches": asked(
        BATCH + " --label y --prediction p --target quantile --batches q --unit row",
        a={"y": QUARTERS, "p": PARTNER},
        b={"p": PARTNER, "q": None},
        words=WORDS,
    ),
    "dsl --label": asked(
        DSL + " --formula q --label q --surrogate m --model shares --probability 1",
        MISSING,
        a={"m": np.roll(WORDS, 1), "q": None},
        words=WORDS,
    ),
    "dsl covariate": asked(
        DSL + " --formula y~q --label y --surrogate machine --probability 0.5",
        a={**UNITS, "q": None, "y": HALF},
        words=WORDS,
    ),
    "dsl --strata": asked(
        DSL + " --formula y~x --label y --surrogate machine --strata q",
        a={**UNITS, "q": None, "y": HALF},
        words=WORDS,
    ),
    "dsl --clusters": asked(
        DSL + " --formula y~x --label y --surrogate machine --clusters q --probability 0.5",
        a={**UNITS, "q": None, "y": HALF},
        words=np.repeat([f"g{i}" for i in range(N // 4)], 4),
    ),
    "plan design --strata": asked(
        "plan design a.F --labels 40 --strata q", a={**UNITS, "q": None}, words=WORDS
    ),
    "mi --x": asked(MI + " --x q", MISSING, a={"y": PARTNER, "q": None}, words=WORDS),
    "mi --strata": asked(
        MI + " --x x --test --permutations 9 --strata q",
        MISSING,
        a={"y": PARTNER, "x": THIRD, "q": None},
        words=WORDS,
    ),
    "holdout infer --label": asked(
        "holdout infer l.ledger a.F --key name --queries 5 --label q --prediction p",
        a={"name": NAMES, "q": None, "p": np.roll(WORDS, 5)},
        words=WORDS,
    ),
    "eval --clusters": asked(
        "eval a.F --score s --clusters q", a={"item": NAMES, "s": PARTNER, "q": None}, words=WORDS
    ),
    "eval --strata": asked(
        "eval a.F --judge s --human h --strata q",
        a={"item": NAMES, "s": PARTNER, "h": HALF, "q": None},
        words=WORDS,
    ),
    "eval --by": asked("eval a.F --score s --by q", a={"item": NAMES, "s": PARTNER, "q": None}, words=WORDS),
    "compare --system": asked(
        "compare a.F --score s --system q --a high --b low",
        a={"item": np.arange(N) // 5, "s": PARTNER, "q": None},
        words=np.array(["low", "high", "none", "other", "more"] * (N // 5)),
    ),
    "rank --system": asked(
        "rank a.F --score s --system q --seed 1",
        a={"item": np.arange(N) // 5, "s": PARTNER, "q": None},
        words=np.array(["low", "high", "none", "other", "more"] * (N // 5)),
    ),
}

_LIKE_EVAL = ("strata", "clusters", "human", "judge", "probability", "weights", "item")
_LIKE_DSL = ("clusters", "features", "label", "probability", "strata", "surrogate")
NOT_TESTED = {f"{c} --{name}": "the options of eval" for c in ("compare", "rank") for name in _LIKE_EVAL}
NOT_TESTED |= {f"plan labels --{name}": "the options of dsl" for name in _LIKE_DSL}
NOT_TESTED |= {
    "batch --unit": "names no column of its own",
    "doctor --human": "column of human scores, read as of eval: findings, no estimate",
    "doctor --judge": "columns of verdicts, read as of eval: findings, no estimate",
    "dsl --features": "columns of numbers as surrogates are",
    "eval --item": "names of items",
    "holdout audit --metric": "numbers of other tools' logs: tests of audit",
    "holdout init --id": "read as words: test_gate_files",
    "holdout init --label": "read as words: test_gate_files",
    "holdout init --start": "read as words: test_gate_files",
    "passk --problem": "names of problems",
    "passk --clusters": "names of groups, as of eval",
    "passk --drawn": "1 or 0, as passed",
    "rank --battles": "names of systems",
}
"""Options that name a column without a case above, and why."""

HELD = (
    "sparse",
    "records",
    "lists of two lengths",
    "three dimensions",
    "lazy",
    "functions",
    "sets",
    "masked",
)
"""Kinds that no file holds as a column."""
NO_FILE = {
    *HELD,
    "no rows",
    "one row fewer",
    "a scalar",
    "nothing",
    "a word",
    "too large",
    "complex",
    "complex objects",
}
NO_FILE |= {
    "numbers and text",
    "truth values and text",
    "dates and numbers",
    "bytes",
    "interval",
    "period",
    "NaT",
}


def column_of(values: Any) -> Any:
    return pd.Series(
        values.to_pandas()
        if hasattr(values, "to_pandas")
        else list(values)
        if isinstance(values, tuple)
        else values
    )


def answer(run: Callable[..., Any], case: Asked, column: Any, suffix: str, ledger: str) -> list[float] | str:
    """The numbers of a command's answer; its message if it refuses."""
    for name, columns in case.files.items():
        given = {key: column if value is None else value for key, value in columns.items()}
        table = pd.DataFrame({key: pd.Series(value) for key, value in given.items()})
        if suffix == "parquet":
            table.to_parquet(f"{name}.parquet", index=False)
        else:
            table.to_csv(f"{name}.csv", index=False)
    command = case.command.replace(".F", f".{suffix}")
    if "l.ledger" in command:  # a budget of its own each time
        command = command.replace("l.ledger", f"{ledger}.ledger")
        if not Path(f"{ledger}.ledger").exists():
            run("holdout", "create", f"{ledger}.ledger")
    found = run(*command.split(), "--format", "json")
    if found.exception is not None and not isinstance(found.exception, SystemExit):
        raise AssertionError(f"raw {type(found.exception).__name__}: {found.exception}") from found.exception
    return found.stderr if found.exit_code else [*numbers(json.loads(found.stdout))]


def numbers(value: Any) -> Any:
    if isinstance(value, dict):
        for key in sorted(value):
            yield from numbers(value[key]) if key != "files" else ()
    elif isinstance(value, list):
        for part in value:
            yield from numbers(part)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield float(value)


@pytest.fixture
def ask(run, workplace, monkeypatch) -> Callable[..., Any]:
    count = itertools.count()

    def call(case: Asked, column: Any, suffix: str, fresh: bool = True) -> Any:
        number = next(count) if fresh else 0
        monkeypatch.setenv("XDG_STATE_HOME", str(workplace / f"state-{number}"))
        return answer(run, case, column, suffix, f"ledger-{number}")

    return call


def others(ask: Any, case: Asked, kinds: Any, plain: Any) -> list[str]:
    """The kinds whose answer is not that of the plain column."""
    expected = ask(case, plain, "parquet")
    assert not isinstance(expected, str), expected
    wrong = []
    for kind, suffix in kinds:
        found = ask(case, column_of(KINDS[kind](plain)), suffix)
        if isinstance(found, str):
            wrong.append(f"{kind}, {suffix}: {found[:300]}")
        elif len(found) != len(expected) or not np.allclose(found, expected, rtol=1e-9, atol=1e-12):
            wrong.append(f"{kind}, {suffix}: {found[:4]} in place of {expected[:4]}")
    return wrong


KINDS = NUMBERS | WHOLES | CATEGORIES
DRESSES = {
    "numbers": [("Decimal", "parquet"), ("pandas Float64", "parquet"), ("float64", "csv")],
    "wholes": [("pandas Int64", "parquet"), ("int64", "csv")],
    "words": [("category with unused levels", "parquet"), ("text", "csv")],
}
ALL_DRESSES = {
    "numbers": list(
        itertools.product(
            ("float32", "Decimal", "pandas Float64", "pandas arrow", "polars"), ("parquet", "csv")
        )
    ),
    "wholes": list(
        itertools.product(
            ("int8", "pandas Int64", "Python integers", "floats without decimals"), ("parquet", "csv")
        )
    ),
    "words": list(
        itertools.product(
            ("pandas text", "pandas category", "pandas arrow text", "polars text"), ("parquet",)
        )
    ),
}
"""Kinds of the same values in the two kinds of files: a few of them for every run, and all."""
some_or_all = pytest.mark.parametrize(
    "dresses", [pytest.param(DRESSES, id="some"), pytest.param(ALL_DRESSES, id="all", marks=pytest.mark.slow)]
)


@pytest.mark.share(4)
@some_or_all
@pytest.mark.parametrize("name", NUMBER_COLUMNS)
def test_numbers_are_numbers_in_any_file(name, dresses, ask) -> None:
    case = NUMBER_COLUMNS[name]
    wrong = others(ask, case, dresses["numbers"], case.numbers)
    if case.wholes is not None:
        wrong += others(ask, case, dresses["wholes"], case.wholes)
    assert not wrong, "\n".join(wrong)


@pytest.mark.share(4)
@some_or_all
@pytest.mark.parametrize("name", WORD_COLUMNS)
def test_words_are_words_in_any_file(name, dresses, ask) -> None:
    wrong = others(ask, WORD_COLUMNS[name], dresses["words"], WORD_COLUMNS[name].words)
    assert not wrong, "\n".join(wrong)


MIXED = {"numbers and text": lambda v: pd.Series([str(x) if i % 2 else "a" for i, x in enumerate(v)])}
REFUSED_IN_FILES = {k: make for k, make in REFUSED.items() if k not in NO_FILE} | MIXED
AS_TEXT = {"bytes as objects", "datetime64", "date", "datetime", "time zone", "timedelta64", "timedelta"}
AS_TEXT |= {"polars date", "dictionaries", "numbers and text"}
"""Kinds that are words in a text file: taken where words are taken."""
TAKES_WORDS = {"dsl covariate", "plan labels", "mi --x", "mi --test", "eval --features"}


SOME_REFUSED = [
    ("datetime64", "parquet"),
    ("bytes as objects", "parquet"),
    ("NaN", "csv"),
    ("infinite", "parquet"),
]
SOME_REFUSED += [("near 9e18", "csv"), ("numbers and text", "csv"), ("dictionaries", "parquet")]
ALL_REFUSED = list(itertools.product(REFUSED_IN_FILES, ("parquet", "csv")))


@pytest.mark.share(4)
@pytest.mark.parametrize(
    "kinds",
    [pytest.param(SOME_REFUSED, id="some"), pytest.param(ALL_REFUSED, id="all", marks=pytest.mark.slow)],
)
@pytest.mark.parametrize("name", NUMBER_COLUMNS)
def test_what_is_no_number_is_refused_by_the_name_of_its_column(name, kinds, ask) -> None:
    case, wrong = NUMBER_COLUMNS[name], []
    for kind, suffix in kinds:
        words = name in TAKES_WORDS and kind in AS_TEXT and (suffix == "csv" or kind in MIXED)
        if kind in case.takes or words:
            continue
        found = ask(case, column_of(REFUSED_IN_FILES[kind](case.numbers)), suffix, fresh=False)
        if not isinstance(found, str):
            wrong.append(f"{kind}, {suffix}: silently {found[:4]}")
        elif not re.search(r"\bq\b", found):
            wrong.append(f"{kind}, {suffix}: without the name: {found[-300:]}")
    assert not wrong, "\n".join(wrong)


def test_every_option_that_names_a_column_is_tested_here() -> None:
    """An option of a command whose help speaks of a column has a case above, or a reason why it has none."""
    tested = set(NUMBER_COLUMNS) | set(WORD_COLUMNS)
    missing = {
        f"{name} {option.opts[0]}"
        for name, command in COMMANDS.items()
        for option in command.params
        if isinstance(option, click.Option)
        and re.search(r"[Cc]olumns?\b", option.help or "")
        and not option.opts[0].endswith(("--key", "-from"))  # names of rows, and files: test_companions
    } - tested
    assert missing == set(NOT_TESTED) - tested, missing ^ (set(NOT_TESTED) - tested)
