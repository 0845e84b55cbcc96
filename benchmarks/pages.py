"""Write the pages ``docs/validity.md`` and ``docs/benchmarks.md`` from the results: ``python -m benchmarks.pages``."""

from __future__ import annotations

import argparse
import csv
import shutil
from collections.abc import Sequence
from pathlib import Path

from benchmarks._runner import Measurement, markdown_table
from benchmarks.validity.report import markdown
from benchmarks.validity.rows import read_rows

ROOT = Path(__file__).parents[1]
TITLES = {
    "batch": "Batch predictive inference",
    "holdout": "Reusable holdout",
    "dsl": "Design-based supervised learning",
    "mi": "Mutual information",
}

VALIDITY = """# Do the guarantees hold?

Every kind of guarantee, simulated in many settings at several nominal levels, everything redrawn in each replicate (of the bundled
sentences the sample of ratings). A dot is one setting, the thin line its exact 99 % binomial interval; red squares are the naive
method, in the same settings (for the holdout one simulation a level, with 400 rows and 400 questions). Where a guarantee holds for
every distribution, the worst setting counts, not the average.

![Achieved against nominal coverage in every setting, beside the naive methods](images/validity.png){.wide}

`python -m benchmarks.validity` makes these numbers from fixed seeds; `--long` takes ten times the replicates and more. The
simulations are those of `tests/validity`, which run among the checks.

Two of the guarantees are not finite-sample ones for every distribution: coefficients and quantiles of `dsl` are covered in
large samples (the simulations have 1,000 labels, those with fixed effects 1,440), and learned intervals of `mi` on average over
the family of distributions, here split by size and number of columns. Intervals of the holdout are conservative by design: they
hold for every analyst, and the attack that is simulated is only one of them. A p-value from 19 permutations takes steps of 1/20.

The sentences are the bundled ones: fresh samples of 1,000 ratings of 23,703, and the truth is the regression on all ratings. Machine
labels are the same in every sample and nothing else is redrawn, so that a naive interval covers always or never.

"""

BENCHMARKS = """# Benchmarks

Time and memory beside other packages, on the same data; each of the others runs in an environment and a process of its own, which
holds the data and is timed from question to answer. Peak memory is of our process and says nothing of theirs. The ratio is the
median of paired runs: above 1 the other package takes longer than validstats, below 1 it is faster. The first call includes
compilation. Failures are rows. Make the tables with `python -m benchmarks --peers FOLDER`, and this page with `python -m benchmarks.pages`.

"""


def read_measurements(path: Path) -> list[Measurement]:
    """Read what the runner wrote."""
    numbers = ("cold_seconds", "median_seconds", "ratio", "peak_mebibytes")
    with path.open(newline="", encoding="utf-8") as handle:
        return [
            Measurement(
                **{**row, "n": int(row["n"]), **{name: float(row[name] or "nan") for name in numbers}}
            )
            for row in csv.DictReader(handle)
        ]


def slower_than_peers(measurements: Sequence[Measurement]) -> list[Measurement]:
    """Measurements in which another implementation was faster than ours."""
    return [m for m in measurements if not m.error and m.ratio < 1]


def validity_page(results: Path) -> str:
    """Return the page of coverage."""
    rows = read_rows(results / "validity.csv")
    summary, _, details = markdown(rows).partition("\n\n")
    missing = [title for domain, title in TITLES.items() if all(r.domain != domain for r in rows)]
    gap = (
        f"Not among the recorded settings yet: {', '.join(missing)}. See `tests/validity` for these.\n\n"
        if missing
        else ""
    )
    return f"{VALIDITY}{gap}{summary}\n\n## Every setting\n\n{details}"


def benchmarks_page(results: Path) -> str:
    """Return the page of benchmarks, a section for each domain that has results."""
    parts = []
    for domain, title in TITLES.items():
        path = results / f"{domain}.csv"
        studies = sorted(p for p in results.glob(f"{domain}_*.md"))
        if not path.exists() and not studies:
            continue
        parts.append(f"## {title}\n")
        if path.exists():
            measurements = read_measurements(path)
            slower = sorted(
                {f"{m.implementation} ({m.task}, n = {m.n:,})" for m in slower_than_peers(measurements)}
            )
            parts.append(markdown_table(measurements) + "\n")
            parts.append(
                f"Faster than validstats: {'; '.join(slower)}.\n" if slower else "No peer was faster.\n"
            )
        for study in studies:
            name = study.stem.removeprefix(f"{domain}_").replace("_", " ")
            parts.append(f"### {name.capitalize()}\n\n{study.read_text(encoding='utf-8').strip()}\n")
    return BENCHMARKS + ("\n".join(parts) if parts else "No results are recorded yet.\n")


def main() -> None:
    """Write the pages of which there are results."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pages", description=__doc__)
    parser.add_argument("--results", type=Path, default=ROOT / "benchmarks/results")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs")
    arguments = parser.parse_args()
    (arguments.docs / "benchmarks.md").write_text(benchmarks_page(arguments.results), encoding="utf-8")
    if (arguments.results / "validity.csv").exists():
        (arguments.docs / "validity.md").write_text(validity_page(arguments.results), encoding="utf-8")
        shutil.copy(arguments.results / "validity.png", arguments.docs / "images/validity.png")


if __name__ == "__main__":
    main()
