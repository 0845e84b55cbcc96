"""Expert labels, the probabilities they were drawn with, and what is checked about both."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, Literal, Self, TypeAlias

import numpy as np

from validstats._typing import (
    AnyArray,
    Bool1D,
    Float1D,
    Float2D,
    FloatND,
    FrameBackend,
    Int1D,
    Int2D,
    RandomState,
)
from validstats.dsl.labels.crossfit import (
    CrossFitter,
    FoldPlan,
    LabelKind,
    check_learners,
    encode_features,
    label_kind,
)
from validstats.dsl.moments import (
    LARGEST_VALUE,
    SamplingDesign,
    cluster_codes,
    is_constant,
    kish_size,
    repeated,
    text_codes,
    without_single_rows,
)
from validstats.exceptions import (
    LabellingWarning,
    few_clusters_message,
    inconsistent_probability_message,
    warn,
    weak_overlap_message,
)
from validstats.guarantee import Guarantee
from validstats.intake import (
    RowLabels,
    align,
    as_floats,
    backend_of,
    check_groups,
    check_matrix,
    check_vector,
    column,
    column_names,
    fit_parameters,
    frames,
    holds_numbers,
    is_frame,
    plain_frame,
    read_array,
    read_outcome,
    row_labels,
    take_parameters,
    to_pandas,
)
from validstats.results import Report, Table

__all__ = [
    "Calibration",
    "CountedUnits",
    "KNOWN_TEXT",
    "PartialLabels",
    "ProbabilityRange",
    "Units",
    "adjusted_labels",
    "calibrated",
    "calibration_report",
    "clean_label",
    "drawn_shares",
    "joined_names",
    "label_classes",
    "labelled_rows",
    "predict_labels",
    "read_labels",
    "resolve_probability",
    "row_vectors",
    "simple_text",
    "asked_columns",
    "typed_labels",
]


@dataclass(frozen=True)
class Units:
    """All rows of a study, with the columns that are machine labels and features."""

    given: Any  # pandas data frame with a fresh index, its columns as they came
    backend: FrameBackend  # frame library of the caller
    surrogate: Any  # as in ``fit``
    features: Any  # column names or "all"
    rows: RowLabels | None = None  # who the rows are; None for rows that arrive in parts
    positive: Any = None  # label that counts as 1, where labels are words

    @classmethod
    def of(cls, data: Any, surrogate: Any, features: Any, ids: Any = None) -> Self:
        """Check what ``fit`` was given."""
        if not is_frame(data):
            raise TypeError(
                f"data must be a pandas, polars or pyarrow table with named columns, got {type(data).__name__}. "
                "Wrap arrays in pandas.DataFrame({...})."
            )
        names = asked_columns(surrogate, features)
        frame = to_pandas(data).reset_index(drop=True)
        known: dict[str, tuple[AnyArray, Any]] = {}
        for name in dict.fromkeys(names):
            found = _numbers_of(frame, name)
            array = read_array(column(data, name), f"the column {name!r}") if found is None else found[0]
            if array.dtype.kind in "iu":
                as_floats(array, f"the column {name!r}")
            if found is not None:
                known[name] = found
        if len(frame) == 0:
            raise ValueError("data has no rows.")
        units = cls(frame, backend_of(data), surrogate, features, row_labels(data, ids, "data"))
        units._known.update(known)
        return units

    @cached_property
    def data(self) -> Any:
        """The frame with columns of the kinds that they mean; columns of numbers are read without it."""
        return without_silence(plain_frame(self.given), self.surrogate)

    @property
    def n_rows(self) -> int:
        """Number of units."""
        return len(self.given)

    @property
    def surrogate_columns(self) -> tuple[str, ...]:
        """Machine label columns, each once."""
        return tuple(surrogate_columns(self.surrogate))

    @property
    def surrogate_width(self) -> int:
        """Number of feature columns that the machine labels give, which come first."""
        if not self.surrogate_columns:
            return 0
        return encode_features({name: self.data[name].to_numpy() for name in self.surrogate_columns}).shape[1]

    def values(self, name: str) -> AnyArray:
        """Return a column as an array."""
        return self._known_column(name)[0]

    def dtype(self, name: str) -> Any:
        """Return the type of a column."""
        return self._known_column(name)[1]

    @cached_property
    def names(self) -> tuple[Any, ...]:
        """Names of the columns."""
        return tuple(self.given.columns.tolist())

    def _known_column(self, name: str) -> tuple[AnyArray, Any]:
        # pandas takes longer to give a column than most sums over it
        if name not in self._known:
            found = _numbers_of(self.given, name)
            if found is None:
                series = self.data[name]
                if series.ndim > 1:
                    frames.unique_names(self.given, "data")
                found = series.to_numpy(), series.dtype
            self._known[name] = found
        return self._known[name]

    @cached_property
    def _known(self) -> dict[str, tuple[AnyArray, Any]]:
        return {}

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what the frame as it came tells."""
        return {k: v for k, v in vars(self).items() if k not in ("_known", "names", "data")}

    def vectors(self, values: Any, name: str) -> list[AnyArray]:
        """Return columns given by name or as values, none for None."""
        if values is None:
            return []
        if isinstance(values, str) or _are_names(values, self.data):
            return row_vectors(self.data, values, name)
        return row_vectors(self.given, self.aligned(values, name), name)

    def aligned(self, values: Any, name: str, partial: bool = False) -> Any:
        """Bring what arrives beside the units into their order."""
        return values if self.rows is None else align(values, self.rows, name, partial=partial)

    def labels(self, labels: Any) -> Any:
        """Return expert labels in the order of the units, missing where there is none; columns may be named."""
        if isinstance(labels, str) or _are_names(labels, self.given):
            names = [labels] if isinstance(labels, str) else list(labels)
            return {name: column(self.data, name) for name in names}
        if isinstance(labels, Mapping):
            return {
                name: self.aligned(values, f"labels[{str(name)!r}]", True) for name, values in labels.items()
            }
        found = self.aligned(labels, "labels", True)
        if self.rows is not None and self.rows.key is not None and is_frame(found):
            import narwhals as nw

            return nw.from_native(found, eager_only=True).drop(self.rows.key, strict=False).to_native()
        return found

    def probability(self, values: Any) -> Any:
        """Return labelling probabilities given by a column name, by values, as one number, or to be estimated."""
        if isinstance(values, str):
            return self.data[values].to_numpy() if values in self.data and values != "estimated" else values
        return self.aligned(values, "sampling_probability")

    def vector(self, values: Any, name: str) -> AnyArray | None:
        """Return a column given by name or as values."""
        found = self.vectors(values, name)
        return found[0] if found else None

    @property
    def base_columns(self) -> tuple[str, ...]:
        """Columns of the features that do not depend on a formula, each once."""
        extra = () if self.features == "all" else tuple(self.features)
        return tuple(dict.fromkeys((*self.surrogate_columns, *extra)))

    def check_features(self, labels: Mapping[str, AnyArray]) -> None:
        """Refuse features that are labels, or that are not observed in every row, before anything is fitted."""
        clash = [name for name in self.base_columns if name in labels]
        if clash:
            raise ValueError(
                f"{', '.join(map(repr, clash))} cannot be a feature and an expert label at once."
            )
        for name in self.base_columns:
            values = self.values(name)
            if values.dtype.kind not in "fiub" or not np.isfinite(values.sum()):
                encode_features({name: values})

    def base_features(self) -> Float2D:
        """Return the features that do not depend on a formula; a constant where there are none."""
        if not self.base_columns:
            return np.zeros((self.n_rows, 1))
        return encode_features({name: self.values(name) for name in self.base_columns})

    def predictions(self, given: Any, labels: list[str]) -> dict[str, Any]:
        """Return given first-stage predictions by label, repeats first."""
        return {} if given is None else checked_predictions(given, labels, self)

    def surrogate_names(self, labels: list[str]) -> dict[str, str]:
        """Return the columns of machine labels by the name of the expert label."""
        if isinstance(self.surrogate, Mapping):
            unknown = [name for name in self.surrogate if name not in labels]
            if unknown:
                raise ValueError(
                    f"surrogate names the label(s) {', '.join(map(repr, unknown))}; calibrate was given "
                    f"{', '.join(map(repr, labels))}."
                )
            return dict(self.surrogate)
        columns = self.surrogate_columns
        return {labels[0]: columns[0]} if columns and len(labels) == 1 else {}

    def surrogates(self, labels: list[str]) -> dict[str, AnyArray]:
        """Return machine labels by the name of the expert label."""
        names = self.surrogate_names(labels)
        return {
            label: typed_labels(as_positive(self.values(name), self.positive))
            for label, name in names.items()
        }


def _numbers_of(frame: Any, name: str) -> tuple[AnyArray, Any] | None:
    """Return a column of NumPy's numbers with its type; None where it is of another kind, or is none."""
    if name not in frame:
        return None
    found = frame[name]
    return (found.to_numpy(), found.dtype) if found.ndim == 1 and holds_numbers(found.dtype) else None


def as_positive(verdicts: AnyArray, positive: Any) -> AnyArray:
    """Return machine labels in words as 1 where they are the positive one; a missing verdict is none."""
    words = verdicts.dtype.kind not in "fiub" and positive is not None
    return np.array([float(v == positive) for v in verdicts.tolist()]) if words else verdicts


NO_VERDICT = "no verdict"
"""Level of machine labels in words where one is missing: the judge's silence is a category of its own."""


def without_silence(frame: Any, surrogate: Any) -> Any:
    """Name the missing verdicts of machine labels in words."""
    for name in surrogate_columns(surrogate):
        values = frame[name]
        words = values.dtype.kind == "O" if hasattr(values.dtype, "kind") else False
        if words and values.isna().any() and all(isinstance(v, str) for v in values.dropna()):
            frame = frame.assign(**{name: values.where(values.notna(), NO_VERDICT)})
    return frame


@dataclass(frozen=True)
class CountedUnits(Units):
    """Rows of which alike ones are given once, for shares of rows that are not in memory together."""

    count: Float1D = field(default_factory=lambda: np.empty(0))  # rows that a row stands for
    lowest: Float1D = field(default_factory=lambda: np.empty(0))  # their least labelling probability
    verdicts: tuple[AnyArray, ...] = ()  # what the machine says, or bins of it
    sums: tuple[Float1D, ...] = ()  # of numeric verdicts
    squares: tuple[Float1D, ...] = ()
    binned: bool = False
    continuous: bool = False  # whether some verdict has many values
    few_probabilities: bool = True
    equal: bool = True  # whether all probabilities are equal

    @property
    def data(self) -> Any:
        """The frame: its columns were made here."""
        return self.given


def surrogate_columns(surrogate: Any) -> list[str]:
    """Return the machine label columns, each once."""
    if surrogate is None:
        return []
    if isinstance(surrogate, str):
        return [surrogate]
    return list(dict.fromkeys(surrogate.values())) if isinstance(surrogate, Mapping) else list(surrogate)


def asked_columns(surrogate: Any, features: Any) -> list[str]:
    """The columns that are named as machine labels and as features, each checked to be a name."""
    if isinstance(features, str) and features != "all":
        raise ValueError(f"features must be a list of column names or 'all', got {features!r}.")
    given = {
        "surrogate": (surrogate, surrogate_columns(surrogate)),
        "features": (features, [] if isinstance(features, str) else list(features)),
    }
    for argument, (values, names) in given.items():
        if not all(isinstance(name, str) for name in names):
            raise TypeError(
                f"{argument} names columns of data, got a {type(values).__name__} of values. Put them into data first, where "
                f"pandas matches them by index: data.assign(machine=values), {argument}=['machine']."
            )
    return [name for _, names in given.values() for name in names]


def checked_predictions(given: Any, labels: list[str], units: Units) -> dict[str, Float2D]:
    """Return first-stage predictions by label, repeats first, as a caller passes them."""
    if not isinstance(given, Mapping):
        if len(labels) != 1:
            raise ValueError(
                f"cross_fitted must be a mapping from label to predictions where there are several labels: {labels}."
            )
        given = {labels[0]: given}
    unknown = [name for name in given if name not in labels]
    if unknown:
        raise ValueError(f"cross_fitted names {unknown}, and the labels are {labels}.")
    found = {}
    for name, values in given.items():
        argument = f"cross_fitted[{name!r}]"
        array = check_matrix(units.aligned(values, argument), argument).T
        if array.shape[1] != units.n_rows:
            raise ValueError(
                f"cross_fitted[{name!r}] must hold a finite prediction for each of the {units.n_rows} rows, shape (n,) or "
                f"(n, n_repeats); got shape {np.shape(values)}."
            )
        found[name] = array.copy()  # the caller goes on working on its array
    return found


def joined_names(clusters: Any) -> str | None:
    """Return what clusters given by column names are called."""
    if isinstance(clusters, str):
        return clusters
    if isinstance(clusters, list | tuple) and clusters and all(isinstance(v, str) for v in clusters):
        return " and ".join(clusters)
    return None


def _are_names(values: Any, data: Any) -> bool:
    """Tell whether values are names of columns of the data."""
    return (
        isinstance(values, list | tuple)
        and bool(values)
        and all(isinstance(v, str) and v in data for v in values)
    )


def row_vectors(data: Any, values: Any, name: str) -> list[AnyArray]:
    """Return columns given by name or as values."""
    if isinstance(values, str):
        values = [values]
    if _are_names(values, data):
        return [check_groups(data[v], name, len(data)) for v in values]
    array = read_array(values, name)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1 or len(array) != len(data):
        raise ValueError(
            f"{name} must be the name of a column or have one value for each of the {len(data)} "
            f"rows; got shape {array.shape}."
        )
    return [check_groups(array, name, len(data))]


def calibrated(
    units: Units,
    labels: Any,
    *,
    sampling_probability: Any,
    strata: Any,
    clusters: Any,
    partial_labels: PartialLabels,
    learner: Any,
    n_folds: int,
    n_repeats: int,
    random_state: RandomState,
    parameters: Mapping[str, Any],
) -> Calibration:
    """Read expert labels and how they were drawn; the learner is fitted when predictions are asked for."""
    known = read_labels(units.labels(labels), units.n_rows, units.positive)
    sampling_probability = units.probability(sampling_probability)
    labelled, n_partial = labelled_rows(known, partial_labels)
    cluster_arrays = without_single_rows(tuple(map(text_codes, units.vectors(clusters, "clusters"))))
    design = resolve_design(labelled, units.vector(strata, "strata"), cluster_arrays, sampling_probability)
    units.check_features(known)
    probability, text = resolve_probability(sampling_probability, labelled, design, units.base_features)
    fold_clusters = cluster_arrays[0] if cluster_arrays else None
    plan = FoldPlan.of_rows(units.n_rows, n_folds, n_repeats, random_state, fold_clusters)
    given = parameters if units.rows is None else fit_parameters(parameters, units.rows)
    rows = np.flatnonzero(labelled)
    own = take_parameters(given, rows, units.n_rows)
    gold = {name: typed_labels(values[rows]) for name, values in known.items()}
    kinds = {name: label_kind(values) for name, values in gold.items()}
    check_learners(learner, kinds)
    calibration = Calibration(
        labels=known,
        kinds=kinds,
        labelled=labelled,
        probability=probability,
        design=design,
        design_text=text,
        clusters=cluster_arrays,
        fold_plan=plan,
        n_folds=n_folds,
        predictor=partial(_predicted, units, learner, plan, labelled, own, gold),
        classes=label_classes(gold, kinds),
        probability_estimated=isinstance(sampling_probability, str),
        n_partial=n_partial,
        cluster_names=joined_names(clusters),
        fit_parameters=own,
    )
    vars(calibration)["positions"] = rows
    warn_about_labels(calibration)
    return calibration


def _predicted(
    units: Units,
    learner: Any,
    plan: FoldPlan,
    labelled: Bool1D,
    parameters: Mapping[str, Any],
    gold: Mapping[str, AnyArray],
) -> Mapping[str, FloatND]:
    """Fit the learner on the labelled rows outside each fold, and predict every label of all rows."""
    fitter = CrossFitter(
        learner=learner,
        folds=plan.folds,
        labelled=labelled,
        n_surrogates=units.surrogate_width or None,
        parameters=parameters,
    )
    return predict_labels(fitter, gold, units.base_features())


def adjusted_labels(calibration: Calibration, label: str | None) -> FloatND:
    """Return the cross-fitted prediction plus the weighted expert correction of one label."""
    if label is None and len(calibration.labels) == 1:
        label = next(iter(calibration.labels))
    if label is None or label not in calibration.labels:
        raise ValueError(f"label must be one of {', '.join(map(repr, calibration.labels))}, got {label!r}.")
    labelled = calibration.labelled
    gold = typed_labels(calibration.labels[label][labelled])
    weight: FloatND = 1.0 / calibration.probability[labelled]
    if calibration.kinds[label] == "categorical":
        adjusted = calibration.predictions[label].T.copy()
        target: FloatND = (gold.astype(str)[:, None] == calibration.classes[label][None, :]).astype(float)
        weight = weight[:, None]
    else:
        adjusted, target = calibration.predictions[label].copy(), gold.astype(np.float64)
    # g + w (s - g)
    adjusted[labelled] += weight * (target - adjusted[labelled])
    return adjusted


PartialLabels: TypeAlias = Literal["error", "unlabelled"]
"""What to do with rows that carry some of several expert labels."""


@dataclass(frozen=True)
class ProbabilityRange:
    """Smallest and largest labelling probability, their sum and the variance of the number of labels; rows add."""

    low: float
    high: float
    total: float
    variance: float

    @classmethod
    def of(cls, probability: Float1D) -> Self:
        """Return the range of the probabilities of some rows."""
        n, first = len(probability), float(probability[0])
        if is_constant(probability):
            return cls(first, first, n * first, n * first * (1.0 - first))
        total = float(probability.sum())
        spread = max(total - float(probability @ probability), 0.0)
        return cls(float(probability.min()), float(probability.max()), total, spread)

    def __add__(self, other: Self) -> Self:
        return type(self)(
            min(self.low, other.low),
            max(self.high, other.high),
            self.total + other.total,
            self.variance + other.variance,
        )


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """What the expert labels have taught, and how they were drawn."""

    labels: Mapping[str, AnyArray]  # expert labels, missing where unlabelled
    kinds: Mapping[str, LabelKind]  # kind of every label
    labelled: Bool1D  # rows with all labels
    probability: Float1D  # labelling probabilities
    design: SamplingDesign  # how rows were chosen
    design_text: str  # the same in words
    clusters: tuple[Int1D, ...]  # cluster codes of dependent rows
    fold_plan: FoldPlan  # folds of the cross-fitting
    n_folds: int  # how many there are in each repeat
    # fits nothing before predictions are asked for; None for a stream
    predictor: Callable[[], Mapping[str, FloatND]] | None
    classes: Mapping[str, AnyArray]  # classes of the categorical labels
    probability_estimated: bool = False  # whether a model of the labelling gave the probabilities
    n_partial: int = 0  # rows with some labels that count as unlabelled
    cluster_names: str | None = None  # what the clusters are called, where they are columns
    # range of the probabilities of all rows, where these are not in memory
    streamed_range: ProbabilityRange | None = None
    fit_parameters: Mapping[str, Any] = field(default_factory=dict)  # of the learner, for the labelled rows

    @cached_property
    def positions(self) -> AnyArray:
        """Positions of the rows with all labels."""
        return np.flatnonzero(self.labelled)

    @cached_property
    def folds(self) -> Int2D:
        """Folds of the cross-fitting, repeats first."""
        return self.fold_plan.folds

    @cached_property
    def predictions(self) -> Mapping[str, FloatND]:
        """Cross-fitted predictions, averaged over repeats: means of shape (n,), or class probabilities by class."""
        return {} if self.predictor is None else self.predictor()

    @cached_property
    def probability_range(self) -> ProbabilityRange:
        """Range of the labelling probabilities of all rows."""
        return self.streamed_range or ProbabilityRange.of(self.probability)

    @cached_property
    def kish_labels(self) -> float:
        """Kish's effective number of labels: their number, where all have one probability."""
        if self.probability.strides == (0,):
            return float(self.n_labelled)
        return kish_size(1.0 / self.probability[self.positions])

    @property
    def n_rows(self) -> int:
        """Number of rows, labelled or not."""
        return len(self.labelled)

    @property
    def n_labelled(self) -> int:
        """Number of labelled rows."""
        return len(self.positions)

    @property
    def n_units(self) -> int:
        """Number of labelled sampling units: rows, or clusters where these were drawn."""
        if self.design.draws_clusters and self.design.units is not None:
            return len(np.unique(self.design.units[self.labelled]))
        return self.n_labelled


def missing_values(values: AnyArray) -> Bool1D:
    """Tell which entries are missing: NaN, None or the missing values of pandas."""
    if values.dtype.kind == "f":
        return np.isnan(values)
    if values.dtype.kind != "O":
        return np.zeros(len(values), dtype=np.bool_)
    return np.array(
        [not isinstance(v, str) and (v is None or str(v) in ("nan", "<NA>", "NaT")) for v in values.tolist()]
    )


def read_labels(labels: Any, n_rows: int, positive: Any = None) -> dict[str, AnyArray]:
    """Read expert labels from a column, a frame or a mapping."""
    if is_frame(labels):
        raw = {
            name: read_array(column(labels, name), f"labels[{name!r}]", masked_as_missing=True)
            for name in column_names(labels)
        }
    elif isinstance(labels, Mapping):
        raw = {
            str(name): read_array(values, f"labels[{str(name)!r}]", masked_as_missing=True)
            for name, values in labels.items()
        }
    else:
        name = str(getattr(labels, "name", None) or "label")
        raw = {name: read_array(labels, "labels", masked_as_missing=True)}
    if positive is not None:
        raw = {
            name: values
            if values.dtype.kind in "fiub"
            else read_outcome(values, f"labels[{name!r}]", positive=positive, allow_nan=True)
            for name, values in raw.items()
        }
    return {name: clean_label(name, values, n_rows) for name, values in raw.items()}


def clean_label(name: str, values: AnyArray, n_rows: int) -> AnyArray:
    """Return one label as numbers where it is, else as objects, missing where a row has none."""
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1 or len(values) != n_rows:
        raise ValueError(
            f"labels: the label {name!r} has shape {values.shape}; fit saw {n_rows} rows, and a label has one entry a "
            "row, missing where a row is not labelled."
        )
    if values.dtype.kind in "fiu":
        # NaN where a row has none; a copy: the caller goes on working on the labels
        numbers = values if values.dtype.kind == "f" else as_floats(values, f"labels: the label {name!r}")
        filled = numbers.astype(np.float64)
    else:
        known = ~missing_values(values)
        words = values[known].tolist() if values.dtype.kind in "OUS" else []
        if words and all(isinstance(v, str) for v in words):
            return values.astype(object)
        filled = np.full(len(values), np.nan)
        try:
            filled[known] = values[known]
        except (TypeError, ValueError):
            return values.astype(object)
    largest = float(max(np.fmax.reduce(filled), -np.fmin.reduce(filled)))
    if np.isnan(largest):
        raise ValueError(f"No row carries the expert label {name!r}; at least a few dozen are needed.")
    if np.isinf(largest):
        raise ValueError(f"labels: the label {name!r} has {int(np.isinf(filled).sum())} infinite value(s).")
    if largest > LARGEST_VALUE:
        raise ValueError(
            f"labels: the label {name!r} has values beyond {LARGEST_VALUE:g} in size, whose squares overflow; rescale it."
        )
    return filled


def labelled_rows(labels: Mapping[str, AnyArray], partial: PartialLabels) -> tuple[Bool1D, int]:
    """Return which rows carry every label, and how many carry only some."""
    first, *others = (~missing_values(v) for v in labels.values())
    labelled, some = first, first
    for known in others:
        labelled, some = labelled & known, some | known
    n_partial = int((some & ~labelled).sum()) if others else 0
    if n_partial and partial == "error":
        raise ValueError(
            f"{n_partial} row(s) carry some of the labels {', '.join(map(repr, labels))} but not all. Pass "
            "partial_labels='unlabelled' to count them as unlabelled, with sampling_probability the "
            "probability that a row carries all labels, or calibrate with one label at a time."
        )
    if not labelled.any():
        raise ValueError(f"No row carries all of the labels {', '.join(map(repr, labels))}.")
    return labelled, n_partial


def resolve_design(
    labelled: Bool1D, strata: AnyArray | None, clusters: tuple[Int1D, ...], probability: Any
) -> SamplingDesign:
    """Return the sampling scheme that labels, strata and clusters show."""
    if clusters:
        codes = clusters[0]
        size = np.bincount(codes)
        hits = np.bincount(codes, labelled)
        if size.max() > 1 and np.all((hits == 0) | (hits == size)) and np.sum(hits > 0) > 1:
            fixed = None if probability is not None else _cluster_strata(codes, strata)
            return SamplingDesign(scheme="clusters", units=codes, strata=fixed)
    if strata is not None:
        return SamplingDesign(scheme="stratified", units=cluster_codes(strata))
    if probability is None:
        return SamplingDesign(scheme="simple")
    return SamplingDesign(scheme="independent")


def _cluster_strata(clusters: Int1D, strata: AnyArray | None) -> Int1D:
    """Return the strata within which whole clusters were drawn, one where there are none."""
    if strata is None:
        return np.broadcast_to(np.int64(0), clusters.shape)
    codes = cluster_codes(strata)
    n_clusters = len(np.unique(clusters))
    pairs = np.unique(np.column_stack([clusters, codes]), axis=0)[:, 0]
    split = int(np.sum(np.bincount(pairs) > 1))
    if split:
        raise ValueError(
            f"Whole clusters are labelled, and {split} of {n_clusters} clusters have rows in several strata, so that "
            "strata and clusters do not say with which probability a cluster was drawn. Pass sampling_probability, "
            "or strata that contain whole clusters."
        )
    return codes


def resolve_probability(
    sampling_probability: Any, labelled: Bool1D, design: SamplingDesign, features: Callable[[], Float2D]
) -> tuple[Float1D, str]:
    """Return the labelling probability of every row, and where it comes from."""
    n = len(labelled)
    if isinstance(sampling_probability, str):
        if sampling_probability != "estimated":
            raise ValueError(
                f"sampling_probability must be numbers, None or 'estimated', got {sampling_probability!r}."
            )
        return _estimated_probability(labelled, features()), (
            "the labelling probabilities follow the logistic regression that they were estimated by (they are "
            "estimated, not known by design)"
        )
    if sampling_probability is None:
        return _simple_probability(labelled, design)
    sampling_probability = read_array(sampling_probability, "sampling_probability")
    if np.ndim(sampling_probability) == 0:
        sampling_probability = np.full(n, sampling_probability)
    probability = check_vector(sampling_probability, "sampling_probability")
    if len(probability) != n:
        raise ValueError(f"sampling_probability has {len(probability)} entries; fit saw {n} rows.")
    bad = (probability <= 0) | (probability > 1)
    if bad.any():
        hint = " A row that is labelled cannot have had probability 0." if (labelled & bad).any() else ""
        raise ValueError(
            f"sampling_probability must be in (0, 1]; {int(bad.sum())} value(s) are not, from "
            f"{probability.min():g} to {probability.max():g}.{hint} Rows that could never have been labelled "
            "are outside the population that labels can speak for: leave them out."
        )
    certain = int(np.sum((probability == 1.0) & ~labelled))
    if certain:
        raise ValueError(
            f"{certain} row(s) have sampling_probability 1, which makes a label certain, and carry none. Pass the "
            "probabilities that labels were drawn with."
        )
    return probability.copy(), KNOWN_TEXT  # the caller goes on working on its array


SIMPLE_TEXT = {
    "simple": "labelled rows are a simple random sample of all rows",
    "stratified": "rows were drawn by simple random sampling within strata",
    "clusters": "whole clusters were drawn by simple random sampling",
}
"""What no given probability asserts, by scheme."""

KNOWN_TEXT = "the labelling probabilities are those by which rows were drawn"
"""What given probabilities assert."""


def drawn_shares(size: Int1D, drawn: AnyArray, unit: str) -> Float1D:
    """Return the share of units that was drawn in every stratum."""
    share = drawn / size
    if np.any(share == 0):
        raise ValueError(
            f"{int(np.sum(share == 0))} of {len(share)} strata have no labelled {unit}. Label some there, "
            "or merge them with others."
        )
    return np.asarray(share, dtype=np.float64)


def simple_text(scheme: str, n_strata: int) -> str:
    """Say what no given probability asserts."""
    text = SIMPLE_TEXT[scheme]
    return f"{text} within strata" if scheme == "clusters" and n_strata > 1 else text


def _simple_probability(labelled: Bool1D, design: SamplingDesign) -> tuple[Float1D, str]:
    if design.within_strata:
        assert design.units is not None
        share = drawn_shares(np.bincount(design.units), np.bincount(design.units, labelled), "row")
        return share[design.units], simple_text(design.scheme, len(share))
    if design.draws_clusters:
        assert design.units is not None
        assert design.strata is not None
        strata = design.strata[np.unique(design.units, return_index=True)[1]]
        hits = np.bincount(design.units, labelled) > 0
        share = drawn_shares(np.bincount(strata), np.bincount(strata, hits), "cluster")
        probability = share[design.strata] if len(share) > 1 else np.broadcast_to(share, labelled.shape)
        return probability, simple_text(design.scheme, len(share))
    rate = np.count_nonzero(labelled) / len(labelled)
    return repeated(rate, len(labelled)), simple_text("simple", 1)


def _estimated_probability(labelled: Bool1D, features: Float2D) -> Float1D:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression(C=1e4, max_iter=2000))
    model.fit(features, labelled.astype(np.int64))
    return np.asarray(model.predict_proba(features)[:, 1], dtype=np.float64)


def warn_about_labels(calibration: Calibration) -> None:
    """Warn about weak overlap, and about probabilities that do not fit the number of labels."""
    found, n_labelled = calibration.probability_range, calibration.n_labelled
    units = "clusters" if calibration.design.draws_clusters else "rows"
    if units == "clusters" and calibration.n_units < 50:
        message = few_clusters_message.format(n_clusters=calibration.n_units, name="drawn as a whole")
        warn(message, LabellingWarning)
    kish = calibration.kish_labels
    # below 30 % of the labels intervals rest on few heavy rows
    if kish < 0.3 * n_labelled:
        message = weak_overlap_message.format(
            low=found.low, high=found.high, n_labelled=n_labelled, kish=kish
        )
        warn(message, LabellingWarning)
    # six standard deviations of a sum of independent draws
    distance = abs(n_labelled - found.total) / max(math.sqrt(found.variance), 1.0)
    if units == "rows" and distance > 6.0:
        message = inconsistent_probability_message.format(
            expected=found.total, n_labelled=n_labelled, distance=distance
        )
        warn(message, LabellingWarning)


def calibration_report(calibration: Calibration, n_folds: int, guarantee: Guarantee) -> Report:
    """Describe a calibration."""
    rows: list[tuple[str, str, float, str]] = []
    # rows in parts are predicted when a model is inferred
    for name, kind in calibration.kinds.items() if calibration.predictor is not None else ():
        gold = typed_labels(calibration.labels[name][calibration.labelled])
        fitted = calibration.predictions[name][..., calibration.labelled]
        if kind == "categorical":
            best = calibration.classes[name][fitted.argmax(axis=0)]
            rows.append((name, kind, float(np.mean(best == gold.astype(str))), "accuracy"))
        else:
            explained = 1.0 - np.mean((gold - fitted) ** 2) / np.var(gold) if np.var(gold) > 0 else np.nan
            rows.append((name, kind, float(explained), "explained variance"))
    table = Table(
        {
            "Label": [r[0] for r in rows],
            "Kind": [r[1] for r in rows],
            "Cross-fitted fit": [r[2] for r in rows],
            "Measure": [r[3] for r in rows],
        },
        formats={"Cross-fitted fit": "estimate"},
    )
    found = calibration.probability_range
    return Report(
        title="Design-based supervised learning",
        header=(
            ("Rows", calibration.n_rows),
            ("Expert labels", calibration.n_labelled),
            ("Sampling", _scheme_text(calibration.design)),
            ("Probabilities", f"{found.low:.4g} to {found.high:.4g}"),
            ("Folds", f"{n_folds}, repeated {calibration.fold_plan.n_repeats} times"),
        ),
        tables=(table,) if rows else (),
        guarantees=(guarantee,),
    )


def _scheme_text(design: SamplingDesign) -> str:
    """Name the scheme, with strata where clusters were drawn within several."""
    if design.strata is None or not np.any(design.strata):
        return design.scheme
    return f"{design.scheme} within strata"


def typed_labels(values: AnyArray) -> AnyArray:
    """Return numbers as float64 and everything else as text."""
    if values.dtype.kind in "fiub":
        return values.astype(np.float64, copy=False)
    return values.astype(str).astype(object)


def predict_labels(fitter: CrossFitter, gold: Mapping[str, AnyArray], features: Any) -> dict[str, FloatND]:
    """Predict every expert label by cross-fitting, averaged over repeats."""
    predictions: dict[str, FloatND] = {}
    for name, values in gold.items():
        if label_kind(values) == "categorical":
            levels, codes = np.unique(values.astype(str), return_inverse=True)
            found = fitter.classify(name, codes.reshape(-1), len(levels), features)
            predictions[name] = found.mean(axis=0)
        else:
            predictions[name] = fitter.regress(name, values, features)[:, 0].mean(axis=0)
    return predictions


def label_classes(gold: Mapping[str, AnyArray], kinds: Mapping[str, LabelKind]) -> dict[str, AnyArray]:
    """Return the sorted classes of every categorical label."""
    return {
        name: np.unique(values.astype(str)) for name, values in gold.items() if kinds[name] == "categorical"
    }
