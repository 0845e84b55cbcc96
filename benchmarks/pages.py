"""Write the pages of coverage and of benchmarks, and the long tables behind them, from the results: ``python -m benchmarks.pages``."""

from __future__ import annotations

import argparse
import csv
import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from benchmarks._runner import Measurement, markdown_table
from benchmarks.figure import DPI, figure, is_ours
from benchmarks.validity.report import anchor, settings_tables, summary_table
from benchmarks.validity.rows import read_rows

ROOT = Path(__file__).parents[1]
TITLES = {
    "batch": "Batch predictive inference",
    "holdout": "Reusable holdout",
    "dsl": "Design-based supervised learning",
    "mi": "Mutual information",
}

STUDIED = {**TITLES, "evals": "Evaluations"}

VALIDITY = """---
hide: [toc]
---

# Do the guarantees hold?

The last column names the version whose methods were simulated. Since 0.1.0 means and totals of batches, guesses of the holdout, and
shares, quantiles and tuned regressions from machine labels have other methods; their figures, with few labels and weak surrogates
above all, are on the pages of the domains and in `benchmarks/results`.

Every kind of guarantee, simulated in at least 20 settings at three nominal levels (the sentences: twelve coefficients for each
of two populations), everything redrawn in each replicate (of the bundled sentences the sample of ratings; after the user's own
calibration the calibration sets and the new one, from a pool of 400). A dot is one setting, the line the exact 99 % binomial
interval of the lowest; red strokes are the naive method in the same settings (for the answers of the holdout one simulation a
level, with 400 rows and 400 questions). Where a guarantee holds for every distribution, the worst setting counts, not the
average.

![Achieved against nominal coverage in every setting, beside the naive methods](images/validity.png){.wide}

`python -m benchmarks.validity` makes these numbers from fixed seeds; `--long` takes more replicates. The simulations are those of
`tests/validity`, which run among the checks. With this many settings a few lie below their level by chance: the table counts those whose
exact binomial test rejects the level at 1e-3. Settings of `dsl` have from 25 replicates (quantiles), 40 (joint tests) and 60 (slopes at all
looks) to 20,000, so that the lowest of many can be far below its level by chance; the page of every setting has the intervals.

* Some guarantees are asymptotic and not finite-sample ones for every distribution: coefficients, quantiles, joint tests and
  anytime-valid intervals of `dsl` (the simulations have 250 to 1,500 labels; streams are first looked at after 200 to
  2,000 units), and intervals of the classical estimators of `mi`.
* Learned intervals of `mi` are covered on average over a family of distributions, here split by size and number of columns, and
  after the user's own calibration on one family over that family.
* Intervals of the holdout are conservative by design: they hold for every analyst, and the attack that is simulated is only one of
  them. Several methods for the mean of a batch are conservative too.
* A guarantee on an expected share (false discoveries) is judged by a coin: a replicate counts as held with the probability that a
  claim taken at random is true, so that the share of held replicates has the promised mean.
* The sentences are the bundled ones: fresh samples of 1,000 ratings of 23,703, and the truth is the regression on all ratings. Machine
  labels are the same in every sample and nothing else is redrawn, so that a naive interval covers always or never.

"""

SETTINGS = """---
hide: [toc]
---

# {title}: every setting

How often the statement held in each setting, with the exact 99 % binomial interval, at each nominal level; the last column is the
naive method. What the settings are, and which guarantees are asymptotic, says [the page of all guarantees](../validity.md).
The field above a table filters its rows.

"""

MUTATION = """## How much do the tests notice?

A test that cannot fail proves nothing. So small faults are put into the theory modules (rank laws, extremal sums, widths, accounting,
moments, calibration) and into the rooms that ask, check and plan, one at a time: a comparison turned, a constant moved by one, a
check left out. A fault is killed if a test fails or runs far longer than it did. `python -m tests.mutation DOMAIN` repeats it.

"""

BENCHMARKS = """# Benchmarks

Time of validstats and of other packages on the same data, at the largest size of each task. Every size, with memory, first runs and
remarks, is on the page of its domain; what the methods achieve beside others (width, error, power) on the page of its studies.

{which}

![Time and peak memory of validstats and other packages against size, one column a domain](images/benchmarks.png){{.wide}}

"""

OF_0_1_0 = """\
These times are those of version 0.1.0. Means and totals of batches, guesses of the holdout, and shares, quantiles and tuned regressions
from machine labels have other methods since; default calls of both versions stand side by side in the studies of
[DSL](benchmarks/dsl_studies.md#before), and times of the new means in those of [batch](benchmarks/batch_studies.md#means). What
was slow in 0.1.0, and what it takes now, stands [below](#work-that-was-slow)."""

OF_ONE_RUN = """\
All times are of one run. The first line of each task is the default call that users write, and ratios are to it; what it does
more than the others says the remark on the page of its domain. The others are {peers}.
What was slow in 0.1.0, and what it takes now, stands [below](#work-that-was-slow)."""

HOW = """## How it is measured

* Each of the others runs in an environment and a process of its own, which holds the data and is timed from question to answer.
  scikit-learn, statsmodels and plain loops run in our process. Each domain has a task that grows over four decades of rows or queries.
* Time: the median of runs in turn, after a first run of each, compilation included, that is shown apart. Starting a process, importing
  and handing over the data are not timed. What takes more than 10 seconds in each of its first two runs is not run for a third time.
* Ratio: the median of paired runs: above 1 the other takes longer than validstats, below 1 it is faster. Where the remark gives the
  number of calls a run, the median is of one call, the first run is of all of them.
* Memory: measured in the process that does the work, for ours and for the others alike, in two further runs: the peak that is
  allocated through Python (NumPy's and numba's arrays included) and the growth of resident memory up to its peak, which also sees
  compiled libraries. Data given are in neither. The figure takes the larger.
* Limits: a run that takes more than 300 seconds (60 in growth with the queries), or 8 GiB of address space beyond what its process
  has before it, counts as failed. Failures are rows; a peer that could not run says why.

Make the tables with `python -m benchmarks --peers FOLDER ...`, and the pages with `python -m benchmarks.pages`.
"""

TIMES = """---
hide: [toc]
---

# {title}: time and memory

Every size, beside other packages; [how it is measured](../benchmarks.md#how-it-is-measured). The field above a table filters its rows.

"""

STUDIES = """# {title}: studies

What the methods achieve, as the commands in `benchmarks` found it; each section is a file of `benchmarks/results`. The field above a
long table filters its rows.

"""


def read_measurements(path: Path) -> list[Measurement]:
    """Read what the runner wrote."""
    numbers = ("cold_seconds", "median_seconds", "ratio", "peak_mebibytes", "resident_mebibytes")
    with path.open(newline="", encoding="utf-8") as handle:
        return [
            Measurement(
                **{**row, "n": int(row["n"]), **{name: float(row.get(name) or "nan") for name in numbers}}
            )
            for row in csv.DictReader(handle)
        ]


def slower_than_peers(measurements: Sequence[Measurement]) -> list[Measurement]:
    """Measurements in which an implementation of others was faster than ours."""
    return [m for m in measurements if not m.error and m.ratio < 1 and not is_ours(m.implementation)]


def faster_peers(measurements: Sequence[Measurement]) -> list[str]:
    """Say who was faster than ours, in which task and at which sizes."""
    sizes: dict[tuple[str, str], list[int]] = {}
    for m in slower_than_peers(measurements):
        sizes.setdefault((m.implementation, m.task), []).append(m.n)
    return [
        f"{who} ({task}, n = {' and '.join(f'{n:,}' for n in sorted(found))})"
        for (who, task), found in sizes.items()
    ]


def validity_page(results: Path) -> str:
    """Return the page of coverage: one line a guarantee; every setting is on the page of its domain."""
    rows = read_rows(results / "validity.csv")
    missing = [title for domain, title in TITLES.items() if all(r.domain != domain for r in rows)]
    gap = (
        f"Not among the recorded settings yet: {', '.join(missing)}. See `tests/validity` for these.\n\n"
        if missing
        else ""
    )
    mutation = results / "mutation.md"
    faults = f"{MUTATION}{mutation.read_text(encoding='utf-8')}\n" if mutation.exists() else ""
    summary = "\n".join(summary_table(rows, "validity/{domain}.md"))
    return f"{VALIDITY}{gap}{summary}\n\n{faults}"


def settings_page(results: Path, domain: str) -> str:
    """Return the page of every simulated setting of a domain."""
    rows = [r for r in read_rows(results / "validity.csv") if r.domain == domain]
    names = [f"[{name}](#{anchor(name)})" for name in dict.fromkeys(r.guarantee for r in rows)]
    tables = "\n".join(settings_tables(rows))
    return f"{SETTINGS.format(title=TITLES[domain])}{' · '.join(names)}\n\n{tables}\n"


def largest_sizes(measurements: Sequence[Measurement]) -> str:
    """Return one line a task: seconds of ours at its largest size, and the ratios of the others there."""
    lines = ["| task | n | validstats, s | others: time over ours |", "| :--- | ---: | ---: | :--- |"]
    for task in dict.fromkeys(m.task for m in measurements):
        done = [m for m in measurements if m.task == task and not m.error]
        largest = [m for m in done if m.n == max(m.n for m in done)]
        ours = next((m for m in largest if is_ours(m.implementation)), None)
        others = [m for m in sorted(largest, key=lambda m: m.ratio) if not is_ours(m.implementation)]
        if ours is not None and others:
            ratios = ", ".join(f"{m.implementation} {m.ratio:.3g}" for m in others)
            lines.append(f"| {task} | {ours.n:,} | {ours.median_seconds:.3g} | {ratios} |")
    return "\n".join(lines) if len(lines) > 2 else "No other package does these tasks."


def times_page(results: Path, domain: str) -> str:
    """Return the page of all measurements of a domain, a table a task."""
    measurements = read_measurements(results / f"{domain}.csv")
    parts = []
    for task in dict.fromkeys(m.task for m in measurements):
        rows = markdown_table([m for m in measurements if m.task == task]).splitlines()
        table = "\n".join("|" + row.split("|", 2)[2] for row in rows)  # the task stands above the table
        parts.append(f"## {task[0].upper()}{task[1:]}\n\n{table}\n")
    return TIMES.format(title=STUDIED[domain]) + "\n".join(parts)


def studies_of(results: Path, domain: str) -> list[Path]:
    """Return the files of the studies of a domain."""
    return sorted(results.glob(f"{domain}_*.md"))


def studies_page(results: Path, domain: str) -> str:
    """Return the page of the studies of a domain, with their headings below the name of the study."""
    parts = []
    for study in studies_of(results, domain):
        name = study.stem.removeprefix(f"{domain}_").replace("_", " ")
        text = study.read_text(encoding="utf-8").strip()
        text = re.sub(r"^# .*\n+", "", text)  # the title of a file is the name of its section
        text = re.sub(r"^#{1,2} ", "### ", text, flags=re.MULTILINE)
        parts.append(f"## {name.capitalize()}\n\n{text}\n")
    return STUDIES.format(title=STUDIED[domain]) + "\n".join(parts)


def benchmarks_page(results: Path) -> str:
    """Return the page of benchmarks: largest sizes, and the way to the tables of each domain."""
    parts = []
    for domain, title in STUDIED.items():
        timed, studied = (results / f"{domain}.csv").exists(), bool(studies_of(results, domain))
        if not timed and not studied:
            continue
        parts.append(f"## {title}\n")
        if timed:
            measurements = read_measurements(results / f"{domain}.csv")
            slower = faster_peers(measurements)
            parts.append(largest_sizes(measurements) + "\n")
            parts.append(
                f"Faster than validstats: {'; '.join(slower)}.\n" if slower else "No peer was faster.\n"
            )
        links = [f"[every size and memory](benchmarks/{domain}.md)"] * timed
        links += [f"[studies](benchmarks/{domain}_studies.md)"] * studied
        parts.append(" · ".join(links) + "\n")
    slow = results / "speed_table.md"
    if slow.exists():
        parts.append(slow.read_text(encoding="utf-8").replace("# Work", "## Work", 1))
    noted = results / "run.json"
    which = OF_0_1_0
    if noted.exists():
        peers = json.loads(noted.read_text(encoding="utf-8"))["peers"]
        which = OF_ONE_RUN.format(peers=", ".join(f"{name} {version}" for name, version in peers.items()))
    return BENCHMARKS.format(which=which) + "\n".join(
        [*parts, HOW] if parts else ["No results are recorded yet.", "", HOW]
    )


def write_figure(results: Path) -> Path:
    """Draw the growth curves of the domains that have results into ``benchmarks.png``."""
    paths = [path for domain in TITLES if (path := results / f"{domain}.csv").exists()]
    path = results / "benchmarks.png"
    figure([m for source in paths for m in read_measurements(source)]).savefig(path, dpi=DPI)
    return path


def main() -> None:
    """Write the pages of which there are results."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pages", description=__doc__)
    parser.add_argument("--results", type=Path, default=ROOT / "benchmarks/results")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs")
    arguments = parser.parse_args()
    (arguments.docs / "benchmarks.md").write_text(benchmarks_page(arguments.results), encoding="utf-8")
    (arguments.docs / "benchmarks").mkdir(exist_ok=True)
    for domain in STUDIED:
        path = arguments.docs / "benchmarks" / f"{domain}.md"
        if (arguments.results / f"{domain}.csv").exists():
            path.write_text(times_page(arguments.results, domain), encoding="utf-8")
        if studies_of(arguments.results, domain):
            text = studies_page(arguments.results, domain)
            path.with_name(f"{domain}_studies.md").write_text(text, encoding="utf-8")
    shutil.copy(write_figure(arguments.results), arguments.docs / "images/benchmarks.png")
    if (arguments.results / "validity.csv").exists():
        (arguments.docs / "validity.md").write_text(validity_page(arguments.results), encoding="utf-8")
        for domain in dict.fromkeys(r.domain for r in read_rows(arguments.results / "validity.csv")):
            path = arguments.docs / "validity" / f"{domain}.md"
            path.parent.mkdir(exist_ok=True)
            path.write_text(settings_page(arguments.results, domain), encoding="utf-8")
        shutil.copy(arguments.results / "validity.png", arguments.docs / "images/validity.png")


if __name__ == "__main__":
    main()
