"""One self-contained page out of summaries, paragraphs and figures: HTML that prints well, Markdown, Word."""

from __future__ import annotations

import base64
import html
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from validstats.results._render import markdown_text
from validstats.results.summary import Summary
from validstats.results.word import picture, write_word
from validstats.runtime import whole_file

__all__ = ["Page", "Section"]

_PAGE_STYLE = """
:root {color-scheme: light dark; --ink: #1d2730; --paper: #fdfdfb; --soft: #5c6a75; --line: #d9dee2; --accent: #2a7f86;}
@media (prefers-color-scheme: dark) {
  :root {--ink: #e6e9eb; --paper: #14191d; --soft: #9aa7b1; --line: #2c353c; --accent: #5fbcc3;}
  figure img {filter: invert(.91) hue-rotate(180deg);}
}
* {box-sizing: border-box;}
body {margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, -apple-system, "Segoe UI", sans-serif;}
main {max-width: 66rem; margin: 0 auto; padding: 2rem 1.2rem 4rem;}
h1 {font-size: 1.9rem; line-height: 1.2; margin: 0 0 .4rem;}
h2 {font-size: 1.35rem; margin: 2.6rem 0 .6rem; padding-top: 1.2rem; border-top: 1px solid var(--line);}
.lead {color: var(--soft); font-size: 1.1rem; max-width: 46rem; margin: 0 0 1.2rem;}
p {max-width: 46rem;}
nav ol {padding-left: 1.2rem; color: var(--soft);} a {color: var(--accent);}
figure {margin: 1.2rem 0;}
figure img {width: 100%; max-width: 66rem; height: auto; background: #fff; border: 1px solid var(--line); border-radius: 6px;}
@media (max-width: 40rem) {figure.wide {overflow-x: auto;} figure.wide img {width: 44rem; max-width: none !important;}}
figcaption {color: var(--soft); font-size: .92rem; margin-top: .35rem; max-width: 46rem;}
.validstats-report {border: 1px solid var(--line); border-radius: 6px; padding: .8rem 1rem; margin: 1rem 0;}
footer {color: var(--soft); font-size: .9rem; margin-top: 3rem; border-top: 1px solid var(--line); padding-top: 1rem;}
@page {margin: 18mm 16mm;}
@media print {
  :root {color-scheme: light; --ink: #000; --paper: #fff; --soft: #444; --line: #bbb; --accent: #000;}
  body {font-size: 10.5pt;} main {max-width: none; padding: 0;} nav {display: none;}
  h2, h3, caption {break-after: avoid;} figure, tr, .validstats-guarantee {break-inside: avoid;}
  figure img {filter: none;}
  .validstats-report {overflow: visible; border: 0; padding: 0;}
  section.alone + section {break-before: page;}
}
"""

_REM_PER_INCH = 6.6
"""Width on the page of an inch of a figure."""

_WEB, _MARKDOWN, _WORD = (".html", ".htm", ""), (".md", ".markdown"), (".docx",)
"""Suffixes of files by what is written into them."""


@dataclass(frozen=True)
class Section:
    """One section of a page.

    Parameters
    ----------
    title : str
        Heading.
    paragraphs : sequence of str, default ()
        Plain text, escaped.
    summaries : sequence of Summary, default ()
        Reports, in order.
    figures : sequence of (matplotlib Figure, str), default ()
        Figures with their captions.
    alone : bool, default False
        Whether what follows begins on a new sheet when the page is printed.

    Examples
    --------
    >>> Section("Batch", paragraphs=("What is the mean of these rows?",)).title
    'Batch'
    """

    title: str
    paragraphs: Sequence[str] = ()
    summaries: Sequence[Summary] = ()
    figures: Sequence[tuple[Any, str]] = ()
    alone: bool = False


@dataclass(frozen=True)
class Page:
    """A self-contained page.

    Parameters
    ----------
    title : str
        Title and first heading.
    lead : str
        Sentence under the title.
    sections : sequence of Section
        What the page holds.
    footer : str, default ""
        Last line, for example versions and seeds.

    Examples
    --------
    >>> page = Page("Report", "What was found.", [Section("One")])
    >>> page.as_html().startswith("<!doctype html>")
    True
    """

    title: str
    lead: str
    sections: Sequence[Section]
    footer: str = ""

    def as_html(self) -> str:
        """Return the page; images are embedded and every given string is escaped.

        Returns
        -------
        str
            A complete HTML document.
        """
        contents = "".join(
            f'<li><a href="#section-{i}">{html.escape(section.title)}</a></li>'
            for i, section in enumerate(self.sections, start=1)
        )
        body = "\n".join(_section_html(section, i) for i, section in enumerate(self.sections, start=1))
        title = html.escape(self.title)
        footer = f"<footer>{html.escape(self.footer)}</footer>" if self.footer else ""
        return (
            f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f"<style>{_PAGE_STYLE}</style></head><body><main>\n<h1>{title}</h1>\n"
            f'<p class="lead">{html.escape(self.lead)}</p>\n<nav><ol>{contents}</ol></nav>\n{body}\n'
            f"{footer}</main></body></html>\n"
        )

    def as_markdown(self, pictures: str = "figure") -> str:
        """Return the page as GitHub-flavoured Markdown.

        Parameters
        ----------
        pictures : str, default "figure"
            Beginning of the names of the picture files, which :meth:`write` makes: ``figure-1.png``, and so on.

        Returns
        -------
        str
            Headings, paragraphs, pictures by name, and pipe tables.

        Examples
        --------
        >>> print(Page("Report", "What was found.", [Section("One", ["It is so."])]).as_markdown())
        # Report
        <BLANKLINE>
        What was found.
        <BLANKLINE>
        ## One
        <BLANKLINE>
        It is so.
        """
        blocks, number = [f"# {markdown_text(self.title)}", markdown_text(self.lead)], 0
        for section in self.sections:
            blocks += [f"## {markdown_text(section.title)}", *map(markdown_text, section.paragraphs)]
            for _, caption in section.figures:
                number += 1
                blocks.append(f"![{markdown_text(caption)}]({pictures}-{number}.png)")
            blocks += [summary.as_markdown() for summary in section.summaries]
        return "\n\n".join(filter(None, [*blocks, markdown_text(self.footer)]))

    def write(self, path: str | os.PathLike[str]) -> Path:
        """Write the page so that a reader never sees half of it.

        Parameters
        ----------
        path : str or path
            File to write; an existing file is replaced in one step. The suffix decides: ``.html`` (which browsers print to
            PDF), ``.md`` with its pictures as files beside it, or ``.docx`` (needs python-docx: extra ``word``).

        Returns
        -------
        pathlib.Path
            The file.

        Raises
        ------
        FileNotFoundError
            If the folder does not exist.
        ValueError
            If the suffix is another one.
        ImportError
            If a Word file is asked for and python-docx is not installed.
        """
        path = Path(path)
        kind = path.suffix.lower()
        if kind not in (*_WEB, *_MARKDOWN, *_WORD):
            raise ValueError(
                f"A page is written as .html, .md or .docx, got {path.name!r}. For PDF write .html and print it in a browser."
            )
        if kind in _WORD:
            write_word(self.title, self.lead, self.sections, self.footer, path)
            return path
        text = self.as_markdown(path.stem) + "\n" if kind in _MARKDOWN else self.as_html()
        with whole_file(path) as draft:
            draft.write_text(text, encoding="utf-8")
        if kind in _MARKDOWN:
            drawn = (figure for section in self.sections for figure, _ in section.figures)
            for number, figure in enumerate(drawn, start=1):
                with whole_file(path.with_name(f"{path.stem}-{number}.png")) as draft:
                    draft.write_bytes(picture(figure))
        return path


def _section_html(section: Section, index: int) -> str:
    kind = ' class="alone"' if section.alone else ""
    parts = [f'<section id="section-{index}"{kind}><h2>{html.escape(section.title)}</h2>']
    parts += [f"<p>{html.escape(paragraph)}</p>" for paragraph in section.paragraphs]
    parts += [_figure_html(figure, caption) for figure, caption in section.figures]
    parts += [summary.as_html() for summary in section.summaries]
    return "\n".join([*parts, "</section>"])


def _figure_html(figure: Any, caption: str) -> str:
    encoded = base64.b64encode(picture(figure)).decode()
    text = html.escape(caption)
    width, height = figure.get_size_inches()
    kind = ' class="wide"' if width > 2.2 * height else ""
    size = f'style="max-width: min(66rem, {_REM_PER_INCH * width:.1f}rem)"'  # one size of type in all figures
    return f'<figure{kind}><img {size} alt="{text}" src="data:image/png;base64,{encoded}"><figcaption>{text}</figcaption></figure>'
