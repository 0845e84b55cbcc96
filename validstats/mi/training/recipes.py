"""Make the training sets in resumable shards and train: ``python -m validstats.mi.training.recipes --sets N --shards DIR``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import rankdata

from validstats._typing import AnyArray, Int1D
from validstats.mi.families import FAMILY_NAMES, HELD_OUT_FAMILIES, Family, default_family
from validstats.mi.lost.shards_cells import CellShard, load_cell_shards, plain_shard, write_cell_shards
from validstats.mi.network import (
    NetworkConfig,
    NetworkWeights,
    dependence_logits,
    forward,
    load_weights,
    round_weights,
    save_dependence_head,
    shipped_weights_path,
)
from validstats.mi.training.cards import finish_weights
from validstats.mi.training.dependence import (
    INDEPENDENT,
    DependenceRecipe,
    borderline_sets,
    train_dependence_head,
)
from validstats.mi.training.loop import (
    Recipe,
    choose_anchors,
    fit_scaling,
    prepare_sets,
    train_network,
    without_families,
)
from validstats.mi.training.shards import SHARD_SIZE, Shard, load_shards, make_shard, shard_path, write_shards
from validstats.runtime import whole_file

__all__ = ["main", "train_ensemble", "train_on_family"]

SEED = 20261128
CALIBRATION_SHARDS = range(30)
TEST_SHARDS = range(30, 42)
FIRST_TRAINING_SHARD = 42
CELL_CALIBRATION_SHARDS = range(5000, 5008)
CELL_TEST_SHARDS = range(5008, 5013)
FIRST_CELL_TRAINING_SHARD = 5013
HEAD = NetworkConfig(tokens=False, gate=True)
HYBRID = NetworkConfig(gate=True)


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
        Sizes and schedule of each network. A network with tokens starts from the head of the one before it.
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

        initial = members[-1][1] if config.tokens and config.statistics and members else None
        checkpoint = None if checkpoints is None else checkpoints / f"network-{number}.pt"
        parameters, log = train_network(*prepared, config, recipe, report, checkpoint, initial)
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
    from validstats.runtime import progress

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


def join_shards(parts: Sequence[Shard]) -> Shard:
    """Join shards along the axis of sets."""
    names = list(asdict_names(parts[0]))
    return Shard(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})


def asdict_names(shard: Shard) -> list[str]:
    """Return the names of a shard's arrays."""
    return list(shard.__dataclass_fields__)


def finished_shards(directory: Path, numbers: range) -> list[Path]:
    """Return the files of the shards that exist."""
    paths = [shard_path(directory, SEED, number) for number in numbers]
    return [path for path in paths if path.exists()]


def fit_and_save(
    directory: Path,
    last: int,
    out: Path,
    plan: Sequence[tuple[NetworkConfig, Recipe]],
    held_out: tuple[str, ...],
    repeats: Mapping[str, int] | None = None,
) -> dict[str, Any]:
    """Train on finished shards, calibrate, test, and write the weights with their card.

    Parameters
    ----------
    directory : Path
        Folder of the shards.
    last : int
        One more than the number of the last training shard.
    out : Path
        File of weights.
    plan : sequence of (NetworkConfig, Recipe)
        The ensemble.
    held_out : tuple of str
        Families left out of training and calibration.
    repeats : mapping of str to int or None, default None
        How often sets of a family are seen in an epoch, where it is more than once. Calibration and test keep
        the mix of families as it is.

    Returns
    -------
    dict
        The card: recipe, losses, test tables and coverage.
    """
    tokens = any(config.tokens for config, _ in plan)
    pool = without_families(
        load_shards(finished_shards(directory, range(FIRST_TRAINING_SHARD, last)), tokens), held_out
    )
    held = max(len(pool) // 50, 1000)
    seen = np.repeat(np.arange(len(pool) - held), _times_seen(pool.family[: len(pool) - held], repeats or {}))
    validation = pool.select(np.arange(len(pool) - held, len(pool)))
    weights, logs = train_ensemble(pool.select(seen), validation, plan)
    reference, test = (
        load_shards(finished_shards(directory, numbers), tokens)
        for numbers in (CALIBRATION_SHARDS, TEST_SHARDS)
    )
    about = {
        "seed": SEED,
        "training_sets": len(pool) - held,
        "repeats": dict(repeats or {}),
        "networks": logs,
    }
    return finish_weights(weights, out, about, reference, test, held_out)


def _times_seen(family: AnyArray, repeats: Mapping[str, int]) -> Int1D:
    times = np.ones(len(family), dtype=np.int64)
    for name, count in repeats.items():
        times[family == FAMILY_NAMES.index(name)] = count
    return times


SHIPPED_HEADS = ((12, 0.01), (12, 0.03), (11, 0.02))
"""Epochs and input noise of the heads that ship, in the order of their seeds."""


EVALUATION_REPEATS = {"warped": 3, "twisted": 3}
"""Bent and twisted laws stand in for the held-out families: chosen on the validation error of our own spirals and rolls."""


def default_plan(quick: bool = False, tokens: bool = False) -> list[tuple[NetworkConfig, Recipe]]:
    """Return the ensemble that ships: three statistics heads; on request a network with the attention encoder."""
    if quick:
        return [(HEAD, Recipe(epochs=6))]
    plan = [(HEAD, Recipe(epochs=e, noise=s, seed=k)) for k, (e, s) in enumerate(SHIPPED_HEADS)]
    return [*plan, (HYBRID, Recipe(epochs=3, learning_rate=1e-3, seed=5))] if tokens else plan


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m validstats.mi.training.recipes", description=__doc__)
    parser.add_argument(
        "--sets", type=int, default=625_000, help="training sets, besides calibration and test"
    )
    parser.add_argument("--shards", type=Path, required=True, help="folder of the shards")
    parser.add_argument("--resume", action="store_true", help="keep shards that are already there")
    parser.add_argument(
        "--out", type=Path, default=Path("weights/shipped.npz"), help="file of weights to write"
    )
    parser.add_argument("--jobs", type=int, default=1, help="processes that draw shards")
    parser.add_argument("--evaluation", action="store_true", help="leave out the held-out families")
    parser.add_argument("--tokens", action="store_true", help="add a network with the attention encoder")
    parser.add_argument("--quick", action="store_true", help="one small network, to try things out")
    parser.add_argument("--differentiable", action="store_true", help="train the network of LearnedMIModule")
    parser.add_argument("--cell-sets", type=int, default=60_000, help="training sets with cells, for it")
    parser.add_argument("--cell-epochs", type=int, default=2, help="passes over them; 0 trains no cells")
    parser.add_argument("--initial", type=Path, help="weights whose head it starts from")
    parser.add_argument(
        "--cell-shards", type=Path, help="folder of their shards (default: cells in --shards)"
    )
    parser.add_argument("--dependence", action="store_true", help="train the statistic of independence_test")
    options = parser.parse_args(arguments)
    last = FIRST_TRAINING_SHARD + -(-options.sets // SHARD_SIZE)
    draw_shards(options.shards, range(last if options.sets else 0), options.jobs, options.resume)
    if options.dependence:
        fit_dependence_head(options.shards, last, options.out)
        return
    if options.differentiable:
        card = fit_differentiable(options)
    else:
        held_out = HELD_OUT_FAMILIES if options.evaluation else ()
        plan = default_plan(options.quick, options.tokens)
        repeats = EVALUATION_REPEATS if options.evaluation else None
        card = fit_and_save(options.shards, last, options.out, plan, held_out, repeats)
    print(json.dumps(card["test"]["all"], indent=1))


def fit_differentiable(options: argparse.Namespace) -> dict[str, Any]:
    """Draw sets with cells, train the differentiable variant, and write it with its card.

    Parameters
    ----------
    options : Namespace
        The command line: ``cell_sets`` training sets with cells in ``cell_shards``, and for the head alone ``sets`` further sets
        in ``shards`` and ``initial``, a file of weights to start from.

    Returns
    -------
    dict
        The card. Written is the network with the smaller loss on validation sets, with cells or without.
    """
    from validstats.mi.lost.training_cells import train_differentiable

    folder = options.cell_shards or options.shards / "cells"
    last = FIRST_CELL_TRAINING_SHARD + -(-options.cell_sets // SHARD_SIZE)
    draw_shards(
        folder, range(CELL_CALIBRATION_SHARDS.start, last), options.jobs, options.resume, write_cell_shards
    )
    pool = cell_pool(folder, range(FIRST_CELL_TRAINING_SHARD, last))
    held = min(max(len(pool) // 20, 1000), len(pool) // 4)
    train, validation = (
        pool.select(np.arange(len(pool) - held)),
        pool.select(np.arange(len(pool) - held, len(pool))),
    )
    heads = plain_shard(train)
    if options.sets:
        numbers = range(FIRST_TRAINING_SHARD, FIRST_TRAINING_SHARD + -(-options.sets // SHARD_SIZE))
        heads = join_shards([load_shards(finished_shards(options.shards, numbers), tokens=False), heads])
    initial = None if options.initial is None else load_weights(options.initial)
    scaling, variants = train_differentiable(
        heads, train, validation, options.cell_epochs, initial, folder if options.resume else None
    )
    better = min(variants, key=lambda variant: variant.loss)
    about = {
        "seed": SEED, "training_sets": len(heads), "cell_sets": len(train) if better.config.cells else 0,
        "networks": [variant.describe() for variant in variants], "ships": variants.index(better),
        "initial": None if initial is None else initial.card,
    }  # fmt: skip
    reference, test = (
        load_shards(finished_shards(options.shards, ordinary), tokens=False)
        if options.sets and not better.config.cells
        else cell_pool(folder, with_cells)
        for ordinary, with_cells in (
            (CALIBRATION_SHARDS, CELL_CALIBRATION_SHARDS),
            (TEST_SHARDS, CELL_TEST_SHARDS),
        )
    )
    return finish_weights(better.weights(scaling), options.out, about, reference, test)


def cell_pool(folder: Path, numbers: range) -> CellShard:
    """Read the finished shards with cells."""
    return load_cell_shards(finished_shards(folder, numbers))


def fit_dependence_head(directory: Path, last: int, out: Path) -> None:
    """Train the learned test statistic on finished shards, and write it with its card.

    Parameters
    ----------
    directory : Path
        Folder of the shards.
    last : int
        One more than the number of the last training shard.
    out : Path
        File of weights; the card goes beside it with suffix ``.json``.
    """
    recipe = DependenceRecipe()
    pool = load_shards(finished_shards(directory, range(FIRST_TRAINING_SHARD, last)), tokens=False)
    weights = load_weights(shipped_weights_path("shipped"))
    head, losses = train_dependence_head(pool, weights, recipe)
    test = borderline_sets(
        load_shards(finished_shards(directory, TEST_SHARDS), tokens=False), recipe.evidence
    )
    logits, dependent = (
        dependence_logits(test.statistics, forward(test, weights), head),
        test.truth > INDEPENDENT,
    )
    ranks = rankdata(logits)
    pairs = float(dependent.sum()) * float((~dependent).sum())
    area = (float(ranks[dependent].sum()) - dependent.sum() * (dependent.sum() + 1) / 2) / pairs
    card = {
        "seed": SEED, "recipe": asdict(recipe), "losses": losses, "shards": last - FIRST_TRAINING_SHARD,
        "training_sets": len(borderline_sets(pool, recipe.evidence)), "test_sets": len(test),
        "test_area_under_curve": area,
    }  # fmt: skip
    out.parent.mkdir(parents=True, exist_ok=True)
    save_dependence_head(head, out)
    with whole_file(out.with_suffix(".json")) as draft:
        draft.write_text(json.dumps(card, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def draw_shards(
    directory: Path,
    numbers: range,
    jobs: int,
    resume: bool,
    write: Callable[..., Iterator[Path]] = write_shards,
) -> None:
    """Draw the shards with the given numbers in several processes."""
    from joblib import Parallel, delayed

    family = default_family()
    steps = [numbers[start::jobs] for start in range(jobs)]
    Parallel(n_jobs=jobs)(delayed(_write_all)(write, family, part, directory, resume) for part in steps)


def _write_all(
    write: Callable[..., Iterator[Path]], family: Family, numbers: range, directory: Path, resume: bool
) -> None:
    for path in write(family, SEED, numbers, directory, resume):
        print(path.name, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
