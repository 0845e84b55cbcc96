"""Laws with structure: errors, coverage and certified bounds: ``python -m benchmarks.mi_structure STUDY --output DIR``.

``laws``: eleven laws on which the inputs were developed, none of them a training set: shipped and evaluation weights beside the first
stage of version 0.1.0 and KSG, with coverage and width of 90 % intervals of both scopes. ``ablation``: networks of one size and
schedule on old inputs, on all inputs, and on all inputs with the families of structure, judged on sets that none of them saw and on
the laws (needs training shards). ``bounds``: certified lower bounds of the laws, as shares of the truth, and how often they exceed
it. ``curve``: loss of one network of the second stage on a quarter, half and all of three quarters of the sets, judged on the fourth.
``original``: shipped weights beside their first stage, the estimator of 0.1.0, on the test law of the original (arXiv 2511.18945). Each
writes ``mi_STUDY.md``; the laws ``mi_structure.md``.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import entr, ndtri
from scipy.stats import binom

from benchmarks.mi_mist import stratified_mean, table_row, test_shard
from benchmarks.mi_tasks import MIST_IN_FAMILY, MIST_OUT_OF_FAMILY
from validstats._typing import Float1D, Float2D
from validstats.mi import LearnedMI
from validstats.mi.certified import certify_sides
from validstats.mi.estimators import interval_ends
from validstats.mi.families import FAMILY_NAMES, FIRST_STAGE_FAMILIES
from validstats.mi.families.functional import functional_information
from validstats.mi.families.mixtures import mixture_information
from validstats.mi.network import (
    MEDIAN,
    NetworkWeights,
    forward,
    from_log_scale,
    load_weights,
    shipped_weights_path,
    to_log_scale,
)
from validstats.mi.sides import prepare_sides
from validstats.mi.statistics import (
    CLASSICAL_ANCHORS,
    CLASSICAL_STATISTICS,
    SummaryTable,
    pack_summaries,
    summarise_data,
)
from validstats.mi.training.shards import Shard, load_shards

SIZES = (100, 500, 1000, 2000, 5000)
SEEDS = {100: 8, 500: 5, 1000: 4, 2000: 3, 5000: 2}
NODES = ndtri((np.arange(16_384) + 0.5) / 16_384)
MANY = 200_000
Draw = Callable[[np.random.Generator, int], tuple[Float2D, Float2D]]


@dataclass(frozen=True)
class StructuredLaw:
    """A law with its true mutual information in nats."""

    name: str
    truth: float
    draw: Draw


def _noisy(values: Float1D, scale: float) -> float:
    """I(f(X); f(X) + scale e) from equally likely values of f(X)."""
    return functional_information(np.sort(values), np.array([scale]), "normal")


def _quantiles(values: Float1D) -> Float1D:
    return np.quantile(values, (np.arange(16_384) + 0.5) / 16_384)


def _table_information(mass: Float1D, table: Float2D) -> float:
    return float(entr(mass @ table).sum() - mass @ entr(table).sum(axis=1))


def laws() -> list[StructuredLaw]:
    """The laws, their truths by quadrature, enumeration or many draws."""
    normal = np.random.default_rng(20261129).normal(size=(MANY, 12))
    offsets = 0.4 * np.arange(4)
    waves = sum(_noisy(np.sin(1.3 * NODES + c), 0.4) for c in offsets)
    means = np.random.default_rng(1).normal(0, 1.5, (4, 9))
    clusters = mixture_information(
        np.random.default_rng(2), np.full(4, 0.25), means, np.tile(np.eye(9), (4, 1, 1)), 7
    )[0]
    product = _noisy(_quantiles(normal[:, 0] * normal[:, 1]), 0.5) + _noisy(np.abs(NODES), 0.4)
    steps = np.array([abs(a - b) for a, b in itertools.product(range(4), repeat=2)])
    stepped = 0.8 * np.eye(4)[steps] + 0.2 / 4
    bits = np.array([(a and b) or c for a, b, c in itertools.product((0, 1), repeat=3)])
    flipped = np.where(np.eye(2)[bits] > 0, 0.94, 0.06)

    def sides(x: Float2D, y: Sequence[Float1D] | Float1D) -> tuple[Float2D, Float2D]:
        return x, np.column_stack(y) if isinstance(y, list) else np.asarray(y).reshape(len(x), -1)

    def wave(g: np.random.Generator, n: int) -> tuple[Float2D, Float2D]:
        x = g.normal(size=(n, 4))
        return sides(x, np.sin(1.3 * x + offsets) + 0.4 * g.normal(size=(n, 4)))

    def logarithm(g: np.random.Generator, n: int) -> tuple[Float2D, Float2D]:
        x = g.normal(size=(n, 3))
        return sides(x, np.log(np.abs(x) + 0.2) + 0.3 * g.normal(size=(n, 3)))

    def cubic(g: np.random.Generator, n: int) -> tuple[Float2D, Float2D]:
        x = g.normal(size=(n, 20))
        return sides(x, x[:, 3] ** 3 - 3 * x[:, 3] + g.normal(size=n))

    def norm(g: np.random.Generator, n: int) -> tuple[Float2D, Float2D]:
        x = g.normal(size=(n, 12))
        return sides(x, 1.2 * np.linalg.norm(x, axis=1) + 0.3 * g.normal(size=n))

    def levels(g: np.random.Generator, n: int) -> tuple[Float2D, Float2D]:
        x = g.integers(0, 4, (n, 5))
        y = np.where(g.random(n) < 0.2, g.integers(0, 4, n), np.abs(x[:, 0] - x[:, 3]))
        return sides(x.astype(float), y.astype(float))

    def gates(g: np.random.Generator, n: int) -> tuple[Float2D, Float2D]:
        x = g.integers(0, 2, (n, 8))
        y = ((x[:, 0] & x[:, 4]) | x[:, 6]) ^ (g.random(n) < 0.06)
        return sides(x.astype(float), y.astype(float))

    def spheres(g: np.random.Generator, n: int) -> tuple[Float2D, Float2D]:
        rows = means[g.integers(0, 4, n)] + g.normal(size=(n, 9))
        return rows[:, :7], rows[:, 7:]

    def maximum(g: np.random.Generator, n: int) -> tuple[Float2D, Float2D]:
        x = g.normal(size=(n, 6))
        return sides(x, x[:, :3].max(axis=1) + 0.4 * g.normal(size=n))

    def products(g: np.random.Generator, n: int) -> tuple[Float2D, Float2D]:
        x = g.normal(size=(n, 3))
        one, two = x[:, 0] * x[:, 1] + 0.5 * g.normal(size=n), np.abs(x[:, 2]) + 0.4 * g.normal(size=n)
        return sides(x, [one, two])

    def gaussian(g: np.random.Generator, n: int) -> tuple[Float2D, Float2D]:
        x = g.normal(size=(n, 5))
        return sides(x, 0.6 * x + 0.8 * g.normal(size=(n, 5)))

    def nothing(g: np.random.Generator, n: int) -> tuple[Float2D, Float2D]:
        return g.normal(size=(n, 8)), g.normal(size=(n, 2))

    return [
        StructuredLaw("four waves, 4x4", waves, wave),
        StructuredLaw("three logarithms, 3x3", 3 * _noisy(np.log(np.abs(NODES) + 0.2), 0.3), logarithm),
        StructuredLaw("cubic of one of 20", _noisy(NODES**3 - 3 * NODES, 1.0), cubic),
        StructuredLaw("norm, 12x1", _noisy(_quantiles(1.2 * np.linalg.norm(normal, axis=1)), 0.3), norm),
        StructuredLaw("five columns of 4 levels", _table_information(np.full(16, 1 / 16), stepped), levels),
        StructuredLaw("eight bits", _table_information(np.full(8, 1 / 8), flipped), gates),
        StructuredLaw("four clusters, 7x2", clusters, spheres),
        StructuredLaw("maximum of three, 6x1", _noisy(_quantiles(normal[:, :3].max(axis=1)), 0.4), maximum),
        StructuredLaw("product and absolute value, 3x2", product, products),
        StructuredLaw("Gaussian pairs, 5x5", -2.5 * np.log(1 - 0.36), gaussian),
        StructuredLaw("independent, 8x2", 0.0, nothing),
    ]


def draw_laws(sizes: Sequence[int]) -> list[tuple[StructuredLaw, int, SummaryTable]]:
    """Summaries of every law at every size, its seeds together."""
    out = []
    for number, law in enumerate(laws()):
        for n in sizes:
            drawn = [law.draw(np.random.default_rng([20261129, number, n, s]), n) for s in range(SEEDS[n])]
            out.append((law, n, pack_summaries([summarise_data(x, y) for x, y in drawn])))
    return out


def _errors(estimates: Float1D, truth: float) -> float:
    return float(np.median(np.abs(estimates - truth)))


def _cell(values: Sequence[float]) -> str:
    return "/".join(f"{v:.2f}" for v in values)


def study_laws(sizes: Sequence[int]) -> str:
    """Errors of the estimators law by law, their means, and coverage of both scopes."""
    estimators = {
        name: LearnedMI(weights=name, confidence_level=0.9).fit() for name in ("shipped", "evaluation")
    }
    first = estimators["shipped"].weights_.first
    assert first is not None
    errors: dict[tuple[str, str, int], float] = {}
    covered: dict[tuple[str, str, int], list[tuple[float, float]]] = {}
    for law, n, sets in draw_laws(sizes):
        values = {name: forward(sets, e.weights_) for name, e in estimators.items()}
        points = {name: from_log_scale(q[:, MEDIAN]) for name, q in values.items()}
        points["0.1.0"] = from_log_scale(forward(sets, first)[:, MEDIAN])
        points["KSG"] = sets.anchors[:, 0].astype(np.float64)
        for name, estimate in points.items():
            errors[name, law.name, n] = _errors(np.minimum(estimate, sets.bound), law.truth)
        for name, e in estimators.items():
            for scope in ("meta", "robust"):
                if scope == "robust" and e.calibration_.robust is None:
                    continue
                ends = interval_ends(e, sets, values[name], 0.9, scope)  # type: ignore[arg-type]
                middle = np.minimum(points[name], sets.bound)
                low, high = np.minimum(ends[:, 0], middle), np.maximum(ends[:, 1], middle)
                found = covered.setdefault((name, scope, n), [])
                found += [
                    (float(a - 1e-6 <= law.truth <= b + 1e-6), float(b - a))
                    for a, b in zip(low, high, strict=True)
                ]
    names = ("KSG", "0.1.0", "evaluation", "shipped")
    lines = [
        f"median absolute error in nats over seeds ({', '.join(f'{SEEDS[n]} at n = {n:,}' for n in sizes)}), one number a size\n",
        f"| law | truth | {' | '.join(names)} |",
        f"| :--- | ---: | {' | '.join(['---:'] * len(names))} |",
    ]
    for law in laws():
        cells = [_cell([errors[name, law.name, n] for n in sizes]) for name in names]
        lines.append(f"| {law.name} | {law.truth:.3f} | {' | '.join(cells)} |")
    means = [
        "/".join(f"{np.mean([errors[name, law.name, n] for law in laws()]):.3f}" for n in sizes)
        for name in names
    ]
    lines.append(f"| **mean** | | {' | '.join(means)} |")
    lines += ["\n90 % intervals: share that contains the truth (median width), laws and seeds together\n"]
    lines += [
        f"| weights, scope | {' | '.join(f'n = {n:,}' for n in sizes)} |",
        f"| :--- | {' | '.join(['---:'] * len(sizes))} |",
    ]
    for name, scope in dict.fromkeys((a, b) for a, b, _ in covered):
        cells = [
            f"{np.mean([c for c, _ in covered[name, scope, n]]):.2f} ({np.median([w for _, w in covered[name, scope, n]]):.2f})"
            for n in sizes
        ]
        lines.append(f"| {name}, {scope} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def study_bounds(sizes: Sequence[int], draws: int) -> str:
    """Share of the truth that is certified at 95 %, and violations at 90 %."""
    lines = [
        "certified lower bound at 95 % as a share of the truth, mean over seeds (the last column: bounds at 90 % above the truth)\n",
        f"| law | truth | {' | '.join(f'n = {n:,}' for n in sizes)} | above the truth |",
        f"| :--- | ---: | {' | '.join(['---:'] * (len(sizes) + 1))} |",
    ]
    shares: dict[int, list[float]] = {n: [] for n in sizes}
    for number, law in enumerate(laws()):
        cells = []
        for n in sizes:
            values = []
            for seed in range(2 if n > 1000 else 3):
                x, y = law.draw(np.random.default_rng([7, number, n, seed]), n)
                values.append(float(certify_sides(*prepare_sides(x, y), 0.95, "", False).value))
            if law.truth > 0:
                shares[n].append(float(np.mean(values)) / law.truth)
            cells.append(
                f"{np.mean(values) / law.truth:.2f}" if law.truth > 0 else f"{np.mean(values):.3f} nats"
            )
        above = 0
        for seed in range(draws):
            x, y = law.draw(np.random.default_rng([8, number, seed]), 150)
            above += float(certify_sides(*prepare_sides(x, y), 0.9, "", False).value) > law.truth
        chance = float(binom.sf(above - 1, draws, 0.1))
        lines.append(
            f"| {law.name} | {law.truth:.3f} | {' | '.join(cells)} | {above} of {draws} (n = 150; p = {chance:.2f}) |"
        )
    lines.append(f"| **mean** | | {' | '.join(f'{np.mean(shares[n]):.2f}' for n in sizes)} | |")
    return "\n".join(lines) + "\n"


def _loss(sets: Shard, weights: NetworkWeights) -> Float1D:
    from validstats.mi.training.loop import pinball

    return pinball(forward(sets, weights), to_log_scale(sets.truth))


def study_ablation(shards: Path, epochs: int) -> str:
    """Old inputs, all inputs, and all inputs with the new families, at equal numbers of sets, sizes and epochs."""
    from validstats.mi.training.ensemble import HEAD, train_ensemble
    from validstats.mi.training.loop import Recipe

    pool = load_shards(sorted(shards.glob("shard-20261129-?????.npz")))
    known = np.isin(pool.family, [FAMILY_NAMES.index(name) for name in FIRST_STAGE_FAMILIES])
    place = np.arange(len(pool))
    test, train = pool.select(place % 8 == 0), pool.select(place % 8 != 0)
    old = np.isin(train.family, [FAMILY_NAMES.index(name) for name in FIRST_STAGE_FAMILIES])
    size = int(min(old.sum(), len(train)))
    drawn = draw_laws((100, 500, 2000))
    structured = ~known[place % 8 == 0]
    everything = train.select(np.sort(np.random.default_rng(0).permutation(len(train))[:size]))
    plans: list[tuple[str, Callable[[Any], Any], Shard]] = [
        ("old inputs, old families", without_structure, train.select(old)),
        ("all inputs, old families", lambda sets: sets, train.select(old)),
        ("old inputs, all families", without_structure, everything),
        ("all inputs, all families", lambda sets: sets, everything),
    ]
    lines = [
        f"one network each, {size:,} sets, {epochs} epochs; pinball loss of log(1 + 2 I) on {len(test):,} other sets; mean over laws of "
        "the median error in nats at n = 100/500/2000\n",
        "| trained on | families without structure | families with structure | eleven laws |",
        "| :--- | ---: | ---: | ---: |",
    ]
    for name, seen, sets in plans:
        held = np.arange(len(sets)) % 20 == 0
        recipe = Recipe(epochs=epochs, batch_size=256, seed=5, patience=epochs)
        parts = seen(sets.select(~held)), seen(sets.select(held))
        weights, _ = train_ensemble(*parts, [(HEAD, recipe)], verbose=False)
        loss = _loss(seen(test), weights)
        by_size = {
            n: np.mean([_errors(_points(seen(s), weights), law.truth) for law, m, s in drawn if m == n])
            for n in (100, 500, 2000)
        }
        means = "/".join(f"{v:.3f}" for v in by_size.values())
        lines.append(f"| {name} | {loss[~structured].mean():.4f} | {loss[structured].mean():.4f} | {means} |")
    return "\n".join(lines) + "\n"


def study_curve(shards: Path) -> str:
    """Loss of one network of the second stage by the number of its sets, beside the first stage alone."""
    from validstats.mi.training.ensemble import SECOND, SECOND_RECIPE
    from validstats.mi.training.loop import fit_scaling, pinball, prepare_sets, train_network

    pool = load_shards(sorted(shards.glob("shard-20261129-?????.npz")))
    first = load_weights(shipped_weights_path("shipped")).first
    assert first is not None
    known = np.isin(pool.family, [FAMILY_NAMES.index(name) for name in FIRST_STAGE_FAMILIES])
    place = np.arange(len(pool))
    test, others = place[place % 4 == 0], place[place % 4 != 0]
    structured, target = ~known[test], to_log_scale(pool.truth[test])
    lines = [
        f"pinball loss of log(1 + 2 I) on {len(test):,} sets that the network did not see\n",
        "| training sets | all families | without structure | with structure |",
        "| :--- | ---: | ---: | ---: |",
    ]

    def row(name: str, loss: Float1D) -> str:
        return (
            f"| {name} | {loss.mean():.4f} | {loss[~structured].mean():.4f} | {loss[structured].mean():.4f} |"
        )

    lines.append(row("first stage alone", pinball(forward(pool.select(test), first), target)))
    for share in (0.25, 0.5, 1.0):
        chosen = others[: int(share * len(others))]
        part = pool.select(chosen)
        known_scaling = first.scaling
        scaling = {
            name: np.concatenate([known_scaling[name], values[len(known_scaling[name]) :]])
            for name, values in fit_scaling(part).items()
        }
        prepared = prepare_sets(part, scaling, first.anchor_table, first)
        stop = np.arange(len(part))[::10]
        learn = np.setdiff1d(np.arange(len(part)), stop)
        parameters, _ = train_network(prepared.select(learn), prepared.select(stop), SECOND, SECOND_RECIPE)
        weights = NetworkWeights(scaling, first.anchor_table, ((SECOND, parameters),), first=first)
        lines.append(row(f"{len(learn):,}", pinball(forward(pool.select(test), weights), target)))
    return "\n".join(lines) + "\n"


def study_original(draws: int) -> str:
    """Errors on the original's test law of the shipped weights and of their first stage."""
    shipped = LearnedMI().fit().weights_
    assert shipped.first is not None
    lines = [
        f"{draws} draws of the cells with n < 100, one of the others; mean squared error in nats (standard error), and by range of n mean "
        "squared / median absolute error\n",
        "| weights, families | all n | 10 to 100 | 100 to 300 | 300 to 500 |",
        "| :--- | ---: | ---: | ---: | ---: |",
    ]
    for title, families in (("in family", MIST_IN_FAMILY), ("out of family", MIST_OUT_OF_FAMILY)):
        sets = test_shard(families, draws)
        now, before = (_points(sets, weights) for weights in (shipped, shipped.first))
        lines += [
            table_row(f"shipped, {title}", sets, now),
            table_row(f"version 0.1.0, {title}", sets, before),
        ]
        change, spread = stratified_mean(
            (now - sets.truth) ** 2 - (before - sets.truth) ** 2, sets.shape[:, 0]
        )
        lines.append(f"| difference draw by draw, {title} | {change:.4f} ({spread:.4f}) | | | |")
    return "\n".join(lines) + "\n"


def without_structure(sets: Any) -> Any:
    """The sets as version 0.1.0 read them: no statistic, no candidate of structure and no pairs."""
    statistics, anchors = sets.statistics.copy(), sets.anchors.copy()
    statistics[:, CLASSICAL_STATISTICS:] = 0.0
    anchors[:, len(CLASSICAL_ANCHORS) :] = np.nan
    none = np.arange(0)
    return replace(
        sets,
        statistics=statistics,
        anchors=anchors,
        pairs=sets.pairs.select(none),
        pair_of=sets.pair_of[none],
    )


def _points(sets: SummaryTable, weights: NetworkWeights) -> Float1D:
    return np.minimum(from_log_scale(forward(sets, weights)[:, MEDIAN]), sets.bound)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one study and write its table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mi_structure", description=__doc__)
    parser.add_argument("study", choices=["laws", "ablation", "bounds", "curve", "original"])
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--shards", type=Path, help="folder of training shards, for ablation and curve")
    parser.add_argument("--sizes", type=int, nargs="*", default=list(SIZES))
    parser.add_argument("--epochs", type=int, default=8, help="epochs, for ablation")
    parser.add_argument(
        "--draws", type=int, default=60, help="draws of each law at n = 150, for violations of bounds"
    )
    options = parser.parse_args(arguments)
    if options.study in ("ablation", "curve") and options.shards is None:
        parser.error(f"{options.study} needs --shards")
    studies: dict[str, Callable[[], Any]] = {
        "laws": lambda: study_laws(options.sizes),
        "ablation": lambda: study_ablation(options.shards, options.epochs),
        "bounds": lambda: study_bounds(options.sizes, options.draws),
        "curve": lambda: study_curve(options.shards),
        "original": lambda: study_original(2),
    }
    name = {"laws": "structure"}.get(options.study, options.study)
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / f"mi_{name}.md").write_text(studies[options.study](), encoding="utf-8")


if __name__ == "__main__":
    main()
