"""Forward pass of the network in NumPy: non-crossing quantiles around a mixture of anchors."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from validstats._typing import AnyArray, Float1D, Float2D, FloatND
from validstats.mi.network.rules import (
    FIRST_STAGE,
    STRUCTURE,
    allowed_candidates,
    least_information,
    ruling,
)
from validstats.mi.sides import Side, is_functional, network_columns
from validstats.mi.statistics import (
    ANCHOR_NAMES,
    CLASSICAL_ANCHORS,
    CLASSICAL_STATISTICS,
    LARGEST_N,
    STATISTIC_NAMES,
    DataSummary,
    Readings,
    SummaryTable,
    keyed_order,
    pack_summaries,
    summarise_data,
)
from validstats.runtime import one_thread, whole_file

__all__ = [
    "NetworkConfig",
    "NetworkWeights",
    "PreparedPair",
    "QUANTILE_LEVELS",
    "anchor_values",
    "clip_shape",
    "forward",
    "from_log_scale",
    "gate_inputs",
    "load_weights",
    "member_quantiles_of",
    "member_stack",
    "prepare_pair",
    "read_pairs",
    "residual_scale",
    "round_weights",
    "save_weights",
    "spread_rows",
    "to_log_scale",
]


QUANTILE_LEVELS = (
    0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.975, 0.99,
)  # fmt: skip
"""Levels of the predicted quantiles."""
MEDIAN = QUANTILE_LEVELS.index(0.5)
RESIDUAL_BOUND = 6.0
N_EDGES = (10, 25, 60, 150, 400, 1000, 2500, 1 << 40)
DIM_EDGES = (2, 3, 5, 9, 17, 33, 1 << 20)


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """Sizes of one network."""

    width: int = 192
    depth: int = 3
    gate: bool = False
    inputs: int = len(STATISTIC_NAMES)
    candidates: int = len(ANCHOR_NAMES)
    blend: bool = False

    @property
    def n_outputs(self) -> int:
        """Number of raw outputs."""
        return len(QUANTILE_LEVELS) + (self.candidates if self.gate else 0) + (2 if self.blend else 0)

    @property
    def n_inputs(self) -> int:
        """Numbers that the head reads."""
        return self.inputs + (len(QUANTILE_LEVELS) if self.blend else 0)


@dataclass(frozen=True)
class NetworkWeights:
    """An ensemble of networks that share scaling and anchors."""

    scaling: dict[str, FloatND]  # Constants that bring statistics to unit scale
    # Number of the anchor in ``ANCHOR_NAMES`` by cell of n and of dim X + dim Y
    anchor_table: npt.NDArray[np.int64]
    members: tuple[tuple[NetworkConfig, dict[str, FloatND]], ...]  # Sizes and parameters of each network
    card: dict[str, Any] = field(default_factory=dict)  # Recipe, seeds and metrics of the training
    # First stage, whose quantiles the members read and blend with their own
    first: NetworkWeights | None = None

    @property
    def reads_structure(self) -> bool:
        """Whether a network reads more than the classical statistics."""
        return any(config.inputs > CLASSICAL_STATISTICS for config, _ in self.members)

    @property
    def reads_pairs(self) -> bool:
        """Whether data that fall into pairs are read pair by pair: not by a network that saw hardly any two single columns."""
        return self.reads_structure and bool(self.card.get("reads_pairs", True))


def to_log_scale(information: AnyArray) -> FloatND:
    """Return log(1 + 2 max(I, 0))."""
    return np.asarray(np.log1p(2.0 * np.maximum(information, 0.0)))


def from_log_scale(value: FloatND) -> FloatND:
    """Invert :func:`to_log_scale`, with negative values sent to 0."""
    return 0.5 * np.expm1(np.maximum(value, 0.0))


def residual_scale(shape: npt.NDArray[np.int32]) -> Float1D:
    """Return the scale of the correction of the anchor, which shrinks as n grows."""
    # Returns min(1, 8 n^(-1 / d)) with d = dim X + dim Y, at least 2.
    dims = np.maximum(shape[:, 1] + shape[:, 2], 2)
    return np.minimum(1.0, 8.0 * shape[:, 0] ** (-1.0 / dims))


def shape_cells(shape: npt.NDArray[np.int32]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the cells of n and of dim X + dim Y."""
    rows = np.searchsorted(N_EDGES, shape[:, 0], side="right") - 1
    columns = np.searchsorted(DIM_EDGES, shape[:, 1] + shape[:, 2], side="right") - 1
    return np.clip(rows, 0, len(N_EDGES) - 2), np.clip(columns, 0, len(DIM_EDGES) - 2)


def anchor_values(sets: Readings, table: npt.NDArray[np.int64]) -> Float1D:
    """Return the anchor of each set on the logarithmic scale."""
    rows, columns = shape_cells(sets.shape)
    chosen = table[rows, columns]
    return np.asarray(to_log_scale(sets.anchors[np.arange(len(sets)), chosen].astype(np.float64)))


OUT_OF_REACH = -1e4
"""Logit of a candidate that does not apply."""


def gate_inputs(sets: Readings, table: npt.NDArray[np.int64], count: int) -> Float2D:
    """Candidates on the logarithmic scale, the logits that the gate starts from, and residual scales: (m, 3 count).

    The logits favour the anchor of the table; for 1x1 data they leave KSG alone. Only the first ``count`` candidates are read.
    """
    rows, columns = shape_cells(sets.shape)
    anchors = sets.anchors[:, :count].astype(np.float64)
    logits = np.zeros(anchors.shape)
    logits[np.arange(len(sets)), table[rows, columns]] = 2.0
    allowed = allowed_candidates(sets) if count > len(CLASSICAL_ANCHORS) else np.isfinite(sets.anchors)
    logits[~allowed[:, :count]] = OUT_OF_REACH
    univariate = (
        (sets.shape[:, 1] == 1)
        & (sets.shape[:, 2] == 1)
        & ~np.isfinite(anchors[:, len(CLASSICAL_ANCHORS) :]).any(axis=1)
    )
    logits[univariate] = np.where(np.arange(count) == CLASSICAL_ANCHORS.index("ksg"), 0.0, OUT_OF_REACH)
    scales = sets.scales[:, :count].astype(np.float64)
    return np.concatenate([to_log_scale(np.nan_to_num(anchors)), logits, scales], axis=1)


def mix_anchors(raw: FloatND, inputs: Float2D) -> tuple[Float1D, Float1D]:
    """Mixture of the candidates with softmax weights, and of their residual scales."""
    count = inputs.shape[1] // 3
    logits = raw[:, len(QUANTILE_LEVELS) :] + inputs[:, count : 2 * count]
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    weights /= weights.sum(axis=1, keepdims=True)
    return np.sum(weights * inputs[:, :count], axis=1), np.sum(weights * inputs[:, 2 * count :], axis=1)


def scale_statistics(values: AnyArray, scaling: dict[str, FloatND]) -> FloatND:
    """Bring statistics to unit scale by a signed logarithm, then by centre and spread, within ±5."""
    read = np.asarray(values, dtype=np.float64)[..., : len(scaling["statistic_unit"])]
    ratio = read / scaling["statistic_unit"]
    logs = np.sign(ratio) * np.log1p(np.abs(ratio))
    return np.clip((logs - scaling["statistic_centre"]) / scaling["statistic_spread"], -5.0, 5.0)


def softplus(values: FloatND) -> FloatND:
    """Return log(1 + exp(values)) without overflow."""
    return np.logaddexp(0.0, values)


def linear(x: FloatND, parameters: dict[str, FloatND], name: str) -> FloatND:
    """Apply a linear layer."""
    return x @ parameters[f"{name}.weight"].T + parameters[f"{name}.bias"]


def layer_norm(x: FloatND, parameters: dict[str, FloatND], name: str) -> FloatND:
    """Normalise the last axis."""
    centred = x - x.mean(axis=-1, keepdims=True)
    spread = np.sqrt(np.mean(centred**2, axis=-1, keepdims=True) + 1e-5)
    return centred / spread * parameters[f"{name}.weight"] + parameters[f"{name}.bias"]


def head(features: FloatND, parameters: dict[str, FloatND], config: NetworkConfig) -> FloatND:
    """Apply the residual head; the last axis holds the median and the increments before and after it."""
    x = linear(features, parameters, "head_in")
    for block in range(config.depth):
        inner = linear(layer_norm(x, parameters, f"head.{block}.norm"), parameters, f"head.{block}.inner")
        x = x + linear(inner * expit(inner), parameters, f"head.{block}.outer")
    return linear(layer_norm(x, parameters, "head_norm"), parameters, "head_out")


def assemble_quantiles(raw: FloatND, anchor: Float1D, scale: Float1D) -> Float2D:
    """Turn raw outputs into increasing quantiles around the anchor."""
    median = RESIDUAL_BOUND * np.tanh(raw[:, :1] / RESIDUAL_BOUND)
    steps = 0.1 * softplus(raw[:, 1:]) + 1e-5
    down = np.cumsum(steps[:, :MEDIAN], axis=1)[:, ::-1]
    up = np.cumsum(steps[:, MEDIAN:], axis=1)
    return anchor[:, None] + scale[:, None] * np.concatenate([median - down, median, median + up], axis=1)


FIRST_SCALE = 4.0
"""Factor that brings quantiles of the first stage to unit scale."""
FIRST_LOGIT = 1.0
LEAST_SCALE = 0.1


def blend_inputs(
    sets: Readings, scaling: dict[str, FloatND], first: Float2D, count: int
) -> tuple[FloatND, Float2D]:
    """What a second stage reads: statistics beside the first quantiles; candidates with the first median, logits and scales."""
    features = np.concatenate(
        [scale_statistics(sets.statistics, scaling), np.clip(FIRST_SCALE * first, -5.0, 5.0)], axis=1
    )
    anchors = sets.anchors[:, :count].astype(np.float64)
    logits = np.where(allowed_candidates(sets)[:, :count], 0.0, OUT_OF_REACH)
    own = np.where(ruling(sets) == STRUCTURE, OUT_OF_REACH, FIRST_LOGIT)[:, None]
    scale = np.maximum(LEAST_SCALE, residual_scale(sets.shape))[:, None]
    gate = [
        to_log_scale(np.nan_to_num(anchors)),
        first[:, [MEDIAN]],
        logits,
        own,
        sets.scales[:, :count],
        scale,
    ]
    return features, np.concatenate(gate, axis=1)


def raise_to(quantiles: Float2D, sets: Readings) -> Float2D:
    """Shift quantiles up until the median reaches what a summary of the data certainly shows."""
    least = to_log_scale(least_information(sets))
    return quantiles + np.maximum(least - quantiles[:, MEDIAN], 0.0)[:, None]


@dataclass(frozen=True)
class SecondInputs:
    """What all networks of a second stage read of some sets."""

    features: FloatND
    gate: Float2D
    first: Float2D  # Quantiles of the first stage
    rule: Float1D  # Who answers


def second_inputs(sets: Readings, weights: NetworkWeights) -> SecondInputs:
    """Read sets for a second stage, once for all its networks."""
    assert weights.first is not None
    first = forward(sets, weights.first)
    features, gate = blend_inputs(sets, weights.scaling, first, weights.members[0][0].candidates)
    return SecondInputs(features, gate, first, ruling(sets))


def blended_quantiles(read: SecondInputs, config: NetworkConfig, parameters: dict[str, FloatND]) -> Float2D:
    """Quantiles of one network of a second stage, blended with those of the first."""
    raw = head(read.features, parameters, config)
    anchor, scale = mix_anchors(raw[:, :-1], read.gate)
    own = assemble_quantiles(raw[:, : len(QUANTILE_LEVELS)], anchor, scale)
    own -= np.where(read.rule == STRUCTURE, own[:, MEDIAN] - anchor, 0.0)[:, None]
    by_rule = np.where(read.rule == STRUCTURE, 0.0, expit(raw[:, -1]))
    share = np.where(read.rule == FIRST_STAGE, 1.0, by_rule)[:, None]
    return np.asarray(share * read.first + (1.0 - share) * own)


def member_quantiles(
    sets: Readings, weights: NetworkWeights, number: int, read: SecondInputs | None = None
) -> Float2D:
    """Return the quantiles of one network of the ensemble."""
    config, parameters = weights.members[number]
    if read is not None:
        return raise_to(blended_quantiles(read, config, parameters), sets)
    raw = head(scale_statistics(sets.statistics, weights.scaling), parameters, config)
    if config.gate:
        anchor, scale = mix_anchors(raw, gate_inputs(sets, weights.anchor_table, config.candidates))
        own = assemble_quantiles(raw[:, : len(QUANTILE_LEVELS)], anchor, scale)
        return raise_to(own, sets) if config.candidates > len(CLASSICAL_ANCHORS) else own
    return assemble_quantiles(raw, anchor_values(sets, weights.anchor_table), residual_scale(sets.shape))


def member_stack(sets: Readings, weights: NetworkWeights, batch_size: int = 256) -> FloatND:
    """Return the quantiles of each network of the ensemble; of sets that fall into pairs, from what it says of the pairs."""
    out = np.zeros((len(weights.members), len(sets), len(QUANTILE_LEVELS)))
    for start in range(0, len(sets), batch_size):
        chosen = np.arange(start, min(start + batch_size, len(sets)))
        part = sets.select(chosen)
        read = None if weights.first is None else second_inputs(part, weights)
        for number in range(len(weights.members)):
            out[number, chosen] = member_quantiles(part, weights, number, read)
    if isinstance(sets, SummaryTable) and len(sets.pairs) and weights.reads_pairs:
        split, starts = np.unique(sets.pair_of, return_index=True)
        out[:, split] = sums_of_pairs(member_stack(sets.pairs, weights, batch_size), starts)
    return out


def sums_of_pairs(quantiles: FloatND, starts: npt.NDArray[np.integer]) -> FloatND:
    """Quantiles of sums over independent pairs, those of every sum from one start to the next along the second axis."""
    # I(X; Y) is the sum over independent pairs. Errors within a data set are alike (on training kinds 90 % bands held 91 % from 200
    # rows on where they were added, 82 % where their squares were), so deviations from the median add. On the logarithmic scale L
    # dI = (1 + 2 I) dL / 2.
    medians = from_log_scale(quantiles[:, :, MEDIAN, None])
    sums = np.add.reduceat(medians, starts, axis=1)
    deviations = (1.0 + 2.0 * medians) * (quantiles - quantiles[:, :, MEDIAN, None])
    return to_log_scale(sums) + np.add.reduceat(deviations, starts, axis=1) / (1.0 + 2.0 * sums)


def forward(sets: Readings, weights: NetworkWeights, batch_size: int = 256) -> Float2D:
    """Return the predicted quantiles of each set, averaged over the ensemble."""
    return np.asarray(member_stack(sets, weights, batch_size).mean(axis=0))


def round_weights(weights: NetworkWeights) -> NetworkWeights:
    """Return the ensemble as it is after storage in half precision."""
    members = tuple(
        (config, {name: value.astype(np.float16).astype(np.float64) for name, value in parameters.items()})
        for config, parameters in weights.members
    )
    return replace(weights, members=members)


def _arrays(weights: NetworkWeights, prefix: str = "") -> dict[str, npt.NDArray[Any]]:
    """Scaling, anchors, parameters in half precision and sizes as arrays, a first stage under a prefix of its own."""
    arrays: dict[str, npt.NDArray[Any]] = {
        f"{prefix}scaling/{k}": v.astype(np.float32) for k, v in weights.scaling.items()
    }
    arrays[f"{prefix}anchor_table"] = weights.anchor_table.astype(np.int8)
    for number, (_, parameters) in enumerate(weights.members):
        arrays.update(
            {
                f"{prefix}member/{number}/{name}": value.astype(np.float16)
                for name, value in parameters.items()
            }
        )
    card = dict(
        weights.card, configs=[asdict(config) for config, _ in weights.members], anchors=list(ANCHOR_NAMES)
    )
    arrays[f"{prefix}card"] = np.frombuffer(json.dumps(card, sort_keys=True).encode(), dtype=np.uint8)
    if weights.first is not None:
        arrays.update(_arrays(weights.first, f"{prefix}first/"))
    return arrays


def save_weights(weights: NetworkWeights, path: Path, extra: dict[str, Any] | None = None) -> None:
    """Write weights, and further arrays beside them, as a plain array file with suffix ``.npz``."""
    with whole_file(path) as draft:
        np.savez_compressed(draft, **_arrays(weights), **(extra or {}))  # type: ignore[arg-type]


def load_weights(path: Path) -> NetworkWeights:
    """Read weights written by :func:`save_weights`, in double precision; refuse those of other statistics."""
    with np.load(path, allow_pickle=False) as file:
        return _read_weights(file, path, "")


def _read_weights(file: Any, path: Path, prefix: str) -> NetworkWeights:
    card = json.loads(bytes(file[f"{prefix}card"]).decode())
    start = f"{prefix}scaling/"
    scaling = {k[len(start) :]: file[k].astype(np.float64) for k in file.files if k.startswith(start)}
    members = []
    for number, sizes in enumerate(card["configs"]):
        place = f"{prefix}member/{number}/"
        parameters = {k[len(place) :]: file[k].astype(np.float64) for k in file.files if k.startswith(place)}
        members.append((_read_config(sizes, path), parameters))
    if len(scaling["statistic_unit"]) not in (CLASSICAL_STATISTICS, len(STATISTIC_NAMES)):
        raise ValueError(
            f"{path} expects {len(scaling['statistic_unit'])} statistics, and this version computes "
            f"{len(STATISTIC_NAMES)}. Use the weights that came with this version."
        )
    first = _read_weights(file, path, f"{prefix}first/") if f"{prefix}first/card" in file.files else None
    return NetworkWeights(
        scaling, file[f"{prefix}anchor_table"].astype(np.int64), tuple(members), card, first
    )


def _read_config(sizes: dict[str, Any], path: Path) -> NetworkConfig:
    """Sizes of a stored network; files of version 0.1.0 also name encoders, which must be switched off."""
    if sizes.get("tokens") or sizes.get("cells") or not sizes.get("statistics", True):
        raise ValueError(
            f"{path} holds a network with an attention encoder, which this version does not read. Train it again."
        )
    inputs, candidates = (
        sizes.get("inputs", CLASSICAL_STATISTICS),
        sizes.get("candidates", len(CLASSICAL_ANCHORS)),
    )
    return NetworkConfig(
        width=sizes["width"],
        depth=sizes["depth"],
        gate=sizes["gate"],
        inputs=inputs,
        candidates=candidates,
        blend=sizes.get("blend", False),
    )


MOST_PARTS = 10
"""Disjoint subsamples of long data whose answers are averaged."""


@dataclass(frozen=True)
class PreparedPair:
    """One pair of sides, summarised."""

    # What the network reads: one, of long data one of each subsample; empty where the answer is known
    summaries: tuple[DataSummary, ...]
    known: float | None  # 0 for a constant side, infinity for an exact functional relation


def clip_shape(sets: SummaryTable) -> SummaryTable:
    """Return the sets with n above 10,000 read as 10,000, the largest that is trained."""
    if sets.shape[:, 0].max() <= LARGEST_N:
        return sets
    shape = sets.shape.copy()
    statistics = sets.statistics.copy()
    above = shape[:, 0] > LARGEST_N
    shape[above, 0] = LARGEST_N
    ratio = shape[above, 1:].sum(axis=1) / LARGEST_N
    for name, value in (
        ("log_n", np.log(LARGEST_N)),
        ("inverse_root_n", LARGEST_N**-0.5),
        ("dim_per_row", ratio),
        ("log_dim_per_row", np.log(ratio)),
    ):
        statistics[above, STATISTIC_NAMES.index(name)] = value
    return replace(sets, shape=shape, statistics=statistics)


def member_quantiles_of(sets: SummaryTable, weights: NetworkWeights) -> tuple[SummaryTable, FloatND]:
    """The sets as they are read, with n at most 10,000, and the quantiles of each network: (networks, m, 19).

    For two single columns the correction of the nearest-neighbour estimate goes on shrinking as n^(-1/2) beyond 10,000
    rows; otherwise a bias of the networks would stay however long the data are.
    """
    clipped = clip_shape(sets)
    members = member_stack(clipped, weights)
    long = (sets.shape[:, 0] > LARGEST_N) & (sets.shape[:, 1] == 1) & (sets.shape[:, 2] == 1)
    if long.any():
        ksg = sets.anchors[long, ANCHOR_NAMES.index("ksg")].astype(np.float64)
        anchor = to_log_scale(ksg)[None, :, None]
        ratio = (residual_scale(sets.shape) / residual_scale(clipped.shape))[long][None, :, None]
        members[:, long] = anchor + ratio * (members[:, long] - anchor)
    return clipped, members


def prepare_pair(x: Side, y: Side, structure: bool) -> PreparedPair:
    """Summarise both sides unless the answer is known beforehand."""
    if x.is_constant or y.is_constant:
        return PreparedPair((), 0.0)
    if is_functional(x, y):
        return PreparedPair((), float("inf"))
    rows_x, rows_y = network_columns(x, y)
    # Small matrices: several threads of linear algebra cost more than they save.
    with one_thread():
        if x.n_rows <= LARGEST_N or rows_x.shape[1] == 1 == rows_y.shape[1]:
            return PreparedPair((summarise_data(rows_x, rows_y, structure),), None)
        parts = np.split(keyed_order(rows_x, rows_y), np.arange(LARGEST_N, x.n_rows, LARGEST_N))[
            : min(MOST_PARTS, x.n_rows // LARGEST_N)
        ]
        return PreparedPair(
            tuple(summarise_data(rows_x[part], rows_y[part], structure) for part in parts), None
        )


def read_pairs(prepared: list[PreparedPair], weights: NetworkWeights) -> tuple[SummaryTable | None, FloatND]:
    """Summaries and quantiles of the pairs whose answer is not known, one a pair."""
    summaries = [s for p in prepared for s in p.summaries]
    if not summaries:
        return None, np.zeros((len(weights.members), 0, 19))
    with one_thread():
        sets, members = member_quantiles_of(pack_summaries(summaries), weights)
    sizes = [len(p.summaries) for p in prepared if p.summaries]
    if max(sizes) == 1:
        return sets, members
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    # Medians of subsamples are averaged; of the distances of the other quantiles the median is taken, because now and then one
    # subsample is read as far wider than the rest.
    centres = members[:, :, MEDIAN, None]
    distances = [np.median(part, axis=1) for part in np.split(members - centres, starts[1:], axis=1)]
    means = np.add.reduceat(centres, starts, axis=1) / np.array(sizes)[None, :, None] + np.stack(
        distances, axis=1
    )
    anchors = np.add.reduceat(sets.anchors.astype(np.float64), starts, axis=0) / np.array(sizes)[:, None]
    return replace(sets.select(starts), anchors=anchors), means


def spread_rows(prepared: list[PreparedPair], values: Float2D) -> Float2D:
    """Send rows of values to the data sets that were estimated; the others get what is known."""
    out = np.empty((len(prepared), values.shape[1]))
    estimated = np.array([bool(p.summaries) for p in prepared])
    out[estimated] = values
    for i, p in enumerate(prepared):
        if p.known is not None:
            out[i] = p.known
    return out
