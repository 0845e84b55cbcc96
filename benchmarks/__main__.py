"""``python -m benchmarks [domain ...]``: run the benchmarks and write a CSV and a table for each domain."""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path

from benchmarks._peers import take_from
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
        "--peers", type=Path, help="folder of the peers' environments, one a peer, named as in _peers.py"
    )
    arguments = parser.parse_args()
    unknown = set(arguments.domains) - set(DOMAINS)
    if unknown:
        parser.error(f"unknown domain {sorted(unknown)}; choose from {', '.join(DOMAINS)}")
    if arguments.peers is not None:
        print("peers with an environment:", ", ".join(take_from(arguments.peers)) or "none")
    arguments.output.mkdir(parents=True, exist_ok=True)
    for domain in arguments.domains or DOMAINS:
        module = importlib.import_module(f"benchmarks.{domain}")
        specs = [spec for spec in module.specs(quick=arguments.quick) if spec.n <= arguments.largest]
        run(specs, arguments.output / f"{domain}{arguments.suffix}")


if __name__ == "__main__":
    main()
