"""Expert labels of rows that arrive in parts: one pass finds the labelled rows and how they were drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial, reduce
from operator import add
from typing import Any, Self

import numpy as np

from validstats._typing import AnyArray, Bool1D, Float1D, Int1D, RandomState
from validstats.dsl.labels import (
    KNOWN_TEXT,
    Calibration,
    FoldPlan,
    PartialLabels,
    ProbabilityRange,
    Units,
    asked_columns,
    check_enough_units,
    check_learners,
    clean_label,
    drawn_shares,
    fold_seeds,
    joined_names,
    label_classes,
    label_kind,
    missing_values,
    simple_text,
    typed_labels,
    warn_about_labels,
)
from validstats.dsl.moments import LARGEST_VALUE, SamplingDesign
from validstats.exceptions import StreamingError
from validstats.intake import (
    check_groups,
    check_in_range,
    check_vector,
    column,
    read_array,
    read_outcome,
)
from validstats.runtime import RowParts

__all__ = ["DesignReader", "StreamedCalibration", "StreamedUnits", "calibrated_stream"]


@dataclass(frozen=True)
class StreamedUnits(Units):
    """Rows that arrive in parts, with the columns that are machine labels and features."""

    parts: RowParts | None = None
    verbose: bool = True

    @classmethod
    def of_source(
        cls, source: Any, surrogate: Any, features: Any, chunk_size: int, verbose: bool = True
    ) -> Self:
        """Check what ``fit`` was given."""
        names = asked_columns(surrogate, features)
        parts = RowParts.of(source, chunk_size)
        units = cls(None, parts.backend, surrogate, features, None, None, parts, verbose)
        for name in names:
            units.check_column(name, "surrogate and features")
        return units

    @property
    def names(self) -> tuple[str, ...]:
        """Columns of the source."""
        assert self.parts is not None
        return self.parts.names

    def check_column(self, name: Any, argument: str) -> str:
        """Return the name of a column, which is all that can stand for values of rows in parts."""
        assert self.parts is not None
        return self.parts.check_column(name, argument)

    def vectors(self, values: Any, name: str) -> list[Any]:
        """Return the names of columns."""
        if values is None:
            return []
        return [self.check_column(v, name) for v in ([values] if isinstance(values, str) else values)]

    def predictions(self, given: Any, labels: list[str]) -> dict[str, Any]:
        """Return the columns of given first-stage predictions by label."""
        if given is None:
            return {}
        if not isinstance(given, Mapping):
            given = {labels[0]: given}
        return {label: tuple(self.vectors(columns, "cross_fitted")) for label, columns in given.items()}

    def mapped(self, function: Any, columns: Sequence[str], description: str) -> Any:
        """Apply a function to every part, in order."""
        assert self.parts is not None
        return self.parts.map(function, columns, verbose=self.verbose, description=description)


@dataclass(frozen=True)
class _Groups:
    """Clusters or strata of some rows: their labels, rows and labelled rows."""

    levels: AnyArray
    size: Int1D
    hits: Int1D

    @classmethod
    def of(cls, levels: AnyArray, size: Int1D, hits: Int1D) -> Self:
        """Count rows and labelled rows by level."""
        found, codes = np.unique(levels, return_inverse=True)
        codes = codes.reshape(-1)
        return cls(
            found,
            np.bincount(codes, size, len(found)).astype(np.int64),
            np.bincount(codes, hits, len(found)).astype(np.int64),
        )

    def __add__(self, other: Self) -> Self:
        return type(self).of(
            np.concatenate([self.levels, other.levels]),
            np.concatenate([self.size, other.size]),
            np.concatenate([self.hits, other.hits]),
        )


@dataclass(frozen=True, kw_only=True)
class DesignColumns:
    """Which columns say how rows were labelled."""

    labels: tuple[str, ...]
    probability: (
        str | float | None
    )  # a column, one for all rows, or None where the number of labels was fixed
    strata: str | None
    clusters: tuple[str, ...]
    partial_labels: PartialLabels = "error"

    @property
    def design(self) -> list[str]:
        """Columns that say how rows were drawn, each once."""
        probability = [self.probability] if isinstance(self.probability, str) else []
        return list(dict.fromkeys([*probability, *([self.strata] if self.strata else []), *self.clusters]))


@dataclass(frozen=True, kw_only=True)
class _Census:
    """What one pass collects: labelled rows, lengths of parts, and groups with their sizes."""

    lengths: Int1D
    positions: Int1D  # of labelled rows in the part, then in all
    labels: dict[str, AnyArray]
    n_partial: int
    probability: Float1D | None  # of the labelled rows
    probabilities: ProbabilityRange | None
    clusters: tuple[_Groups, ...]
    of_clusters: tuple[AnyArray, ...]  # of the labelled rows
    strata: _Groups | None
    of_strata: AnyArray | None
    pairs: AnyArray | None  # clusters with their strata, each pair once, shape ``(n_pairs, 2)``

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return int(self.lengths.sum())

    def __add__(self, other: Self) -> Self:
        def joined(a: Any, b: Any) -> Any:
            return None if a is None else np.concatenate([a, b])

        pairs = joined(self.pairs, other.pairs)
        return type(self)(
            lengths=np.concatenate([self.lengths, other.lengths]),
            positions=np.concatenate([self.positions, self.n_rows + other.positions]),
            labels={name: _joined_labels(v, other.labels[name]) for name, v in self.labels.items()},
            n_partial=self.n_partial + other.n_partial,
            probability=joined(self.probability, other.probability),
            probabilities=None
            if self.probabilities is None or other.probabilities is None
            else self.probabilities + other.probabilities,
            clusters=tuple(a + b for a, b in zip(self.clusters, other.clusters, strict=True)),
            of_clusters=tuple(joined(a, b) for a, b in zip(self.of_clusters, other.of_clusters, strict=True)),
            strata=None if self.strata is None or other.strata is None else self.strata + other.strata,
            of_strata=joined(self.of_strata, other.of_strata),
            pairs=None if pairs is None else np.unique(pairs, axis=0),
        )


def _joined_labels(first: AnyArray, second: AnyArray) -> AnyArray:
    if not len(first) or not len(second):
        return first if len(first) else second
    if first.dtype.kind != second.dtype.kind:
        first, second = first.astype(object), second.astype(object)
    return np.concatenate([first, second])


def _counted(frame: Any, index: int, columns: DesignColumns) -> _Census:
    """Count one part."""
    values = {
        name: read_array(column(frame, name), f"labels[{name!r}]", masked_as_missing=True)
        for name in columns.labels
    }
    n = len(next(iter(values.values())))
    known = np.array([~missing_values(v) for v in values.values()])
    labelled = np.asarray(known.all(axis=0))
    n_partial = int((known.any(axis=0) & ~labelled).sum())
    place = np.flatnonzero(labelled)
    probability = part_probability(frame, columns, index, labelled)
    clusters = tuple(_text(frame, name) for name in columns.clusters)
    strata = None if columns.strata is None else _raw(frame, columns.strata)
    ones, hits = np.ones(n, dtype=np.int64), labelled.astype(np.int64)
    pairs = None
    if clusters and strata is not None:
        pairs = np.unique(np.column_stack([clusters[0], strata.astype(str)]), axis=0)
    return _Census(
        lengths=np.array([n]),
        positions=place,
        labels={name: v[place] for name, v in values.items()},
        n_partial=n_partial,
        probability=None if probability is None else probability[place],
        probabilities=None if probability is None or not n else ProbabilityRange.of(probability),
        clusters=tuple(_Groups.of(c, ones, hits) for c in clusters),
        of_clusters=tuple(c[place] for c in clusters),
        strata=None if strata is None else _Groups.of(strata, ones, hits),
        of_strata=None if strata is None else strata[place],
        pairs=pairs,
    )


def _text(frame: Any, name: str) -> AnyArray:
    return _raw(frame, name).astype(str)


def _raw(frame: Any, name: str) -> AnyArray:
    values = column(frame, name)
    return check_groups(values, f"The column {name!r}", len(values))


def part_probability(frame: Any, columns: DesignColumns, index: int, labelled: Bool1D) -> Float1D | None:
    """Return the labelling probabilities of a part, None where shares are to be counted."""
    if columns.probability is None:
        return None
    if not isinstance(columns.probability, str):
        probability = np.full(len(labelled), float(columns.probability))
    else:
        probability = part_numbers(column(frame, columns.probability), columns.probability, index)
    if np.any(probability <= 0.0) or np.any(probability > 1.0):
        raise ValueError(
            f"Labelling probabilities must be in (0, 1]; part {index} has values from {probability.min():g} to "
            f"{probability.max():g}."
        )
    certain = int(np.sum((probability == 1.0) & ~labelled))
    if certain:
        raise ValueError(
            f"{certain} row(s) of part {index} have labelling probability 1, which makes a label certain, and carry "
            "none. Pass the probabilities that labels were drawn with."
        )
    return probability


def part_numbers(values: AnyArray, name: str, index: int) -> Float1D:
    """Return a column of a part as finite numbers; messages name column and part."""
    try:
        read = check_vector(values, f"The column {name!r}", allow_nan=True, allow_infinite=True)
    except (TypeError, ValueError) as error:
        raise type(error)(f"Part {index}: {error}") from None
    bad = int((~np.isfinite(read)).sum())
    if bad:
        raise ValueError(f"The column {name!r} has {bad} missing or infinite value(s) in part {index}.")
    if np.any(np.abs(read) > LARGEST_VALUE):
        raise ValueError(
            f"The column {name!r} has values beyond {LARGEST_VALUE:g} in size in part {index}, whose squares "
            "overflow; rescale it."
        )
    return read


@dataclass(frozen=True, kw_only=True)
class DesignReader:
    """What turns a part into labels, probabilities, groups and folds; small enough to be sent to where parts are."""

    columns: DesignColumns
    lengths: Int1D  # rows of every part
    positions: Int1D  # of the labelled rows among all
    labels: Mapping[str, AnyArray]  # of the labelled rows
    probability: Float1D  # of the labelled rows
    of_clusters: tuple[Int1D, ...]  # of the labelled rows
    of_strata: Int1D | None
    scheme: Any
    cluster_levels: tuple[AnyArray, ...] = ()  # sorted text
    cluster_sizes: Int1D | None = None  # of the drawn clusters
    cluster_strata: Int1D | None = None  # stratum of every drawn cluster, where their number was fixed
    strata_levels: AnyArray | None = None  # sorted
    shares: Float1D | None = None  # share drawn in every stratum, where probabilities were not given
    n_folds: int = 0
    seeds: tuple[int, ...] = ()  # one a repeat of the cross-fitting

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return int(self.lengths.sum())

    def begin(self, index: int) -> int:
        """Return the number of rows before a part."""
        return int(self.lengths[:index].sum())

    def labelled(self, index: int, n: int) -> tuple[Bool1D, slice]:
        """Return which rows of a part are labelled, and where these are among all labelled rows."""
        if index >= len(self.lengths) or n != self.lengths[index]:
            expected = int(self.lengths[index]) if index < len(self.lengths) else 0
            raise ValueError(
                f"Part {index} of the source has {n} rows now and had {expected} in the first pass; the source must give "
                "the same rows in every pass."
            )
        start = self.begin(index)
        first, last = np.searchsorted(self.positions, [start, start + n])
        mask = np.zeros(n, dtype=np.bool_)
        mask[self.positions[first:last] - start] = True
        return mask, slice(int(first), int(last))

    @property
    def draws_clusters(self) -> bool:
        """Whether whole clusters were drawn."""
        return self.scheme == "clusters"

    def design(self, frame: Any) -> tuple[SamplingDesign, tuple[Int1D, ...]]:
        """Return the sampling design and cluster codes of the rows of a part."""
        clusters = tuple(
            self._codes(_text(frame, name), levels, name)
            for name, levels in zip(self.columns.clusters, self.cluster_levels, strict=True)
        )
        strata = None
        if self.scheme == "stratified":
            assert self.columns.strata is not None
            assert self.strata_levels is not None
            strata = self._codes(_raw(frame, self.columns.strata), self.strata_levels, self.columns.strata)
        return self.design_of(clusters, strata), clusters

    def design_of(self, clusters: tuple[Int1D, ...], strata: Int1D | None) -> SamplingDesign:
        """Return the sampling design of rows with these codes."""
        if self.draws_clusters:
            assert self.cluster_sizes is not None
            units = clusters[0]
            return SamplingDesign(
                scheme="clusters",
                units=units,
                strata=None if self.cluster_strata is None else self.cluster_strata[units],
                sizes=self.cluster_sizes[units],
            )
        return SamplingDesign(scheme=self.scheme, units=strata)

    @staticmethod
    def _codes(values: AnyArray, levels: AnyArray, name: str) -> Int1D:
        codes = np.minimum(np.searchsorted(levels, values), len(levels) - 1).astype(np.int64)
        if not np.array_equal(levels[codes], values):
            raise ValueError(
                f"The column {name!r} has values that the first pass did not see; the source must give the same rows in "
                "every pass."
            )
        return codes

    def probability_of(self, frame: Any, index: int, labelled: Bool1D, design: SamplingDesign) -> Float1D:
        """Return the labelling probabilities of the rows of a part."""
        given = part_probability(frame, self.columns, index, labelled)
        if given is not None:
            return given
        assert self.shares is not None
        strata = design.fixed_strata(len(labelled))
        assert strata is not None
        return self.shares[strata]

    def fold_plan(self, positions: Int1D, clusters: tuple[Int1D, ...]) -> FoldPlan:
        """Return the folds of some rows."""
        units, n_units = positions, self.n_rows
        if clusters:
            units, n_units = clusters[0], len(self.cluster_levels[0])
        return FoldPlan.of_units(units, n_units, self.n_folds, self.seeds)


@dataclass(frozen=True, kw_only=True)
class StreamedCalibration(Calibration):
    """What the expert labels of rows in parts have taught; labels, probabilities and codes are those of labelled rows."""

    reader: DesignReader

    @property
    def n_rows(self) -> int:
        """Number of rows, labelled or not."""
        return self.reader.n_rows


def calibrated_stream(
    units: StreamedUnits,
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
) -> StreamedCalibration:
    """Read expert labels and how they were drawn in one pass over the rows."""
    if sampling_probability == "estimated":
        raise StreamingError(
            "sampling_probability='estimated' fits a logistic regression on all rows together. Estimate the "
            "probabilities beforehand, write them to a column, and name it."
        )
    if isinstance(sampling_probability, float | int):
        check_in_range(sampling_probability, "sampling_probability", 0, 1, low_open=True)
    elif sampling_probability is not None:
        units.check_column(sampling_probability, "sampling_probability")
    rows = [name for name, value in parameters.items() if np.ndim(value) > 0]
    if rows:
        raise StreamingError(
            f"{', '.join(map(repr, rows))}: values beside the rows cannot be matched to parts. Pass fit parameters that are "
            "no rows, or a learner that needs none."
        )
    columns = DesignColumns(
        labels=tuple(units.vectors(labels, "labels")),
        probability=sampling_probability,
        strata=None if strata is None else units.check_column(strata, "strata"),
        clusters=tuple(units.vectors(clusters, "clusters")),
        partial_labels=partial_labels,
    )
    extra = () if units.features == "all" else tuple(units.features)
    clash = [name for name in (*units.surrogate_columns, *extra) if name in columns.labels]
    if clash:
        raise ValueError(f"{', '.join(map(repr, clash))} cannot be a feature and an expert label at once.")
    needed = list(dict.fromkeys([*columns.labels, *columns.design]))
    parts = list(units.mapped(partial(_counted, columns=columns), needed, "labelled rows"))
    if not parts or not sum(part.n_rows for part in parts):
        raise ValueError("The source has no rows.")
    census = reduce(add, parts)
    if columns.clusters and all(len(groups.levels) == census.n_rows for groups in census.clusters):
        # clusters of one row are rows
        columns, census = (
            replace(columns, clusters=()),
            replace(census, clusters=(), of_clusters=(), pairs=None),
        )
    reader, text = _reader(census, columns, units.positive)
    what = f"clusters of {columns.clusters[0]!r}" if columns.clusters else "rows"
    n_units = len(reader.cluster_levels[0]) if columns.clusters else census.n_rows
    check_enough_units(n_units, n_folds, what)
    reader = replace(reader, n_folds=n_folds, seeds=fold_seeds(random_state, n_repeats)())
    gold = {name: typed_labels(values) for name, values in reader.labels.items()}
    everyone = np.ones(len(reader.positions), dtype=np.bool_)
    plan = reader.fold_plan(reader.positions, reader.of_clusters)
    kinds = {name: label_kind(values) for name, values in gold.items()}
    check_learners(learner, kinds)
    calibration = StreamedCalibration(
        labels=reader.labels,
        kinds=kinds,
        labelled=everyone,
        probability=reader.probability,
        design=reader.design_of(reader.of_clusters, reader.of_strata),
        design_text=text,
        clusters=reader.of_clusters,
        fold_plan=plan,
        n_folds=n_folds,
        predictor=None,
        classes=label_classes(gold, kinds),
        n_partial=census.n_partial,
        cluster_names=joined_names(clusters),
        fit_parameters=parameters,
        streamed_range=census.probabilities or _range_of(census, reader),
        reader=reader,
    )
    warn_about_labels(calibration)
    return calibration


def _reader(census: _Census, columns: DesignColumns, positive: Any) -> tuple[DesignReader, str]:
    """Return how labels were drawn, by the rules of :func:`resolve_design`."""
    listed = ", ".join(map(repr, columns.labels))
    if census.n_partial and columns.partial_labels == "error":
        raise ValueError(
            f"{census.n_partial} row(s) carry some of the labels {listed} but not all. Pass "
            "partial_labels='unlabelled' to count them as unlabelled, with sampling_probability the "
            "probability that a row carries all labels, or calibrate with one label at a time."
        )
    n_labelled = len(census.positions)
    if not n_labelled:
        raise ValueError(f"No row carries the expert label {listed}; at least a few dozen are needed.")
    words = {
        name: values
        if positive is None or values.dtype.kind in "fiub"
        else read_outcome(values, f"labels[{name!r}]", positive=positive, allow_nan=True)
        for name, values in census.labels.items()
    }
    labels = {name: clean_label(name, values, n_labelled) for name, values in words.items()}
    for name, found in zip(columns.clusters, census.clusters, strict=True):
        if len(found.levels) < 2:
            raise ValueError(f"All rows are in one cluster of {name!r}; a variance needs two at least.")
    known = columns.probability is not None
    scheme, shares, cluster_strata = "independent", None, None
    groups = census.clusters[0] if census.clusters else None
    if groups is not None and _drawn_as_wholes(groups):
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
        scheme, shares = "simple", np.array([n_labelled / census.n_rows])
    of_clusters = tuple(
        np.searchsorted(g.levels, v).astype(np.int64)
        for g, v in zip(census.clusters, census.of_clusters, strict=True)
    )
    of_strata = None
    if scheme == "stratified" and census.strata is not None and census.of_strata is not None:
        of_strata = np.searchsorted(census.strata.levels, census.of_strata).astype(np.int64)
    reader = DesignReader(
        columns=columns,
        lengths=census.lengths,
        positions=census.positions,
        labels=labels,
        probability=np.empty(0),
        of_clusters=of_clusters,
        of_strata=of_strata,
        scheme=scheme,
        cluster_levels=tuple(g.levels for g in census.clusters),
        cluster_sizes=None if groups is None else groups.size,
        cluster_strata=cluster_strata,
        strata_levels=None if census.strata is None else census.strata.levels,
        shares=shares,
    )
    probability = census.probability
    if probability is None:
        assert shares is not None
        strata = reader.design_of(of_clusters, of_strata).fixed_strata(n_labelled)
        assert strata is not None
        probability = shares[strata]
    text = KNOWN_TEXT if shares is None else simple_text(scheme, len(shares))
    return replace(reader, probability=probability), text


def _drawn_as_wholes(groups: _Groups) -> bool:
    """Tell whether clusters are labelled entirely or not at all."""
    wholly = bool(np.all((groups.hits == 0) | (groups.hits == groups.size)))
    return bool(groups.size.max() > 1) and wholly and int(np.sum(groups.hits > 0)) > 1


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
    levels = census.strata.levels.astype(str)
    order = np.argsort(levels)
    return order[np.searchsorted(levels[order], census.pairs[:, 1])].astype(np.int64)


def _range_of(census: _Census, reader: DesignReader) -> ProbabilityRange:
    """Return the range of probabilities that the shares of units drawn give."""
    shares = reader.shares
    assert shares is not None
    if reader.cluster_strata is not None and reader.cluster_sizes is not None:
        size = np.bincount(reader.cluster_strata, reader.cluster_sizes)
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
