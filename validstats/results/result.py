"""The base class of everything that ``infer`` returns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from validstats._typing import FrameBackend
from validstats.guarantee import Guarantee
from validstats.intake import to_frame
from validstats.results.summary import Summary
from validstats.results.table import Report

__all__ = ["Result"]


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Result(ABC):
    """A statement with its guarantee, which prints, shows, and turns into tables.

    Subclasses are frozen dataclasses that add their values and implement ``_tidy_columns``,
    ``_glance_columns`` and ``_report``.

    Parameters
    ----------
    guarantee : Guarantee
        What the result promises.
    backend : {"pandas", "polars", "pyarrow"}, default "pandas"
        Data frame library of :meth:`tidy` and :meth:`glance`: the one the input came in.
    """

    guarantee: Guarantee
    backend: FrameBackend = "pandas"

    @abstractmethod
    def _tidy_columns(self) -> Mapping[str, Sequence[Any] | np.ndarray]:
        """One row a term, with broom's column names."""

    @abstractmethod
    def _glance_columns(self) -> Mapping[str, Any]:
        """One value a column, about the result as a whole."""

    @abstractmethod
    def _report(self) -> Report:
        """What the summary prints."""

    def tidy(self) -> Any:
        """Return one row a term: term, estimate, std_error, statistic, p_value, conf_low, conf_high, where they exist.

        Returns
        -------
        DataFrame
            In the caller's data frame library.
        """
        return to_frame(dict(self._tidy_columns()), self.backend)

    def glance(self) -> Any:
        """Return one row about the result as a whole.

        Returns
        -------
        DataFrame
            In the caller's data frame library.
        """
        return to_frame({name: [value] for name, value in self._glance_columns().items()}, self.backend)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python values, ready for JSON.

        Returns
        -------
        dict
            Keys ``terms`` (one dictionary a term), ``overall`` and ``guarantee``.
        """
        columns = {name: _plain(values) for name, values in self._tidy_columns().items()}
        terms = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        overall = {name: _plain_scalar(value) for name, value in self._glance_columns().items()}
        return {"terms": terms, "overall": overall, "guarantee": self.guarantee.to_dict()}

    def summary(self) -> Summary:
        """Return the R-like report: header, table, guarantee.

        Returns
        -------
        Summary
            Prints as text, shows as HTML in a notebook, exports LaTeX and Markdown.
        """
        return Summary(self._report())

    def __repr__(self) -> str:
        return self.summary().as_text()

    def _repr_html_(self) -> str:
        return self.summary().as_html()


def _plain(values: Sequence[Any] | np.ndarray) -> list[Any]:
    return [_plain_scalar(value) for value in values]


def _plain_scalar(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
