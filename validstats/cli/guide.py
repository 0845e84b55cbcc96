"""The command that finds the call for a question."""

from __future__ import annotations

import click

__all__ = ["which"]


@click.command()
@click.argument("question", nargs=-1, required=True)
@click.option("-n", "number", type=click.IntRange(min=1), default=3, show_default=True, help="Calls to show.")
def which(question: tuple[str, ...], number: int) -> None:
    """Say which call answers QUESTION, in words.

    \b
    Example:
      validstats which "is the new prompt better than the old one?"
    """
    from validstats.guide import which as find

    found = find(" ".join(question), number)
    if not found:
        raise click.ClickException(
            "No word of the question is in the index. Say what you have and what you want to know, "
            "for example: mean of new rows, test set used before, labels by a judge."
        )
    click.echo("\n\n".join(str(entry) for entry in found))
