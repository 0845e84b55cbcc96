"""What robust intervals rest on: networks that left each kind of law out, their residuals, and a model of the size of these."""

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
    MEDIAN,
    QUANTILE_LEVELS,
    ROBUST_CELLS,
    SCORE_LEVELS,
    RobustScale,
    calibrate_scores,
    forward,
    from_log_scale,
    interval_at,
    interval_scores,
    robust_inputs,
    spread_of,
    thresholds,
    to_log_scale,
)
from validstats.mi.training.ensemble import HEAD, train_ensemble
from validstats.mi.training.loop import Recipe
from validstats.mi.training.shards import Shard
from validstats.runtime import whole_file

__all__ = ["LEFT_OUT_RECIPE", "LeftOut", "fit_robust", "leave_kinds_out"]

LEFT_OUT_RECIPE = Recipe(epochs=10, batch_size=256, patience=10)
SIZE_LEVEL = 0.8
"""The model of sizes predicts this quantile of a residual's logarithm: that of the upper part, which a threshold is about."""
HIDDEN = 48
LEAST_RESIDUAL = 0.005
MOST_OF_A_KIND = 6000
"""Sets of a kind that are scored."""


@dataclass(frozen=True)
class LeftOut:
    """Sets of one kind, read by a network that never saw it."""

    sets: Shard
    quantiles: Float2D
    scaling: dict[str, FloatND]
    covered: npt.NDArray[np.bool_]  # by 90 % intervals calibrated on sets of the other kinds
    widths: Float1D  # of these intervals, in nats

    @property
    def residuals(self) -> Float1D:
        """Absolute errors on the logarithmic scale."""
        return np.abs(to_log_scale(self.sets.truth) - self.quantiles[:, MEDIAN])

    @property
    def inputs(self) -> FloatND:
        """What the model of sizes reads."""
        return robust_inputs(self.sets, self.quantiles, self.scaling)


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
            with np.load(path) as file:
                arrays = {name: file[name] for name in file.files}
        else:
            arrays = _read_left_out(
                pool.select(~own), pool.select(np.flatnonzero(own)[:MOST_OF_A_KIND]), recipe
            )
            if path is not None:
                with whole_file(path) as draft:
                    np.savez(draft, **arrays)
        scaling = {k[8:]: v for k, v in arrays.items() if k.startswith("scaling/")}
        sets = pool.select(np.flatnonzero(own)[:MOST_OF_A_KIND])
        found[kind] = LeftOut(sets, arrays["quantiles"], scaling, arrays["covered"], arrays["widths"])
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
        **{f"scaling/{name}": value for name, value in weights.scaling.items()},
    }


def fit_sizes(parts: list[LeftOut], epochs: int = 15, seed: int = 0) -> dict[str, FloatND]:
    """Fit a small network to the ``SIZE_LEVEL`` quantile of log |residual|, relative to the spread; each kind weighs the same."""
    import torch

    torch.manual_seed(seed)
    inputs = np.concatenate([part.inputs for part in parts]).astype(np.float32)
    target = np.concatenate(
        [np.log(part.residuals + LEAST_RESIDUAL) - np.log(spread_of(part.quantiles)) for part in parts]
    ).astype(np.float32)
    weight = np.concatenate([np.full(len(p.sets), 1.0 / len(p.sets)) for p in parts])
    weight = (weight / weight.mean()).astype(np.float32)
    inner, outer = torch.nn.Linear(inputs.shape[1], HIDDEN), torch.nn.Linear(HIDDEN, 1)
    with torch.no_grad():
        outer.weight.mul_(0.1)
    optimiser = torch.optim.AdamW([*inner.parameters(), *outer.parameters()], lr=3e-3, weight_decay=3e-2)
    generator, size = np.random.default_rng(seed), 256
    steps = max(len(target) // size, 1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=steps * epochs + 1)
    for _ in range(epochs):
        order = generator.permutation(len(target))
        for step in range(steps):
            chosen = order[step * size : (step + 1) * size]
            predicted = outer(torch.tanh(inner(torch.from_numpy(inputs[chosen]))))[:, 0]
            gap = torch.from_numpy(target[chosen]) - predicted
            loss = torch.maximum(SIZE_LEVEL * gap, (SIZE_LEVEL - 1) * gap)
            optimiser.zero_grad()
            (loss * torch.from_numpy(weight[chosen])).mean().backward()
            optimiser.step()
            schedule.step()
    named = {"inner": inner, "outer": outer}
    return {
        f"{name}.{part}": getattr(layer, part).detach().numpy().astype(np.float64)
        for name, layer in named.items()
        for part in ("weight", "bias")
    }


def score_quantiles(scores: Float1D, n: npt.NDArray[np.integer]) -> FloatND:
    """Quantiles of scores by cell of n; a cell of fewer than 20 sets shares those of all."""
    cells = np.searchsorted(ROBUST_CELLS, n, side="right") - 1
    rows = []
    for cell in range(len(ROBUST_CELLS)):
        own = scores[cells == cell]
        rows.append(np.quantile(own if len(own) >= 20 else scores, SCORE_LEVELS))
    return np.array(rows)


def fit_robust(left_out: dict[str, LeftOut]) -> tuple[RobustScale, dict[str, dict[str, float]]]:
    """Scores of every kind under a model of sizes without it, the model on all kinds, and coverage of each kind by the others."""
    kinds = tuple(left_out)
    quantiles, scores, sizes = [], {}, {}
    for kind in kinds:
        part = left_out[kind]
        model = RobustScale(kinds, np.zeros(0), fit_sizes([left_out[k] for k in kinds if k != kind]))
        sizes[kind] = model.sizes(part.sets, part.quantiles, part.scaling)
        scores[kind] = part.residuals / sizes[kind]
        quantiles.append(score_quantiles(scores[kind], part.sets.shape[:, 0]))
    robust = RobustScale(kinds, np.array(quantiles), fit_sizes(list(left_out.values())))
    return robust, {k: _coverage(robust, left_out[k], scores[k], sizes[k], i) for i, k in enumerate(kinds)}


def _coverage(
    robust: RobustScale, part: LeftOut, scores: Float1D, sizes: Float1D, number: int
) -> dict[str, float]:
    """Coverage and width on a kind, by the thresholds of the other kinds at 90 %."""
    others = RobustScale(
        tuple(k for i, k in enumerate(robust.kinds) if i != number),
        np.delete(robust.scores, number, axis=0),
        {},
    )
    limits = np.array([others.limit(int(n), alpha_fraction(0.9)) for n in part.sets.shape[:, 0]])
    middle = part.quantiles[:, QUANTILE_LEVELS.index(0.5)].astype(np.float64)
    width = from_log_scale(middle + limits * sizes) - from_log_scale(middle - limits * sizes)
    return {
        "sets": len(part.sets),
        "meta": float(part.covered.mean()),
        "robust": float(((scores <= limits) | part.covered).mean()),
        "meta_width": float(np.median(part.widths)),
        "robust_width": float(np.median(np.maximum(width, part.widths))),
    }
