"""Renderers of a report: text, HTML, LaTeX and Markdown. Each escapes whatever users named."""

from __future__ import annotations

import html
import textwrap
import unicodedata

from validstats.guarantee import Guarantee
from validstats.results.table import Report, Table

WIDTH = 78
_FEWEST_COLUMNS = 30
"""Columns of a terminal below which prose is not wrapped inside a table."""

_CONTROL = ("Cc", "Cf", "Cs", "Zl", "Zp")
_JOINERS = "\u00ad\u200c\u200d"

_LATEX_SPECIAL = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
}
_LATEX_ARGUMENTS = ("[", "*")
_LATEX_FIT = r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%"
"""A table wider than the page is scaled down to it; narrower ones keep their size."""

_MARKDOWN_SPECIAL = "\\`*_[]<>|~&!"


def render_text(report: Report, details: bool = False, width: int = WIDTH) -> str:
    """Render as monospaced text in the manner of R: answer, tables, facts, guarantee."""
    title = _visible(report.title)
    tables = [lines for table in report.tables for lines in _text_table(table, width)]
    answer = textwrap.wrap(_one_line(report.answer), width, break_on_hyphens=False)
    facts = _text_header(report.header_cells(), width)
    closing = _text_closing(report, width, details)
    lines = ["=" * width, title.center(width - _width(title) + len(title)).rstrip(), "=" * width]
    for block in filter(None, [answer, *tables, facts, closing]):
        lines += ["-" * width, *block] if lines[-1] != "=" * width else block
    return "\n".join([*lines, "=" * width])


def _visible(text: str) -> str:
    """Spell out what a terminal would obey instead of show: line breaks, escapes, changes of direction."""
    if text.isprintable():
        return text
    return "".join(
        c.encode("unicode_escape").decode()
        if unicodedata.category(c) in _CONTROL and c not in _JOINERS
        else c
        for c in text
    )


def _width(text: str) -> int:
    """Count the columns of a terminal: two for wide characters of East Asia, none for combining marks."""
    if text.isascii():
        return len(text)
    return sum(map(_columns, text))


def _columns(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf") and character != "\u00ad":
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _padded(text: str, width: int, right: bool = False) -> str:
    blanks = " " * (width - _width(text))
    return blanks + text if right else text + blanks


def render_html(report: Report, details: bool = False) -> str:
    """Render as an HTML fragment with inline styles only; details of guarantees fold unless asked for."""
    parts = ['<div class="validstats-report">', f"<h3>{html.escape(report.title)}</h3>"]
    if report.answer:
        parts.append(f'<p class="validstats-answer">{html.escape(report.answer)}</p>')
    parts += [_html_table(table) for table in report.tables]
    if report.header:
        rows = "".join(
            f"<tr><th>{html.escape(label)}</th><td>{html.escape(text)}</td></tr>"
            for label, text in report.header_cells()
        )
        parts.append(f'<table class="validstats-header">{rows}</table>')
    parts += [_html_guarantee(g, details) for g in report.guarantees]
    parts += [f'<p class="validstats-note">{html.escape(note)}</p>' for note in report.notes]
    return "\n".join([*parts, "</div>"])


def _html_guarantee(guarantee: Guarantee, details: bool) -> str:
    """One paragraph a layer; the details are there for who opens them."""
    parts = list(guarantee.parts(details=True))
    *shown, (heading, text) = parts
    lines = [f"<p><strong>{html.escape(h)}</strong> {html.escape(t)}</p>" for h, t in shown]
    opened = " open" if details else ""
    summary = f"<summary>{html.escape(heading.rstrip(':'))}</summary>"
    lines.append(f"<details{opened}>{summary}<p>{html.escape(text)}</p></details>")
    return '<div class="validstats-guarantee">' + "".join(lines) + "</div>"


def render_latex(report: Report, details: bool = False) -> str:
    """Render as a LaTeX table environment (packages: booktabs, graphicx)."""
    lines = [r"\begin{table}[ht]", r"\centering", rf"\caption{{{_latex(report.title)}}}"]
    if report.answer:
        lines.append(rf"{{\small {_latex(report.answer)}\par}}\smallskip")
    for table in report.tables:
        lines += _latex_table(table)
    if report.header:
        facts = "; ".join(f"{_latex(label)}: {_latex(text)}" for label, text in report.header_cells())
        lines.append(rf"\par\smallskip{{\footnotesize {facts}\par}}")
    notes = [g.paragraph(details) for g in report.guarantees] + list(report.notes)
    for note in notes:
        lines.append(
            rf"\par\smallskip\begin{{minipage}}{{\linewidth}}\footnotesize {_latex(note)}\end{{minipage}}"
        )
    return "\n".join([*lines, r"\end{table}"])


def render_markdown(report: Report, details: bool = False) -> str:
    """Render as GitHub-flavoured Markdown."""
    blocks = [f"### {markdown_text(report.title)}"]
    if report.answer:
        blocks.append(markdown_text(report.answer))
    blocks += [_markdown_table(table) for table in report.tables]
    if report.header:
        blocks.append(
            "\n".join(f"- {markdown_text(k)}: {markdown_text(v)}" for k, v in report.header_cells())
        )
    blocks += [
        f"**{heading}** {markdown_text(text)}"
        for g in report.guarantees
        for heading, text in g.parts(details)
    ]
    blocks += [markdown_text(note) for note in report.notes]
    return "\n\n".join(blocks)


def _text_header(cells: list[tuple[str, str]], width: int) -> list[str]:
    half = width // 2 - 1
    shown = [(_visible(label) + ":", _visible(text)) for label, text in cells]
    longest = min(max((_width(label) for label, _ in shown), default=0), 24)
    entries = [f"{_padded(label, longest)} {text}" for label, text in shown]
    lines: list[str] = []
    pending: str | None = None
    for entry in entries:
        if _width(entry) > half:
            lines += [pending] if pending is not None else []
            lines += textwrap.wrap(entry, width, subsequent_indent="  ")
            pending = None
        elif pending is None:
            pending = entry
        else:
            lines.append(f"{_padded(pending, half)}  {entry}")
            pending = None
    return lines + ([pending] if pending is not None else [])


def _text_closing(report: Report, width: int, details: bool) -> list[str]:
    paragraphs = [f"{heading} {text}" for g in report.guarantees for heading, text in g.parts(details)]
    paragraphs += [f"Note. {note}" for note in report.notes]
    wrapped = (textwrap.wrap(_one_line(text), width, break_on_hyphens=False) for text in paragraphs)
    return [line for lines in wrapped for line in lines]


def _text_table(table: Table, width: int) -> list[list[str]]:
    """Lines of a table, in one block or, where it is wider than the page, in several with the first column repeated."""
    rows = [[_visible(cell) for cell in row] for row in [table.headings, *table.cells()]]
    widths = [max(_width(row[j]) for row in rows) for j in range(len(table.headings))]
    right = table.right_aligned()
    room = width - sum(w + 2 for w in widths[:-1])
    if table.formats.get(table.headings[-1]) == "prose" and widths[-1] > room >= _FEWEST_COLUMNS:
        wrapped = [textwrap.wrap(row[-1], room, break_on_hyphens=False) or [""] for row in rows]
        blank = [""] * (len(widths) - 1)
        rows = [
            [*(row[:-1] if i == 0 else blank), line]
            for row, lines in zip(rows, wrapped, strict=True)
            for i, line in enumerate(lines)
        ]
        widths[-1] = room
    blocks = [
        ["  ".join(_padded(row[j], widths[j], right[j]) for j in columns).rstrip() for row in rows]
        for columns in _column_blocks(widths, width)
    ]
    if table.title:
        blocks[0] = [_visible(table.title), *blocks[0]]
    return blocks


def _column_blocks(widths: list[int], width: int) -> list[list[int]]:
    """Columns that stand side by side: as many as fit, the first one in every block."""
    blocks, used = [[0]], widths[0] if widths else 0
    for j in range(1, len(widths)):
        if used + 2 + widths[j] > width and len(blocks[-1]) > 1:
            blocks.append([0])
            used = widths[0]
        blocks[-1].append(j)
        used += 2 + widths[j]
    return blocks if widths else []


def _one_line(text: str) -> str:
    return _visible(" ".join(text.split()))


def _html_table(table: Table) -> str:
    classes = ["number" if right else "text" for right in table.right_aligned()]
    head = "".join(
        f'<th class="{c}">{html.escape(h)}</th>' for h, c in zip(table.headings, classes, strict=True)
    )
    body = "".join(
        "<tr>"
        + "".join(f'<td class="{c}">{html.escape(v)}</td>' for v, c in zip(row, classes, strict=True))
        + "</tr>"
        for row in table.cells()
    )
    caption = f"<caption>{html.escape(table.title)}</caption>" if table.title else ""
    return f'<table class="validstats-table">{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def _latex(text: str) -> str:
    return "".join(_LATEX_SPECIAL.get(character, character) for character in _one_line(text))


def _latex_row(cells: list[str]) -> str:
    """A row; an empty group keeps the first cell from being the optional argument of the command before it."""
    row = " & ".join(map(_latex, cells)) + r" \\"
    return "{}" + row if row.startswith(_LATEX_ARGUMENTS) else row


def _latex_table(table: Table) -> list[str]:
    alignment = "".join("r" if right else "l" for right in table.right_aligned())
    lines = [rf"\par {_latex(table.title)}\par"] if table.title else []
    lines += [_LATEX_FIT, rf"\begin{{tabular}}{{{alignment}}}", r"\toprule"]
    lines.append(_latex_row(table.headings))
    lines.append(r"\midrule")
    lines += [_latex_row(row) for row in table.cells()]
    return [*lines, r"\bottomrule", r"\end{tabular}}"]


def markdown_text(text: str) -> str:
    return "".join("\\" + c if c in _MARKDOWN_SPECIAL else c for c in _one_line(text))


def _markdown_table(table: Table) -> str:
    rule = ["---:" if right else ":---" for right in table.right_aligned()]
    rows = [[markdown_text(c) for c in row] for row in [table.headings, *table.cells()]]
    lines = ["| " + " | ".join(row) + " |" for row in [rows[0], rule, *rows[1:]]]
    return "\n".join(([f"**{markdown_text(table.title)}**", ""] if table.title else []) + lines)
