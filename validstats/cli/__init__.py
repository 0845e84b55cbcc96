"""The command line: one command a question, on CSV and Parquet files.

Commands import what they need when they run, so that help and version come at once.
"""

from __future__ import annotations

import click

import validstats
from validstats.cli._options import EXIT_CODES
from validstats.cli.audit import audit
from validstats.cli.batch import batch
from validstats.cli.data import data
from validstats.cli.dsl import dsl
from validstats.cli.evals import compare, doctor, evaluate, passk, plan_eval, rank, release
from validstats.cli.guide import which
from validstats.cli.holdout import holdout
from validstats.cli.mi import mi
from validstats.cli.plan import plan
from validstats.cli.tour import tour

__all__ = ["main"]


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}, epilog=EXIT_CODES
)
@click.version_option(validstats.__version__, prog_name="validstats")
def main() -> None:
    """Statistics that stay valid: batches, reused holdouts, machine labels, mutual information."""


for _command in (tour, which, data, batch, holdout, dsl, mi, plan, audit):
    main.add_command(_command)
for _command in (evaluate, compare, rank, passk, release, doctor):
    main.add_command(_command)
plan.add_command(plan_eval)
