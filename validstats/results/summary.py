"""A summary: one report that prints as text, shows as HTML, and exports to LaTeX and Markdown."""

from __future__ import annotations

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
.validstats-report .validstats-guarantee {border-left: 3px solid #2a7f86; padding-left: .8em; margin: .6em 0;}
.validstats-report .validstats-note {opacity: .8; margin: .4em 0;}
</style>"""


@dataclass(frozen=True)
class Summary:
    """A report ready to be printed.

    Parameters
    ----------
    report : Report
        What to print.

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

    def as_text(self) -> str:
        """Return the report as monospaced text.

        Returns
        -------
        str
            Lines of at least 78 columns, wider only where a table needs it.
        """
        return render_text(self.report)

    def as_html(self) -> str:
        """Return the report as a self-contained HTML fragment; every user-given string is escaped.

        Returns
        -------
        str
            A ``div`` preceded by its style sheet.
        """
        return _STYLE + render_html(self.report)

    def as_latex(self) -> str:
        """Return the report as a LaTeX table (needs the booktabs package).

        Returns
        -------
        str
            A ``table`` environment.
        """
        return render_latex(self.report)

    def as_markdown(self) -> str:
        """Return the report as GitHub-flavoured Markdown.

        Returns
        -------
        str
            Heading, lists and pipe tables.
        """
        return render_markdown(self.report)

    def __str__(self) -> str:
        return self.as_text()

    def __repr__(self) -> str:
        return self.as_text()

    def _repr_html_(self) -> str:
        return self.as_html()
