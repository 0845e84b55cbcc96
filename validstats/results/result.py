"""Results: the one contract of everything that ``infer`` and the public functions return."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from validstats._typing import FrameBackend
from validstats.guarantee import Guarantee
from validstats.intake import to_frame
from validstats.results.answer import NotApplicable
from validstats.results.summary import Summary
from validstats.results.table import Report

__all__ = ["Result"]


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Result(ABC):
    """A statement with its guarantee, which prints, shows, and turns into tables.

    Every result has ``estimate``, ``conf_low``, ``conf_high`` (scalars, or arrays aligned with ``terms``),
    ``confidence_level``, ``n_reference``, ``naive`` (what one would have reported without the method), ``guarantee``
    and ``informative``. What does not apply is a :class:`~validstats.results.NotApplicable` that says why.
    Subclasses are frozen dataclasses that add these as fields or properties and implement ``_answer``,
    ``_tidy_columns``, ``_glance_columns``, ``_report`` and ``_display``.

    Parameters
    ----------
    guarantee : Guarantee
        What the result promises.
    backend : {"pandas", "polars", "pyarrow"}, default "pandas"
        Data frame library of :meth:`tidy` and :meth:`glance`: the one the input came in.
    """

    schema: ClassVar[str] = "validstats.result/1"
    """Version of :meth:`to_dict`: new keys keep it, a changed meaning raises it."""

    _naming: ClassVar[tuple[str, ...]] = ("term",)
    """Columns of :meth:`tidy` whose entries ``labels`` and ``drop`` speak of; the first column where none is there."""

    guarantee: Guarantee
    backend: FrameBackend = "pandas"

    @property
    def n_reference(self) -> int:
        """Number of trusted reference units (rows, clusters or data sets)."""
        return self.guarantee.n_reference

    @property
    def informative(self) -> bool:
        """Whether the statement excludes anything."""
        return True

    @property
    def answer(self) -> str:
        """The answer in one sentence."""
        return self._answer()

    @abstractmethod
    def _answer(self) -> str:
        """The answer in one sentence, with units and sensible rounding."""

    @abstractmethod
    def _tidy_columns(self) -> Mapping[str, Sequence[Any] | np.ndarray]:
        """One row a term, with broom's column names; the first column names the terms."""

    @abstractmethod
    def _glance_columns(self) -> Mapping[str, Any]:
        """One value a column, about the result as a whole."""

    @abstractmethod
    def _report(self) -> Report:
        """What the summary prints below the answer."""

    def tidy(self, labels: Mapping[str, str] | None = None, drop: Collection[str] = ()) -> Any:
        """Return one row a term: term, estimate, std_error, statistic, p_value, conf_low, conf_high, where they exist.

        Parameters
        ----------
        labels : mapping of str to str or None, default None
            Words instead of terms.
        drop : collection of str, default ()
            Terms to leave out.

        Returns
        -------
        DataFrame
            In the caller's data frame library.
        """
        columns = dict(self._tidy_columns())
        if not labels and not drop:
            return to_frame(columns, self.backend)
        left_out = {drop} if isinstance(drop, str) else set(drop)
        plain = {name: _plain(values) for name, values in columns.items()}
        names = [name for name in self._naming if name in plain] or list(plain)[:1]
        kept = [
            i
            for i, entry in enumerate(zip(*(plain[n] for n in names)))
            if left_out.isdisjoint(map(str, entry))
        ]
        chosen = {name: [values[i] for i in kept] for name, values in plain.items()}
        for name in names:
            chosen[name] = [(labels or {}).get(str(entry), entry) for entry in chosen[name]]
        return to_frame(chosen, self.backend)

    def glance(self) -> Any:
        """Return one row about the result as a whole.

        Returns
        -------
        DataFrame
            In the caller's data frame library.
        """
        return to_frame(
            {name: [_cell(value)] for name, value in self._glance_columns().items()}, self.backend
        )

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python values, ready for JSON.

        Returns
        -------
        dict
            Keys ``schema``, ``kind`` (the class), ``answer``, ``terms`` (one dictionary a term), ``overall``,
            ``informative`` and ``guarantee``.
        """
        columns = {name: _plain(values) for name, values in self._tidy_columns().items()}
        terms = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        overall = {name: _plain_scalar(value) for name, value in self._glance_columns().items()}
        return {
            "schema": self.schema,
            "kind": type(self).__name__,
            "answer": self.answer,
            "terms": terms,
            "overall": overall,
            "informative": bool(self.informative),
            "guarantee": self.guarantee.to_dict(),
        }

    def summary(
        self,
        *,
        details: bool = False,
        labels: Mapping[str, str] | None = None,
        digits: int | None = None,
        drop: Collection[str] = (),
    ) -> Summary:
        """Return the R-like report: the answer in one sentence, the table, the guarantee.

        Parameters
        ----------
        details : bool, default False
            Whether to print the details of the guarantee: strength, exact statement, conditions and source.
        labels : mapping of str to str or None, default None
            Words to print instead of terms and headings.
        digits : int or None, default None
            Decimals of estimates and their intervals.
        drop : collection of str, default ()
            Terms to leave out.

        Returns
        -------
        Summary
            Prints as text, shows as HTML in a notebook, exports LaTeX and Markdown.
        """
        report = self._report()
        if not report.answer:
            report = replace(report, answer=self._answer())
        if labels or drop or digits is not None:
            report = report.styled(labels, digits, drop)
        return Summary(report, details)

    def plot(
        self, ax: Any = None, labels: Mapping[str, str] | None = None, drop: Collection[str] = ()
    ) -> Any:
        """Draw the result.

        Parameters
        ----------
        ax : matplotlib Axes or None, default None
            Axes to draw on; new ones if None.
        labels : mapping of str to str or None, default None
            Words instead of terms.
        drop : collection of str, default ()
            Terms to leave out, where the figure has several.

        Returns
        -------
        display
            One of :mod:`validstats.plotting`, drawn, with ``ax_`` and ``figure_``.
        """
        return self._display(labels, drop).plot(ax)

    def _display(self, labels: Mapping[str, str] | None, drop: Collection[str]) -> Any:
        """The display that :meth:`plot` draws; a subclass implements it, or ``plot`` with further options."""
        raise NotImplementedError(f"{type(self).__name__} has no figure.")

    def __repr__(self) -> str:
        return self.summary().as_text()

    def _repr_html_(self) -> str:
        return self.summary().as_html()


def _cell(value: Any) -> Any:
    return None if isinstance(value, NotApplicable) else value


def _plain(values: Sequence[Any] | np.ndarray) -> list[Any]:
    return [_plain_scalar(value) for value in values]


def _plain_scalar(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else _cell(value)
