"""Conditional dependence: levels and power of tests beside KCI and the generalised covariance measure, and errors of the estimates.

``python -m benchmarks.mi_conditional tests --peers FOLDER`` draws every law anew from fixed seeds, gives the same draws to every test and
writes ``mi_conditional_tests.csv`` (one row a law and method) and ``.md``; ``table`` writes the latter anew from the former, and
``estimates`` measures errors and intervals on laws drawn at random and writes ``mi_conditional_estimates.md``.
``FOLDER/causal-learn`` is an environment with this package; without it its column is left out.
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from scipy.stats import norm
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import SplineTransformer

from benchmarks._peers import Peer, server, take_from
from validstats.mi import LearnedMI, conditional_independence_test, conditional_mutual_info

Generator: TypeAlias = np.random.Generator
Triple: TypeAlias = tuple[np.ndarray, np.ndarray, np.ndarray]
Law: TypeAlias = Callable[[Generator, int], Triple]

RESULTS = Path("benchmarks/results")


def _same(function: Callable[[np.ndarray], np.ndarray], dim: int, noise: float, other: Any = None) -> Law:
    """Both sides are functions of normal Z with independent normal noise."""

    def draw(rng: Generator, n: int) -> Triple:
        z = rng.standard_normal((n, dim))
        x, y = noise * rng.standard_normal((2, n))
        return function(z) + x, (other or function)(z) + y, z

    return draw


def _shared_spread(spread: Callable[[np.ndarray], np.ndarray]) -> Law:
    def draw(rng: Generator, n: int) -> Triple:
        z = rng.standard_normal((n, 1))
        x, y = spread(z[:, 0]) * rng.standard_normal((2, n))
        return x, y, z

    return draw


def _heavy_tails(rng: Generator, n: int) -> Triple:
    z = rng.standard_normal((n, 1))
    x, y = z[:, 0] + rng.standard_t(2, (2, n))
    return x, y, z


def _counts(rng: Generator, n: int) -> Triple:
    z = rng.standard_normal((n, 1))
    x, y = rng.poisson(np.exp(0.7 * z[:, 0]), (2, n)).astype(float)
    return x, y, z


def _labels(rng: Generator, n: int) -> Triple:
    z = rng.standard_normal((n, 1))
    x, y = (rng.random((2, n)) < 1 / (1 + np.exp(-2 * z[:, 0]))).astype(float)
    return x, y, z


def _saw(rng: Generator, n: int) -> Triple:
    z = rng.uniform(0, 4, (n, 1))
    x, y = z[:, 0] % 1 + 0.3 * rng.standard_normal((2, n))
    return x, y, z


NULLS: dict[str, Law] = {
    "linear": _same(lambda z: z[:, 0], 1, 1.0),
    "sine and square": _same(lambda z: np.sin(2 * z[:, 0]), 1, 0.5, lambda z: z[:, 0] ** 2),
    "shared spread": _shared_spread(lambda z: np.exp(0.6 * z)),
    "heavy tails": _heavy_tails,
    "irrelevant Z, 3 columns": _same(lambda z: np.zeros(len(z)), 3, 1.0),
    "counts": _counts,
    "step": _same(lambda z: 1.5 * (z[:, 0] > 0), 1, 1.0),
    "linear in 5 columns": _same(lambda z: z.sum(axis=1), 5, 1.0),
    "cosines of 3 columns": _same(lambda z: np.cos(2 * z).sum(axis=1), 3, 0.5),
    "product of 2 columns": _same(lambda z: z[:, 0] * z[:, 1], 2, 0.5),
    "cosine of a sum of 2": _same(lambda z: np.cos(1.5 * z.sum(axis=1)), 2, 0.5),
    "two steps": _same(lambda z: 2.0 * (np.abs(z[:, 0]) < 0.7), 1, 1.0),
    "sine of 4 z": _same(lambda z: np.sin(4 * z[:, 0]), 1, 0.5),
    "absolute values of 2": _same(lambda z: np.abs(z).sum(axis=1), 2, 0.4),
    "steps of 3 columns": _same(lambda z: (z > 0).sum(axis=1), 3, 0.7),
    "maximum of 3 columns": _same(lambda z: z.max(axis=1), 3, 0.4),
    "saw of uniform Z": _saw,
    "2 of 10 columns": _same(lambda z: z[:, 0] + np.sin(2 * z[:, 1]), 10, 0.7),
    "labels": _labels,
    "little noise": _same(lambda z: np.tanh(2 * z[:, 0]), 1, 0.1),
    "wave as shared spread": _shared_spread(lambda z: 1 + 0.9 * np.sin(3 * z)),
    "product of 3 columns": _same(lambda z: z.prod(axis=1), 3, 0.5),
}
"""Laws with independent sides given Z: the ten that the settings were chosen on, ten others, and two that are harder."""


def _linked(
    function: Callable[[np.ndarray], np.ndarray], dim: int, link: Callable[[np.ndarray], np.ndarray]
) -> Law:
    """X is a function of Z plus noise u, Y another function of Z plus link(u) and noise."""

    def draw(rng: Generator, n: int) -> Triple:
        z = rng.standard_normal((n, dim))
        u, e = rng.standard_normal((2, n))
        return function(z) + u, z.sum(axis=1) + link(u) + e, z

    return draw


POWER: dict[str, Law] = {
    "linear, 0.25": _linked(lambda z: z[:, 0], 1, lambda u: 0.25 * u),
    "linear beside a square, 0.25": _linked(lambda z: z[:, 0] ** 2, 1, lambda u: 0.25 * u),
    "linear, 5 columns, 0.25": _linked(lambda z: z.sum(axis=1), 5, lambda u: 0.25 * u),
    "square, 0.4": _linked(lambda z: np.sin(2 * z[:, 0]), 1, lambda u: 0.4 * u**2),
}
"""Laws with dependent sides given Z."""

KCI_SERVER = """
from causallearn.utils.KCI.KCI import KCI_CInd
def task(law):
    def run():
        import time
        start = time.process_time()
        p = [float(KCI_CInd().compute_pvalue(x[:, None], y[:, None], z)[0])
             for x, y, z in zip(data[law + "/x"], data[law + "/y"], data[law + "/z"])]
        return {"p": p, "seconds": (time.process_time() - start) / len(p)}
    return run
tasks = {name[:-2]: task(name[:-2]) for name in data if name.endswith("/x")}
"""
PEER_SERVERS = {"KCI (causal-learn)": ("causal-learn", KCI_SERVER)}


def covariance_measure(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> float:
    """P-value of the generalised covariance measure with additive cubic splines (Shah and Peters 2020, Annals of Statistics 48, section 3).

    With R the products of the residuals of x and of y given z, sqrt(n) mean(R) / sd(R) is asymptotically standard normal.
    """
    regression = make_pipeline(SplineTransformer(n_knots=8), RidgeCV(np.logspace(-3, 3, 13)))
    left = [side - regression.fit(z, side).predict(z) for side in (x, y)]
    products = left[0] * left[1]
    return float(2 * norm.sf(abs(np.sqrt(len(x)) * products.mean() / products.std())))


def our_test(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> float:
    """P-value of the public call."""
    return float(conditional_independence_test(x, y, z, random_state=0).p_value)


OWN = {"validstats": our_test, "GCM (additive splines)": covariance_measure}
"""Tests that run here: ours, and the published formula of a comparator."""


def ask(test: Callable[..., float], draws: Sequence[Triple]) -> tuple[list[float], float]:
    """P-values and processor seconds a test."""
    start = time.process_time()
    found = [test(*draw) for draw in draws]
    return found, (time.process_time() - start) / len(draws)


def measure_tests(n: int, runs: int) -> Iterator[list[dict[str, Any]]]:
    """Share of p-values at most .05 of every law by every test on the same draws."""
    laws = NULLS | POWER
    draws = {
        name: [law(np.random.default_rng([n, number, seed]), n) for seed in range(runs)]
        for number, (name, law) in enumerate(laws.items())
    }
    peers: dict[str, Peer | str] = {}
    data = {
        f"{name}/{s}": np.stack([d[i] for d in sets])
        for name, sets in draws.items()
        for i, s in enumerate("xyz")
    }
    for title, (package, program) in PEER_SERVERS.items():
        try:
            peers[title] = Peer(package, server(program), data)
        except RuntimeError as error:
            peers[title] = str(error)
    for name, sets in draws.items():
        rows = []
        kind = "null" if name in NULLS else "power"
        base = {"n": n, "kind": kind, "law": name, "runs": runs}
        for title, test in OWN.items():
            p, seconds = ask(test, sets)
            rejected = int(np.sum(np.array(p) <= 0.05))
            rows.append(base | {"method": title, "rejected": rejected, "seconds": seconds})
        for title, peer in peers.items():
            if isinstance(peer, str):
                continue
            answer = peer.run(name)
            rejected = int(np.sum(np.array(answer["p"]) <= 0.05))
            rows.append(base | {"method": title, "rejected": rejected, "seconds": answer["seconds"]})
        yield rows


# --- estimates ----------------------------------------------------------------------------------------------


def draw_triple(rng: Generator, n: int) -> tuple[Triple, float]:
    """A law of X and Y given Z with known conditional information: I(e1; a e1 + e2) = log(1 + a^2) / 2, seen through functions of Z."""
    a = float(rng.choice([0.0, 0.5, 1.0, 2.0]))
    dim = int(rng.choice([1, 1, 2, 3]))
    z = rng.standard_normal((n, dim))
    e1, e2 = rng.standard_normal((2, n))
    shapes = [
        np.sin(2 * z).sum(axis=1),
        (z**2).sum(axis=1) / dim,
        z.sum(axis=1),
        np.tanh(3 * z[:, 0]),
        np.abs(z).max(axis=1),
    ]
    f, g = (shapes[int(rng.integers(len(shapes)))] for _ in range(2))
    spread = np.exp(0.5 * z[:, 0]) if rng.random() < 0.4 else 1.0
    if rng.random() < 0.25:
        # The link itself depends on Z: the mean of log(1 + (a tanh z)^2) / 2 over Z.
        grid = np.random.default_rng(0).standard_normal(200_000)
        truth = float(np.mean(0.5 * np.log1p((a * np.tanh(grid)) ** 2)))
        return (f + spread * e1, g + spread * (a * np.tanh(z[:, 0]) * e1 + e2), z), truth
    return (f + spread * e1, g + spread * (a * e1 + e2), z), 0.5 * np.log1p(a**2)


def chain_rule(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> float:
    """The form of 0.1.0: four learned estimates, added and subtracted."""
    predict = LearnedMI().fit().predict
    forms = [float(predict(a, np.column_stack([b, z])) - predict(a, z)) for a, b in ((x, y), (y, x))]
    return max(0.0, float(np.mean(forms)))


def measure_estimates(n: int, runs: int) -> list[dict[str, Any]]:
    """Error of each method, and how often its 95 % interval contains the truth, over drawn laws."""
    errors: dict[str, list[float]] = {}
    inside: dict[str, list[bool]] = {}
    widths: dict[str, list[float]] = {}
    for seed in range(runs):
        (x, y, z), truth = draw_triple(np.random.default_rng([n, seed]), n)
        for method in ("learned", "gaussian", "ksg"):
            found = conditional_mutual_info(x, y, z, method=method, test=False)
            errors.setdefault(method, []).append(abs(found.estimate - truth))
            if not np.isnan(found.low):
                inside.setdefault(method, []).append(found.low <= truth <= found.high)
                widths.setdefault(method, []).append(found.high - found.low)
        errors.setdefault("chain rule of 0.1.0", []).append(abs(chain_rule(x, y, z) - truth))
    rows = []
    for method, values in errors.items():
        covered = inside.get(method, [])
        rows.append(
            {"n": n, "kind": "estimate", "law": "drawn", "runs": runs, "method": method, "rejected": "",
             "seconds": "", "mean_error": float(np.mean(values)), "median_error": float(np.median(values)), "covered": sum(covered),
             "intervals": len(covered), "width": float(np.median(widths[method])) if covered else ""}
        )  # fmt: skip
    return rows


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Markdown of all rows."""
    lines = []
    for n in sorted({row["n"] for row in rows if row["kind"] != "estimate"}):
        chosen = [row for row in rows if row["n"] == n and row["kind"] != "estimate"]
        methods = list(dict.fromkeys(row["method"] for row in chosen))
        for kind, title in (
            ("null", "X and Y independent given Z: rejections"),
            ("power", "dependent given Z: rejections"),
        ):
            part = [row for row in chosen if row["kind"] == kind]
            if not part:
                continue
            lines += [
                f"\n**n = {n}, {title} at .05 in {part[0]['runs']} data sets a law**\n",
                f"| law | {' | '.join(methods)} |",
                f"| :--- | {' | '.join('---:' for _ in methods)} |",
            ]
            for law in dict.fromkeys(row["law"] for row in part):
                cells = []
                for method in methods:
                    found = [row for row in part if row["law"] == law and row["method"] == method]
                    cells.append(str(found[0]["rejected"]) if found else "")
                lines.append(f"| {law} | {' | '.join(cells)} |")
            means = [np.mean([r["rejected"] for r in part if r["method"] == m]) for m in methods]
            worst = [max(r["rejected"] for r in part if r["method"] == m) for m in methods]
            lines.append(
                f"| mean (largest) | {' | '.join(f'{a:.1f} ({b})' for a, b in zip(means, worst, strict=True))} |"
            )
        times = [1e3 * np.mean([float(r["seconds"]) for r in chosen if r["method"] == m]) for m in methods]
        lines.append(f"| processor milliseconds a test | {' | '.join(f'{t:.0f}' for t in times)} |")
    estimates = [row for row in rows if row["kind"] == "estimate"]
    if estimates:
        lines += [
            "\n**Estimates**: laws drawn at random (functions of 1 to 3 columns of Z, shared spread in 4 of 10, a link that "
            "depends on Z in 1 of 4), in nats\n",
            "| n | method | laws | mean (median) absolute error | 95 % intervals that contain the truth | median width |",
            "| ---: | :--- | ---: | ---: | ---: | ---: |",
        ]
    for row in estimates:
        covered = f"{row['covered']} of {row['intervals']}" if row["intervals"] else "none given"
        width = f"{row['width']:.2f}" if row["intervals"] else ""
        lines.append(
            f"| {row['n']} | {row['method']} | {row['runs']} | {row['mean_error']:.3f} ({row['median_error']:.3f}) | {covered} | {width} |"
        )
    return "\n".join(lines).strip()


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mi_conditional", description=__doc__)
    parser.add_argument("part", choices=["tests", "estimates", "table"])
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument("--peers", type=Path, help="folder of the peers' environments")
    parser.add_argument("--sizes", type=int, nargs="*", default=[300], help="rows of a data set")
    parser.add_argument("--runs", type=int, default=40, help="data sets a law, or laws for the estimates")
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    if options.peers is not None:
        take_from(options.peers)
    options.output.mkdir(parents=True, exist_ok=True)
    if options.part == "table":
        write(read_tests(options.output), options.output, "tests")
        return
    rows: list[dict[str, Any]] = []
    for n in options.sizes:
        found = (
            measure_tests(n, options.runs)
            if options.part == "tests"
            else [measure_estimates(n, options.runs)]
        )
        for part in found:
            rows += part
            # Law by law, so that a run that is ended early leaves what it had.
            write(rows, options.output, options.part)
            print(*part, sep="\n", file=sys.stderr, flush=True)
    print(table(rows))


def read_tests(folder: Path) -> list[dict[str, Any]]:
    """Rows of the tests as they were written."""
    with (folder / "mi_conditional_tests.csv").open(newline="", encoding="utf-8") as handle:
        found = list(csv.DictReader(handle))
    names = ("n", "kind", "law", "runs", "method", "rejected", "seconds")
    whole, real = ("n", "runs", "rejected"), ("seconds",)
    return [
        {k: int(row[k]) if k in whole else float(row[k]) if k in real else row[k] for k in names}
        for row in found
    ]


def write(rows: Sequence[dict[str, Any]], folder: Path, part: str) -> None:
    """Write the rows and their table."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with (folder / f"mi_conditional_{part}.csv").open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, fieldnames=columns, restval="")
        writer.writeheader()
        for row in rows:
            writer.writerow({k: f"{v:.4g}" if isinstance(v, float) else v for k, v in row.items()})
    (folder / f"mi_conditional_{part}.md").write_text(table(rows) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
