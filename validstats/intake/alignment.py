"""Alignment of what arrives beside the rows: labels, weights and groups are matched by who a row is, never by luck."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from validstats._typing import AnyArray
from validstats.intake.frames import column, column_names, is_frame, n_rows
from validstats.intake.kinds import is_missing, read_array, refuse_lazy

__all__ = ["RowLabels", "align", "row_labels"]

_EXAMPLES = 3
"""Labels without a partner that a message shows."""


@dataclass(frozen=True)
class RowLabels:
    """Who the rows of a data set are.

    Parameters
    ----------
    n : int
        Number of rows.
    labels : pandas.Index or None
        One label a row; None where rows are known by their position alone.
    source : str
        Where the labels come from, for messages.
    key : str or None, default None
        Column that holds the labels, where a column does: companions that are frames are matched by it as well.
    """

    n: int
    labels: Any
    source: str
    key: str | None = None

    @classmethod
    def of(cls, labels: Any, source: str) -> Self:
        """Rows, or other units, by their names in order.

        Parameters
        ----------
        labels : sequence
            One name each.
        source : str
            Where the names come from, for messages.

        Returns
        -------
        RowLabels
            The labels.
        """
        import pandas as pd

        return cls(len(labels), pd.Index(list(labels)), source)


def row_labels(rows: Any, ids: Any = None, name: str = "X") -> RowLabels:
    """Return who the rows are: by ``ids``, or by an index of pandas that is not the default range.

    Parameters
    ----------
    rows : array-like or data frame
        The rows.
    ids : array-like of shape (n,), str or None, default None
        Labels of the rows, or the name of the column that holds them. Each must occur once.
    name : str, default "X"
        Public name of the rows, for messages.

    Returns
    -------
    RowLabels
        The labels.

    Raises
    ------
    ValueError
        If ``ids`` repeat, are missing, or are of another number than the rows.

    Examples
    --------
    >>> import pandas as pd
    >>> row_labels(pd.DataFrame({"x": [1, 2]}, index=["anna", "ben"])).labels.tolist()
    ['anna', 'ben']
    >>> row_labels([[1], [2]]).labels is None
    True
    """
    refuse_lazy(rows, name)
    n = n_rows(rows) if is_frame(rows) else _length(rows, name)
    if ids is None:
        index = _index_of(rows)
        return RowLabels(n, index, f"the index of {name}")
    import pandas as pd

    key = ids if isinstance(ids, str) else None
    if key is not None:
        if not is_frame(rows):
            raise TypeError(
                f"ids={ids!r} names a column, but {name} is no data frame; pass the labels themselves."
            )
        values = column(rows, key)
    else:
        values = read_array(ids, "ids")
    if values.ndim != 1 or len(values) != n:
        raise ValueError(
            f"ids must have one label for each of the {n} rows of {name}, got shape {values.shape}."
        )
    missing = sum(is_missing(value) for value in values.tolist())
    if missing:
        raise ValueError(f"ids has {missing} missing value(s); every row needs a label.")
    labels = pd.Index(values)
    if not labels.is_unique:
        twice = labels[labels.duplicated()].unique()
        raise ValueError(
            f"ids must name every row once; {len(twice)} label(s) occur more than once, such as {_show(twice)}. "
            "If several rows belong to one unit, name the rows here and the unit in clusters=."
        )
    return RowLabels(n, labels, "ids" if key is None else f"the column {key!r}", key)


def align(values: Any, rows: RowLabels, name: str, *, partial: bool = False) -> Any:
    """Bring what arrives beside the rows into their order, or refuse it by name.

    Parameters
    ----------
    values : array-like, data frame or None
        One entry a row. A pandas object whose index is not the default range is matched by its labels, a frame that
        holds the key column of the rows by that column; everything else is taken by position.
    rows : RowLabels
        Who the rows are.
    name : str
        Public name of the argument.
    partial : bool, default False
        Whether labels may be missing: those become missing values, as for rows without an expert label.

    Returns
    -------
    array-like, data frame or None
        In the order of the rows, of the type that came in. What is in order already is returned as it is.

    Raises
    ------
    ValueError
        If the labels are not those of the rows, or repeat in another order; the message has both counts, examples
        and the remedy.

    Examples
    --------
    >>> import pandas as pd
    >>> rows = row_labels(pd.DataFrame({"x": [1, 2, 3]}, index=["a", "b", "c"]))
    >>> align(pd.Series([30, 10, 20], index=["c", "a", "b"]), rows, "weights").tolist()
    [10, 20, 30]
    >>> align(pd.Series([30.0], index=["c"]), rows, "labels", partial=True).tolist()
    [nan, nan, 30.0]
    """
    if values is None:
        return None
    own = _own_labels(values, rows)
    if own is None:
        return values
    if rows.labels is None:
        return _by_position(values, own, rows.n, name, partial)
    expected = rows.labels
    if len(own) == len(expected) and own.equals(expected):
        return values
    _refuse_repeated(own, expected, rows, name)
    position = own.get_indexer(expected)
    unknown = own.difference(expected, sort=False)
    absent = position < 0
    if len(unknown) or (absent.any() and not partial):
        raise ValueError(_mismatch(own, expected, unknown, rows, name, partial))
    if not absent.any():
        return _take(values, position)
    return _take_or_missing(values, position)


def _own_labels(values: Any, rows: RowLabels) -> Any:
    """Labels that a companion carries itself: its key column, or its index."""
    import pandas as pd

    if rows.key is not None and is_frame(values) and rows.key in column_names(values):
        return pd.Index(column(values, rows.key))
    return _index_of(values)


def _by_position(values: Any, own: Any, n: int, name: str, partial: bool) -> Any:
    """Match a labelled companion to rows that have positions only: a part by its numbers, a whole if in doubt not."""
    numbers = np.asarray(own) if own.nlevels == 1 and own.dtype.kind == "i" else None
    inside = (
        numbers is not None and own.is_unique and len(own) > 0 and numbers.min() >= 0 and numbers.max() < n
    )
    if inside and len(own) == n:
        raise ValueError(
            f"{name} has the row numbers 0 to {n - 1} as its labels, in another order than the rows, whose labels are "
            f"their positions. Sort it ({name}.sort_index()) if its labels are row numbers, or pass {name}.to_numpy() "
            "if its order is that of the rows."
        )
    if inside and partial and len(own) < n:
        import pandas as pd

        return _take_or_missing(values, pd.Index(own).get_indexer(pd.RangeIndex(n)))
    return values


def _index_of(data: Any) -> Any:
    """The index of a pandas object, or None where there is none or it only counts the rows."""
    if not _is_pandas(data):
        return None
    index = data.index
    n = len(index)
    if index.nlevels == 1 and index.dtype.kind == "i":
        # the default range, also after a round trip through a file: positions, not labels
        step = getattr(index, "step", None)  # of a range, whose ends say it all
        counts = n == 0 or (
            index[0] == 0
            and index[-1] == n - 1
            and (step == 1 or bool((np.asarray(index) == np.arange(n)).all()))
        )
        return None if counts else index
    return index


def _is_pandas(data: Any) -> bool:
    return type(data).__module__.partition(".")[0] == "pandas" and hasattr(data, "iloc")


def _refuse_repeated(own: Any, expected: Any, rows: RowLabels, name: str) -> None:
    if own.is_unique and expected.is_unique:
        return
    whose, index = (name, own) if not own.is_unique else (rows.source, expected)
    twice = index[index.duplicated()].unique()
    raise ValueError(
        f"{name} cannot be matched to the rows: {len(twice)} label(s) of {whose} occur more than once, such as "
        f"{_show(twice)}, and the order of the {len(own)} labels differs from that of the {len(expected)} rows. "
        f"Make the labels unique, or pass {name}.to_numpy() if its order is that of the rows."
    )


def _mismatch(own: Any, expected: Any, unknown: Any, rows: RowLabels, name: str, partial: bool) -> str:
    lost = expected.difference(own, sort=False)
    what = f"{name} has {len(own)} labels and {rows.source} has {len(expected)}; {len(own) - len(unknown)} of them match."
    if len(unknown):
        what += f" Labels of {name} that no row has: {_show(unknown)}."
    if len(lost) and not partial:
        what += f" Rows without an entry in {name}: {_show(lost)}."
    return f"{what} Select and order it yourself ({name}.reindex(X.index)), or pass {name}.to_numpy() to match by position."


def _show(labels: Any) -> str:
    shown = ", ".join(repr(label) for label in labels[:_EXAMPLES].tolist())
    return shown + (", ..." if len(labels) > _EXAMPLES else "")


def _take(values: Any, position: AnyArray) -> Any:
    if _is_pandas(values):
        return values.iloc[position]
    import narwhals as nw

    return nw.from_native(values, eager_only=True)[position.tolist()].to_native()


def _take_or_missing(values: Any, position: AnyArray) -> Any:
    """Take entries by position, with missing values where it is -1."""
    import narwhals as nw
    import pandas as pd

    frame = values if _is_pandas(values) else nw.from_native(values, eager_only=True).to_pandas()
    by_position = frame.set_axis(pd.RangeIndex(len(frame)), axis=0)
    return by_position.reindex(position).reset_index(drop=True)


def _length(rows: Any, name: str) -> int:
    shape = getattr(rows, "shape", None)
    if shape:
        return int(shape[0])
    if hasattr(rows, "__len__"):
        return len(rows)
    array = np.asarray(rows)
    if array.ndim == 0:
        raise TypeError(f"{name} must have rows, got {rows!r} of type {type(rows).__name__}.")
    return len(array)
