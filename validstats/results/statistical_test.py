"""Test results: a statistic with its p-value, which has no interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from validstats.results.answer import NotApplicable
from validstats.results.formats import Format
from validstats.results.result import Result
from validstats.results.table import Report, Table

__all__ = ["StatisticalTest"]


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class StatisticalTest(Result):
    """A statistic with its p-value.

    Parameters
    ----------
    statistic : float
        Observed statistic; NaN where the data cannot tell.
    p_value : float
        Its p-value; 1 where the data cannot tell.
    """

    statistic: float
    p_value: float

    @property
    def estimate(self) -> float:
        """The observed statistic."""
        return self.statistic

    @property
    def conf_low(self) -> NotApplicable:
        """A test has no interval."""
        return NotApplicable("a test has no interval")

    @property
    def conf_high(self) -> NotApplicable:
        """A test has no interval."""
        return self.conf_low

    @property
    def confidence_level(self) -> NotApplicable:
        """A test has no level of its own: the p-value is compared with the reader's."""
        return NotApplicable("the p-value is compared with the level of the reader")

    @property
    def naive(self) -> NotApplicable:
        """There is no simpler answer."""
        return NotApplicable("there is no simpler test that holds its level")

    @property
    def informative(self) -> bool:
        """Whether the data can tell anything."""
        return self.statistic == self.statistic  # False for NaN

    def _tidy_columns(self) -> Mapping[str, Sequence[Any] | np.ndarray]:
        return {"term": ["statistic"], "statistic": [self.statistic], "p_value": [self.p_value]}

    def _glance_columns(self) -> Mapping[str, Any]:
        return {"n": self.n_reference}

    def _title(self) -> str:
        """What the report is called."""
        return "Test"

    def _report(self) -> Report:
        tidy = self._tidy_columns()
        columns = {name.replace("_", " ").capitalize(): list(values) for name, values in tidy.items()}
        formats: dict[str, Format] = {
            name: "p_value" if name == "P value" else "estimate" for name in columns if name != "Term"
        }
        header = [(k.replace("_", " ").capitalize(), v) for k, v in self._glance_columns().items()]
        return Report(
            title=self._title(),
            header=header,
            tables=[Table(columns, formats=formats)],
            guarantees=[self.guarantee],
        )
