"""Kinds of claims that an audit knows: each computes its claim again, and says what breaks it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from validstats import evals
from validstats.batch import BatchMean, BatchPredictor, BatchTotal
from validstats.exceptions import DataReuseWarning, DependentRowsWarning, DriftWarning
from validstats.holdout import Ledger, audit_looks, read_scores
from validstats.intake import read_table
from validstats.results import Result

__all__ = ["CLAIMS", "Flaw", "Material"]

_SURE = 1e-3
"""Chance of a needless finding by a test."""

_FEWEST_GROUPS = 10
"""Groups from which a column may name dependent rows; columns with fewer are categories."""

_SHORTER = 0.9
"""Share of the exact interval's length below which a reported one is called too short."""


@dataclass(frozen=True)
class Flaw:
    """Something that breaks a claim.

    Parameters
    ----------
    code : str
        What it is, in one or two words.
    claim : str
        The claim or the files that it is about.
    sentence : str
        What was seen.
    remedy : str
        What to do.

    Examples
    --------
    >>> Flaw("reused-rows", "train, test", "12 rows are in both.", "Split the rows anew.").code
    'reused-rows'
    """

    code: str
    claim: str
    sentence: str
    remedy: str

    @classmethod
    def of_warning(cls, claim: str, warned: Any) -> Flaw:
        """The finding that a warning of the computation stands for."""
        code = next((c for kind, c in _WARNED.items() if issubclass(warned.category, kind)), "warning")
        return cls(code, claim, str(warned.message), "See the message; then compute again.")


_WARNED = {DependentRowsWarning: "dependent-rows", DataReuseWarning: "reused-rows", DriftWarning: "drift"}


@dataclass
class Material:
    """Files of a study: where they are, what they hold, and how far its ledgers had come."""

    folder: Path
    confidence_level: float
    seed: int
    files: dict[str, Path] = field(default_factory=dict)
    tables: dict[str, Any] = field(default_factory=dict)
    ledgers: dict[str, str] = field(default_factory=dict)

    def file(self, name: str) -> Path:
        """Path of a file of the study, remembered for the receipt."""
        self.files[name] = self.folder / name
        if not self.files[name].is_file():
            raise FileNotFoundError(
                f"The study names the file {name!r}, which is not in {self.folder.absolute()}."
            )
        return self.files[name]

    def table(self, name: str) -> Any:
        """Rows of a file of the study."""
        if name not in self.tables:
            self.tables[name] = read_table(self.file(name))[0]
        return self.tables[name]


def _field(claim: Mapping[str, Any], name: str, of: str) -> Any:
    if name not in claim:
        raise ValueError(f"The claim {of!r} needs {name!r}; it has {sorted(claim)}.")
    return claim[name]


def _said(claim: Mapping[str, Any], name: str) -> tuple[float, float, float]:
    """Estimate and interval as reported; the interval is NaN where only an estimate was."""
    values = [float(v) for v in _field(claim, "says", name)]
    if len(values) not in (1, 3) or (len(values) == 3 and not values[1] <= values[0] <= values[2]):
        raise ValueError(
            f"says of {name!r} must be [estimate] or [estimate, low, high] with low <= estimate <= high, got {values}."
        )
    return (values[0], math.nan, math.nan) if len(values) == 1 else (values[0], values[1], values[2])


def _too_short(name: str, said: tuple[float, float, float], result: Any, code: str, why: str) -> list[Flaw]:
    """A finding if the reported interval is much shorter than ours, or does not exist."""
    ours = float(np.asarray(result.conf_high).ravel()[0] - np.asarray(result.conf_low).ravel()[0])
    theirs = said[2] - said[1]
    if not math.isfinite(ours) or theirs >= _SHORTER * ours:
        return []
    told = "Without an interval" if math.isnan(theirs) else f"With an interval of length {theirs:.3g}"
    return [Flaw(code, name, f"{told}, where {why} gives {ours:.3g}.", f"Report: {result.answer}.")]


def _dependent(name: str, table: Any, outcome: str, others: set[str]) -> list[Flaw]:
    """Columns of names or codes that group rows whose outcomes resemble each other, beyond any smooth effect of a number."""
    y = table[outcome].to_numpy(dtype=float, na_value=np.nan)
    known = ~np.isnan(y)
    grouped = {}
    for column in (c for c in table.columns if c not in others):
        values = table[column][known]
        if values.dtype.kind == "f" or values.isna().any():
            continue
        names, codes, counts = np.unique(
            values.astype(str).to_numpy(), return_inverse=True, return_counts=True
        )
        if _FEWEST_GROUPS <= len(names) <= known.sum() / 2 and counts.max() > 1:
            numbers = values.to_numpy(dtype=float) if values.dtype.kind in "iu" else None
            grouped[column] = (codes, counts, numbers)
    found = []
    for column, (codes, counts, numbers) in grouped.items():
        p = _variance_test(y[known], codes, counts, numbers)
        if p < _SURE / len(grouped):
            sentence = f"Rows with the same {column} resemble each other in {outcome} (p = {p:.1g}), and no clusters are named."
            remedy = f'If {column} says who or what rows belong to, say clusters = "{column}".'
            found.append(Flaw("ignored-clusters", name, sentence, remedy))
    return found


def _variance_test(y: Any, codes: Any, counts: Any, numbers: Any) -> float:
    """p-value of the F test of group means against one mean or, where groups are numbers, against a cubic of these."""
    n, g = len(y), len(counts)
    within = float(((y - (np.bincount(codes, y) / counts)[codes]) ** 2).sum())
    terms = 1 if numbers is None or g <= 5 else 4
    z = np.zeros(n) if terms == 1 else (numbers - numbers.mean()) / numbers.std()
    design = np.vander(z, terms, increasing=True)
    smooth = float(((y - design @ np.linalg.lstsq(design, y, rcond=None)[0]) ** 2).sum())
    if within <= 0:
        return 1.0 if smooth <= 0 else 0.0
    return float(stats.f.sf(max(smooth - within, 0.0) / (g - terms) / (within / (n - g)), g - terms, n - g))


def _judge(name: str, claim: Mapping[str, Any], material: Material) -> tuple[Result, list[Flaw]]:
    """A pass rate by a judge, with human labels of some answers."""
    said = _said(claim, name)
    table = material.table(_field(claim, "file", name)).copy()
    judge, human, clusters = _field(claim, "judge", name), claim.get("human"), claim.get("clusters")
    key = claim.get("id")
    found: list[Flaw] = []
    if "labels" in claim:
        table, found = _with_labels(
            name, table, material.table(claim["labels"]), _field(claim, "human", name), claim
        )
    keys = {column for column in (judge, human, key, clusters) if column}
    if human is None:
        sentence = "The judge is taken at its word: nobody labelled an answer."
        found.append(
            Flaw(
                "unchecked-judge",
                name,
                sentence,
                "Let people label some answers, drawn at random; name the column as human.",
            )
        )
    else:
        found += _unrelated(name, table, judge, human)
    if clusters is None:
        found += _dependent(name, table, human or judge, keys)
    result = evals.evaluate(
        table[[c for c in table.columns if c in keys]],
        **({"judge": judge, "human": human} if human else {"score": judge}),
        item=key,
        clusters=clusters,
        confidence_level=material.confidence_level,
        random_state=material.seed,
    )
    low, high = float(result.conf_low), float(result.conf_high)
    if human is not None and not low <= said[0] <= high:
        sentence = (
            f"{said[0]:.3g} was reported; by people it is {low:.3g} to {high:.3g}. The judge is biased."
        )
        found.append(Flaw("judge-bias", name, sentence, f"Report: {result.answer}."))
    return result, found


def _with_labels(
    name: str, table: Any, labels: Any, human: str, claim: Mapping[str, Any]
) -> tuple[Any, list[Flaw]]:
    """Labels of a file of their own, joined by the identifier; a finding if the study pasted them by position."""
    key = _field(claim, "id", name)
    for part, what in ((table, "file"), (labels, "labels")):
        if key not in part.columns or part[key].duplicated().any():
            raise ValueError(f"{name!r}: {key!r} must be a column of {what} that names every row once.")
    joined = table.drop(columns=[human], errors="ignore").merge(labels[[key, human]], on=key, how="left")
    found = []
    if claim.get("labels_by", "id") == "position":
        n = min(len(table), len(labels))
        apart = int((table[key].astype(str).to_numpy()[:n] != labels[key].astype(str).to_numpy()[:n]).sum())
        if apart or len(table) != len(labels):
            sentence = (
                f"Labels were matched by position, but {apart:,} of {n:,} rows have another {key} there."
            )
            found.append(Flaw("misaligned-labels", name, sentence, f"Match labels by {key}; here they are."))
    return joined, found


def _unrelated(name: str, table: Any, judge: str, human: str) -> list[Flaw]:
    """Labels that have nothing to do with the judge's verdicts do not belong to these rows, or the judge is worthless."""
    known = table[human].notna() & table[judge].notna()
    x, y = (table.loc[known, c].to_numpy(dtype=float) for c in (judge, human))
    if len(x) < 30 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return []
    p = float(stats.kendalltau(x, y, alternative="greater").pvalue)
    if p <= 0.01:
        return []
    sentence = f"Judge and people agree no more than by chance (p = {p:.2g}, {len(x)} labels)."
    return [
        Flaw(
            "misaligned-labels",
            name,
            sentence,
            "Check that labels stand in the rows they belong to; else the judge is worthless.",
        )
    ]


def _looks(name: str, claim: Mapping[str, Any], material: Material) -> tuple[Result, list[Flaw]]:
    """A score on a test set that may have been looked at before."""
    said = _said(claim, name)
    n = int(claim["rows"]) if "rows" in claim else len(material.table(_field(claim, "file", name)))
    past = read_scores(material.file(_field(claim, "scores", name)), claim.get("metric", "score"))
    declared, known_to = int(claim.get("looks", 1)), "the study"
    if "ledger" in claim:
        declared, known_to = _ledger_questions(claim["ledger"], material), "the ledger"
    k = len(past.scores)
    found: list[Flaw] = []
    shown = [round(s, past.decimals) for s in past.scores]
    result = audit_looks(
        n,
        round(said[0], past.decimals),
        decimals=past.decimals,
        scores=shown,
        confidence_level=material.confidence_level,
    )
    if k > declared:
        sentence = f"{k} scores on the test set are recorded, {known_to} knows of {declared}."
        found.append(Flaw("unlogged-looks", name, sentence, f"Report: {result.answer}."))
    if k > 1 and said[0] >= max(past.scores):
        found += _too_short(name, said, result, "best-of-many", f"the best of {k} scores")
    return result, found


def _ledger_questions(name: str, material: Material) -> int:
    ledger = Ledger.open(material.file(name))
    material.ledgers[name] = ledger.receipt()
    material.files.pop(name)  # its bytes change when it is opened; its head does not
    questions = sum(entry.answer is not None or entry.passed is not None for entry in ledger.entries())
    ledger.close()
    return questions


def _share(name: str, claim: Mapping[str, Any], material: Material) -> tuple[Result, list[Flaw]]:
    """A share of rows, from counts or a column of 0 and 1."""
    said = _said(claim, name)
    clusters = claim.get("clusters")
    found: list[Flaw] = []
    if "file" in claim:
        table, column = material.table(claim["file"]), _field(claim, "column", name)
        if clusters is None:
            found += _dependent(name, table, column, {column, claim.get("id", "")})
    else:
        events, n, column = int(_field(claim, "events", name)), int(_field(claim, "n", name)), "passed"
        if not 0 <= events <= n or n < 1:
            raise ValueError(f"{name!r}: events must lie between 0 and n, got {events} of {n}.")
        table = pd.DataFrame({column: (np.arange(n) < events).astype(int)})
    keep = {"item": np.arange(len(table)), column: table[column].to_numpy()}
    if clusters is not None:
        keep[clusters] = table[clusters].to_numpy()
    result = evals.evaluate(
        pd.DataFrame(keep),
        score=column,
        item="item",
        clusters=clusters,
        confidence_level=material.confidence_level,
        random_state=material.seed,
    )
    return result, found + _too_short(
        name, said, result, "narrower-than-exact", "an interval that keeps its level"
    )


def _batch(name: str, claim: Mapping[str, Any], material: Material) -> tuple[Result, list[Flaw]]:
    """The total or mean of new rows, from labelled rows or whole past batches."""
    said = _said(claim, name)
    old, new = material.table(_field(claim, "labelled", name)), material.table(_field(claim, "new", name))
    label, batches = _field(claim, "label", name), claim.get("batches")
    targets = {"mean": BatchMean, "total": BatchTotal}
    target = claim.get("target", "total")
    if target not in targets:
        raise ValueError(f"target of {name!r} must be one of {sorted(targets)}, got {target!r}.")
    found = [] if batches else _dependent(name, old, label, {label})
    column = claim.get("prediction")
    guess = (old[column], new[column]) if column else (np.zeros(len(old)), np.zeros(len(new)))
    model = BatchPredictor(
        None,
        targets[target](),
        bounds=(claim["bounds"][0], claim["bounds"][1]) if "bounds" in claim else (None, None),
        confidence_level=material.confidence_level,
        random_state=material.seed,
    )
    model.calibrate(
        np.asarray(guess[0], dtype=float),
        old[label].to_numpy(dtype=float),
        **({"batches": old[batches]} if batches else {}),
    )
    result = model.infer(np.asarray(guess[1], dtype=float))
    return result, found + _too_short(
        name, said, result, "narrower-than-exact", "an interval for the whole batch"
    )


CLAIMS: Mapping[str, Callable[[str, Mapping[str, Any], Material], tuple[Result, list[Flaw]]]] = {
    "judge": _judge,
    "looks": _looks,
    "share": _share,
    "batch": _batch,
}
"""Kind of a claim -> what computes it again."""
