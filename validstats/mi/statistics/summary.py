"""Permutation-invariant statistics and anchors of one data set, those of structure included: what the network reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Self, TypeAlias

import numpy as np
import numpy.typing as npt

from validstats._typing import Float1D, Float2D, Int1D, Int2D
from validstats.mi.anchors import (
    adjusted_plug_in,
    chosen_columns_plug_in,
    column_codes,
    forest_means,
    interaction_strength,
    is_split,
    ksg,
    merge_rare,
    offered_columns,
    plug_in,
    polynomial_means,
    predicted_levels,
    rank_scores,
    reduce_predictions,
    side_targets,
    split_blocks,
    strongest_pairs,
    symmetric_columns,
)
from validstats.mi.statistics.linear import (
    CanonicalScores,
    LinearParts,
    break_common_ties,
    linear_parts,
    linear_statistics,
    readable_scores,
    side_labels,
    unique_share,
)
from validstats.mi.statistics.local import (
    LocalGeometry,
    class_information,
    discrete_statistics,
    distance_correlation,
    local_geometry,
    local_statistics,
    pair_information,
    pair_statistics,
    radius_statistics,
)

__all__ = [
    "ANCHOR_NAMES",
    "CLASSICAL_ANCHORS",
    "CLASSICAL_STATISTICS",
    "DataSummary",
    "LARGEST_N",
    "Readings",
    "STATISTIC_NAMES",
    "SummaryTable",
    "pack_summaries",
    "summarise_data",
]


ROWS = 2_500
"""Rows that the statistics of structure read, the first in canonical order."""
MOST_MATCHED = 12
MOST_SUMMARY_BLOCKS = 4
MOST_SYMMETRIC = 2
"""Pairs of symmetric functions that are read by nearest neighbours."""
KSG_COLUMNS = 12
MOST_FILLED = 0.5
"""Filled cells a row beyond which two sides are not read as a table."""
"""Blocks with more columns than this are not read by nearest neighbours."""

STRUCTURE_ANCHORS = (
    "summary", "summaries", "blocks", "block_summaries", "matched", "radius", "table", "log_loss", "chosen_columns",
    "index", "indices", "block_indices", "symmetric",
)  # fmt: skip
"""Candidates of the gate: one side summarised by forests, both, sums over blocks (by neighbours, by summaries) and over matched
pairs, norms, plug-in adjusted for chance, predicted levels, the table of the columns that matter, and one side summarised by
polynomials, both, the sum over blocks by these, and symmetric functions of the columns of a side."""
_RELATIVE = STRUCTURE_ANCHORS
STRUCTURE_NAMES = (
    *STRUCTURE_ANCHORS, "summary_low", "summary_max", "blocks_count", "blocks_largest", "blocks_residual",
    "blocks_interaction", "matched_count", "miller_madow", "chance", "predicted_ross", "filled", "coded_sides",
    *(f"{name}_gain" for name in _RELATIVE),
)  # fmt: skip


def structure_statistics(
    scores: CanonicalScores, tied: CanonicalScores, parts: LinearParts, classical: Float1D
) -> tuple[dict[str, float], Float1D, Float1D, Blocks]:
    """Statistics of structure, the candidates that they give (NaN where one does not apply), their residual scales, and blocks.

    ``classical`` are the anchors without structure, in nats: every candidate is also read as a difference from their mean on
    the logarithmic scale.
    """
    n = min(scores.n, ROWS)
    values = dict.fromkeys(STRUCTURE_NAMES, 0.0)
    candidates = dict.fromkeys(STRUCTURE_ANCHORS, np.nan)
    dims = dict.fromkeys(STRUCTURE_ANCHORS, 2)
    single = tied.first.shape[1] == 1 and tied.second.shape[1] == 1
    blocks: Blocks = ()
    if not single:
        plain = break_common_ties(tied)
        x, y = plain.first[:n], plain.second[:n]
        ranks = (np.hstack([plain.ranks_first, plain.ranks_second]) + plain.n - 1) // 2
        wholes = [summary_informations(x, y, means) for means in (summarised_by_forests, polynomial_means)]
        (low, high, both, dims["summary"]), (_, index, indices, dims["index"]) = wholes
        candidates["summary"], candidates["summaries"] = high, both
        candidates["index"], candidates["indices"] = index, indices
        values["summary_low"], values["summary_max"] = low, max(high, both)
        dims["summaries"] = dims["indices"] = 2 * summary_rank(n)
        blocks = _blocks(x, y, _first_ranks(ranks, n), (max(high, both), index), values, candidates)
        candidates["radius"] = radius_information(parts.white_x[:n], parts.white_y[:n], x, y)
        candidates["symmetric"] = symmetric_information(x, y)
    _tables(tied, n, values, candidates)
    found = np.array([candidates[name] for name in STRUCTURE_ANCHORS])
    base = float(np.mean(_log_scale(classical)))
    for name, value in candidates.items():
        if np.isfinite(value):
            values[name] = value
            values[f"{name}_gain"] = float(_log_scale(value)) - base
        else:
            values[name] = float(np.expm1(base) / 2)
    if single:
        # Nothing is added to what is known of two columns.
        for name in ("summary_low", "summary_max"):
            values[name] = values["summary"]
    # A scale that vanished around an anchor that is wrong for the law could not be repaired: at least .1.
    scales = np.array([max(0.1, min(1.0, 8.0 * n ** (-1.0 / dims[name]))) for name in STRUCTURE_ANCHORS])
    return values, np.where(np.isfinite(found), np.maximum(found, 0.0), np.nan), scales, blocks


def _log_scale(values: Float1D | float) -> Float1D:
    return np.asarray(np.log1p(2.0 * np.maximum(values, 0.0)))


def summary_rank(n: int) -> int:
    """Columns that a summary keeps."""
    return 1 if n < 200 else 2


Blocks: TypeAlias = Sequence[tuple[Int1D, Int1D]]
"""Columns of either side, block by block."""
Means: TypeAlias = Callable[[Float2D, Float2D], Float2D]
"""Predictions of targets, given the columns of a side, by what did not see the row."""


def summarised_by_forests(rows: Float2D, targets: Float2D) -> Float2D:
    """Predictions by trees."""
    return forest_means(offered_columns(rows), targets)


def summary_informations(x: Float2D, y: Float2D, means: Means) -> tuple[float, float, float, int]:
    """Neighbour estimates between a summary of one side and the other (smaller, larger) and between both; and its dimension."""
    n, rank = len(x), summary_rank(len(x))
    targets_x, targets_y = side_targets(x), side_targets(y)
    of_x = rank_scores(reduce_predictions(means(x, targets_y), targets_y, rank))
    of_y = rank_scores(reduce_predictions(means(y, targets_x), targets_x, rank))
    k = min(3, n - 1)
    both = ksg(of_x, of_y, k)
    one_sided = []
    if y.shape[1] <= 3:
        one_sided.append((ksg(of_x, y, k), y.shape[1]))
    if x.shape[1] <= 3:
        one_sided.append((ksg(x, of_y, k), x.shape[1]))
    if not one_sided:
        return both, both, both, 2 * rank
    values = [value for value, _ in one_sided]
    return min(values), max(values), both, rank + max(one_sided)[1]


def _first_ranks(ranks: Int2D, n: int) -> Int2D:
    """Ranks 0..n-1 among the first n rows."""
    if n == len(ranks):
        return ranks
    return np.argsort(np.argsort(ranks[:n], axis=0, kind="stable"), axis=0, kind="stable")


def _blocks(
    x: Float2D,
    y: Float2D,
    ranks: Int2D,
    wholes: tuple[float, float],
    values: dict[str, float],
    candidates: dict[str, float],
) -> Blocks:
    """Sums over blocks, and the blocks; ``wholes`` are what summaries, and indices, say of all columns."""
    dim_x = x.shape[1]
    split = split_blocks(ranks, dim_x)
    sums = [0.0, 0.0, 0.0]
    larger = 0
    for first, second in split.blocks:
        a, b = x[:, first], y[:, second]
        if len(first) == 1 and len(second) == 1:
            value = summary = index = float(pair_information(a[:, 0], b[:, 0], (3, 6)).mean())
        else:
            everything = len(first) == dim_x and len(second) == y.shape[1]
            summary, index = wholes if everything else (-np.inf, -np.inf)
            value = summary
            if not everything and larger < MOST_SUMMARY_BLOCKS:
                _, high, both, _ = summary_informations(a, b, summarised_by_forests)
                summary, index = max(high, both), summary_informations(a, b, polynomial_means)[1]
            if len(first) + len(second) <= KSG_COLUMNS:
                value = ksg(a, b, min(4, len(a) - 1))
            most = max(value, summary, 0.0)
            value, summary, index = (v if np.isfinite(v) else most for v in (value, summary, index))
            larger += 1
        sums[0] += value
        sums[1] += max(summary, 0.0)
        sums[2] += max(index, 0.0)
    candidates["blocks"], candidates["block_summaries"], candidates["block_indices"] = sums
    pairs = split.matched[:MOST_MATCHED]
    candidates["matched"] = float(sum(pair_information(x[:, i], y[:, j], (3, 6)).mean() for i, j in pairs))
    values["matched_count"] = float(len(split.matched))
    values["blocks_count"] = float(len(split.blocks))
    values["blocks_largest"] = float(max((len(a) + len(b) for a, b in split.blocks), default=0))
    values["blocks_residual"] = split.residual
    values["blocks_interaction"] = max(
        interaction_strength(x, split.block_of[:dim_x]), interaction_strength(y, split.block_of[dim_x:])
    )
    return split.blocks


def radius_information(white_x: Float2D, white_y: Float2D, x: Float2D, y: Float2D) -> float:
    """Largest neighbour estimate between the norms of the whitened sides, or the norm of one and a single column."""
    radii = [rank_scores(np.sum(white**2, axis=1, keepdims=True))[:, 0] for white in (white_x, white_y)]
    values = [pair_information(radii[0], radii[1], (3,))[0]]
    if y.shape[1] == 1 and x.shape[1] > 1:
        values.append(pair_information(radii[0], y[:, 0], (3,))[0])
    if x.shape[1] == 1 and y.shape[1] > 1:
        values.append(pair_information(x[:, 0], radii[1], (3,))[0])
    return float(max(values))


def symmetric_information(x: Float2D, y: Float2D) -> float:
    """Largest neighbour estimate between symmetric functions of the sides, of the pairs that correlate most by polynomials."""
    of_x, of_y = symmetric_columns(x), symmetric_columns(y)
    pairs = strongest_pairs(of_x, of_y, MOST_SYMMETRIC)
    return max(float(pair_information(of_x[:, i], of_y[:, j], (3,))[0]) for i, j in pairs)


def _tables(tied: CanonicalScores, n: int, values: dict[str, float], candidates: dict[str, float]) -> None:
    sides = [(tied.first[:n], tied.ranks_first[:n]), (tied.second[:n], tied.ranks_second[:n])]
    codes: list[Int1D | None] = []
    for _, ranks in sides:
        labels = side_labels(ranks)
        levels = int(labels.max()) + 1
        codes.append(labels if 2 <= levels <= n / 2 else None)
    coded = [i for i in (0, 1) if codes[i] is not None]
    if len(coded) == 2:
        one, two = (np.asarray(c) for c in codes)
        if len(np.unique(one * (two.max() + 1) + two)) > MOST_FILLED * n:
            # Rounded measurements: a table that thin says nothing, and its adjustment for chance divides by almost nothing.
            if sides[0][1].shape[1] == 1 == sides[1][1].shape[1]:
                return
            wide = 0 if one.max() >= two.max() else 1
            codes[wide] = None
            coded = [1 - wide]
    values["coded_sides"] = float(len(coded))
    if not coded:
        return
    if len(coded) == 2:
        values["miller_madow"] = plug_in(one, two).value
        candidates["table"], values["chance"] = adjusted_plug_in(one, two)
        cells = len(np.unique(one * (two.max() + 1) + two))
        values["filled"] = cells / n
    candidates["chosen_columns"] = _chosen(sides, codes, n)
    label = min(coded, key=lambda i: (int(np.asarray(codes[i]).max()), i))
    merged = merge_rare(np.asarray(codes[label]))
    others = sides[1 - label][0]
    candidates["log_loss"], probabilities = predicted_levels(offered_columns(others), merged)
    one_hot = np.eye(int(merged.max()) + 1)[merged]
    summary = rank_scores(reduce_predictions(probabilities, one_hot, min(summary_rank(n), one_hot.shape[1])))
    values["predicted_ross"] = class_information(summary, merged)


def _chosen(sides: list[tuple[Float2D, Int2D]], codes: list[Int1D | None], n: int) -> float:
    """Table of the few columns that matter on the side with more columns, if the other is coded."""
    wide = 0 if sides[0][1].shape[1] > sides[1][1].shape[1] else 1
    other = codes[1 - wide]
    if other is None or n < 20:
        return np.nan
    columns = [column for column in column_codes(sides[wide][1].astype(np.float64)) if column.max() < n / 20]
    if not columns:
        return np.nan
    middle = n // 2
    return chosen_columns_plug_in(columns, other, (np.arange(middle), np.arange(middle, n)))


@dataclass(frozen=True)
class Readings:
    """What the network reads of many sets as arrays; the first axis of each counts the sets."""

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


@dataclass(frozen=True)
class SummaryTable(Readings):
    """Summaries of many sets, and those of the pairs of columns into which some of them fall."""

    pairs: Readings
    pair_of: npt.NDArray[np.int64]  # Number of the set of each pair, in order

    def select(self, chosen: npt.NDArray[np.generic]) -> Self:
        """Return the sets at the given positions, or where a mask holds, with their pairs."""
        positions = np.arange(len(self))[chosen]
        first, last = (np.searchsorted(self.pair_of, positions, side=side) for side in ("left", "right"))
        counts = last - first
        # Positions of the pairs of every chosen set, one set after the other.
        places = np.arange(counts.sum()) + np.repeat(first - (np.cumsum(counts) - counts), counts)
        rest = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("pairs", "pair_of")}
        return type(self)(
            **{name: values[positions] for name, values in rest.items()},
            pairs=self.pairs.select(places),
            pair_of=np.repeat(np.arange(len(positions)), counts),
        )


def pack_summaries(summaries: list[DataSummary]) -> SummaryTable:
    """Stack the summaries of data sets."""
    return SummaryTable(
        **vars(_pack(summaries)),
        pairs=_pack([pair for s in summaries for pair in s.pairs]),
        pair_of=np.repeat(np.arange(len(summaries)), [len(s.pairs) for s in summaries]).astype(np.int64),
    )


def _pack(summaries: list[DataSummary]) -> Readings:
    m = len(summaries)
    statistics = np.array([s.statistics for s in summaries], dtype=np.float32)
    anchors = np.array([s.anchors for s in summaries], dtype=np.float32)
    return Readings(
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
    pairs: tuple[
        DataSummary, ...
    ] = ()  # Of the independent pairs of columns that the data fall into, if they do


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
    pairs: tuple[DataSummary, ...] = ()
    if structure:
        further, candidates, scales, blocks = structure_statistics(scores, tied, parts, classical)
        values.update(further)
        named = dict(zip(ANCHOR_NAMES, (*classical, *candidates), strict=True))
        if blocks and is_split(n, (dim_x, dim_y), values, named):
            pairs = tuple(summarise_data(tied.first[:, a], tied.second[:, b]) for a, b in blocks)
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
        pairs=pairs,
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
