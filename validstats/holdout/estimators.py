"""The public face of the reusable holdout."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self, get_args

import numpy as np

from validstats.base import CalibratedEstimator
from validstats.holdout.answers import Answer, Answers
from validstats.holdout.asking import (
    DiscoveryRelease,
    HoldoutSample,
    Looking,
    Metric,
    Question,
    SealedState,
    SpecialReleases,
    TrainingPart,
    VaultRelease,
    as_metric,
    check_finite_bounds,
    check_labels,
    check_users,
    class_indices,
    classes_of,
    count_rows,
    is_estimator,
    is_list_of_targets,
    lent,
    seed_of,
    split_sample,
    subject_of,
    user_tag,
    values_of_query,
    warn_about_other_ledger,
    warn_about_reuse,
)
from validstats.holdout.budget import Books, Declaration, guarantee_of, joint_level, warn_if_silent
from validstats.holdout.ledger import Ledger, ask_digest
from validstats.holdout.mechanisms import ScoreMechanism, check_score_mechanism, mechanism
from validstats.holdout.mechanisms.noisy import Analysis
from validstats.intake import (
    backend_of,
    check_confidence_level,
    check_groups,
    check_in_range,
    check_literal,
    check_positive_int,
    is_frame,
)

__all__ = ["HoldoutCalibration", "ReusableHoldout"]


@dataclass(frozen=True, kw_only=True)
class HoldoutCalibration:
    """What was declared and what it applies to.

    Attributes
    ----------
    declared : Declaration
        The budget.
    n_rows, n_units : int
        Rows and independent units of the reusable part.
    n_vault : int
        Units in the sealed vault.
    epoch : int
        Number of the ledger's epoch.
    """

    declared: Declaration
    n_rows: int
    n_units: int
    n_vault: int
    epoch: int


class ReusableHoldout(
    SealedState, SpecialReleases, VaultRelease, DiscoveryRelease, Looking, CalibratedEstimator
):
    """A holdout that may be asked again and again, with answers that stay valid whatever was asked before.

    Parameters
    ----------
    queries : int, default 100
        Answers that will be asked for. Declared before the first look; every interval depends on it.
    failures : int, default 10
        Guesses that may fail, for mechanisms that check guesses.
    rounds : int or None, default None
        Batches, if all questions come in so many :meth:`score_many` calls; offers ``mechanism="rounds"``.
    mechanism : {"auto", "guess_and_check", "description_length", "gaussian", "thresholdout", "rounds", \
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
    metric : str or Metric, default "accuracy"
        What :meth:`infer` measures unless told otherwise.
    guess : {"cv", "train"} or None, default "cv"
        Where guesses come from: cross-validation on the training rows, the training score itself (optimistic:
        overfitted models burn failures), or nowhere.
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
    >>> rh = ReusableHoldout(queries=50, failures=5, random_state=0)
    >>> rh.fit(X[:2000], y[:2000]).calibrate(X[2000:], y[2000:])
    ReusableHoldout(failures=5, queries=50, random_state=0)
    >>> answer = rh.infer(LogisticRegression())
    >>> answer.passed, answer.left["queries"]
    (True, 49)
    """

    def __init__(
        self,
        *,
        queries: int = 100,
        failures: int = 10,
        rounds: int | None = None,
        mechanism: Literal["auto"] | ScoreMechanism = "auto",
        analysis: Analysis = "tight",
        tolerance: float | None = None,
        metric: str | Metric = "accuracy",
        guess: str | None = "cv",
        ledger: str | Path | Ledger | None = None,
        vault: float = 0.0,
        user: str = "",
        users: Mapping[str, int] | None = None,
        confidence_level: float = 0.95,
        random_state: Any = None,
    ) -> None:
        self.queries = queries
        self.failures = failures
        self.rounds = rounds
        self.mechanism = mechanism
        self.analysis = analysis
        self.tolerance = tolerance
        self.metric = metric
        self.guess = guess
        self.ledger = ledger
        self.vault = vault
        self.user = user
        self.users = users
        self.confidence_level = confidence_level
        self.random_state = random_state

    # ------------------------------------------------------------------ fit, calibrate

    def fit(self, X: Any, y: Any) -> Self:
        """Take the training rows, from which guesses come.

        Parameters
        ----------
        X : array-like or data frame of n rows
            Features.
        y : array-like of shape (n,)
            Labels.

        Returns
        -------
        ReusableHoldout
            Itself.

        Raises
        ------
        ValueError
            If the lengths differ or there are no rows.
        """
        labels = check_labels(y, count_rows(X), "y")
        seed = seed_of(self.random_state)
        self._training = TrainingPart(X, labels, classes_of(labels), seed)
        return self

    def calibrate(self, X: Any, y: Any, *, clusters: Any = None, check_reuse: bool = True) -> Self:
        """Hand over the holdout, and open its budget or continue it.

        The same rows, in any order, continue the ledger with what was spent. Other declared budgets open a new
        epoch, whose intervals also pay for everything asked before.

        Parameters
        ----------
        X : array-like or data frame of n rows
            Features of rows that were used for nothing so far.
        y : array-like of shape (n,)
            Labels.
        clusters : array-like of shape (n,) or None, default None
            Dependent rows share a value; the clusters must be independent. Answers are then about the mean over
            clusters of the mean within a cluster, and n is the number of clusters.
        check_reuse : bool, default True
            Whether to warn if rows were trained on, or have a ledger file while this ledger is in memory.

        Returns
        -------
        ReusableHoldout
            Itself.

        Raises
        ------
        LedgerMissingError, LedgerTamperedError, LedgerMismatchError
            If the ledger is not there, not sound, or of other rows.
        ValueError
            If a parameter or the data are invalid.
        """
        declared_metric = as_metric(self.metric)
        labels = check_labels(y, count_rows(X), "y")
        groups = None if clusters is None else check_groups(clusters, "clusters", len(labels))
        vault = check_in_range(self.vault, "vault", 0.0, 1.0, high_open=True)
        training = getattr(self, "_training", None)
        if declared_metric.response != "predict" and training is None:
            raise ValueError(
                f"metric={declared_metric.name!r} needs the training labels: call fit(...) first."
            )
        known = np.empty(0) if training is None else training.classes
        if check_reuse and training is not None:
            warn_about_reuse(training.X, X)
        ledger = self._resolve_ledger()
        if check_reuse and ledger.path is None:
            warn_about_other_ledger(X, labels)
        sample, sealed, fingerprint = split_sample(
            X, labels, class_indices(labels, known), groups, vault=vault, secret=ledger.secret
        )
        if self.ledger is None and not ledger.fits(fingerprint):
            self.__dict__.pop("ledger_", None)
            return self.calibrate(X, y, clusters=clusters, check_reuse=False)
        declared = self._declare(sample.n_units, vault)
        ledger.bind(fingerprint, user_tag(X, labels) if ledger.path is not None else None)
        books = Books(ledger, declared, self.user)
        books.open()
        self._classes = known
        self._install(ledger, books, sample, sealed, declared, X)
        warn_if_silent(books.look())
        return self

    def _resolve_ledger(self) -> Ledger:
        if isinstance(self.ledger, Ledger):
            return self.ledger
        if self.ledger is not None:
            return Ledger.open(self.ledger)
        return getattr(self, "ledger_", None) or Ledger.in_memory()

    def _declare(self, n: int, vault: float) -> Declaration:
        queries = check_positive_int(self.queries, "queries")
        failures = check_positive_int(self.failures, "failures", minimum=0)
        rounds = None if self.rounds is None else check_positive_int(self.rounds, "rounds")
        if self.guess is not None:
            check_literal(self.guess, "guess", ("cv", "train"))
        users = check_users(self.users, queries, self.user)
        check_confidence_level(self.confidence_level)
        name: str = self.mechanism
        check_literal(self.analysis, "analysis", get_args(Analysis))
        if name == "auto":
            name = self._plan_for(n).choice
        check_score_mechanism(name)
        if mechanism(name).needs_guess and self.guess is None:
            raise ValueError(f"mechanism={name!r} checks guesses, and guess=None gives none. Use guess='cv'.")
        return Declaration(
            n=n,
            queries=queries,
            failures=failures,
            rounds=rounds,
            mechanism=name,
            confidence_level=float(self.confidence_level),
            users=users,
            vault=vault,
            analysis=self._declared_analysis(name),
            tolerance=self._declared_tolerance(),
        )

    def _declared_analysis(self, name: str) -> str | None:
        if name == "gaussian":
            return self.analysis
        if self.mechanism != "auto" and self.analysis != "tight":
            raise ValueError(
                f"analysis={self.analysis!r} is a bound for Gaussian noise, and mechanism={name!r} draws none. Use "
                "mechanism='gaussian', or leave analysis out."
            )
        return None

    def _declared_tolerance(self) -> float | None:
        if self.tolerance is None:
            return None
        if self.mechanism != "thresholdout":
            raise ValueError(
                f"tolerance={self.tolerance!r} is for mechanism='thresholdout', and this is {self.mechanism!r}, whose "
                "intervals follow from the declared counts. Leave tolerance out."
            )
        return check_in_range(self.tolerance, "tolerance", 0.0, 1.0, low_open=True)

    def _install(
        self,
        ledger: Ledger,
        books: Books,
        sample: HoldoutSample,
        sealed: HoldoutSample | None,
        declared: Declaration,
        X: Any,
    ) -> None:
        self.ledger_ = ledger
        self._books = books
        self._parts = (sample, sealed)
        self._backend = backend_of(X) if is_frame(X) else "pandas"
        session = books.look()
        self.calibration_ = HoldoutCalibration(
            declared=declared,
            n_rows=sample.n_rows,
            n_units=sample.n_units,
            n_vault=0 if sealed is None else sealed.n_units,
            epoch=session.turn.epoch,
        )
        self.guarantee_ = guarantee_of(
            declared,
            session.load_main(),
            clustered=sample.clustered,
            level=joint_level(session.state),
        )

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
        self._check_calibrated("infer")
        if confidence_level is not None:
            raise ValueError(
                "infer(confidence_level=...) is refused: the level holds for all answers together and was "
                "declared before the first look. An answer at another level would break the promise of those "
                "given already. Declare confidence_level in the constructor; a new level opens a new epoch."
            )
        if not is_estimator(target) and callable(target):
            if metric is not None:
                raise ValueError(
                    f"infer(metric={getattr(metric, 'name', metric)!r}) is for estimators and predictions, and the target "
                    "is a callable, whose own values are the measure. Leave metric out; nothing was charged."
                )
            return self.query(target, guess=guess, query_id=query_id)
        return self._answers([self._ask_number(self._question(target, metric, guess, query_id))])[0]

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
        self._check_calibrated("query")
        bounds = check_finite_bounds(bounds)
        label = str(query_id or getattr(fn, "__name__", "query"))
        scale = Metric(name=label, rows=lambda y, prediction, X: prediction, bounds=bounds)
        values = values_of_query(fn, self._sample, bounds)
        if guess is None and self._needs_guess():
            training = self._need_training("query")
            guess = float(np.mean(np.asarray(fn(lent(training.X), lent(training.y)), dtype=np.float64)))
        digest = None if query_id is None else ask_digest(self.ledger_.secret, "id", query_id)
        units = self._sample.unit_means(scale.to_unit(values))
        question = Question(
            units=units,
            guess=self._unit_guess(guess, scale),
            query=digest,
            label=label,
            metric=scale,
            subject=None if query_id is None else subject_of(fn, bounds),
        )
        return self._answers([self._ask_number(question)])[0]

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
            In order. Either all are asked or none, unless failures run out in the middle: then the error's
            ``answered`` holds those that were given.
        """
        self._check_calibrated("score_many")
        questions = [self._question(target, metric, None, None) for target in targets]
        if not questions:
            raise ValueError("score_many needs at least one target.")
        asks = [self._ask_number(q) for q in questions]
        return Answers(items=tuple(self._answers(asks)), guarantee=self.guarantee_, backend=self._backend)
