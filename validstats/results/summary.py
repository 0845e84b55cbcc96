"""A summary: one report that prints as text, shows as HTML, and exports to LaTeX and Markdown."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass

from validstats.results._render import render_html, render_latex, render_markdown, render_text
from validstats.results.table import Report

__all__ = ["Summary"]

_STYLE = """<style>
.validstats-report {font: 14px/1.45 system-ui, sans-serif; max-width: 62rem; overflow-x: auto;}
.validstats-report h3 {margin: .2em 0 .5em; font-size: 1.1em;}
.validstats-report table {border-collapse: collapse; margin: .4em 0 .9em; font-variant-numeric: tabular-nums;}
.validstats-report th, .validstats-report td {padding: .18em .8em .18em 0; border: 0; background: none;}
.validstats-report .validstats-header th {font-weight: 400; opacity: .7; text-align: left;}
.validstats-report .validstats-header td {text-align: left;}
.validstats-report .validstats-table thead th {border-bottom: 1px solid currentColor; font-weight: 600;}
.validstats-report caption {text-align: left; font-weight: 600; padding-bottom: .3em;}
.validstats-report .number {text-align: right;}
.validstats-report .text {text-align: left;}
.validstats-report .validstats-table td.text:first-child {min-width: 8em;}
.validstats-report .validstats-answer {font-size: 1.08em; margin: .2em 0 .7em;}
.validstats-report .validstats-guarantee {border-left: 3px solid #2a7f86; padding-left: .8em; margin: .6em 0;}
.validstats-report .validstats-guarantee p {margin: .25em 0;}
.validstats-report .validstats-guarantee summary {cursor: pointer; opacity: .8;}
.validstats-report .validstats-note {opacity: .8; margin: .4em 0;}
</style>"""


_NARROWEST, _WIDEST, _USUAL = 60, 110, 78
"""Columns of text: the terminal's width within limits, and the usual width where there is no terminal."""


@dataclass(frozen=True)
class Summary:
    """A report ready to be printed.

    Parameters
    ----------
    report : Report
        What to print.
    details : bool, default False
        Whether guarantees are printed with their details: strength, exact statement, conditions and source.

    Examples
    --------
    >>> from validstats.results import Report, Summary, Table
    >>> print(Summary(Report("Demo", tables=[Table({"Term": ["x"], "Estimate": [0.5]})])).as_markdown())
    ### Demo
    <BLANKLINE>
    | Term | Estimate |
    | :--- | ---: |
    | x | 0.5000 |
    """

    report: Report
    details: bool = False

    def as_text(self, width: int | None = None) -> str:
        """Return the report as monospaced text.

        Parameters
        ----------
        width : int or None, default None
            Columns; a table that is wider is folded into blocks. None takes the width of the terminal, within 60
            and 110, and 78 where there is none.

        Returns
        -------
        str
            Lines of text.
        """
        return render_text(self.report, self.details, _terminal_width() if width is None else width)

    def as_html(self) -> str:
        """Return the report as a self-contained HTML fragment; every user-given string is escaped.

        Returns
        -------
        str
            A ``div`` preceded by its style sheet.
        """
        return _STYLE + render_html(self.report, self.details)

    def as_latex(self) -> str:
        """Return the report as a LaTeX table (needs the packages booktabs and graphicx).

        Returns
        -------
        str
            A ``table`` environment that fits the page.
        """
        return render_latex(self.report, self.details)

    def as_markdown(self) -> str:
        """Return the report as GitHub-flavoured Markdown.

        Returns
        -------
        str
            Heading, lists and pipe tables.
        """
        return render_markdown(self.report, self.details)

    def __str__(self) -> str:
        return self.as_text()

    def __repr__(self) -> str:
        return self.as_text()

    def _repr_html_(self) -> str:
        return self.as_html()


def _terminal_width() -> int:
    if not (sys.stdout and sys.stdout.isatty()):
        return _USUAL
    return min(max(shutil.get_terminal_size((_USUAL, 24)).columns, _NARROWEST), _WIDEST)
