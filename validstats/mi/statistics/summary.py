"""Permutation-invariant statistics and anchors of one data set: what the network reads."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Self

import numpy as np
import numpy.typing as npt

from validstats._typing import Float1D, Float2D
from validstats.mi.statistics.linear import (
    CanonicalScores,
    LinearParts,
    linear_parts,
    linear_statistics,
    readable_scores,
    side_labels,
    unique_share,
)
from validstats.mi.statistics.local import (
    LocalGeometry,
    discrete_statistics,
    distance_correlation,
    local_geometry,
    local_statistics,
    pair_statistics,
    radius_statistics,
)
from validstats.mi.statistics.structure import STRUCTURE_ANCHORS, STRUCTURE_NAMES, structure_statistics

__all__ = [
    "ANCHOR_NAMES",
    "CLASSICAL_ANCHORS",
    "CLASSICAL_STATISTICS",
    "DataSummary",
    "LARGEST_N",
    "STATISTIC_NAMES",
    "SummaryTable",
    "pack_summaries",
    "summarise_data",
]


@dataclass(frozen=True)
class SummaryTable:
    """Summaries of many sets as arrays; the first axis of each counts the sets."""

    statistics: npt.NDArray[np.float32]  # Statistics
    anchors: npt.NDArray[np.float32]  # Candidates, NaN where one does not apply
    scales: npt.NDArray[np.float64]  # Size of the correction that each candidate leaves room for
    shape: npt.NDArray[np.int32]  # n and the two dimensions, the smaller first
    bound: npt.NDArray[np.float32]  # Smaller of the entropies of the discrete sides, or infinity

    def __len__(self) -> int:
        return len(self.bound)

    def select(self, chosen: npt.NDArray[np.generic]) -> Self:
        """Return the sets at the given positions, or where a mask holds."""
        return type(self)(**{f.name: getattr(self, f.name)[chosen] for f in fields(self)})


def pack_summaries(summaries: list[DataSummary]) -> SummaryTable:
    """Stack the summaries of data sets."""
    m = len(summaries)
    statistics = np.array([s.statistics for s in summaries], dtype=np.float32)
    anchors = np.array([s.anchors for s in summaries], dtype=np.float32)
    return SummaryTable(
        statistics=statistics.reshape(m, len(STATISTIC_NAMES)),
        anchors=anchors.reshape(m, len(ANCHOR_NAMES)),
        scales=np.array([s.scales for s in summaries], dtype=np.float64).reshape(m, len(ANCHOR_NAMES)),
        shape=np.array([(s.n, *sorted((s.dim_x, s.dim_y))) for s in summaries], dtype=np.int32).reshape(m, 3),
        bound=np.array([s.entropy_bound for s in summaries], dtype=np.float32),
    )


CLASSICAL_ANCHORS = ("ksg", "gaussian", "pairs", "whitened_ksg")
"""Classical estimates that the network may correct: see :func:`anchors`."""
ANCHOR_NAMES = (*CLASSICAL_ANCHORS, *STRUCTURE_ANCHORS)
"""All candidates of the gate."""
LARGEST_N = 10_000
"""Largest sample size of the families; longer data are read as if they had so many rows."""
DENSE_CELL = 5.0
"""Rows per filled cell of two discrete sides from which the plug-in estimate is an anchor."""


@dataclass(frozen=True)
class DataSummary:
    """Everything that the network reads about one data set."""

    statistics: Float1D  # Permutation-invariant statistics
    anchors: Float1D  # Candidates in nats, clipped at zero; NaN where one does not apply
    scales: Float1D  # Size of the correction that each candidate leaves room for
    # n, dim_x, dim_y: Rows, and coordinates that are neither constant nor copies; ``dim_x`` is the smaller
    n: int
    dim_x: int
    dim_y: int
    entropy_bound: float  # Smaller of the entropies of the discrete sides, ``inf`` where neither has ties


def summarise_data(x: Float2D, y: Float2D, structure: bool = True) -> DataSummary:
    """Compute statistics and anchors of a data set."""
    scores, tied, broken = readable_scores(x, y)
    return _assemble(scores, linear_parts(scores.first, scores.second), tied, broken, structure)


def _assemble(
    scores: CanonicalScores, parts: LinearParts, tied: CanonicalScores, broken: bool, structure: bool
) -> DataSummary:
    """Statistics of the geometry from ``scores``, those of ties and levels from ``tied``, row by row the same."""
    x, y = scores.first, scores.second
    n, dim_x, dim_y = scores.n, x.shape[1], y.shape[1]
    shares = unique_share(tied.ranks_first), unique_share(tied.ranks_second)
    column_ties = not broken and min(shares[0].min(), shares[1].min()) < 1.0
    values = _shape_statistics(n, dim_x, dim_y, shares)
    values.update(linear_statistics(x, y, parts))
    values.update(radius_statistics(parts))
    geometries = _geometries(x, y, parts)
    for name, geometry in geometries.items():
        values.update(local_statistics(geometry, name))
    values.update(pair_statistics(x, y, parts, column_ties))
    values["distance_correlation"] = distance_correlation(parts.white_x, parts.white_y)
    repeated, discrete = _discrete(tied, parts, shares)
    values.update(discrete)
    entropies = zip(_side_entropies(tied, repeated), repeated, strict=True)
    bound = min((entropy for entropy, repeats in entropies if repeats), default=np.inf)
    classical = anchors(values, dim_x, dim_y, repeated)
    candidates = np.full(len(STRUCTURE_ANCHORS), np.nan)
    scales = np.ones(len(STRUCTURE_ANCHORS))
    values.update(dict.fromkeys(STRUCTURE_NAMES, 0.0))
    if structure:
        further, candidates, scales = structure_statistics(scores, tied, parts, classical)
        values.update(further)
    # The correction of a classical anchor shrinks as n^(-1/d), d = dim X + dim Y; of 1x1 data as n^(-1/2).
    classical_scale = min(1.0, 8.0 * min(n, LARGEST_N) ** (-1.0 / (dim_x + dim_y)))
    return DataSummary(
        statistics=np.array([values[name] for name in STATISTIC_NAMES]),
        anchors=np.concatenate([classical, candidates]),
        scales=np.concatenate([np.full(len(classical), classical_scale), scales]),
        n=n,
        dim_x=dim_x,
        dim_y=dim_y,
        entropy_bound=float(bound),
    )


def _shape_statistics(n: int, dim_x: int, dim_y: int, shares: tuple[Float1D, Float1D]) -> dict[str, float]:
    low, high = sorted((dim_x, dim_y))
    ties = sorted((float(1 - shares[0].mean()), float(1 - shares[1].mean())))
    return {
        "log_n": float(np.log(n)),
        "log_dim_low": float(np.log(low)),
        "log_dim_high": float(np.log(high)),
        "dim_per_row": (dim_x + dim_y) / n,
        "log_dim_per_row": float(np.log((dim_x + dim_y) / n)),
        "inverse_root_n": float(1 / np.sqrt(n)),
        "univariate": float(high == 1),
        "ties_low": ties[0],
        "ties_high": ties[1],
    }


def _geometries(x: Float2D, y: Float2D, parts: LinearParts) -> dict[str, LocalGeometry]:
    scores = local_geometry(x, y, euclidean=False)
    if x.shape[1] == 1 and y.shape[1] == 1:
        return {"scores": scores, "white": scores, "variates": scores}
    white = local_geometry(parts.white_x, parts.white_y, euclidean=True)
    variates = local_geometry(parts.variates_x, parts.variates_y, euclidean=False)
    return {"scores": scores, "white": white, "variates": variates}


def _discrete(
    scores: CanonicalScores, parts: LinearParts, shares: tuple[Float1D, Float1D]
) -> tuple[tuple[bool, bool], dict[str, float]]:
    labels, tied = [], []
    for ranks, share in zip((scores.ranks_first, scores.ranks_second), shares, strict=True):
        if share.max() < 1.0:
            label = side_labels(ranks)
            tied.append(int(label.max()) + 1 < len(label))
        else:
            label = np.arange(len(ranks), dtype=np.int64)
            tied.append(False)
        labels.append(label)
    values = discrete_statistics(parts.white_x, parts.white_y, labels[0], labels[1], tied[0], tied[1])
    values["discrete_sides"] = float(sum(tied))
    return (tied[0], tied[1]), values


def _side_entropies(scores: CanonicalScores, tied: tuple[bool, bool]) -> list[float]:
    out = []
    for ranks, has_ties in zip((scores.ranks_first, scores.ranks_second), tied, strict=True):
        if not has_ties:
            out.append(np.inf)
            continue
        shares = np.bincount(side_labels(ranks)) / len(ranks)
        out.append(float(-np.sum(shares * np.log(shares))))
    return out


def anchors(values: dict[str, float], dim_x: int, dim_y: int, tied: tuple[bool, bool]) -> Float1D:
    """Return the classical estimates in the order of ``CLASSICAL_ANCHORS``, clipped at zero."""
    ksg = 0.5 * (values["scores_ksg3"] + values["scores_ksg8"])
    if dim_x == 1 and dim_y == 1:
        ksg = 0.5 * (values["pairs_3"] + values["pairs_8"])
    white = 0.5 * (values["white_ksg3"] + values["white_ksg8"])
    if all(tied) and values["cell_rows"] >= np.log(DENSE_CELL):
        ksg = white = values["plug_in"]
    elif any(tied) and not all(tied) and values["class_information"] != 0.0:
        ksg = white = values["class_information"]
    pairs = 0.5 * (values["pairs_3"] + values["pairs_8"])
    return np.maximum(np.array([ksg, _gaussian_anchor(values), pairs, white]), 0.0)


def _gaussian_anchor(values: dict[str, float]) -> float:
    return values["gauss_corrected"] if values["dim_per_row"] < 0.5 else values["gauss_ridge"]


_LOCAL = (
    "ksg1", "ksg3", "ksg8", "ksg20", "spread3", "spread20", "radius", "growth", "radius_spread", "asymmetry",
    "predict_low", "predict_high", "predict_tail",
)  # fmt: skip
STATISTIC_NAMES: tuple[str, ...] = (
    "log_n", "log_dim_low", "log_dim_high", "dim_per_row", "log_dim_per_row", "inverse_root_n", "univariate",
    "ties_low", "ties_high",
    "gauss_plain", "gauss_ridge", "gauss_strong", "gauss_corrected", "within_low", "within_high",
    "excess_cross", "excess_cross_max", "excess_low", "excess_high",
    "canonical_1", "canonical_2", "canonical_3", "canonical_4", "canonical_energy", "canonical_energy_4",
    "cross_matched", "cross_max", "cross_energy", "squares_matched", "squares_max", "squares_energy",
    "mixed_matched", "mixed_max", "mixed_energy", "cubes_matched", "cubes_max", "cubes_energy",
    "folds_linear", "folds_first", "folds_hermite", "folds_squares",
    "radius_information", "radius_correlation", "radius_low", "radius_high", "kurtosis_low", "kurtosis_high",
    "radius_fourth_low", "radius_fourth_high",
    *(f"scores_{name}" for name in _LOCAL), *(f"white_{name}" for name in _LOCAL),
    *(f"variates_{name}" for name in _LOCAL),
    "pairs_3", "pairs_8", "pairs_max", "pairs_positive", "distance_correlation",
    "plug_in", "class_information", "entropy_low", "entropy_high", "levels_low", "levels_high", "discrete_sides",
    "cell_rows", *STRUCTURE_NAMES,
)  # fmt: skip
"""Names of the statistics, in the order of the training shards."""
CLASSICAL_STATISTICS = len(STATISTIC_NAMES) - len(STRUCTURE_NAMES)
"""Number of statistics without those of structure, which come after them."""
