"""The default estimator beside the labels alone: clusters, absorbed effects, counts, classes and quantiles, few labels.

``python -m benchmarks.dsl_elsewhere --output DIR`` writes ``dsl_elsewhere.md``: coverage of 95 % intervals, errors and standard
errors over those of the labels alone, with a good machine label and with noise. The data are those of
``tests/validity/test_dsl_control_elsewhere.py``. Rows in parts give the same numbers as rows in memory (``tests/dsl/test_one_path.py``).
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tests.validity.dsl_weak_settings import WeakSetting, measure
from tests.validity.test_dsl_control_elsewhere import LAWS, tuned_and_gold
from tests.validity.test_dsl_quantile import few_labels_hits
from validstats.runtime import map_replicates

TITLES = {
    "clustered_rows": "rows in 100 clusters, 150 labels",
    "whole_clusters": "40 of 200 clusters labelled as a whole",
    "absorbed_effects": "60 absorbed effects, 400 labels",
    "classes": "three classes, 150 labels",
}
QUANTILES = ((30, 0.9), (100, 0.5))


def lines(replicates: int) -> Iterator[str]:
    """Yield the lines of the table."""
    for law, title in TITLES.items():
        for good in (True, False):
            found = np.array(
                map_replicates(
                    lambda rng, i, law=law, good=good: tuned_and_gold(rng, i, law, good),
                    replicates,
                    random_state=35,
                )
            )
            tuned, gold = found[:, 0], found[:, 1]
            study = LAWS[law](np.random.default_rng(0), good)
            bound = np.sqrt(1 + 1 / (study.n_units - study.n_params))
            ratio = np.sqrt(np.mean(tuned[:, 0] ** 2, axis=0) / np.mean(gold[:, 0] ** 2, axis=0)).max()
            covered = f"{tuned[:, 2].mean():.3f} | {gold[:, 2].mean():.3f}"
            largest = (tuned[:, 1] / gold[:, 1]).max()
            yield f"| {title} | {_word(good)} | {covered} | {ratio:.2f} | {largest:.3f} | {bound:.3f} |"
    for n_labels in (30, 100, 300):
        for surrogate in ("good", "noise"):
            setting = WeakSetting("poisson", "normal", "normal", surrogate, n_labels, False)
            counts = measure(setting, 2 * replicates, 36)
            errors = counts.std_errors["tuned"] / counts.std_errors["gold"]
            bound = np.sqrt(1 + 1 / (n_labels - errors.shape[1]))
            covered = f"{counts.coverage('tuned').mean():.3f} | {counts.coverage('gold').mean():.3f}"
            ratio = (counts.rmse("tuned") / counts.rmse("gold")).max()
            yield (
                f"| counts, {n_labels} labels | {_word(surrogate == 'good')} | {covered} | {ratio:.2f} | "
                f"{errors.max():.3f} | {bound:.3f} |"
            )
    for n_labels, level in QUANTILES:
        hits = np.array(
            map_replicates(
                lambda rng, i, n=n_labels, at=level: few_labels_hits(rng, n, at), replicates, random_state=37
            ),
            dtype=float,
        )
        ratio = np.sqrt(np.mean(hits[:, 1]) / np.mean(hits[:, 2]))
        yield f"| quantile {level:g}, {n_labels} labels | good | {hits[:, 0].mean():.3f} | | {ratio:.2f} | | |"


def _word(good: bool) -> str:
    return "good" if good else "noise"


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dsl_elsewhere", description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--replicates", type=int, default=100)
    arguments = parser.parse_args()
    text = [
        f"Made by `python -m benchmarks.dsl_elsewhere --replicates {arguments.replicates}` (counts: twice as many); RMSE and "
        "standard errors over those of the labels alone, the largest of all coefficients and data sets.",
        "",
        "| rows | machine label | coverage | labels alone | RMSE | largest standard error | bound |",
        "| :--- | :--- | ---: | ---: | ---: | ---: | ---: |",
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        text += lines(arguments.replicates)
    arguments.output.mkdir(parents=True, exist_ok=True)
    (arguments.output / "dsl_elsewhere.md").write_text("\n".join(text) + "\n", encoding="utf-8")
    print("\n".join(text))


if __name__ == "__main__":
    main()
