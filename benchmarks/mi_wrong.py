"""Where the learned estimate is wrong, and what the user sees there.

``python -m benchmarks.mi_wrong`` draws laws of known information that the estimator reads badly, and writes ``mi_wrong.md``: the median
estimate, how often the interval contains the truth, how often it is withheld, and the certified lower bound, for both files of weights.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from benchmarks.mi_tasks import bmi_tasks
from validstats.mi import LearnedMI
from validstats.mi.families.functional import functional_information

Draw: TypeAlias = Callable[[np.random.Generator, int], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Law:
    """A law, its information in nats, and why it is hard."""

    name: str
    draw: Draw
    truth: float
    why: str


def _mixture(dim_x: int, dim_y: int, components: int, seed: int, why: str) -> Law:
    """Normal components at one place that differ in the directions of their dependence; the truth is a mean of 30,000 draws."""
    generator = np.random.default_rng(seed)
    dim = dim_x + dim_y
    covariances = []
    for _ in range(components):
        loading = generator.normal(size=(dim, 2))
        covariance = loading @ loading.T + 0.3 * np.eye(dim)
        scale = np.sqrt(np.diag(covariance))
        covariances.append(covariance / np.outer(scale, scale))

    def draw(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        which = rng.integers(components, size=n)
        roots = np.stack([np.linalg.cholesky(c) for c in covariances])
        rows = np.einsum("nij,nj->ni", roots[which], rng.standard_normal((n, dim)))
        return rows[:, :dim_x], rows[:, dim_x:]

    x, y = draw(np.random.default_rng([seed, 1]), 30_000)
    rows = np.hstack([x, y])

    def log_density(part: np.ndarray, columns: slice) -> np.ndarray:
        laws = [multivariate_normal(np.zeros(part.shape[1]), c[columns, columns]) for c in covariances]
        return np.asarray(logsumexp([law.logpdf(part) for law in laws], axis=0) - np.log(components))

    both = log_density(rows, slice(0, dim))
    truth = float(np.mean(both - log_density(x, slice(0, dim_x)) - log_density(y, slice(dim_x, dim))))
    return Law(f"mixture of {components}, {dim_x} x {dim_y}", draw, truth, why)


def _parity(signs: int) -> Law:
    def draw(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        x = rng.standard_normal((n, signs))
        return x, np.prod(np.sign(x), axis=1) * np.abs(rng.standard_normal(n))

    why = "no pair and no triple of columns shows anything"
    return Law(f"sign of a product of {signs}", draw, float(np.log(2)), why)


def _wave(periods: int) -> Law:
    def draw(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        x = rng.uniform(0, 1, n)
        return x, np.sin(2 * np.pi * periods * x) + 0.05 * rng.standard_normal(n)

    u = (np.arange(16_384) + 0.5) / 16_384
    truth = float(functional_information(np.sin(2 * np.pi * periods * u), np.array([0.05]), "normal"))
    return Law(f"wave of {periods} periods", draw, truth, "few rows fall into one period")


def _not_mutually(noise: float = 0.3) -> Law:
    """Three columns that are pairwise independent and not mutually: blocks over-estimate."""

    def draw(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        x = rng.standard_normal((n, 3))
        x[:, 2] = np.abs(x[:, 2]) * np.sign(x[:, 0] * x[:, 1])
        return x, x + noise * rng.standard_normal((n, 3))

    return Law(
        "pairwise, not mutually, independent columns",
        draw,
        3.50,
        "the sum over blocks of columns is too large",
    )


def laws() -> list[Law]:
    """The laws of the page."""
    tasks = bmi_tasks()
    spiral = tasks["spiral-multinormal-sparse-5-5-2-2.0"]
    found = [
        _mixture(2, 2, 2, 5, "components differ in their dependence, not in their place"),
        _mixture(10, 2, 3, 6, "components differ in their dependence, in many columns"),
        _mixture(15, 15, 3, 7, "components differ in their dependence, in many columns"),
        Law(
            "spiral, 5 x 5",
            lambda rng, n: spiral.sample(n, random_state=rng),
            spiral.mutual_information,
            "a rotation that grows with the radius; the evaluation weights never saw one",
        ),
        _parity(3),
        _parity(5),
        _wave(4),
        _wave(10),
        _not_mutually(),
    ]
    return found


def table(sizes: Sequence[int], seeds: int) -> str:
    """Markdown: laws by size and weights."""
    lines = [
        f"medians over {seeds} data sets, in nats; 90 % intervals; certified at 95 %\n",
        "| law | n | truth | KSG | weights | estimate | intervals that contain the truth | withheld | certified, share of the truth | "
        "bounds above the truth |",
        "| :--- | ---: | ---: | ---: | :--- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for number, law in enumerate(laws()):
        for n in sizes:
            sets = [law.draw(np.random.default_rng([number, n, seed]), n) for seed in range(seeds)]
            for weights in ("shipped", "evaluation"):
                estimator = LearnedMI(weights=weights).fit()
                found = [estimator.infer(x, y, confidence_level=0.9, certify=False) for x, y in sets]
                inside = sum(bool(r.lows[0] <= law.truth <= r.highs[0]) for r in found)
                withheld = sum(bool(r.withheld[0]) for r in found)
                bound, above = "", ""
                if weights == "shipped":
                    certified = [float(estimator.infer(x, y, certify=True).certified.value) for x, y in sets]
                    bound = f"{np.median(certified) / law.truth:.0%}"
                    above = f"{sum(value > law.truth for value in certified)} of {seeds}"
                ksg = f"{np.median([float(r.naive) for r in found]):.2f}"
                estimate = np.median([float(r) for r in found])
                cells = f"{law.name} | {n:,} | {law.truth:.2f} | {ksg} | {weights} | {estimate:.2f}"
                lines.append(f"| {cells} | {inside} of {seeds} | {withheld} | {bound} | {above} |")
                print(lines[-1], file=sys.stderr, flush=True)
    lines.append("\nWhy: " + "; ".join(f"{law.name}: {law.why}" for law in laws()) + ".")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mi_wrong", description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--sizes", type=int, nargs="*", default=[200, 2000])
    parser.add_argument("--seeds", type=int, default=7)
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    text = table(options.sizes, options.seeds)
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "mi_wrong.md").write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
