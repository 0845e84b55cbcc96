"""``validstats tour``."""

from __future__ import annotations

from pathlib import Path

import click

from validstats.cli._options import DataError, OneOf, can_be_written

__all__ = ["tour"]


def _sections() -> tuple[str, ...]:
    from validstats.tour import SECTIONS

    return tuple(SECTIONS)


@click.command()
@click.option(
    "--output",
    "-o",
    type=click.Path(dir_okay=False, path_type=Path),
    callback=can_be_written,
    default=Path("validstats-tour.html"),
    show_default=True,
    help="HTML page to write; self-contained.",
)
@click.option(
    "--section",
    "sections",
    multiple=True,
    type=OneOf(_sections),
    help="Run only this section; may be repeated. All by default.",
)
def tour(output: Path, sections: tuple[str, ...]) -> None:
    """Run all methods on the bundled sentences, print summaries, and write an HTML page.

    \b
    Example:
      validstats tour --section batch --output tour.html
    """
    from validstats.tour import SECTIONS, run_tour

    try:
        run_tour(sections or tuple(SECTIONS), output)
    except OSError as error:
        raise DataError(f"{output} could not be written: {error}") from error
