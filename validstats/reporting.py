"""One page for any results: summaries, figures, the joint statement where one holds, and what reproduces them."""

from __future__ import annotations

import hashlib
import math
import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Protocol, runtime_checkable

import numpy as np

from validstats.base import CalibratedEstimator
from validstats.guarantee import Guarantee
from validstats.intake import alpha_fraction, is_frame, n_rows, row_digests
from validstats.results import Page, Report, Result, Section, Summary, Table

__all__ = ["data_fingerprint", "joint_statement", "package_versions", "report"]

_PACKAGES = ("validstats", "numpy", "scipy", "scikit-learn", "numba", "statsmodels", "pandas")
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
) -> Page:
    """Put any results on one self-contained page.

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
        File to write; nothing is written if None.
    figures : bool, default True
        Whether results that can plot themselves do so.

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
    sections = [_item_section(name, item, figures) for name, item in named]
    joint = joint_statement([item.guarantee for _, item in named if isinstance(item, Result)])
    if joint is not None:
        sections.append(Section("All statements together", [joint]))
    sections.append(_reproducibility(data or {}, seeds or {}))
    page = Page(title, lead, sections)
    if output is not None:
        page.write(output)
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


def data_fingerprint(data: Any) -> str:
    """Fingerprint a data set by its rows, in order.

    Parameters
    ----------
    data : data frame or array-like
        The data; equal values give equal fingerprints in every data frame library.

    Returns
    -------
    str
        Sixteen hexadecimal digits of SHA-256 over the row digests.

    Examples
    --------
    >>> data_fingerprint([[1.0, 2.0]]) == data_fingerprint(np.array([[1.0, 2.0]]))
    True
    """
    return hashlib.sha256(np.ascontiguousarray(row_digests(data)).tobytes()).hexdigest()[:16]


def package_versions(names: Sequence[str] = _PACKAGES) -> dict[str, str]:
    """List the versions that a result was computed with.

    Parameters
    ----------
    names : sequence of str
        Distribution names.

    Returns
    -------
    dict
        Name -> version, Python first; packages that are not installed are left out.

    Examples
    --------
    >>> next(iter(package_versions()))
    'Python'
    """
    versions = {"Python": platform.python_version()}
    for name in names:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions


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
    return [(name or _summary_of(item).report.title, item) for name, item in pairs]


def _summary_of(item: Any) -> Summary:
    return item if isinstance(item, Summary) else item.summary()


def _item_section(name: str, item: Any, figures: bool) -> Section:
    drawn = []
    if figures and isinstance(item, Result) and isinstance(item, _Plottable):
        drawn.append((item.plot().figure_, name))
    return Section(name, summaries=[_summary_of(item)], figures=drawn)


def _reproducibility(data: Mapping[str, Any], seeds: Mapping[str, int]) -> Section:
    tables = []
    if data:
        tables.append(
            Table(
                {
                    "Data": list(data),
                    "Rows": [_n_rows(value) for value in data.values()],
                    "Fingerprint": [data_fingerprint(value) for value in data.values()],
                }
            )
        )
    if seeds:
        tables.append(Table({"Seed of": list(seeds), "Value": [str(seed) for seed in seeds.values()]}))
    return Section(
        "Reproducibility",
        summaries=[Summary(Report("Versions, data and seeds", tuple(package_versions().items()), tables))],
    )


def _n_rows(value: Any) -> int:
    return n_rows(value) if is_frame(value) else math.prod(np.shape(value)[:1])
