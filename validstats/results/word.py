"""Pages as Word files, through python-docx: headings, sentences, pictures, tables and guarantees in layers."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from validstats.results.summary import Summary
from validstats.results.table import Table
from validstats.runtime import whole_file

__all__ = ["picture", "write_word"]

_TEXT_WIDTH = 6.2
"""Inches of a line on the sheet of python-docx."""


def picture(figure: Any) -> bytes:
    """A matplotlib figure as PNG, without anything that changes from run to run."""
    buffer = io.BytesIO()
    figure.savefig(
        buffer, format="png", dpi=150, bbox_inches="tight", facecolor="white", metadata={"Software": None}
    )
    return buffer.getvalue()


def write_word(title: str, lead: str, sections: Sequence[Any], footer: str, path: Path) -> None:
    """Write a page as a Word file."""
    try:
        from docx import Document
    except ImportError as error:
        raise ImportError(
            'Word files are written by python-docx, which is not installed: pip install "validstats[word]".'
        ) from error
    document: Any = Document()
    document.core_properties.title, document.core_properties.author = _plain(title), ""
    document.add_heading(_plain(title), 0)
    document.add_paragraph(_plain(lead))
    for section in sections:
        document.add_heading(_plain(section.title), 1)
        for paragraph in section.paragraphs:
            document.add_paragraph(_plain(paragraph))
        for figure, caption in section.figures:
            _add_picture(document, picture(figure), _plain(caption))
        for summary in section.summaries:
            _add_summary(document, summary)
        if section.alone:
            document.add_page_break()
    if footer:
        document.add_paragraph(_plain(footer))
    with whole_file(path) as draft:
        document.save(str(draft))


def _plain(text: str) -> str:
    """Leave out the characters that XML does not have."""
    return "".join(c for c in text if c.isprintable() or c == "\n")


def _add_picture(document: Any, data: bytes, caption: str) -> None:
    from docx.shared import Inches

    document.add_picture(io.BytesIO(data), width=Inches(_TEXT_WIDTH))
    document.add_paragraph(caption, style="Caption")


def _add_summary(document: Any, summary: Summary) -> None:
    report = summary.report
    document.add_heading(_plain(report.title), 2)
    if report.answer:
        document.add_paragraph().add_run(_plain(report.answer)).bold = True
    for table in report.tables:
        _add_table(document, table)
    for label, value in report.header_cells():
        document.add_paragraph(_plain(f"{label}: {value}"), style="List Bullet")
    for guarantee in report.guarantees:
        for heading, text in guarantee.parts(summary.details):
            line = document.add_paragraph()
            line.add_run(_plain(f"{heading} ")).bold = True
            line.add_run(_plain(text))
    for note in report.notes:
        document.add_paragraph(_plain(note))


def _add_table(document: Any, table: Table) -> None:
    from docx.enum.text import WD_ALIGN_PARAGRAPH

    if table.title:
        document.add_paragraph(_plain(table.title), style="Caption")
    rows, right = [table.headings, *table.cells()], table.right_aligned()
    grid = document.add_table(rows=len(rows), cols=len(table.headings), style="Light List")
    for line, row in zip(grid.rows, rows, strict=True):
        for cell, text, number in zip(line.cells, row, right, strict=True):
            cell.text = _plain(text)
            if number:
                cell.paragraphs[0].alignment = WD_ALIGN_PARAGRAPH.RIGHT
    document.add_paragraph()
