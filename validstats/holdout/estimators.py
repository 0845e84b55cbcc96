"""Estimator of the reusable holdout: adaptively chosen questions, each charged before it is answered."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from sklearn.model_selection import ShuffleSplit

from validstats.base import CalibratedEstimator
from validstats.exceptions import NoisyReleaseError, noisy_release_message
from validstats.holdout import asking
from validstats.holdout.asking import (
    CompareRelease,
    Desk,
    Gate,
    GuessKind,
    HoldoutCalibration,
    HoldoutScorer,
    Leaderboard,
    Metric,
    TrainingPart,
    calibration_of,
    check_finite_bounds,
    check_labels,
    classes_of,
    count_rows,
    is_estimator,
    is_list_of_targets,
    number_question,
    open_desk,
    plan_of,
    query_question,
    refuse_parts,
    seed_of,
    warn_about_reuse,
)
from validstats.holdout.budget import holdout_report, outlook, warn_if_silent
from validstats.holdout.ledger import Ledger
from validstats.holdout.mechanisms import Analysis, ScoreMechanism
from validstats.holdout.planner import Plan
from validstats.holdout.results import Answer, Answers, Discoveries
from validstats.intake import align, check_positive_int, fit_parameters, row_labels
from validstats.results import Report
from validstats.runtime import is_parts

__all__ = ["HoldoutCalibration", "ReusableHoldout"]


class ReusableHoldout(CalibratedEstimator):
    """A holdout that may be asked again and again, with answers that stay valid whatever was asked before.

    Parameters
    ----------
    queries : int, default 100
        Answers that will be asked for. Declared before the first look; every interval depends on it.
    rounds : int or None, default None
        Batches, if all questions come in so many :meth:`score_many` calls; offers ``mechanism="rounds"``.
    mechanism : {"auto", "guess_and_check", "single_look", "description_length", "gaussian", "thresholdout", "rounds", \
            "fresh_chunks", "thresholdout_science", "sparse", "effective_rounds"}, default "auto"
        How numbers are released. "auto" takes the tightest of :meth:`plan`; the last three have no proof. Cheaper
        releases have verbs of their own: :meth:`best`, :meth:`validate`, :meth:`leaderboard`, :meth:`discover`.
    analysis : {"tight", "rogers2020", "jung2020", "bassily2016"}, default "tight"
        Whose bound ``mechanism="gaussian"`` uses: the package's own, which is the smallest, or a published one. It
        belongs to the declared budget. Under "auto" it is the one that the plan compares.
    tolerance : float in (0, 1] or None, default None
        Half-width that ``mechanism="thresholdout"`` works with: it answers with the guess unless that is off by about
        three quarters of the tolerance. None takes the smallest one that its theorem proves, which says nothing on
        fewer than some 100,000 rows (a warning names how many). A smaller one works on fewer rows; its intervals
        are then marked as not proved.
    overfits : int or None, default None
        Answers from the holdout that Thresholdout may give, which its theorem counts; 10 if None. For
        ``mechanism="thresholdout"``, ``"thresholdout_science"`` and ``"sparse"``; other mechanisms need no such number.
    metric : str or Metric, default "accuracy"
        What :meth:`infer` measures unless told otherwise.
    guess : {"cv", "train"} or None, default "cv"
        Where guesses come from: cross-validation on the training rows, the training score itself (optimistic:
        guesses of overfitted models fail), or nowhere.
    ledger : str, Path, Ledger or None, default None
        Where the budget is kept. A path must hold a ledger made by ``Ledger.create(path)``; None keeps it in
        memory, for quick use in one process.
    vault : float in [0, 1), default 0
        Share of the holdout that is sealed for :meth:`final`.
    user : str, default ""
        Who asks; recorded with every question.
    users : mapping of str to int or None, default None
        Queries for each user, summing to at most ``queries``.
    confidence_level : float, default 0.95
        Probability that all certified answers are within their intervals, together.
    random_state : int, Generator or None, default None
        Of the splits that guesses come from. Noise never depends on it.

    Attributes
    ----------
    calibration_ : HoldoutCalibration
        The declared budget and the sizes.
    guarantee_ : Guarantee
        What is promised.
    ledger_ : Ledger
        The ledger in use.
    training_ : TrainingPart
        The training rows, after :meth:`fit`.
    desk_ : Desk
        What charges and answers; copies of it carry the holdout's rows only under the ledger's key.

    References
    ----------
    Dwork et al. (2015), "The reusable holdout", Science 349; Rogers et al. (2020), guess-and-check.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from validstats.holdout import ReusableHoldout
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(4000, 3))
    >>> y = (X[:, 0] + rng.normal(size=4000) > 0).astype(int)
    >>> rh = ReusableHoldout(queries=50, random_state=0)
    >>> rh.fit(X[:2000], y[:2000]).calibrate(X[2000:], y[2000:])
    ReusableHoldout(queries=50, random_state=0)
    >>> answer = rh.infer(LogisticRegression())
    >>> answer.passed, answer.left["queries"]
    (True, 49)
    """

    calibration_: HoldoutCalibration
    ledger_: Ledger
    training_: TrainingPart
    desk_: Desk

    def __init__(
        self,
        *,
        queries: int = 100,
        rounds: int | None = None,
        mechanism: Literal["auto"] | ScoreMechanism = "auto",
        analysis: Analysis = "tight",
        tolerance: float | None = None,
        overfits: int | None = None,
        metric: str | Metric = "accuracy",
        guess: GuessKind | None = "cv",
        ledger: str | Path | Ledger | None = None,
        vault: float = 0.0,
        user: str = "",
        users: Mapping[str, int] | None = None,
        confidence_level: float = 0.95,
        random_state: Any = None,
    ) -> None:
        self.queries = queries
        self.rounds = rounds
        self.mechanism = mechanism
        self.analysis = analysis
        self.tolerance = tolerance
        self.overfits = overfits
        self.metric = metric
        self.guess = guess
        self.ledger = ledger
        self.vault = vault
        self.user = user
        self.users = users
        self.confidence_level = confidence_level
        self.random_state = random_state

    # ------------------------------------------------------------------ fit, calibrate

    def fit(self, X: Any, y: Any, **fit_params: Any) -> Self:
        """Take the training rows, from which guesses come.

        Parameters
        ----------
        X : array-like or data frame of n rows
            Features.
        y : array-like of shape (n,)
            Labels.
        **fit_params : object
            What ``fit`` of every estimator is given when it is trained on these rows, such as ``sample_weight``.

        Returns
        -------
        ReusableHoldout
            Itself.

        Raises
        ------
        ValueError
            If the lengths differ or there are no rows.
        """
        if is_parts(X):
            refuse_parts(X, "fit", "calibrate() reads rows in parts. Train on a sample, or elsewhere.")
        rows = row_labels(X)
        labels = check_labels(align(y, rows, "y"), count_rows(X), "y")
        parameters = fit_parameters(fit_params, rows)
        seed = seed_of(self.random_state)
        self.training_ = TrainingPart(X, labels, classes_of(labels), seed, parameters=parameters)
        if hasattr(self, "desk_"):
            warn_about_reuse(X, self.desk_.parts)
            self.desk_ = dataclasses.replace(self.desk_, training=self.training_)
        return self

    def calibrate(
        self,
        X: Any,
        y: Any,
        *,
        clusters: Any = None,
        ids: Any = None,
        id_namespace: str = "",
        classes: Sequence[Any] | None = None,
        allow_overlap: Literal["refuse", "charge"] = "refuse",
        check_reuse: bool = True,
    ) -> Self:
        """Hand over the holdout, and open its budget or continue it.

        The same rows, in any order, continue the ledger with what was spent, also where it is in memory and the object is
        a new one. Other declared budgets replace the plan, whose intervals also pay for everything asked before. Rows that
        have another ledger are refused, also with features that were scaled, cast, added or dropped.

        Parameters
        ----------
        X : array-like or data frame of n rows, or rows in parts
            Features of rows that were used for nothing so far. Where there are none, predictions or scores in their place,
            with ``ids``, by which the rows are recognised under other predictions: questions are then about predictions. Rows in
            parts are a dask data frame, a data set of pyarrow, the path of Parquet files, a list of frames, or a function that
            returns an iterator of frames; estimators, metrics and queries are then asked part by part, and what arrives beside
            the rows is named by column.
        y : array-like of shape (n,) or str
            Labels; the column that holds them where the rows are in parts.
        clusters : array-like of shape (n,) or None, default None
            Dependent rows share a value; the clusters must be independent. Answers are then about the mean over
            clusters of the mean within a cluster, and n is the number of clusters.
        ids : array-like of shape (n,) or None, default None
            Who each row is. The order of rows and the vault then depend on the identifiers alone, so that features may
            change between calibrations; the rows themselves are compared as well, so that new identifiers open no new
            budget. Once given, they are needed every time.
        id_namespace : str, default ""
            Whose identifiers they are. Row numbers are refused without it, since they name rows of any data set.
        classes : sequence or None, default None
            Every class that a label may be, where there are no training labels: metrics such as "roc_auc" and "f1" compare with
            them, and the last in sorted order is the positive one. None knows 0 and 1 (False and True) alone.
        allow_overlap : {"refuse", "charge"}, default "refuse"
            What to do where other ledgers have some of these rows, chosen without their labels. "charge" begins with what they
            have left, all of them multiplied, and lets every charge fall on all of them from then on; a vault of theirs that was
            not opened counts as opened.
        check_reuse : bool, default True
            Whether to warn if rows were trained on.

        Returns
        -------
        ReusableHoldout
            Itself.

        Raises
        ------
        LedgerMissingError, LedgerTamperedError, LedgerUnavailableError, LedgerMismatchError
            If the ledger is not there, not sound, cannot be written, or is of other rows.
        HoldoutOverlapError
            If these rows, or a part of them, have another ledger.
        ValueError
            If a parameter or the data are invalid.
        """
        self.desk_ = open_desk(self, X, y, clusters, check_reuse, ids, id_namespace, allow_overlap, classes)
        self.ledger_ = self.desk_.books.ledger
        self.calibration_ = calibration_of(self.desk_)
        self.guarantee_ = self.desk_.guarantee
        warn_if_silent(self.desk_.books.look())
        return self

    def extend(
        self, X: Any, y: Any, *, clusters: Any = None, ids: Any = None, check_reuse: bool = True
    ) -> Self:
        """Let rows join the holdout; what was answered stays valid, and the budget goes on with what is left.

        From then on every question is asked of all rows, so that its interval is narrower; a question that was answered
        before is another one now. The number of rows that join, and when, may depend on answers but not on rows that were
        not released. An open gate is closed: certify it before, or open one on all rows afterwards with the same start and
        propose the kept model first. Rows of a vault stay in it, and the rows that join are divided as the others were.

        Parameters
        ----------
        X : array-like or data frame of m rows
            Features of rows that shaped no model and no guess, with the columns of the holdout.
        y : array-like of shape (m,)
            Labels.
        clusters : array-like of shape (m,) or None, default None
            Clusters of the rows, if the holdout has clusters: whole new ones.
        ids : array-like of shape (m,) or None, default None
            Identifiers of the rows, if the holdout has identifiers.
        check_reuse : bool, default True
            Whether to warn if rows were trained on.

        Returns
        -------
        ReusableHoldout
            Itself. Predictions are from then on given for all rows: those of :meth:`calibrate` first, then these.

        Raises
        ------
        ValueError
            If rows are in the holdout already, clusters are not new, or the mechanism is noisy or answers from chunks; nothing
            is changed then.
        LedgerMismatchError
            If other rows joined the ledger before.
        HoldoutOverlapError
            If another ledger has some of these rows.
        NotCalibratedError
            Before :meth:`calibrate`.

        Examples
        --------
        >>> import numpy as np
        >>> from validstats.holdout import Ledger, ReusableHoldout
        >>> rng = np.random.default_rng(0)
        >>> X, y = rng.normal(size=(3000, 2)), rng.integers(0, 2, 3000)
        >>> rh = ReusableHoldout(queries=5, ledger=Ledger.in_memory(secret=b"example"))
        >>> before = rh.fit(X[:1000], y[:1000]).calibrate(X[1000:2000], y[1000:2000]).infer(np.ones(1000, int), guess=0.5)
        >>> after = rh.extend(X[2000:], y[2000:]).infer(np.ones(2000, int), guess=0.5)
        >>> after.half_width < before.half_width, after.left["queries"]
        (True, 3)
        """
        self._check_calibrated("extend")
        self.desk_ = asking.extend_desk(self._desk("extend"), X, y, clusters, ids, check_reuse)
        self.calibration_ = calibration_of(self.desk_)
        self.guarantee_ = self.desk_.guarantee
        return self

    def _desk(self, verb: str) -> Desk:
        self._check_calibrated(verb)
        desk = self.desk_
        if desk.metric is self.metric and desk.guess is self.guess:
            return desk
        return dataclasses.replace(desk, metric=self.metric, guess=self.guess)

    # ------------------------------------------------------------------ asking

    def infer(
        self,
        target: Any,
        *,
        metric: str | Metric | None = None,
        guess: float | None = None,
        query_id: str | None = None,
        confidence_level: float | None = None,
    ) -> Answer:
        """Ask one question.

        Parameters
        ----------
        target : estimator, array-like of predictions, or callable
            A fitted estimator (an unfitted one is fitted on the training rows); predictions for all holdout rows,
            in the order in which :meth:`calibrate` had them; or ``fn(X, y)``, see :meth:`query`.
        metric : str, Metric or None, default None
            What to measure; the declared one if None. Refused with a callable, which measures by itself.
        guess : float or None, default None
            What you expect, on the metric's scale, from the training rows alone. Estimators are guessed by
            ``guess="cv"`` of the constructor if None.
        query_id : str or None, default None
            Name of the question for the cache, in place of its predictions. One name, one question: the name is
            refused with another metric. Other predictions under the same name are not noticed, and get the first
            answer.
        confidence_level : None
            Not available here: see Raises.

        Returns
        -------
        Answer
            Value, interval, what it cost and what is left; ``float(answer)`` works.

        Raises
        ------
        ValueError
            If ``confidence_level`` is given, or ``metric`` with a callable, the target is invalid, or ``query_id``
            stands for another question already; nothing is charged then.
        BudgetExhaustedError
            If the budget is used up.
        NotCalibratedError
            Before :meth:`calibrate`.
        """
        desk = self._desk("infer")
        if confidence_level is not None:
            raise ValueError(
                "infer(confidence_level=...) is refused: the level holds for all answers together and was "
                "declared before the first look. An answer at another level would break the promise of those "
                "given already. Declare confidence_level in the constructor; a new level opens a new epoch."
            )
        if is_estimator(target) or not callable(target):
            return desk.ask(number_question(desk, target, metric, guess, query_id))
        if metric is not None:
            raise ValueError(
                f"infer(metric={getattr(metric, 'name', metric)!r}) is for estimators and predictions, and the target "
                "is a callable, whose own values are the measure. Leave metric out; nothing was charged."
            )
        return self.query(target, guess=guess, query_id=query_id)

    def predict(self, target: Any, **options: Any) -> np.ndarray:
        """Ask like :meth:`infer`, and return plain values.

        Parameters
        ----------
        target : as in :meth:`infer`, or a list of estimators
            What to ask; each is charged.
        **options : object
            As in :meth:`infer`.

        Returns
        -------
        ndarray of shape (number of targets,)
            The released values.
        """
        self._check_calibrated("predict")
        if is_list_of_targets(target):
            return self.score_many(target, **options).values
        return np.array([float(self.infer(target, **options))])

    def query(
        self,
        fn: Callable[[Any, Any], Any],
        bounds: tuple[float, float] = (0, 1),
        *,
        guess: float | None = None,
        query_id: str | None = None,
    ) -> Answer:
        """Ask for the mean of any function of a row.

        The function sees the holdout rows: the ledger counts what is returned here, not what the function does
        with the rows it sees. Without a ``query_id`` it is charged every time.

        Parameters
        ----------
        fn : callable
            ``fn(X, y)`` returns one number a row.
        bounds : tuple of float, default (0, 1)
            Least and largest value that it can return.
        guess : float or None, default None
            Expected mean; that of the training rows if None.
        query_id : str or None, default None
            Name of the question for the cache. One name, one question: the name is refused with a function of
            another qualified name, or with other bounds. Another function of the same qualified name (any two
            lambdas of one scope) is not noticed, and gets the first answer.

        Returns
        -------
        Answer
            The answer, on the function's own scale.

        Raises
        ------
        ValueError
            If values are out of bounds, the function fails, or ``query_id`` stands for another question already;
            nothing is charged then.
        """
        desk = self._desk("query")
        return desk.ask(query_question(desk, fn, check_finite_bounds(bounds), guess, query_id))

    def score_many(self, targets: Sequence[Any], *, metric: str | Metric | None = None) -> Answers:
        """Ask several questions that do not depend on each other's answers: one round.

        A batch of nothing but questions that were answered before is no round, and costs nothing.

        Parameters
        ----------
        targets : sequence of estimators or predictions
            What to score.
        metric : str, Metric or None, default None
            What to measure.

        Returns
        -------
        Answers
            In order. Either all are asked or none, unless the budget runs out in the middle: then the error's
            ``answered`` holds those that were given.
        """
        desk = self._desk("score_many")
        if len(targets) == 0:
            raise ValueError("score_many needs at least one target.")
        items = desk.ask_all(
            [
                number_question(desk, target, metric, given_as=f"targets[{i}]")
                for i, target in enumerate(targets)
            ]
        )
        return Answers(items=tuple(items), guarantee=desk.guarantee, backend=desk.backend)

    # ------------------------------------------------------------------ cheap releases

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
        return asking.best(self._desk("best"), targets, metric)

    def compare(
        self,
        first: Any,
        second: Any,
        *,
        metric: str | Metric | None = None,
        release: CompareRelease = "difference",
    ) -> Answer:
        """Ask by how much one model is better than another on the same rows.

        The interval follows the rows on which the models differ, so that it is much narrower than those of two scores.
        It is published as a cell around the difference that the training rows show, and costs one question.

        Parameters
        ----------
        first, second : estimator or predictions
            The two.
        metric : str, Metric or None, default None
            What to measure.
        release : {"difference", "sign"}, default "difference"
            A number with its interval, or only which one is better: one of three outcomes, which leaves more for later.

        Returns
        -------
        Answer
            Mean of first minus second, on the metric's scale (a negative difference of a loss is good).
        """
        return asking.compare(self._desk("compare"), first, second, metric, release)

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
        alike. Under mechanisms that release numbers only a bit costs an answer.

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
        return asking.validate(self._desk("validate"), target, at_least, at_most, metric)

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
        return asking.validate_gain(self._desk("validate_gain"), first, second, at_least, metric)

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
        return asking.leaderboard(self._desk("leaderboard"), baseline, metric)

    def ties(self, targets: Sequence[Any], *, metric: str | Metric | None = None) -> Answer:
        """Release which of several models may be the best, on the same rows.

        A model is left out if another one is shown to be better. The truly best model is among those that stay, for the
        price of m - 1 comparisons (ln(m - 1) nats), not of all pairs. That one model is worse than a given other one is
        not said.

        Parameters
        ----------
        targets : sequence of estimators or predictions
            The m models, at least two.
        metric : str, Metric or None, default None
            What to measure.

        Returns
        -------
        Answer
            Without a value; ``tied`` holds the positions of the models that may be the best.

        Raises
        ------
        ValueError
            If there are fewer than two models, or the mechanism does not account for releases beside it.
        BudgetExhaustedError
            If the budget is used up.
        """
        return asking.ties(self._desk("ties"), targets, metric)

    def discover(
        self,
        targets: Sequence[Any],
        *,
        at_least: float,
        false_discovery_rate: float = 0.05,
        metric: str | Metric | None = None,
    ) -> Discoveries:
        """Say which of several models score above a threshold, with a controlled false discovery rate.

        The models may have been chosen after any number of answers of guess-and-check or description length: each
        claim's e-value is multiplied by ``exp(-nats)`` for all that was released before, and e-BH decides over the
        batch. The bets behind the e-values aim at what a claim needs, ``exp(nats) m / rate``, which is known before a
        row is betted on. What is released is the set of confirmed claims; it costs ln 2 nats a claim and one query.

        Parameters
        ----------
        targets : sequence of estimators or predictions
            The m models of this batch.
        at_least : float
            The claim is that the population score exceeds this, on the metric's scale. For a loss, that it is below.
        false_discovery_rate : float, default 0.05
            Expected share of false claims among the confirmed ones of this batch, in (0, 1).
        metric : str, Metric or None, default None
            What to measure.

        Returns
        -------
        Discoveries
            ``confirmed`` is an array of m bool; the result itself is a sequence of them.

        Raises
        ------
        ValueError
            If the mechanism is not one of the two, or an argument is invalid; nothing is charged then.
        BudgetExhaustedError
            If the budget is used up.

        References
        ----------
        Wang and Ramdas (2022), "False discovery rate control with e-values".
        """
        return asking.discover(self._desk("discover"), targets, at_least, false_discovery_rate, metric)

    def final(self, target: Any, *, metric: str | Metric | None = None) -> Answer:
        """Open the vault, once, for the model that was chosen.

        The vault's rows were used for nothing, so the interval is the ordinary one: Clopper and Pearson's for a
        proportion, a betting interval for other bounded metrics. Afterwards the vault is closed for good.

        Parameters
        ----------
        target : estimator or predictions
            The chosen model, or predictions for all holdout rows.
        metric : str, Metric or None, default None
            What to measure.

        Returns
        -------
        Answer
            Score on the vault with an interval that holds by itself, at the level that was declared when the vault
            was opened. Asked again, it is the same interval at the same level.

        Raises
        ------
        ValueError
            If no vault was set aside.
        BudgetExhaustedError
            If it was opened for another question before.
        """
        return asking.final(self._desk("final"), target, metric)

    def gate(self, start: Any, *, margin: float = 1.0, metric: str | Metric | None = None) -> Gate:
        """Open a gate for an automated search: keep or discard, for any number of proposals.

        Each bit is coded, so that their number need not be declared: a search of a thousand proposals costs some four
        nats a proposal that is kept. The same start continues a gate that is open.

        Parameters
        ----------
        start : estimator or predictions
            The model that the search starts from.
        margin : float, default 1.0
            Standard errors by which a proposal must be better; 0 keeps whatever is better.
        metric : str, Metric or None, default None
            What is compared; the declared one if None.

        Returns
        -------
        Gate
            Its ``ask`` proposes, ``certify`` and ``final`` say what the search has gained.
        """
        return asking.open_gate(self._desk("gate"), start, margin, metric)

    # ------------------------------------------------------------------ scikit-learn

    def scorer(self, metric: str | Metric | None = None) -> HoldoutScorer:
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
        desk = self._desk("scorer")
        return HoldoutScorer(desk, desk.chosen(metric))

    def cv(self, test_size: float = 0.2) -> ShuffleSplit:
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
        training = getattr(self, "training_", None)
        return ShuffleSplit(1, test_size=test_size, random_state=0 if training is None else training.seed)

    # ------------------------------------------------------------------ looks that cost nothing

    def plan(self, n: int | None = None) -> Plan:
        """Show what each mechanism would give for the declared budget, before anything is spent.

        Parameters
        ----------
        n : int or None, default None
            Rows of the holdout after the vault is set aside; that of the calibration if None.

        Returns
        -------
        Plan
            Half-widths by mechanism, tightest first; under a published ``analysis`` the Gaussian mechanism has that
            one only.
        """
        if n is None:
            self._check_calibrated("plan", "calibrate(...), or pass n=...,")
            n = self.calibration_.n_units
        return plan_of(self, check_positive_int(n, "n"))

    def outlook(self) -> str:
        """Say in words what the next question would give and cost, without asking it.

        Returns
        -------
        str
            One or two sentences.
        """
        books = self._desk("outlook").books
        return outlook(books.look(), books.left)

    @property
    def exhausted_(self) -> bool:
        """Whether a question has been refused in this epoch; it stays so, in every process."""
        return bool(self._desk("exhausted_").books.look().state["exhausted"])

    @property
    def nats_(self) -> float:
        """Description nats of everything released so far: what a claim chosen now has to pay for.

        This is what :func:`~validstats.holdout.kraft_e_value` takes: minus the logarithm of the mass that is left
        of the ledger. Once a noisy answer was released there is no such number, and
        :class:`~validstats.exceptions.NoisyReleaseError` is raised.
        """
        session = self._desk("nats_").books.look()
        mu_squared = self.ledger_.totals()[1]
        if mu_squared > 0:
            raise NoisyReleaseError(noisy_release_message.format(mu2=mu_squared))
        return max(-session.log_mass, 0.0)

    def _report(self) -> Report:
        books = self.desk_.books
        return holdout_report(self.calibration_, self.ledger_, books, self.guarantee_, self.outlook())

    def plot(self) -> Any:
        """Draw the ledger: budget left, guesses against answers, width along the questions.

        Returns
        -------
        LedgerDisplay
            With ``figure_``.
        """
        from validstats.plotting.ledger import LedgerDisplay

        self._check_calibrated("plot")
        return LedgerDisplay.from_ledger(self.ledger_, queries=self.calibration_.declared.queries).plot()
