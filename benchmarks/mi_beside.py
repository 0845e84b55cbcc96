"""Time and memory of the estimates and tests of mutual information beside version 0.1.0 and other packages.

``python -m benchmarks.mi_beside --old TREE --peers FOLDER`` measures processor milliseconds (smallest of some calls, one thread) and the
peak of allocated memory on the same Gaussian pairs, and writes ``mi_beside.md``. ``TREE`` is a checkout of version 0.1.0; ``FOLDER`` holds
environments called ``npeet-plus``, ``dcor`` and ``hyppo``. What is not there is left empty.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

SIZES = ((100, 1), (500, 1), (500, 5), (2000, 5), (5000, 5))
TEST_SIZES = ((100, 1), (500, 1), (500, 5))
PERMUTATIONS = 199

MEASURE = """
import gc, json, sys, time, tracemalloc, warnings
warnings.simplefilter("ignore")
import numpy as np
n, dim, permutations = (int(v) for v in sys.argv[1:4])
rng = np.random.default_rng([n, dim])
x = rng.standard_normal((n, dim))
y = x + rng.standard_normal((n, dim))
def measured(function):
    function()
    times, start = [], time.process_time()
    while len(times) < 3 or (len(times) < 15 and time.process_time() - start < 0.5):
        begin = time.process_time()
        function()
        times.append(time.process_time() - begin)
        if time.process_time() - start > 6.0:
            break
    gc.collect()
    tracemalloc.start()
    function()
    peak = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    return 1e3 * min(times), peak
out = {}
"""

NOW = """
from validstats.mi import LearnedMI, independence_test, mutual_info
from validstats.mi.anchors import ksg, scale_columns
estimator = LearnedMI().fit()
out["estimate"] = {
    "learned": measured(lambda: estimator.predict(x, y)),
    "KSG, point": measured(lambda: ksg(scale_columns(x, "standard"), scale_columns(y, "standard"), 3)),
    "KSG, mutual_info": measured(lambda: mutual_info(x, y, method="ksg", certify=False)),
}
if permutations:
    call = lambda statistic: lambda: independence_test(x, y, statistic=statistic, n_permutations=permutations, random_state=0)
    out["test"] = {"combined": measured(call("combined")), "distance correlation": measured(call("distance_correlation"))}
"""
OLD = """
from validstats.mi import LearnedMI, independence_test, mutual_info
estimator = LearnedMI().fit()
out["estimate"] = {
    "learned, 0.1.0": measured(lambda: estimator.predict(x, y)),
    "KSG, mutual_info, 0.1.0": measured(lambda: mutual_info(x, y, method="ksg")),
}
if permutations:
    call = lambda statistic: lambda: independence_test(x, y, statistic=statistic, n_permutations=permutations, random_state=0)
    out["test"] = {"distance correlation, 0.1.0": measured(call("distance_correlation"))}
"""
NPEET = """
import math, npeet_plus
out["estimate"] = {"NPEET_plus": measured(lambda: npeet_plus.mi(x, y, k=3, base=math.e))}
"""
DCOR = """
import dcor
out["estimate"] = {"dCor (dcor)": measured(lambda: dcor.distance_correlation(x, y))}
if permutations:
    out["test"] = {
        "dCor (dcor)": measured(lambda: dcor.independence.distance_covariance_test(x, y, num_resamples=permutations, random_state=0))
    }
"""
HYPPO = """
from hyppo.independence import Dcorr, Hsic
if permutations:
    out["test"] = {
        "dCor (hyppo)": measured(lambda: Dcorr().test(x, y, reps=permutations, auto=False)),
        "HSIC (hyppo)": measured(lambda: Hsic().test(x, y, reps=permutations, auto=False)),
    }
"""


def ask(
    python: str, program: str, tree: Path | None, n: int, dim: int, permutations: int
) -> dict[str, dict[str, list[float]]]:
    """Run one program in an interpreter and return its measures; empty where it fails."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    if tree is not None:
        environment["PYTHONPATH"] = str(tree)
    text = MEASURE + program + "\nprint(json.dumps(out))"
    # -P: the folder in which the command runs must not come before the tree that is measured.
    command = [python, "-P", "-c", text, str(n), str(dim), str(permutations)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        print(done.stderr.strip().splitlines()[-1:], file=sys.stderr)
        return {}
    found: dict[str, dict[str, list[float]]] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def table(found: dict[tuple[int, int], dict[str, list[float]]], title: str) -> list[str]:
    """Markdown: a row a method, a column a size."""
    names = list(dict.fromkeys(name for part in found.values() for name in part))
    lines = [
        f"\n**{title}**: processor milliseconds (peak MiB)\n",
        f"| | {' | '.join(f'n = {n:,}, {d} x {d}' for n, d in found)} |",
        f"| :--- | {' | '.join('---:' for _ in found)} |",
    ]
    for name in names:
        cells = [
            f"{part[name][0]:.3g} ({part[name][1]:.2g})" if name in part else "" for part in found.values()
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mi_beside", description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--old", type=Path, help="checkout of version 0.1.0")
    parser.add_argument("--peers", type=Path, help="folder of the peers' environments")
    options = parser.parse_args(arguments)
    here = Path(__file__).resolve().parents[1]
    programs = [(sys.executable, NOW, here)]
    if options.old is not None:
        programs.append((sys.executable, OLD, options.old))
    for name, program in (("npeet-plus", NPEET), ("dcor", DCOR), ("hyppo", HYPPO)):
        python = None if options.peers is None else options.peers.absolute() / name / "bin" / "python"
        if python is not None and python.exists():
            programs.append((str(python), program, None))
    parts: dict[str, dict[tuple[int, int], dict[str, list[float]]]] = {"estimate": {}, "test": {}}
    for size in SIZES:
        permutations = PERMUTATIONS if size in TEST_SIZES else 0
        for python_path, program, tree in programs:
            for kind, values in ask(python_path, program, tree, *size, permutations).items():
                parts[kind].setdefault(size, {}).update(values)
        print(size, parts["estimate"].get(size), parts["test"].get(size), file=sys.stderr, flush=True)
    lines = table(parts["estimate"], "An estimate") + table(
        parts["test"], f"A test with {PERMUTATIONS} permutations"
    )
    text = "\n".join(lines).strip()
    (options.output / "mi_beside.md").write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
