"""Regressions on rows that do not fit in memory: the sums of every step are a pass over the rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from validstats._typing import AnyArray, Float1D, Float2D, Int1D, RandomState
from validstats.dsl.fit import EstimatorName, NoRootError, Population, Tuning
from validstats.dsl.labels import (
    KNOWN_TEXT,
    Calibration,
    CrossFitter,
    ProbabilityRange,
    Units,
    check_enough_units,
    drawn_shares,
    expected_values,
    fold_seed,
    label_kind,
    simple_text,
    warn_about_labels,
)
from validstats.dsl.moments import ModelMoment, VarianceKind, collinear_columns
from validstats.dsl.regression import (
    BOUNDED_MODELS,
    MODELS,
    AssembledModel,
    InferenceRequest,
    LabelDistribution,
    PreparedModel,
    QuantileProblem,
    choose_moment,
    infer_quantile,
    solve,
    verdict_cells,
)
from validstats.dsl.results import CoefficientResult
from validstats.dsl.streaming.chunks import (
    ChunkColumns,
    ChunkLevels,
    RowChunk,
    chunk_levels,
    is_dask,
    map_chunks,
    merge_levels,
    read_chunk,
)
from validstats.dsl.streaming.sample import Coding, Column, Prediction, StreamedSample
from validstats.exceptions import LabellingWarning, unlabelled_category_message, warn
from validstats.intake import (
    backend_of,
    check_confidence_level,
    check_in_range,
    check_literal,
    check_positive_int,
    check_random_state,
)

__all__ = ["stream_regression"]

StreamModel: TypeAlias = Literal[
    "mean", "proportion", "quantile", "difference", "linear", "logit", "probit", "poisson", "glm"
]
"""Models of one numeric label whose covariates are always observed."""

_MOST_FEATURE_LEVELS = 50
"""Levels beyond which a text column is left out of features="all", as in memory."""


def stream_regression(
    source: Any,
    *,
    label: str,
    covariates: Sequence[str] = (),
    predictions: str | Sequence[str] = (),
    features: Sequence[str] | Literal["all"] = "all",
    learner: Any = None,
    sampling_probability: str | float | None = None,
    strata: str | None = None,
    clusters: str | None = None,
    weights: str | None = None,
    offset: str | None = None,
    model: StreamModel = "linear",
    family: Any = None,
    quantile: float | None = None,
    estimator: EstimatorName = "tuned",
    tuning: Tuning | None = None,
    vcov: VarianceKind | None = None,
    population: Population = "superpopulation",
    n_folds: int | None = None,
    n_repeats: int | None = None,
    chunk_size: int = 200_000,
    confidence_level: float = 0.95,
    random_state: RandomState = None,
    verbose: bool = True,
) -> CoefficientResult:
    """Estimate a regression on rows that need not fit in memory.

    Everything that the estimate needs is a sum over rows. A first pass collects the labelled rows, which are
    few; each step of the estimate is a further pass. Memory is bounded by a chunk and the labelled rows. Rows
    in memory are the stream of one chunk: the result is that of :class:`DesignSupervised` with the same options and
    seed.

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
        label. The first is what the naive fit takes for the truth.
    features : sequence of str or "all", default "all"
        Columns from which ``learner`` predicts the label: ``"all"`` are predictions and covariates (for ``"dsl"``,
        predictions). Without any, predictions are taken as they are.
    learner : scikit-learn estimator or None, default None
        Fitted on the labelled rows by cross-fitting; None is penalised linear or logistic regression on
        standardised features.
    sampling_probability : str, float or None, default None
        Column with the known labelling probabilities, or one for all rows. None asserts simple random sampling (within
        strata, or of whole clusters).
    strata : str or None, default None
        Column of strata within which a fixed number of rows, or of whole clusters, was labelled.
    clusters : str or None, default None
        Column of dependent rows. Folds keep them together and standard errors are clustered; where clusters are
        labelled entirely or not at all, they are the sampling units.
    weights, offset : str or None, default None
        Columns with analysis weights and with the known part of the linear predictor.
    model : str, default "linear"
        ``"mean"``, ``"proportion"``, ``"quantile"``, ``"difference"``, ``"linear"``, ``"logit"``, ``"probit"``,
        ``"poisson"`` or ``"glm"`` with ``family``. A quantile takes several hundred passes.
    family : statsmodels family or None, default None
        Family with its link.
    quantile : float or None, default None
        Level in (0, 1), for ``model="quantile"``; None is 0.5.
    estimator : {"tuned", "dsl", "ppi", "ppi++", "gold"}, default "tuned"
        As in :class:`DesignSupervised`. ``"tuned"`` combines all predictions.
    tuning, vcov, population : str or None
        As in :meth:`DesignSupervised.infer`.
    n_folds, n_repeats : int or None, default None
        Folds and repeats of the cross-fitting; None is 5, and 10 for ``"dsl"`` and 3 otherwise.
    chunk_size : int, default 200000
        Rows of a chunk, for paths and frames.
    confidence_level : float, default 0.95
        Level of the intervals.
    random_state : int, numpy.random.Generator or None, default None
        Seed of the folds.
    verbose : bool, default True
        Whether to show a progress bar where somebody can see one.

    Returns
    -------
    CoefficientResult
        Coefficients with their covariance, the naive and the gold-only fit, and the parts that planning needs.

    Raises
    ------
    ValueError
        If values are missing, infinite or out of range, or the options do not fit together.
    NoRootError
        If no root is found.

    Warns
    -----
    LabellingWarning
        If labels or clusters with labels are few, or labelled rows do not identify a coefficient.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=5000)
    >>> truth = 1 + 2 * x + rng.normal(size=5000)
    >>> rows = pd.DataFrame({"x": x, "machine": truth + rng.normal(size=5000)})
    >>> rows["y"] = np.where(rng.random(5000) < 0.1, truth, np.nan)
    >>> result = stream_regression(rows, label="y", covariates=["x"], predictions="machine",
    ...                            sampling_probability=0.1, chunk_size=1000, random_state=0)
    >>> bool(np.all(np.abs(result.params - [1, 2]) < 4 * result.std_error))
    True
    """
    check_literal(estimator, "estimator", get_args(EstimatorName))
    check_literal(model, "model", get_args(StreamModel))
    check_literal(population, "population", get_args(Population))
    check_positive_int(chunk_size, "chunk_size")
    check_positive_int(5 if n_folds is None else n_folds, "n_folds", minimum=2)
    check_positive_int(3 if n_repeats is None else n_repeats, "n_repeats")
    if quantile is not None and model != "quantile":
        raise ValueError(f"quantile={quantile!r} goes with model='quantile'; got model={model!r}.")
    columns = _columns(
        ChunkColumns(
            label=label,
            covariates=_names(covariates, "covariates"),
            predictions=(predictions,) if isinstance(predictions, str) else tuple(predictions),
            features=() if isinstance(features, str) else _names(features, "features"),
            probability=sampling_probability,
            clusters=clusters,
            strata=strata,
            weights=weights,
            offset=offset,
            levels={},
        ),
        features,
        estimator,
    )
    moment = choose_moment(model, family, 0, instrumental=False)
    _check_model(model, columns)
    mapped = partial(map_chunks, source, chunk_size=chunk_size, verbose=verbose)
    check_confidence_level(confidence_level)
    columns = _with_levels(columns, mapped, drop_many=features == "all")
    census = _Census.taken(columns, mapped)
    coding, calibration = _calibrated(census, columns, moment)
    warn_about_labels(calibration)
    moment.check_outcome(census.labelled.y, label)
    backend = "pandas" if is_dask(source) else backend_of(source)
    request = InferenceRequest.of(
        Units(None, backend, columns.predictions, columns.features),
        calibration,
        learner,
        model=model,
        estimator=estimator,
        confidence_level=confidence_level,
        family=family,
        quantile=quantile,
        vcov=vcov,
        population=population,
        tuning=tuning,
    )
    generator = check_random_state(random_state)
    coding = _with_prediction(coding, census, request, generator, n_folds or 5, n_repeats)
    sample = _sample(coding, census, mapped)
    return _inferred(sample, request, columns)


def _names(names: Sequence[str], argument: str) -> tuple[str, ...]:
    if isinstance(names, str):
        raise TypeError(f"{argument} must be a list of column names, got the text {names!r}.")
    return tuple(names)


def _columns(columns: ChunkColumns, features: Any, estimator: str) -> ChunkColumns:
    """Return the roles of the columns with the features that "all" stands for, checked."""
    if isinstance(features, str):
        if features != "all":
            raise TypeError(f"features must be a list of column names or 'all', got the text {features!r}.")
        known = columns.predictions + (() if estimator == "dsl" else columns.covariates)
        columns = replace(columns, features=known)
    columns = replace(columns, features=tuple(dict.fromkeys(columns.features)))
    if columns.label in (*columns.covariates, *columns.features):
        raise ValueError(f"The expert label {columns.label!r} cannot be a covariate or a feature as well.")
    if isinstance(columns.probability, float | int):
        check_in_range(columns.probability, "sampling_probability", 0, 1, low_open=True)
    if estimator in ("ppi", "ppi++") and not columns.predictions:
        raise ValueError(f"estimator={estimator!r} needs predictions=<columns with predicted labels>.")
    if estimator in ("tuned", "dsl") and not columns.predictions and not columns.features:
        raise ValueError(
            "There is nothing that predicts the label: pass predictions=<columns with predicted labels>, or "
            "features=<columns> for a learner, or estimator='gold'."
        )
    if estimator in ("ppi", "ppi++", "gold"):
        columns = replace(columns, features=())
    return columns


def _check_model(model: str, columns: ChunkColumns) -> None:
    chosen = MODELS[model]
    chosen.check_offset(columns.offset is not None)
    if columns.covariates and not chosen.takes_covariates:
        raise ValueError(f"model={model!r} takes no covariates; leave them out, or use model='linear'.")


def _levels_of(frame: Any, index: int, names: tuple[str, ...]) -> dict[str, ChunkLevels]:
    return chunk_levels(frame, names)


def _with_levels(columns: ChunkColumns, mapped: Any, drop_many: bool) -> ChunkColumns:
    """Find the levels by a pass over covariates and features; none where the first chunk has only numbers."""
    names = tuple(dict.fromkeys((*columns.covariates, *columns.features)))
    names = tuple(name for name in names if name not in columns.predictions)
    if not names:
        return columns
    levels: dict[str, list[ChunkLevels]] = {}
    work = partial(_levels_of, names=names)
    for number, found in enumerate(mapped(work, columns=list(names), description="levels")):
        if number == 0 and not found:
            return columns
        for name, here in found.items():
            levels.setdefault(name, []).append(here)
    merged = {name: merge_levels(found) for name, found in levels.items()}
    kept = [n for n in columns.features if len(merged.get(n, ())) <= _MOST_FEATURE_LEVELS]
    if not drop_many and len(kept) < len(columns.features):
        many = next(n for n in columns.features if n not in kept)
        raise ValueError(
            f"The feature {many!r} has {len(merged[many])} classes, more than {_MOST_FEATURE_LEVELS}. Group its "
            "classes or leave it out of features."
        )
    return replace(columns, levels=merged, features=tuple(kept))


@dataclass(frozen=True)
class _Groups:
    """Clusters or strata of some rows: their labels, rows and labelled rows, and the stratum of a cluster."""

    levels: AnyArray
    size: Int1D
    hits: Int1D

    @classmethod
    def of(cls, levels: AnyArray, size: Int1D, hits: Int1D) -> _Groups:
        """Count rows and labelled rows by level."""
        found, codes = np.unique(levels, return_inverse=True)
        codes = codes.reshape(-1)
        return cls(
            found,
            np.bincount(codes, size, len(found)).astype(np.int64),
            np.bincount(codes, hits, len(found)).astype(np.int64),
        )

    def __add__(self, other: _Groups) -> _Groups:
        return _Groups.of(
            np.concatenate([self.levels, other.levels]),
            np.concatenate([self.size, other.size]),
            np.concatenate([self.hits, other.hits]),
        )


@dataclass(frozen=True)
class _Census:
    """What one pass collects: labelled rows with their positions, lengths of chunks, and groups with their sizes."""

    offsets: Int1D
    labelled: RowChunk
    positions: Int1D
    clusters: _Groups | None
    strata: _Groups | None
    pairs: AnyArray | None  # clusters with their strata, each pair once, shape ``(n_pairs, 2)``
    probabilities: ProbabilityRange | None

    @classmethod
    def taken(cls, columns: ChunkColumns, mapped: Any) -> _Census:
        """Collect in one pass."""
        parts = list(
            mapped(partial(_counted, columns=columns), columns=columns.needed, description="labelled rows")
        )
        if not parts:
            raise ValueError("The source has no rows.")
        first = parts[0]
        lengths = np.array([part.offsets[-1] for part in parts], dtype=np.int64)
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        labelled = RowChunk.joined([part.labelled for part in parts])
        n_params = len(columns.coefficient_names)
        if labelled.n_rows < n_params + 1:
            raise ValueError(
                f"Only {labelled.n_rows} row(s) carry the expert label {columns.label!r}, too few for "
                f"{n_params} coefficients."
            )
        return cls(
            offsets=offsets,
            labelled=labelled,
            positions=np.concatenate([offsets[i] + part.positions for i, part in enumerate(parts)]),
            clusters=None if first.clusters is None else _summed([part.clusters for part in parts]),
            strata=None if first.strata is None else _summed([part.strata for part in parts]),
            pairs=None
            if first.pairs is None
            else np.unique(np.concatenate([np.asarray(part.pairs) for part in parts]), axis=0),
            probabilities=None
            if first.probabilities is None
            else _summed([part.probabilities for part in parts]),
        )

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return int(self.offsets[-1])


def _summed(values: Sequence[Any]) -> Any:
    total = values[0]
    for value in values[1:]:
        total = total + value
    return total


def _counted(frame: Any, index: int, columns: ChunkColumns) -> _Census:
    """Count one chunk."""
    chunk = read_chunk(frame, columns, index)
    known = ~np.isnan(chunk.y)
    ones = np.ones(chunk.n_rows, dtype=np.int64)
    pairs = None
    if chunk.clusters is not None and chunk.strata is not None:
        pairs = np.unique(np.column_stack([chunk.clusters, chunk.strata]), axis=0)
    return _Census(
        offsets=np.array([0, chunk.n_rows]),
        labelled=chunk.part(np.flatnonzero(known)),
        positions=np.flatnonzero(known),
        clusters=None if chunk.clusters is None else _Groups.of(chunk.clusters, ones, known.astype(np.int64)),
        strata=None if chunk.strata is None else _Groups.of(chunk.strata, ones, known.astype(np.int64)),
        pairs=pairs,
        probabilities=None if chunk.probability is None else ProbabilityRange.of(chunk.probability),
    )


def _calibrated(census: _Census, columns: ChunkColumns, moment: ModelMoment) -> tuple[Coding, Calibration]:
    """Return how labels were drawn, by the rules of :func:`resolve_design`, and the labelled rows as a calibration."""
    known = columns.probability is not None
    scheme, shares, cluster_strata = "independent", None, None
    groups = census.clusters
    if groups is not None and len(groups.levels) < 2:
        raise ValueError(
            f"All rows are in one cluster of {columns.clusters!r}; a variance needs two at least."
        )
    whole = groups is not None and groups.size.max() > 1
    whole = whole and bool(np.all((groups.hits == 0) | (groups.hits == groups.size)))  # type: ignore[union-attr]
    if groups is not None and whole and np.sum(groups.hits > 0) > 1:
        scheme = "clusters"
        if not known:
            cluster_strata = _cluster_strata(census, groups)
            drawn = np.bincount(cluster_strata, groups.hits > 0)
            shares = drawn_shares(np.bincount(cluster_strata), drawn, "cluster")
    elif census.strata is not None:
        scheme = "stratified"
        if not known:
            shares = drawn_shares(census.strata.size, census.strata.hits, "row")
    elif not known:
        scheme, shares = "simple", np.array([census.labelled.n_rows / census.n_rows])
    coding = Coding(
        columns=columns,
        moment=moment,
        scheme=scheme,
        offsets=census.offsets,
        cluster_levels=None if groups is None else groups.levels,
        cluster_sizes=None if groups is None else groups.size,
        cluster_strata=cluster_strata,
        strata_levels=None if census.strata is None else census.strata.levels,
        shares=shares,
    )
    sample, _ = coding.part(census.labelled, census.positions)
    calibration = Calibration(
        labels={columns.label: census.labelled.y},
        kinds={columns.label: label_kind(census.labelled.y)},
        labelled=sample.labelled,
        probability=sample.probability,
        design=sample.design,
        design_text=KNOWN_TEXT if shares is None else simple_text(scheme, len(shares)),
        clusters=sample.clusters,
        folds=np.zeros((0, sample.n_rows), dtype=np.int64),
        predictor=None,
        classes={},
        streamed_range=census.probabilities or _range_of(shares, census, groups, cluster_strata),
    )
    return coding, calibration


def _range_of(
    shares: Float1D | None, census: _Census, groups: _Groups | None, cluster_strata: Int1D | None
) -> ProbabilityRange:
    """Return the range of probabilities that the shares of units drawn give."""
    assert shares is not None
    if cluster_strata is not None and groups is not None:
        size = np.bincount(cluster_strata, groups.size)
    elif census.strata is not None:
        size = census.strata.size
    else:
        size = np.array([census.n_rows])
    return ProbabilityRange(
        float(shares.min()),
        float(shares.max()),
        float(size @ shares),
        float(size @ (shares * (1.0 - shares))),
    )


def _cluster_strata(census: _Census, groups: _Groups) -> Int1D:
    """Return the stratum of every cluster, one for all where there are none."""
    if census.pairs is None:
        return np.zeros(len(groups.levels), dtype=np.int64)
    split = len(census.pairs) - len(groups.levels)
    if split:
        raise ValueError(
            f"Whole clusters are labelled, and {split} of {len(groups.levels)} clusters have rows in several strata, so "
            "that strata and clusters do not say with which probability a cluster was drawn. Pass "
            "sampling_probability, or strata that contain whole clusters."
        )
    assert census.strata is not None
    return np.searchsorted(census.strata.levels, census.pairs[:, 1]).astype(np.int64)


def _with_prediction(
    coding: Coding,
    census: _Census,
    request: InferenceRequest,
    generator: np.random.Generator,
    n_folds: int,
    n_repeats: int | None,
) -> Coding:
    """Fit the learner by cross-fitting on the labelled rows."""
    if not coding.columns.features or request.estimator not in ("tuned", "dsl"):
        return coding
    what = "rows" if coding.cluster_levels is None else f"clusters ({coding.columns.clusters})"
    n_units = len(coding.cluster_levels) if coding.cluster_levels is not None else census.n_rows
    check_enough_units(n_units, n_folds, what)
    repeats = n_repeats or (10 if request.estimator == "dsl" else 3)
    coding = replace(coding, n_folds=n_folds, seeds=tuple(fold_seed(generator) for _ in range(repeats)))
    codes = None
    if coding.cluster_levels is not None:
        assert census.labelled.clusters is not None
        codes = np.searchsorted(coding.cluster_levels, census.labelled.clusters).astype(np.int64)
    labelled = census.labelled
    assert labelled.features is not None
    fitter = CrossFitter(
        learner=request.learner,
        folds=coding.folds(census.positions, codes),
        labelled=np.ones(labelled.n_rows, dtype=np.bool_),
        n_surrogates=_leading_predictions(coding.columns) or None,
    )
    prediction = _prediction(fitter, coding.columns.label, labelled.y, labelled.features, request)
    return replace(coding, prediction=replace(prediction, n_effective=fitter.n_effective))


def _leading_predictions(columns: ChunkColumns) -> int:
    """Return how many of the first features are machine labels."""
    others = [k for k, name in enumerate(columns.features) if name not in columns.predictions]
    return others[0] if others else len(columns.features)


def _prediction(
    fitter: CrossFitter, label: str, y: Float1D, features: Float2D, request: InferenceRequest
) -> Prediction:
    if request.model != "quantile":
        means = fitter.means(label, y, features)
        return Prediction(means=means, by_repeat=request.estimator == "dsl")
    known = expected_values(fitter, label, y, features)
    return Prediction(means=known.means, draws=known.draws, classes=known.classes, values=known.values)


def _sample(coding: Coding, census: _Census, mapped: Any) -> StreamedSample:
    labelled, terms = coding.part(census.labelled, census.positions)
    sample = StreamedSample(mapped=mapped, coding=coding, labelled=labelled, labelled_terms=terms)
    sample.passes.extend(["levels", "labelled rows"] if coding.columns.levels else ["labelled rows"])
    return sample


def _inferred(sample: StreamedSample, request: InferenceRequest, columns: ChunkColumns) -> CoefficientResult:
    """Estimate by the path of rows in memory."""
    chosen = MODELS[request.model]
    chosen.check(columns.label, columns.coefficient_names, bool(columns.covariates), ())
    names = chosen.names(columns.label, columns.coefficient_names, ())
    n_raw = len(columns.predictions)
    n_expected = len(sample.labelled_terms) - n_raw
    every: Any = tuple(Column(k) for k in range(len(sample.labelled_terms)))
    expected, raw = every[:n_expected], every[n_expected:]
    if not expected and request.estimator in ("tuned", "dsl"):
        expected, raw = raw[:1], raw[1:]
        naive = expected[0]
    else:
        naive = raw[0] if raw else None
    clustered_by = None if request.population == "finite" else columns.clusters
    if request.model == "quantile":
        distribution = LabelDistribution(
            sample=sample,
            expected=expected[0] if expected else None,
            raw=raw[0] if raw else None,
            estimator=request.estimator,
            kind=request.kind,
            population=request.population,
            tuning=request.tuning,
        )
        problem = QuantileProblem(
            label=columns.label,
            distribution=distribution,
            clusters=sample.clusters,
            clustered_by=clustered_by,
            machine=None,
        )
        return infer_quantile(problem, request)
    _warn_about_rank(sample, names)
    formula = " + ".join(columns.covariates)
    prepared = PreparedModel(
        assembled=AssembledModel(
            moment=sample.moment,
            gold=sample.gold,
            outcome=None,
            covariate_labels=(),
            names=names,
            make_rows=_not_in_memory,
        ),
        sample=sample,
        terms=expected,
        raw=raw[0] if raw else None,
        n_effective=0.0 if sample.coding.prediction is None else sample.coding.prediction.n_effective,
        cell=verdict_cells(sample, naive),
        notes=_interval_note(request),
        naive=naive,
        formula=f"{columns.label} ~ {formula}" if formula else columns.label,
        outcome=columns.label,
    )
    try:
        return solve(prepared, request, sample.clusters, clustered_by)
    except NoRootError as error:
        raise NoRootError(f"{error}{_spanned_text(sample, names)}") from None


def _interval_note(request: InferenceRequest) -> tuple[str, ...]:
    if request.model not in BOUNDED_MODELS:
        return ()
    return (
        "Interval 'normal', estimate and standard error: rows were read in parts, and cells need them together.",
    )


def _not_in_memory(*_: Any) -> Any:
    raise TypeError("The rows of a stream are read part by part.")


def _warn_about_rank(sample: StreamedSample, names: tuple[str, ...]) -> None:
    """Warn of columns that labelled rows do not identify."""
    if len(names) != sample.gold.X.shape[1]:
        return
    unseen = collinear_columns(sample.gold.X, names)
    if unseen:
        message = unlabelled_category_message.format(columns=", ".join(map(repr, unseen)))
        warn(message, LabellingWarning)


def _spanned_text(sample: StreamedSample, names: tuple[str, ...]) -> str:
    """Name the columns that the labelled rows show to be constant or spanned by others."""
    if len(names) != sample.gold.X.shape[1]:
        return ""
    spanned = collinear_columns(sample.gold.X, names)
    which = ", ".join(map(repr, spanned))
    return f" The column(s) {which} are constant or spanned by the others: leave them out." if spanned else ""
