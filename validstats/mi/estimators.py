"""The learned estimator of mutual information: a trained network with conformal intervals."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, Self, TypeAlias, get_args

import numpy as np

from validstats._typing import Float1D, Float2D, RandomState
from validstats.base import CalibratedEstimator
from validstats.exceptions import SupportWarning, support_message, warn
from validstats.guarantee import Guarantee
from validstats.intake import (
    align,
    alpha_fraction,
    backend_of,
    check_confidence_level,
    check_literal,
    check_positive_int,
    check_random_state,
    row_labels,
)
from validstats.mi.certified import NOT_ASKED, LowerBound, certify_sides, is_quick
from validstats.mi.families import Family
from validstats.mi.network import (
    DIM_CELLS,
    MEDIAN,
    N_CELLS,
    MICalibration,
    NetworkWeights,
    PreparedPair,
    SupportLimits,
    calibrate_scores,
    from_log_scale,
    interval_at,
    member_quantiles_of,
    prepare_pair,
    read_model,
    read_pairs,
    robust_level,
    shipped_weights_path,
    spread_rows,
    thresholds,
    to_log_scale,
)
from validstats.mi.results import LearnedMIResult
from validstats.mi.sides import Declared, Repeats, RowOptions, Rows, Side, prepare_sides, read_rows
from validstats.mi.statistics import ANCHOR_NAMES, CLASSICAL_ANCHORS, SummaryTable
from validstats.mi.training import Shard, check_folder, pack_shard, train_on_family, usable_sample
from validstats.results import NotApplicable, Report, Summary, Table
from validstats.runtime import progress

__all__ = ["NATS_PER_UNIT", "LearnedMI", "Scope", "Unit", "infer_rows", "predict_rows"]

Unit: TypeAlias = Literal["nats", "bits"]
"""Unit of every reported value."""
Scope: TypeAlias = Literal["meta", "robust"]
"""Laws that an interval speaks of: those drawn like the simulated ones, or a kind like the simulated kinds but not among them."""
NATS_PER_UNIT = {"nats": 1.0, "bits": float(np.log(2.0))}

OWN_SETS = "the law of the data sets passed to calibrate"


class LearnedMI(CalibratedEstimator):
    """Mutual information by a network trained on simulated joint distributions, with conformal intervals.

    The network reads ranks only: statistics, neighbour counts and correlations of normal scores. Its answer is the
    same for any order of the rows, of the coordinates of a side and of the two sides, and after any strictly
    increasing map of a coordinate. It corrects a classical estimate, and the correction shrinks as n grows.

    The estimator is ready for use: weights and calibration come with the package. ``fit`` and ``calibrate``
    replace them with your own.

    Parameters
    ----------
    confidence_level : float, default 0.95
        Level of the intervals and of the certified bounds.
    unit : {"nats", "bits"}, default "nats"
        Unit of every value returned.
    weights : str or Path, default "shipped"
        "shipped", "evaluation" (trained without whole kinds of laws, which the model card names), or a file
        written by ``python -m validstats.mi.training.recipes``.
    random_state : int, Generator or None, default None
        Seed of ``fit`` and of ``calibrate`` on a family. ``infer`` uses no randomness.

    Attributes
    ----------
    weights_ : NetworkWeights
        The ensemble in use.
    calibration_ : MICalibration
        Sorted conformity scores, and the largest dimension that was calibrated.
    guarantee_ : Guarantee
        What the intervals promise.

    Notes
    -----
    Coverage is marginal over the family of distributions that the calibration sets come from: it holds on average over
    laws drawn from the family, not for each law, and not for laws from elsewhere. Consistency is claimed only for two
    continuous single columns, where the corrected estimate is the nearest-neighbour estimate on all points and the
    correction is bounded and shrinks as n^(-1/2).

    References
    ----------
    Gritsai, Richards, Meloux, Cho, Peyrard (2025), MIST: Mutual Information via Supervised Training, arXiv 2511.18945.
    Romano, Patterson, Candes (2019), Conformalized Quantile Regression, NeurIPS.

    Examples
    --------
    >>> import numpy as np
    >>> from validstats.mi import LearnedMI
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(300, 2))
    >>> y = x + rng.normal(size=(300, 2))
    >>> result = LearnedMI().infer(x, y)
    >>> bool(result.conf_low <= result.estimate <= result.conf_high)
    True
    """

    def __init__(
        self,
        *,
        confidence_level: float = 0.95,
        unit: Unit = "nats",
        weights: str | Path = "shipped",
        random_state: RandomState = None,
    ) -> None:
        self.confidence_level = confidence_level
        self.unit = unit
        self.weights = weights
        self.random_state = random_state

    # --- the five verbs -----------------------------------------------------------------------------------

    def fit(
        self,
        family: Family | None = None,
        *,
        n_sets: int = 20_000,
        epochs: int = 12,
        ensemble: int = 2,
        shards: str | Path | None = None,
        verbose: bool = True,
    ) -> Self:
        """Train on a family of your own, or return to the weights of the package.

        Parameters
        ----------
        family : Family or None, default None
            Distribution over joint distributions with known mutual information. None loads the weights that
            ``weights`` names, with their calibration.
        n_sets : int, default 20000
            Training sets to draw; a set costs about 10 to 20 milliseconds.
        epochs : int, default 12
            Passes over the sets; training stops early when the validation loss no longer falls.
        ensemble : int, default 2
            Networks to average.
        shards : str, Path or None, default None
            Folder for the drawn sets. A call with the same folder, family and seed goes on where an interrupted one
            stopped; it needs ``random_state``. None keeps them in memory.
        verbose : bool, default True
            Show a progress bar.

        Returns
        -------
        LearnedMI
            Self; after training on a family it must be calibrated.

        Raises
        ------
        ImportError
            If torch, the optional extra, is missing.
        ValueError, TypeError
            If an argument is not usable, or ``shards`` holds the sets of another family.
        """
        if family is None:
            self._forget()
            self._load()
            return self
        if not isinstance(family, Family):
            raise TypeError(
                f"family must be a Family or None, got an object of type {type(family).__name__}."
            )
        check_positive_int(n_sets, "n_sets", minimum=200)
        check_positive_int(epochs, "epochs")
        check_positive_int(ensemble, "ensemble")
        if shards is not None and self.random_state is None:
            raise ValueError(
                "shards can only be resumed under the same seed: set random_state to an integer."
            )
        seed = int(check_random_state(self.random_state).integers(2**32))
        if shards is not None:
            check_folder(Path(shards), family, seed)
        self._forget()
        self.weights_ = train_on_family(
            family, seed, n_sets, epochs=epochs, ensemble=ensemble, shards=shards, verbose=verbose
        )
        return self

    def calibrate(
        self,
        reference: Family | Iterable[tuple[Any, Any, float]],
        *,
        n_sets: int = 2000,
        verbose: bool = True,
    ) -> Self:
        """Calibrate the intervals on data sets whose mutual information is known.

        Parameters
        ----------
        reference : Family or iterable of (x, y, mutual_information)
            A family to draw from, or data sets with their true mutual information in nats. Sets whose answer is known
            beforehand (a constant side, an exact relation) say nothing about the network and are left out.
        n_sets : int, default 2000
            Sets to draw from a family.
        verbose : bool, default True
            Show a progress bar.

        Returns
        -------
        LearnedMI
            Self.
        """
        self._load_weights()
        family = f"the family {reference.name!r}" if isinstance(reference, Family) else OWN_SETS
        drawn = self._reference_shard(reference, check_positive_int(n_sets, "n_sets"), verbose)
        sets, members = member_quantiles_of(drawn, self.weights_)
        table = calibrate_scores(members.mean(axis=0), to_log_scale(drawn.truth), sets.shape)
        self.calibration_ = MICalibration(table, SupportLimits(int(sets.shape[:, 1:].max())), family)
        self._own_calibration = True
        self.guarantee_ = self._guarantee(check_confidence_level(self.confidence_level))
        return self

    def predict(self, x: Any, y: Any = None) -> Any:
        """Return plain estimates: a number for one pair, an array for a list of pairs.

        Parameters
        ----------
        x : array-like of shape (n,) or (n, p), or sequence of (x, y)
            One side, or a list of pairs.
        y : array-like of shape (n,) or (n, q), or None
            The other side of a single pair.

        Returns
        -------
        float or ndarray of shape (m,)
            Medians in ``unit``.
        """
        self._ready("predict")
        rows = [
            Rows(a, b, a.n_rows) for a, b in read_sides(as_pairs(x, y), "auto", "auto", single=y is not None)
        ]
        values = predict_rows(rows, self.weights_) / NATS_PER_UNIT[self.unit]
        return float(values[0]) if y is not None else values

    def infer(
        self,
        x: Any,
        y: Any = None,
        *,
        confidence_level: float | None = None,
        discrete_x: Declared = "auto",
        discrete_y: Declared = "auto",
        repeats: Repeats = "auto",
        ids: Any = None,
        clusters: Any = None,
        exchangeable: bool = False,
        certify: bool | None = None,
        scope: Scope = "meta",
    ) -> LearnedMIResult:
        """Estimate mutual information with an interval and a certified lower bound, for one pair or for many.

        Parameters
        ----------
        x : array-like of shape (n,) or (n, p), or sequence of (x, y)
            One side, row by row, numbers or categories; or a list of pairs.
        y : array-like of shape (n,) or (n, q), or None
            The other side of a single pair.
        confidence_level : float or None, default None
            Level of the intervals and of the certified bound; None takes the estimator's.
        discrete_x, discrete_y : bool or "auto", default "auto"
            Whether a side is discrete, as in :func:`mutual_info`.
        repeats : {"auto", "keep", "collapse"}, default "auto"
            What to do where joint rows repeat. "auto" reads one of each where the rows look like copies, as in a bootstrap sample, and
            keeps them where a few values repeat or all columns are rounded or discrete.
        ids : array-like of shape (n,) or None, default None
            Unit of each row: one row of each is read. For a single pair.
        clusters : array-like of shape (n,) or None, default None
            Groups of dependent rows, of which one row each is read. For a single pair.
        exchangeable : bool, default False
            Whether the order of the rows means nothing, so that no trace of a time series is looked for.
        certify : bool or None, default None
            Whether to compute the certified lower bound, which holds for every law of independent rows; None does for a single pair
            where it costs less than a second: up to 8,000 rows and 60,000 cells.
        scope : {"meta", "robust"}, default "meta"
            What the interval covers. "meta": laws drawn like the simulated ones. "robust": a kind of law drawn like the simulated kinds
            but not among them, about three times as wide, up to the level G / (G + 1) that G kinds resolve.

        Returns
        -------
        LearnedMIResult
            Medians, intervals, quantiles, classical estimates, certified bounds and guarantee.

        Raises
        ------
        ValueError
            If there are fewer than 10 rows, lengths differ, values are missing or infinite, or the weights do not know robust
            intervals at this level.

        Warns
        -----
        RepeatedRowsWarning, SerialDependenceWarning, SupportWarning
            If rows are not independent draws, or a side has more columns than any simulated one: there is no interval then.
        """
        self._ready("infer")
        level = check_confidence_level(
            self.confidence_level if confidence_level is None else confidence_level
        )
        if y is not None:
            labels = row_labels(x, name="x")
            ids, clusters = align(ids, labels, "ids"), align(clusters, labels, "clusters")
        check_scope(scope, self.calibration_, level)
        options = RowOptions(repeats, ids, clusters, exchangeable)
        options.check()
        single = y is not None
        if not single and (ids is not None or clusters is not None):
            raise ValueError(
                "ids and clusters belong to the rows of a single pair: call infer(x, y) for each."
            )
        pairs = as_pairs(x, y)
        rows = [read_rows(a, b, options) for a, b in read_sides(pairs, discrete_x, discrete_y, single=single)]
        backend = backend_of(pairs[0][0])
        return infer_rows(self, rows, level, options, certify, self.unit, single, backend, scope)

    # --- steps --------------------------------------------------------------------------------------------

    def _load(self) -> None:
        path = (
            Path(self.weights)
            if str(self.weights).endswith(".npz")
            else shipped_weights_path(str(self.weights))
        )
        if not path.exists():
            raise ValueError(
                f"weights must be 'shipped', 'evaluation' or a .npz file, got {str(self.weights)!r}."
            )
        self.weights_, self.calibration_ = read_model(path)
        self._loaded = self.weights
        self.guarantee_ = self._guarantee(check_confidence_level(self.confidence_level))

    def _ready(self, verb: str) -> None:
        check_literal(self.unit, "unit", get_args(Unit))
        self._load_weights()
        self._check_calibrated(verb, remedy="calibrate(family)")

    def _forget(self) -> None:
        for name in ("weights_", "calibration_", "guarantee_", "_loaded", "_own_calibration"):
            if hasattr(self, name):
                delattr(self, name)

    def _load_weights(self) -> None:
        # Weights of the caller's own training stay; loaded ones follow the parameter.
        if not hasattr(self, "weights_"):
            self._load()
        elif getattr(self, "_loaded", self.weights) != self.weights:
            if getattr(self, "_own_calibration", False):
                raise ValueError(
                    f"weights was changed to {str(self.weights)!r} after calibrate(), whose intervals belong to "
                    f"{str(self._loaded)!r}. Call fit() and calibrate(...) again."
                )
            self._load()

    def _reference_shard(self, reference: Any, n_sets: int, verbose: bool) -> Shard:
        structure = self.weights_.reads_structure
        if isinstance(reference, Family):
            seed = int(check_random_state(self.random_state).integers(2**32)) + 2**33
            bar = progress(range(n_sets), n_sets, "calibration sets", verbose)
            drawn = [usable_sample(reference, seed, index, structure) for index in bar]
            kept = [pair for pair in drawn if pair is not None]
            truths = [sample.mutual_information for sample, _ in kept]
            return pack_shard([summary for _, summary in kept], truths)
        summaries, truths = [], []
        for position, item in enumerate(_checked_iterable(reference)):
            if not (isinstance(item, tuple | list) and len(item) == 3):
                raise ValueError(
                    f"reference must hold triples (x, y, mutual_information); number {position + 1} is not one."
                )
            prepared = prepare_pair(*read_numbered(item[0], item[1], position), structure)
            if prepared.summaries:
                summaries.append(prepared.summaries[0])
                truths.append(_checked_truth(item[2], position))
        if not summaries:
            raise ValueError("calibrate() needs at least one data set with a known mutual information.")
        return pack_shard(summaries, truths)

    def _guarantee(self, level: Any, scope: Scope = "meta") -> Guarantee:
        calibration = self.calibration_
        if scope == "robust" and calibration.robust is not None:
            return robust_guarantee(calibration, float(level))
        return Guarantee(
            holds=(
                f"in {100 * float(level):g} of 100 data sets drawn like the simulated ones that calibrate it, the interval contains "
                "the true mutual information; no method can promise that for one given kind of data"
            ),
            kind="marginal-over-family",
            check=(
                f"your data are of a kind with the simulated ones, those of {calibration.family}",
                "the rows are independent of each other and come from one source",
            ),
            n_reference=calibration.n_sets,
            citation="Vovk, Gammerman, Shafer (2005), section 4.5 (Mondrian); Chernozhukov et al. (2021), PNAS 118(48)",
            confidence_level=float(level),
            details=(
                f"The probability is at least {float(level):g} on average over laws, sample sizes and dimensions as "
                f"{calibration.family} draws them",
                f"Scores are kept apart for {len(calibration.table.cells)} cells of n (from {N_CELLS}) and of "
                f"dim X + dim Y (from {DIM_CELLS}), where at least 1,000 sets are there; the other sets share theirs",
                "For laws outside the family the interval may cover less often; the certified lower bound, which is not part of the "
                "interval, holds for every law of independent rows",
            ),
        )

    def _report(self) -> Report:
        calibration = self.calibration_
        cells = list(calibration.table.cells.items())
        table = Table(
            {
                "n from": [N_CELLS[row] for (row, _), _ in cells],
                "dim X + dim Y from": [DIM_CELLS[column] for (_, column), _ in cells],
                "Calibration sets": [len(scores) for _, scores in cells],
            },
            title="Cells of the calibration",
        )
        card = self.weights_.card
        header = [("Networks", len(self.weights_.members)), ("Calibration sets", calibration.n_sets)]
        if "training_sets" in card:
            header.append(("Training sets", int(card["training_sets"])))
        return Report(
            title="Learned mutual information: calibration",
            header=header,
            tables=[table],
            guarantees=[self._guarantee(check_confidence_level(self.confidence_level))],
        )

    def summary(self, *, details: bool = False) -> Summary:
        """Describe the calibration; loads the shipped one if none was made.

        Parameters
        ----------
        details : bool, default False
            Whether to print the details of the guarantee.

        Returns
        -------
        Summary
            Prints as text, shows as HTML in a notebook, exports LaTeX and Markdown.
        """
        self._ready("summary")
        return super().summary(details=details)


# --- reading and answering --------------------------------------------------------------------------------


def as_pairs(x: Any, y: Any) -> list[tuple[Any, Any]]:
    """The pairs that ``infer(x, y)`` or ``infer([(x, y), ...])`` passes."""
    if y is not None:
        return [(x, y)]
    fits = isinstance(x, Sequence) and not isinstance(x, str) and len(x) > 0
    if not fits or not all(isinstance(pair, tuple | list) and len(pair) == 2 for pair in x):
        raise ValueError("Pass two sides, infer(x, y), or a non-empty list of pairs, infer([(x, y), ...]).")
    return [(pair[0], pair[1]) for pair in x]


def read_sides(
    pairs: list[tuple[Any, Any]], discrete_x: Declared, discrete_y: Declared, *, single: bool
) -> list[tuple[Side, Side]]:
    """Read the sides of every pair; errors of a list say which."""
    if single:
        return [prepare_sides(*pairs[0], discrete_x, discrete_y)]
    return [read_numbered(a, b, i, discrete_x, discrete_y) for i, (a, b) in enumerate(pairs)]


def read_numbered(
    x: Any, y: Any, position: int, discrete_x: Declared = "auto", discrete_y: Declared = "auto"
) -> tuple[Side, Side]:
    """Read one of several data sets; errors say which."""
    try:
        return prepare_sides(x, y, discrete_x, discrete_y)
    except (ValueError, TypeError) as error:
        raise type(error)(f"Data set {position + 1}: {error}") from error


def medians(prepared: list[PreparedPair], sets: SummaryTable | None, quantiles: Float2D) -> Float1D:
    """Estimates in nats: medians, at most the entropy of a discrete side, or what is known."""
    bound = np.zeros(0) if sets is None else sets.bound.astype(np.float64)
    return spread_rows(prepared, np.minimum(from_log_scale(quantiles[:, MEDIAN]), bound)[:, None])[:, 0]


def predict_rows(rows: list[Rows], weights: NetworkWeights) -> Float1D:
    """Plain estimates in nats."""
    prepared = [prepare_pair(r.x, r.y, weights.reads_structure) for r in rows]
    sets, members = read_pairs(prepared, weights)
    return medians(prepared, sets, members.mean(axis=0))


def check_scope(scope: Scope, calibration: MICalibration, level: Any) -> None:
    """Refuse robust intervals that the weights, or the number of kinds, do not give."""
    check_literal(scope, "scope", get_args(Scope))
    if scope == "meta":
        return
    if calibration.robust is None:
        raise ValueError(
            "scope='robust' needs the errors of networks that left each kind of law out, and these weights come without them. "
            "Use scope='meta', or the shipped weights with their own calibration."
        )
    count = len(calibration.robust.kinds)
    if robust_level(count, alpha_fraction(level)) > 1:
        raise ValueError(
            f"scope='robust' rests on {count} kinds of laws, which resolve levels up to {count}/{count + 1} = "
            f"{count / (count + 1):.3f}; got confidence_level = {float(level):g}. Pass confidence_level=0.9, or scope='meta'."
        )


def robust_guarantee(calibration: MICalibration, level: float) -> Guarantee:
    """What a robust interval promises."""
    assert calibration.robust is not None
    count = len(calibration.robust.kinds)
    return Guarantee(
        holds=(
            f"for a kind of law drawn like the {count} simulated kinds, but not among them, the interval contains the true mutual "
            f"information in about {100 * level:g} of 100 data sets"
        ),
        kind="asymptotic",
        check=(
            "your kind of data differs from the simulated kinds no more than these differ from each other",
            "the rows are independent of each other and come from one source",
        ),
        n_reference=count,
        citation="Vovk, Gammerman, Shafer (2005), chapter 2, applied to kinds of laws",
        confidence_level=level,
        details=(
            f"Kinds: {', '.join(calibration.robust.kinds)}",
            "Each kind is scored by a network that never saw it; the threshold is a quantile of the "
            f"average over kinds, at the level {float(robust_level(count, alpha_fraction(level))):.3f}",
            "The statement holds on average over kinds, in the limit of many kinds that are exchangeable; a single kind may be "
            "covered less often",
            "The interval is never narrower than that of scope 'meta'",
        ),
    )


def interval_ends(
    estimator: LearnedMI, sets: SummaryTable, quantiles: Float2D, level: Any, scope: Scope
) -> Float2D:
    """Ends of the intervals in nats; robust ones are joined with the others."""
    calibration, alpha = estimator.calibration_, alpha_fraction(level)
    score = thresholds(calibration.table, sets.shape, alpha)
    low, high = (from_log_scale(end) for end in interval_at(quantiles, score))
    if scope == "robust" and calibration.robust is not None:
        ends = calibration.robust.interval(sets.shape[:, 0], quantiles, alpha)
        low, high = np.minimum(low, from_log_scale(ends[0])), np.maximum(high, from_log_scale(ends[1]))
    return np.column_stack([low, high])


def infer_rows(
    estimator: LearnedMI,
    rows: list[Rows],
    level: Any,
    options: RowOptions,
    certify: bool | None,
    unit: Unit,
    single: bool,
    backend: Any,
    scope: Scope = "meta",
) -> LearnedMIResult:
    """Answer for pairs whose rows have been read: the one door behind ``infer`` and ``mutual_info``."""
    weights, calibration = estimator.weights_, estimator.calibration_
    prepared = [prepare_pair(r.x, r.y, weights.reads_structure) for r in rows]
    sets, members = read_pairs(prepared, weights)
    quantiles = members.mean(axis=0)
    estimates = medians(prepared, sets, quantiles)
    lows, highs = estimates.copy(), estimates.copy()
    if sets is not None:
        ends = spread_rows(prepared, interval_ends(estimator, sets, quantiles, level, scope))
        lows, highs = np.minimum(ends[:, 0], estimates), np.maximum(ends[:, 1], estimates)
    size = NATS_PER_UNIT[unit]
    bounds = tuple(_certified(r, float(level), options.exchangeable, certify, single) for r in rows)
    withheld = []
    for i, (r, p, bound) in enumerate(zip(rows, prepared, bounds, strict=True)):
        outside = calibration.limits.reason(r.x.n_columns, r.y.n_columns) if p.known is None else ""
        if outside:
            subject = "x and y" if single else f"Data set {i + 1}"
            warn(support_message.format(subject=subject, reasons=outside), SupportWarning)
        reason = "" if p.known is not None else r.withheld or outside
        if not reason and bound.value and float(bound.value) > highs[i]:
            reason = (
                f"the certified bound, {bound.scaled(1 / size).value:g} {unit}, is above the interval, whose calibration "
                "therefore does not fit these data"
            )
        if reason:
            lows[i] = highs[i] = np.nan
        withheld.append(reason)
    names = ANCHOR_NAMES if weights.reads_structure else CLASSICAL_ANCHORS
    anchors = np.zeros((0, len(names))) if sets is None else sets.anchors[:, : len(names)].astype(np.float64)
    spread = spread_rows(prepared, anchors) / size
    return LearnedMIResult(
        guarantee=estimator._guarantee(level, scope),
        backend=backend,
        estimates=estimates / size,
        lows=lows / size,
        highs=highs / size,
        quantiles=spread_rows(prepared, from_log_scale(quantiles)) / size,
        anchors={name: spread[:, i] for i, name in enumerate(names)},
        withheld=tuple(withheld),
        scope=scope,
        bounds=tuple(bound.scaled(1 / size) for bound in bounds),
        single=single,
        unit=unit,
        confidence_level=float(level),
        n_samples=np.array([r.x.n_rows for r in rows]),
        dim_x=np.array([r.x.n_columns for r in rows]),
        dim_y=np.array([r.y.n_columns for r in rows]),
        n_pairs=weights.reads_pairs
        * np.array([max((len(s.pairs) for s in p.summaries), default=0) for p in prepared], dtype=int),
    )


def _certified(
    rows: Rows, level: float, exchangeable: bool, certify: bool | None, single: bool
) -> LowerBound:
    wanted = (single and is_quick(rows.x, rows.y)) if certify is None else certify
    if not wanted:
        return LowerBound(NotApplicable(NOT_ASKED), level)
    return certify_sides(rows.x, rows.y, level, rows.uncertified, exchangeable)


def _checked_iterable(reference: Any) -> Iterable[Any]:
    if not isinstance(reference, Iterable) or isinstance(reference, str):
        raise TypeError(
            "reference must be a Family or data sets (x, y, mutual_information), got an object of type "
            f"{type(reference).__name__}."
        )
    return reference


def _checked_truth(truth: Any, position: int) -> float:
    try:
        value = float(truth)
    except (TypeError, ValueError):
        value = float("nan")
    if not (np.isfinite(value) and value >= 0):
        raise ValueError(
            f"The mutual information of a calibration set must be finite and at least 0; that of number {position + 1} "
            f"is {truth!r}."
        )
    return value
