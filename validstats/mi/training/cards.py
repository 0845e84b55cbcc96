"""From trained weights to files: calibration, tests on fresh sets, and the card."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from validstats._typing import Float1D, Float2D
from validstats.intake import alpha_fraction
from validstats.mi.families import FAMILY_NAMES, default_family
from validstats.mi.network import (
    MICalibration,
    NetworkWeights,
    RobustScores,
    SupportLimits,
    calibrate_scores,
    cell_numbers,
    forward,
    interval_scores,
    member_stack,
    pack_calibration,
    save_weights,
    sort_scores,
    thresholds,
    to_log_scale,
)
from validstats.mi.training.loop import pinball, score_table, without_families
from validstats.mi.training.shards import Shard
from validstats.runtime import whole_file

__all__ = ["coverage_table", "finish_second_stage", "finish_weights"]


def coverage_table(quantiles: Float2D, calibration: MICalibration, test: Shard) -> dict[str, Any]:
    """Return the coverage of 90 % intervals on test sets, for all and by cell of n and dimension."""
    target = to_log_scale(test.truth)
    limit = thresholds(calibration.table, test.shape, alpha_fraction(0.9))
    inside = interval_scores(quantiles, target) <= limit
    numbers = cell_numbers(test.shape)
    cells = {}
    for row, column in sorted({(int(a), int(b)) for a, b in numbers}):
        chosen = (numbers == (row, column)).all(axis=1)
        cells[f"{row},{column}"] = {"sets": int(chosen.sum()), "coverage": float(inside[chosen].mean())}
    return {"sets": len(test), "coverage": float(inside.mean()), "cells": cells}


def finish_weights(
    weights: NetworkWeights,
    out: Path,
    about: dict[str, Any],
    reference: Shard,
    everything: Shard,
    held_out: tuple[str, ...] = (),
) -> dict[str, Any]:
    """Calibrate and test trained weights, and write them with their card."""
    reference = without_families(reference, held_out)
    name = "the default meta-distribution of validstats.mi (validstats.mi.default_family)"
    if held_out:
        name += f" without {', '.join(held_out)}"
    members, quantiles = member_stack(reference, weights), forward(everything, weights)
    table = calibrate_scores(members.mean(axis=0), to_log_scale(reference.truth), reference.shape)
    largest = SupportLimits(int(reference.shape[:, 1:].max()))
    calibration = MICalibration(table, largest, name)
    inside = ~np.isin(everything.family, [FAMILY_NAMES.index(family) for family in held_out])
    brief = {"family": name, "calibration_sets": len(reference), "held_out": list(held_out)}
    brief.update({key: about[key] for key in ("seed", "training_sets")})
    card = {
        **about, **brief,
        "test": score_table(quantiles, everything),
        "test_pinball_in_family": float(pinball(quantiles, to_log_scale(everything.truth))[inside].mean()),
        "coverage_in_family": coverage_table(quantiles[inside], calibration, everything.select(inside)),
        "coverage_all_families": {
            family: coverage_table(quantiles[chosen], calibration, everything.select(chosen))["coverage"]
            for number, family in enumerate(default_family().members)
            for chosen in [everything.family == number]
        },
    }  # fmt: skip
    out.parent.mkdir(parents=True, exist_ok=True)
    save_weights(replace(weights, card=brief), out, pack_calibration(calibration))
    with whole_file(out.with_suffix(".json")) as draft:
        draft.write_text(json.dumps(card, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return card


def cross_coverage(scores: Float1D, shape: Any) -> Any:
    """Whether each set is covered at 90 % by thresholds from the sets of the other parity, with the same cells."""
    inside = np.zeros(len(scores), dtype=bool)
    even = np.arange(len(scores)) % 2 == 0
    for own in (even, ~even):
        table = sort_scores(scores[~own], shape[~own])
        inside[own] = scores[own] <= thresholds(table, shape[own], alpha_fraction(0.9))
    return inside


def finish_second_stage(
    weights: NetworkWeights,
    left_out: Float2D,
    pool: Shard,
    out: Path,
    about: dict[str, Any],
    held_out: tuple[str, ...] = (),
    robust: RobustScores | None = None,
) -> dict[str, Any]:
    """Calibrate a second stage by the quantiles of the networks that did not see a set, and write it with its card.

    Scores of left-out networks calibrate their mean (cross-conformal prediction): the mean is a little better than each, so
    intervals are a little too wide.
    """
    name = "the default meta-distribution of validstats.mi (validstats.mi.default_family)"
    if held_out:
        name += f" without {', '.join(held_out)}"
    scores = interval_scores(left_out, to_log_scale(pool.truth))
    largest = SupportLimits(int(pool.shape[:, 1:].max()))
    calibration = MICalibration(sort_scores(scores, pool.shape), largest, name, robust)
    inside = cross_coverage(scores, pool.shape)
    brief = {"family": name, "calibration_sets": len(pool), "held_out": list(held_out), "seed": about["seed"]}
    brief["training_sets"] = len(pool)
    card = {
        **about, **brief,
        "test": score_table(left_out, pool),
        "coverage": float(inside.mean()),
        "coverage_by_family": {
            family: float(inside[pool.family == number].mean())
            for number, family in enumerate(FAMILY_NAMES) if (pool.family == number).any()
        },
    }  # fmt: skip
    out.parent.mkdir(parents=True, exist_ok=True)
    save_weights(replace(weights, card=brief), out, pack_calibration(calibration))
    with whole_file(out.with_suffix(".json")) as draft:
        draft.write_text(json.dumps(card, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return card
