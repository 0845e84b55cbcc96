"""What users import, the calls among it, and the classes of the package that these return, raise or warn with."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import typing
from collections.abc import Iterator
from typing import Any

import validstats

PACKAGES = ("batch", "holdout", "dsl", "mi", "evals")
SECTION = re.compile(r"^(Returns|Yields|Raises|Warns)\n-{3,}\n(.*?)(?=^\w[\w ]*\n-{3,}|\Z)", re.M | re.S)


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
    names = {kind.__name__ for kind in annotated(function) if kind.__name__ in known}
    for _, text in SECTION.findall(inspect.getdoc(function) or ""):
        heads = [line for line in text.splitlines() if line and not line.startswith(" ")]
        words = re.findall(r"[A-Z]\w+", " ".join(heads))
        names |= {word for word in words if word in known}
    return names - {"Any"}


def annotated(function: Any) -> set[type]:
    """Classes in the annotation of what a call returns."""
    found: set[type] = set()
    try:
        pending = [typing.get_type_hints(function).get("return")]
    except NameError:
        return found
    while pending:
        kind = pending.pop()
        if inspect.isclass(kind):
            found.add(kind)
        pending += typing.get_args(kind)
    return found
