"""``read``: any evaluation file, data frame or dictionary of arrays as one table with roles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from validstats.evals.readers.document import Document, open_document
from validstats.evals.readers.errors import EvalFileError
from validstats.evals.readers.inspect_log import read_inspect, recognise_inspect
from validstats.evals.readers.logs import (
    read_deepeval,
    read_lm_eval,
    read_promptfoo,
    read_ragas,
    recognise_deepeval,
    recognise_lm_eval,
    recognise_promptfoo,
    recognise_ragas,
)
from validstats.evals.readers.table import EvalTable, joined
from validstats.evals.readers.tabular import read_table, table_of_frame
from validstats.evals.readers.values import argument_of, check_names, judge_names
from validstats.intake import is_frame, row_labels, to_pandas

__all__ = ["read"]

_READERS = (
    (recognise_inspect, read_inspect),
    (recognise_promptfoo, read_promptfoo),
    (recognise_deepeval, read_deepeval),
    (recognise_lm_eval, read_lm_eval),
    (recognise_ragas, read_ragas),
    (lambda document: True, read_table),
)
"""Recognisers and readers in the order in which they are tried; the last one takes every table."""


def read(
    source: Any,
    *,
    item: str | None = None,
    system: str | None = None,
    sample: str | None = None,
    judge: str | Sequence[str] | None = None,
    human: str | None = None,
    sampling_probability: str | None = None,
    filter: str | None = None,
    keep_text: bool = False,
) -> EvalTable:
    """Read scores from a file of an evaluation tool, a table, or a data frame.

    Inspect (``.eval`` and JSON), lm-evaluation-harness sample logs, promptfoo, deepeval, ragas, HumanEval-style
    results, battles, long and wide tables (CSV, JSONL, Parquet) are recognised by content, not by suffix.

    Parameters
    ----------
    source : str, Path, data frame, mapping of str to array-like, EvalTable, or sequence of these
        Where the scores are. Several are put under each other.
    item, system, sample, human, sampling_probability : str or None, default None
        Columns that have these roles, where names do not say so.
    judge : str, sequence of str or None, default None
        Column of a judge, or of several.
    filter : str or None, default None
        Of a log of lm-evaluation-harness with several filters, the one to keep.
    keep_text : bool, default False
        Whether questions and answers are kept; only a digest of the question is otherwise.

    Returns
    -------
    EvalTable
        Rows of scores with roles.

    Raises
    ------
    EvalFileError
        If a file is missing, damaged, too large, of no known kind, or holds words that are no scores.

    Examples
    --------
    >>> from validstats import evals
    >>> table = evals.read({"item": ["a", "b", "c"], "judge": [1, 0, 1], "human": [1, None, None]})
    >>> table.roles["human"], len(table)
    ('human', 3)
    """
    judges = judge_names(judge)
    if human is not None and human in judges:
        raise EvalFileError(
            f"judge= and human= both name {human!r}; a judge is corrected by labels of humans in another column."
        )
    given = {
        role: name
        for role, name in (
            ("item", item),
            ("system", system),
            ("sample", sample),
            *zip(("judge", *(f"judge {k}" for k in range(2, len(judges) + 1))), judges, strict=False),
            ("human", human),
            ("probability", sampling_probability),
        )
        if name is not None
    }
    check_names(**{argument_of(role): name for role, name in given.items()}, filter=filter)
    if isinstance(source, Sequence) and not isinstance(source, str | bytes):
        if not source:
            raise EvalFileError("There is nothing to read: the list of sources is empty.")
        table = joined([_read_one(part, given, keep_text) for part in source])
    else:
        table = _read_one(source, given, keep_text)
    return table if filter is None else _one_filter(table, filter)


def _read_one(source: Any, given: Mapping[str, str], keep_text: bool) -> EvalTable:
    if isinstance(source, EvalTable):
        return _with_roles(source, given)
    if isinstance(source, str | Path):
        document = open_document(Path(source), given)
        table = _read_document(document, keep_text)
        return _with_roles(table, given)
    if isinstance(source, Mapping):
        return table_of_frame(_frame_of_mapping(source), given=given, keep_text=keep_text)
    if is_frame(source):
        frame = to_pandas(source)
        names = [str(name) for name in frame.columns]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise EvalFileError(
                f"The data have several columns named {', '.join(map(repr, twice))}; rename them."
            )
        if len(frame) == 0:
            raise EvalFileError("The data have no rows.")
        table = table_of_frame(frame, given=given, keep_text=keep_text)
        return replace(table, index=row_labels(source, name="data").labels)
    raise TypeError(
        f"data must be a path, a data frame, a dictionary of arrays or an EvalTable, got {type(source).__name__}."
    )


def _read_document(document: Document, keep_text: bool) -> EvalTable:
    for recognise, reader in _READERS:
        if recognise(document):
            try:
                return reader(document, keep_text)
            except EvalFileError:
                raise
            except (KeyError, TypeError, AttributeError, IndexError, ValueError, OverflowError) as error:
                raise EvalFileError(
                    f"{document.name} looks like a known kind of log, but its structure differs "
                    f"({type(error).__name__}: {str(error)[:120]})."
                ) from error
    raise AssertionError("the last reader takes every document")


def _with_roles(table: EvalTable, given: Mapping[str, str]) -> EvalTable:
    """The same table with roles that the caller names."""
    for role, name in given.items():
        if name not in table.frame.columns:
            raise EvalFileError(
                f"{argument_of(role)}= names the column {name!r}, which there is "
                f"not; the columns are {', '.join(map(repr, table.frame.columns))}."
            )
    if not given:
        return table
    roles = {role: name for role, name in table.roles.items() if name not in given.values() or role in given}
    if "judge" in given:
        roles = {role: name for role, name in roles.items() if not role.startswith("judge ")}
    return replace(table, roles={**roles, **given})


def _one_filter(table: EvalTable, name: str) -> EvalTable:
    if not table.has("filter"):
        raise EvalFileError(f"filter={name!r} was given, but the data have no filters.")
    filters = table.names("filter")
    if name not in set(filters.tolist()):
        known = ", ".join(map(repr, dict.fromkeys(filters.tolist())))
        raise EvalFileError(f"There is no filter {name!r}; there are {known}.")
    return table.rows(filters == name)


def _frame_of_mapping(source: Mapping[str, Any]) -> Any:
    import pandas as pd

    lengths = {
        str(name): len(np.atleast_1d(np.asarray(values, dtype=object))) for name, values in source.items()
    }
    if not lengths:
        raise EvalFileError("The dictionary of arrays is empty.")
    if len(set(lengths.values())) > 1:
        raise EvalFileError(f"The arrays must have one length, got {lengths}.")
    return pd.DataFrame({str(name): list(values) for name, values in source.items()})
