"""Results of the learned estimator: estimates, intervals, quantiles, classical estimates and certified bounds."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from validstats._typing import Float1D, Float2D
from validstats.mi.certified import LowerBound
from validstats.mi.network import QUANTILE_LEVELS
from validstats.results import NotApplicable, Report, Result, Table, interval_words, rounded

__all__ = ["LearnedMIResult", "estimate_words"]

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
    "index": "One side by polynomials",
    "indices": "Both sides by polynomials",
    "block_indices": "Blocks by polynomials",
    "symmetric": "Norms, sums and extremes",
}

MAX_NOTES = 10
"""Data sets without an interval that a summary describes one by one."""


def estimate_words(estimate: float, low: float, high: float, unit: str, certified: LowerBound) -> str:
    """The answer in one sentence: the estimate with its interval, and what is certified for every law."""
    if np.isinf(estimate):
        return "X and Y are in an exact relation: their mutual information is unbounded"
    if np.isfinite(low) or np.isfinite(high):
        value = interval_words(estimate, low, high, unit)
    else:
        value = f"{rounded(estimate)} {unit} (no interval)"
    certain = certified.clause(unit)
    return f"X and Y share about {value} of information{f'; {certain}' if certain else ''}"


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class LearnedMIResult(Result):
    """Mutual information of one or of several data sets, with calibrated intervals.

    ``estimate``, ``conf_low`` and ``conf_high`` are numbers for a single pair and arrays for a list of pairs.

    Attributes
    ----------
    estimates, lows, highs : ndarray of shape (m,)
        Median and interval of each data set in ``unit``; infinite where an exact functional relation between
        continuous sides was found, and NaN ends where there is no interval.
    quantiles : ndarray of shape (m, 19)
        Predicted quantiles in ``unit``, before the conformal step, at ``quantile_levels``.
    anchors : dict of str to ndarray of shape (m,)
        Estimates in ``unit`` that the network mixes and corrects, NaN where one does not apply: "ksg", "gaussian", "pairs",
        "whitened_ksg", and those of structure.
    withheld : tuple of str
        Why each data set has no interval; empty where it has one.
    scope : {"meta", "robust"}
        Laws that the intervals speak of: those drawn like the simulated ones, or a kind that was not simulated.
    bounds : tuple of LowerBound
        Certified lower bound of each data set, in ``unit``.
    single : bool
        Whether one pair was passed.
    unit : {"nats", "bits"}
        Unit of all values.
    confidence_level : float
        Level of the intervals and of the certified bounds.
    n_samples, dim_x, dim_y : ndarray of int of shape (m,)
        Shapes of the data sets as they were read.
    n_pairs : ndarray of int of shape (m,)
        Independent pairs of columns, one of each side, that a data set falls into, whose answers are added; 0 where all columns
        are read at once.
    """

    estimates: Float1D
    lows: Float1D
    highs: Float1D
    quantiles: Float2D
    anchors: dict[str, Float1D]
    withheld: tuple[str, ...]
    scope: str
    bounds: tuple[LowerBound, ...]
    single: bool
    unit: str
    confidence_level: float
    n_samples: np.ndarray
    dim_x: np.ndarray
    dim_y: np.ndarray
    n_pairs: np.ndarray

    @property
    def estimate(self) -> Any:
        """Median of the predicted quantiles."""
        return float(self.estimates[0]) if self.single else self.estimates

    @property
    def conf_low(self) -> Any:
        """Lower end of the interval, at least 0."""
        return self._end(self.lows)

    @property
    def conf_high(self) -> Any:
        """Upper end of the interval."""
        return self._end(self.highs)

    @property
    def certified(self) -> Any:
        """Certified lower bound of the pair, or one for each data set."""
        return self.bounds[0] if self.single else self.bounds

    @property
    def naive(self) -> Any:
        """The nearest-neighbour estimate (KSG) that one would have reported."""
        return float(self.anchors["ksg"][0]) if self.single else self.anchors["ksg"]

    @property
    def informative(self) -> bool:
        """Whether an interval or a certified bound excludes anything."""
        return bool(np.isfinite(self.highs).any() or any(bound.value for bound in self.bounds))

    @property
    def quantile_levels(self) -> tuple[float, ...]:
        """Levels of ``quantiles``."""
        return QUANTILE_LEVELS

    def _end(self, ends: Float1D) -> Any:
        if not self.single:
            return ends
        return NotApplicable(self.withheld[0]) if self.withheld[0] else float(ends[0])

    def __float__(self) -> float:
        if not self.single:
            raise TypeError(f"This result holds {len(self.estimates)} data sets; take one of its estimates.")
        return float(self.estimates[0])

    def __len__(self) -> int:
        return len(self.estimates)

    def _display(self, labels: Mapping[str, str] | None, drop: Collection[str]) -> Any:
        """Draw the estimates with their intervals; a single one beside the classical estimates."""
        from validstats.plotting.mutual_information import MutualInformationDisplay

        names, classical = self.terms, []
        if self.single:
            shown = {name: float(v[0]) for name, v in self.anchors.items() if np.isfinite(v[0])}
            names = ["learned", *(ANCHOR_LABELS[name] for name in shown)]
            classical = list(shown.values())
        nothing = np.full(len(classical), np.nan)
        values = (
            np.append(self.estimates, classical),
            np.append(self.lows, nothing),
            np.append(self.highs, nothing),
        )
        kept = [i for i, name in enumerate(names) if name not in drop]
        return MutualInformationDisplay(
            [(labels or {}).get(names[i], names[i]) for i in kept],
            *(array[kept] for array in values),
            unit=self.unit,
            highlighted=np.array(kept) < len(self.estimates),
            sort=False,
        )

    @property
    def terms(self) -> list[str]:
        """What each estimate is about."""
        if self.single:
            return ["mutual information"]
        return [f"data set {i + 1}" for i in range(len(self.estimates))]

    def _answer(self) -> str:
        if self.single:
            ends = float(self.lows[0]), float(self.highs[0])
            return estimate_words(float(self.estimates[0]), *ends, self.unit, self.bounds[0])
        finite = self.estimates[np.isfinite(self.estimates)]
        spread = (
            f"from {rounded(finite.min())} to {rounded(finite.max())} {self.unit}"
            if len(finite)
            else "all unbounded"
        )
        return f"{len(self.estimates)} data sets with a mutual information {spread}"

    def _tidy_columns(self) -> Mapping[str, Sequence[Any] | np.ndarray]:
        return {
            "term": self.terms,
            "estimate": self.estimates,
            "conf_low": self.lows,
            "conf_high": self.highs,
            "certified": [float(bound.value) for bound in self.bounds],
            "n": self.n_samples,
            "dim_x": self.dim_x,
            "dim_y": self.dim_y,
            "n_pairs": self.n_pairs,
            "withheld": list(self.withheld),
            **self.anchors,
        }

    def _glance_columns(self) -> Mapping[str, Any]:
        return {
            "data_sets": len(self.estimates),
            "unit": self.unit,
            "scope": self.scope,
            "confidence_level": self.confidence_level,
            "without_interval": sum(bool(reason) for reason in self.withheld),
        }

    def _report(self) -> Report:
        header: list[tuple[str, Any]] = [("Estimator", "learned (network on ranks)"), ("Unit", self.unit)]
        if self.single:
            header += [("Rows", int(self.n_samples[0])), ("Columns", f"{self.dim_x[0]} and {self.dim_y[0]}")]
        else:
            header += [("Data sets", len(self.estimates))]
        values: dict[str, Any] = {"Estimate": self.estimates, "Low": self.lows, "High": self.highs}
        classical: dict[str, Any] = {
            ANCHOR_LABELS[name]: v for name, v in self.anchors.items() if np.isfinite(v).any()
        }
        tables = [
            Table({"": self.terms, **values}, formats=dict.fromkeys(values, "estimate")),
            Table(
                {"Estimate": list(classical), **{term: [v[i] for v in classical.values()] for i, term in enumerate(self.terms)}}
                if self.single
                else {"": self.terms, **classical},
                title="Estimates that the network mixes and corrects",
                formats=dict.fromkeys([*classical, *self.terms], "estimate"),
            ),
        ]  # fmt: skip
        return Report(
            title="Learned mutual information", header=header, tables=tables, guarantees=[self.guarantee],
            notes=self._notes(),
        )  # fmt: skip

    def _pairs_note(self) -> str:
        if self.single:
            count = int(self.n_pairs[0])
            if count == 1:
                return "By every sign there is one column of each side shares information: this pair is read alone."
            return (
                f"By every sign there is the columns fall into {count} independent pairs, one of each side: each pair is read alone, "
                "and the answers are added."
            )
        read = [f"{term} ({count})" for term, count in zip(self.terms, self.n_pairs, strict=True) if count]
        more = f" and {len(read) - MAX_NOTES} more" if len(read) > MAX_NOTES else ""
        return f"Read as independent pairs of columns, whose answers are added: {', '.join(read[:MAX_NOTES])}{more}."

    def _notes(self) -> list[str]:
        notes = []
        if np.isinf(self.estimates).any():
            notes.append(
                "An exact functional relation between continuous sides: the mutual information is unbounded."
            )
        constant = [
            term
            for i, term in enumerate(self.terms)
            if self.estimates[i] == 0 and (self.quantiles[i] == 0).all()
        ]
        if constant:
            notes.append(
                f"A side does not vary in the sample ({', '.join(constant)}): 0 is what the sample shows, and the "
                "guarantee does not extend to it, because the law may vary where the sample does not."
            )
        if self.n_pairs.any():
            notes.append(self._pairs_note())
        if self.single:
            notes += [f"{bound.sentence(self.unit)}" for bound in self.bounds]
        without = [
            f"No interval ({term}): {reason}."
            for term, reason in zip(self.terms, self.withheld, strict=True)
            if reason
        ]
        notes += without[:MAX_NOTES]
        if len(without) > MAX_NOTES:
            notes.append(
                f"{len(without) - MAX_NOTES} more data sets have no interval; see the attribute withheld."
            )
        return notes
