"""``validstats holdout audit``: what a score is worth on a test set that was used before."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import click

from validstats.cli._options import DataError, OneOf, confidence_level_option, guarded, output_options
from validstats.cli._tables import read_table, write_result

__all__ = ["audit"]

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


def _sources() -> tuple[str, ...]:
    from validstats.holdout.past_scores import ScoreSource

    return get_args(ScoreSource)


@click.command()
@click.option("--rows", "n", type=int, required=True, help="Independent rows of the test set.")
@click.option(
    "--score", type=float, help="Score that was shown for the chosen model; the best one of --scores."
)
@click.option("--decimals", type=int, help="Decimals that scores were shown with; those of --scores, or 4.")
@click.option("--looks", type=int, help="Number of looks, or an upper bound.")
@click.option("--scores", type=_FILE, help="A table, an export of MLflow or a git log with all scores.")
@click.option("--metric", default="score", show_default=True, help="Column of the scores, or their name.")
@click.option("--source", type=OneOf(_sources), default="auto", show_default=True, help="What --scores is.")
@click.option("--rises", type=int, help="How often a later look was a new best, if nothing else was shown.")
@click.option("--best-shown", is_flag=True, help="The best score so far was shown with each rise.")
@click.option("--description-bits", type=float, help="Length of a description that reproduces the model.")
@click.option(
    "--candidates", type=int, help="Length of a list from before the first look that the model is from."
)
@click.option("--results", type=_FILE, help="Table of 0 and 1, a row a model: an estimate of the drift.")
@confidence_level_option(0.95)
@output_options
@guarded
def audit(
    n: int,
    score: float | None,
    decimals: int | None,
    scores: Path | None,
    metric: str,
    source: Any,
    results: Path | None,
    output_format: str,
    output: Path | None,
    **known: Any,
) -> None:
    """Say what a score is worth after the test set was looked at many times.

    \b
    Examples:
      validstats holdout audit --rows 10000 --score 0.85 --decimals 2 --looks 40
      validstats holdout audit --rows 10000 --scores runs.csv --metric accuracy
      validstats holdout audit --rows 10000 --scores git-log.txt --metric accuracy
    """
    from validstats.holdout import audit_looks, read_scores

    listed = None
    if scores is not None:
        past = read_scores(scores, metric, source)
        listed = past.scores
        decimals = past.decimals if decimals is None else decimals
        score = max(listed) if score is None else score
        click.echo(
            f"Note: {len(listed)} scores with {decimals} decimals, read as {past.source}; {past.skipped} records without one.",
            err=True,
        )
    if score is None:
        raise DataError("Give --score, the score of the chosen model, or --scores with all of them.")
    found = audit_looks(
        n,
        score,
        decimals=4 if decimals is None else decimals,
        scores=listed,
        results=None if results is None else read_table(results)[0].to_numpy(),
        **known,
    )
    write_result(found, output_format, output)
