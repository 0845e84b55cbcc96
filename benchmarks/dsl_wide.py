"""A regression on fifty columns: time and memory of the default call, beside another version of the package.

``python -m benchmarks.dsl_wide --output DIR [--old CHECKOUT]`` writes ``dsl_wide.md``. Every call runs in a process of its
own; memory is the largest resident size during the call beyond that before it, over the size of the data (Linux).
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.dsl_before import ROOT, answer_of

CHILD = """
import gc, json, sys, time, warnings
import numpy as np, pandas as pd
from validstats import DesignSupervised
warnings.simplefilter("ignore")
n, labels, columns = int(sys.argv[1]), 2000, 50

def drawn(n):
    rng = np.random.default_rng(0)
    values = np.empty((n, columns + 1))
    rng.standard_normal(out=values)
    truth = values[:, :columns] @ np.full(columns, 0.1) + rng.normal(size=n)
    values[:, columns] += truth
    labelled = np.zeros(n, dtype=bool)
    labelled[rng.choice(n, labels, replace=False)] = True
    names = [f"x{j}" for j in range(columns)]
    return pd.DataFrame(values, columns=[*names, "machine"]), pd.Series(np.where(labelled, truth, np.nan), name="y"), names

def call(data, y, names):
    dsl = DesignSupervised(random_state=0).fit(data, surrogate="machine").calibrate(y)
    return dsl.infer("y ~ " + " + ".join(names))

def status(name):
    with open("/proc/self/status") as lines:
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith(name))

call(*drawn(5000))
found = drawn(n)
gc.collect()
with open("/proc/self/clear_refs", "w") as marks:
    marks.write("5")
before, began = status("VmRSS"), time.process_time()
call(*found)
seconds = time.process_time() - began
print(json.dumps([seconds, (status("VmHWM") - before) / (found[0].to_numpy().nbytes + found[1].to_numpy().nbytes)]))
"""


def measured(checkout: Path, n: int, times: int) -> str:
    """Return the least processor time of some calls, and the memory of the first.

    Parameters
    ----------
    checkout : Path
        Checkout of the version.
    n : int
        Rows.
    times : int
        Processes.
    """
    found = [answer_of(checkout, CHILD, str(n)) for _ in range(times)]
    return f"{min(f[0] for f in found):.2f} s, {found[0][1]:.2f} times the data"


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dsl_wide", description=__doc__)
    parser.add_argument("--old", type=Path, default=None, help="checkout of the other version")
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--sizes", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--times", type=int, default=3)
    arguments = parser.parse_args()
    versions = {} if arguments.old is None else {"0.1.0": arguments.old.resolve()}
    versions["now"] = ROOT
    command = f"python -m benchmarks.dsl_wide{'' if arguments.old is None else ' --old CHECKOUT'}"
    command += f" --sizes {' '.join(map(str, arguments.sizes))} --times {arguments.times}"
    lines = [
        f"Made by `{command}`: fit, calibrate and infer of a linear regression on 50 columns with all defaults, 2,000 labels; "
        "processor time, and memory beyond the data.",
        "",
        "| rows | " + " | ".join(versions) + " |",
        "| ---: |" + " ---: |" * len(versions),
    ]
    for n in arguments.sizes:
        cells = [measured(v, n, arguments.times if name == "now" else 1) for name, v in versions.items()]
        lines.append(f"| {n:,} | " + " | ".join(cells) + " |")
        print(lines[-1], flush=True)
    arguments.output.mkdir(parents=True, exist_ok=True)
    (arguments.output / "dsl_wide.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
