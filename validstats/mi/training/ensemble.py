"""Ensembles of networks: trained on shards, or on sets drawn from a family."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from validstats._typing import FloatND
from validstats.mi.families import Family
from validstats.mi.network import NetworkConfig, NetworkWeights, round_weights
from validstats.mi.training.loop import Recipe, choose_anchors, fit_scaling, prepare_sets, train_network
from validstats.mi.training.shards import Shard, join_shards, load_shards, make_shard, write_shards
from validstats.runtime import progress

__all__ = ["HEAD", "train_ensemble", "train_on_family"]

HEAD = NetworkConfig(gate=True)


GATE_START = -3.0
"""Bias of a new candidate's logit in a grown network: it starts with little weight."""


def grow_scaling(served: NetworkWeights, train: Shard) -> dict[str, FloatND]:
    """Constants of the inputs that served weights know, with those of the further ones from training sets."""
    return {
        name: np.concatenate([served.scaling[name], values[len(served.scaling[name]) :]])
        for name, values in fit_scaling(train).items()
    }


def grow_parameters(
    parameters: dict[str, FloatND], config: NetworkConfig, old: NetworkConfig
) -> dict[str, FloatND]:
    """Parameters of a network that reads more statistics and mixes more candidates, and answers as before at the start."""
    out = dict(parameters)
    first = np.zeros((config.width, config.inputs))
    first[:, : old.inputs] = parameters["head_in.weight"]
    out["head_in.weight"] = first
    further = config.candidates - old.candidates
    out["head_out.weight"] = np.vstack([parameters["head_out.weight"], np.zeros((further, config.width))])
    out["head_out.bias"] = np.append(parameters["head_out.bias"], np.full(further, GATE_START))
    return out


def train_ensemble(
    train: Shard, validation: Shard, plan: Sequence[tuple[NetworkConfig, Recipe]], verbose: bool = True,
    checkpoints: Path | None = None, served: NetworkWeights | None = None,
) -> tuple[NetworkWeights, list[dict[str, Any]]]:  # fmt: skip
    """Train the networks of an ensemble one after the other; with ``served`` weights each grows from one of theirs.

    Returns the ensemble, rounded to half precision as it is stored, and sizes, schedule and losses of each network. ``checkpoints`` is
    a folder for states from which an interrupted training resumes.
    """
    if served is None:
        scaling, table = fit_scaling(train), choose_anchors(train)
    else:
        scaling, table = grow_scaling(served, train), served.anchor_table
    prepared = prepare_sets(train, scaling, table), prepare_sets(validation, scaling, table)
    members: list[Any] = []
    logs: list[dict[str, Any]] = []
    for number, (config, recipe) in enumerate(plan):
        initial = None
        if served is not None:
            old, parameters = served.members[number % len(served.members)]
            initial = grow_parameters(parameters, config, old)

        def report(entry: dict[str, Any], number: int = number) -> None:
            if verbose:
                values = ", ".join(
                    f"{k} {v:.4f}" if isinstance(v, float) else f"{k} {v}" for k, v in entry.items()
                )
                print(f"network {number}: {values}", file=sys.stderr, flush=True)

        checkpoint = None if checkpoints is None else checkpoints / f"network-{number}.pt"
        trained, log = train_network(*prepared, config, recipe, report, checkpoint, initial)
        members.append((config, trained))
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
