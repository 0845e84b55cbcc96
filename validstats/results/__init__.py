"""Results: what every inference returns, and how it prints as text, HTML, LaTeX and Markdown."""

from __future__ import annotations

from validstats.results.answer import NotApplicable, interval_words, percent_words, rounded
from validstats.results.claims import Claims
from validstats.results.page import Page, Section
from validstats.results.result import Result
from validstats.results.statistical_test import StatisticalTest
from validstats.results.summary import Summary
from validstats.results.table import Report, Table

__all__ = [
    "Claims",
    "NotApplicable",
    "Page",
    "Report",
    "Result",
    "Section",
    "StatisticalTest",
    "Summary",
    "Table",
    "interval_words",
    "percent_words",
    "rounded",
]
