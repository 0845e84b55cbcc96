"""The audit of a study: its claims computed again with guarantees, what was found wrong, and a receipt to verify."""

from __future__ import annotations

import hashlib
import json
import os
import tomllib
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from validstats.exceptions import ValidstatsWarning
from validstats.intake import row_digests, shared_rows
from validstats.reporting.claims import CLAIMS, Flaw, Material
from validstats.reporting.compose import prices, report
from validstats.reporting.provenance import data_fingerprint, package_versions, receipt_differences, sealed
from validstats.results import Page, Report, Result, Section, Summary, Table
from validstats.runtime import whole_file

__all__ = ["Audit", "Flaw", "audit", "verify"]

_TOP = {"title", "seed", "confidence_level", "data", "claim"}


@dataclass(frozen=True)
class Audit:
    """What the audit of a study found.

    Parameters
    ----------
    title : str
        Title of the study.
    results : mapping of str to Result
        The claims as computed again, by name.
    findings : tuple of Flaw
        What is wrong, most serious first; empty if nothing was found.
    receipt : mapping
        Digests of all files, fingerprints of their rows, heads of ledgers, seed, versions, claims and findings, sealed by a digest.
    tables : mapping of str to DataFrame
        The data files that were read.

    Examples
    --------
    >>> audit({"title": "A claim", "claim": [{"name": "No errors", "kind": "share", "events": 0, "n": 100,
    ...     "says": [0.0, 0.0, 0.0]}]}).findings[0].code
    'narrower-than-exact'
    """

    title: str
    results: Mapping[str, Result]
    findings: tuple[Flaw, ...]
    receipt: Mapping[str, Any]
    tables: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def sound(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    @property
    def answer(self) -> str:
        """What was found, in one sentence."""
        n = len(self.findings)
        if not n:
            return "Nothing was found that breaks a claim; that is no proof that there is nothing."
        return (
            f"{n} finding{'s' if n > 1 else ''}: {', '.join(dict.fromkeys(f.code for f in self.findings))}."
        )

    def summary(self) -> Summary:
        """Return the findings as a report.

        Returns
        -------
        Summary
            Prints as text, shows as HTML in a notebook, exports LaTeX and Markdown.
        """
        flaws = {"Claim": [f.claim for f in self.findings], "Finding": [f.code for f in self.findings]}
        said = [(*self.receipt["said"][name], *[None] * 3)[:3] for name in self.results]
        here = [
            [float(np.asarray(getattr(r, name)).ravel()[0]) for name in ("estimate", "conf_low", "conf_high")]
            for r in self.results.values()
        ]
        numbers = {
            f"{who} {what}": [row[i] for row in rows]
            for who, rows in (("Said", said), ("Here", here))
            for i, what in enumerate(("", "low", "high"))
        }
        claims = {"Claim": list(self.results)} | {key.strip(): values for key, values in numbers.items()}
        tables = [Table(flaws, title="Findings")] if self.findings else []
        return Summary(
            Report(
                self.title,
                header=(("Receipt", str(self.receipt["digest"])[:16]),),
                tables=[*tables, Table(claims, title="Claims")] if self.results else tables,
                notes=[f"{f.claim}: {f.sentence} {f.remedy}" for f in self.findings],
                answer=self.answer,
            )
        )

    def page(self) -> Page:
        """Return one page: findings, then every claim with its guarantee, its price and what would break it.

        Returns
        -------
        Page
            Writes HTML, Markdown and Word.
        """
        seeds = {"study": int(self.receipt["seed"])}
        told = [Section("What was found", summaries=[self.summary()])]
        if not self.results:
            return Page(self.title, self.answer, told)
        *rest, last = report(self.results, data=self.tables, seeds=seeds).sections
        priced = prices(self.results, str(self.receipt["digest"]))
        return Page(self.title, self.answer, [*told, *rest, priced, last])

    def write(self, path: str | os.PathLike[str]) -> Path:
        """Write the page, and the receipt beside it.

        Parameters
        ----------
        path : str or path
            File to write (``.html``, ``.md`` or ``.docx``); the receipt ends in ``.receipt.json``.

        Returns
        -------
        pathlib.Path
            The receipt.
        """
        target = self.page().write(path).with_suffix(".receipt.json")
        with whole_file(target) as draft:
            draft.write_text(json.dumps(self.receipt, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        return target


def audit(study: str | os.PathLike[str] | Mapping[str, Any]) -> Audit:
    """Audit a study: compute its claims again, look for what breaks them, and seal a receipt.

    Looked for are rows that two files share, looks at a test set that no ledger knows, a best score reported as the only one, a
    judge at its word, labels that do not fit their rows, rows that depend on each other, and intervals shorter than the exact ones.

    Parameters
    ----------
    study : str, path or mapping
        A TOML file, or what it says. At the top: ``title``, ``seed`` (0), ``confidence_level`` (0.95), a table ``[data]`` with
        names of files whose rows must differ, and one ``[[claim]]`` for each claim: ``name``, ``kind`` ("judge", "looks",
        "share" or "batch"), ``says`` (estimate, or estimate, low and high, as reported), and what the kind needs; see the
        page on audits in the documentation. Files are looked for beside the study.

    Returns
    -------
    Audit
        Findings, claims with their guarantees, and the receipt.

    Raises
    ------
    ValueError
        If a name is unknown, a claim has no kind, or a field is missing.
    FileNotFoundError, TableError
        If a file cannot be read.

    Examples
    --------
    >>> found = audit({"claim": [{"kind": "share", "events": 4, "n": 100, "says": [0.04, 0.01, 0.10]}]})
    >>> found.sound
    True
    """
    content, folder = _read(study)
    unknown = sorted(set(content) - _TOP)
    if unknown:
        raise ValueError(f"A study has {sorted(_TOP)}, got {unknown}.")
    seed, level = int(content.get("seed", 0)), float(content.get("confidence_level", 0.95))
    material = Material(folder, level, seed)
    tables = {name: material.table(path) for name, path in content.get("data", {}).items()}
    findings = _shared(tables)
    results: dict[str, Result] = {}
    said: dict[str, list[float]] = {}
    for number, claim in enumerate(content.get("claim", []), start=1):
        name = str(claim.get("name", f"Claim {number}"))
        kind = claim.get("kind")
        if kind not in CLAIMS:
            raise ValueError(f"The kind of {name!r} must be one of {sorted(CLAIMS)}, got {kind!r}.")
        if name in results:
            raise ValueError(f"Two claims are called {name!r}; give each a name of its own.")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            results[name], found = CLAIMS[kind](name, claim, material)
        told = [w for w in caught if issubclass(w.category, ValidstatsWarning)]
        findings += [*found, *(Flaw.of_warning(name, w) for w in told)]
        said[name] = [float(v) for v in claim["says"]]
    title = str(content.get("title", "Audit of a study"))
    receipt = _receipt(title, seed, material, said, results, findings)
    return Audit(title, results, tuple(findings), receipt, tables)


def verify(receipt: str | os.PathLike[str], study: str | os.PathLike[str] | Mapping[str, Any]) -> list[str]:
    """Audit a study again and compare with a receipt.

    Parameters
    ----------
    receipt : str or path
        The file that :meth:`Audit.write` wrote.
    study : str, path or mapping
        The study.

    Returns
    -------
    list of str
        What differs, one sentence each; empty if the receipt is confirmed.

    Raises
    ------
    ValueError
        If the file is no receipt.
    """
    try:
        said = json.loads(Path(receipt).read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{receipt} is no receipt: {error}.") from error
    if not isinstance(said, dict) or said.get("schema") != _SCHEMA:
        raise ValueError(f"{receipt} is no receipt of an audit: its schema is not {_SCHEMA!r}.")
    return receipt_differences(said, audit(study).receipt)


_SCHEMA = "validstats.audit/1"


def _read(study: Any) -> tuple[Mapping[str, Any], Path]:
    if isinstance(study, Mapping):
        return study, Path()
    path = Path(study)
    try:
        return tomllib.loads(path.read_text(encoding="utf-8")), path.parent
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path} is no TOML: {error}.") from error


def _shared(tables: Mapping[str, Any]) -> list[Flaw]:
    """Rows that two data files share, columns of both only."""
    names = list(tables)
    found = []
    for i, first in enumerate(names):
        for second in names[i + 1 :]:
            common = [c for c in tables[first].columns if c in tables[second].columns]
            if not common:
                continue
            own, others = (np.asarray(row_digests(tables[n][common])) for n in (first, second))
            n = shared_rows(own, others)
            if n:
                sentence = f"{n:,} rows of {first} ({len(own):,}) are rows of {second} ({len(others):,}) too."
                found.append(
                    Flaw(
                        "reused-rows",
                        f"{first}, {second}",
                        sentence,
                        "Split the rows anew, and compute again.",
                    )
                )
    return found


def _receipt(
    title: str,
    seed: int,
    material: Material,
    said: Mapping[str, Sequence[float]],
    results: Mapping[str, Result],
    findings: Sequence[Flaw],
) -> dict[str, Any]:
    files = {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in material.files.items()}
    return sealed(
        {
            "schema": _SCHEMA,
            "title": title,
            "seed": seed,
            "confidence_level": material.confidence_level,
            "files": files,
            "rows": {name: data_fingerprint(table) for name, table in material.tables.items()},
            "ledgers": dict(material.ledgers),
            "said": {name: list(values) for name, values in said.items()},
            "claims": {name: r.answer for name, r in results.items()},
            "findings": [[f.claim, f.code] for f in findings],
            "versions": package_versions(),
        }
    )
