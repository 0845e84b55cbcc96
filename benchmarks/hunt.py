"""Hunt for the settings in which a guarantee fails: ``python -m benchmarks.hunt DOMAIN --minutes 20 --seed S``.

DOMAIN is batch, dsl, evals, holdout or mi. Prints the worst and the widest settings, writes them as JSON beside a table of
every setting drawn and a figure (``--output``), and ends with one line that says what was tried and found. Exit code 1 if a
setting is confirmed below its level by more than the allowance (one point; two for asymptotic statements), or has errors; 0
otherwise. ``--where labels=15:80 --where design=clusters`` hunts in a part of the prior.
``--replay FILE NUMBER`` draws the failing data set of a finding again.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import signal
import sys
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from validstats.validity import Choice, Claim, HuntReport, hunt, replay
from validstats.validity.claims import DOMAINS, claims_of
from validstats.validity.priors import Parameter


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
        help="hunt only where a number lies so, or NAME=VALUE is chosen; claims without it are left out; may be repeated",
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
    named = [claim for claim in claims_of(given.domain) if given.claim in claim.name]
    if not named:
        parser.error(f"no claim of {given.domain} has {given.claim!r} in its name")
    claims = [part for claim in named if (part := within(claim, given.where)) is not None]
    if not claims:
        parser.error(
            f"no claim has settings where {words(given.where)}; they are drawn from {spans(named, given.where)}"
        )
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


def narrowed(text: str) -> tuple[str, str]:
    """Read ``NAME=LOW:HIGH`` or ``NAME=VALUE``."""
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise argparse.ArgumentTypeError(f"{text!r} is neither NAME=LOW:HIGH nor NAME=VALUE")
    return name, value


def within(claim: Claim, where: Sequence[tuple[str, str]]) -> Claim | None:
    """The claim with a prior that is narrower as was asked for; None where nothing of it is left."""
    parameters: dict[str, Parameter] = dict(claim.prior.parameters)
    for name, value in where:
        part = part_of(parameters.get(name), value)
        if part is None:
            return None
        parameters[name] = part
    return replace(claim, prior=replace(claim.prior, parameters=parameters))


def part_of(known: Parameter | None, value: str) -> Parameter | None:
    """The part of a parameter between two ends, or of one option; None where there is none."""
    if isinstance(known, Choice):
        options = tuple(option for option in known.options if str(option) == value)
        return replace(known, options=options) if options else None
    if known is None:
        return None
    low, _, high = value.partition(":")
    try:
        ends = max(float(low), known.low), min(float(high or low), known.high)
    except ValueError:
        return None
    return replace(known, low=ends[0], high=ends[1]) if ends[0] <= ends[1] else None


def words(where: Sequence[tuple[str, str]]) -> str:
    """What was asked for, as it was written."""
    return ", ".join("=".join(each) for each in where)


def spans(claims: Sequence[Claim], where: Sequence[tuple[str, str]]) -> str:
    """What there is of the parameters that were named."""
    known = {
        f"{name} {claim.prior.parameters[name]}": 0
        for name, _ in where
        for claim in claims
        if name in claim.prior.parameters
    }
    names = sorted({name for claim in claims for name in claim.prior.parameters})
    return "; ".join(known) or f"other parameters: {', '.join(names)}"


COLUMNS = ("claim", "level", "held", "trials", "refused", "reference_held", "width_ratio", "power", "reference_power",
           "silent", "seconds")  # fmt: skip


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
