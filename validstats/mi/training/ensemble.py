"""Ensembles of networks: trained on shards, or on sets drawn from a family."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from validstats.mi.families import Family
from validstats.mi.network import NetworkConfig, NetworkWeights, round_weights
from validstats.mi.training.loop import Recipe, choose_anchors, fit_scaling, prepare_sets, train_network
from validstats.mi.training.shards import Shard, join_shards, load_shards, make_shard, write_shards
from validstats.runtime import progress

__all__ = ["HEAD", "train_ensemble", "train_on_family"]

HEAD = NetworkConfig(gate=True)


def train_ensemble(
    train: Shard, validation: Shard, plan: Sequence[tuple[NetworkConfig, Recipe]], verbose: bool = True,
    checkpoints: Path | None = None,
) -> tuple[NetworkWeights, list[dict[str, Any]]]:  # fmt: skip
    """Train the networks of an ensemble one after the other.

    Parameters
    ----------
    train, validation : Shard
        Sets for the gradient and for early stopping.
    plan : sequence of (NetworkConfig, Recipe)
        Sizes and schedule of each network.
    verbose : bool, default True
        Print the losses of each epoch to standard error.
    checkpoints : Path or None, default None
        Folder for states from which an interrupted training resumes.

    Returns
    -------
    weights : NetworkWeights
        The ensemble, rounded to half precision as it is stored.
    logs : list of dict
        Sizes, schedule and losses of each network.
    """
    scaling, table = fit_scaling(train), choose_anchors(train)
    prepared = prepare_sets(train, scaling, table), prepare_sets(validation, scaling, table)
    members: list[Any] = []
    logs: list[dict[str, Any]] = []
    for number, (config, recipe) in enumerate(plan):

        def report(entry: dict[str, Any], number: int = number) -> None:
            if verbose:
                values = ", ".join(
                    f"{k} {v:.4f}" if isinstance(v, float) else f"{k} {v}" for k, v in entry.items()
                )
                print(f"network {number}: {values}", file=sys.stderr, flush=True)

        checkpoint = None if checkpoints is None else checkpoints / f"network-{number}.pt"
        parameters, log = train_network(*prepared, config, recipe, report, checkpoint)
        members.append((config, parameters))
        logs.append({"config": asdict(config), "recipe": asdict(recipe), "log": log})
    return round_weights(NetworkWeights(scaling, table, tuple(members))), logs


def train_on_family(
    family: Family, seed: int, n_sets: int, *, epochs: int = 12, ensemble: int = 2, shards: str | Path | None = None,
    verbose: bool = True,
) -> NetworkWeights:  # fmt: skip
    """Draw sets from a family and train statistics heads on them.

    Parameters
    ----------
    family : Family
        Distribution over joint distributions.
    seed : int
        Seed of the sets and of the networks.
    n_sets : int
        Sets to draw; a twentieth of them serves early stopping.
    epochs : int, default 12
        Passes over the sets.
    ensemble : int, default 2
        Networks to average.
    shards : str, Path or None, default None
        Folder of resumable shards.
    verbose : bool, default True
        Show progress.

    Returns
    -------
    NetworkWeights
        The ensemble.
    """
    size = min(500, n_sets)
    numbers = range(-(-n_sets // size))
    if shards is None:
        bar = progress(numbers, len(numbers), "training shards", verbose)
        parts = [make_shard(family, seed, number * size, size) for number in bar]
        pool = join_shards(parts)
    else:
        written = write_shards(family, seed, numbers, Path(shards), size=size)
        pool = load_shards(list(progress(written, len(numbers), "training shards", verbose)))
    held = max(len(pool) // 20, 50)
    batch = int(np.clip(len(pool) // 40, 32, 512))
    plan = [(HEAD, Recipe(epochs=epochs, batch_size=batch, seed=seed % 2**31 + k)) for k in range(ensemble)]
    train, validation = pool.select(np.arange(held, len(pool))), pool.select(np.arange(held))
    weights, logs = train_ensemble(train, validation, plan, verbose=verbose)
    card = {
        "family": f"the family {family.name!r}",
        "training_sets": len(train),
        "seed": seed,
        "networks": logs,
    }
    return replace(weights, card=card)
