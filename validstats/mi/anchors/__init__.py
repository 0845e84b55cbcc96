"""Classical estimates of mutual information: neighbours, tables, and the choice among them."""

from __future__ import annotations

import importlib
from typing import Any

_PUBLIC = {
    "Estimate": "validstats.mi.anchors.methods",
    "Method": "validstats.mi.anchors.methods",
    "NATS_PER_UNIT": "validstats.mi.anchors.methods",
    "Options": "validstats.mi.anchors.methods",
    "Scaling": "validstats.mi.anchors.neighbours",
    "Unit": "validstats.mi.anchors.methods",
    "ball_counts": "validstats.mi.anchors.discrete",
    "binned_codes": "validstats.mi.anchors.methods",
    "canonical_correlations": "validstats.mi.anchors.neighbours",
    "clip_estimate": "validstats.mi.anchors.methods",
    "cosines": "validstats.mi.anchors.neighbours",
    "entropy": "validstats.mi.anchors.discrete",
    "entropy_bound": "validstats.mi.anchors.methods",
    "estimate_sides": "validstats.mi.anchors.methods",
    "gaussian_from_correlations": "validstats.mi.anchors.neighbours",
    "gaussian_plug_in": "validstats.mi.anchors.neighbours",
    "neighbour_estimator": "validstats.mi.anchors.methods",
    "neighbour_radii": "validstats.mi.anchors.neighbours",
    "normal_scores": "validstats.mi.anchors.neighbours",
    "orthonormal_basis": "validstats.mi.anchors.neighbours",
    "plug_in": "validstats.mi.anchors.discrete",
    "refuse_unused": "validstats.mi.anchors.methods",
    "row_codes": "validstats.mi.anchors.discrete",
    "scale_columns": "validstats.mi.anchors.neighbours",
}


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'validstats.mi.anchors' has no attribute {name!r}")
