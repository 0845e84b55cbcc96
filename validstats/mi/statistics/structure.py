"""Statistics of structure: cross-fitted summaries, independent blocks, radii and tables of several columns."""

from __future__ import annotations

import numpy as np

from validstats._typing import Float1D, Float2D, Int1D, Int2D
from validstats.mi.anchors import (
    adjusted_plug_in,
    chosen_columns_plug_in,
    column_codes,
    forest_means,
    interaction_strength,
    ksg,
    merge_rare,
    offered_columns,
    plug_in,
    predicted_levels,
    rank_scores,
    reduce_predictions,
    side_targets,
    split_blocks,
)
from validstats.mi.statistics.linear import CanonicalScores, LinearParts, break_common_ties, side_labels
from validstats.mi.statistics.local import class_information, pair_information

__all__ = ["STRUCTURE_ANCHORS", "STRUCTURE_NAMES", "structure_statistics"]

ROWS = 2_500
"""Rows that the statistics of structure read, the first in canonical order."""
MOST_MATCHED = 12
MOST_SUMMARY_BLOCKS = 4
KSG_COLUMNS = 12
MOST_FILLED = 0.5
"""Filled cells a row beyond which two sides are not read as a table."""
"""Blocks with more columns than this are not read by nearest neighbours."""

STRUCTURE_ANCHORS = (
    "summary", "summaries", "blocks", "block_summaries", "matched", "radius", "table", "log_loss", "chosen_columns",
)  # fmt: skip
"""Candidates of the gate: one side summarised, both, sums over blocks (by neighbours, by summaries) and over matched pairs, norms,
plug-in adjusted for chance, predicted levels, and the table of the columns that matter."""
_RELATIVE = STRUCTURE_ANCHORS
STRUCTURE_NAMES = (
    *STRUCTURE_ANCHORS, "summary_low", "summary_max", "blocks_count", "blocks_largest", "blocks_residual",
    "blocks_interaction", "matched_count", "miller_madow", "chance", "predicted_ross", "filled", "coded_sides",
    *(f"{name}_gain" for name in _RELATIVE),
)  # fmt: skip


def structure_statistics(
    scores: CanonicalScores, tied: CanonicalScores, parts: LinearParts, classical: Float1D
) -> tuple[dict[str, float], Float1D, Float1D]:
    """Statistics of structure, the candidates that they give (NaN where one does not apply), and their residual scales.

    ``classical`` are the anchors without structure, in nats: every candidate is also read as a difference from their mean on
    the logarithmic scale.
    """
    n = min(scores.n, ROWS)
    plain = break_common_ties(tied)
    x, y = plain.first[:n], plain.second[:n]
    ranks = (np.hstack([plain.ranks_first, plain.ranks_second]) + plain.n - 1) // 2
    values = dict.fromkeys(STRUCTURE_NAMES, 0.0)
    candidates = dict.fromkeys(STRUCTURE_ANCHORS, np.nan)
    dims = dict.fromkeys(STRUCTURE_ANCHORS, 2)
    single = x.shape[1] == 1 and y.shape[1] == 1
    if not single:
        low, high, both, dims["summary"] = summary_informations(x, y)
        candidates["summary"], candidates["summaries"] = high, both
        values["summary_low"], values["summary_max"] = low, max(high, both)
        dims["summaries"] = 2 * summary_rank(n)
        whole = max(high, both)
        _blocks(x, y, _first_ranks(ranks, n), whole, values, candidates)
        candidates["radius"] = radius_information(parts.white_x[:n], parts.white_y[:n], x, y)
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
    return values, np.where(np.isfinite(found), np.maximum(found, 0.0), np.nan), scales


def _log_scale(values: Float1D | float) -> Float1D:
    return np.asarray(np.log1p(2.0 * np.maximum(values, 0.0)))


def summary_rank(n: int) -> int:
    """Columns that a summary keeps."""
    return 1 if n < 200 else 2


def summary_informations(x: Float2D, y: Float2D) -> tuple[float, float, float, int]:
    """Neighbour estimates between a summary of one side and the other (smaller, larger) and between both; and its dimension."""
    n, rank = len(x), summary_rank(len(x))
    targets_x, targets_y = side_targets(x), side_targets(y)
    of_x = rank_scores(reduce_predictions(forest_means(offered_columns(x), targets_y), targets_y, rank))
    of_y = rank_scores(reduce_predictions(forest_means(offered_columns(y), targets_x), targets_x, rank))
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
    x: Float2D, y: Float2D, ranks: Int2D, whole: float, values: dict[str, float], candidates: dict[str, float]
) -> None:
    dim_x = x.shape[1]
    split = split_blocks(ranks, dim_x)
    sums = [0.0, 0.0]
    larger = 0
    for first, second in split.blocks:
        a, b = x[:, first], y[:, second]
        if len(first) == 1 and len(second) == 1:
            value = summary = float(pair_information(a[:, 0], b[:, 0], (3, 6)).mean())
        else:
            everything = len(first) == dim_x and len(second) == y.shape[1]
            value = summary = whole if everything else -np.inf
            if not everything and larger < MOST_SUMMARY_BLOCKS:
                _, high, both, _ = summary_informations(a, b)
                summary = max(high, both)
            if len(first) + len(second) <= KSG_COLUMNS:
                value = ksg(a, b, min(4, len(a) - 1))
            value, summary = (v if np.isfinite(v) else max(value, summary, 0.0) for v in (value, summary))
            larger += 1
        sums[0] += value
        sums[1] += max(summary, 0.0)
    candidates["blocks"], candidates["block_summaries"] = sums
    pairs = split.matched[:MOST_MATCHED]
    candidates["matched"] = float(sum(pair_information(x[:, i], y[:, j], (3, 6)).mean() for i, j in pairs))
    values["matched_count"] = float(len(split.matched))
    values["blocks_count"] = float(len(split.blocks))
    values["blocks_largest"] = float(max((len(a) + len(b) for a, b in split.blocks), default=0))
    values["blocks_residual"] = split.residual
    values["blocks_interaction"] = max(
        interaction_strength(x, split.block_of[:dim_x]), interaction_strength(y, split.block_of[dim_x:])
    )


def radius_information(white_x: Float2D, white_y: Float2D, x: Float2D, y: Float2D) -> float:
    """Largest neighbour estimate between the norms of the whitened sides, or the norm of one and a single column."""
    radii = [rank_scores(np.sum(white**2, axis=1, keepdims=True))[:, 0] for white in (white_x, white_y)]
    values = [pair_information(radii[0], radii[1], (3,))[0]]
    if y.shape[1] == 1 and x.shape[1] > 1:
        values.append(pair_information(radii[0], y[:, 0], (3,))[0])
    if x.shape[1] == 1 and y.shape[1] > 1:
        values.append(pair_information(x[:, 0], radii[1], (3,))[0])
    return float(max(values))


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
