"""Results of evaluations: one answer in words, a table, what can be relied on, and the objects behind."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from validstats import __version__
from validstats._typing import Float1D, Float2D, Int1D
from validstats.evals.agreement import AgreementResult
from validstats.evals.inputs import EvalInput
from validstats.evals.readers import Check, EvalTable
from validstats.evals.sentences import Verdict, needed, points
from validstats.results import NotApplicable, Report, Result, Table

__all__ = [
    "ComparisonResult",
    "EvalResult",
    "EvaluationResult",
    "Inputs",
    "PassAtKResult",
    "RankingResult",
    "ReleaseResult",
    "inputs_of",
]


@dataclass(frozen=True)
class Inputs:
    """What an answer was made from."""

    files: tuple[Mapping[str, Any], ...]
    roles: Mapping[str, str]
    items: int
    systems: tuple[str, ...]
    human_labels: int


def inputs_of(table: EvalTable, human_labels: int = 0) -> Inputs:
    """The record of the inputs of a table."""
    return Inputs(
        files=tuple(
            {"name": f.name, "sha256": f.sha256, "format": f.format, "rows": f.rows} for f in table.files
        ),
        roles=dict(table.roles),
        items=len(table.items),
        systems=tuple(table.systems) if table.has("system") else (),
        human_labels=human_labels,
    )


def inputs_of_data(data: EvalInput) -> Inputs:
    """The record of the inputs of a verb."""
    return inputs_of(data.table, int(data.labelled.sum()))


def _without_nan(value: Any, path: str, nulls: dict[str, str]) -> Any:
    """Plain values, with null for every number that is not finite, and the reason beside."""
    if isinstance(value, dict):
        return {str(k): _without_nan(v, f"{path}.{k}" if path else str(k), nulls) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(v, f"{path}[{i}]", nulls) for i, v in enumerate(value)]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        nulls[path] = "not defined for these data" if math.isnan(value) else "no finite bound"
        return None
    return value


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class EvalResult(Result):
    """An answer about evaluated systems."""

    schema: ClassVar[str] = "validstats.evals/1"
    verb: ClassVar[str] = "eval"

    verdict: Verdict  # Code and sentence of the answer
    checks: tuple[Check, ...] = ()  # Findings about the data
    inputs: Inputs  # Files, roles and sizes
    options: Mapping[str, Any] = field(default_factory=dict)  # Options of the call
    study: Any = None  # What the domain below returned; None where nothing but scores was used
    # Agreement of the judge with the humans
    judge: AgreementResult | NotApplicable = field(
        default_factory=lambda: NotApplicable("there is no judge that humans checked")
    )

    exit_code: int = 0  # 0, unless a gate of the command line fired

    @property
    def confidence_level(self) -> float:
        """Level of the intervals."""
        return float(self.options["confidence_level"])

    def _answer(self) -> str:
        return self.verdict.sentence.removesuffix(".")

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python values, ready for JSON."""
        # Returns keys of every result, and ``validstats`` (version), ``verb``, ``verdict``, ``judge``,
        # ``checks``, ``inputs``, ``options``, ``exit_code`` (0 unless a gate of the command line fired) and
        # ``nulls`` (why a number is null).
        judge = self.judge
        values = {
            **super().to_dict(),
            "validstats": __version__,
            "verb": self.verb,
            "verdict": {"code": self.verdict.code, "sentence": self.verdict.sentence},
            "judge": judge.to_dict() if isinstance(judge, AgreementResult) else {"reason": judge.reason},
            "checks": [{"code": c.code, "severity": c.severity, "sentence": c.sentence} for c in self.checks],
            "inputs": {
                "files": [dict(f) for f in self.inputs.files],
                "roles": dict(self.inputs.roles),
                "items": self.inputs.items,
                "systems": list(self.inputs.systems),
                "human_labels": self.inputs.human_labels,
            },
            "options": {
                k: v for k, v in self.options.items() if isinstance(v, int | float | str | bool | type(None))
            },
            "exit_code": self.exit_code,
        }
        nulls: dict[str, str] = {}
        plain: dict[str, Any] = _without_nan(values, "", nulls)
        return {**plain, "nulls": nulls}

    def _notes(self) -> list[str]:
        """Warnings about the data, in one sentence each."""
        return [c.sentence for c in self.checks if c.severity == "warning"]


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class EvaluationResult(EvalResult):
    """How good one system is, overall and by category.

    Attributes
    ----------
    terms : tuple of str
        "all", then the categories.
    estimates, std_errors, lows, highs : ndarray of shape (n_terms,)
        Estimates with intervals, pointwise.
    judge_estimates, human_estimates : ndarray of shape (n_terms,)
        What the (first) judge alone and the labelled rows alone say; NaN where there is none.
    each_judge : mapping of str to ndarray of shape (n_terms,)
        What each judge alone says, by name, where there are several.
    n_items, n_human : ndarray of shape (n_terms,)
        Sizes.
    share : bool
        Whether scores lie in [0, 1], so that estimates are printed in per cent.
    title : str
        What was evaluated.
    measure : str
        What was estimated: "pass rate" or "mean score".
    """

    verb: ClassVar[str] = "eval"

    terms: tuple[str, ...]
    estimates: Float1D
    std_errors: Float1D
    lows: Float1D
    highs: Float1D
    judge_estimates: Float1D
    human_estimates: Float1D
    n_items: Int1D
    n_human: Int1D
    share: bool
    title: str
    measure: str
    each_judge: Mapping[str, Float1D] = field(default_factory=dict)

    @property
    def estimate(self) -> float:
        """Estimate over all items."""
        return float(self.estimates[0])

    @property
    def conf_low(self) -> float:
        """Lower end over all items."""
        return float(self.lows[0])

    @property
    def conf_high(self) -> float:
        """Upper end over all items."""
        return float(self.highs[0])

    @property
    def naive(self) -> Any:
        """What the judge alone says, or NotApplicable."""
        value = float(self.judge_estimates[0])
        return value if math.isfinite(value) else NotApplicable("there is no judge to take at its word")

    @property
    def informative(self) -> bool:
        """Whether the interval excludes anything."""
        if self.share:
            return bool(self.conf_low > 0.0 or self.conf_high < 1.0)
        return bool(np.isfinite(self.conf_low) or np.isfinite(self.conf_high))

    def _tidy_columns(self) -> Mapping[str, Any]:
        return {
            "term": list(self.terms),
            "estimate": self.estimates,
            "std_error": self.std_errors,
            "conf_low": self.lows,
            "conf_high": self.highs,
            "judge_estimate": self.judge_estimates,
            **{f"judge_estimate_{name}": values for name, values in self.each_judge.items()},
            "human_estimate": self.human_estimates,
            "n_items": self.n_items,
            "n_human": self.n_human,
        }

    def _glance_columns(self) -> Mapping[str, Any]:
        return {
            "estimate": self.estimate,
            "conf_low": self.conf_low,
            "conf_high": self.conf_high,
            "confidence_level": self.confidence_level,
            "n_items": int(self.n_items[0]),
            "n_human": int(self.n_human[0]),
            "n_judges": len(self.each_judge) or int(math.isfinite(self.judge_estimates[0])),
            "code": self.verdict.code,
        }

    def _report(self) -> Report:
        columns: dict[str, Any] = {
            "Items": list(self.terms),
            "Estimate": self.estimates,
            "Low": self.lows,
            "High": self.highs,
        }
        if np.isfinite(self.judge_estimates).any():
            taken = (*columns, "Humans", "Labels", "N")
            each = {f"Judge {k}" if k in taken else k: values for k, values in self.each_judge.items()}
            columns |= (each or {"Judge": self.judge_estimates}) | {
                "Humans": self.human_estimates,
                "Labels": self.n_human,
            }
        columns["N"] = self.n_items
        header = [("Level", f"{100 * self.confidence_level:g} %")]
        if isinstance(self.judge, AgreementResult):
            header.append(("Judges" if self.each_judge else "Judge", self.judge.answer))
        return Report(
            self.title,
            header=header,
            tables=[Table(columns)],
            guarantees=[self.guarantee],
            notes=self._notes(),
        )

    def _display(self, labels: Mapping[str, str] | None, drop: Collection[str]) -> Any:
        """Draw the estimates beside what the judge alone and the humans alone say."""
        from validstats.plotting.evaluations import EvaluationDisplay

        return EvaluationDisplay.from_result(self, labels=labels, drop=drop)


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class ComparisonResult(EvalResult):
    """Difference of two systems, a minus b.

    Attributes
    ----------
    a, b : str
        Candidate and baseline.
    estimate, std_error, conf_low, conf_high, p_value : float
        Difference with interval and p-value, which agree.
    mean_a, mean_b : float
        What each is worth.
    n_items, n_discordant : int
        Items that both answered, and those on which they differ.
    margin : float
        Difference that does not matter.
    detectable : float
        Smallest difference found with 80 % probability at this size.
    needed_items : float
        Items that the observed difference would need.
    share : bool
        Whether scores lie in [0, 1].
    method : str
        Test and interval, in words.
    naive_difference : float
        Difference according to the judge alone; NaN without a judge.
    sign_flip_p_value : float
        p-value of sign flips of units, exact if both systems are exchangeable; NaN where it is not used.
    """

    verb: ClassVar[str] = "compare"

    a: str
    b: str
    estimate: float
    std_error: float
    conf_low: float
    conf_high: float
    p_value: float
    mean_a: float
    mean_b: float
    n_items: int
    n_discordant: int
    margin: float
    detectable: float
    needed_items: float
    share: bool
    method: str
    naive_difference: float = math.nan
    sign_flip_p_value: float = math.nan

    @property
    def naive(self) -> Any:
        """Difference according to the judge alone, or NotApplicable."""
        if math.isfinite(self.naive_difference):
            return self.naive_difference
        return NotApplicable("there is no judge to take at its word")

    @property
    def informative(self) -> bool:
        """Whether the interval excludes anything."""
        if self.share:
            return bool(self.conf_low > -1.0 or self.conf_high < 1.0)
        return bool(np.isfinite(self.conf_low) or np.isfinite(self.conf_high))

    def _tidy_columns(self) -> Mapping[str, Any]:
        return {
            "term": [f"{self.a} - {self.b}"],
            "estimate": [self.estimate],
            "std_error": [self.std_error],
            "p_value": [self.p_value],
            "conf_low": [self.conf_low],
            "conf_high": [self.conf_high],
            "mean_a": [self.mean_a],
            "mean_b": [self.mean_b],
            "n_discordant": [self.n_discordant],
        }

    def _glance_columns(self) -> Mapping[str, Any]:
        return {
            "estimate": self.estimate,
            "conf_low": self.conf_low,
            "conf_high": self.conf_high,
            "p_value": self.p_value,
            "confidence_level": self.confidence_level,
            "margin": self.margin,
            "n_items": self.n_items,
            "detectable": self.detectable,
            "needed_items": self.needed_items,
            "method": self.method,
            "sign_flip_p_value": self.sign_flip_p_value,
            "code": self.verdict.code,
        }

    def _report(self) -> Report:
        table = Table(
            {
                "Difference": ["candidate - baseline"],
                "Estimate": [self.estimate],
                "Low": [self.conf_low],
                "High": [self.conf_high],
                "p": [self.p_value],
                "Candidate": [self.mean_a],
                "Baseline": [self.mean_b],
            },
            formats={"p": "p_value"},
        )
        header = [("Method", self.method)]
        if math.isfinite(self.detectable):
            found = f"differences from {points(self.detectable, None, self.share)} up"
            header.append(("Found with 80 % probability", found))
            header.append(("The observed difference needs", f"about {needed(self.needed_items)} items"))
        if math.isfinite(self.sign_flip_p_value):
            header.insert(1, ("p of sign flips", f"{self.sign_flip_p_value:.3g}"))
        if isinstance(self.judge, AgreementResult):
            header.append(("Judge", self.judge.answer))
        return Report(
            f"Comparison of {self.a} with {self.b}",
            header=header,
            tables=[table],
            guarantees=[self.guarantee],
            notes=self._notes(),
        )

    def _display(self, labels: Mapping[str, str] | None, drop: Collection[str]) -> Any:
        """Draw the difference with its interval and margin."""
        from validstats.plotting.evaluations import ComparisonDisplay

        return ComparisonDisplay.from_result(self, labels=labels)


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class RankingResult(EvalResult):
    """Ranks of several systems, with the ranges that remain possible.

    Attributes
    ----------
    systems : tuple of str
        Systems, best estimate first.
    estimate, std_error, conf_low, conf_high : ndarray of shape (n_systems,)
        What each is worth, with pointwise intervals.
    rank, rank_low, rank_high : ndarray of shape (n_systems,)
        Rank of the estimate, and the range of the true rank (all at once).
    groups : tuple of str
        Letters: systems that share one cannot be told apart.
    above : ndarray of shape (n_systems, n_systems), bool
        Whether the row system is certainly above the column system.
    n_human : ndarray of shape (n_systems,)
        Human labels of each.
    judge_rank : ndarray of shape (n_systems,)
        Rank according to the judge alone; 0 without a judge.
    unit : str
        What the estimates are.
    facts : mapping of str to object
        Other figures to print.
    """

    verb: ClassVar[str] = "rank"

    systems: tuple[str, ...]
    estimate: Float1D
    std_error: Float1D
    conf_low: Float1D
    conf_high: Float1D
    rank: Int1D
    rank_low: Int1D
    rank_high: Int1D
    groups: tuple[str, ...]
    above: Float2D
    n_human: Int1D
    judge_rank: Int1D
    unit: str
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def terms(self) -> tuple[str, ...]:
        """Systems, best estimate first."""
        return self.systems

    @property
    def may_be_best(self) -> tuple[str, ...]:
        """Systems that nothing is certainly above."""
        return tuple(s for s, low in zip(self.systems, self.rank_low, strict=True) if low == 1)

    @property
    def naive(self) -> Any:
        """Ranks of the judge alone, or of the estimates."""
        return self.judge_rank if self.judge_rank.any() else self.rank

    @property
    def informative(self) -> bool:
        """Whether any pair of systems is told apart."""
        return bool(self.above.any())

    def _tidy_columns(self) -> Mapping[str, Any]:
        columns: dict[str, Any] = {
            "term": list(self.systems),
            "system": list(self.systems),
            "estimate": self.estimate,
            "std_error": self.std_error,
            "conf_low": self.conf_low,
            "conf_high": self.conf_high,
            "rank": self.rank,
            "rank_low": self.rank_low,
            "rank_high": self.rank_high,
            "group": list(self.groups),
        }
        if self.judge_rank.any():
            columns["judge_rank"] = self.judge_rank
            columns["n_human"] = self.n_human
        return columns

    def _glance_columns(self) -> Mapping[str, Any]:
        return {
            "n_systems": len(self.systems),
            "n_items": self.inputs.items,
            "n_may_be_best": len(self.may_be_best),
            "pairs_told_apart": int(self.above.sum()),
            "confidence_level": self.confidence_level,
            "code": self.verdict.code,
        }

    def _report(self) -> Report:
        columns: dict[str, Any] = {
            "System": list(self.systems),
            self.unit: self.estimate,
            "Low": self.conf_low,
            "High": self.conf_high,
            "Rank": [
                f"{low}" if low == high else f"{low} to {high}"
                for low, high in zip(self.rank_low, self.rank_high)
            ],
            "Group": list(self.groups),
        }
        if self.judge_rank.any():
            columns["Judge's rank"] = self.judge_rank
            columns["Labels"] = self.n_human
        header = [(name, value) for name, value in self.facts.items()]
        return Report(
            "Ranking",
            header=header,
            tables=[Table(columns)],
            guarantees=[self.guarantee],
            notes=self._notes(),
        )

    def _display(self, labels: Mapping[str, str] | None, drop: Collection[str]) -> Any:
        """Draw the range of ranks of each system."""
        from validstats.plotting.evaluations import RankDisplay

        return RankDisplay.from_result(self, labels=labels, drop=drop)


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class PassAtKResult(EvalResult):
    """How often one of k samples passes or is right, and what is delivered.

    Attributes
    ----------
    k : ndarray of shape (n_terms,)
        Number of samples of each row of the table.
    quantity : tuple of str
        "pass", "pass_by_tests" (something passes, so something is delivered), "best_of_n" (delivered and right), "wrong"
        (delivered and wrong) or "utility" of each row.
    estimate, std_error, conf_low, conf_high : ndarray of shape (n_terms,)
        Estimates with intervals that hold for all k of a quantity at once.
    best_n : tuple of int
        Numbers of samples that may be best for the costs given.
    n_problems, n_audited : int
        Problems, and those with audits that count.
    ceiling : tuple of float or None
        Ends that hold, with the level of the result, the share of problems for which a random passing sample is right however
        many samples are drawn; None with a score, which has no such bound.
    """

    verb: ClassVar[str] = "passk"

    k: Int1D
    quantity: tuple[str, ...]
    estimate: Float1D
    std_error: Float1D
    conf_low: Float1D
    conf_high: Float1D
    best_n: tuple[int, ...]
    n_problems: int
    n_audited: int
    ceiling: tuple[float, float] | None = None

    @property
    def terms(self) -> tuple[str, ...]:
        """Quantity and k of each row."""
        return tuple(f"{q}@{k}" for q, k in zip(self.quantity, self.k, strict=True))

    def of(self, quantity: str) -> dict[str, np.ndarray]:
        """Return the curve of one quantity.

        Parameters
        ----------
        quantity : str
            One of ``quantity``.

        Returns
        -------
        dict of str to ndarray
            k, estimate, conf_low and conf_high.

        Raises
        ------
        KeyError
            If there is no such quantity.
        """
        mask = np.array([q == quantity for q in self.quantity])
        if not mask.any():
            raise KeyError(f"There is no quantity {quantity!r}; there are {sorted(set(self.quantity))}.")
        return {
            "k": self.k[mask],
            "estimate": self.estimate[mask],
            "conf_low": self.conf_low[mask],
            "conf_high": self.conf_high[mask],
        }

    @property
    def naive(self) -> Any:
        """Share of problems with a passing sample by the tests at each k, where audits say more."""
        if len(set(self.quantity)) > 1:
            return self.of("pass_by_tests")["estimate"]
        return NotApplicable("nothing was audited, so that the tests are the answer")

    def _tidy_columns(self) -> Mapping[str, Any]:
        return {
            "term": list(self.terms),
            "k": self.k,
            "quantity": list(self.quantity),
            "estimate": self.estimate,
            "std_error": self.std_error,
            "conf_low": self.conf_low,
            "conf_high": self.conf_high,
        }

    def _glance_columns(self) -> Mapping[str, Any]:
        return {
            "n_problems": self.n_problems,
            "n_audited": self.n_audited,
            "best_n_low": min(self.best_n) if self.best_n else None,
            "best_n_high": max(self.best_n) if self.best_n else None,
            "ceiling_low": self.ceiling[0] if self.ceiling else None,
            "ceiling_high": self.ceiling[1] if self.ceiling else None,
            "confidence_level": self.confidence_level,
            "code": self.verdict.code,
        }

    def _report(self) -> Report:
        words = {
            "pass": "right",
            "pass_by_tests": "passes",
            "best_of_n": "delivered and right",
            "wrong": "delivered and wrong",
            "utility": "utility",
        }
        columns: dict[str, Any] = {"Quantity": [words.get(q, q) for q in self.quantity], "Samples": self.k}
        table = Table(columns | {"Estimate": self.estimate, "Low": self.conf_low, "High": self.conf_high})
        header: list[tuple[str, Any]] = [("Problems", self.n_problems)]
        if self.n_audited:
            header.append(("Audited problems that something passed", self.n_audited))
        if self.ceiling:
            header.append(
                (
                    f"Delivered and right with any number of samples, {100 * self.confidence_level:g} % range",
                    f"{self.ceiling[0]:.3f} to {self.ceiling[1]:.3f}",
                )
            )
        return Report(
            "Repeated samples",
            header=header,
            tables=[table],
            guarantees=[self.guarantee],
            notes=self._notes(),
        )

    def _display(self, labels: Mapping[str, str] | None, drop: Collection[str]) -> Any:
        """Draw the band over k beside the curve of the tests."""
        from validstats.plotting.evaluations import PassAtKDisplay

        return PassAtKDisplay.from_result(self, labels=labels, drop=drop)


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class ReleaseResult(EvalResult):
    """Which new answers may go out unread.

    Attributes
    ----------
    selected : ndarray of shape (n_new,), bool
        Answers that may go out.
    max_false : int or None
        Largest number of wrong ones among them.
    fdr : float or None
        Bound of their expected share.
    n_checked : int
        Answers that humans checked.
    """

    verb: ClassVar[str] = "release"

    selected: np.ndarray
    max_false: int | None
    fdr: float | None
    n_checked: int

    @property
    def estimate(self) -> int:
        """Number of answers that may go out."""
        return int(self.selected.sum())

    @property
    def conf_low(self) -> Any:
        """Not a range: the number of selected answers is known."""
        return NotApplicable(
            "the number of selected answers is known; what is bounded are the wrong ones among them"
        )

    @property
    def conf_high(self) -> Any:
        """Not a range; ``max_false`` bounds the wrong answers."""
        return self.conf_low

    @property
    def naive(self) -> Any:
        """Not computed."""
        return NotApplicable("without checked answers nothing is known about wrong ones")

    @property
    def informative(self) -> bool:
        """Whether anything may go out."""
        return bool(self.selected.any())

    def _tidy_columns(self) -> Mapping[str, Any]:
        return {"term": [f"row {i}" for i in range(len(self.selected))], "selected": self.selected}

    def _glance_columns(self) -> Mapping[str, Any]:
        return {
            "selected": self.estimate,
            "total": len(self.selected),
            "max_false": self.max_false,
            "fdr": self.fdr,
            "n_checked": self.n_checked,
            "confidence_level": self.confidence_level if self.fdr is None else None,
            "code": self.verdict.code,
        }

    def _report(self) -> Report:
        header = [
            ("Checked answers", self.n_checked),
            ("New answers", len(self.selected)),
            ("Selected", self.estimate),
        ]
        return Report("Release", header=header, guarantees=[self.guarantee], notes=self._notes())

    def _display(self, labels: Mapping[str, str] | None, drop: Collection[str]) -> Any:
        """Draw the selection, as the batch domain draws it."""
        return self.study
