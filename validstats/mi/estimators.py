"""The learned estimator of mutual information: a trained network with conformal intervals."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, Self, get_args

import numpy as np

from validstats._typing import Float1D, Float2D, FloatND, RandomState
from validstats.base import CalibratedEstimator
from validstats.exceptions import SupportWarning, support_message, warn
from validstats.guarantee import Guarantee
from validstats.intake import (
    alpha_fraction,
    backend_of,
    check_confidence_level,
    check_literal,
    check_positive_int,
    check_random_state,
)
from validstats.mi.families import Family
from validstats.mi.network import (
    DIM_CELLS,
    LARGEST_N,
    MEDIAN,
    N_CELLS,
    WIDENING,
    MICalibration,
    PreparedPair,
    SupportVerdict,
    as_pairs,
    calibrate_scores,
    check_support,
    fit_support,
    from_log_scale,
    interval_at,
    member_quantiles_of,
    prepare_pair,
    read_model,
    shipped_weights_path,
    spread_rows,
    thresholds,
    to_log_scale,
)
from validstats.mi.results import LearnedMIResult
from validstats.mi.statistics import ANCHOR_NAMES, CLASSICAL_ANCHORS, SummaryTable, pack_summaries
from validstats.mi.training import Shard, check_folder, pack_shard, train_on_family, usable_sample
from validstats.results import Report, Table
from validstats.runtime import progress

__all__ = ["LearnedMI"]

Unit = Literal["nats", "bits"]
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
    confidence_level : float, default 0.9
        Level of the intervals.
    unit : {"nats", "bits"}, default "nats"
        Unit of every value returned.
    weights : str or Path, default "shipped"
        "shipped", "evaluation" (trained without spirals, swiss rolls, uniform noise and exotic mixtures), or a file
        written by ``python -m validstats.mi.training.recipes``.
    random_state : int, Generator or None, default None
        Seed of ``fit`` and of ``calibrate`` on a family. ``infer`` uses no randomness.

    Attributes
    ----------
    weights_ : NetworkWeights
        The ensemble in use.
    calibration_ : MICalibration
        Sorted conformity scores and the limits of the support check.
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
        confidence_level: float = 0.9,
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
        limits = fit_support(sets, self.weights_, members)
        self.calibration_ = MICalibration(table, limits, family)
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
        prepared = self._prepare_all(as_pairs(x, y), single=y is not None)
        estimates, _, _ = self._estimates(prepared)
        values = estimates / self._unit_size()
        return float(values[0]) if y is not None else values

    def infer(self, x: Any, y: Any = None, *, confidence_level: float | None = None) -> LearnedMIResult:
        """Estimate mutual information with an interval, for one pair or for many.

        Parameters
        ----------
        x : array-like of shape (n,) or (n, p), or sequence of (x, y)
            One side, row by row, numbers or categories; or a list of pairs.
        y : array-like of shape (n,) or (n, q), or None
            The other side of a single pair.
        confidence_level : float or None, default None
            Level of the intervals; None takes the estimator's.

        Returns
        -------
        LearnedMIResult
            Medians, intervals, quantiles, classical estimates, support check and guarantee.

        Raises
        ------
        ValueError
            If there are fewer than 10 rows, lengths differ, or values are missing or infinite.

        Warns
        -----
        SupportWarning
            If a data set does not look like those the network was trained on.
        """
        self._ready("infer")
        chosen = self.confidence_level if confidence_level is None else confidence_level
        level, alpha = check_confidence_level(chosen), alpha_fraction(chosen)
        pairs = as_pairs(x, y)
        prepared = self._prepare_all(pairs, single=y is not None)
        estimates, members, sets = self._estimates(prepared)
        quantiles = members.mean(axis=0)
        verdicts = self._verdicts(prepared, sets, members)
        lows, highs = self._intervals(prepared, quantiles, sets, verdicts, estimates, alpha)
        unit = self._unit_size()
        anchors = spread_rows(
            prepared, sets.anchors.astype(np.float64) if sets else np.zeros((0, len(ANCHOR_NAMES))), np.nan
        )
        return LearnedMIResult(
            guarantee=self._guarantee(level),
            backend=backend_of(pairs[0][0]),
            estimates=estimates / unit,
            lows=lows / unit,
            highs=highs / unit,
            quantiles=spread_rows(prepared, from_log_scale(quantiles), np.nan) / unit,
            anchors={name: anchors[:, i] / unit for i, name in enumerate(self._anchor_names())},
            support=tuple(verdicts),
            single=y is not None,
            unit=self.unit,
            confidence_level=float(level),
            n_samples=np.array([p.n for p in prepared]),
            dim_x=np.array([p.dim_x for p in prepared]),
            dim_y=np.array([p.dim_y for p in prepared]),
        )

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

    def _unit_size(self) -> float:
        return NATS_PER_UNIT[self.unit]

    def _reference_shard(self, reference: Any, n_sets: int, verbose: bool) -> Shard:
        if isinstance(reference, Family):
            seed = int(check_random_state(self.random_state).integers(2**32)) + 2**33
            bar = progress(range(n_sets), n_sets, "calibration sets", verbose)
            drawn = [usable_sample(reference, seed, index) for index in bar]
            kept = [pair for pair in drawn if pair is not None]
            truths = [sample.mutual_information for sample, _ in kept]
            return pack_shard([summary for _, summary in kept], truths)
        summaries, truths = [], []
        for position, item in enumerate(_checked_iterable(reference)):
            if not (isinstance(item, tuple | list) and len(item) == 3):
                raise ValueError(
                    f"reference must hold triples (x, y, mutual_information); number {position + 1} is not one."
                )
            prepared = _prepare_numbered(item[0], item[1], position, self.weights_.reads_structure)
            if prepared.summary is not None:
                summaries.append(prepared.summary)
                truths.append(_checked_truth(item[2], position))
        if not summaries:
            raise ValueError("calibrate() needs at least one data set with a known mutual information.")
        return pack_shard(summaries, truths)

    def _estimates(self, prepared: list[PreparedPair]) -> tuple[Float1D, FloatND, SummaryTable | None]:
        summaries = [p.summary for p in prepared if p.summary is not None]
        if not summaries:
            return np.array([p.known for p in prepared], dtype=np.float64), np.zeros((1, 0, 19)), None
        sets, members = member_quantiles_of(pack_summaries(summaries), self.weights_)
        values = np.minimum(from_log_scale(members.mean(axis=0)[:, MEDIAN]), sets.bound.astype(np.float64))
        estimates = spread_rows(prepared, values[:, None], np.nan)[:, 0]
        return estimates, members, sets

    def _prepare_all(self, pairs: list[tuple[Any, Any]], *, single: bool) -> list[PreparedPair]:
        structure = self.weights_.reads_structure
        if single:
            return [prepare_pair(a, b, structure) for a, b in pairs]
        return [_prepare_numbered(a, b, position, structure) for position, (a, b) in enumerate(pairs)]

    def _anchor_names(self) -> tuple[str, ...]:
        return ANCHOR_NAMES if self.weights_.reads_structure else CLASSICAL_ANCHORS

    def _verdicts(
        self, prepared: list[PreparedPair], sets: SummaryTable | None, members: FloatND
    ) -> list[SupportVerdict]:
        limits = self.calibration_.limits
        checked = iter(check_support(sets, self.weights_, members, limits) if sets else ())
        verdicts = []
        for i, p in enumerate(prepared):
            if p.summary is None:
                verdicts.append(SupportVerdict(True, (), "exact"))
                continue
            verdict = next(checked)
            reasons = verdict.reasons
            if p.n > LARGEST_N:
                reasons = (f"n = {p.n:,} is above the largest trained, {LARGEST_N:,}", *reasons)
            verdicts.append(replace(verdict, inside=not reasons, reasons=reasons))
            if reasons:
                message = support_message.format(
                    position=i + 1, reasons="; ".join(reasons), anchor=verdict.anchor_name
                )
                warn(message, SupportWarning)
        return verdicts

    def _intervals(
        self, prepared: list[PreparedPair], quantiles: Float2D, sets: SummaryTable | None, verdicts: list[SupportVerdict],
        estimates: Float1D, alpha: Any,
    ) -> tuple[Float1D, Float1D]:  # fmt: skip
        if sets is None:
            return estimates.copy(), estimates.copy()
        score = thresholds(self.calibration_.table, sets.shape, alpha)
        inside = [v.inside for v, p in zip(verdicts, prepared, strict=True) if p.summary is not None]
        score = np.where(inside, score, WIDENING * score)
        low, high = (from_log_scale(end) for end in interval_at(quantiles, score))
        for i in np.flatnonzero(~np.array(inside)):
            anchor = float(sets.anchors[i].max()) if sets.shape[i, 1] == 1 == sets.shape[i, 2] else None
            if anchor is not None:
                low[i], high[i] = min(low[i], anchor), max(high[i], anchor)
        ends = spread_rows(prepared, np.column_stack([low, high]), np.nan)
        known = np.array([p.known is not None for p in prepared])
        ends[known] = estimates[known, None]
        return np.minimum(ends[:, 0], estimates), np.maximum(ends[:, 1], estimates)

    def _guarantee(self, level: Any) -> Guarantee:
        calibration = self.calibration_
        return Guarantee(
            holds=(
                f"the interval contains the true mutual information with probability at least {float(level):g}, "
                f"on average over data sets drawn from {calibration.family}"
            ),
            kind="marginal-over-family",
            check=(
                "the data set is drawn like the calibration sets: its law from the same family, with the same mix of "
                "sample sizes and dimensions",
                "its rows are independent and identically distributed",
            ),
            n_reference=calibration.n_sets,
            citation="Vovk, Gammerman, Shafer (2005), section 4.5 (Mondrian); Chernozhukov et al. (2021), PNAS 118(48)",
            confidence_level=float(level),
            details=(
                f"Scores are kept apart for {len(calibration.table.cells)} cells of n (from {N_CELLS}) and of "
                f"dim X + dim Y (from {DIM_CELLS}), where at least 1,000 sets are there; the other sets share theirs",
                "Nothing is promised for a single fixed law, nor for laws outside the family",
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

    def summary(self) -> Any:
        """Describe the calibration; loads the shipped one if none was made."""
        self._ready("summary")
        return super().summary()


def _prepare_numbered(x: Any, y: Any, position: int, structure: bool) -> PreparedPair:
    """Read one of several data sets; errors say which."""
    try:
        return prepare_pair(x, y, structure)
    except (ValueError, TypeError) as error:
        raise type(error)(f"Data set {position + 1}: {error}") from error


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
