"""Make the training sets in resumable shards and train: ``python -m validstats.mi.training.recipes --sets N --shards DIR``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import rankdata

from validstats._typing import AnyArray, Int1D
from validstats.mi.families import (
    FAMILY_NAMES,
    FIRST_STAGE_FAMILIES,
    HELD_OUT_FAMILIES,
    HELD_OUT_KINDS,
    default_family,
)
from validstats.mi.network import (
    DIM_EDGES,
    N_EDGES,
    NetworkConfig,
    NetworkWeights,
    dependence_logits,
    forward,
    load_weights,
    pack_calibration,
    read_model,
    round_weights,
    save_dependence_head,
    save_weights,
    shipped_weights_path,
)
from validstats.mi.statistics import ANCHOR_NAMES, STATISTIC_NAMES
from validstats.mi.training.cards import finish_second_stage, finish_weights
from validstats.mi.training.dependence import (
    INDEPENDENT,
    DependenceRecipe,
    borderline_sets,
    train_dependence_head,
)
from validstats.mi.training.ensemble import HEAD, left_out_quantiles, train_ensemble, train_second_stage
from validstats.mi.training.loop import (
    Recipe,
    fit_scaling,
    prepare_sets,
    train_network,
    without_families,
)
from validstats.mi.training.robust import LEFT_OUT_RECIPE, fit_robust, leave_kinds_out
from validstats.mi.training.shards import (
    SHARD_SIZE,
    Shard,
    check_folder,
    input_hash,
    load_shards,
    shard_path,
    write_shards,
)
from validstats.runtime import whole_file

__all__ = ["main"]

SEED = 20261128
SECOND_SEED = 20261129
SECOND_SIZE = 500
"""Seed of the sets of the second stage, and sets in one of its shards."""
CALIBRATION_SHARDS = range(30)
TEST_SHARDS = range(30, 42)
FIRST_TRAINING_SHARD = 42
SMOOTH_HEAD = NetworkConfig()
SMOOTH_RECIPE = Recipe(epochs=25, batch_size=128, seed=21)
"""The network of LearnedMIModule: its anchor is the Gaussian one alone, the others are not smooth."""


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
    """Train on finished shards, calibrate, test, and write the weights with their card."""
    pool = without_families(
        load_shards(finished_shards(directory, range(FIRST_TRAINING_SHARD, last))), held_out
    )
    held = max(len(pool) // 50, 1000)
    seen = np.repeat(np.arange(len(pool) - held), _times_seen(pool.family[: len(pool) - held], repeats or {}))
    validation = pool.select(np.arange(len(pool) - held, len(pool)))
    weights, logs = train_ensemble(pool.select(seen), validation, plan)
    reference, test = (
        load_shards(finished_shards(directory, numbers)) for numbers in (CALIBRATION_SHARDS, TEST_SHARDS)
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


def default_plan(quick: bool = False) -> list[tuple[NetworkConfig, Recipe]]:
    """Return the ensemble that ships: three statistics heads."""
    if quick:
        return [(HEAD, Recipe(epochs=6))]
    return [(HEAD, Recipe(epochs=e, noise=s, seed=k)) for k, (e, s) in enumerate(SHIPPED_HEADS)]


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
    parser.add_argument(
        "--second",
        type=Path,
        help="train a second stage on top of the first stage of these weights, on --sets sets",
    )
    parser.add_argument("--quick", action="store_true", help="one small network, to try things out")
    parser.add_argument("--differentiable", action="store_true", help="train the network of LearnedMIModule")
    parser.add_argument("--dependence", action="store_true", help="train the statistic of independence_test")
    parser.add_argument(
        "--robust", type=Path, help="add to these weights what robust intervals rest on, from --sets sets"
    )
    parser.add_argument(
        "--calibrate",
        type=Path,
        help="calibrate these weights of a second stage anew, on the --sets sets it was trained on",
    )
    options = parser.parse_args(arguments)
    if options.robust is not None:
        print(
            json.dumps(fit_robust_scale(options.shards, options.sets, options.robust, options.out), indent=1)
        )
        return
    if options.calibrate is not None:
        held_out = HELD_OUT_KINDS if options.evaluation else ()
        card = calibrate_again(options.shards, options.sets, options.calibrate, options.out, held_out)
        print(json.dumps(card["test"]["all"], indent=1))
        return
    if options.second is not None:
        held_out = HELD_OUT_KINDS if options.evaluation else ()
        card = fit_second_stage(
            options.shards, options.sets, options.second, options.out, held_out, options.resume
        )
        print(json.dumps(card["test"]["all"], indent=1))
        return
    last = FIRST_TRAINING_SHARD + -(-options.sets // SHARD_SIZE)
    draw_shards(options.shards, range(last if options.sets else 0), options.jobs, options.resume)
    if options.dependence:
        fit_dependence_head(options.shards, last, options.out)
        return
    if options.differentiable:
        card = fit_differentiable(options.shards, last, options.out)
    else:
        left_out = HELD_OUT_FAMILIES if options.evaluation else ()
        plan = default_plan(options.quick)
        repeats = EVALUATION_REPEATS if options.evaluation else None
        card = fit_and_save(options.shards, last, options.out, plan, left_out, repeats)
    print(json.dumps(card["test"]["all"], indent=1))


def fit_differentiable(directory: Path, last: int, out: Path) -> dict[str, Any]:
    """Train the network of LearnedMIModule on finished shards, and write it with its card."""
    from validstats.mi.training.differentiable import DIFFERENTIABLE_STATISTICS

    pool = load_shards(finished_shards(directory, range(FIRST_TRAINING_SHARD, last)))
    held = max(len(pool) // 20, 50)
    scaling = fit_scaling(pool)
    # An infinite spread turns a statistic that is not smooth into zero, in use as in training.
    smooth = np.isin(STATISTIC_NAMES, DIFFERENTIABLE_STATISTICS)
    scaling["statistic_spread"] = np.where(smooth, scaling["statistic_spread"], np.inf)
    table = np.full((len(N_EDGES) - 1, len(DIM_EDGES) - 1), ANCHOR_NAMES.index("gaussian"), dtype=np.int64)
    train, validation = (
        prepare_sets(pool.select(part), scaling, table)
        for part in (np.arange(held, len(pool)), np.arange(held))
    )
    parameters, log = train_network(train, validation, SMOOTH_HEAD, SMOOTH_RECIPE)
    weights = round_weights(NetworkWeights(scaling, table, ((SMOOTH_HEAD, parameters),)))
    network = {"config": asdict(SMOOTH_HEAD), "recipe": asdict(SMOOTH_RECIPE), "log": log}
    about = {"seed": SEED, "training_sets": len(pool) - held, "networks": [network]}
    reference, test = (
        load_shards(finished_shards(directory, numbers)) for numbers in (CALIBRATION_SHARDS, TEST_SHARDS)
    )
    return finish_weights(weights, out, about, reference, test)


def fit_second_stage(
    directory: Path, sets: int, first: Path, out: Path, held_out: tuple[str, ...], resume: bool
) -> dict[str, Any]:
    """Draw sets of all families, train a second stage on top of weights, calibrate it on folds, and write it with its card."""
    everything = second_pool(directory, sets, resume)
    pool = without_families(everything, held_out)
    below = load_weights(first)
    weights, left_out, logs = train_second_stage(pool, below.first or below)
    about = {"seed": SECOND_SEED, "networks": logs, "manifest": manifest(sets)}
    return finish_second_stage(weights, left_out, pool, out, about, held_out)


def calibrate_again(
    directory: Path, sets: int, path: Path, out: Path, held_out: tuple[str, ...]
) -> dict[str, Any]:
    """Calibrate a second stage anew on the sets that it was trained on, each read by the network that did not see it.

    What robust intervals rest on stays: other networks, without a first stage.
    """
    (weights, calibration), card = (
        read_model(path),
        json.loads(path.with_suffix(".json").read_text(encoding="utf-8")),
    )
    pool = without_families(second_pool(directory, sets, True), held_out)
    about = {name: card[name] for name in ("seed", "networks", "manifest", "left_out_kinds") if name in card}
    left_out = left_out_quantiles(pool, weights)
    return finish_second_stage(weights, left_out, pool, out, about, held_out, calibration.robust)


def second_pool(directory: Path, sets: int, resume: bool) -> Shard:
    """Draw the sets of a second stage that are not there yet, and read them all."""
    family = default_family()
    check_folder(directory, family, SECOND_SEED)
    numbers = range(-(-sets // SECOND_SIZE))
    return load_shards(list(write_shards(family, SECOND_SEED, numbers, directory, resume, SECOND_SIZE)))


def manifest(sets: int) -> dict[str, Any]:
    """What a training can be repeated from: seed, number and size of shards, hash of the inputs, versions."""
    return {
        "seed": SECOND_SEED,
        "shards": -(-sets // SECOND_SIZE),
        "shard_size": SECOND_SIZE,
        "inputs": input_hash(),
        "versions": {name: version(name) for name in ("validstats", "numpy", "torch")},
    }


def fit_robust_scale(directory: Path, sets: int, path: Path, out: Path) -> dict[str, Any]:
    """Train networks that leave each kind out, and add what they say to weights; their coverage goes to the card."""
    weights, calibration = read_model(path)
    robust, coverage = fit_robust(leave_kinds_out(second_pool(directory, sets, True), directory))
    save_weights(weights, out, pack_calibration(replace(calibration, robust=robust)))
    card = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    card["left_out_kinds"] = {
        "manifest": manifest(sets),
        "recipe": asdict(LEFT_OUT_RECIPE),
        "kinds": coverage,
    }
    with whole_file(out.with_suffix(".json")) as draft:
        draft.write_text(json.dumps(card, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return coverage


def fit_dependence_head(directory: Path, last: int, out: Path) -> None:
    """Train the learned test statistic on finished shards, and write it with its card."""
    recipe = DependenceRecipe()
    pool = load_shards(finished_shards(directory, range(FIRST_TRAINING_SHARD, last)))
    whole = load_weights(shipped_weights_path("shipped"))
    weights = whole.first or whole
    head, losses = train_dependence_head(pool, weights, recipe)
    test = borderline_sets(load_shards(finished_shards(directory, TEST_SHARDS)), recipe.evidence)
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


def draw_shards(directory: Path, numbers: range, jobs: int, resume: bool) -> None:
    """Draw the shards with the given numbers in several processes."""
    from joblib import Parallel, delayed

    steps = [numbers[start::jobs] for start in range(jobs)]
    Parallel(n_jobs=jobs)(delayed(_write_all)(part, directory, resume) for part in steps)


def _write_all(numbers: range, directory: Path, resume: bool) -> None:
    family = default_family(set(FAMILY_NAMES) - set(FIRST_STAGE_FAMILIES))
    for path in write_shards(family, SEED, numbers, directory, resume):
        print(path.name, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
