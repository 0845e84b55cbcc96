"""Every class that a public call returns, raises or warns with has its page, beside its verb."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import validstats

DOCS = Path(__file__).resolve().parents[2] / "docs"
PACKAGES = ("batch", "holdout", "dsl", "mi", "evals")
SECTION = re.compile(r"^(Returns|Yields|Raises|Warns)\n-{3,}\n(.*?)(?=^\w[\w ]*\n-{3,}|\Z)", re.M | re.S)

pytestmark = pytest.mark.skipif(not DOCS.is_dir(), reason="the pages are not installed")


def public_objects() -> dict[str, Any]:
    """What users import: the top level and the doors of the domains."""
    found = {f"validstats.{name}": getattr(validstats, name) for name in validstats.__all__}
    for package in PACKAGES:
        module = importlib.import_module(f"validstats.{package}")
        found.update({f"{package}.{name}": getattr(module, name) for name in module.__all__})
    return found


def own_classes() -> dict[str, type]:
    """Every class of the package by name, private ones and those that need torch left out."""
    found: dict[str, type] = {}
    for info in pkgutil.walk_packages(validstats.__path__, "validstats."):
        if "training" in info.name or ".cli" in info.name:
            continue
        module = importlib.import_module(info.name)
        for name, value in vars(module).items():
            if inspect.isclass(value) and value.__module__ == info.name and not name.startswith("_"):
                found[name] = value
    return found


def calls(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """A function, or the public methods of a class."""
    if inspect.isfunction(value):
        yield name, value
    elif inspect.isclass(value):
        for method, member in inspect.getmembers(value, inspect.isfunction):
            if not method.startswith("_") and member.__module__.startswith("validstats"):
                yield f"{name}.{method}", member


def returned(function: Any, known: dict[str, type]) -> set[str]:
    """Names of own classes in the annotation and in the docstring of a call."""
    names: set[str] = set()
    try:
        pending = [typing.get_type_hints(function).get("return")]
    except NameError:
        pending = []
    while pending:
        kind = pending.pop()
        if inspect.isclass(kind) and kind.__name__ in known:
            names.add(kind.__name__)
        pending += typing.get_args(kind)
    for _, text in SECTION.findall(inspect.getdoc(function) or ""):
        heads = [line for line in text.splitlines() if line and not line.startswith(" ")]
        words = re.findall(r"[A-Z]\w+", " ".join(heads))
        names |= {word for word in words if word in known}
    return names - {"Any"}


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
    assert "BatchPlanDisplay" in returned(validstats.batch.BatchPlan.plot, known)


def test_pages_of_figures_and_errors_list_all_of_them() -> None:
    for page, module in (("figures", "validstats.plotting"), ("errors", "validstats.exceptions")):
        own = {name for name, kind in own_classes().items() if kind.__module__.startswith(module)}
        text = (DOCS / "api" / f"{page}.md").read_text(encoding="utf-8")
        listed = set(re.findall(rf"^::: {module}\.(\w+)$", text, flags=re.MULTILINE))
        assert own <= listed, "run: python docs/make_api.py"
