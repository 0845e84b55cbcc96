"""What the learned estimator returns: values, intervals, quantiles, classical estimates and the support check."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from validstats._typing import Float1D, Float2D
from validstats.mi.network import QUANTILE_LEVELS, SupportVerdict
from validstats.results import Report, Result, Table

__all__ = ["LearnedMIResult"]

ANCHOR_LABELS = {
    "ksg": "KSG",
    "gaussian": "Gaussian copula",
    "pairs": "Matched pairs",
    "whitened_ksg": "KSG, whitened",
    "summary": "One side summarised",
    "summaries": "Both sides summarised",
    "blocks": "Independent blocks",
    "block_summaries": "Blocks, summarised",
    "matched": "Pairs by chi-square",
    "radius": "Norms",
    "table": "Table, adjusted",
    "log_loss": "Predicted levels",
    "chosen_columns": "Table of few columns",
}

MAX_NOTES = 10
"""Data sets outside the support that a summary describes one by one."""


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class LearnedMIResult(Result):
    """Mutual information of one or of several data sets, with calibrated intervals.

    ``estimate``, ``conf_low`` and ``conf_high`` are numbers for a single pair and arrays for a list of pairs.

    Attributes
    ----------
    estimates, lows, highs : ndarray of shape (m,)
        Median and interval of each data set in ``unit``; infinite where an exact functional relation between
        continuous sides was found.
    quantiles : ndarray of shape (m, 19)
        Predicted quantiles in ``unit``, before the conformal step, at ``quantile_levels``.
    anchors : dict of str to ndarray of shape (m,)
        Classical estimates in ``unit``: "ksg", "gaussian", "pairs", "whitened_ksg".
    support : tuple of SupportVerdict
        What the support check says about each data set.
    single : bool
        Whether one pair was passed.
    unit : {"nats", "bits"}
        Unit of all values.
    confidence_level : float
        Level of the intervals.
    n_samples, dim_x, dim_y : ndarray of int of shape (m,)
        Shapes of the data sets.
    """

    estimates: Float1D
    lows: Float1D
    highs: Float1D
    quantiles: Float2D
    anchors: dict[str, Float1D]
    support: tuple[SupportVerdict, ...]
    single: bool
    unit: str
    confidence_level: float
    n_samples: np.ndarray
    dim_x: np.ndarray
    dim_y: np.ndarray

    @property
    def estimate(self) -> Any:
        """Median of the predicted quantiles."""
        return float(self.estimates[0]) if self.single else self.estimates

    @property
    def conf_low(self) -> Any:
        """Lower end of the interval, at least 0."""
        return float(self.lows[0]) if self.single else self.lows

    @property
    def conf_high(self) -> Any:
        """Upper end of the interval."""
        return float(self.highs[0]) if self.single else self.highs

    @property
    def quantile_levels(self) -> tuple[float, ...]:
        """Levels of ``quantiles``."""
        return QUANTILE_LEVELS

    def __float__(self) -> float:
        if not self.single:
            raise TypeError(f"This result holds {len(self.estimates)} data sets; take one of its estimates.")
        return float(self.estimates[0])

    def __len__(self) -> int:
        return len(self.estimates)

    def plot(self, ax: Any = None) -> Any:
        """Draw the estimates with their intervals; a single one beside the classical estimates.

        Parameters
        ----------
        ax : matplotlib Axes or None, default None
            Axes to draw on; new ones if None.

        Returns
        -------
        MutualInformationDisplay
            The display, drawn.
        """
        from validstats.plotting.mutual_information import MutualInformationDisplay

        names, classical = self._terms(), []
        if self.single:
            names = ["learned", *(ANCHOR_LABELS[name] for name in self.anchors)]
            classical = [float(values[0]) for values in self.anchors.values()]
        nothing = np.full(len(classical), np.nan)
        return MutualInformationDisplay(
            names,
            np.append(self.estimates, classical),
            np.append(self.lows, nothing),
            np.append(self.highs, nothing),
            unit=self.unit,
            highlighted=np.arange(len(names)) < len(self.estimates),
            sort=False,
        ).plot(ax)

    def _terms(self) -> list[str]:
        if self.single:
            return ["mutual information"]
        return [f"data set {i + 1}" for i in range(len(self.estimates))]

    def _tidy_columns(self) -> Mapping[str, Sequence[Any] | np.ndarray]:
        return {
            "term": self._terms(),
            "estimate": self.estimates,
            "conf_low": self.lows,
            "conf_high": self.highs,
            "n": self.n_samples,
            "dim_x": self.dim_x,
            "dim_y": self.dim_y,
            "inside_support": [verdict.inside for verdict in self.support],
            **self.anchors,
        }

    def _glance_columns(self) -> Mapping[str, Any]:
        return {
            "data_sets": len(self.estimates),
            "unit": self.unit,
            "confidence_level": self.confidence_level,
            "outside_support": sum(not verdict.inside for verdict in self.support),
        }

    def _report(self) -> Report:
        header: list[tuple[str, Any]] = [("Estimator", "learned (network on ranks)"), ("Unit", self.unit)]
        if self.single:
            header += [("Rows", int(self.n_samples[0])), ("Columns", f"{self.dim_x[0]} and {self.dim_y[0]}")]
        else:
            header += [("Data sets", len(self.estimates))]
        values: dict[str, Any] = {"Estimate": self.estimates, "Low": self.lows, "High": self.highs}
        classical: dict[str, Any] = {ANCHOR_LABELS[name]: values for name, values in self.anchors.items()}
        tables = [
            Table({"": self._terms(), **values}, formats=dict.fromkeys(values, "estimate")),
            Table(
                {"": self._terms(), **classical}, title="Classical estimates beside it",
                formats=dict.fromkeys(classical, "estimate"),
            ),
        ]  # fmt: skip
        return Report(
            title="Learned mutual information", header=header, tables=tables, guarantees=[self.guarantee],
            notes=self._notes(),
        )  # fmt: skip

    def _notes(self) -> list[str]:
        notes = []
        if np.isinf(self.estimates).any():
            notes.append(
                "An exact functional relation between continuous sides: the mutual information is unbounded."
            )
        constant = [
            term
            for term, verdict, value in zip(self._terms(), self.support, self.estimates, strict=True)
            if verdict.anchor_name == "exact" and value == 0
        ]
        if constant:
            notes.append(
                f"A side does not vary in the sample ({', '.join(constant)}): 0 is what the sample shows, and the "
                "guarantee does not extend to it, because the law may vary where the sample does not."
            )
        outside = []
        for term, verdict in zip(self._terms(), self.support, strict=True):
            if not verdict.inside:
                outside.append(
                    f"Outside the support ({term}): {'; '.join(verdict.reasons)}. The interval was widened and "
                    f"its level is not guaranteed; compare with {ANCHOR_LABELS.get(verdict.anchor_name, 'KSG')}."
                )
        notes += outside[:MAX_NOTES]
        if len(outside) > MAX_NOTES:
            notes.append(
                f"{len(outside) - MAX_NOTES} more data sets are outside the support; see the attribute support."
            )
        return notes
