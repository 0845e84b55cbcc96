"""Scores of past looks, read from what is usually kept of them: a table, an export of MLflow, a git log."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from validstats.intake import TableError, check_literal, read_table

__all__ = ["PastScores", "ScoreSource", "read_scores"]

ScoreSource: TypeAlias = Literal["auto", "table", "mlflow", "git-log"]
"""What a file of past scores is."""

_START = ("start_time", "Start Time")
"""Names of the column of times in MLflow's exports: of the command line, and of the page."""

_COMMIT = re.compile(r"^commit [0-9a-f]{7,64}\b|^[0-9a-f]{7,64} ", re.MULTILINE)


@dataclass(frozen=True)
class PastScores:
    """Scores of past looks, the oldest first.

    Parameters
    ----------
    scores : tuple of float
        Shares between 0 and 1.
    decimals : int
        Most decimals that one of them was written with.
    skipped : int
        Records without a score.
    source : {"table", "mlflow", "git-log"}
        What the file was read as.
    """

    scores: tuple[float, ...]
    decimals: int
    skipped: int
    source: ScoreSource


def read_scores(path: str | Path, metric: str = "score", source: ScoreSource = "auto") -> PastScores:
    """Read the scores of past looks from a file, the oldest first.

    Parameters
    ----------
    path : str or Path
        A table (CSV, Parquet, Excel, JSON lines) with a column of scores in order; an export of MLflow
        (``mlflow experiments csv``, the page's "Download CSV", or ``search_runs`` as a table), which is sorted by its
        time of start; or the output of ``git log`` with scores in its messages ("accuracy 0.853", "accuracy: 85.3 %").
    metric : str, default "score"
        Name of the column, of MLflow's metric, or the word before the score in a message.
    source : {"auto", "table", "mlflow", "git-log"}, default "auto"
        What the file is; told from its columns or its first line if "auto".

    Returns
    -------
    PastScores
        Scores, their decimals, and how many records had none.

    Raises
    ------
    ValueError
        If the file has no such score.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> log = pathlib.Path(tempfile.mkdtemp()) / "log.txt"
    >>> _ = log.write_text("9f8e7d6 Wider net, accuracy 0.87\\n1a2b3c4 Fix a typo\\n5d6e7f8 Baseline, accuracy: 85 %\\n")
    >>> read_scores(log, "accuracy")
    PastScores(scores=(0.85, 0.87), decimals=2, skipped=1, source='git-log')
    """
    file = Path(path)
    check_literal(source, "source", get_args(ScoreSource))
    if source == "git-log" or (source == "auto" and _is_log(file)):
        return _from_log(file.read_text(encoding="utf-8", errors="replace"), metric, file)
    try:
        table, _ = read_table(file)
    except TableError as error:
        raise ValueError(str(error)) from error
    start = next((name for name in _START if name in table.columns), None)
    if source == "mlflow" and start is None:
        raise ValueError(
            f"{file} has no column {' or '.join(map(repr, _START))}, so the order of its runs is not known."
        )
    if source == "mlflow" or (source == "auto" and start is not None):
        table, source = table.sort_values(start, kind="stable"), "mlflow"
    column = next((name for name in (metric, f"metrics.{metric}") if name in table.columns), None)
    if column is None:
        raise ValueError(f"{file} has no column {metric!r}; it has {', '.join(map(repr, table.columns))}.")
    return _checked(list(table[column]), file, metric, "mlflow" if source == "mlflow" else "table")


def _is_log(file: Path) -> bool:
    if file.suffix.lower() in (".parquet", ".xlsx", ".gz", ".zst"):
        return False
    with file.open(encoding="utf-8", errors="replace") as stream:
        return _COMMIT.match(stream.readline()) is not None


def _from_log(text: str, metric: str, file: Path) -> PastScores:
    """Scores of the messages of a log whose newest entry comes first."""
    starts = [found.start() for found in _COMMIT.finditer(text)] or [0]
    messages = [text[a:b] for a, b in zip(starts, [*starts[1:], len(text)], strict=True)]
    word = re.compile(rf"\b{re.escape(metric)}\b\s*(?:is|of|to)?\s*[:=]?\s*(\d*\.?\d+)\s*(%?)", re.IGNORECASE)
    values: list[Any] = []
    for message in reversed(messages):
        found = word.findall(message)
        values += [_share(number, percent) for number, percent in found] or [None]
    return _checked(values, file, metric, "git-log")


def _share(number: str, percent: str) -> str:
    """A score as the text of a share: "85.3", "%" is "0.853"."""
    if not percent:
        return number
    whole, _, rest = number.partition(".")
    padded = (whole or "0").rjust(3, "0")
    return f"{padded[:-2]}.{padded[-2:]}{rest}"


def _checked(values: list[Any], file: Path, metric: str, source: ScoreSource) -> PastScores:
    kept = [value for value in values if value is not None and value == value and str(value).strip()]
    try:
        scores = np.array([float(value) for value in kept])
    except (TypeError, ValueError):
        raise ValueError(f"{metric!r} in {file} must be numbers.") from None
    if not len(scores):
        raise ValueError(f"{file} has no score named {metric!r}.")
    if scores.min() < 0.0 or scores.max() > 1.0:
        raise ValueError(
            f"Scores must be shares between 0 and 1, and {metric!r} in {file} goes from {scores.min():g} to {scores.max():g}."
        )
    decimals = max(len(_text(value).partition(".")[2]) for value in kept)
    return PastScores(tuple(scores.tolist()), min(decimals, 15), len(values) - len(kept), source)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else np.format_float_positional(float(value), trim="-")
