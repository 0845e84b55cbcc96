"""Hunt for the settings in which a guarantee fails: ``python -m benchmarks.hunt DOMAIN --minutes 20 --seed S``.

DOMAIN is batch, dsl, evals, holdout or mi. Prints the worst and the widest settings, writes them as JSON beside a table of
every setting drawn and a figure (``--output``), and ends with one line that says what was tried and found. Exit code 1 if a
setting is confirmed below its level by more than the allowance (one point; two for asymptotic statements), or has errors; 0
otherwise. ``--where labels=15:80`` hunts in a part of the prior. ``--replay FILE NUMBER`` draws the failing data set of a finding again.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import signal
import sys
import warnings
from dataclasses import replace
from pathlib import Path

from validstats.validity import Claim, HuntReport, LogUniform, Uniform, hunt, replay
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
    parser.add_argument(
        "--where", action="append", default=[], metavar="NAME=LOW:HIGH", type=narrowed,
        help="hunt only where a number lies so; may be repeated",
    )  # fmt: skip
    parser.add_argument("--confirm", type=int, default=10, help="settings tried again, one a claim at least")
    parser.add_argument("--confirm-trials", type=int, default=2000, help="fresh trials of each")
    parser.add_argument(
        "--output", type=Path, default=None, help="JSON file; a table and a figure go beside it"
    )
    parser.add_argument(
        "--store", type=Path, default=None, help="finished work, so that a stopped hunt goes on"
    )
    parser.add_argument(
        "--replay", nargs=2, metavar=("FILE", "NUMBER"), help="draw the failing data set of a finding again"
    )
    given = parser.parse_args(arguments)
    claims = [within(claim, given.where) for claim in claims_of(given.domain) if given.claim in claim.name]
    if not claims:
        parser.error(f"no claim of {given.domain} has {given.claim!r} in its name")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if given.replay:
            found = json.loads(Path(given.replay[0]).read_text(encoding="utf-8"))["findings"][
                int(given.replay[1])
            ]
            [claim] = [claim for claim in claims if claim.name == found["claim"]]
            setting = {k: tuple(v) if isinstance(v, list) else v for k, v in found["setting"].items()}
            print(claim.name, setting, replay(claim, setting, found["seed"]), sep="\n")
            return 0
        # a machine that ends the command gets the report of what was done
        signal.signal(signal.SIGTERM, signal.default_int_handler)
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


def narrowed(text: str) -> tuple[str, float, float]:
    """Read ``NAME=LOW:HIGH``."""
    name, _, ends = text.partition("=")
    low, _, high = ends.partition(":")
    return name, float(low), float(high)


def within(claim: Claim, where: list[tuple[str, float, float]]) -> Claim:
    """A claim whose prior is narrower: numbers that it has lie between the ends that were asked for."""
    parameters = dict(claim.prior.parameters)
    for name, low, high in where:
        known = parameters.get(name)
        if isinstance(known, (LogUniform, Uniform)):
            ends = max(low, known.low), min(high, known.high)
            parameters[name] = replace(known, low=ends[0], high=ends[1]) if ends[0] < ends[1] else known
    return replace(claim, prior=replace(claim.prior, parameters=parameters))


COLUMNS = ("claim", "level", "held", "trials", "refused", "reference_held", "width_ratio", "power", "reference_power",
           "seconds")  # fmt: skip


def write(report: HuntReport, path: Path) -> None:
    """Write what was tried again as JSON, every setting drawn as CSV, and the figure, side by side."""
    found = report.to_dict()
    drawn = found.pop("drawn")
    path.write_text(
        json.dumps(_plain(found), indent=1, default=str, allow_nan=False) + "\n", encoding="utf-8"
    )
    with path.with_suffix(".csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow([*COLUMNS, "faults", "setting"])
        for row in drawn:
            values = [f"{row[name]:.6g}" if isinstance(row[name], float) else row[name] for name in COLUMNS]
            table.writerow([*values, "; ".join(row["errors"]), json.dumps(row["setting"], default=str)])
    report.plot().figure_.savefig(path.with_suffix(".png"), dpi=150)


def _plain(value: object) -> object:
    """Numbers that JSON does not have as null."""
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


if __name__ == "__main__":
    sys.exit(main())
