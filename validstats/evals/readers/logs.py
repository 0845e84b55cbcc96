"""Logs of lm-evaluation-harness, promptfoo and deepeval, and score tables of ragas."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from validstats.evals.readers.document import Document
from validstats.evals.readers.errors import EvalFileError
from validstats.evals.readers.recordset import Rows, scalar_columns
from validstats.evals.readers.table import EvalTable
from validstats.evals.readers.values import score_of

__all__ = [
    "read_deepeval",
    "read_lm_eval",
    "read_promptfoo",
    "read_ragas",
    "recognise_deepeval",
    "recognise_lm_eval",
    "recognise_promptfoo",
    "recognise_ragas",
]

_LM_EVAL_FILE = re.compile(r"samples_(?P<task>.+)_\d{4}-\d{2}-\d{2}T[\d.:-]+$")


def recognise_lm_eval(document: Document) -> bool:
    """Records with ``doc_id``, ``doc_hash`` and ``filter``."""
    return document.kind == "records" and {"doc_id", "doc_hash", "filter"} <= document.names


def read_lm_eval(document: Document, keep_text: bool) -> EvalTable:
    """One row a document and filter; the system is the folder's name, the task is in the file's name."""
    rows = Rows(document)
    named = _LM_EVAL_FILE.fullmatch(document.stem)
    task = named["task"] if named else document.stem
    for number, record in enumerate(document.value, start=1):
        if "doc_id" not in record or "filter" not in record:
            raise EvalFileError(f"Record {number} of {document.name} has no doc_id or no filter.")
        metrics = record.get("metrics")
        if not isinstance(metrics, list) or not metrics:
            raise EvalFileError(f"Record {number} of {document.name} names no metrics.")
        doc = record.get("doc")
        rows.add(
            item=str(record["doc_id"]),
            system=document.folder,
            task=task,
            filter_name=str(record["filter"]),
            content=record.get("doc_hash"),
            scores={str(m): _score(record.get(str(m)), str(m), document) for m in metrics},
            others=scalar_columns(doc) if isinstance(doc, Mapping) else {},
        )
    return rows.table("lm_eval", keep_text=keep_text)


def recognise_promptfoo(document: Document) -> bool:
    """A JSON object with ``results.results`` whose entries have promptIdx and testIdx."""
    return document.kind == "json" and _promptfoo_rows(document.value) is not None


def _promptfoo_rows(value: Mapping[str, Any]) -> list[Any] | None:
    results = value.get("results")
    rows = results.get("results") if isinstance(results, Mapping) else None
    if isinstance(rows, list) and rows and isinstance(rows[0], Mapping) and "testIdx" in rows[0]:
        return rows
    return None


def read_promptfoo(document: Document, keep_text: bool) -> EvalTable:
    """One row a test and prompt; a component of type human is the humans' score, failureReason 2 an error row."""
    entries = _promptfoo_rows(document.value) or []
    for number, entry in enumerate(entries, start=1):
        if not isinstance(entry, Mapping) or "testIdx" not in entry:
            raise EvalFileError(f"Result {number} of {document.name} has no testIdx.")
    providers = [_provider(entry) for entry in entries]
    prompts_of: dict[str, set[Any]] = {}
    for entry, provider in zip(entries, providers, strict=True):
        prompts_of.setdefault(provider, set()).add(str(entry.get("promptIdx")))
    rows = Rows(document)
    seen: Counter[tuple[str, str]] = Counter()
    for entry, provider in zip(entries, providers, strict=True):
        system = (
            provider if len(prompts_of[provider]) == 1 else f"{provider} (prompt {entry.get('promptIdx')})"
        )
        item = str(entry["testIdx"])
        seen[item, system] += 1
        failed = bool(entry.get("error")) or entry.get("failureReason") == 2
        judged, human = _components(entry)
        named = entry.get("namedScores")
        scores: dict[str, float] = {
            "success": _score(entry.get("success") if judged is None else judged, "success", document)
        }
        scores["score"] = _score(entry.get("score"), "score", document)
        if isinstance(named, Mapping):
            scores.update({str(k): _score(v, str(k), document) for k, v in named.items()})
        variables = entry.get("vars")
        rows.add(
            item=item,
            system=system,
            sample=seen[item, system],
            error=failed,
            human=human,
            content=variables,
            scores=scores,
            others=scalar_columns(variables) if isinstance(variables, Mapping) else {},
        )
    return rows.table("promptfoo", keep_text=keep_text, judge="success")


def _provider(entry: Mapping[str, Any]) -> str:
    provider = entry.get("provider")
    if isinstance(provider, Mapping):
        return str(provider.get("label") or provider.get("id") or "provider")
    return str(provider or "provider")


def _components(entry: Mapping[str, Any]) -> tuple[bool | None, float | None]:
    """What the automatic components say where a human rated too, and the human's rating."""
    grading = entry.get("gradingResult")
    parts = grading.get("componentResults") if isinstance(grading, Mapping) else None
    automatic, human = [], None
    for part in parts if isinstance(parts, list) else []:
        if not isinstance(part, Mapping):
            continue
        assertion = part.get("assertion")
        if isinstance(assertion, Mapping) and assertion.get("type") == "human":
            human = float(bool(part.get("pass")))
        else:
            automatic.append(bool(part.get("pass")))
    # A manual rating replaces the row's success, so the judge's own verdict is that of the other components.
    return (all(automatic) if human is not None and automatic else None), human


def recognise_deepeval(document: Document) -> bool:
    """A JSON object whose ``testCases`` have ``metricsData``."""
    if document.kind != "json":
        return False
    cases = document.value.get("testCases")
    return (
        isinstance(cases, list)
        and bool(cases)
        and isinstance(cases[0], Mapping)
        and "metricsData" in cases[0]
    )


def read_deepeval(document: Document, keep_text: bool) -> EvalTable:
    """One row a test case, a column a metric; the system is the file's name."""
    rows = Rows(document)
    cases = document.value["testCases"]
    names = [str(c.get("name", i)) if isinstance(c, Mapping) else "" for i, c in enumerate(cases)]
    unique = len(set(names)) == len(names)
    for number, case in enumerate(cases):
        if not isinstance(case, Mapping):
            raise EvalFileError(f"Test case {number + 1} of {document.name} is no JSON object.")
        metrics = case.get("metricsData")
        scores: dict[str, float] = {}
        for metric in metrics if isinstance(metrics, list) else []:
            if isinstance(metric, Mapping):
                name = str(metric.get("name"))
                scores[name] = _score(metric.get("score"), name, document)
                scores[f"{name} passed"] = _score(metric.get("success"), f"{name} passed", document)
        scores["success"] = _score(case.get("success"), "success", document)
        metadata = case.get("metadata") or case.get("additionalMetadata")
        rows.add(
            item=names[number] if unique else str(number),
            system=document.stem,
            content=case.get("input"),
            scores=scores,
            others=scalar_columns(metadata) if isinstance(metadata, Mapping) else {},
        )
    return rows.table("deepeval", keep_text=keep_text, judge="success")


_RAGAS_TEXT = (
    "user_input",
    "retrieved_contexts",
    "response",
    "reference",
    "reference_contexts",
    "rubrics",
    "multi_responses",
)


def recognise_ragas(document: Document) -> bool:
    """Records with ``user_input`` or ``response`` and numbers, and no column that names items or judges."""
    names = document.names
    return bool(
        {"user_input"} & names or ({"response"} & names and {"reference", "retrieved_contexts"} & names)
    ) and not (names & {"item", "item_id", "judge", "winner", "task_id", "prompt_id"})


def read_ragas(document: Document, keep_text: bool) -> EvalTable:
    """One row a question, a column a metric; the system is the file's name."""
    records = document.value if document.kind == "records" else document.value.to_dict("records")
    texts = [str(record.get("user_input", record.get("response"))) for record in records]
    unique = len(set(texts)) == len(texts)
    rows = Rows(document)
    for number, record in enumerate(records):
        scores, others = {}, {}
        for name, value in record.items():
            if str(name).lower() in _RAGAS_TEXT:
                continue
            number_or_none = None if isinstance(value, str) else score_of(value)
            if number_or_none is None and not isinstance(value, list | dict):
                others[str(name)] = value
            elif number_or_none is not None:
                scores[str(name)] = number_or_none
        rows.add(
            item=texts[number] if unique and len(texts[number]) <= 80 else str(number),
            system=document.stem,
            content=texts[number],
            scores=scores,
            others=scalar_columns(others),
        )
    return rows.table("ragas", keep_text=keep_text)


def _score(value: Any, name: str, document: Document) -> float:
    number = score_of(value) if not isinstance(value, list | dict) else None
    if number is None:
        raise EvalFileError(f"{name!r} in {document.name} is {str(value)[:40]!r}, which is no score.")
    return number
