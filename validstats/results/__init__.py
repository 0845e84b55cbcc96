"""Results: what every inference returns, and how it prints as text, HTML, LaTeX and Markdown."""

from __future__ import annotations

from validstats.results.page import Page, Section
from validstats.results.result import Result
from validstats.results.summary import Summary
from validstats.results.table import Report, Table

__all__ = ["Page", "Report", "Result", "Section", "Summary", "Table"]
