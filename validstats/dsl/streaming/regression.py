"""Regressions from machine labels in one pass of moments a Newton step: memory is bounded by a chunk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial, reduce
from operator import add
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from validstats._typing import Float1D, Float2D, Int1D
from validstats.dsl.fit import (
    AugmentedFit,
    ChosenAugmentation,
    NoRootError,
    SimpleFit,
    choose_augmentation,
    gold_only,
    is_near,
)
from validstats.dsl.moments import (
    GLMMoment,
    ModelMoment,
    NewtonResult,
    SamplingDesign,
    VarianceParts,
    cluster_codes,
    clustered_meat,
    collinear_columns,
    find_root,
    invert_bread,
    sandwich,
    warn_about_clusters,
)
from validstats.dsl.regression import choose_moment
from validstats.dsl.streaming.chunks import (
    ChunkColumns,
    ChunkLevels,
    chunk_features,
    chunk_levels,
    is_dask,
    map_chunks,
    merge_levels,
    read_chunk,
)
from validstats.dsl.streaming.learner import FirstStage, fit_first_stage
from validstats.dsl.streaming.moment_sums import MomentSums, RowChunk, chunk_sums
from validstats.dsl.streaming.results import StreamedResult, streaming_guarantee
from validstats.exceptions import LabellingWarning, few_labels_message, unlabelled_category_message, warn
from validstats.intake import (
    alpha_fraction,
    backend_of,
    check_groups,
    check_in_range,
    check_literal,
    check_positive_int,
)

__all__ = ["stream_regression"]

StreamEstimator: TypeAlias = Literal["tuned", "dsl", "gold"]
"""Tuned, plug-in of the (first) prediction, or expert labels alone."""

StreamModel: TypeAlias = Literal["linear", "logit", "probit", "poisson", "glm"]
"""Models whose sums are additive and whose score is linear in the label."""


@dataclass(frozen=True, kw_only=True)
class _Labelled:
    """Labelled rows of the whole data set, which are few, and the length of every chunk."""

    chunk: RowChunk
    features: Float2D | None
    positions: Int1D
    offsets: Int1D


def _collect(frame: Any, index: int, columns: ChunkColumns) -> tuple[int, RowChunk, Float2D | None, Int1D]:
    chunk = read_chunk(frame, columns, index)
    if chunk.clusters is not None:
        check_groups(chunk.clusters, f"The column {columns.clusters!r}", chunk.n_rows)
    labelled = np.flatnonzero(~np.isnan(chunk.y))
    features = chunk_features(frame, columns, index)[labelled] if columns.features else None
    return chunk.n_rows, chunk.part(labelled), features, labelled


def _sums(
    frame: Any,
    index: int,
    columns: ChunkColumns,
    first_stage: FirstStage | None,
    moment: ModelMoment,
    params: Float1D,
    matrices: tuple[Float2D, ...],
    constant: Float1D | None,
) -> MomentSums:
    extra: tuple[Float1D, ...] = ()
    if first_stage is not None:
        extra = (first_stage.predict_chunk(chunk_features(frame, columns, index), index),)
    chunk = read_chunk(frame, columns, index, extra)
    return chunk_sums(moment, params, chunk, matrices, constant)


class _Equation:
    """Mean moment and Jacobian of the whole data set, one pass for both."""

    def __init__(self, passes: Any, n_rows: int) -> None:
        self._passes = passes
        self._n_rows = n_rows
        self._params: Float1D | None = None
        self.sums: MomentSums | None = None
        self.n_passes = 0

    def at(self, params: Float1D) -> MomentSums:
        if self.sums is None or self._params is None or not np.array_equal(params, self._params):
            self.sums = self._passes(params)
            self._params = params.copy()
            self.n_passes += 1
        return self.sums

    def moment(self, params: Float1D) -> Float1D:
        return self.at(params).score / self._n_rows

    def jacobian(self, params: Float1D) -> Float2D:
        return self.at(params).jacobian / self._n_rows


def stream_regression(
    source: Any,
    *,
    label: str,
    covariates: Sequence[str] = (),
    predictions: str | Sequence[str] = (),
    features: Sequence[str] = (),
    learner: Any = None,
    sampling_probability: str | float,
    model: StreamModel = "linear",
    family: Any = None,
    estimator: StreamEstimator = "tuned",
    clusters: str | None = None,
    n_folds: int = 5,
    chunk_size: int = 200_000,
    confidence_level: float = 0.95,
    random_state: int = 0,
    verbose: bool = True,
) -> StreamedResult:
    """Estimate a regression on rows that need not fit in memory.

    Everything that the estimate needs is a sum over rows. A first pass collects the labelled rows, which are
    few; each Newton step is a further pass. Memory is bounded by a chunk and the labelled rows. The result
    equals the one computed in memory.

    Parameters
    ----------
    source : path, data frame, list of data frames, callable or dask DataFrame
        Path of a Parquet file or folder; a frame, taken in pieces; a function that returns an iterator of
        frames, the same in every call; or a dask data frame, whose partitions are summed where they are.
    label : str
        Column of the expert label, which is the outcome; missing where there is none.
    covariates : sequence of str, default ()
        Regressors besides the intercept. Text and categorical columns become indicators of all but their first level;
        categories keep their order.
    predictions : str or sequence of str, default ()
        Columns with predicted labels: machine labels, or predictions that did not use the row's own expert
        label.
    features : sequence of str, default ()
        Numeric columns from which ``learner`` predicts the label.
    learner : scikit-learn estimator or None, default None
        Fitted on the labelled rows by cross-fitting; with ``features`` and None, linear or logistic
        regression on standardised features.
    sampling_probability : str or float
        Column with the known labelling probabilities, or one for all rows. Rows are taken to be labelled
        independently of each other.
    model : {"linear", "logit", "probit", "poisson", "glm"}, default "linear"
        The regression; ``"glm"`` needs ``family``. Without covariates it is a mean on the model's scale.
    family : statsmodels family or None, default None
        Family with its link.
    estimator : {"tuned", "dsl", "gold"}, default "tuned"
        ``"tuned"`` combines all predictions and a constant to the least variance; ``"dsl"`` plugs in the
        learner's or, without one, the first prediction; ``"gold"`` takes expert labels alone.
    clusters : str or None, default None
        Column of clusters for the standard errors; sums are kept by cluster.
    n_folds : int, default 5
        Folds of the learner, at least 2.
    chunk_size : int, default 200000
        Rows of a chunk, for paths and frames.
    confidence_level : float, default 0.95
        Level of the intervals.
    random_state : int, default 0
        Seed of the folds.
    verbose : bool, default True
        Whether to show a progress bar where somebody can see one.

    Returns
    -------
    StreamedResult
        Coefficients with their covariance, gold-only fit, and the parts that planning needs.

    Raises
    ------
    ValueError
        If values are missing, infinite or out of range, or the options do not fit together.
    NoRootError
        If no root is found.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=5000)
    >>> truth = 1 + 2 * x + rng.normal(size=5000)
    >>> rows = pd.DataFrame({"x": x, "machine": truth + rng.normal(size=5000)})
    >>> rows["y"] = np.where(rng.random(5000) < 0.1, truth, np.nan)
    >>> result = stream_regression(rows, label="y", covariates=["x"], predictions="machine",
    ...                            features=["machine", "x"], sampling_probability=0.1, chunk_size=1000)
    >>> bool(np.all(np.abs(result.params - [1, 2]) < 4 * result.std_error))
    True
    """
    check_literal(estimator, "estimator", get_args(StreamEstimator))
    check_literal(model, "model", get_args(StreamModel))
    check_positive_int(chunk_size, "chunk_size")
    check_positive_int(n_folds, "n_folds", minimum=2)
    check_positive_int(random_state, "random_state", minimum=0)
    alpha_fraction(confidence_level)
    columns = _columns(label, covariates, predictions, features, sampling_probability, clusters)
    if estimator != "gold" and not columns.predictions and not columns.features:
        raise ValueError(
            "There is nothing that predicts the label: pass predictions=<columns with predicted labels>, or "
            "features=<columns> for a learner, or estimator='gold'."
        )
    moment = _moment(model, family)
    mapped = partial(map_chunks, source, chunk_size=chunk_size, verbose=verbose)
    columns = _with_levels(columns, mapped)
    rows = _labelled_rows(columns, mapped)
    _check_labelled(rows.chunk, columns, model, moment)
    first_stage = None
    if estimator != "gold" and columns.features:
        first_stage, rows = _with_predictions(rows, learner, n_folds, int(random_state))

    def equation(matrices: tuple[Float2D, ...], constant: Float1D | None = None) -> _Equation:
        def one_pass(params: Float1D) -> MomentSums:
            work = partial(
                _sums,
                columns=columns,
                first_stage=first_stage,
                moment=moment,
                params=params,
                matrices=matrices,
                constant=constant,
            )
            return reduce(add, mapped(work, columns=columns.needed, description="moments"))

        return _Equation(one_pass, int(rows.offsets[-1]))

    gold = gold_only(rows.chunk.sample(moment))
    p = rows.chunk.X.shape[1]
    start = (
        gold.params
        if gold is not None
        else moment.start(rows.chunk.sample(moment).gold, 1.0 / rows.chunk.probability)
    )
    plain = equation(() if estimator == "gold" else (np.eye(p),))
    newton = _solve(plain, start, rows, columns.coefficient_names)
    chosen = _Chosen(plain, newton, "none", 0, plain.n_passes)
    if estimator == "tuned":
        chosen = _tuned(plain, newton, rows, moment, equation)
    return _result(
        chosen.equation.at(chosen.newton.params),
        chosen.newton,
        rows,
        gold,
        columns=columns,
        model=model,
        estimator=estimator,
        tuning=chosen.kind,
        n_tuned=chosen.n_tuned,
        n_passes=chosen.n_passes + 1 + bool(columns.levels),
        confidence_level=confidence_level,
        backend="pandas" if is_dask(source) else backend_of(source),
    )


def _with_predictions(
    rows: _Labelled, learner: Any, n_folds: int, random_state: int
) -> tuple[FirstStage, _Labelled]:
    """Fit the learner by cross-fitting, and put its predictions before the others."""
    chunk = rows.chunk
    assert rows.features is not None
    first_stage = fit_first_stage(
        rows.features, chunk.y, rows.positions, rows.offsets, learner, n_folds, random_state
    )
    predicted = first_stage.predict_rows(rows.features, rows.positions)
    extended = replace(chunk, predictions=(predicted, *chunk.predictions))
    return first_stage, replace(rows, chunk=extended)


@dataclass(frozen=True)
class _Chosen:
    """The equation that is reported, its root, how it was tuned, and the passes of all equations so far."""

    equation: _Equation
    newton: NewtonResult
    kind: str
    n_tuned: int
    n_passes: int


def _tuned(
    plain: _Equation,
    newton: NewtonResult,
    rows: _Labelled,
    moment: ModelMoment,
    equation: Callable[[tuple[Float2D, ...], Float1D | None], _Equation],
) -> _Chosen:
    """Tune the augmentation, and keep the plain estimate where the tuned one has no root near it."""
    found = _tune(rows, moment, newton, plain)
    if found is None:
        return _Chosen(plain, newton, "none", 0, plain.n_passes)
    tuned = equation(found.augmentation.matrices, found.augmentation.constant)
    root = find_root(tuned.moment, tuned.jacobian, newton.params)
    near = root.converged and is_near(
        root.params, newton.params, _standard_errors(plain, newton.params), found.n_units
    )
    n_passes = plain.n_passes + tuned.n_passes
    if not near:
        return _Chosen(plain, newton, "none", 0, n_passes)
    return _Chosen(tuned, root, found.kind, found.n_tuned, n_passes)


def _columns(
    label: str,
    covariates: Sequence[str],
    predictions: str | Sequence[str],
    features: Sequence[str],
    probability: str | float,
    clusters: str | None,
) -> ChunkColumns:
    for values, name in ((covariates, "covariates"), (features, "features")):
        if isinstance(values, str):
            raise TypeError(f"{name} must be a list of column names, got the text {values!r}.")
    if label in (*covariates, *features):
        raise ValueError(f"The expert label {label!r} cannot be a covariate or a feature as well.")
    if not isinstance(probability, str):
        check_in_range(probability, "sampling_probability", 0, 1, low_open=True)
    return ChunkColumns(
        label=label,
        covariates=tuple(covariates),
        predictions=(predictions,) if isinstance(predictions, str) else tuple(predictions),
        features=tuple(features),
        probability=probability,
        clusters=clusters,
        levels={},
    )


def _moment(model: StreamModel, family: Any) -> ModelMoment:
    if (family is not None) != (model == "glm"):
        raise ValueError(f"family goes with model='glm' and only with it; got model={model!r}.")
    return choose_moment(model, family, 0, instrumental=False)


def _levels_of(frame: Any, index: int, covariates: tuple[str, ...]) -> dict[str, ChunkLevels]:
    return chunk_levels(frame, covariates)


def _with_levels(columns: ChunkColumns, mapped: Any) -> ChunkColumns:
    """Find the levels by a pass over the covariates; none where the first chunk has neither text nor categories."""
    if not columns.covariates:
        return columns
    levels: dict[str, list[ChunkLevels]] = {}
    work = partial(_levels_of, covariates=columns.covariates)
    for number, found in enumerate(mapped(work, columns=list(columns.covariates), description="levels")):
        if number == 0 and not found:
            return columns
        for name, here in found.items():
            levels.setdefault(name, []).append(here)
    return replace(columns, levels={name: merge_levels(found) for name, found in levels.items()})


def _labelled_rows(columns: ChunkColumns, mapped: Any) -> _Labelled:
    work = partial(_collect, columns=columns)
    found = list(mapped(work, columns=columns.needed, description="labelled rows"))
    if not found:
        raise ValueError("The source has no rows.")
    lengths = np.array([f[0] for f in found], dtype=np.int64)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    chunks = [f[1] for f in found]
    n_labelled = sum(c.n_rows for c in chunks)
    if n_labelled < chunks[0].X.shape[1] + 1:
        raise ValueError(
            f"Only {n_labelled} row(s) carry the expert label {columns.label!r}, too few for "
            f"{chunks[0].X.shape[1]} coefficients."
        )
    terms = range(len(chunks[0].predictions))
    return _Labelled(
        chunk=RowChunk(
            X=np.concatenate([c.X for c in chunks]),
            y=np.concatenate([c.y for c in chunks]),
            probability=np.concatenate([c.probability for c in chunks]),
            predictions=tuple(np.concatenate([c.predictions[j] for c in chunks]) for j in terms),
            clusters=None
            if columns.clusters is None
            else np.concatenate([np.asarray(c.clusters) for c in chunks]),
        ),
        features=np.concatenate([f[2] for f in found]) if columns.features else None,
        positions=np.concatenate([offsets[i] + f[3] for i, f in enumerate(found)]),
        offsets=offsets,
    )


def _check_labelled(chunk: RowChunk, columns: ChunkColumns, model: StreamModel, moment: ModelMoment) -> None:
    """Refuse outcomes that the model does not allow; warn of few labels and of columns that none identifies."""
    binomial = isinstance(moment, GLMMoment) and type(moment.family).__name__ == "Binomial"
    if binomial and (chunk.y.min() < 0.0 or chunk.y.max() > 1.0):
        raise ValueError(
            f"The expert label {columns.label!r} must lie between 0 and 1 in a binomial model; it ranges from "
            f"{chunk.y.min():g} to {chunk.y.max():g}."
        )
    if model == "poisson" and chunk.y.min() < 0.0:
        raise ValueError(f"The expert label {columns.label!r} of model='poisson' has negative values.")
    unseen = collinear_columns(chunk.X, columns.coefficient_names)
    if unseen:
        message = unlabelled_category_message.format(columns=", ".join(map(repr, unseen)))
        warn(message, LabellingWarning)
    if chunk.n_rows < 50:
        message = few_labels_message.format(n_labelled=chunk.n_rows, units="rows")
        warn(message, LabellingWarning)
    if chunk.clusters is not None:
        everyone = np.ones(chunk.n_rows, dtype=bool)
        warn_about_clusters([cluster_codes(chunk.clusters)], everyone, columns.clusters)


def _solve(equation: _Equation, start: Float1D, rows: _Labelled, names: Sequence[str]) -> NewtonResult:
    newton = find_root(equation.moment, equation.jacobian, start)
    if not newton.converged or invert_bread(equation.jacobian(newton.params)) is None:
        spanned = collinear_columns(equation.jacobian(start), names)
        which = ", ".join(map(repr, spanned))
        raise NoRootError(
            f"No root of the estimating equation was found with {rows.chunk.n_rows} labelled rows for {len(names)} "
            f"coefficients ({newton.reason}). "
            + (
                f"The column(s) {which} are constant or spanned by the others: leave them out."
                if spanned
                else "Label more rows, or leave out covariates."
            )
        )
    return newton


def _tune(
    rows: _Labelled, moment: ModelMoment, newton: NewtonResult, equation: _Equation
) -> ChosenAugmentation | None:
    """Choose the augmentation from the labelled rows, as :func:`fit_tuned` does in memory."""
    bread = invert_bread(equation.jacobian(newton.params))
    assert bread is not None
    identity = [np.eye(len(newton.params))] * len(rows.chunk.predictions)
    terms = rows.chunk.augmentation(identity, None).terms
    return choose_augmentation(rows.chunk.sample(moment), terms, newton.params, bread, SamplingDesign())


def _standard_errors(equation: _Equation, params: Float1D) -> Float1D:
    sums = equation.at(params)
    bread = invert_bread(sums.jacobian / sums.n_rows)
    assert bread is not None
    return np.sqrt(np.diag(sandwich(bread, sums.meat / sums.n_rows, sums.n_rows)))


def _result(
    sums: MomentSums,
    newton: NewtonResult,
    rows: _Labelled,
    gold: AugmentedFit | None,
    *,
    columns: ChunkColumns,
    model: str,
    estimator: StreamEstimator,
    tuning: str,
    n_tuned: int,
    n_passes: int,
    confidence_level: float,
    backend: Any,
) -> StreamedResult:
    n, n_labelled, p = sums.n_rows, sums.n_labelled, len(newton.params)
    bread = invert_bread(sums.jacobian / n)
    assert bread is not None
    meat = sums.meat
    n_units = n_labelled
    if sums.clusters is not None:
        meat = sums.clusters.sums.T @ sums.clusters.sums
        assert rows.chunk.clusters is not None
        if len(sums.clusters.sums) < 2:
            raise ValueError(
                f"All rows are in one cluster of {columns.clusters!r}; a variance needs two at least."
            )
        n_units = len(np.unique(rows.chunk.clusters))
    inflation = n_labelled / max(n_labelled - p - n_tuned, 1) if estimator == "tuned" else 1.0
    covariance = inflation * sandwich(bread, meat / n, n)
    label_covariance = inflation * sandwich(bread, sums.label_meat / n, n)
    degrees = float(max(n_units - (1 if sums.clusters is not None else p + n_tuned), 1))
    return StreamedResult(
        guarantee=streaming_guarantee(n_units, confidence_level, estimator, columns.clusters),
        backend=backend,
        names=columns.coefficient_names,
        params=newton.params,
        covariance=covariance,
        degrees_of_freedom=degrees if n_units < 200 else None,
        confidence_level=float(confidence_level),
        model=model,
        estimator=estimator,
        tuning=tuning,
        n_rows=n,
        n_labelled=n_labelled,
        n_passes=n_passes,
        variance_parts=VarianceParts(covariance=covariance[None], label_covariance=label_covariance[None]),
        gold=_gold_fit(gold, rows, estimator),
        clustered_by=columns.clusters,
    )


def _gold_fit(gold: AugmentedFit | None, rows: _Labelled, estimator: StreamEstimator) -> SimpleFit | None:
    """Standard errors of the gold-only fit, corrected as those of the estimator; unlabelled rows add nothing."""
    if gold is None:
        return None
    n, p = len(gold.psi), len(gold.params)
    clusters = [] if rows.chunk.clusters is None else [cluster_codes(rows.chunk.clusters)]
    inflation = n / max(n - p, 1) if estimator == "tuned" else 1.0
    covariance = inflation * sandwich(gold.bread, clustered_meat(gold.psi, clusters), n)
    return SimpleFit(params=gold.params, std_error=np.sqrt(np.diag(covariance)))
