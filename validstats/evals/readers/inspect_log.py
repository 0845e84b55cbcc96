"""Inspect logs: the zip archive with Zstandard or deflate members, and the JSON form."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from validstats.evals.readers.document import Document
from validstats.evals.readers.errors import EvalFileError
from validstats.evals.readers.limits import Zip
from validstats.evals.readers.recordset import Rows, scalar_columns
from validstats.evals.readers.table import Check, EvalTable
from validstats.evals.readers.values import score_of

__all__ = ["read_inspect", "recognise_inspect"]


def recognise_inspect(document: Document) -> bool:
    """A zip archive with header.json, or a JSON object with ``eval`` and ``samples``."""
    if document.kind == "zip":
        if "header.json" not in document.value.names:
            raise EvalFileError(
                f"{document.name} is a zip archive without header.json, so it is no finished Inspect log; "
                "unpack it and name the files in it."
            )
        return True
    return (
        document.kind == "json"
        and isinstance(document.value.get("eval"), dict)
        and "samples" in document.value
    )


def read_inspect(document: Document, keep_text: bool) -> EvalTable:
    """One row a sample and epoch, one column a scorer (and key of a scorer with several values)."""
    if document.kind == "zip":
        header, samples = _from_zip(document.value)
    else:
        header, samples = document.value, document.value["samples"]
    about = header.get("eval") if isinstance(header, dict) else None
    if not isinstance(about, dict) or not isinstance(samples, list) or not samples:
        raise EvalFileError(f"{document.name} is an Inspect log without samples; was the run finished?")
    rows = Rows(document)
    model, task = str(about.get("model", document.stem)), str(about.get("task", ""))
    for number, sample in enumerate(samples):
        if not isinstance(sample, Mapping):
            raise EvalFileError(f"Sample {number + 1} of {document.name} is no JSON object.")
    # The JSON form lists epoch by epoch, the archive item by item: one log is one table, and has one answer.
    places: dict[str, int] = {}
    for number, sample in sorted(
        enumerate(samples), key=lambda pair: places.setdefault(str(pair[1].get("id", pair[0])), len(places))
    ):
        metadata = sample.get("metadata")
        rows.add(
            item=str(sample.get("id", number)),
            sample=sample.get("epoch", 1),
            system=model,
            task=task,
            error=bool(sample.get("error")),
            content=sample.get("input"),
            scores=dict(_scores(sample.get("scores"), document.name)),
            others=scalar_columns(metadata) if isinstance(metadata, Mapping) else {},
        )
    checks = []
    if header.get("status") not in (None, "success"):
        checks.append(
            Check(
                "unfinished",
                "warning",
                f"{document.name} has status {str(header['status'])[:40]!r}, not success.",
            )
        )
    if header.get("invalidated"):
        checks.append(Check("invalidated", "warning", f"{document.name} was marked as invalid."))
    return rows.table("inspect", checks=checks, keep_text=keep_text)


def _from_zip(archive: Zip) -> tuple[Any, Any]:
    """Header and samples: ``summaries.json`` holds all scores, else every sample has a file."""
    header = archive.read_json("header.json")
    if not isinstance(header, dict):
        raise EvalFileError(f"The header of {archive.name} is no JSON object.")
    if "summaries.json" in archive.names:
        return header, archive.read_json("summaries.json")
    files = [name for name in archive.names if name.startswith("samples/") and name.endswith(".json")]
    return header, [archive.read_json(name) for name in files]


def _scores(scores: Any, name: str) -> Iterable[tuple[str, Any]]:
    """Scorer and value; a dictionary of values gives a column a key, other values count as unscored."""
    if not isinstance(scores, Mapping):
        return
    for scorer, score in scores.items():
        value = score.get("value") if isinstance(score, Mapping) else score
        if isinstance(value, Mapping):
            for key, part in value.items():
                yield f"{scorer}.{key}", _number(part, scorer, name)
        elif not isinstance(value, list):
            yield str(scorer), _number(value, scorer, name)


def _number(value: Any, scorer: Any, name: str) -> float:
    number = score_of(value) if not isinstance(value, dict | list) else math.nan
    if number is None:
        raise EvalFileError(
            f"The scorer {str(scorer)!r} of {name} gave {str(value)[:40]!r}, which is no score; values are numbers or C, I, "
            "P, N."
        )
    return number
