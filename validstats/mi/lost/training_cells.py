"""Training of the differentiable variant: a head over smooth statistics, then the cell encoder beside it."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from validstats._typing import FloatND
from validstats.mi.lost.shards_cells import CellShard
from validstats.mi.network import DIM_EDGES, N_EDGES, NetworkConfig, NetworkWeights, round_weights
from validstats.mi.statistics import ANCHOR_NAMES, STATISTIC_NAMES
from validstats.mi.training.differentiable import DIFFERENTIABLE_STATISTICS
from validstats.mi.training.loop import PreparedSets, Recipe, fit_scaling, prepare_sets, train_network
from validstats.mi.training.shards import Shard

__all__ = [
    "CELLS_ALONE",
    "SMOOTH_AND_CELLS",
    "SMOOTH_HEAD",
    "Variant",
    "prepare_smooth",
    "smooth_scaling",
    "train_differentiable",
    "train_variant",
]

UNREAD = np.inf
"""Spread that turns a statistic which is not read into zero, in use as in the sets that lack it."""
SMOOTH_HEAD = NetworkConfig(tokens=False)
SMOOTH_AND_CELLS = NetworkConfig(tokens=False, cells=True)
CELLS_ALONE = NetworkConfig(tokens=False, statistics=False, cells=True)
HEAD_RECIPE = Recipe(epochs=25, batch_size=128, seed=21)
FURTHER_RECIPE = Recipe(epochs=5, batch_size=256, learning_rate=5e-4, seed=23)
"""For a head that was trained before, on other sets."""
CELL_RECIPE = Recipe(epochs=2, batch_size=128, seed=22)


@dataclass(frozen=True)
class Variant:
    """A trained network over smooth statistics, cells or both.

    Attributes
    ----------
    config : NetworkConfig
        Sizes.
    recipe : Recipe or None
        Schedule; None where the network was read from a file.
    parameters : dict of str to ndarray
        Weights of the best epoch.
    log : list of dict
        Epoch, losses and seconds.
    """

    config: NetworkConfig
    recipe: Recipe | None
    parameters: dict[str, FloatND]
    log: list[dict[str, Any]]

    @property
    def loss(self) -> float:
        """Least validation loss."""
        return min(float(entry["validation"]) for entry in self.log)

    def weights(self, scaling: dict[str, FloatND]) -> NetworkWeights:
        """Return the network as it is served, rounded to half precision."""
        table = gaussian_anchors()
        return round_weights(NetworkWeights(scaling, table, ((self.config, self.parameters),)))

    def describe(self) -> dict[str, Any]:
        """Return sizes, schedule and losses."""
        recipe = None if self.recipe is None else asdict(self.recipe)
        return {"config": asdict(self.config), "recipe": recipe, "log": self.log}


def gaussian_anchors() -> npt.NDArray[np.int64]:
    """Return the table that takes the Gaussian anchor in every cell: the others are not smooth."""
    return np.full((len(N_EDGES) - 1, len(DIM_EDGES) - 1), ANCHOR_NAMES.index("gaussian"), dtype=np.int64)


def smooth_scaling(shard: Shard) -> dict[str, FloatND]:
    """Return the constants of :func:`fit_scaling`, those of statistics that are not smooth set so that they read zero."""
    return _smooth_only(fit_scaling(shard))


def _smooth_only(scaling: dict[str, FloatND]) -> dict[str, FloatND]:
    read = np.isin(STATISTIC_NAMES, DIFFERENTIABLE_STATISTICS)
    return {**scaling, "statistic_spread": np.where(read, scaling["statistic_spread"], UNREAD)}


def read_variant(weights: NetworkWeights) -> tuple[dict[str, FloatND], Variant]:
    """Return the scaling and the first network of trained weights."""
    config, parameters = weights.members[0]
    return _smooth_only(weights.scaling), Variant(config, None, parameters, [])


def prepare_smooth(shard: Shard, scaling: dict[str, FloatND]) -> PreparedSets:
    """Scale the inputs, around the Gaussian anchor."""
    return prepare_sets(shard, scaling, gaussian_anchors())


def train_variant(
    config: NetworkConfig, train: PreparedSets, validation: PreparedSets, recipe: Recipe | None = None,
    initial: Variant | None = None, checkpoint: Path | None = None,
) -> Variant:  # fmt: skip
    """Train one network and report each epoch to standard error.

    Parameters
    ----------
    config : NetworkConfig
        Sizes.
    train, validation : PreparedSets
        Sets for the gradient and for early stopping, with cells where the network reads them.
    recipe : Recipe or None, default None
        Schedule; None takes ``CELL_RECIPE`` or ``HEAD_RECIPE``.
    initial : Variant or None, default None
        A trained head to start from.
    checkpoint : Path or None, default None
        File that an interrupted training resumes from.

    Returns
    -------
    Variant
        The network of the best epoch.
    """
    chosen = recipe or (CELL_RECIPE if config.cells else HEAD_RECIPE)
    start = None if initial is None else initial.parameters
    parameters, log = train_network(train, validation, config, chosen, _print_epoch, checkpoint, start)
    return Variant(config, chosen, parameters, log)


def _print_epoch(entry: dict[str, Any]) -> None:
    values = (f"{k} {v:.4f}" if isinstance(v, float) else f"{k} {v}" for k, v in entry.items())
    print(", ".join(values), file=sys.stderr, flush=True)


def train_differentiable(
    heads: Shard,
    cells: CellShard,
    validation: CellShard,
    epochs: int = CELL_RECIPE.epochs,
    initial: NetworkWeights | None = None,
    checkpoints: Path | None = None,
) -> tuple[dict[str, FloatND], list[Variant]]:
    """Train the head over smooth statistics, and from it the network that reads the cells too.

    Parameters
    ----------
    heads : Shard
        Sets for the head.
    cells : CellShard
        Sets for the network with cells.
    validation : CellShard
        Sets for early stopping of both.
    epochs : int, default 2
        Passes over the sets with cells; 0 trains the head alone.
    initial : NetworkWeights or None, default None
        Trained weights whose first network the head starts from.
    checkpoints : Path or None, default None
        Folder for states from which an interrupted training resumes.

    Returns
    -------
    scaling : dict of str to ndarray
        Constants of the inputs.
    variants : list of Variant
        The head, and the network with cells.
    """
    files = [
        None if checkpoints is None else checkpoints / f"{name}-{len(sets)}.pt"
        for name, sets in (("smooth", heads), ("cells", cells))
    ]
    if initial is None:
        scaling = smooth_scaling(heads)
        start, head_recipe = None, HEAD_RECIPE
    else:
        scaling, start = read_variant(initial)
        head_recipe = FURTHER_RECIPE
    held = prepare_smooth(validation, scaling)
    head = train_variant(SMOOTH_HEAD, prepare_smooth(heads, scaling), held, head_recipe, start, files[0])
    if epochs == 0:
        return scaling, [head]
    recipe = replace(CELL_RECIPE, epochs=epochs)
    hybrid = train_variant(SMOOTH_AND_CELLS, prepare_smooth(cells, scaling), held, recipe, head, files[1])
    return scaling, [head, hybrid]
