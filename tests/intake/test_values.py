"""Kinds of values at every public entry: the right number, or an error that names the argument and the remedy."""

from __future__ import annotations

import importlib
import inspect
import re
import warnings
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.intake.entries import CATEGORY_ENTRIES, ENTRIES, PARTNER, Entry
from tests.intake.kinds import (
    CATEGORIES,
    LENGTHS,
    MISSING,
    NO_COLUMN,
    NUMBERS,
    QUARTERS,
    REFUSED,
    WHOLES,
    WORDS,
)
from tests.intake.test_companions import _OURS, documented


def answered(call: Callable[[Any], Any], values: Any) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.asarray(call(values), dtype=float)


def other_answers(entry: Entry, kinds: dict[str, Any], plain: np.ndarray) -> list[str]:
    """The kinds whose answer is not that of the plain array."""
    expected = answered(entry.call, plain)
    wrong = []
    for kind, make in kinds.items():
        if entry.column and kind in NO_COLUMN:
            continue
        try:
            found = answered(entry.call, make(plain))
        except Exception as error:
            wrong.append(f"{kind}: {type(error).__name__}: {str(error)[:120]}")
            continue
        if not (found.shape == expected.shape and np.allclose(found, expected, rtol=1e-9, equal_nan=True)):
            wrong.append(f"{kind}: {found.ravel()[:3]} in place of {expected.ravel()[:3]}")
    return wrong


def silent_or_raw(entry: Entry, plain: np.ndarray, skipped: frozenset[str] = frozenset()) -> list[str]:
    """The kinds that are neither refused by name nor meant to be taken."""
    found = []
    for kind, make in REFUSED.items():
        if kind in entry.takes | skipped:
            continue
        try:
            answer = answered(entry.call, make(plain))
        except (ValueError, TypeError) as error:
            if not re.search(rf"\b({entry.names})\b", str(error)) or len(str(error)) < 20:
                found.append(f"{kind}: {type(error).__name__} without the name: {str(error)[:120]}")
        except Exception as error:
            found.append(f"{kind}: raw {type(error).__name__}: {str(error)[:120]}")
        else:
            found.append(f"{kind}: silently {answer.ravel()[:3]}")
    return found


SHARES_OF_KINDS = pytest.mark.parametrize(
    "every", [pytest.param(10, id="a tenth"), pytest.param(1, id="all", marks=pytest.mark.slow)]
)


def in_turn(kinds: Iterable[str], name: str, every: int) -> set[str]:
    """Every tenth kind, others for the next entry: all entries meet every kind; with 1 all kinds."""
    turn = sorted({**ENTRIES, **CATEGORY_ENTRIES}).index(name)
    return {kind for i, kind in enumerate(kinds) if (i + turn) % every == 0}


def some(kinds: dict[str, Any], name: str, every: int) -> dict[str, Any]:
    chosen = in_turn(kinds, name, every)
    return {kind: make for kind, make in kinds.items() if kind in chosen}


@SHARES_OF_KINDS
@pytest.mark.parametrize("name", sorted(ENTRIES))
def test_numbers_are_numbers_in_any_dress(name, every) -> None:
    entry = ENTRIES[name]
    if entry.numbers is not None:
        assert not other_answers(entry, some(NUMBERS, name, every), entry.numbers)
    if entry.wholes is not None:
        assert not other_answers(entry, some(WHOLES, name, every), entry.wholes)


@SHARES_OF_KINDS
@pytest.mark.parametrize("name", sorted(CATEGORY_ENTRIES))
def test_categories_are_categories_in_any_dress(name, every) -> None:
    assert not other_answers(CATEGORY_ENTRIES[name], some(CATEGORIES, name, every), WORDS)


def test_every_kind_is_met_in_the_fast_lane() -> None:
    for kinds in (NUMBERS, WHOLES, REFUSED):
        assert set().union(*(in_turn(kinds, name, 10) for name in ENTRIES)) == set(kinds)
    assert set().union(*(in_turn(CATEGORIES, name, 10) for name in CATEGORY_ENTRIES)) == set(CATEGORIES)


@SHARES_OF_KINDS
@pytest.mark.parametrize("name", sorted(ENTRIES))
def test_what_is_no_number_is_refused_by_name(name, every) -> None:
    entry = ENTRIES[name]
    others = frozenset(REFUSED) - in_turn(REFUSED, name, every)
    assert not silent_or_raw(entry, np.ones(80) if entry.numbers is None else entry.numbers, others)


@pytest.mark.share(3)
@pytest.mark.parametrize("name", sorted(CATEGORY_ENTRIES))
def test_what_is_no_category_is_refused_by_name(name) -> None:
    entry = CATEGORY_ENTRIES[name]
    kinds = {
        kind
        for kind in REFUSED
        if kind in ("complex", "bytes", "records", "dictionaries", "sets", "functions")
    }
    kinds |= (
        {"numbers and text", "sparse", "three dimensions"} | MISSING - {"masked"} | LENGTHS - {"a scalar"}
    )
    assert not silent_or_raw(entry, np.ones(80), frozenset(REFUSED) - kinds)


def answer_or_refusal(call: Callable[[Any], Any], values: Any) -> np.ndarray | str:
    try:
        return answered(call, values)
    except ValueError as error:
        return str(error)


OF_MI = [name for name in sorted(ENTRIES) if name.startswith(("mutual_info", "conditional", "MISelector"))]


@pytest.mark.share(5)
@pytest.mark.parametrize("power", [990, 460, -700, -1070])
@pytest.mark.parametrize("name", OF_MI)
def test_sizes_change_no_mutual_information_or_are_refused_by_name(name, power) -> None:
    entry = ENTRIES[name]
    assert entry.numbers is not None
    found = answer_or_refusal(entry.call, entry.numbers * 2.0**power)
    if isinstance(found, str):
        assert power > 900 and re.search(rf"\b({entry.names})\b.* size.*rescale", found)
    else:
        np.testing.assert_allclose(found, answered(entry.call, entry.numbers), rtol=1e-9)


@pytest.mark.parametrize("power", [990, 460, 100, -100, -470, -1070])
def test_sizes_of_covariates_scale_coefficients_or_are_refused_by_name(power) -> None:
    call = ENTRIES["DesignSupervised.fit covariate"].call
    found = answer_or_refusal(call, QUARTERS * 2.0**power)
    if isinstance(found, str):
        assert abs(power) > 450 and re.search(r"variable 'q' has values of size .*rescale", found)
    else:
        np.testing.assert_allclose(found * [1.0, 2.0**power], answered(call, QUARTERS), rtol=1e-6)


@pytest.mark.share(3)
@pytest.mark.parametrize("names", [("z", "y", "x"), ("x", "z", "y"), ("none", "low", "high")])
def test_names_of_categories_change_no_mutual_information(names) -> None:
    from validstats import independence_test, mutual_info
    from validstats.mi import distance_correlation

    renamed = np.array(names)[np.unique(WORDS, return_inverse=True)[1]]
    for name, entry in CATEGORY_ENTRIES.items():
        if name in OF_MI or name.startswith("independence_test"):
            np.testing.assert_array_equal(
                answered(entry.call, renamed), answered(entry.call, WORDS), err_msg=name
            )
    calls = (
        lambda v: mutual_info(v, PARTNER, certify=False).estimate,
        lambda v: mutual_info(v, PARTNER > 0, method="plug-in", certify=False).estimate,
        lambda v: independence_test(v, PARTNER, n_permutations=19, random_state=0).statistic,
    )
    for call in calls:
        assert answered(call, renamed) == answered(call, WORDS)
    assert distance_correlation(renamed, PARTNER) == pytest.approx(
        distance_correlation(WORDS, PARTNER), rel=1e-13
    )


def test_two_columns_of_one_name_are_refused_by_name() -> None:
    from validstats import mutual_info_matrix

    twice = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 3)), columns=["b", "a", "a"])
    with pytest.raises(ValueError, match="data has several columns of the name 'a'; rename them"):
        mutual_info_matrix(twice, method="gaussian")


# --- no entry is forgotten --------------------------------------------------------------------------------

_VALUES = re.compile(r"array-like|ndarray|\barray\b|sequence of (float|number)", re.IGNORECASE)
_OF_THE_PACKAGE = re.compile(
    r"Display$|^(EValue|Rejections|JointSample|Pilot|EvalTable|Pipeline|FlowFamily|FamilyMixture)$"
)
"""What is built of the package's own numbers, inner classes of extensions, and scikit-learn's own methods."""
_INHERITED = ("fit_transform", "get_feature_names_out", "inverse_transform")
ELSEWHERE = {
    "X": "rows: they go to the learner; read by mi, whose entries are x, y and the columns",
    "units": "rows; their columns are entries of DesignSupervised",
    "input_features": "names",
    "discrete_features": "truth values a column",
    "sizes": "whole numbers of a plan",
    "k": "whole numbers of a plan",
    "confidence_level": "levels: tests of arguments",
    "restrictions": "a matrix of numbers that the caller computes: tests of Wald tests",
    "ids": "names of rows: test_companions and test_alignment",
    "data": "frames: their columns are entries",
    "source": "frames: their columns are entries",
    "sources": "frames: test_doctor_says_what_a_column_is",
    "start": "predictions, as target",
    "values": "one value a batch: BatchIntervals.by_batch and betting_e_value",
}
THE_SAME = {
    ("BatchPredictor.fit", "batches"): "BatchPredictor.calibrate batches",
    ("BatchEnvelopes.plot", "truth"): "sorted scores of a batch: tests of envelopes",
    ("CoefficientResult.plot", "truth"): "one value a coefficient: test_companions",
    ("BatchIntervals.plot", "truth"): "BatchIntervals.by_batch truth",
    ("LearnedMI.infer", "clusters"): "check_groups, with ten units at least: tests of rows of mi",
    ("mutual_info", "clusters"): "check_groups, with ten units at least: tests of rows of mi",
    ("audit_looks", "results"): "a table of 0 and 1: tests of audit",
    ("DesignSupervised.calibrate", "sampling_probability"): "DesignSupervised.calibrate probability",
    ("ReusableHoldout.extend", "clusters"): "ReusableHoldout.calibrate clusters",
    ("ReusableHoldout.calibrate", "classes"): "tests of calibrate",
    ("BatchQuantile", "q"): "levels of a target: tests of targets",
}
"""Arguments that another entry stands for, or another test."""


def public_arguments() -> set[tuple[str, str]]:
    """Arguments of public calls that are documented as arrays."""
    found = set()
    for module in ("batch", "holdout", "dsl", "mi", "evals", "plotting"):
        door = importlib.import_module(f"validstats.{module}")
        for name in door.__all__:
            value = getattr(door, name)
            if _OF_THE_PACKAGE.search(name) or (
                inspect.isclass(value) and any(base.__name__ in _OURS for base in value.__mro__)
            ):
                continue
            calls = {name: value}
            if inspect.isclass(value):
                methods = {k: inspect.getattr_static(value, k) for k in dir(value) if k[0] != "_"}
                plain = {k: getattr(v, "fn", v) for k, v in methods.items() if k not in _INHERITED}
                calls |= {f"{name}.{k}": v for k, v in plain.items() if inspect.isfunction(v)}
            for call, function in calls.items():
                prefix = f"evals.{call}" if module == "evals" else call
                found |= {(prefix, a) for a, kind in documented(function) if _VALUES.search(kind)}
    return found


def test_every_argument_that_is_an_array_has_an_entry() -> None:
    tables = {*ENTRIES, *CATEGORY_ENTRIES}
    covered = {(title.rsplit(" ", 1)[0], name) for title in tables for name in title.rsplit(" ", 1)[1:]}
    covered |= {("ReusableHoldout.fit", "y"), ("ReusableHoldout.calibrate", "y")}
    asked = public_arguments()
    missing = {(c, a) for c, a in asked if a not in ELSEWHERE} - covered - set(THE_SAME)
    assert not missing, f"write an entry in tests/intake/entries.py for {sorted(missing)}"
    assert len(asked) > 80 and ("BatchPredictor.fit", "y") in asked and ("e_lond", "e_values") in asked


def test_doctor_says_what_a_column_is() -> None:
    from validstats import evals

    for kind, make in (NUMBERS | REFUSED).items():
        if kind in NO_COLUMN:
            continue
        try:
            data = pd.DataFrame({"item": np.arange(80)}).assign(score=make(QUARTERS))
        except OverflowError:
            continue  # pandas 2 itself refuses whole numbers that no float holds
        found = answer_or_refusal(
            lambda given: len(evals.doctor(given, judge="score").to_dict()["checks"]), data
        )
        assert not isinstance(found, str) or (kind in REFUSED and "score" in found), kind
