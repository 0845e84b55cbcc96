"""What robust intervals rest on: networks that left each kind of law out, and how far the truth lies beyond their bands."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from validstats._typing import Float1D, Float2D, FloatND
from validstats.intake import alpha_fraction
from validstats.mi.families import FAMILY_NAMES, KINDS
from validstats.mi.network import (
    ROBUST_CELLS,
    SCORE_LEVELS,
    RobustScores,
    calibrate_scores,
    forward,
    from_log_scale,
    interval_at,
    interval_scores,
    robust_scores,
    thresholds,
    to_log_scale,
)
from validstats.mi.training.ensemble import HEAD, train_ensemble
from validstats.mi.training.loop import Recipe
from validstats.mi.training.shards import Shard
from validstats.runtime import whole_file

__all__ = ["LEFT_OUT_RECIPE", "LeftOut", "fit_robust", "leave_kinds_out"]

LEFT_OUT_RECIPE = Recipe(epochs=10, batch_size=256, patience=10)
MOST_OF_A_KIND = 6000
"""Sets of a kind that are scored."""


@dataclass(frozen=True)
class LeftOut:
    """Sets of one kind, read by a network that never saw it."""

    sets: Shard
    quantiles: Float2D
    covered: npt.NDArray[np.bool_]  # by 90 % intervals calibrated on sets of the other kinds
    widths: Float1D  # of these intervals, in nats

    @property
    def scores(self) -> Float1D:
        """How far each truth lies beyond the band of the network."""
        return robust_scores(self.quantiles, to_log_scale(self.sets.truth))


def kind_numbers(kind: str) -> list[int]:
    """Numbers of the families of a kind."""
    return [FAMILY_NAMES.index(name) for name in KINDS[kind]]


def leave_kinds_out(
    pool: Shard, folder: Path | None = None, recipe: Recipe = LEFT_OUT_RECIPE
) -> dict[str, LeftOut]:
    """Train one network without each kind and read the sets of that kind; ``folder`` keeps what is done.

    The networks read all statistics and start anew: a first stage would have seen most kinds.
    """
    found = {}
    for number, kind in enumerate(KINDS):
        own = np.isin(pool.family, kind_numbers(kind))
        path = None if folder is None else folder / f"left-out-{number}-{len(pool)}.npz"
        if path is not None and path.exists():
            with np.load(path, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
        else:
            arrays = _read_left_out(
                pool.select(~own), pool.select(np.flatnonzero(own)[:MOST_OF_A_KIND]), recipe
            )
            if path is not None:
                with whole_file(path) as draft:
                    np.savez(draft, **arrays)
        sets = pool.select(np.flatnonzero(own)[:MOST_OF_A_KIND])
        found[kind] = LeftOut(
            sets, arrays["quantiles"].astype(np.float64), arrays["covered"], arrays["widths"]
        )
        print(
            f"without {kind}: {len(sets)} sets, covered {arrays['covered'].mean():.3f}",
            file=sys.stderr,
            flush=True,
        )
    return found


def _read_left_out(others: Shard, own: Shard, recipe: Recipe) -> dict[str, Any]:
    """Quantiles of a kind by a network of the others, and its coverage by their calibration (a tenth of them)."""
    held = np.arange(len(others)) % 10 == 0
    calibrate = others.select(held)
    weights, _ = train_ensemble(others.select(~held), calibrate, [(HEAD, recipe)], verbose=False)
    table = calibrate_scores(
        forward(calibrate, weights), to_log_scale(calibrate.truth), calibrate.shape, minimum=200
    )
    quantiles, target = forward(own, weights), to_log_scale(own.truth)
    score = thresholds(table, own.shape, alpha_fraction(0.9))
    low, high = (from_log_scale(end) for end in interval_at(quantiles, score))
    return {
        "quantiles": quantiles.astype(np.float32),
        "covered": interval_scores(quantiles, target) <= score,
        "widths": (high - low).astype(np.float32),
    }


def score_quantiles(scores: Float1D, n: npt.NDArray[np.integer]) -> FloatND:
    """Quantiles of scores by cell of n; a cell of fewer than 20 sets shares those of all."""
    cells = np.searchsorted(ROBUST_CELLS, n, side="right") - 1
    rows = []
    for cell in range(len(ROBUST_CELLS)):
        own = scores[cells == cell]
        rows.append(np.quantile(own if len(own) >= 20 else scores, SCORE_LEVELS))
    return np.array(rows)


def fit_robust(left_out: dict[str, LeftOut]) -> tuple[RobustScores, dict[str, dict[str, float]]]:
    """Quantiles of the scores of every kind, and coverage of each kind by the others."""
    quantiles = [score_quantiles(part.scores, part.sets.shape[:, 0]) for part in left_out.values()]
    robust = RobustScores(tuple(left_out), np.array(quantiles))
    return robust, {kind: _coverage(robust, left_out[kind], i) for i, kind in enumerate(left_out)}


def _coverage(robust: RobustScores, part: LeftOut, number: int) -> dict[str, float]:
    """Coverage and width on a kind of intervals of both scopes, at 90 %, from the other kinds alone."""
    kinds = tuple(kind for i, kind in enumerate(robust.kinds) if i != number)
    others = RobustScores(kinds, np.delete(robust.scores, number, axis=0))
    n, alpha = part.sets.shape[:, 0], alpha_fraction(0.9)
    low, high = (from_log_scale(end) for end in others.interval(n, part.quantiles, alpha))
    return {
        "sets": len(part.sets),
        "meta": float(part.covered.mean()),
        "robust": float(((part.scores <= others.limits(n, alpha)) | part.covered).mean()),
        "meta_width": float(np.median(part.widths)),
        "robust_width": float(np.median(np.maximum(high - low, part.widths))),
    }
