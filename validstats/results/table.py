"""The model behind every printed report: a header, tables, guarantees and notes, free of any markup."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from validstats.guarantee import Guarantee
from validstats.results.formats import Format, format_value, is_right_aligned

__all__ = ["Report", "Table"]


@dataclass(frozen=True)
class Table:
    """Columns of values with a format each.

    Parameters
    ----------
    columns : mapping of str to sequence
        Values by heading, all of one length.
    title : str or None, default None
        Line above the table.
    formats : mapping of str to format, default {}
        How to print a column (see :func:`validstats.results.formats.format_value`); "auto" where absent.
    max_rows : int or None, default 60
        Rows printed at most; of a longer table the first and last ones. None prints all.

    Raises
    ------
    ValueError
        If the columns differ in length.

    Examples
    --------
    >>> Table({"Term": ["x"], "Estimate": [0.5]}).cells()
    [['x', '0.5000']]
    """

    columns: Mapping[str, Sequence[Any]]
    title: str | None = None
    formats: Mapping[str, Format] = field(default_factory=dict)
    max_rows: int | None = 60

    def __post_init__(self) -> None:
        lengths = {heading: len(values) for heading, values in self.columns.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"The columns of a table must have one length, got {lengths}.")

    @property
    def headings(self) -> list[str]:
        """Column headings in order."""
        return list(self.columns)

    @property
    def n_rows(self) -> int:
        """Number of rows, printed or not."""
        return len(next(iter(self.columns.values()), ()))

    def cells(self) -> list[list[str]]:
        """Return the printed text of every row, shortened in the middle where the table is long.

        Returns
        -------
        list of list of str
            One list a row.
        """
        shown = self._shown_rows()
        printed = []
        for heading, values in self.columns.items():
            how = self.formats.get(heading, "auto")
            plain = _plain_list(values)
            printed.append(["..." if i is None else format_value(plain[i], how) for i in shown])
        return [list(row) for row in zip(*printed, strict=True)]

    def right_aligned(self) -> list[bool]:
        """Tell for each column whether it holds numbers.

        Returns
        -------
        list of bool
            One flag a column.
        """
        return [is_right_aligned(_plain_list(values)) for values in self.columns.values()]

    def styled(
        self,
        labels: Mapping[str, str] | None = None,
        digits: int | None = None,
        drop: Collection[str] = (),
    ) -> Table:
        """Return the table with other words, decimals or fewer rows.

        Parameters
        ----------
        labels : mapping of str to str or None, default None
            Words to print instead of headings and instead of entries of the first column.
        digits : int or None, default None
            Decimals of every number that is not a count, a p-value or a share; None keeps the format.
        drop : collection of str, default ()
            Rows to leave out, by their entry in the first column.

        Returns
        -------
        Table
            A new table.

        Examples
        --------
        >>> table = Table({"Term": ["x1", "x2"], "Estimate": [0.51, 0.2]})
        >>> table.styled({"x1": "Age"}, digits=1, drop=["x2"]).cells()
        [['Age', '0.5']]
        """
        words = dict(labels or {})
        kept = [i for i, entry in enumerate(next(iter(self.columns.values()), ())) if str(entry) not in drop]
        columns: dict[str, list[Any]] = {}
        formats: dict[str, Format] = {}
        for position, (heading, values) in enumerate(self.columns.items()):
            plain = _plain_list(values)
            chosen = [plain[i] for i in kept]
            name = words.get(heading, heading)
            columns[name] = [words.get(str(v), v) for v in chosen] if position == 0 else chosen
            how = self.formats.get(heading, "auto")
            numbers = how in ("estimate", "statistic") or (how == "auto" and _has_decimals(chosen))
            formats[name] = _fixed(digits) if digits is not None and numbers else how
        return replace(self, columns=columns, formats=formats)

    def _shown_rows(self) -> list[int | None]:
        n = self.n_rows
        if self.max_rows is None or n <= self.max_rows:
            return list(range(n))
        half = self.max_rows // 2
        return [*range(half), None, *range(n - half, n)]


@dataclass(frozen=True)
class Report:
    """Everything that a summary prints.

    Parameters
    ----------
    title : str
        First line.
    header : sequence of (str, value), default ()
        Facts printed in two columns under the tables.
    tables : sequence of Table, default ()
        Tables in order.
    guarantees : sequence of Guarantee, default ()
        What holds, each printed as a paragraph. A guarantee cannot be switched off.
    notes : sequence of str, default ()
        Sentences at the end.
    answer : str, default ""
        The answer in one sentence with units, printed under the title.

    Examples
    --------
    >>> Report("Batch mean", header=(("Batch size", 100),)).title
    'Batch mean'
    """

    title: str
    header: Sequence[tuple[str, Any]] = ()
    tables: Sequence[Table] = ()
    guarantees: Sequence[Guarantee] = ()
    notes: Sequence[str] = ()
    answer: str = ""

    def header_cells(self) -> list[tuple[str, str]]:
        """Return the printed header.

        Returns
        -------
        list of (str, str)
            Label and text.
        """
        return [(label, format_value(value)) for label, value in self.header]

    def styled(
        self,
        labels: Mapping[str, str] | None = None,
        digits: int | None = None,
        drop: Collection[str] = (),
    ) -> Report:
        """Return the report with styled tables; see :meth:`Table.styled`.

        Parameters
        ----------
        labels : mapping of str to str or None, default None
            Words to print instead of headings and terms.
        digits : int or None, default None
            Decimals of estimates.
        drop : collection of str, default ()
            Terms to leave out.

        Returns
        -------
        Report
            A new report, whose sentence uses the labels too. Guarantees and notes stay.

        Raises
        ------
        ValueError
            If ``digits`` is negative, or a term in ``drop`` is in no table.
        """
        if digits is not None and (not isinstance(digits, int) or digits < 0):  # type: ignore[redundant-expr]
            raise ValueError(f"digits must be a whole number of at least 0 or None, got {digits!r}.")
        drop = (drop,) if isinstance(drop, str) else drop
        known = {str(v) for table in self.tables for v in next(iter(table.columns.values()), ())}
        unknown = [term for term in drop if term not in known]
        if unknown:
            raise ValueError(f"drop names {unknown}, which no table holds; the terms are {sorted(known)}.")
        words = {term: str(word) for term, word in (labels or {}).items() if term in known}
        answer = self.answer
        if words:
            terms = "|".join(re.escape(term) for term in sorted(words, key=len, reverse=True))
            answer = re.sub(rf"(?<!\w)(?:{terms})(?!\w)", lambda found: words[found.group()], answer)
        return replace(
            self, answer=answer, tables=[table.styled(labels, digits, drop) for table in self.tables]
        )


def _has_decimals(values: Sequence[Any]) -> bool:
    return any(isinstance(v, float | np.floating) for v in values)


def _fixed(digits: int) -> Format:
    """A format with so many decimals, dashes and infinities as everywhere."""

    def how(value: Any) -> str:
        plain = format_value(value)
        if not isinstance(value, float | np.floating) or not np.isfinite(value):
            return plain
        return f"{value:z,.{digits}f}"

    return how


def _plain_list(values: Sequence[Any]) -> list[Any]:
    return np.asarray(values).tolist() if isinstance(values, np.ndarray) else list(values)  # type: ignore[redundant-expr]
