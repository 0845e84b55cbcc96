"""Hunt for the settings in which a guarantee fails: ``python -m benchmarks.hunt DOMAIN --minutes 20 --seed S``.

DOMAIN is batch, dsl, evals, holdout or mi. Prints the worst settings, writes them as JSON and a figure beside
``--output``, and ends with one line that says what was tried and found. Exit code 1 if a setting is confirmed below its
level by more than the allowance (one point; two for asymptotic statements), or has errors; 0 otherwise.
"""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from pathlib import Path

from validstats.validity import HuntReport, hunt
from validstats.validity.claims import DOMAINS, claims_of


def main(arguments: list[str] | None = None) -> int:
    """Run a hunt and print it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hunt", description=__doc__.splitlines()[0])
    parser.add_argument("domain", choices=DOMAINS)
    parser.add_argument("--minutes", type=float, default=20.0, help="time of the whole hunt")
    parser.add_argument("--trials", type=int, default=None, help="trials of the search, instead of a time")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1, help="joblib workers")
    parser.add_argument("--claim", default="", help="hunt only claims whose name contains this")
    parser.add_argument("--confirm", type=int, default=10, help="settings tried again")
    parser.add_argument("--confirm-trials", type=int, default=2000, help="fresh trials of each")
    parser.add_argument("--output", type=Path, default=None, help="JSON file; a figure goes beside it")
    parser.add_argument(
        "--store", type=Path, default=None, help="finished work, so that a stopped hunt goes on"
    )
    given = parser.parse_args(arguments)
    claims = [claim for claim in claims_of(given.domain) if given.claim in claim.name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        report = hunt(
            claims,
            minutes=None if given.trials else given.minutes,
            n_trials=given.trials,
            n_confirmed=given.confirm,
            confirm_trials=given.confirm_trials,
            random_state=given.seed,
            n_jobs=given.jobs,
            store=given.store,
            verbose=True,
        )
    print(report.summary())
    if given.output is not None:
        write(report, given.output)
    print(report.sentence)
    return 1 if report.faults else 0


def write(report: HuntReport, path: Path) -> None:
    """Write a report as JSON, and its figure beside it."""
    path.write_text(json.dumps(report.to_dict(), indent=1, default=str) + "\n", encoding="utf-8")
    report.plot().figure_.savefig(path.with_suffix(".png"), dpi=150)


if __name__ == "__main__":
    sys.exit(main())
