"""Speed and memory of work that was slow in 0.1.0: what was asked, and what a call of users takes now.

``python -m benchmarks.speed_table --output DIR [--only WORDS ...] [--seconds S]`` writes ``speed_table.md``. Every work runs in a
process of its own on one BLAS thread; seconds are those of the processor, memory is the growth of resident memory over the size of
the data. Rows that are not asked for stay as they were recorded. Work beyond the limit is ended and said to be longer.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

HEAD = """
import gc, json, sys, time, warnings
import numpy as np, pandas as pd
from sklearn.linear_model import LinearRegression
warnings.simplefilter("ignore")

def status(name):
    with open("/proc/self/status") as lines:
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith(name))

def rows(n, p=5, seed=0):
    rng = np.random.default_rng([seed, n])
    X = rng.normal(size=(n, p))
    return X, X.sum(axis=1) + rng.normal(size=n)

def study(n, names=()):
    rng = np.random.default_rng(n)
    values = rng.standard_normal((n, max(len(names), 1)))
    truth = values.sum(axis=1) * 0.1 + rng.normal(size=n)
    frame = pd.DataFrame(values, columns=list(names) or ["x"])
    frame["machine"] = truth + rng.normal(size=n)
    known = np.zeros(n, dtype=bool)
    known[rng.choice(n, min(2000, n // 10), replace=False)] = True
    return frame, pd.Series(np.where(known, truth, np.nan), name="y")

def report(call, times=3, warm=True, data=0, memory=False):
    '''Print the least processor seconds of some calls, and the growth of memory over the data in the first.'''
    found, growth = [], None
    if warm:
        call()
    for k in range(times):
        gc.collect()
        if memory and k == 0:
            with open("/proc/self/clear_refs", "w") as marks:
                marks.write("5")
            before = status("VmRSS")
        began = time.process_time()
        call()
        found.append(time.process_time() - began)
        if memory and k == 0:
            growth = (status("VmHWM") - before) / data
    print(json.dumps([min(found), growth]))
"""


@dataclass(frozen=True)
class Work:
    """One line of the table: what is done, what 0.1.0 took, what was asked, and the lines that do it."""

    name: str
    before: str
    asked: str
    code: str


MEAN = """
from validstats.batch import BatchMean, BatchPredictor
{more}
e = BatchPredictor(LinearRegression(), BatchMean(), bounds=(-50, 50), random_state=0).fit(*rows(1000, seed=1))
X, y = rows({n}); new, _ = rows({m}, seed=2)
e.calibrate(*rows(500, seed=3)).infer(new[:5])
def call():
    return e.calibrate(X, y).infer(new{batches})
report(call, times={times}, warm=False)
"""

DSL = """
from validstats import DesignSupervised
frame, y = study({n}, [f"x{{j}}" for j in range({p})])
def call():
    d = DesignSupervised({options}random_state=0).fit(frame, surrogate="machine").calibrate(y)
    return d.infer({formula!r}, model={model!r})
report(call, times=2, data=frame.to_numpy().nbytes + y.to_numpy().nbytes, memory=True)
"""


def _mean(n: int, m: int, batches: str = "", more: str = "", times: int = 1) -> str:
    return MEAN.format(n=n, m=m, batches=batches, more=more, times=times)


def _dsl(n: int, p: int, formula: str, model: str = "linear", options: str = "") -> str:
    return DSL.format(n=n, p=p, formula=formula, model=model, options=options)


WIDE = "y ~ " + " + ".join(f"x{j}" for j in range(50))

STEP = """
from validstats.batch import BatchPredictor, Compositional
def step(j, total, score):
    return total + score * (j >= 30) / 10
"""

WORKS = (
    Work(
        "dsl, mean of 1e5 rows, default",
        ".155 s",
        "nothing fitted that is not used",
        _dsl(100_000, 1, "y", "mean"),
    ),
    Work("dsl, mean of 1e5 rows, PPI++", "", "", _dsl(100_000, 1, "y", "mean", "estimator='ppi++', ")),
    Work("dsl, mean of 1e6 rows, PPI++", "", "", _dsl(1_000_000, 1, "y", "mean", "estimator='ppi++', ")),
    Work("dsl, 50 columns, 1e5 rows", "5.2-6 s, 5.4 x", "1 s, 1.5 x", _dsl(100_000, 50, WIDE)),
    Work("dsl, 50 columns, 1e6 rows", "20 s", "3 s, 1.5 x", _dsl(1_000_000, 50, WIDE)),
    Work(
        "reuse check of 1e6 rows",
        ".025 s",
        ".0006 s",
        """
from validstats.batch import BatchPredictor, Simultaneous
X, y = rows(1_000_000)
def best(check):
    e = BatchPredictor(LinearRegression(), Simultaneous(0.1), check_reuse=check, random_state=0).fit(*rows(1000, seed=1))
    e.calibrate(X, y)
    found = []
    for _ in range(9):
        began = time.process_time(); e.calibrate(X, y); found.append(time.process_time() - began)
    return min(found)
print(json.dumps([max(best(True) - best(False), 0.0), None]))
""",
    ),
    Work("BatchMean, m = 1e3, n = 1e4", "1.2 s", ".1 s", _mean(10_000, 1_000, times=2)),
    Work("BatchMean, m = 1e4, n = 1e5", "12 s", ".5 s", _mean(100_000, 10_000)),
    Work("BatchMean, m = 1e5, n = 1e6", "not finished", "5 s", _mean(1_000_000, 100_000)),
    Work(
        "100 batches of 20 to 119 rows, n = 1e5",
        "14.5 s",
        "2 x one size",
        _mean(100_000, 6_950, ", batches=np.repeat(np.arange(100), np.arange(20, 120))"),
    ),
    Work(
        "100 batches of 70 rows, n = 1e5",
        "",
        "",
        _mean(100_000, 7_000, ", batches=np.repeat(np.arange(100), 70)"),
    ),
    Work(
        "1e4 one-row batches, n = 1e5",
        "7.5-11 s",
        ".2 s",
        _mean(100_000, 10_000, ", batches=np.arange(10_000)"),
    ),
    Work(
        "Compositional, plain Python step, (200, 40)",
        "13-47 s",
        "compiled, .06-.3 s",
        STEP
        + """
e = BatchPredictor(LinearRegression(), Compositional(step), random_state=0).fit(*rows(100, seed=1))
X, y = rows(200); new, _ = rows(40, seed=2)
report(lambda: e.calibrate(X, y).infer(new), times=2)
""",
    ),
    Work(
        "KSG, 5 x 5, n = 1e4 (its standard error waits until it is read)",
        "6 s",
        "level with NPEET_plus",
        """
from validstats.mi import mutual_info
x, _ = rows(10_000); y = x + rows(10_000, seed=1)[0]
report(lambda: mutual_info(x, y, method="ksg").estimate, times=2, warm=False)
""",
    ),
    Work(
        "independence_test, 199 permutations, n = 600",
        "2.2 s, 56 x dCor",
        "5 x dCor",
        """
from validstats.mi import independence_test
x, y = rows(600, 1)[0], rows(600, 1, seed=1)[0]
report(lambda: independence_test(x, y, n_permutations=199, random_state=0))
""",
    ),
    Work(
        "independence_test, 9,999 permutations, n = 600",
        "110 s",
        "5 x dCor",
        """
from validstats.mi import independence_test
x, y = rows(600, 1)[0], rows(600, 1, seed=1)[0]
report(lambda: independence_test(x, y, n_permutations=9999, random_state=0), times=1)
""",
    ),
    Work(
        "MISelector, 300 features, n = 500",
        "not in 500 s",
        "30 s",
        """
from validstats.mi import MISelector
X, y = rows(500, 300); y = X[:, 0] + np.random.default_rng(3).normal(size=500)
report(lambda: MISelector(random_state=0).fit(X, y), times=1, warm=False)
""",
    ),
    Work(
        "MISelector, 20,000 features, n = 500",
        "",
        "minutes",
        """
from validstats.mi import MISelector
X, y = rows(500, 20_000); y = X[:, 0] + np.random.default_rng(3).normal(size=500)
report(lambda: MISelector(random_state=0).fit(X, y), times=1, warm=False)
""",
    ),
    Work(
        "MISelector, control='fdr', 20,000 features, n = 500",
        "",
        "minutes",
        """
from validstats.mi import MISelector
X, y = rows(500, 20_000); y = X[:, 0] + np.random.default_rng(3).normal(size=500)
report(lambda: MISelector(control="fdr", random_state=0).fit(X, y), times=1, warm=False)
""",
    ),
    Work(
        "LearnedMI, 1e5 rows of 50 columns",
        "8.5 x",
        "3 x",
        """
from validstats.mi import LearnedMI
X, _ = rows(100_000, 50)
learned = LearnedMI().fit()
learned.infer(X[:200, :25], X[:200, 25:])
report(lambda: learned.infer(X[:, :25], X[:, 25:]), times=1, warm=False, data=X.nbytes, memory=True)
""",
    ),
    Work(
        "dsl, absorbed effects, 1e6 rows",
        "15 x",
        "3 x",
        """
from validstats import DesignSupervised
frame, _ = study(1_000_000, ["x"])
frame["unit"] = np.arange(1_000_000) // 10
truth = frame["machine"] + np.random.default_rng(5).normal(size=len(frame))
y = pd.Series(np.where(frame["unit"] < 2_000, truth, np.nan), name="y")
def call(f=frame, labels=y):
    return DesignSupervised(random_state=0).fit(f, surrogate="machine").calibrate(labels, clusters="unit").infer("y ~ x | unit")
call(frame[:50_000], y[:50_000])
report(call, times=1, warm=False, data=frame.to_numpy().nbytes + y.to_numpy().nbytes, memory=True)
""",
    ),
    Work(
        "holdout, calibrate 1e6 rows of 5 columns",
        "3.4 s, 4 x",
        ".5 s, 1.2 x",
        """
from validstats.holdout import Ledger, ReusableHoldout
X, y = rows(1_000_000); y = (y > 0).astype(int)
def call(X=X, y=y):
    return ReusableHoldout(queries=100, ledger=Ledger.in_memory(secret=b"benchmark")).calibrate(X, y)
call(X[:1000], y[:1000])
report(call, times=1, warm=False, data=X.nbytes + y.nbytes, memory=True)
""",
    ),
)
"""The lines of the table."""

FIRST = {
    "batch": """
from validstats.batch import BatchMean, BatchPredictor
X, y = rows(1000)
BatchPredictor(LinearRegression(), BatchMean(), bounds=(-50, 50), random_state=0).fit(X, y).infer(X[:100])
""",
    "holdout": """
from validstats.holdout import Ledger, ReusableHoldout
X, y = rows(1000); y = (y > 0).astype(int)
ReusableHoldout(queries=100, ledger=Ledger.in_memory(secret=b"benchmark")).calibrate(X, y).infer(y)
""",
    "dsl": """
from validstats import DesignSupervised
frame, y = study(2000, ["x"])
DesignSupervised(random_state=0).fit(frame, surrogate="machine").calibrate(y).infer("y ~ x")
""",
    "mi": """
from validstats.mi import mutual_info
x, _ = rows(500, 1)
mutual_info(x, x + rows(500, 1, seed=1)[0])
""",
    "evals": """
from validstats import evals
evals.evaluate(pd.DataFrame({"item": np.arange(500), "score": np.random.default_rng(0).integers(0, 2, 500)}))
""",
}
"""The first default call of each domain, in a new process without compiled code."""

ALONE = "import numpy, pandas, sklearn.linear_model\n"
"""What every one of these imports besides the package."""

THREADS = """
from validstats import DesignSupervised
from validstats.mi import independence_test, mutual_info
frame, y = study(20_000, [f"x{j}" for j in range(10)])
x, z = rows(1000)[0], rows(1000, seed=1)[0]
def work():
    DesignSupervised(random_state=0).fit(frame, surrogate="machine").calibrate(y).infer("y ~ x0 + x1 + x2")
    mutual_info(x, z)
    independence_test(x, z, n_permutations=199, random_state=0)
work()
found = []
for _ in range(3):
    wall, processor = time.perf_counter(), time.process_time()
    work()
    found.append((time.perf_counter() - wall, time.process_time() - processor))
print(json.dumps([min(w for w, _ in found), min(p for _, p in found)]))
"""


def run(
    code: str, seconds: float, threads: bool = False, cache: str | None = None
) -> list[float | None] | str:
    """Run a program in a process of its own; what it printed last, or why there is nothing."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    environment = {k: v for k, v in os.environ.items() if k not in names} | {"PYTHONPATH": str(ROOT)}
    if not threads:
        environment |= dict.fromkeys(names, "1")
    if cache is not None:
        environment["NUMBA_CACHE_DIR"] = cache
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "work.py"
        script.write_text(HEAD + code, encoding="utf-8")
        command = [sys.executable, str(script)]
        try:
            done = subprocess.run(
                command, cwd=folder, env=environment, capture_output=True, text=True, timeout=seconds
            )
        except subprocess.TimeoutExpired:
            return f"ended after {seconds:g} s of wall time"
    if done.returncode:
        return "failed: " + (done.stderr.strip().splitlines() or ["no message"])[-1][:150]
    return list(json.loads(done.stdout.splitlines()[-1]))


def text_of(found: list[float | None] | str) -> str:
    """Return seconds, and memory over the data where it was measured."""
    if isinstance(found, str):
        return found
    seconds, memory = found
    assert seconds is not None
    return f"{seconds:.2g} s" + ("" if memory is None else f", {memory:.2g} x")


def first_answer(domain: str, seconds: float) -> str:
    """Return processor seconds of a new process with and without compiled code, less those of the other packages' imports."""
    timed = "import resource\nu = [resource.getrusage(r) for r in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]\n"
    timed += "print(json.dumps([sum(v.ru_utime + v.ru_stime for v in u), None]))\n"
    with tempfile.TemporaryDirectory() as cache:
        times = [run(FIRST[domain] + timed, seconds, cache=cache) for _ in range(2)]
    base = run(ALONE + timed, seconds)
    if isinstance(times[0], str) or isinstance(times[1], str) or isinstance(base, str):
        return next(text for text in (*times, base) if isinstance(text, str))
    empty, filled, other = times[0][0], times[1][0], base[0]
    assert empty is not None
    assert filled is not None
    assert other is not None
    return f"{empty - other:.2g} s ({filled - other:.2g} s with compiled code), and {other:.2g} s of other imports"


def threads_text(seconds: float) -> str:
    """Return wall seconds and processor seconds without and with the variables that limit BLAS."""
    free, limited = run(THREADS, seconds, threads=True), run(THREADS, seconds)
    if isinstance(free, str) or isinstance(limited, str):
        return free if isinstance(free, str) else str(limited)
    return (
        f"wall {free[0]:.2g} s and {limited[0]:.2g} s, processor {free[1]:.2g} s and {limited[1]:.2g} s"
        " (without and with OMP_NUM_THREADS=1)"
    )


def recorded(path: Path) -> dict[str, str]:
    """Return what the table says of each work now."""
    if not path.exists():
        return {}
    lines = re.findall(r"^\| ([^|]+) \|[^|]*\|[^|]*\| ([^|]+) \|$", path.read_text(encoding="utf-8"), re.M)
    return {name.strip(): now.strip() for name, now in lines}


def main() -> None:
    """Parse the arguments, measure what is asked for, and write the table after each line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed_table", description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--only", nargs="*", default=None, help="words of which a name must contain one")
    parser.add_argument("--seconds", type=float, default=600.0, help="wall seconds after which work is ended")
    arguments = parser.parse_args()
    limit = arguments.seconds
    works = {w.name: (w.before, w.asked, lambda w=w: text_of(run(w.code, limit))) for w in WORKS}
    works["threads of BLAS: regression, mutual information, test"] = (
        "2 x CPU, 4-5 x wall on busy machines",
        "equal wall time",
        lambda: threads_text(limit),
    )
    for domain in FIRST:
        works[f"first default answer of {domain}, nothing compiled"] = (
            "3.1 s",
            "2 s",
            lambda domain=domain: first_answer(domain, limit),
        )
    arguments.output.mkdir(parents=True, exist_ok=True)
    path = arguments.output / "speed_table.md"
    now = recorded(path)
    for name, (_, _, measured) in works.items():
        if arguments.only is None or any(word in name for word in arguments.only):
            now[name] = measured()
            print(f"{name}: {now[name]}", flush=True)
            write(path, works, now)


def write(path: Path, works: dict[str, tuple[str, str, object]], now: dict[str, str]) -> None:
    """Write the table."""
    lines = [
        "# Work that was slow",
        "",
        "Made by `python -m benchmarks.speed_table`, which replaces a line of this table at a time: processor seconds of the "
        "public call, the least of one to three after a first where nothing is compiled anew, and the growth of resident "
        "memory over the size of the data (x).",
        "",
        "| work | 0.1.0 | asked | now |",
        "| :--- | :--- | :--- | :--- |",
        *(
            f"| {name} | {before} | {asked} | {now[name]} |"
            for name, (before, asked, _) in works.items()
            if name in now
        ),
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
