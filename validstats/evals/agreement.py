"""Agreement of a judge with humans: what every judged answer carries along."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from validstats._typing import Float1D
from validstats.evals.inputs import EvalInput
from validstats.evals.sentences import percent, say
from validstats.evals.statistics import agreement_draws, agreement_measures, kish_size, weighted_kappa
from validstats.guarantee import Guarantee
from validstats.intake import check_random_state
from validstats.results import NotApplicable, Report, Result, Table, rounded

__all__ = ["AgreementResult", "agreement"]

_FLOOR = 1e-12


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class AgreementResult(Result):
    """How well a judge, or each of several, agrees with humans, over all answers.

    Attributes
    ----------
    terms : tuple of str
        "kappa", "sensitivity", "specificity", "precision", "f1", "accuracy" and "ac1" for verdicts of two kinds; "kappa"
        and "accuracy" for more; "rank correlation" for other scores. With several judges "NAME: kappa" and so on.
    estimate, conf_low, conf_high : ndarray of shape (n_terms,)
        Values with intervals; NaN where a measure does not exist.
    confidence_level : float
        Level of the intervals.
    reasons : mapping of str to str
        Why a measure does not exist.
    n_human : int
        Labels.
    judges : tuple of str
        Names of several judges; empty with one.

    Examples
    --------
    >>> from validstats import evals
    >>> judge = [1, 1, 1, 0, 0, 1, 0, 1, 0, 1] * 10
    >>> human = [1, 1, 0, 0, 0, 1, 0, 1, 1, 1] * 5 + [None] * 50
    >>> result = evals.evaluate({"judge": judge, "human": human})
    >>> dict(zip(result.judge.terms, result.judge.estimate.round(2).tolist()))["kappa"]
    0.58
    """

    terms: tuple[str, ...]
    estimate: Float1D
    conf_low: Float1D
    conf_high: Float1D
    confidence_level: float
    n_human: int
    reasons: Mapping[str, str] = field(default_factory=dict)
    judges: tuple[str, ...] = ()

    @property
    def naive(self) -> NotApplicable:
        """Not computed."""
        return NotApplicable("agreement has no version without human labels")

    def value(self, term: str) -> float | NotApplicable:
        """Return one measure.

        Parameters
        ----------
        term : str
            One of ``terms``.

        Returns
        -------
        float or NotApplicable
            The value, or why there is none.

        Raises
        ------
        KeyError
            If there is no such measure.
        """
        if term not in self.terms:
            raise KeyError(f"There is no measure {term!r}; there are {', '.join(self.terms)}.")
        if term in self.reasons:
            return NotApplicable(self.reasons[term])
        return float(self.estimate[self.terms.index(term)])

    def _answer(self) -> str:
        if not self.judges:
            return self._clause_of("")
        return "; ".join(f"{name}: {self._clause_of(f'{name}: ')}" for name in self.judges)

    def _clause_of(self, prefix: str) -> str:
        """What is said of the judge whose measures begin with ``prefix``."""
        rows = [i for i, term in enumerate(self.terms) if term.startswith(prefix)]
        at = {self.terms[i].removeprefix(prefix): i for i in rows}
        first = self._words(rows[0])
        if "sensitivity" in at:
            good, bad = self.estimate[at["sensitivity"]], 1.0 - self.estimate[at["specificity"]]
            words = ["an unknown share" if math.isnan(v) else percent(v, 0) for v in (good, bad)]
            return _clause("agreement", kappa=first, good=words[0], bad=words[1])
        if "accuracy" in at:
            same = self.estimate[at["accuracy"]]
            return _clause("agreement_classes", kappa=first, same=percent(same, 0))
        return _clause("agreement_scores", value=first)

    def _words(self, row: int) -> str:
        """A measure with its interval."""
        value, low, high = self.estimate[row], self.conf_low[row], self.conf_high[row]
        if math.isnan(value):
            return "unknown"
        spread = (high - low) / 2
        return f"{rounded(value, spread)} ({rounded(low, spread)} to {rounded(high, spread)})"

    def _tidy_columns(self) -> Mapping[str, Any]:
        return {
            "term": list(self.terms),
            "estimate": self.estimate,
            "conf_low": self.conf_low,
            "conf_high": self.conf_high,
        }

    def _glance_columns(self) -> Mapping[str, Any]:
        return {"n_human": self.n_human, "confidence_level": self.confidence_level}

    def _report(self) -> Report:
        columns: dict[str, Any] = {"Measure": list(self.terms), "Estimate": self.estimate}
        table = Table(columns | {"Low": self.conf_low, "High": self.conf_high})
        notes = [f"{term}: {reason}." for term, reason in self.reasons.items()]
        return Report(
            "Agreement of the judges with humans" if self.judges else "Agreement of the judge with humans",
            header=[("Human labels", self.n_human)],
            tables=[table],
            guarantees=[self.guarantee],
            notes=notes,
        )

    def _display(self, labels: Mapping[str, str] | None, drop: Collection[str]) -> Any:
        """Draw the measures with their intervals."""
        from validstats.plotting.evaluations import AgreementDisplay

        return AgreementDisplay.from_result(self, labels=labels, drop=drop)


def _clause(code: str, **fields: str) -> str:
    """A sentence without its final period."""
    return say(code, **fields).sentence.removesuffix(".")


def agreement(data: EvalInput, confidence_level: float, random_state: Any) -> AgreementResult | NotApplicable:
    """Agreement of every judge with the humans; with several its terms begin with the judge's name."""
    if not data.further:
        return _of_one(data, confidence_level, random_state)
    found = {
        name: _of_one(replace(data, score=score, further={}), confidence_level, random_state)
        for name, score in data.judges.items()
    }
    known = {name: result for name, result in found.items() if isinstance(result, AgreementResult)}
    if not known:
        return next(result for result in found.values() if isinstance(result, NotApplicable))
    return replace(
        next(iter(known.values())),
        judges=tuple(known),
        terms=tuple(f"{name}: {term}" for name, result in known.items() for term in result.terms),
        estimate=np.concatenate([result.estimate for result in known.values()]),
        conf_low=np.concatenate([result.conf_low for result in known.values()]),
        conf_high=np.concatenate([result.conf_high for result in known.values()]),
        reasons={
            f"{name}: {t}": reason for name, result in known.items() for t, reason in result.reasons.items()
        },
    )


def _of_one(data: EvalInput, confidence_level: float, random_state: Any) -> AgreementResult | NotApplicable:
    """Agreement over all answers: verdict shares from all rows, human labels given the verdict from labelled ones."""
    assert data.human is not None
    labelled = data.labelled
    truth = data.human[labelled]
    kinds = np.unique(truth)
    _verdicts, names = data.verdict_classes()
    judged = {name for name in names if name != "missing"}
    generator = check_random_state(0 if random_state is None else random_state)
    n_human = int(labelled.sum())
    if set(kinds.tolist()) <= {0.0, 1.0} and judged <= {"0", "1"}:
        return _binary(data, confidence_level, generator, n_human)
    if len(judged) <= 10 and {f"{k:g}" for k in kinds} <= judged and len(kinds) > 1:
        return _classes(data, sorted(judged, key=float), confidence_level, generator, n_human)
    return _correlation(data, confidence_level, generator, n_human)


def _label_weights(data: EvalInput) -> Float1D:
    weight = np.ones(len(data.score)) if data.weight is None else data.weight
    return weight if data.probability is None else weight / data.probability


def _binary(data: EvalInput, level: float, generator: np.random.Generator, n_human: int) -> AgreementResult:
    """Two verdicts; an answer without a verdict counts as not passed by the judge."""
    assert data.human is not None
    said = (data.score == 1.0).astype(np.int64)
    counts, labels = _tables(data, said, data.human, 2, np.array([0.0, 1.0]))
    draws = agreement_measures(agreement_draws(counts, labels, generator))
    share = counts / counts.sum()
    given = labels / np.maximum(labels.sum(axis=1, keepdims=True), _FLOOR)
    point = agreement_measures(share[:, None] * given)
    terms = tuple(point)
    reasons = {}
    if labels[1].sum() == 0 or labels[0].sum() == 0:
        for term in terms:
            reasons[term] = "a verdict has no human label"
    words = {
        "kappa": "judge and humans know one kind of answer only",
        "sensitivity": "no answer is good according to the humans",
        "specificity": "no answer is bad according to the humans",
        "precision": "the judge passes nothing",
        "f1": "nothing is good and nothing passes",
        "ac1": "judge and humans know one kind of answer only",
    }
    for term in terms:
        if term not in reasons and math.isnan(float(point[term])):
            reasons[term] = words.get(term, "0/0")
    return _result(terms, point, draws, level, n_human, reasons)


def _tables(data: EvalInput, said: Any, human: Float1D, n_judge: int, kinds: Float1D) -> tuple[Float1D, Any]:
    """Numbers of answers by verdict, and effective numbers of labels by verdict and human label."""
    weight = np.ones(len(said)) if data.weight is None else data.weight
    labelled = data.labelled
    inverse = _label_weights(data)
    counts, labels = np.zeros(n_judge), np.zeros((n_judge, len(kinds)))
    size = kish_size(np.bincount(data.cluster, weight))
    for q in range(n_judge):
        counts[q] = size * weight[said == q].sum() / weight.sum()
        rows = labelled & (said == q)
        if rows.any():
            units = np.bincount(data.cluster[rows], inverse[rows])
            effective = min(kish_size(units[units > 0]), float(rows.sum()))
            for h, kind in enumerate(kinds):
                labels[q, h] = effective * inverse[rows & (human == kind)].sum() / inverse[rows].sum()
    return counts, labels


def _classes(
    data: EvalInput, names: list[str], level: float, generator: np.random.Generator, n_human: int
) -> AgreementResult:
    """Several verdicts in order: quadratic kappa and plain agreement."""
    assert data.human is not None
    kinds = np.array([float(n) for n in names])
    known = ~np.isnan(data.score)
    part = data.rows(known)
    assert part.human is not None
    said = np.searchsorted(kinds, part.score)
    counts, labels = _tables(part, said, part.human, len(kinds), kinds)
    tables = agreement_draws(counts, labels, generator)
    share = counts / counts.sum()
    point_table = share[:, None] * labels / np.maximum(labels.sum(axis=1, keepdims=True), _FLOOR)
    point = {"kappa": weighted_kappa(point_table, 2), "accuracy": np.trace(point_table)}
    draws = {"kappa": weighted_kappa(tables, 2), "accuracy": np.trace(tables, axis1=1, axis2=2)}
    return _result(("kappa", "accuracy"), point, draws, level, n_human, {})


def _correlation(
    data: EvalInput, level: float, generator: np.random.Generator, n_human: int
) -> AgreementResult | NotApplicable:
    """Scores: rank correlation on labelled rows, interval by Fisher's z (Bonett and Wright 2000)."""
    from scipy import stats

    assert data.human is not None
    rows = data.labelled & ~np.isnan(data.score)
    if rows.sum() < 5 or len(np.unique(data.score[rows])) < 2 or len(np.unique(data.human[rows])) < 2:
        return NotApplicable("too few labels, or labels or verdicts of one kind only")
    r = float(stats.spearmanr(data.score[rows], data.human[rows]).statistic)
    z, n = np.arctanh(np.clip(r, -1 + 1e-12, 1 - 1e-12)), int(rows.sum())
    half = float(stats.norm.isf((1 - level) / 2)) * np.sqrt((1 + r * r / 2) / max(n - 3, 1))
    return _result(
        ("rank correlation",),
        {"rank correlation": np.asarray(r)},
        {"rank correlation": np.array([np.tanh(z - half), np.tanh(z + half)])},
        None,
        n_human,
        {},
        level_shown=level,
    )


def _result(
    terms: Sequence[str],
    point: Mapping[str, Any],
    draws: Mapping[str, Any],
    level: float | None,
    n_human: int,
    reasons: Mapping[str, str],
    level_shown: float | None = None,
) -> AgreementResult:
    estimate = np.array([math.nan if t in reasons else float(point[t]) for t in terms])
    if level is None:
        low, high = (np.array([draws[t][i] for t in terms]) for i in (0, 1))
    else:
        tail = (1.0 - level) / 2.0
        ends = [np.nanquantile(draws[t], [tail, 1.0 - tail]) for t in terms]
        low, high = np.array([e[0] for e in ends]), np.array([e[1] for e in ends])
    shown = float(level if level is not None else level_shown or 0.95)
    inside = np.isfinite(estimate)
    low, high = (
        np.where(inside, np.minimum(low, estimate), low),
        np.where(inside, np.maximum(high, estimate), high),
    )
    guarantee = Guarantee(
        holds=f"about {100 * shown:g} of 100 such intervals contain the agreement over all answers",
        check=("labelled answers were drawn at random, or with the probabilities that were given",),
        details=(
            "Verdict shares and labels given the verdict are drawn from Jeffreys' posteriors; clusters and unequal "
            "probabilities enter as effective numbers of labels, which is an approximation",
        ),
        kind="asymptotic",
        n_reference=n_human,
        citation="Gwet (2008), BJMSP 61, 29, for AC1; Cohen (1960) for kappa",
        confidence_level=shown,
    )
    return AgreementResult(
        guarantee=guarantee,
        terms=tuple(terms),
        estimate=estimate,
        conf_low=low,
        conf_high=high,
        confidence_level=shown,
        n_human=n_human,
        reasons=dict(reasons),
    )
