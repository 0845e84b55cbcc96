"""Public names, members and parameters of 0.1.0: each is still there, or the changelog says what stands for it."""

from __future__ import annotations

import functools
import importlib
import inspect
import json
import re
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
EARLIER = json.loads((HERE / "names_of_0_1_0.json").read_text(encoding="utf-8"))
CHANGELOG = HERE.parent / "CHANGELOG.md"

pytestmark = pytest.mark.skipif(not CHANGELOG.exists(), reason="the changelog is not installed")


@functools.cache
def mentioned() -> frozenset[str]:
    """Words in code marks of what the changelog says about 0.2.0."""
    text = CHANGELOG.read_text(encoding="utf-8").partition("## 0.2.0")[2].partition("\n## 0.1.0")[0]
    return frozenset(word for code in re.findall(r"`([^`]+)`", text) for word in re.findall(r"\w+", code))


def parameters(call: Any) -> set[str]:
    try:
        return set(inspect.signature(call).parameters)
    except (TypeError, ValueError):
        return set()


def members(value: Any) -> set[str]:
    """Attributes of a class: methods, properties, fields, and what its constructor takes."""
    found = set(dir(value)) | parameters(value)
    for base in value.__mro__:
        found |= set(getattr(base, "__annotations__", {}))
    return found


@pytest.mark.parametrize("door", sorted(EARLIER["doors"]))
def test_names_of_a_door_are_there_or_in_the_changelog(door: str) -> None:
    module, said = importlib.import_module(door), mentioned()
    assert [n for n in EARLIER["doors"][door] if not hasattr(module, n) and n not in said] == []


@pytest.mark.parametrize("door", sorted(EARLIER["doors"]))
def test_members_and_parameters_are_there_or_in_the_changelog(door: str) -> None:
    module = importlib.import_module(door)
    calls = {n.rpartition(".")[2]: c for n, c in EARLIER["calls"].items() if n.rpartition(".")[0] == door}
    gone = {
        name: what_is_gone(getattr(module, name), c) for name, c in calls.items() if hasattr(module, name)
    }
    assert {name: parts for name, parts in gone.items() if parts} == {}


def what_is_gone(value: Any, earlier_calls: dict[str, Any]) -> list[str]:
    """Members and parameters of 0.1.0 that are not there and not in the changelog."""
    gone, said = [], mentioned()
    for member, earlier in earlier_calls.items():
        call = value if member == "()" else getattr(value, member, None)
        if member != "()" and member not in members(value):
            gone += [member]
        elif isinstance(earlier, list) and (now := parameters(call)):
            gone += [f"{member}({p}=)" for p in earlier if p not in now and p not in said]
    return [part for part in gone if part not in said]


def test_what_is_gone_without_a_word_is_noticed() -> None:
    assert "SequentialLabelling" in mentioned() and "a_name_that_never_was" not in mentioned()
    assert "a_name_that_never_was" not in members(int)
