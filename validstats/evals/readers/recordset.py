"""Rows that a log reader collects, one a graded answer, turned into a table with roles."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from validstats.evals.readers.document import Document
from validstats.evals.readers.errors import EvalFileError
from validstats.evals.readers.table import Check, EvalTable
from validstats.intake import is_missing

__all__ = ["CLUSTER_NAMES", "Rows", "category_columns", "content_digest", "scalar_columns"]

CLUSTER_NAMES = ("passage", "document", "conversation", "user")
"""Columns that may say which items depend on each other."""

_CANONICAL = ("item", "system", "sample", "task", "filter", "error", "human", "content")
_LONGEST = 80
_MOST_KINDS = 50


def content_digest(value: Any) -> str:
    """Digest of what an item asks, to notice other content under one name."""
    if not hasattr(value, "__len__") and is_missing(value):
        return ""
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def scalar_columns(values: Mapping[Any, Any]) -> dict[str, Any]:
    """Short values of a record: numbers, truth values, and texts of at most 80 characters."""
    kept: dict[str, Any] = {}
    for key, value in values.items():
        name = str(key)
        if isinstance(value, bool | int | float) or (isinstance(value, str) and len(value) <= _LONGEST):
            kept[f"{name} (metadata)" if name in _CANONICAL else name] = value
    return kept


class Rows:
    """Rows in the making: items, systems, scores and other columns of a log."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self._rows: list[dict[str, Any]] = []
        self._scores: dict[str, None] = {}
        self._others: dict[str, None] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def add(
        self,
        *,
        item: str,
        scores: Mapping[str, float],
        system: str | None = None,
        sample: Any = None,
        task: str | None = None,
        filter_name: str | None = None,
        error: bool | None = None,
        human: float | None = None,
        content: Any = None,
        others: Mapping[str, Any] | None = None,
    ) -> None:
        """Add one graded answer."""
        row: dict[str, Any] = {"item": item}
        for name, value in (
            ("system", system),
            ("sample", sample),
            ("task", task),
            ("filter", filter_name),
            ("error", error),
            ("human", human),
        ):
            if value is not None:
                row[name] = value
        if content is not None:
            row["content"] = content_digest(content)
            row["_text"] = content if isinstance(content, str) else json.dumps(content, default=str)
        for name, value in scores.items():
            key = f"{name} (score)" if name in _CANONICAL else name
            self._scores[key] = None
            row[key] = value
        for name, value in (others or {}).items():
            if name not in self._scores:
                self._others[name] = None
                row[name] = value
        self._rows.append(row)

    def table(
        self,
        format_name: str,
        *,
        checks: Iterable[Check] = (),
        keep_text: bool = False,
        judge: str | None = None,
    ) -> EvalTable:
        """The table, with the roles of its columns."""
        import pandas as pd

        present = [name for name in _CANONICAL if any(name in row for row in self._rows)]
        names = [*present, *self._scores, *(n for n in self._others if n not in self._scores)]
        frame = pd.DataFrame({name: [row.get(name) for row in self._rows] for name in names})
        for name in (*self._scores, *(["human"] if "human" in present else [])):
            frame[name] = np.array([math.nan if v is None else v for v in frame[name]], dtype=float)
        if keep_text and any("_text" in row for row in self._rows):
            frame["text"] = [row.get("_text") for row in self._rows]
        roles = {name: name for name in present}
        scores = tuple(n for n in self._scores if frame[n].notna().any()) or tuple(self._scores)
        found = list(checks)
        if "human" not in roles:
            partial = [n for n in scores if frame[n].isna().any()]
            complete = [n for n in scores if not frame[n].isna().any()]
            if format_name == "inspect" and len(partial) == 1 and complete:
                roles["human"] = partial[0]
                found.append(
                    Check(
                        "human-guessed",
                        "note",
                        f"{partial[0]!r} scored {int(frame[partial[0]].notna().sum())} of {len(frame)} samples only; it is "
                        "taken as the humans' score. Pass human= to choose.",
                    )
                )
        judges = [n for n in scores if n != roles.get("human")]
        if judge is not None:
            roles["judge"] = judge
        elif len(judges) == 1:
            roles["judge"] = judges[0]
        if not scores:
            raise EvalFileError(f"{self.document.name} holds no score.")
        return EvalTable(
            frame=frame,
            format=format_name,
            roles=roles,
            scores=scores,
            clusters=tuple(n for n in frame.columns if n.lower() in CLUSTER_NAMES),
            categories=category_columns(frame, (*roles.values(), *scores)),
            checks=(*self.document.checks, *found),
            files=(self.document.input_file(format_name, len(frame)),),
        )


def category_columns(frame: Any, taken: Sequence[str], item: str = "item") -> tuple[str, ...]:
    """Columns of short texts with 2 to 50 values, each shared by two items or more on average."""
    kept = []
    n_items = frame[item].nunique() if item in frame.columns else len(frame)
    for name in frame.columns:
        if name in taken or name.lower() in CLUSTER_NAMES:
            continue
        values = [v for v in frame[name].tolist() if isinstance(v, str) and v]
        kinds = set(values)
        if (
            2 <= len(kinds) <= _MOST_KINDS
            and 2 * len(kinds) <= min(n_items, len(values))
            and max(map(len, kinds)) <= _LONGEST
        ):
            kept.append(name)
    return tuple(kept)
