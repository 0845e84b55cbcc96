"""The learned test statistic: a small network that tells dependent data sets from independent ones."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from scipy.special import expit

from validstats._typing import AnyArray, Float1D, Float2D, FloatND
from validstats.mi.network.forward_pass import NetworkWeights, clip_shape, forward, linear, scale_statistics
from validstats.mi.statistics import STATISTIC_NAMES, pack_summaries, summarise_data
from validstats.runtime import whole_file

__all__ = [
    "DependenceHead",
    "dependence_evidence",
    "dependence_logits",
    "head_inputs",
    "load_dependence_head",
    "save_dependence_head",
    "shipped_dependence_head",
]

QUANTILE_SCALE = 4.0
"""Factor that brings quantiles of weak dependence to unit scale."""
SCALING = ("statistic_unit", "statistic_centre", "statistic_spread")


@dataclass(frozen=True)
class DependenceHead:
    """Weights of the network."""

    scaling: dict[str, FloatND]  # Unit, centre and spread of the statistics
    parameters: dict[str, FloatND]  # Weights and biases of three linear layers, ``0``, ``1`` and ``2``


def head_inputs(statistics: AnyArray, quantiles: AnyArray, scaling: dict[str, FloatND]) -> FloatND:
    """Return what the network reads: scaled statistics beside the quantiles of the estimate."""
    return np.concatenate(
        [scale_statistics(statistics, scaling), np.clip(QUANTILE_SCALE * np.asarray(quantiles), -5.0, 5.0)],
        axis=1,
    )


def dependence_logits(statistics: AnyArray, quantiles: AnyArray, head: DependenceHead) -> Float1D:
    """Return the evidence of dependence of data sets: larger means less like independent sides."""
    hidden = head_inputs(statistics, quantiles, head.scaling)
    for layer in ("0", "1"):
        hidden = linear(hidden, head.parameters, layer)
        hidden = hidden * expit(hidden)
    return np.asarray(linear(hidden, head.parameters, "2")[:, 0], dtype=np.float64)


def dependence_evidence(x: Float2D, y: Float2D, weights: NetworkWeights, head: DependenceHead) -> float:
    """Return the logit of one data set."""
    sets = clip_shape(pack_summaries([summarise_data(x, y, weights.reads_structure)]))
    return float(dependence_logits(sets.statistics, forward(sets, weights), head)[0])


def save_dependence_head(head: DependenceHead, path: Path) -> None:
    """Write the weights as a plain array file."""
    arrays = {f"scaling/{name}": head.scaling[name].astype(np.float32) for name in SCALING}
    arrays.update({f"layer/{name}": value.astype(np.float32) for name, value in head.parameters.items()})
    arrays["names"] = np.array(STATISTIC_NAMES[: len(head.scaling["statistic_unit"])])
    with whole_file(path) as draft:
        np.savez_compressed(draft, **arrays)  # type: ignore[arg-type]


def load_dependence_head(path: Path) -> DependenceHead:
    """Read weights written by :func:`save_dependence_head`."""
    with np.load(path, allow_pickle=False) as file:
        if tuple(file["names"]) != STATISTIC_NAMES[: len(file["names"])]:
            raise ValueError(
                f"{path.name} was made for other statistics than this version computes; train it again with "
                "python -m validstats.mi.training.recipes --dependence."
            )
        parts: dict[str, dict[str, FloatND]] = {"scaling": {}, "layer": {}}
        for key in file.files:
            kind, _, name = key.partition("/")
            if kind in parts:
                parts[kind][name] = file[key].astype(np.float64)
    return DependenceHead(parts["scaling"], parts["layer"])


@lru_cache(maxsize=1)
def shipped_dependence_head() -> DependenceHead:
    """Return the weights that come with the package."""
    return load_dependence_head(Path(__file__).parent / "weights" / "dependence.npz")
