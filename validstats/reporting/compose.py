"""One page for any results: answers first, then tables and figures, the guarantees in layers, and what reproduces them."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from validstats.base import CalibratedEstimator
from validstats.guarantee import Guarantee
from validstats.intake import alpha_fraction
from validstats.reporting.provenance import data_fingerprint, package_versions, reproducibility, sealed
from validstats.results import Page, Report, Result, Section, Summary, Table
from validstats.runtime import whole_file

__all__ = ["joint_statement", "report"]

_ONE_BATCH = " A statement about each of several batches by itself is counted for one of them."


@runtime_checkable
class _Plottable(Protocol):
    def plot(self) -> Any: ...


def report(
    items: Sequence[Any] | Mapping[str, Any],
    *,
    title: str = "validstats report",
    lead: str = "",
    data: Mapping[str, Any] | None = None,
    seeds: Mapping[str, int] | None = None,
    output: str | os.PathLike[str] | None = None,
    figures: bool = True,
    audit: bool = False,
) -> Page:
    """Put any results on one self-contained page.

    First the answers in sentences, on a sheet of their own when printed; then figures and tables; then what can be relied on,
    what must be checked and the details, answer by answer; then versions, data and seeds.

    Parameters
    ----------
    items : sequence or mapping of str to Result, CalibratedEstimator or Summary
        What to show, in order; the keys of a mapping become headings.
    title : str, default "validstats report"
        Title of the page.
    lead : str, default ""
        Sentence under the title.
    data : mapping of str to data frame or array, or None, default None
        Data sets by name; the page shows their sizes and fingerprints, never their values.
    seeds : mapping of str to int, or None, default None
        Seeds by name, for the reproducibility block.
    output : str, path or None, default None
        File to write: ``.html`` (which prints well), ``.md`` or ``.docx``; nothing is written if None.
    figures : bool, default True
        Whether results that can plot themselves do so.
    audit : bool, default False
        Whether to add what each claim costs and what would break it, and to write a receipt beside ``output``: the
        claims, fingerprints, seeds and versions with a digest, in a file that ends in ``.receipt.json``.

    Returns
    -------
    Page
        The page; ``as_html()`` gives its text.

    Raises
    ------
    TypeError
        If an item is none of the above.
    ValueError
        If there are no items.

    Examples
    --------
    >>> from validstats.results import Report, Summary
    >>> page = report({"A question": Summary(Report("An answer"))})
    >>> [section.title for section in page.sections]
    ['A question', 'Reproducibility']
    """
    named = _named_items(items)
    reports = {name: _summary_of(item).report for name, item in named}
    answers = [_answer(name, r) for name, r in reports.items() if r.answer]
    sections = [Section("Answers", summaries=answers, alone=True)] if answers else []
    sections += [_item_section(name, item, reports[name], figures) for name, item in named]
    layers = [_layers(name, r) for name, r in reports.items() if r.guarantees]
    sections += [Section("What you can rely on", summaries=layers)] if layers else []
    joint = joint_statement([item.guarantee for _, item in named if isinstance(item, Result)])
    if joint is not None:
        sections.append(Section("All statements together", [joint]))
    results = {name: item for name, item in named if isinstance(item, Result)}
    receipt = _receipt(title, results, data or {}, seeds or {}) if audit else None
    if receipt is not None:
        sections.append(prices(results, receipt["digest"]))
    sections.append(reproducibility(data or {}, seeds or {}))
    page = Page(title, lead, sections)
    if output is not None:
        page.write(output)
        if receipt is not None:
            write_receipt(receipt, Path(output).with_suffix(".receipt.json"))
    return page


def joint_statement(guarantees: Sequence[Guarantee]) -> str | None:
    """State with which probability several guarantees hold together, by the union bound.

    Error levels add up whatever the dependence between the statements. A guarantee on average over a family
    of distributions, or none at all, cannot be joined, because it refers to another random experiment.

    Parameters
    ----------
    guarantees : sequence of Guarantee
        The guarantees.

    Returns
    -------
    str or None
        One sentence; None where fewer than two guarantees can be joined or the levels add up to nothing.

    Examples
    --------
    >>> g = Guarantee(holds="s", kind="finite-sample", check=("a",), n_reference=1, citation="c",
    ...               confidence_level=0.95)
    >>> joint_statement([g, g])
    'All 2 statements hold together with probability at least 0.9 (union bound over their error levels).'
    """
    joinable = [g for g in guarantees if g.joins]
    if len(joinable) < 2:
        return None
    level = 1 - sum(alpha_fraction(g.confidence_level) for g in joinable)
    if level <= 0:
        return None
    which = "All" if len(joinable) == len(guarantees) else f"Of the {len(guarantees)} statements, the"
    limit = ", in the limit of large samples" if any(g.in_the_limit for g in joinable) else ""
    return (
        f"{which} {len(joinable)} statements hold together with probability at least {float(level):g}"
        f"{limit} (union bound over their error levels)."
        + (_ONE_BATCH if any(g.n_statements > 1 for g in joinable) else "")
    )


def _named_items(items: Sequence[Any] | Mapping[str, Any]) -> list[tuple[str, Any]]:
    if isinstance(items, Result | CalibratedEstimator | Summary):
        raise TypeError("items must be a list or a mapping; put the one item in a list: report([item]).")
    pairs = list(items.items()) if isinstance(items, Mapping) else [("", item) for item in items]
    if not pairs:
        raise ValueError("items is empty; pass at least one result, calibrated estimator or summary.")
    for _, item in pairs:
        if not isinstance(item, Result | CalibratedEstimator | Summary):
            raise TypeError(
                "items must hold results, calibrated estimators or summaries; "
                f"got an object of type {type(item).__name__}."
            )
    return _told_apart([(name or _summary_of(item).report.title, item) for name, item in pairs])


def _told_apart(named: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """Number the names that occur more than once."""
    seen: dict[str, int] = {}
    found = []
    for name, item in named:
        seen[name] = seen.get(name, 0) + 1
        found.append((name if seen[name] == 1 else f"{name} ({seen[name]})", item))
    return found


def _summary_of(item: Any) -> Summary:
    return item if isinstance(item, Summary) else item.summary()


def _answer(name: str, told: Report) -> Summary:
    """The sentence of a result, with what it can be relied on for."""
    sentence = told.answer if told.answer.endswith((".", "!", "?")) else f"{told.answer}."
    rely = [f"Rely on this: {g.holds.rstrip('.')}." for g in told.guarantees]
    return Summary(Report(name, answer=sentence, notes=rely))


def _layers(name: str, told: Report) -> Summary:
    return Summary(Report(name, guarantees=told.guarantees), details=True)


def _item_section(name: str, item: Any, told: Report, figures: bool) -> Section:
    """Figure and tables of an item; its sentence and its guarantee have places of their own."""
    drawn = []
    if figures and isinstance(item, Result) and isinstance(item, _Plottable):
        drawn.append((item.plot().figure_, name))
    return Section(name, summaries=[Summary(replace(told, guarantees=(), answer=""))], figures=drawn)


def prices(results: Mapping[str, Result], digest: str) -> Section:
    """What each claim spends and rests on, and what would break it."""
    given = {name: item.guarantee for name, item in results.items()}
    levels = {name: g.confidence_level for name, g in given.items()}
    table = Table(
        {
            "Claim": list(given),
            "Strength": [g.heading for g in given.values()],
            "Chance of error": ["none stated" if v is None else f"{1 - v:.3g}" for v in levels.values()],
            "Rests on": [f"{g.n_reference:,} reference units" for g in given.values()],
            "Says something": ["yes" if item.informative else "no" for item in results.values()],
        },
        title="Price of each claim",
    )
    broken = Table(
        {
            "Claim": [name for name, g in given.items() for _ in g.check],
            "It breaks unless": [point for g in given.values() for point in g.check],
        },
        title="What would break it",
    )
    note = f"The receipt of these claims has the digest {digest[:16]}."
    return Section(
        "Audit", summaries=[Summary(Report("Prices and conditions", tables=[table, broken], notes=[note]))]
    )


def _receipt(
    title: str, results: Mapping[str, Result], data: Mapping[str, Any], seeds: Mapping[str, int]
) -> dict[str, Any]:
    claims = {
        name: {"answer": r.answer, "confidence_level": r.guarantee.confidence_level, "kind": r.guarantee.kind}
        for name, r in results.items()
    }
    return sealed(
        {
            "schema": "validstats.receipt/1",
            "title": title,
            "claims": claims,
            "data": {name: data_fingerprint(value) for name, value in data.items()},
            "seeds": dict(seeds),
            "versions": package_versions(),
        }
    )


def write_receipt(receipt: Mapping[str, Any], path: Path) -> None:
    """Write a receipt as JSON."""
    with whole_file(path) as draft:
        draft.write_text(json.dumps(receipt, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
