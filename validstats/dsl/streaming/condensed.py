"""Rows of shares and bounded means, alike ones once: what cells of equal machine verdict need of rows in parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial, reduce
from operator import add
from typing import Any, Self

import numpy as np

from validstats._typing import AnyArray, Float1D, Int1D
from validstats.dsl.fit import Augmentation, LabelledSample, identity_augmentation
from validstats.dsl.fit.order import order_statistics
from validstats.dsl.labels import CountedUnits, FoldPlan
from validstats.dsl.moments import MeanMoment, RegressionRows
from validstats.dsl.regression import (
    DesignBuilder,
    InferenceRequest,
    RowCoder,
    StudyRows,
    VerdictReader,
    clusters_beside_drawn,
    form_bins,
    group_column,
)
from validstats.dsl.streaming.reading import PartReader
from validstats.dsl.streaming.study import StreamedStudy
from validstats.exceptions import StreamingError

__all__ = ["condensed"]

_MOST_GROUPS = 100
"""Groups of a share; more are no groups."""

_FEW = 20
"""Distinct verdicts, or labelling probabilities, up to which each value is kept."""

_MOST_CLASSES = 5000
"""Most distinct values of each of several machine labels."""


@dataclass(frozen=True)
class _Facts:
    """Distinct values of probabilities and verdicts, None beyond a number; parts add."""

    probability: AnyArray | None
    low: float
    high: float
    verdicts: tuple[AnyArray | None, ...]
    numeric: tuple[bool, ...]

    def __add__(self, other: Self) -> Self:
        return type(self)(
            _union(self.probability, other.probability, _FEW),
            min(self.low, other.low),
            max(self.high, other.high),
            tuple(_union(a, b, _MOST_CLASSES) for a, b in zip(self.verdicts, other.verdicts, strict=True)),
            tuple(a and b for a, b in zip(self.numeric, other.numeric, strict=True)),
        )


def _union(first: AnyArray | None, second: AnyArray | None, most: int) -> AnyArray | None:
    if first is None or second is None:
        return None
    values = np.unique(np.concatenate([first, second]))
    return values if len(values) <= most else None


def _distinct(values: AnyArray, most: int) -> AnyArray | None:
    if values.dtype.kind not in "fiub":
        values = values.astype(str)
    elif len(np.unique(values[:10_000])) > most:
        return None
    found = np.unique(values)
    return found if len(found) <= most else None


def _facts(frame: Any, index: int, reader: PartReader, verdicts: VerdictReader) -> _Facts | None:
    rows = reader.rows(frame, index)
    if not len(rows.labelled):
        return None
    found = verdicts.of(rows.frame, rows.surrogates)
    return _Facts(
        _distinct(rows.probability, _FEW),
        float(rows.probability.min()),
        float(rows.probability.max()),
        tuple(_distinct(v, _MOST_CLASSES) for v in found),
        tuple(v.dtype.kind in "fiub" for v in found),
    )


@dataclass(frozen=True, kw_only=True)
class _Verdict(RowCoder):
    """Rows whose outcome is the machine's verdict."""

    verdicts: VerdictReader
    group: str | None = None

    def completed(self, rows: StudyRows, replacements: Any, outcome: Any) -> RegressionRows:
        """Return rows of the verdict."""
        (values,) = self.verdicts.of(rows.frame, rows.surrogates)
        columns = {} if self.group is None else {"group": rows.frame[self.group].to_numpy()}
        return RegressionRows(
            y=np.asarray(values, dtype=np.float64), X=np.ones((len(rows.labelled), 1)), columns=columns
        )

    def raw(self, rows: StudyRows) -> Any:
        """Return nothing: there are no labels to complete."""
        raise NotImplementedError

    def read(self, frame: Any) -> Any:
        """Return the columns as they are."""
        return frame


def _verdict_and_probability(part: LabelledSample, _: Augmentation, level: Any) -> tuple[Float1D, Float1D]:
    """Return verdicts with the labelling probabilities of the rows of a group, zero for the others."""
    assert part.filled is not None
    assert part.filled.columns is not None
    mass = part.probability
    if "group" in part.filled.columns:
        mass = np.where(part.filled.columns["group"] == level, mass, 0.0)
    return np.asarray(part.filled.y, dtype=np.float64), mass


def _expected_labels(part: LabelledSample, augmentation: Augmentation, level: Any) -> float:
    return float(_verdict_and_probability(part, augmentation, level)[1].sum())


@dataclass(frozen=True)
class _Classes:
    """Labelled rows, and alike unlabelled ones once with their sums; parts add."""

    labelled: Any
    classes: Any
    keys: tuple[str, ...]

    def __add__(self, other: Self) -> Self:
        import pandas as pd

        labelled = pd.concat([self.labelled, other.labelled], ignore_index=True)
        rows = pd.concat([self.classes, other.classes], ignore_index=True)
        return type(self)(labelled, _grouped(rows, self.keys), self.keys)


_SUMS = ("_count", "_probability")


def _grouped(rows: Any, keys: Sequence[str]) -> Any:
    """Return alike rows once: sums of counts, probabilities and verdicts, the least probability, else the first row."""
    summed = {name: "sum" for name in rows.columns if name in _SUMS or name.startswith("_sum")}
    others = {name: "first" for name in rows.columns if name not in summed and name not in keys}
    others["_lowest"] = "min"
    return rows.groupby(list(keys), sort=True, dropna=False).agg(summed | others).reset_index()[rows.columns]


@dataclass(frozen=True)
class _Layout:
    """How rows are told apart."""

    group: str | None
    few_probabilities: bool
    whole_clusters: bool
    dependent: bool  # whether rows depend on each other within clusters of one way that were not drawn
    # by group, where bins of a continuous verdict begin, and whether at the value itself
    cuts: dict[Any, tuple[Float1D, AnyArray]] | None


def _classes(
    frame: Any, index: int, reader: PartReader, verdicts: VerdictReader, layout: _Layout
) -> _Classes | None:
    rows = reader.rows(frame, index)
    n = len(rows.labelled)
    if not n:
        return None
    data = rows.frame.assign(
        _probability=rows.probability,
        _lowest=rows.probability,
        _count=np.ones(n),
        _unit=rows.design.units if rows.design.units is not None else 0,
        _stratum=rows.design.strata if rows.design.strata is not None else 0,
        _size=rows.design.sizes if rows.design.sizes is not None else 0,
        _key=rows.probability if layout.few_probabilities else 0.0,
        _cluster=rows.clusters[0] if layout.dependent else 0,
    )
    keys = ["_unit", "_key", "_cluster"] + ([layout.group] if layout.group is not None else [])
    for j, values in enumerate(verdicts.of(rows.frame, rows.surrogates)):
        numeric = values.dtype.kind in "fiub"
        numbers = np.asarray(values, dtype=np.float64) if numeric else np.zeros(n)
        kept: AnyArray = values
        if layout.whole_clusters and numeric:
            kept = np.zeros(n)  # clusters have their means
        elif layout.cuts is not None:
            kept = np.zeros(n, dtype=np.int64)
            for level, cuts in layout.cuts.items():
                here = np.ones(n, dtype=np.bool_)
                if layout.group is not None:
                    here = rows.frame[layout.group].to_numpy() == level
                kept[here] = bins_of(numbers[here], *cuts)
        data = data.assign(**{f"_verdict{j}": kept, f"_sum{j}": numbers, f"_sums{j}": numbers**2})
        keys.append(f"_verdict{j}")
    if layout.group is not None:
        data = data.astype({layout.group: object}) if str(data[layout.group].dtype) == "category" else data
    return _Classes(
        data[rows.labelled].reset_index(drop=True), _grouped(data[~rows.labelled], keys), tuple(keys)
    )


def bins_of(values: Float1D, cuts: Float1D, inclusive: AnyArray) -> Int1D:
    """Return the bin of every value; a bin begins at its cut, or just above it."""
    code = np.zeros(len(values), dtype=np.int64)
    for cut, here in zip(cuts, inclusive, strict=True):
        code += (values >= cut) if here else (values > cut)
    return code


def condensed(study: StreamedStudy, builder: DesignBuilder, request: InferenceRequest) -> InferenceRequest:
    """Return the request of a share with alike rows once, in two passes, and more for bins of a continuous verdict."""
    name = group_column(builder.parsed)
    group = name if name in study.template and name not in request.calibration.labels else None
    if group is not None and study.template[group].nunique() > _MOST_GROUPS:
        group = None
    verdicts = VerdictReader.of_request(builder, request)
    reader, units = study.reader, study.units
    work = partial(_facts, reader=reader, verdicts=verdicts)
    found = units.mapped(work, reader.columns, "verdicts")
    facts: _Facts = reduce(add, (part for part in found if part is not None))
    whole = request.calibration.design.draws_clusters
    many = [values is None or len(values) > _FEW for values in facts.verdicts]
    continuous = [a and b for a, b in zip(many, facts.numeric, strict=True)]
    cuts = None
    if not whole and len(many) > 1 and any(v is None for v in facts.verdicts):
        raise StreamingError(
            f"Cells of several machine labels rest on their ranks among all rows, and one has more than {_MOST_CLASSES} "
            "values. Write their mean, or bins of it, to a column and name it as the surrogate, or pass "
            "interval='normal'."
        )
    if not whole and len(many) == 1 and continuous[0]:
        cuts = _cuts(study, verdicts, group)
    dependent = len(clusters_beside_drawn(request)) == 1
    layout = _Layout(group, facts.probability is not None, whole, dependent, cuts)
    work_classes = partial(_classes, reader=reader, verdicts=verdicts, layout=layout)
    parts = units.mapped(work_classes, reader.columns, "cells")
    classes: _Classes = reduce(add, (part for part in parts if part is not None))
    return _request(request, study, classes, layout, facts, any(continuous))


def _cuts(
    study: StreamedStudy, verdicts: VerdictReader, group: str | None
) -> dict[Any, tuple[Float1D, AnyArray]]:
    """Return the bins of a continuous verdict in every group."""
    coder = _Verdict(moment=MeanMoment(), names=("verdict",), verdicts=verdicts, group=group)
    sample, _ = study.sample(coder)
    levels = [None] if group is None else list(study.template[group].unique())
    return {
        level: form_bins(
            partial(
                order_statistics,
                sample,
                partial(_verdict_and_probability, level=level),
                identity_augmentation(None, 1),
            ),
            partial(sample.total, partial(_expected_labels, level=level), Augmentation()),
        )
        for level in levels
    }


def _request(
    request: InferenceRequest,
    study: StreamedStudy,
    classes: _Classes,
    layout: _Layout,
    facts: _Facts,
    continuous: bool,
) -> InferenceRequest:
    import pandas as pd

    calibration, units = request.calibration, study.units
    data = pd.concat([classes.labelled, classes.classes], ignore_index=True)
    n_labelled = len(classes.labelled)
    labelled = np.arange(len(data)) < n_labelled
    count = data["_count"].to_numpy(dtype=np.float64)
    codes = data["_unit"].to_numpy(dtype=np.int64)
    design = replace(
        calibration.design,
        units=codes if calibration.design.units is not None else None,
        strata=data["_stratum"].to_numpy(dtype=np.int64) if calibration.design.strata is not None else None,
        sizes=data["_size"].to_numpy(dtype=np.int64) if calibration.design.sizes is not None else None,
    )
    verdicts = []
    for j in range(len(facts.verdicts)):
        values = data[f"_verdict{j}"].to_numpy()
        if layout.whole_clusters and facts.numeric[j]:
            values = data[f"_sum{j}"].to_numpy(dtype=np.float64) / count
        verdicts.append(values)
    probability = data["_probability"].to_numpy(dtype=np.float64) / count
    return replace(
        request,
        clusters=[data["_cluster"].to_numpy()] if layout.dependent else request.clusters,
        cluster_names=study.clustered_by if layout.dependent else request.cluster_names,
        units=CountedUnits(
            given=data,
            backend=units.backend,
            surrogate=units.surrogate,
            features=units.features,
            count=count,
            lowest=data["_lowest"].to_numpy(dtype=np.float64),
            verdicts=tuple(verdicts),
            sums=tuple(data[f"_sum{j}"].to_numpy(dtype=np.float64) for j in range(len(verdicts))),
            squares=tuple(data[f"_sums{j}"].to_numpy(dtype=np.float64) for j in range(len(verdicts))),
            binned=layout.cuts is not None,
            continuous=continuous,
            few_probabilities=layout.few_probabilities,
            equal=facts.high - facts.low <= 1e-12,
        ),
        calibration=replace(
            calibration,
            labels={name: data[name].to_numpy() for name in calibration.labels},
            labelled=labelled,
            probability=probability,
            design=design,
            clusters=(codes,) if calibration.clusters else (),
            fold_plan=FoldPlan.of_units(np.arange(len(data)), len(data), 1, ()),
        ),
    )
