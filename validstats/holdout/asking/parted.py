"""Features of a holdout whose rows are in parts: what is asked of rows is asked part by part, and one number a row returns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self

import narwhals as nw
import numpy as np

from validstats._typing import AnyArray, Bool1D, Int1D
from validstats.intake import ColumnsInTurn, backend_of, column, to_pandas
from validstats.runtime import RowParts

__all__ = ["PartedFeatures", "columns_beside", "refuse_parts"]


@dataclass(frozen=True, repr=False, eq=False)
class PartedFeatures:
    """Some rows of a source in parts, in an order of their own; nothing of them is in memory."""

    parts: RowParts
    names: tuple[str, ...]  # of the features
    rows: Int1D  # positions among all rows of the source

    @classmethod
    def of(cls, parts: RowParts, others: set[str]) -> Self:
        """All rows, with the columns that are nothing else."""
        names = tuple(name for name in parts.names if name not in others)
        if not names:
            raise ValueError(
                f"X has no column beside {', '.join(map(repr, sorted(others)))}: none is left as a feature."
            )
        return cls(parts, names, np.arange(parts.n, dtype=np.int64))

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and features."""
        return len(self.rows), len(self.names)

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, at: Int1D) -> Self:
        """The rows at some positions among these."""
        return replace(self, rows=self.rows[at])

    def column(self, name: str) -> AnyArray:
        """One column of these rows."""
        return self.parts.column(name)[self.rows]

    def in_turn(self) -> ColumnsInTurn:
        """The columns, each read when it is asked for."""
        return ColumnsInTurn(self.names, self.column)

    def each(self, function: Callable[..., AnyArray], *arrays: AnyArray | None) -> AnyArray:
        """What ``function(X, *arrays)`` returns for the rows of each part, one entry a row, in the order of these rows."""
        n = self.parts.n
        chosen = np.zeros(n, dtype=np.bool_)
        chosen[self.rows] = True
        placed = [_placed(values, self.rows, n) for values in arrays if values is not None]
        given = [values is not None for values in arrays]
        work = partial(_on_part, function=function, names=self.names, given=given)
        found = self.parts.numbers(work, self.names, beside=(chosen, *placed), n=len(self.rows))
        # what was found is in the order of the source
        ordered = np.empty_like(found)
        ordered[np.argsort(self.rows, kind="stable")] = found
        return ordered


def _placed(values: AnyArray, rows: Int1D, n: int) -> AnyArray:
    whole = np.empty((n, *values.shape[1:]), dtype=values.dtype)
    whole[rows] = values
    return whole


def _on_part(
    frame: Any,
    index: int,
    chosen: Bool1D,
    *arrays: AnyArray,
    function: Callable[..., AnyArray],
    names: tuple[str, ...],
    given: list[bool],
) -> AnyArray:
    at = np.flatnonzero(chosen)
    if not at.size:
        return np.empty(0)
    X = nw.from_native(frame, eager_only=True).select(list(names))[at].to_native()
    if backend_of(X) == "pyarrow":
        X = to_pandas(X)
    X = X.reset_index(drop=True) if hasattr(X, "reset_index") else X
    beside = iter(arrays)
    found = np.asarray(function(X, *(next(beside)[at] if known else None for known in given)))
    if found.shape[:1] != at.shape:
        raise ValueError(f"Part {index} has {len(at)} rows, and {found.shape} values were returned for them.")
    return found


def as_learned(estimator: Any, X: Any) -> Any:
    """Features of a part as an estimator knows them: its own columns by name, or an array where it knows no names."""
    names = getattr(estimator, "feature_names_in_", None)
    if names is not None:
        return nw.from_native(X, eager_only=True).select([str(name) for name in names]).to_native()
    if hasattr(estimator, "n_features_in_"):
        frame = nw.from_native(X, eager_only=True)
        return np.column_stack([column(X, name) for name in frame.columns])
    return X


def columns_beside(
    parts: RowParts, y: Any, clusters: Any, ids: Any
) -> tuple[PartedFeatures, AnyArray, AnyArray | None, AnyArray | None]:
    """Features of rows in parts, and the columns that hold labels, clusters and identifiers."""
    if y is None:
        raise TypeError("y must name the column of the labels where rows arrive in parts, got None.")
    named = {"y": y, "clusters": clusters, "ids": ids}
    chosen = {key: parts.check_column(name, key) for key, name in named.items() if name is not None}
    read = {key: parts.column(name) for key, name in chosen.items()}
    return PartedFeatures.of(parts, set(chosen.values())), read["y"], read.get("clusters"), read.get("ids")


def refuse_parts(X: Any, verb: str, remedy: str) -> None:
    """Refuse rows in parts where they are needed in memory."""
    raise TypeError(f"X: {verb}() needs the rows in memory, got {type(X).__name__}; {remedy}")
