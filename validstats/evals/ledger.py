"""Comparisons through a ledger: many looks at the same items, one word of three each."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from validstats._typing import AnyArray
from validstats.evals.inputs import EvalInput, item_matrix
from validstats.evals.readers import EvalFileError
from validstats.evals.results import EvalResult, inputs_of_data
from validstats.evals.sentences import say
from validstats.guarantee import Guarantee
from validstats.holdout import Ledger, Metric, ReusableHoldout
from validstats.results import NotApplicable, Report

__all__ = ["LedgerComparisonResult", "compare_through_ledger"]

_LOOKS = 100
"""Comparisons that a budget is declared for where nothing else is said."""

_WORDS = {
    True: ("better", "ledger_better"),
    False: ("worse", "ledger_worse"),
    None: ("undecided", "ledger_undecided"),
}
"""Code and sentence of each of the three outcomes."""

_SEALED = NotApplicable("a ledger lets out one word of three; a number would cost more of its budget")


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class LedgerComparisonResult(EvalResult):
    """Which of two systems is better, and nothing else, so that the same items can be asked again.

    Attributes
    ----------
    a, b : str
        Candidate and baseline.
    left : mapping of str to int
        What is left of the declared budget.
    nats : float
        What was spent of it, in nats; the level of a later answer is divided by its exponential.
    """

    verb: ClassVar[str] = "compare"

    a: str
    b: str
    left: Mapping[str, int]
    nats: float

    @property
    def estimate(self) -> NotApplicable:
        """Not released."""
        return _SEALED

    @property
    def conf_low(self) -> NotApplicable:
        """Not released."""
        return _SEALED

    @property
    def conf_high(self) -> NotApplicable:
        """Not released."""
        return _SEALED

    @property
    def naive(self) -> NotApplicable:
        """Not released."""
        return _SEALED

    @property
    def informative(self) -> bool:
        """Whether the comparison was decided."""
        return self.verdict.code != "undecided"

    def _tidy_columns(self) -> Mapping[str, Any]:
        return {"term": [f"{self.a} - {self.b}"], "code": [self.verdict.code]}

    def _glance_columns(self) -> Mapping[str, Any]:
        return {
            "code": self.verdict.code,
            "comparisons_left": self.left.get("queries"),
            "nats_spent": self.nats,
            "confidence_level": self.confidence_level,
        }

    def _report(self) -> Report:
        header = [("Comparisons left", self.left.get("queries", 0)), ("Nats spent", f"{self.nats:.2f}")]
        return Report(
            f"Comparison of {self.a} with {self.b} through a ledger",
            header=header,
            guarantees=[self.guarantee],
            notes=self._notes(),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python values, ready for JSON.

        Returns
        -------
        dict
            As of every evaluation, with ``budget`` (comparisons left, nats spent) and without any number of the scores.
        """
        return {**super().to_dict(), "budget": {"left": dict(self.left), "nats": self.nats}}

    def plot(
        self, ax: Any = None, labels: Mapping[str, str] | None = None, drop: Collection[str] = ()
    ) -> Any:
        """Refuse a drawing: there is no number to draw.

        Parameters
        ----------
        ax, labels, drop : object
            Not used.

        Raises
        ------
        ValueError
            Always.
        """
        raise ValueError(
            "A comparison through a ledger is one word, so there is nothing to draw; print its answer."
        )


def compare_through_ledger(
    data: EvalInput, a: str, b: str, ledger: str | Path | Ledger, looks: int | None, level: float
) -> LedgerComparisonResult:
    """Ask the one-bit door of the reusable holdout, whose rows are the items."""
    if data.judged:
        raise EvalFileError(
            "ledger= compares scores as they are; a judge that humans correct has no bounded score an item. Leave human= out, "
            "or compare without a ledger."
        )
    if data.weight is not None:
        raise EvalFileError("ledger= counts every item (or cluster) alike; leave weights= out.")
    if not data.in_unit_range:
        raise EvalFileError(
            "ledger= takes scores in [0, 1], which is what its guarantee is about; rescale them by limits that were known "
            "beforehand."
        )
    n_items = len(data.item_names)
    scores, _ = item_matrix(data.score, data.item, data.system, n_items, 2)
    cluster = np.zeros(n_items, dtype=np.int64)
    cluster[data.item] = data.cluster
    single = int(cluster.max()) + 1 == n_items
    binary = bool(np.isin(scores, (0.0, 1.0)).all())
    metric = Metric(name="score of 0 or 1" if binary else "score", rows=_scores_themselves, binary=binary)
    opened = ledger if isinstance(ledger, Ledger) else Ledger.open(ledger)
    holdout = ReusableHoldout(
        ledger=opened,
        queries=_declared(opened) if looks is None else looks,
        mechanism="guess_and_check",
        metric=metric,
        confidence_level=level,
    )
    holdout.calibrate(
        _who_they_are(data.item_names, opened)[:, None],
        np.ones(n_items, dtype=np.int64),
        clusters=None if single else cluster,
    )
    answer = holdout.compare(scores[:, 0], scores[:, 1], release="sign")
    code, sentence = _WORDS[answer.passed]
    units = "item" if single else data.clustered_by
    return LedgerComparisonResult(
        guarantee=_guarantee(level, units, answer.guarantee),
        backend=data.backend,
        verdict=say(sentence, code=code, a=a, b=b),
        inputs=inputs_of_data(data),
        options={"confidence_level": level, "clusters": data.clustered_by},
        study=answer,
        a=a,
        b=b,
        left=dict(answer.left),
        nats=float(holdout.nats_),
    )


def _who_they_are(names: Sequence[Any], ledger: Ledger) -> AnyArray:
    """The items are the rows, whatever was answered: they are known by their names.

    Numbers from 0 or 1 on name the items of any data set: they are known in this ledger only.
    """
    named = np.array(names, dtype=str)
    if any(set(named) == {str(k + i) for i in range(len(named))} for k in (0, 1)):
        return np.char.add(f"{ledger.id} ", named)
    return named


def _scores_themselves(y: AnyArray, prediction: AnyArray, X: Any) -> AnyArray:
    """The score of an item is what was handed over."""
    return prediction


def _declared(ledger: Ledger) -> int:
    """Comparisons that the ledger's budget was declared for."""
    entries = ledger.entries()
    declared = (entries[-1].state if entries else {}).get("declared") or {}
    return int(declared.get("queries", _LOOKS))


def _guarantee(level: float, units: str, below: Guarantee) -> Guarantee:
    return Guarantee(
        holds=(
            f"with probability {level:g} all words given through this ledger are right together, whatever was changed in the "
            "light of earlier ones, provided nobody read the scores otherwise"
        ),
        check=(
            "nobody who changes a system reads these scores otherwise: the file lies open",
            f"units ({units}) do not depend on each other and stand for those that you care about",
            "both systems answered the same items and were graded alike",
        ),
        details=(
            f"The mean over units ({units}) of the mean score within each; 'undecided' is no statement",
            *below.details,
        ),
        kind=below.kind,
        n_reference=below.n_reference,
        citation=below.citation,
        confidence_level=level,
    )
