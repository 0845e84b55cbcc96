"""Tables of scores: long, wide, battles, repeated samples, oracle slices and counts of successes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from validstats.evals.readers.document import Document
from validstats.evals.readers.errors import EvalFileError
from validstats.evals.readers.recordset import CLUSTER_NAMES, category_columns, content_digest
from validstats.evals.readers.table import Check, EvalTable
from validstats.evals.readers.values import WORDS, argument_of, as_scores, looks_like_scores, words_of

__all__ = ["ROLE_NAMES", "read_table", "table_of_frame"]

ROLE_NAMES: Mapping[str, tuple[str, ...]] = {
    "item": (
        "item",
        "item_id",
        "id",
        "prompt_id",
        "question_id",
        "doc_id",
        "example_id",
        "problem",
        "problem_id",
        "task_id",
    ),
    "system": ("system", "model", "model_id", "policy", "variant"),
    "sample": ("sample", "epoch", "trial", "run"),
    "judge": ("judge", "judge_score", "verdict", "llm_label"),
    "human": ("human", "gold", "oracle_label", "expert"),
    "probability": (
        "sampling_probability",
        "audit_probability",
        "labelling_probability",
        "probability",
        "pi",
    ),
    "task": ("task",),
    "filter": ("filter",),
    "error": ("error",),
}
"""Names by which columns are recognised, in lower case."""

_SCORE_NAMES = ("passed", "score", "correct", "success", "is_correct", "acc", "accuracy", "exact_match")
_AUDIT_NAMES = ("audit", "audited", "audit_label")
_BATTLE_PAIRS = (("model_a", "model_b"), ("system_a", "system_b"))
_WINNER_NAMES = ("winner", "outcome", "preference")
_HUMAN_WINNERS = ("human_winner", "gold_winner", "human")
_CONTENT_NAMES = ("doc_hash", "content_hash", "question", "prompt", "input", "user_input")
_TEXT_NAMES = (
    "question",
    "prompt",
    "input",
    "user_input",
    "response",
    "answer",
    "output",
    "completion",
    "target",
    "text",
    "reference",
    "doc",
    "resps",
    "arguments",
    "filtered_resps",
)
_LONG_TEXT = 80


_MOST_SAMPLES = 100_000
"""Samples of an item in a table of counts, each of which becomes a row where samples are counted."""


def read_table(document: Document, keep_text: bool) -> EvalTable:
    """A table from any columns: roles by name, the format by which roles there are."""
    import pandas as pd

    if document.kind == "records":
        names = list(dict.fromkeys(str(key) for row in document.value for key in row))
        frame = pd.DataFrame({name: [row.get(name) for row in document.value] for name in names})
    elif document.kind == "table":
        frame = document.value
    elif isinstance(document.value, dict) and {"results", "n-samples"} <= set(document.value):
        raise EvalFileError(
            f"{document.name} holds the totals of lm-evaluation-harness, not its answers; run it with --log_samples and take "
            "samples_*.jsonl."
        )
    else:
        raise EvalFileError(
            f"{document.name} is JSON of no known tool. Known are Inspect, lm-evaluation-harness, promptfoo, deepeval and "
            "ragas; otherwise save one row an answer as CSV, JSONL or Parquet."
        )
    table = table_of_frame(frame, document.name, given=document.given, keep_text=keep_text)
    return _with_file(table, document)


def _with_file(table: EvalTable, document: Document) -> EvalTable:
    from dataclasses import replace

    file = document.input_file(table.format, len(document.value))
    return replace(table, files=(file,), checks=(*document.checks, *table.checks))


def table_of_frame(
    frame: Any, name: str = "the data", *, given: Mapping[str, str] | None = None, keep_text: bool
) -> EvalTable:
    """Find the roles of the columns of a frame; ``given`` roles are taken as they are."""
    given = dict(given or {})
    frame = frame.rename(columns={c: str(c) for c in frame.columns})
    for role, column in given.items():
        if column not in frame.columns:
            raise EvalFileError(
                f"{argument_of(role)}= names the column {column!r}, which {name} does "
                "not have; its columns are "
                f"{', '.join(map(repr, frame.columns))}."
            )
    lower = {str(column).lower(): str(column) for column in frame.columns}
    pair = next((p for p in _BATTLE_PAIRS if all(n in lower for n in p)), None)
    winner = next((lower[n] for n in _WINNER_NAMES if n in lower), None)
    if pair is not None and winner is not None:
        return _battles(frame, lower, pair, winner, given, keep_text)
    wide = _wide_roles(frame, given)
    if wide:
        return _melted(frame, wide, given, name, keep_text)
    if "samples" in lower and "item" in {**given, **lower} and len(frame.columns) >= 3:
        counts = _counts(frame, lower, name)
        if counts is not None:
            return counts
    roles = {**_roles(lower, given, name), **given}
    frame, checks = _prepared(frame, roles, keep_text)
    scores = _score_columns(frame, roles, lower)
    audit = next((lower[n] for n in _AUDIT_NAMES if n in lower), None)
    if audit is not None and "human" not in roles and looks_like_scores(frame[audit].tolist()):
        roles["human"] = audit
    judges = [column for role, column in roles.items() if role.split()[0] == "judge"]
    for scored in dict.fromkeys([*judges, roles.get("human"), *scores]):
        if scored is not None:
            values = frame[scored].tolist()
            checks += _words(values, scored)
            frame[scored] = as_scores(values, scored)
            if scored in judges and frame[scored].isna().any():
                checks.append(_abstentions(frame[scored], scored))
    if "judge" not in roles and "human" in roles:
        others = [s for s in scores if s != roles["human"]]
        if len(others) == 1:
            roles["judge"] = others[0]
    scores = tuple(dict.fromkeys([*([roles["judge"]] if "judge" in roles else []), *judges, *scores]))
    scores = tuple(s for s in scores if s != roles.get("human"))
    if not scores and "human" not in roles:
        raise EvalFileError(
            f"{name} has no column of scores; its columns are {', '.join(map(repr, frame.columns))}. Name one with score=."
        )
    if "item" not in roles:
        frame["item"] = np.arange(len(frame)).astype(str)
        roles["item"] = "item"
        checks.append(
            Check("no-items", "note", f"{name} names no items; every row counts as an item of its own.")
        )
    kind = _format_of(lower, roles)
    if kind.startswith("repeated samples") and "sample" not in roles:
        frame["sample"] = _running_number(frame[roles["item"]].tolist())
        roles["sample"] = "sample"
    return EvalTable(
        frame=frame,
        format=kind,
        roles=roles,
        scores=scores,
        clusters=tuple(c for c in frame.columns if c.lower() in CLUSTER_NAMES),
        categories=category_columns(frame, (*roles.values(), *scores), roles["item"]),
        checks=tuple(checks),
    )


def _format_of(lower: Mapping[str, str], roles: Mapping[str, str]) -> str:
    if "passed" in lower and ("problem" in lower or "task_id" in lower or "problem_id" in lower):
        return "repeated samples with audits" if "human" in roles else "repeated samples"
    if "oracle_label" in lower and "judge_score" in lower:
        return "oracle slice"
    return "long"


def _roles(lower: Mapping[str, str], given: Mapping[str, str], name: str) -> dict[str, str]:
    """Roles by name; two candidates for one role are refused unless the caller names one."""
    roles: dict[str, str] = {}
    taken = set(given.values())
    for role, names in ROLE_NAMES.items():
        if role in given:
            continue
        found = [lower[n] for n in names if n in lower and lower[n] not in taken]
        if role in ("error", "filter", "task", "probability") and len(found) > 1:
            found = found[:1]
        if role == "item" and len(found) > 1 and lower.get("item") in found:
            found = [lower["item"]]
        if len(found) > 1:
            raise EvalFileError(
                f"{name} has several columns that may be the {role}: {', '.join(map(repr, found))}. Pass "
                f"{role}= to choose."
            )
        if found:
            roles[role] = found[0]
    return roles


def _prepared(frame: Any, roles: Mapping[str, str], keep_text: bool) -> tuple[Any, list[Check]]:
    """The frame with a digest of what items ask, and without long texts."""
    frame = frame.reset_index(drop=True).copy()
    lower = {str(c).lower(): str(c) for c in frame.columns}
    source = next((lower[n] for n in _CONTENT_NAMES if n in lower and lower[n] not in roles.values()), None)
    if source is not None:
        frame["content"] = [content_digest(v) for v in frame[source].tolist()]
        roles["content"] = "content"  # type: ignore[index]
    if not keep_text:
        drop = [c for c in frame.columns if c not in roles.values() and _is_text(c, frame[c])]
        frame = frame.drop(columns=drop)
    return frame, []


def _is_text(name: str, values: Any) -> bool:
    if values.dtype.kind in "fiub":
        return False
    if name.lower() in _TEXT_NAMES:
        return not looks_like_scores(values.tolist())
    return any(
        isinstance(v, list | dict) or (isinstance(v, str) and len(v) > _LONG_TEXT) for v in values.tolist()
    )


def _score_columns(frame: Any, roles: Mapping[str, str], lower: Mapping[str, str]) -> tuple[str, ...]:
    """Columns named like scores, else every other column of numbers."""
    named = [lower[n] for n in _SCORE_NAMES if n in lower and lower[n] in frame.columns]
    named = [n for n in named if n not in roles.values() and looks_like_scores(frame[n].tolist())]
    if named or "judge" in roles:
        return tuple(named)
    free = [c for c in frame.columns if c not in roles.values() and frame[c].dtype.kind in "fiub"]
    return tuple(c for c in free if c.lower() not in (*CLUSTER_NAMES, *_AUDIT_NAMES))


def _abstentions(values: Any, name: str) -> Check:
    n = int(values.isna().sum())
    return Check(
        "abstentions",
        "note",
        f"{n} verdict{'s are' if n > 1 else ' is'} missing in {name!r}; they form a class of their own and are not dropped.",
    )


def _words(values: Sequence[Any], name: str) -> list[Check]:
    """How words of a column are read."""
    known = words_of(values)
    if not known:
        return []
    shown = ", ".join(
        f"{word!r} ({n:,} row{'s' if n > 1 else ''}) as {WORDS[word]:g}" for word, n in known.items()
    )
    return [Check("words", "note", f"Words in {name!r} are read as scores: {shown}.")]


def _running_number(items: Sequence[Any]) -> list[int]:
    seen: dict[Any, int] = {}
    out = []
    for item in items:
        seen[item] = seen.get(item, 0) + 1
        out.append(seen[item])
    return out


def _battles(
    frame: Any,
    lower: Mapping[str, str],
    pair: tuple[str, str],
    winner: str,
    given: Mapping[str, str],
    keep_text: bool,
) -> EvalTable:
    """Pairwise battles; winners stay words, because their meaning depends on the pair."""
    roles = {"system_a": lower[pair[0]], "system_b": lower[pair[1]], "judge": winner}
    human = next((lower[n] for n in _HUMAN_WINNERS if n in lower), None)
    if human is not None:
        roles["human"] = human
    for role in ("item", "probability", "task"):
        found = [lower[n] for n in ROLE_NAMES[role] if n in lower]
        if found:
            roles[role] = found[0]
    roles.update(given)
    frame, checks = _prepared(frame, roles, keep_text)
    if "item" not in roles:
        frame["item"] = np.arange(len(frame)).astype(str)
        roles["item"] = "item"
    return EvalTable(
        frame=frame,
        format="battles",
        roles=roles,
        clusters=tuple(c for c in frame.columns if c.lower() in CLUSTER_NAMES),
        categories=category_columns(frame, tuple(roles.values()), roles["item"]),
        checks=tuple(checks),
    )


def _wide_roles(frame: Any, given: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """System -> role -> column, where columns are named ``role_system`` and there is no column of systems."""
    lower = {str(c).lower(): str(c) for c in frame.columns}
    if "system" in given or any(n in lower for n in ROLE_NAMES["system"]):
        return {}
    found: dict[str, dict[str, str]] = {}
    for role in ("judge", "human", "score"):
        names = (*ROLE_NAMES[role],) if role in ROLE_NAMES else ("score",)
        pattern = re.compile(rf"(?:{'|'.join(map(re.escape, names))})_(.+)", re.IGNORECASE)
        for column in map(str, frame.columns):
            match = pattern.fullmatch(column)
            if (
                match
                and column.lower() not in {n for v in ROLE_NAMES.values() for n in v}
                and column not in given.values()
            ):
                found.setdefault(match[1], {})["judge" if role == "score" else role] = column
    judged = {system: roles for system, roles in found.items() if "judge" in roles}
    return judged if len(judged) >= 2 else {}


def _melted(
    frame: Any, wide: Mapping[str, Mapping[str, str]], given: Mapping[str, str], name: str, keep_text: bool
) -> EvalTable:
    """One row an item and system, from one row an item."""
    import pandas as pd

    used = {column for roles in wide.values() for column in roles.values()}
    rest = frame.drop(columns=list(used))
    clash = {"system", "judge", "human"} & set(rest.columns)
    if clash:
        raise EvalFileError(
            f"{name} has both {sorted(clash)} and columns named role_system; rename one of them."
        )
    parts = []
    words: list[Check] = []
    with_human = any("human" in roles for roles in wide.values())
    for system, roles in wide.items():
        part = rest.copy()
        part["system"] = system
        for role in ("judge", "human") if with_human else ("judge",):
            column = roles.get(role)
            values = [np.nan] * len(frame) if column is None else frame[column].tolist()
            words += _words(values, column or role)
            part[role] = as_scores(values, column or role)
        parts.append(part)
    long = table_of_frame(pd.concat(parts, ignore_index=True), name, given=given, keep_text=keep_text)
    from dataclasses import replace

    origin = np.tile(np.arange(len(frame)), len(wide))
    return replace(long, format="wide", origin=origin, n_read=len(frame), checks=(*long.checks, *words))


def _counts(frame: Any, lower: Mapping[str, str], name: str) -> EvalTable | None:
    """Successes of several samples: one row an item, a column a system, and how many samples there were."""
    import pandas as pd

    size_name, item_name = lower["samples"], lower["item"]
    size = frame[size_name]
    others = [c for c in map(str, frame.columns) if c not in (size_name, item_name)]
    numeric = [c for c in others if frame[c].dtype.kind in "iuf"]
    if size.dtype.kind not in "iuf" or not numeric or len(numeric) != len(others):
        return None
    counts = size.to_numpy(float)
    if not np.all((counts >= 1) & (counts <= _MOST_SAMPLES) & (counts == np.round(counts))):
        raise EvalFileError(
            f"The column {size_name!r} of {name} must hold whole numbers of samples, from 1 to {_MOST_SAMPLES:,}."
        )
    for column in numeric:
        values = frame[column].to_numpy(float)
        if not np.all((values >= 0) & (values <= counts) & (values == np.round(values))):
            raise EvalFileError(
                f"The column {column!r} of {name} must hold whole numbers from 0 to {size_name!r}."
            )
    parts = [
        pd.DataFrame(
            {
                "item": frame[item_name],
                "system": column,
                "score": frame[column].to_numpy(float) / counts,
                "samples": size,
            }
        )
        for column in numeric
    ]
    long = pd.concat(parts, ignore_index=True)
    return EvalTable(
        frame=long,
        format="item counts of two systems" if len(numeric) == 2 else "item counts",
        roles={"item": "item", "system": "system", "size": "samples"},
        scores=("score",),
        origin=np.tile(np.arange(len(frame)), len(numeric)),
        n_read=len(frame),
    )
