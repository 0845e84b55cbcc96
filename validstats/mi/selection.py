"""Feature selection by mutual information, with error rates controlled by permutation p-values."""

from __future__ import annotations

import math
import os
import warnings
from dataclasses import replace
from fractions import Fraction
from typing import Any, Literal, Self, TypeAlias, get_args

import joblib
import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.feature_selection import SelectorMixin
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from validstats._typing import AnyArray, Bool1D, Float1D, Float2D, Int1D, RandomState
from validstats.exceptions import PermutationResolutionWarning, permutation_resolution_message, warn
from validstats.guarantee import Guarantee
from validstats.intake import (
    align,
    as_decimal,
    check_in_range,
    check_literal,
    check_positive_int,
    check_random_state,
    frames,
    read_array,
    row_labels,
)
from validstats.mi.methods import Method, Options, estimate_sides, refuse_unused
from validstats.mi.permutation import (
    PermutationPValue,
    Permuter,
    bind_statistic,
    exceedance_threshold,
    permutation_p_value,
    rank_p_values,
    rank_screen,
)
from validstats.mi.sides import MIN_ROWS, Declared, Repeats, Side, prepare_side, without_copies
from validstats.results import Report, Summary, Table
from validstats.runtime import collect_warnings, forecast, progress, repeat_warnings

__all__ = ["Control", "MISelector", "adjust_p_values", "max_t_p_values", "standardise_columns"]

Control: TypeAlias = Literal["fdr", "fdr_bh", "fdr_by", "fwer"]
"""Error rate under control: false discovery rate (Benjamini-Hochberg, -Yekutieli) or family-wise error rate."""

SelectionTest: TypeAlias = Literal["auto", "ranks", "method"]
"""How features are tested: by cross-tables of ranks, or by permutations of the estimator."""

MOST_BH = 1_000
"""Features up to which control="fdr" is Benjamini-Hochberg; beyond, Yekutieli, which needs no positive dependence."""

MOST_SCORED = 1_000
"""Features up to which all are scored by the estimator; of more, those that were selected, or that a screen by ranks puts first."""

SCREENED_FOR_EACH = 10
"""Features that the screen leaves for each one that is to be kept."""

STOP_AFTER = 10
"""Exceedances after which a feature's permutations stop by default."""

CONTROL_ATTRIBUTES = ("pvalues_", "adjusted_pvalues_", "n_permutations_", "_selected")
"""What only a fit with ``control`` sets."""

MAX_T_PERMUTATIONS = 999
"""Permutations for step-down max-T by default."""


class MISelector(SelectorMixin, BaseEstimator):
    """Select features by their mutual information with the target.

    A drop-in for ``SelectKBest(mutual_info_regression)`` and ``SelectKBest(mutual_info_classif)`` that takes
    continuous, discrete and mixed features alike, and can keep those with a significant relation instead of a
    fixed number.

    Parameters
    ----------
    method : {"learned", "ksg", "gaussian", "cca", "histogram"}, default "learned"
        Estimator, as in :func:`mutual_info`. "ksg" gives the scores of scikit-learn, and is several times faster
        where many permutations are needed.
    k : int or "all", default 10
        Features kept without ``control``: those with the highest scores.
    control : {None, "fdr", "fdr_bh", "fdr_by", "fwer"}, default None
        None keeps ``k`` features. Otherwise the features whose adjusted permutation p-value is at most
        ``alpha`` are kept: "fdr_bh" controls the false discovery rate if null features are independent of the
        target and the p-values positively dependent, "fdr_by" under any dependence, "fwer" the probability
        of any false selection. "fdr" is "fdr_bh" up to 1,000 features and "fdr_by" beyond.
    test : {"auto", "ranks", "method"}, default "auto"
        How features are tested. "ranks": the smallest chi-square p-value of three cross-tables of ranks, compared with a
        table of permutations that all features share; exact for each feature, and the time does not grow with features
        times permutations. "method": permutations of the estimator for each feature. "auto" is "method" where
        ``n_permutations`` or ``stop_after`` is set, else "ranks".
    alpha : float, default 0.1
        Error rate, in (0, 1).
    n_permutations : int or "auto", default "auto"
        For ``test="method"``. Largest number of permutations for each feature. "auto" makes the smallest p-value small enough that a
        single feature can be selected: p / alpha for "fdr_bh".
    stop_after : int, None or "auto", default "auto"
        For ``test="method"``. Besag and Clifford's sequential rule: a feature's permutations stop at so many exceedances. "auto" is
        10 for the false discovery rate and None for "fwer", which then uses Westfall and Young's step-down
        max-T, each feature's statistic in units of its own permutation distribution; with a number "fwer" uses
        Holm's method.
    discrete_features : bool, "auto" or array-like of shape (p,) of bool, default "auto"
        Which features are discrete.
    discrete_target : bool or "auto", default "auto"
        Whether the target is discrete.
    n_neighbors : int, default 3
        Neighbours for "ksg".
    repeats : {"auto", "keep", "collapse"}, default "auto"
        What to do where whole rows repeat, features and target. "auto" reads one of each where rows of measurements look like copies,
        as in a bootstrap sample; "keep" reads all and withdraws the guarantee.
    random_state : int, Generator or None, default None
        Seed of the permutations, which all features share.
    n_jobs : int or None, default None
        Number of joblib workers.
    verbose : bool, default False
        Whether to show progress.

    Attributes
    ----------
    scores_ : ndarray of shape (p,)
        Estimated mutual information of each feature with the target, in nats, at least 0. Those of selected features are biased upwards
        by the selection. NaN where a feature was not scored: with ``test="ranks"`` and more than 1,000 features those that were not
        selected; without ``control``, by the learned estimator and with more than ``max(1000, 10 k)`` features those that a screen by the
        chi-square p-values of ``test="ranks"`` puts behind so many others. ``k="all"`` scores all.
    pvalues_ : ndarray of shape (p,)
        Permutation p-values; only with ``control``.
    adjusted_pvalues_ : ndarray of shape (p,)
        P-values adjusted for the number of features; only with ``control``.
    n_permutations_ : ndarray of shape (p,), int
        Permutations drawn for each feature; only with ``control``.
    guarantee_ : Guarantee
        What the selection promises.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (p,)
        Their names, where the input has any.

    Notes
    -----
    A screen of the features by the same data before this selector voids the control: the screen would have to
    be repeated under every permutation.

    References
    ----------
    Besag and Clifford (1991), Biometrika 78, 301-304. Benjamini and Hochberg (1995), JRSS B 57. Benjamini and
    Yekutieli (2001), Annals of Statistics 29. Westfall and Young (1993), Resampling-Based Multiple Testing,
    algorithm 2.8.

    Examples
    --------
    >>> generator = np.random.default_rng(0)
    >>> X = generator.uniform(-1, 1, size=(150, 6))
    >>> y = X[:, 0] ** 2 + X[:, 1] + 0.2 * generator.standard_normal(150)
    >>> MISelector(k=2).fit(X, y).get_support(indices=True).tolist()
    [0, 1]
    >>> selector = MISelector("ksg", control="fdr_bh", n_permutations=99, random_state=0)
    >>> selector.fit(X, y).get_support(indices=True).tolist()
    [0, 1]
    """

    def __init__(
        self,
        method: Method = "learned",
        k: int | Literal["all"] = 10,
        *,
        control: Control | None = None,
        test: SelectionTest = "auto",
        alpha: float = 0.1,
        n_permutations: int | Literal["auto"] = "auto",
        stop_after: int | Literal["auto"] | None = "auto",
        discrete_features: Any = "auto",
        discrete_target: Declared = "auto",
        n_neighbors: int = 3,
        repeats: Repeats = "auto",
        random_state: RandomState = None,
        n_jobs: int | None = None,
        verbose: bool = False,
    ) -> None:
        self.method = method
        self.k = k
        self.control = control
        self.test = test
        self.alpha = alpha
        self.n_permutations = n_permutations
        self.stop_after = stop_after
        self.discrete_features = discrete_features
        self.discrete_target = discrete_target
        self.n_neighbors = n_neighbors
        self.repeats = repeats
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose

    def fit(self, X: Any, y: Any) -> Self:
        """Score the features and, with ``control``, test them.

        Parameters
        ----------
        X : array-like of shape (n, p) or data frame
            Features: numbers, or categories in a data frame; at least 10 rows, nothing missing.
        y : array-like of shape (n,)
            Target, continuous or discrete.

        Returns
        -------
        MISelector
            Itself.

        Raises
        ------
        ValueError, TypeError
            If the data or a parameter is not usable.

        Warns
        -----
        PermutationResolutionWarning
            If ``n_permutations`` is too small for a single feature to be selected.
        RepeatedRowsWarning
            If rows look like copies of each other.
        SpeedWarning
            After twenty features, if the rest will take more than a minute.
        """
        check_literal(self.method, "method", get_args(Method))
        for name in CONTROL_ATTRIBUTES:
            if hasattr(self, name):
                delattr(self, name)
        columns, target = self._validate(X, y)
        sides, _, copies = without_copies([*columns, target], self.repeats, "guarantee")
        *columns, target = sides
        self._check_k(len(columns))
        check_positive_int(self.n_neighbors, "n_neighbors", maximum=target.n_rows - 1)
        refuse_unused(self.method, self.n_neighbors)
        if self.control is None:
            kept = self._worth_scoring(columns, target)
            self._score(columns, target, kept)
            self.guarantee_ = _ranking_guarantee(target.n_rows, len(kept), len(columns))
            return self
        self._fit_control(columns, target)
        if copies:
            holds = f"nothing: {copies}, and p-values of copies are too small"
            self.guarantee_ = replace(self.guarantee_, holds=holds, kind="heuristic", check=())
        return self

    def _fit_control(self, columns: list[Side], target: Side) -> Self:
        check_literal(self.control, "control", get_args(Control))
        check_in_range(self.alpha, "alpha", 0.0, 1.0, low_open=True, high_open=True)
        check_literal(self.test, "test", get_args(SelectionTest))
        set_by_hand = self.n_permutations != "auto" or self.stop_after != "auto"
        if self.test == "ranks" or (self.test == "auto" and not set_by_hand):
            return self._fit_ranks(columns, target)
        stop_after = self._stop_after()
        n_permutations = self._n_permutations(len(columns), stop_after)
        permuter = Permuter.from_random_state(target.n_rows, self.random_state)
        options = Options(self.method, self.n_neighbors, interval=False)
        tasks = (
            joblib.delayed(collect_warnings)(
                os.getpid(), _test_feature, column, target, options, permuter, n_permutations, stop_after
            )
            for column in columns
        )
        stream = joblib.Parallel(n_jobs=self.n_jobs, return_as="generator")(tasks)
        told = forecast(
            stream, len(columns), f"Permuting {len(columns):,} features", "test='ranks' takes seconds."
        )
        parts = list(progress(told, total=len(columns), description="features", verbose=bool(self.verbose)))
        repeat_warnings([entry for _, warned in parts for entry in warned])
        found = [part for part, _ in parts]
        self.scores_ = np.array([part[0] for part in found])
        outcomes = [part[2] for part in found]
        self.n_permutations_ = np.array([outcome.n_drawn for outcome in outcomes])
        exact = [_exact_p_value(outcome, n_permutations) for outcome in outcomes]
        if self.control == "fwer" and stop_after is None:
            null = np.column_stack([outcome.null for outcome in outcomes])
            adjusted = max_t_p_values(*standardise_columns(np.array([part[1] for part in found]), null))
        else:
            rate = self._error_rate(len(columns))
            adjusted = adjust_p_values(exact, "holm" if rate == "fwer" else rate)
        self.pvalues_ = np.array([float(p) for p in exact])
        self.adjusted_pvalues_ = np.array([float(p) for p in adjusted])
        self._selected = np.array([p <= as_decimal(self.alpha) for p in adjusted])
        self.guarantee_ = self._control_guarantee(target.n_rows, stop_after, self._error_rate(len(columns)))
        return self

    def _error_rate(self, n_features: int) -> str:
        """The error rate by its own name."""
        if self.control != "fdr":
            return str(self.control)
        return "fdr_bh" if n_features <= MOST_BH else "fdr_by"

    def _fit_ranks(self, columns: list[Side], target: Side) -> Self:
        for name, default in (("n_permutations", "auto"), ("stop_after", "auto")):
            if getattr(self, name) != default:
                raise ValueError(
                    f"{name}={getattr(self, name)!r} is for test='method' only; 'ranks' does not read it. Leave it out."
                )
        seed = int(check_random_state(self.random_state).integers(2**31))
        found = rank_p_values(columns, target, float(self.alpha), seed, bool(self.verbose))
        rate = self._error_rate(len(columns))
        adjusted = adjust_p_values(found.p_values, "holm" if rate == "fwer" else rate)
        self.pvalues_ = np.array([float(p) for p in found.p_values])
        self.adjusted_pvalues_ = np.array([float(p) for p in adjusted])
        self.n_permutations_ = found.n_permutations
        self._selected = np.array([p <= as_decimal(self.alpha) for p in adjusted])
        scored = np.ones(len(columns), dtype=bool) if len(columns) <= MOST_SCORED else self._selected
        self._score(columns, target, np.flatnonzero(scored))
        self.guarantee_ = self._control_guarantee(target.n_rows, STOP_AFTER, rate)
        return self

    def _worth_scoring(self, columns: list[Side], target: Side) -> Int1D:
        """Positions of the features that are scored: all, or of very many those that a screen by ranks puts first."""
        if self.method != "learned" or isinstance(self.k, str):
            return np.arange(len(columns))
        count = max(MOST_SCORED, SCREENED_FOR_EACH * int(self.k))
        return np.arange(len(columns)) if len(columns) <= count else rank_screen(columns, target, count)

    def _score(self, columns: list[Side], target: Side, chosen: Int1D) -> None:
        """Score the features at some positions; the others have NaN."""
        options = Options(self.method, self.n_neighbors, interval=False)
        remedy = "method='ksg' scores a feature in less time." if self.method == "learned" else ""
        told = forecast(chosen, len(chosen), f"Scoring {len(chosen):,} features", remedy)
        self.scores_ = np.full(len(columns), np.nan)
        for j in progress(told, len(chosen), "features", bool(self.verbose)):
            self.scores_[j] = score(columns[j], target, options)

    def _validate(self, X: Any, y: Any) -> tuple[list[Side], Side]:
        if y is None:
            raise ValueError(
                "requires y to be passed, but the target y is None: pass the target to fit(X, y)."
            )
        if frames.is_frame(X):
            names = frames.unique_names(X, "X")
            validate_data(self, X, skip_check_array=True)
            arrays: list[AnyArray] = frames.columns(X)
        else:
            matrix = validate_data(self, X, dtype=None, ensure_min_samples=MIN_ROWS, ensure_all_finite=True)
            names, arrays = [f"X[:, {j}]" for j in range(matrix.shape[1])], list(matrix.T)
        declared = _declared_features(self.discrete_features, len(arrays))
        with warnings.catch_warnings():
            # A constant feature simply scores 0 here.
            warnings.simplefilter("ignore")
            columns = [prepare_side(a, n, d, "discrete_features") for a, n, d in zip(arrays, names, declared)]
        y = align(y, row_labels(X), "y")
        values = read_array(y, "y")
        if values.ndim != 1 and not (values.ndim == 2 and values.shape[1] == 1):
            raise ValueError(f"y must have one value a row, got shape {values.shape}.")
        values = column_or_1d(values, warn=True)
        target = prepare_side(values, "y", self.discrete_target, "discrete_target")
        if columns[0].n_rows != target.n_rows:
            raise ValueError(
                f"X and y must have the same number of rows; X has {columns[0].n_rows}, y has {target.n_rows}."
            )
        return columns, target

    def _check_k(self, n_features: int) -> None:
        if self.control is not None or (isinstance(self.k, str) and self.k == "all"):
            return
        check_positive_int(self.k, "k", minimum=0)
        if self.k > n_features:
            warn(f"k = {self.k} is greater than the {n_features} features; all are kept.", UserWarning)

    def _stop_after(self) -> int | None:
        if self.stop_after == "auto":
            return None if self.control == "fwer" else STOP_AFTER
        return None if self.stop_after is None else check_positive_int(self.stop_after, "stop_after")

    def _n_permutations(self, n_features: int, stop_after: int | None) -> int:
        alpha = as_decimal(self.alpha)
        max_t = self.control == "fwer" and stop_after is None
        tests = Fraction(1) if max_t else Fraction(n_features)
        if self._error_rate(n_features) == "fdr_by":
            tests *= _harmonic(n_features)
        needed = math.ceil(tests / alpha) - 1
        if self.n_permutations == "auto":
            return max(needed, MAX_T_PERMUTATIONS) if max_t else max(needed, 2 * (stop_after or 1))
        chosen = check_positive_int(self.n_permutations, "n_permutations")
        if stop_after is not None and stop_after > chosen:
            raise ValueError(f"stop_after = {stop_after} must be at most n_permutations = {chosen}.")
        if chosen < needed:
            message = permutation_resolution_message.format(
                n_permutations=chosen,
                smallest=1 / (chosen + 1),
                n_features=n_features,
                alpha=float(self.alpha),
                needed=needed,
            )
            warn(message, PermutationResolutionWarning)
        return chosen

    def _control_guarantee(self, n: int, stop_after: int | None, control: str) -> Guarantee:
        rate = "false discovery rate" if control.startswith("fdr") else "probability of any false selection"
        assumptions = ["rows are independent and identically distributed"]
        citation = "Besag and Clifford (1991) for the p-values; "
        if control == "fdr_bh":
            assumptions.append("p-values are positively dependent on those of the null features (PRDS)")
            citation += "Benjamini and Yekutieli (2001), theorem 1.2"
        elif control == "fdr_by":
            citation += "Benjamini and Yekutieli (2001), theorem 1.3"
        elif stop_after is None:
            assumptions.append("the null features are jointly independent of the target")
            citation = "Westfall and Young (1993), algorithm 2.8"
        else:
            citation += "Holm (1979)"
        if control.startswith("fdr"):
            holds = f"on average at most {100 * self.alpha:g} in 100 selected features are unrelated to the target"
        else:
            holds = f"in at most {100 * self.alpha:g} of 100 data sets is any feature selected that is unrelated to the target"
        return Guarantee(
            holds=holds,
            kind="finite-sample",
            check=(*assumptions, "features were not screened by the same data before")[:3],
            n_reference=n,
            citation=citation,
            details=(
                f"The {rate} is at most {self.alpha:g}, a feature independent of the target being false",
                "Estimates of selected features are biased upwards by the selection: describe with them, or estimate on other rows",
            ),
        )

    def _get_support_mask(self) -> Bool1D:
        check_is_fitted(self, "scores_")
        # What was fitted decides, not a parameter changed since: the guarantee is that of the fit.
        if hasattr(self, "_selected"):
            return self._selected
        if self.control is not None:
            raise NotFittedError(
                "control was set after fit(); call fit(X, y) again, which tests the features."
            )
        mask = np.zeros(len(self.scores_), dtype=bool)
        kept = len(mask) if self.k == "all" else int(self.k)
        if kept:
            mask[np.argsort(_not_scored_last(self.scores_), kind="stable")[-kept:]] = True
        return mask

    def summary(self) -> Summary:
        """Return the features ranked by score, with p-values where there are any.

        Returns
        -------
        Summary
            The report.
        """
        mask = self._get_support_mask()
        order = np.argsort(-_not_scored_last(self.scores_), kind="stable")
        names = getattr(self, "feature_names_in_", np.array([f"x{j}" for j in range(len(order))]))
        columns: dict[str, Any] = {
            "Feature": [str(names[j]) for j in order],
            "MI (nats)": self.scores_[order],
        }
        if hasattr(self, "pvalues_"):
            columns |= {"p-value": self.pvalues_[order], "Adjusted": self.adjusted_pvalues_[order]}
        columns["Selected"] = ["yes" if mask[j] else "no" for j in order]
        return Summary(
            Report(
                title="Feature selection by mutual information",
                header=[("Method", self.method), ("Features", len(order)), ("Selected", int(mask.sum()))],
                tables=[
                    Table(
                        columns,
                        formats={"MI (nats)": "estimate", "p-value": "p_value", "Adjusted": "p_value"},
                    )
                ],
                guarantees=[self.guarantee_],
            )
        )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.input_tags.allow_nan = False
        return tags


def score(column: Side, target: Side, options: Options) -> float:
    """Estimate of a feature's mutual information with the target, within its possible range."""
    value = estimate_sides(column, target, options).value
    return float(np.clip(value, 0.0, min(column.entropy, target.entropy)))


def _test_feature(
    column: Side,
    target: Side,
    options: Options,
    permuter: Permuter,
    n_permutations: int,
    stop_after: int | None,
) -> tuple[float, float, PermutationPValue]:
    bound = bind_statistic(options.method, column, target, options.n_neighbors)  # type: ignore[arg-type]
    observed = bound(np.arange(target.n_rows))
    outcome = permutation_p_value(bound, observed, permuter, n_permutations, stop_after)
    return score(column, target, options), observed, outcome


def _exact_p_value(outcome: PermutationPValue, n_permutations: int) -> Fraction:
    if outcome.n_drawn == n_permutations and outcome.p_value == (outcome.n_exceeding + 1) / (
        n_permutations + 1
    ):
        return Fraction(outcome.n_exceeding + 1, n_permutations + 1)
    return Fraction(outcome.n_exceeding, outcome.n_drawn)


def adjust_p_values(p_values: list[Fraction], method: str) -> list[Fraction]:
    """Adjust p-values for multiplicity in exact arithmetic."""
    m = len(p_values)
    order = sorted(range(m), key=lambda j: p_values[j])
    adjusted = [Fraction(0)] * m
    if method == "holm":
        running = Fraction(0)
        for rank, j in enumerate(order):
            running = max(running, min(Fraction(1), (m - rank) * p_values[j]))
            adjusted[j] = running
        return adjusted
    factor = _harmonic(m) if method == "fdr_by" else Fraction(1)
    running = Fraction(1)
    for rank in range(m, 0, -1):
        j = order[rank - 1]
        running = min(running, factor * m * p_values[j] / rank)
        adjusted[j] = running
    return adjusted


def standardise_columns(observed: Float1D, null: Float2D) -> tuple[Float1D, Float2D]:
    """Bring the statistics of features to one scale, that of their permutation distributions."""
    # Mean and standard deviation are those of the permuted values and the observed one together. They do not
    # change if these are exchanged, so that max-T keeps its level.
    # Westfall and Young (1993), algorithm 2.8, which this precedes.
    limits = np.array([exceedance_threshold(value) for value in observed])
    with np.errstate(invalid="ignore"):
        tied = (null >= limits) & (null <= observed + (observed - limits))
    values = np.vstack([observed, np.where(tied, observed, null)])
    values = np.where(np.isfinite(values), values, _above_finite(values))
    deviations = values - values.mean(axis=0)
    spread = np.where((values == values[:1]).all(axis=0), 0.0, deviations.std(axis=0))
    scaled = np.where(spread > 0.0, deviations / np.where(spread > 0.0, spread, 1.0), 0.0)
    return scaled[0], scaled[1:]


def _above_finite(values: Float2D) -> Float1D:
    """For each column a value above all finite ones by their range, or by 1."""
    finite = np.isfinite(values)
    top = np.where(finite, values, -np.inf).max(axis=0)
    bottom = np.where(finite, values, np.inf).min(axis=0)
    some = finite.any(axis=0)
    return np.where(some, top + np.where(top > bottom, top - bottom, 1.0), 0.0)


def max_t_p_values(observed: Float1D, null: Float2D) -> list[Fraction]:
    """Step-down max-T adjusted p-values."""
    # Westfall and Young (1993), algorithm 2.8; Ge, Dudoit and Speed (2003), TEST 12, box 2.
    order = np.argsort(-observed, kind="stable")
    maxima = np.maximum.accumulate(null[:, order[::-1]], axis=1)[:, ::-1]
    limits = np.array([exceedance_threshold(value) for value in observed[order]])
    exceeding = (maxima >= limits[None, :]).sum(axis=0)
    adjusted, running = [Fraction(0)] * len(order), Fraction(0)
    for j, count in zip(order, exceeding):
        running = max(running, Fraction(int(count) + 1, len(null) + 1))
        adjusted[int(j)] = running
    return adjusted


def _harmonic(m: int) -> Fraction:
    """1 + 1/2 + ... + 1/m; of many terms rounded up, because the exact fraction has thousands of digits."""
    if m > MOST_BH:
        return Fraction(math.ceil(float(np.sum(1.0 / np.arange(1, m + 1))) * 10**9) + 1, 10**9)
    return sum((Fraction(1, i) for i in range(1, m + 1)), Fraction(0))


def _declared_features(discrete: Any, n_features: int) -> list[Any]:
    if isinstance(discrete, str | bool | np.bool_):
        return [discrete] * n_features
    mask = np.asarray(discrete)
    if mask.shape != (n_features,) or mask.dtype != bool:
        raise ValueError(
            f"discrete_features must be True, False, 'auto' or {n_features} booleans, one for each feature; "
            f"got {discrete!r}."
        )
    return [bool(value) for value in mask]


def _not_scored_last(scores: Float1D) -> Float1D:
    """Scores with those that were not computed below all others."""
    return np.where(np.isnan(scores), -np.inf, scores)


def _ranking_guarantee(n: int, scored: int, n_features: int) -> Guarantee:
    screened = (
        f"Of {n_features:,} features the {scored:,} with the smallest chi-square p-values of ranks were scored; k='all' scores every one",
    )
    return Guarantee(
        holds="the features with the highest estimates are kept; no error rate is controlled",
        kind="heuristic",
        check=(),
        n_reference=n,
        citation="the estimators of mutual_info, each with its own source",
        details=(
            "Set control='fdr_bh', 'fdr_by' or 'fwer' for a selection with a guarantee",
            *(screened if scored < n_features else ()),
        ),
    )
