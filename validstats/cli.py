"""The command line of validstats."""

from __future__ import annotations

from pathlib import Path

import click

import validstats

__all__ = ["main"]

_SECTIONS = ("batch", "holdout", "dsl", "mi")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(validstats.__version__, prog_name="validstats")
def main() -> None:
    """Statistics that stay valid: batches, reused holdouts, machine labels, mutual information."""


@main.command()
@click.option(
    "--output",
    "-o",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("validstats-tour.html"),
    show_default=True,
    help="HTML page to write; self-contained.",
)
@click.option(
    "--section",
    "sections",
    multiple=True,
    type=click.Choice(_SECTIONS),
    help="Run only this section; may be repeated. All by default.",
)
def tour(output: Path, sections: tuple[str, ...]) -> None:
    """Run all methods on the bundled sentences, print summaries, and write an HTML page.

    \b
    Example:
      validstats tour --section batch --output tour.html
    """
    from validstats.tour import run_tour
    from validstats.tour._run import SECTIONS

    try:
        run_tour(sections or tuple(SECTIONS), output)
    except FileNotFoundError as error:
        raise click.ClickException(str(error)) from error
