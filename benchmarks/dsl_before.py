"""The faults that version 0.1.0 had with few labels, and the speed of every default call, beside that version.

``python -m benchmarks.dsl_before --old CHECKOUT --output DIR`` runs the same calls of ``DesignSupervised`` with this
package and with the checkout of another version, and writes ``dsl_before.md``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]

CHILD = '''
import json, sys, time, warnings
import numpy as np, pandas as pd
from validstats import DesignSupervised
warnings.simplefilter("ignore")
replicates = int(sys.argv[1])
try:
    from validstats import evals
    FIRST = False
except ImportError:
    FIRST = True

def shares(rate, right, n_labels, seed, n=2000):
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < rate).astype(float)
    machine = np.where(rng.random(n) < right, y, 1 - y)
    labelled = np.zeros(n, dtype=bool)
    labelled[rng.choice(n, n_labels, replace=False)] = True
    return pd.DataFrame({"machine": machine}), pd.Series(np.where(labelled, y, np.nan), name="y")

def covered(rate, right, n_labels):
    hits = 0
    for seed in range(replicates):
        data, labels = shares(rate, right, n_labels, seed)
        try:
            result = DesignSupervised(random_state=0).fit(data, surrogate="machine").calibrate(labels).infer("y", model="proportion")
            low, high = result.confidence_interval()[0]
            hits += bool(low <= rate <= high)
        except Exception:
            pass
    return f"covers {hits / replicates:.3f}"

def none_of_hundred():
    ends, errors = [], set()
    for seed in range(21):
        data, labels = shares(0.0, 0.98, 100, seed)
        try:
            dsl = DesignSupervised(random_state=0).fit(data, surrogate="machine").calibrate(labels)
            ends.append(dsl.infer("y", model="proportion").confidence_interval()[0])
        except Exception as error:
            errors.add(type(error).__name__)
    if not ends:
        return ", ".join(errors)
    low, high = 100 * np.median(np.array(ends), axis=0)
    return f"{len(ends)} of 21 answered, median [{low:.1f} %, {high:.1f} %]"

def strata_of_one():
    hits = 0
    for seed in range(replicates):
        rng = np.random.default_rng(seed)
        size = rng.integers(20, 120, 30)
        strata = np.repeat(np.arange(30), size)
        rate = rng.beta(4, 2, 30)[strata]
        y = (rng.random(len(strata)) < rate).astype(float)
        machine = np.where(rng.random(len(y)) < 0.85, y, 1 - y)
        labelled = np.zeros(len(y), dtype=bool)
        for h in range(30):
            labelled[rng.choice(np.flatnonzero(strata == h), 1 if h < 20 else 4, replace=False)] = True
        data = pd.DataFrame({"machine": machine})
        try:
            dsl = DesignSupervised(random_state=0).fit(data, surrogate="machine")
            dsl.calibrate(pd.Series(np.where(labelled, y, np.nan), name="y"), strata=strata)
            low, high = dsl.infer("y", model="proportion", population="finite").confidence_interval()[0]
            hits += bool(low <= y.mean() <= high)
        except Exception:
            pass
    return f"covers {hits / replicates:.3f}"

def weak_surrogate():
    """Standard errors over those of labels alone with a useless surrogate, a skewed covariate and 30 labels."""
    worst, over, n = 0.0, 0, max(20, replicates // 4)
    for seed in range(n):
        rng = np.random.default_rng(seed)
        x = np.exp(1.3 * rng.normal(size=2000))
        y = 0.2 + 0.2 * x + (0.3 + 0.5 * x) * rng.normal(size=2000)
        labelled = np.zeros(2000, dtype=bool)
        labelled[rng.choice(2000, 60, replace=False)] = True
        data = pd.DataFrame({"x": x, "z": rng.normal(size=2000), "machine": rng.normal(size=2000)})
        dsl = DesignSupervised(random_state=0).fit(data, surrogate="machine").calibrate(pd.Series(np.where(labelled, y, np.nan), name="y"))
        result = dsl.infer("y ~ x + z")
        alone = dsl.infer("y ~ x + z", estimator="gold")
        ratio = float((result.std_error / alone.std_error).max())
        worst, over = max(worst, ratio), over + (ratio > 1.25)
    return f"above 1.25 in {over / n:.0%} of data sets, largest {worst:.2f}"

def best(call, times=3):
    seconds = []
    for _ in range(times):
        began = time.process_time()
        call()
        seconds.append(time.process_time() - began)
    return min(seconds)

def speeds():
    rng = np.random.default_rng(0)
    found = {}
    for n in (10_000, 100_000):
        x = rng.normal(size=n)
        y = (rng.random(n) < 1 / (1 + np.exp(-x))).astype(float)
        machine = np.where(rng.random(n) < 0.85, y, 1 - y)
        score = x + rng.normal(size=n)
        labelled = np.zeros(n, dtype=bool)
        labelled[rng.choice(n, 500, replace=False)] = True
        data = pd.DataFrame({"x": x, "machine": machine, "rated": score + rng.normal(size=n), "unit": np.arange(n) // 10})
        data["counted"] = rng.poisson(np.exp(0.3 * x))
        count = rng.poisson(np.exp(0.3 * x)).astype(float)
        calls = {
            "proportion": ("machine", y, "y", {"model": "proportion"}),
            "logit": ("machine", y, "y ~ x", {"model": "logit"}),
            "linear": ("rated", score, "y ~ x", {}),
            "linear, learner of 0.1.0": ("rated", score, "y ~ x", {"learner": "linear"}),
            "Poisson": ("counted", count, "y ~ x", {"model": "poisson"}),
            "quantile": ("rated", score, "y", {"model": "quantile"}),
            "absorbed effects": ("rated", score, "y ~ x | unit", {}),
        }
        for name, (surrogate, truth, formula, options) in calls.items():
            labels = pd.Series(np.where(labelled, truth, np.nan), name="y")
            if name == "absorbed effects":
                labels = pd.Series(np.where(data["unit"] < n // 50, truth, np.nan), name="y")
            # the default of 0.1.0 has no name there
            learner = None if FIRST else options.pop("learner", None)
            options.pop("learner", None)
            def call():
                dsl = DesignSupervised(learner, random_state=0).fit(data[["x", surrogate, "unit"]], surrogate=surrogate, features=["x"])
                dsl.calibrate(labels, clusters="unit" if name == "absorbed effects" else None).infer(formula, **options)
            try:
                call()
                found[f"{name}, {n:,} rows"] = best(call)
            except Exception as error:
                found[f"{name}, {n:,} rows"] = type(error).__name__
    return found

def faults():
    return {
        "pass rate .90, judge right in 98 %, 100 labels: 95 % interval": covered(0.9, 0.98, 100),
        "pass rate .95, judge right in 98 %, 100 labels: 95 % interval": covered(0.95, 0.98, 100),
        "0 unsafe of 100": none_of_hundred(),
        "30 strata, 20 of them with one label: 95 % interval": strata_of_one(),
        "useless surrogate, skewed covariate, 60 labels: standard error over that of labels alone": weak_surrogate(),
    }

print(json.dumps(faults() if sys.argv[2] == "faults" else speeds()))
'''


Found = dict[str, dict[str, str | float]]
"""Faults and speeds of a version."""


def answer_of(checkout: Path, child: str, *arguments: str) -> Any:
    """Return what a program prints last with a version of the package, as JSON."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(checkout),
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "calls.py"
        script.write_text(child, encoding="utf-8")
        done = subprocess.run(
            [sys.executable, str(script), *arguments],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
    return json.loads(done.stdout.splitlines()[-1])


def run(checkout: Path, replicates: int, part: str) -> dict[str, str | float]:
    """Return the faults or the speeds of a version of the package."""
    return dict(answer_of(checkout, CHILD, str(replicates), part))


def _text(value: str | float) -> str:
    return f"{1000 * value:.0f} ms" if isinstance(value, float) else value


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dsl_before", description=__doc__)
    parser.add_argument("--old", type=Path, required=True, help="checkout of the other version")
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--replicates", type=int, default=200)
    arguments = parser.parse_args()
    versions = (arguments.old.resolve(), ROOT)
    old, new = ({p: run(v, arguments.replicates, p) for p in ("faults", "speeds")} for v in versions)
    text = report(old, new, arguments.replicates)
    arguments.output.mkdir(parents=True, exist_ok=True)
    (arguments.output / "dsl_before.md").write_text("\n".join(text) + "\n", encoding="utf-8")
    print("\n".join(text))


def report(old: Found, new: Found, replicates: int) -> list[str]:
    """Return both tables."""
    return [
        f"Made by `python -m benchmarks.dsl_before --old CHECKOUT --replicates {replicates}`.",
        "",
        "| what a default call gives | 0.1.0 | now |",
        "| :--- | :--- | :--- |",
        *(f"| {name} | {old['faults'][name]} | {value} |" for name, value in new["faults"].items()),
        "",
        "Processor time of fit, calibrate and infer with all defaults, 500 labels (absorbed effects: whole units), the best of "
        "three calls after one:",
        "",
        "| call | 0.1.0 | now |",
        "| :--- | ---: | ---: |",
        *(
            f"| {name} | {_text(old['speeds'][name])} | {_text(value)} |"
            for name, value in new["speeds"].items()
        ),
    ]


if __name__ == "__main__":
    main()
