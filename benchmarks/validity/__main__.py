"""Achieved coverage of every kind of guarantee, with exact binomial bounds: ``python -m benchmarks.validity [--long]``.

The simulations are those of ``tests/validity``; here they run over more settings and nominal levels, with the naive method
beside each. Rows are written to ``validity.csv`` one setting at a time, and a second run continues where the first one
stopped: a setting with fewer replicates than are wanted runs again, and its rows are replaced. ``validity.md`` and
``validity.png`` are made from that file, also by ``--report`` alone.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from pathlib import Path

from benchmarks.validity.batch import batch_settings
from benchmarks.validity.dsl import dsl_settings
from benchmarks.validity.holdout import holdout_settings
from benchmarks.validity.mi import mi_settings
from benchmarks.validity.report import write_report
from benchmarks.validity.rows import is_done, read_rows, replace_rows

SETTINGS = {"batch": batch_settings, "holdout": holdout_settings, "dsl": dsl_settings, "mi": mi_settings}


def main() -> None:
    """Simulate what is missing, and write the report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.validity", description=__doc__)
    parser.add_argument("domains", nargs="*", help=f"which of {', '.join(SETTINGS)}; all by default")
    parser.add_argument("--long", action="store_true", help="ten times the replicates and more")
    parser.add_argument("--at-most", type=int, help="limit of the replicates a setting")
    parser.add_argument("--only", default="", help="only settings whose name contains this")
    parser.add_argument("--again", action="store_true", help="also what is done")
    parser.add_argument("--report", action="store_true", help="only write table and figure")
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results"))
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    path = arguments.output / "validity.csv"
    for domain in () if arguments.report else arguments.domains or SETTINGS:
        for setting in SETTINGS[domain]():
            replicates = setting.long if arguments.long else setting.short
            replicates = min(replicates, arguments.at_most or replicates)
            done = is_done(setting, replicates, read_rows(path)) and not arguments.again
            if done or arguments.only not in setting.name:
                continue
            print(f"{domain}: {setting.name}", file=sys.stderr, flush=True)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)
                replace_rows(setting.run(replicates), path)
    print(write_report(arguments.output))


if __name__ == "__main__":
    main()
