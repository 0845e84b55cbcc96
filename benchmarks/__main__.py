"""``python -m benchmarks [domain ...]``: run the benchmarks and write a CSV and a table for each domain.

``python -m benchmarks --peers FOLDER [FOLDER ...]`` measures the default rows of every task in one run and notes the versions of the
peers in ``run.json``. A peer that fails is a row that says why; a domain that fails leaves the others running, and the exit status is 1.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import traceback
from pathlib import Path

from benchmarks._peers import take_from, versions
from benchmarks._runner import run

DOMAINS = ("batch", "holdout", "dsl", "mi", "evals")


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("domains", nargs="*", help=f"which of {', '.join(DOMAINS)}; all by default")
    parser.add_argument(
        "--output", type=Path, default=Path("benchmarks/results"), help="folder for the results"
    )
    parser.add_argument("--quick", action="store_true", help="small sizes only")
    parser.add_argument("--largest", type=int, default=10**9, help="leave larger sizes out")
    parser.add_argument("--suffix", default="", help="end of the names of the files, for a part of the sizes")
    parser.add_argument(
        "--peers",
        type=Path,
        nargs="+",
        default=(),
        help="folders of the peers' environments, one a peer, named as in _peers.py; the first that has one counts",
    )
    arguments = parser.parse_args()
    unknown = set(arguments.domains) - set(DOMAINS)
    if unknown:
        parser.error(f"unknown domain {sorted(unknown)}; choose from {', '.join(DOMAINS)}")
    found = take_from(*arguments.peers)
    if arguments.peers:
        print("peers with an environment:", ", ".join(found) or "none", flush=True)
    arguments.output.mkdir(parents=True, exist_ok=True)
    failed = []
    for domain in arguments.domains or DOMAINS:
        try:
            module = importlib.import_module(f"benchmarks.{domain}")
            specs = [spec for spec in module.specs(quick=arguments.quick) if spec.n <= arguments.largest]
            run(specs, arguments.output / f"{domain}{arguments.suffix}")
        except Exception:
            traceback.print_exc()
            failed.append(domain)
    if arguments.peers and not arguments.domains:
        path = arguments.output / "run.json"
        path.write_text(json.dumps({"peers": versions()}, indent=1) + "\n", encoding="utf-8")
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
