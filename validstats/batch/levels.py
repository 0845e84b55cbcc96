"""One question about batches, answered at several levels."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np

from validstats.batch.results import BatchResult
from validstats.guarantee import Guarantee
from validstats.results import NotApplicable, Report, Result, Table

__all__ = ["BatchLevels", "level_guarantee"]


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class BatchLevels(Result):
    """Answers to one question about batches at several levels, each of which holds by itself.

    Attributes
    ----------
    results : tuple of BatchResult
        One result a level, lowest level first; iteration gives them.

    Notes
    -----
    ``tidy()`` has the rows of every result below one another, with a column ``confidence_level``. ``estimate``, ``conf_low``,
    ``conf_high`` and ``naive`` have the levels as their first axis.
    """

    results: tuple[BatchResult, ...]

    _naming = ("batch", "term")

    @property
    def levels(self) -> tuple[float, ...]:
        """The levels, in increasing order."""
        return tuple(float(r.confidence_level) for r in self.results)

    def at(self, confidence_level: float) -> BatchResult:
        """Return the result at one of the levels.

        Parameters
        ----------
        confidence_level : float
            One of ``levels``.

        Returns
        -------
        BatchResult
            That result.

        Raises
        ------
        KeyError
            If the level was not asked for.
        """
        found = [
            r
            for r, level in zip(self.results, self.levels, strict=True)
            if abs(level - confidence_level) < 1e-12
        ]
        if not found:
            raise KeyError(f"There is no result at {confidence_level!r}; the levels are {self.levels}.")
        return found[0]

    def __iter__(self) -> Iterator[BatchResult]:
        return iter(self.results)

    @property
    def terms(self) -> Any:
        """What each number of the last axis is."""
        highest: Any = self.results[-1]
        return highest.terms

    @property
    def estimate(self) -> Any:
        """Point values, levels first."""
        return self._stacked("estimate")

    @property
    def conf_low(self) -> Any:
        """Lower bounds, levels first."""
        return self._stacked("conf_low")

    @property
    def conf_high(self) -> Any:
        """Upper bounds, levels first."""
        return self._stacked("conf_high")

    @property
    def naive(self) -> Any:
        """What the model alone says, levels first."""
        return self._stacked("naive")

    @property
    def confidence_level(self) -> NotApplicable:
        """Not applicable: there is one for each result."""
        return NotApplicable("every level has a result of its own; see levels")

    @property
    def informative(self) -> bool:
        """Whether the result at every level says something."""
        return all(r.informative for r in self.results)

    def _display(self, labels: Mapping[str, str] | None, drop: Collection[str]) -> Any:
        """The figure of the highest level."""
        return self.results[-1]._display(labels, drop)

    def _stacked(self, name: str) -> Any:
        ends = [getattr(r, name) for r in self.results]
        return ends[0] if isinstance(ends[0], NotApplicable) else np.array(ends)

    def _answer(self) -> str:
        low, high = self.levels[0], self.levels[-1]
        return f"At {100 * low:g} %: {self.results[0].answer}. At {100 * high:g} %: {self.results[-1].answer}"

    def _tidy_columns(self) -> Mapping[str, Sequence[Any] | np.ndarray]:
        parts = [dict(r._tidy_columns()) for r in self.results]
        sizes = [len(part["batch"]) for part in parts]
        first, *others = parts[0]
        joined = {name: [value for part in parts for value in part[name]] for name in parts[0]}
        levels = [level for level, size in zip(self.levels, sizes, strict=True) for _ in range(size)]
        return {first: joined[first], "confidence_level": levels, **{name: joined[name] for name in others}}

    def _glance_columns(self) -> Mapping[str, Any]:
        common = dict(self.results[-1]._glance_columns())
        kept = {name: common[name] for name in ("n_calibration", "n_batches", "n_rows")}
        return {**kept, "n_levels": len(self.results), "informative": self.informative}

    def _report(self) -> Report:
        reports = [r._report() for r in self.results]
        tables = [report.tables[0].columns for report in reports]
        names = [name for name in tables[0] if all(name in table for table in tables)]
        levels = [
            f"{100 * level:g} %"
            for level, table in zip(self.levels, tables, strict=True)
            for _ in table[names[0]]
        ]
        columns = {names[0]: [v for table in tables for v in table[names[0]]], "Level": levels}
        columns |= {name: [v for table in tables for v in table[name]] for name in names[1:]}
        last = reports[-1]
        header = [entry for entry in last.header if entry[0] != "Confidence level"]
        return replace(
            last,
            header=header,
            tables=[Table(columns)],
            guarantees=[self.guarantee],
            answer=self._answer(),
        )


def level_guarantee(results: Sequence[BatchResult], levels: Sequence[Fraction], statement: str) -> Guarantee:
    """What results at several levels promise: each level by itself."""
    words = [f"{100 * float(level):.6g}" for level in levels]
    return replace(
        results[-1].guarantee,
        holds=f"in at least {', '.join(words[:-1])} and {words[-1]} % of analyses like this one, each level by itself, {statement}",
        confidence_level=None,
        exact_probability=None,
        n_statements=sum(r.guarantee.n_statements for r in results),
    )
