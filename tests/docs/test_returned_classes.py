"""Every class that a public call returns, raises or warns with has its page, beside its verb."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

import validstats
from tests.public import calls, own_classes, public_objects, returned
from validstats.base import CalibratedEstimator

DOCS = Path(__file__).resolve().parents[2] / "docs"

pytestmark = pytest.mark.skipif(not DOCS.is_dir(), reason="the pages are not installed")


def documented() -> set[str]:
    text = "\n".join(page.read_text(encoding="utf-8") for page in (DOCS / "api").glob("*.md"))
    return set(re.findall(r"^::: validstats\.(?:\w+\.)*(\w+)$", text, flags=re.MULTILINE))


def test_classes_that_calls_return_raise_or_warn_with_have_their_page() -> None:
    known, pages = own_classes(), documented()
    missing: dict[str, list[str]] = {}
    for name, value in public_objects().items():
        for call, function in calls(name, value):
            for kind in returned(function, known) - pages:
                missing.setdefault(kind, []).append(call)
    assert {kind: callers[:3] for kind, callers in sorted(missing.items())} == {}


def test_a_returned_class_is_found_in_annotations_and_in_words() -> None:
    known = own_classes()
    assert returned(validstats.batch.plan_batch, known) == {"BatchPlan"}
    found = returned(validstats.batch.BatchPredictor.infer, known)
    assert {"BatchIntervals", "BatchSets", "NotCalibratedError", "UninformativeWarning"} <= found
    assert "BatchIntervalDisplay" in returned(validstats.batch.BatchIntervals.plot, known)


def test_pages_of_figures_and_errors_list_all_of_them() -> None:
    for page, module in (("figures", "validstats.plotting"), ("errors", "validstats.exceptions")):
        own = {name for name, kind in own_classes().items() if kind.__module__.startswith(module)}
        text = (DOCS / "api" / f"{page}.md").read_text(encoding="utf-8")
        listed = set(re.findall(rf"^::: {module}\.(\w+)$", text, flags=re.MULTILINE))
        assert own <= listed, "run: python docs/make_api.py"


def test_verbs_of_estimators_and_functions_say_what_they_take_and_return() -> None:
    bare = []
    for name, value in public_objects().items():
        if not (
            inspect.isfunction(value) or (inspect.isclass(value) and issubclass(value, CalibratedEstimator))
        ):
            continue
        for call, function in calls(name, value):
            text = inspect.getdoc(function) or ""
            takes = set(inspect.signature(function).parameters) - {"self", "cls"}
            if takes and "Parameters\n---" not in text:
                bare.append(call)
    assert bare == []
