"""The cheap releases: the winner only, one bit, paired differences, a leaderboard, and the vault."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from validstats.holdout.answers import Answer
from validstats.holdout.asking.desk import Asking
from validstats.holdout.asking.metrics import AUC, Metric, auc_score
from validstats.holdout.asking.questions import Question
from validstats.holdout.budget import MIXING, Ask, Outcome, Session
from validstats.holdout.ledger import ask_digest
from validstats.intake import check_in_range

__all__ = ["Leaderboard", "SpecialReleases"]


class SpecialReleases(Asking):
    """Releases beside a plain score, each priced by what it reveals.

    Beside guess-and-check and description length they are accounted for exactly, by the number of transcripts.
    Under the other mechanisms they are derived from plain answers, and cost as many queries as they look at.
    """

    @property
    def _mixes(self) -> bool:
        return self.calibration_.declared.mechanism in MIXING

    # ------------------------------------------------------------------ the winner only

    def best(self, targets: Sequence[Any], *, metric: str | Metric | None = None) -> Answer:
        """Release which of several candidates is best on the holdout, and its score: nothing about the others.

        It costs ln(c) nats and one score, not c scores.

        Parameters
        ----------
        targets : sequence of estimators or predictions
            The c candidates.
        metric : str, Metric or None, default None
            What to measure.

        Returns
        -------
        Answer
            With ``winner``, the index of the best.

        Raises
        ------
        BudgetExhaustedError
            If the budget is used up.
        """
        self._check_calibrated("best")
        chosen = self._metric(metric)
        questions = [self._question(target, chosen, None, None) for target in targets]
        if not questions:
            raise ValueError("best needs at least one candidate.")
        if chosen.name == AUC:
            raise ValueError("best() is for means of row values; use score_many() for AUC.")
        sign = 1.0 if chosen.greater_is_better else -1.0

        def work(session: Session) -> Outcome:
            if not self._mixes:
                releases = [self._main_step(session, q.units, q.guess) for q in questions]
                winner = int(np.argmax([sign * release.value for release in releases]))
                return Outcome.of(releases[winner], chosen.from_unit, winner=winner)
            winner = int(np.argmax([sign * q.units.mean() for q in questions]))
            session.branch(math.log(len(questions)))
            release = self._main_step(session, questions[winner].units, questions[winner].guess)
            return Outcome.of(release, chosen.from_unit, winner=winner)

        digest = ask_digest(self.ledger_.secret, "best", *(q.query for q in questions))
        cost = 1 if self._mixes else len(questions)
        label = f"{chosen.name}: best of {len(questions)}"
        return self._answers([Ask(release="best", label=label, query=digest, work=work, cost=cost)])[0]

    # ------------------------------------------------------------------ paired

    def compare(self, first: Any, second: Any, *, metric: str | Metric | None = None) -> Answer:
        """Ask by how much one model is better than another on the same rows.

        What is released are the two one-sided differences, each near 0 where the models mostly agree, so that
        their intervals are much narrower than those of two scores. It costs two queries.

        Parameters
        ----------
        first, second : estimator or predictions
            The two.
        metric : str, Metric or None, default None
            What to measure.

        Returns
        -------
        Answer
            Mean of first minus second, on the metric's scale (a negative difference of a loss is good).
        """
        self._check_calibrated("compare")
        chosen = self._metric(metric)
        if chosen.name == AUC:
            raise ValueError("compare() is for means of row values, not for AUC.")
        pair = [self._question(target, chosen, 0.0, None) for target in (first, second)]
        difference = pair[0].units - pair[1].units
        span = chosen.bounds[1] - chosen.bounds[0]

        def work(session: Session) -> Outcome:
            sides = [
                self._side_or_main(session, np.clip(part, 0.0, None)) for part in (difference, -difference)
            ]
            return Outcome(
                value=span * (sides[0].value - sides[1].value),
                low=span * (sides[0].low - sides[1].high),
                high=span * (sides[0].high - sides[1].low),
                source=sides[0].source,
                certified=all(side.certified for side in sides),
            )

        digest = ask_digest(self.ledger_.secret, "compare", *(q.query for q in pair))
        ask = Ask(release="compare", label=f"{chosen.name}: difference", query=digest, work=work, cost=2)
        return self._answers([ask])[0]

    def _side_or_main(self, session: Session, units: np.ndarray) -> Any:
        if not self._mixes:
            return self._main_step(session, units, 0.0)
        return session.step(
            "description_length",
            float(units.mean()),
            key="description_length/paired",
            options={"queries": None, "interval": "kl"},
        )

    def _ask_auc(self, question: Question) -> Ask:
        """Release an AUC rounded to a grid; its bound counts the smaller class, whose size is paid for."""
        sample = self._sample
        n_positive = int((sample.labels == 1).sum())
        n_smaller = min(n_positive, sample.n_rows - n_positive)
        if sample.clustered or not self._mixes or n_smaller == 0 or sample.labels.max() > 1:
            raise ValueError(
                "AUC needs two classes in the holdout, independent rows, and mechanism='guess_and_check' or "
                f"'description_length' (this is {self.calibration_.declared.mechanism!r}); nothing was charged."
            )
        value = auc_score(sample.labels, question.units)

        def work(session: Session) -> Outcome:
            key = "description_length/auc"
            if key not in session.state["mechanisms"]:
                session.branch(math.log(sample.n_rows + 1))
            release = session.step(
                "description_length",
                value,
                key=key,
                options={"queries": None, "interval": "hoeffding", "n": n_smaller},
            )
            return Outcome.of(release, float)

        return Ask(
            release="answer", label=question.label, query=question.query, work=work, subject=question.subject
        )

    # ------------------------------------------------------------------ one bit

    def validate(
        self,
        target: Any,
        *,
        at_least: float | None = None,
        at_most: float | None = None,
        metric: str | Metric | None = None,
    ) -> Answer:
        """Ask for one bit: is the score at least (or the loss at most) what is claimed?

        A yes is certified together with all other answers. A no says nothing. Bits are cheap where most of them are
        alike, and a yes is cheaper than a no: with guess-and-check or description length twelve yes cost 6.1 nats
        together, twelve no 11.3, and six of each 16.8 in any order. Under other mechanisms a bit costs an answer.

        Parameters
        ----------
        target : estimator or predictions
            What the claim is about.
        at_least, at_most : float
            The claim, on the metric's scale; exactly one of them.
        metric : str, Metric or None, default None
            What to measure.

        Returns
        -------
        Answer
            Without a value; ``passed`` is the bit and ``bool(answer)`` works.
        """
        self._check_calibrated("validate")
        chosen = self._metric(metric)
        if (at_least is None) == (at_most is None):
            raise ValueError(
                "validate needs exactly one of at_least=... and at_most=...; nothing was charged."
            )
        threshold = at_least if at_least is not None else at_most
        claim = check_in_range(threshold, "at_least" if at_most is None else "at_most", *chosen.bounds)
        question = self._question(target, chosen, 0.0, None)
        if chosen.name == AUC:
            raise ValueError("validate() is for means of row values, not for AUC.")
        unit_claim = float(chosen.to_unit(claim))
        upwards = at_least is not None
        units = question.units if upwards else 1.0 - question.units
        work = self._bit(units, unit_claim if upwards else 1.0 - unit_claim)
        digest = ask_digest(self.ledger_.secret, "validate", question.query, claim, upwards)
        sign = ">=" if upwards else "<="
        return self._answers(
            [Ask(release="bit", label=f"{question.label} {sign} {claim:g}", query=digest, work=work)]
        )[0]

    def validate_gain(
        self, first: Any, second: Any, *, at_least: float = 0.0, metric: str | Metric | None = None
    ) -> Answer:
        """Ask for one bit about a pair: is the first model better than the second by more than so much?

        Parameters
        ----------
        first, second : estimator or predictions
            The two.
        at_least : float, default 0
            The gain that is claimed, on the metric's scale; for losses, by how much the first one's is smaller.
        metric : str, Metric or None, default None
            What to measure.

        Returns
        -------
        Answer
            Without a value; ``passed`` is the bit.

        Notes
        -----
        With guess-and-check or description length the claim is tested by betting on the paired differences of the
        rows, which are mostly zero: the wider the agreement of the two models, the smaller the gain that is found.

        References
        ----------
        Waudby-Smith and Ramdas (2023), "Estimating means of bounded random variables by betting".
        """
        self._check_calibrated("validate_gain")
        chosen = self._metric(metric)
        if chosen.name == AUC:
            raise ValueError("validate_gain() is for means of row values, not for AUC.")
        span = chosen.bounds[1] - chosen.bounds[0]
        gain = check_in_range(at_least, "at_least", -span, span)
        pair = [self._question(target, chosen, 0.0, None) for target in (first, second)]
        difference = pair[0].units - pair[1].units
        units = 0.5 + 0.5 * (difference if chosen.greater_is_better else -difference)
        digest = ask_digest(self.ledger_.secret, "gain", *(q.query for q in pair), gain)
        work = self._bit(units, 0.5 + 0.5 * gain / span, paired=True)
        label = f"{chosen.name}: {pair[0].label.split(': ')[-1]} gains {gain:g}"
        return self._answers([Ask(release="bit", label=label, query=digest, work=work)])[0]

    def _bit(self, units: np.ndarray, claim: float, *, paired: bool = False) -> Callable[[Session], Outcome]:
        def work(session: Session) -> Outcome:
            if self._mixes:
                release = session.step(
                    "sparse_validate",
                    np.clip(units, 0.0, 1.0),
                    claim,
                    key="paired_validate" if paired else None,
                    options={
                        "queries": None,
                        "failures": None,
                        "interval": "betting" if paired else "kl",
                    },
                )
                passed, certified = bool(release.passed), release.certified
            else:
                release = self._main_step(session, units, claim)
                passed, certified = release.low is not None and release.low >= claim, release.certified
            return Outcome(value=None, low=None, high=None, source="bit", certified=certified, passed=passed)

        return work

    # ------------------------------------------------------------------ leaderboard

    def leaderboard(
        self, *, baseline: float | None = None, metric: str | Metric | None = None
    ) -> Leaderboard:
        """Open a board that shows the best score so far, and nothing about submissions that do not improve it.

        The first submission pays for the whole board, for as many submissions as there are queries left; after
        that none costs more. Open it in an epoch of its own where single scores are wanted too.

        Parameters
        ----------
        baseline : float or None, default None
            Score known without the holdout (that of the majority class, say), where the board starts. The worst
            possible score if None.
        metric : str, Metric or None, default None
            What to measure.

        Returns
        -------
        Leaderboard
            Its ``submit`` asks.
        """
        self._check_calibrated("leaderboard")
        chosen = self._metric(metric)
        if chosen.name == AUC or not self._mixes:
            raise ValueError(
                "A leaderboard needs a mean of row values and mechanism='guess_and_check' or "
                f"'description_length', got {chosen.name!r} and {self.calibration_.declared.mechanism!r}."
            )
        worst = chosen.bounds[0] if chosen.greater_is_better else chosen.bounds[1]
        start = worst if baseline is None else check_in_range(baseline, "baseline", *chosen.bounds)
        unit = float(chosen.to_unit(start))
        loss = 1.0 - unit if chosen.greater_is_better else unit
        if loss <= 0:
            raise ValueError(
                f"baseline={baseline!r} is the best possible score already; nothing can improve on it."
            )
        return Leaderboard(self, chosen, loss)

    def _submit(self, target: Any, metric: Metric, baseline_loss: float) -> Answer:
        question = self._question(target, metric, 0.0, None)
        losses = 1.0 - question.units if metric.greater_is_better else question.units

        def work(session: Session) -> Outcome:
            release = session.step(
                "ladder",
                float(losses.mean()),
                key=f"ladder/{metric.name}/{baseline_loss!r}",
                options={
                    "queries": session.declared.queries - session.state["asked"],
                    "baseline": baseline_loss,
                },
            )
            assert release.value is not None
            assert release.low is not None
            assert release.high is not None
            ends = [
                metric.from_unit(1.0 - v if metric.greater_is_better else v)
                for v in (release.low, release.high)
            ]
            value = metric.from_unit(1.0 - release.value if metric.greater_is_better else release.value)
            return Outcome(
                value=value,
                low=min(ends),
                high=max(ends),
                source="holdout" if release.passed else "unchanged",
                certified=release.certified,
                passed=release.passed,
            )

        digest = ask_digest(self.ledger_.secret, "submit", question.query, baseline_loss)
        ask = Ask(release="board", label=f"{question.label} (board)", query=digest, work=work)
        return self._answers([ask])[0]

    # ------------------------------------------------------------------ scikit-learn

    def scorer(self, metric: str | Metric | None = None) -> Any:
        """Return a scorer for scikit-learn's searches: it scores on the holdout, guessing from the test fold.

        An exhausted budget is raised as :class:`BudgetExhaustedInterrupt`, which scikit-learn does not turn into
        NaN. :class:`HoldoutSearchCV` needs fewer looks.

        Parameters
        ----------
        metric : str, Metric or None, default None
            What to measure.

        Returns
        -------
        HoldoutScorer
            For ``GridSearchCV(..., scoring=rh.scorer(), cv=rh.cv())``.
        """
        from validstats.holdout.search import HoldoutScorer

        self._check_calibrated("scorer")
        return HoldoutScorer(self, self._metric(metric))

    def cv(self, test_size: float = 0.2) -> Any:
        """Return the split that goes with :meth:`scorer`: one split, whose test fold gives the guess.

        Parameters
        ----------
        test_size : float, default 0.2
            Share of the training rows on which the guess is made.

        Returns
        -------
        ShuffleSplit
            With one split.
        """
        from sklearn.model_selection import ShuffleSplit

        training = getattr(self, "_training", None)
        seed = 0 if training is None else training.seed
        return ShuffleSplit(1, test_size=test_size, random_state=seed)


@dataclass(frozen=True, repr=False)
class Leaderboard:
    """A board that shows the best score so far.

    Attributes
    ----------
    holdout : ReusableHoldout
        Whose budget it uses.
    metric : Metric
        What it shows.
    baseline_loss : float
        Loss in [0, 1] where it starts.
    """

    holdout: Any
    metric: Metric
    baseline_loss: float

    def submit(self, target: Any) -> Answer:
        """Submit a model.

        Parameters
        ----------
        target : estimator or predictions
            The model.

        Returns
        -------
        Answer
            The best score so far; ``passed`` says whether this one improved it.
        """
        answer: Answer = self.holdout._submit(target, self.metric, self.baseline_loss)
        return answer

    def __repr__(self) -> str:
        return f"Leaderboard(metric={self.metric.name!r})"
