"""Regressions with few labels and surrogates from good to useless: coverage, standard errors, lengths and errors.

``python -m benchmarks.dsl_weak --output DIR`` writes ``dsl_weak.csv`` (one row a setting and estimator) and
``dsl_weak.md``: the labels alone, the default estimator, plain design-based supervised learning and the older form (a
segment from the labels alone to its root), on 356 settings: linear and logit, four kinds of covariates, normal and
skewed errors, three or four surrogates, 30 to 1,000 labels, equal and unequal probabilities.
"""

from __future__ import annotations

import argparse
import csv
import sys
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from tests.validity.dsl_weak_settings import LABELS, WeakSetting, all_settings, measure

ESTIMATORS = ("gold", "tuned", "dsl", "root form")


@dataclass(frozen=True)
class WeakRow:
    """One estimator in one setting; ratios are over the labels alone on the same data sets."""

    model: str
    covariates: str
    errors: str
    surrogate: str
    n_labels: int
    unequal: bool
    estimator: str
    replicates: int
    lowest_coverage: float
    mean_coverage: float
    largest_rmse_ratio: float
    mean_rmse_ratio: float
    largest_se_ratio: float
    se_ratio_99: float
    median_length_ratio: float
    largest_length_ratio_99: float


def rows_of(setting: WeakSetting, replicates: int, seed: Sequence[int]) -> list[WeakRow]:
    """Return one row an estimator, none where fewer than 60 data sets have a root on the labels alone."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = measure(setting, replicates, seed, untuned=True)
    if not found.errors or len(found.errors["gold"]) < min(60, replicates):
        return []
    rows = []
    for name in ESTIMATORS:
        error = found.std_errors[name] / found.std_errors["gold"]
        length = found.halves[name] / found.halves["gold"]
        rmse = found.rmse(name) / found.rmse("gold")
        rows.append(
            WeakRow(
                **asdict(setting),
                estimator=name,
                replicates=len(found.errors[name]),
                lowest_coverage=float(found.coverage(name).min()),
                mean_coverage=float(found.coverage(name).mean()),
                largest_rmse_ratio=float(rmse.max()),
                mean_rmse_ratio=float(rmse.mean()),
                largest_se_ratio=float(error.max()),
                se_ratio_99=float(np.quantile(error, 0.99)),
                median_length_ratio=float(np.median(length)),
                largest_length_ratio_99=float(np.quantile(length, 0.99)),
            )
        )
    return rows


def table(rows: Sequence[WeakRow], key: Callable[[WeakRow], object], title: str) -> list[str]:
    """Return one line a value of ``key``."""
    lines = [
        f"| {title} | "
        + " | ".join(f"{n}: coverage lowest / mean" for n in ESTIMATORS)
        + " | tuned: RMSE / gold "
        "largest (noise) | tuned: SE / gold largest | tuned: length, RMSE, good surrogates | dsl: RMSE, SE 99 % "
        "| root form: RMSE |",
        "| :--- |" + " ---: |" * (len(ESTIMATORS) + 5),
    ]
    for value in dict.fromkeys(key(r) for r in rows):
        here = {n: [r for r in rows if key(r) == value and r.estimator == n] for n in ESTIMATORS}
        tuned = here["tuned"]
        noise = [r.largest_rmse_ratio for r in tuned if r.surrogate == "noise"]
        good = [r for r in tuned if r.surrogate in ("good", "judge")]
        coverage = " | ".join(
            f"{min(r.lowest_coverage for r in rs):.3f} / {np.mean([r.mean_coverage for r in rs]):.3f}"
            for rs in here.values()
        )
        lines.append(
            f"| {value} | {coverage} "
            f"| {max(r.largest_rmse_ratio for r in tuned):.3f} ({max(noise, default=float('nan')):.3f}) "
            f"| {max(r.largest_se_ratio for r in tuned):.3f} "
            f"| {np.mean([r.median_length_ratio for r in good]):.2f}, {np.mean([r.mean_rmse_ratio for r in good]):.2f} "
            f"| {max(r.largest_rmse_ratio for r in here['dsl']):.2f}, {max(r.se_ratio_99 for r in here['dsl']):.1f} "
            f"| {max(r.largest_rmse_ratio for r in here['root form']):.2f} |"
        )
    return lines


def write(rows: Sequence[WeakRow], output: Path, command: str) -> str:
    """Write both files and return the text."""
    output.mkdir(parents=True, exist_ok=True)
    with (output / "dsl_weak.csv").open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, fieldnames=list(asdict(rows[0])))
        writer.writeheader()
        writer.writerows(asdict(r) for r in rows)
    text = [f"Made by `{command}`; {len(rows) // len(ESTIMATORS)} settings.", ""]
    text += table(rows, lambda r: f"{r.model}, {r.covariates}, {r.errors}", "law")
    text += ["", *table(rows, lambda r: r.n_labels, "labels")]
    text += ["", *table(rows, lambda r: r.surrogate, "surrogate")]
    text += ["", *table(rows, lambda r: "all", "")]
    (output / "dsl_weak.md").write_text("\n".join(text) + "\n", encoding="utf-8")
    return "\n".join(text)


def chosen(labels: Iterable[int], models: Sequence[str]) -> list[WeakSetting]:
    """Return the settings with these labels and models."""
    return [
        s for s in all_settings(("linear", "logit", "poisson")) if s.n_labels in labels and s.model in models
    ]


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dsl_weak", description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--replicates", type=int, default=150)
    parser.add_argument("--seed", type=int, default=20_240)
    parser.add_argument("--labels", type=int, nargs="+", default=list(LABELS))
    parser.add_argument("--models", nargs="+", default=["linear", "logit"])
    arguments = parser.parse_args()
    command = f"python -m benchmarks.dsl_weak --replicates {arguments.replicates} --seed {arguments.seed}"
    command += f" --labels {' '.join(map(str, arguments.labels))} --models {' '.join(arguments.models)}"
    rows: list[WeakRow] = []
    text = ""
    for k, setting in enumerate(chosen(arguments.labels, arguments.models)):
        print(k, setting, file=sys.stderr, flush=True)
        rows += rows_of(setting, arguments.replicates, [arguments.seed, k])
        if rows and k % 20 == 0:
            text = write(rows, arguments.output, command)
    text = write(rows, arguments.output, command)
    print(text)


if __name__ == "__main__":
    main()
