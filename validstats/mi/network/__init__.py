"""The network: forward pass, calibration, conformal intervals, and the check of support."""

from __future__ import annotations

import importlib
from typing import Any

_PUBLIC = {
    "DIM_CELLS": "validstats.mi.network.conformal",
    "DIM_EDGES": "validstats.mi.network.forward_pass",
    "DependenceHead": "validstats.mi.network.dependence_head",
    "LARGEST_N": "validstats.mi.network.preparation",
    "MEDIAN": "validstats.mi.network.forward_pass",
    "MICalibration": "validstats.mi.network.calibration",
    "N_CELLS": "validstats.mi.network.conformal",
    "N_EDGES": "validstats.mi.network.forward_pass",
    "NetworkConfig": "validstats.mi.network.forward_pass",
    "NetworkWeights": "validstats.mi.network.forward_pass",
    "PreparedPair": "validstats.mi.network.preparation",
    "QUANTILE_LEVELS": "validstats.mi.network.forward_pass",
    "RESIDUAL_BOUND": "validstats.mi.network.forward_pass",
    "SCALING": "validstats.mi.network.dependence_head",
    "SupportVerdict": "validstats.mi.network.support",
    "WIDENING": "validstats.mi.network.support",
    "anchor_values": "validstats.mi.network.forward_pass",
    "as_pairs": "validstats.mi.network.preparation",
    "calibrate_scores": "validstats.mi.network.conformal",
    "cell_numbers": "validstats.mi.network.conformal",
    "check_support": "validstats.mi.network.support",
    "dependence_evidence": "validstats.mi.network.dependence_head",
    "dependence_logits": "validstats.mi.network.dependence_head",
    "fit_support": "validstats.mi.network.support",
    "forward": "validstats.mi.network.forward_pass",
    "from_log_scale": "validstats.mi.network.forward_pass",
    "gate_inputs": "validstats.mi.network.forward_pass",
    "head_inputs": "validstats.mi.network.dependence_head",
    "interval_at": "validstats.mi.network.conformal",
    "interval_scores": "validstats.mi.network.conformal",
    "load_weights": "validstats.mi.network.forward_pass",
    "member_quantiles_of": "validstats.mi.network.preparation",
    "member_stack": "validstats.mi.network.forward_pass",
    "pack_calibration": "validstats.mi.network.calibration",
    "prepare_pair": "validstats.mi.network.preparation",
    "read_model": "validstats.mi.network.calibration",
    "residual_scale": "validstats.mi.network.forward_pass",
    "round_weights": "validstats.mi.network.forward_pass",
    "save_dependence_head": "validstats.mi.network.dependence_head",
    "save_weights": "validstats.mi.network.forward_pass",
    "scale_statistics": "validstats.mi.network.forward_pass",
    "scale_tokens": "validstats.mi.network.forward_pass",
    "shape_cells": "validstats.mi.network.forward_pass",
    "shipped_dependence_head": "validstats.mi.network.dependence_head",
    "shipped_weights_path": "validstats.mi.network.calibration",
    "spread_rows": "validstats.mi.network.preparation",
    "thresholds": "validstats.mi.network.conformal",
    "to_log_scale": "validstats.mi.network.forward_pass",
    "token_shapes": "validstats.mi.network.forward_pass",
}


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'validstats.mi.network' has no attribute {name!r}")
