"""The study of rows in parts: one pass finds the levels and groups that a formula needs, and the labelled rows."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial, reduce
from operator import add
from typing import Any, Self

import numpy as np

from validstats._typing import AnyArray, Bool1D, Float1D, Int1D
from validstats.dsl.fit import Sample, ScoreTerm
from validstats.dsl.labels import feature_levels, without_silence
from validstats.dsl.moments import Absorber, EffectTable, Moment, cluster_codes, one_cluster_message
from validstats.dsl.regression import (
    InferenceRequest,
    ParsedFormula,
    RowCoder,
    StudyRows,
    required_variables,
)
from validstats.dsl.streaming.chunks import ChunkLevels, category_levels, merge_levels, read_part
from validstats.dsl.streaming.design import DesignReader, StreamedCalibration, StreamedUnits
from validstats.dsl.streaming.reading import PartReader
from validstats.dsl.streaming.sample import Column, StreamedSample

__all__ = ["StreamedStudy"]

_MOST_GROUPS = 101
"""Groups of a share that are looked for; more are no groups."""


@dataclass(frozen=True, kw_only=True)
class _Wanted:
    """What a pass looks for."""

    reader: PartReader
    formulas: tuple[str, ...]  # sides of a formula whose categories are looked for
    classes: tuple[str, ...]  # columns whose classes are looked for
    groups: str | None  # column whose values are looked for, where there are few
    variables: tuple[str, ...]  # observed columns of the formula


@dataclass(frozen=True, kw_only=True)
class _Found:
    """What a pass found; parts add."""

    known: Any  # labelled rows
    exemplars: tuple[Any, ...]  # rows with every combination of levels, one frame a categorical factor
    factors: tuple[tuple[str, ...], ...]  # variables of these factors
    classes: dict[str, AnyArray | None]
    categories: dict[str, tuple[ChunkLevels, ...]]
    clusters: tuple[AnyArray, ...]
    drawn: tuple[AnyArray, ...]  # pairs of drawn clusters and clusters of standard errors
    effects: AnyArray | None  # combinations of levels, as text
    mass: Float1D | None

    def __add__(self, other: Self) -> Self:
        import pandas as pd

        pieces: dict[tuple[str, ...], list[Any]] = {}
        for found in (self, other):
            for names, rows in zip(found.factors, found.exemplars, strict=True):
                pieces.setdefault(names, []).append(rows.astype(dict.fromkeys(names, object)))
        merged = {
            names: pd.concat(rows, ignore_index=True).drop_duplicates(list(names), ignore_index=True)
            for names, rows in pieces.items()
        }
        effects, mass = self.effects, self.mass
        if effects is not None and other.effects is not None and mass is not None:
            effects, mass = _summed(
                np.concatenate([effects, other.effects]), np.concatenate([mass, np.asarray(other.mass)])
            )
        return type(self)(
            known=_joined([self.known, other.known]),
            exemplars=tuple(merged.values()),
            factors=tuple(merged),
            classes={n: _merged_classes(a, other.classes[n]) for n, a in self.classes.items()},
            categories={
                n: (*self.categories.get(n, ()), *other.categories.get(n, ()))
                for n in {**self.categories, **other.categories}
            },
            clusters=tuple(
                np.unique(np.concatenate([a, b])) for a, b in zip(self.clusters, other.clusters, strict=True)
            ),
            drawn=tuple(
                np.unique(np.concatenate([a, b]), axis=0)
                for a, b in zip(self.drawn, other.drawn, strict=True)
            ),
            effects=effects,
            mass=mass,
        )


def _joined(frames: list[Any]) -> Any:
    import pandas as pd

    kept = [frame for frame in frames if len(frame)] or frames[:1]
    changed = {
        name
        for name in kept[0].columns
        if len({str(frame[name].dtype) for frame in kept}) > 1 or str(kept[0][name].dtype) == "category"
    }
    numbers = {n for n in changed if all(f[n].dtype.kind in "fiub" for f in kept)}
    plain = [f.astype(dict.fromkeys(changed - numbers, object)) for f in kept]
    return pd.concat(plain, ignore_index=True)


def _merged_classes(first: AnyArray | None, second: AnyArray | None) -> AnyArray | None:
    if first is None or second is None:
        return first if second is None else second
    return np.unique(np.concatenate([first, second]))


def _summed(levels: AnyArray, mass: Float1D) -> tuple[AnyArray, Float1D]:
    """Return combinations of levels, each once, with their mass."""
    codes = np.column_stack([cluster_codes(column) for column in levels.T])
    table = EffectTable.of(codes, mass)
    first = np.unique(codes, axis=0, return_index=True)[1]
    return levels[first], table.mass


def _seen(frame: Any, index: int, wanted: _Wanted) -> _Found | None:
    """Look at one part."""
    reader = wanted.reader
    read = without_silence(read_part(frame, reader.columns, {}), list(reader.machine))
    labelled, among = reader.design.labelled(index, len(read))
    if not len(read):
        return None
    for name in wanted.variables:
        missing = int(read[name].isna().sum())
        if missing:
            raise ValueError(
                f"The variable {name!r} of the formula is missing in {missing} row(s) of part {index}. Every variable "
                "that is not an expert label must be observed in all rows: drop or impute them first."
            )
    filled = reader.filled(read, labelled, among)
    factors = _categorical_factors(filled, wanted)
    effects = mass = None
    if reader.effects:
        levels = np.column_stack([read[name].astype(str).to_numpy().astype(str) for name in reader.effects])
        weights = np.ones(len(read)) if reader.weights is None else read[reader.weights].to_numpy(dtype=float)
        effects, mass = _summed(levels, weights)
    clusters = tuple(read[name].to_numpy().astype(str) for name in reader.clusters or ())
    drawn: tuple[AnyArray, ...] = ()
    if reader.design.draws_clusters and reader.clusters:
        units = read[reader.design.columns.clusters[0]].to_numpy().astype(str)
        drawn = tuple(np.unique(np.column_stack([units, c]), axis=0) for c in clusters)
    return _Found(
        known=read.iloc[np.flatnonzero(labelled)],
        exemplars=tuple(filled.drop_duplicates(list(names)) for names in factors),
        factors=factors,
        classes={name: feature_levels(read[name].to_numpy(), name) for name in wanted.classes},
        categories={
            name: (found,) for name, found in category_levels(frame, [str(c) for c in read.columns]).items()
        },
        clusters=tuple(np.unique(c) for c in clusters),
        drawn=drawn,
        effects=effects,
        mass=mass,
    )


def _categorical_factors(filled: Any, wanted: _Wanted) -> tuple[tuple[str, ...], ...]:
    """Return the variables of every factor of the formula whose levels are to be found, those of groups included."""
    from formulaic import Formula

    labels, columns = set(wanted.reader.design.labels), set(map(str, filled.columns))
    found: dict[tuple[str, ...], None] = {}
    for side in wanted.formulas:
        formula = Formula(side)
        with contextlib.suppress(Exception):  # what is wrong with a formula is said when the design is built
            spec = formula.get_model_matrix(filled, na_action="ignore", output="pandas").model_spec
            categorical = {
                name for name, (kind, _) in spec.encoder_state.items() if kind.value == "categorical"
            }
            for term in formula:
                for factor in term.factors:
                    if str(factor.expr) in categorical:
                        names = required_variables([term], columns, factor) - labels
                        if names:
                            found[tuple(sorted(names))] = None
    if wanted.groups is not None and filled[wanted.groups].nunique() <= _MOST_GROUPS:
        found[(wanted.groups,)] = None
    return tuple(found)


@dataclass(frozen=True)
class StreamedStudy:
    """Rows that arrive in parts, with what one pass found for a formula."""

    request: InferenceRequest
    units: StreamedUnits
    reader: PartReader
    known: StudyRows  # the labelled rows
    template: Any  # labelled rows, and rows that show every level
    template_labelled: Bool1D
    absorber: Absorber | None
    clustered_by: str | None
    classes: dict[str, AnyArray | None]

    @classmethod
    def taken(
        cls, formula: ParsedFormula | Moment, request: InferenceRequest, units: StreamedUnits
    ) -> StreamedStudy:
        """Read the rows once."""
        assert isinstance(request.calibration, StreamedCalibration)
        wanted, clustered_by = _wanted(formula, request, units, request.calibration.reader)
        parts = units.mapped(partial(_seen, wanted=wanted), wanted.reader.columns, "levels")
        found = reduce(add, (part for part in parts if part is not None))
        _check_drawn(found, request)
        categories = {name: merge_levels(parts) for name, parts in found.categories.items()}
        reader = replace(
            wanted.reader,
            cluster_levels=found.clusters,
            effect_levels=()
            if found.effects is None
            else tuple(np.unique(column) for column in found.effects.T),
            categories=categories,
        )
        absorber = None
        if found.effects is not None and found.mass is not None:
            codes = np.column_stack([cluster_codes(column) for column in found.effects.T])
            absorber = Absorber.of_table(EffectTable.of(codes, found.mass))
        known_frame = _with_categories(found.known, categories)
        design = reader.design
        everyone = np.ones(len(design.positions), dtype=np.bool_)
        known = reader.rows_of(
            known_frame,
            0,
            design.positions,
            everyone,
            slice(None),
            request.calibration.design,
            design.of_clusters,
            design.probability,
        )
        exemplars = [
            _with_categories(rows[list(known.frame.columns)], categories) for rows in found.exemplars
        ]
        template = known.frame
        if exemplars:
            import pandas as pd

            template = pd.concat([template, *exemplars], ignore_index=True)
            template = _with_categories(template, categories)
        labelled = np.arange(len(template)) < len(everyone)
        return cls(request, units, reader, known, template, labelled, absorber, clustered_by, found.classes)

    @property
    def known_frame(self) -> Any:
        """The columns of the labelled rows."""
        return self.known.frame

    @property
    def clusters(self) -> tuple[Int1D, ...]:
        """Clusters of the standard errors, of the labelled rows."""
        return self.known.clusters

    def levels(self, name: str) -> AnyArray | None:
        """Return the sorted classes of an observed column, None for numbers."""
        return self.classes[name]

    def sample(self, coder: RowCoder) -> tuple[Sample, tuple[ScoreTerm, ...]]:
        """Return the rows as a sample with their expected scores, which are read with every pass."""
        labelled, terms = coder.part(replace(self.known, frame=coder.read(self.known.frame)))
        sample = StreamedSample(
            units=self.units,
            reader=self.reader,
            coder=coder,
            labelled=labelled,
            labelled_terms=terms,
            passes=["labelled rows", "levels"],
        )
        columns: Any = tuple(Column(k) for k in range(len(terms)))
        return sample, columns

    def labels_alone(self, coder: RowCoder, observed: tuple[str, ...]) -> None:
        """Return None: the other rows are not in memory."""


def _with_categories(frame: Any, categories: dict[str, tuple[Any, ...]]) -> Any:
    import pandas as pd

    return frame.assign(
        **{
            name: pd.Categorical(frame[name].astype(object), categories=list(levels))
            for name, levels in categories.items()
            if name in frame
        }
    )


def _wanted(
    formula: ParsedFormula | Moment, request: InferenceRequest, units: StreamedUnits, design: DesignReader
) -> tuple[_Wanted, str | None]:
    """Return what to look for, and what the clusters of the standard errors are called."""
    from formulaic import Formula

    known, labels = set(units.names), set(design.labels)
    effects: tuple[str, ...] = ()
    sides: list[str] = []
    groups = None
    if isinstance(formula, Moment):
        variables = set(formula.variables)
    else:
        effects = formula.effects
        right = formula.covariates
        if formula.endogenous is not None:
            right = f"{right} + {formula.endogenous}"
            sides.append(f"{formula.covariates} + {formula.instruments}")
        sides.append(f"1 + {right}" if effects else right)
        variables = set(effects)
        for side in (*sides, f"0 + {formula.outcome}"):
            variables |= required_variables(Formula(side), known | labels)
        if request.model_kind.has_cells and formula.covariates != "1":
            names = sorted(required_variables(Formula(formula.covariates), known))
            groups = names[0] if len(names) == 1 and names[0] not in labels else None
    unknown = sorted(variables - known - labels)
    if unknown:
        raise KeyError(
            f"The formula uses {', '.join(map(repr, unknown))}, which the data do not have; the columns are "
            f"{', '.join(map(repr, units.names))}."
        )
    clusters, name = _cluster_columns(request, effects)
    surrogates = request.surrogate_names
    features = () if units.features == "all" else tuple(units.features)
    weights: Any = request.weights
    offset: Any = request.offset
    classes = dict.fromkeys(
        [*units.surrogate_columns, *features, *surrogates.values(), *sorted((variables - labels) & known)]
    )
    given: Any = request.cross_fitted
    columns = [
        *classes,
        *effects,
        *(clusters or ()),
        *([weights] if weights is not None else []),
        *([offset] if offset is not None else []),
        *(column for columns in given.values() for column in columns),
        *design.columns.design,
    ]
    reader = PartReader(
        design=design,
        columns=[column for column in units.names if column in columns and column not in labels],
        surrogates=surrogates,
        given=given,
        weights=weights,
        offset=offset,
        clusters=clusters,
        positive=units.positive,
        machine=units.surrogate_columns,
        effects=tuple(name for name in effects if name in known and name not in labels),
    )
    looked_for = tuple(name for name in classes if name in known and name not in effects)
    observed = tuple(name for name in reader.columns if name in variables)
    wanted = _Wanted(
        reader=reader, formulas=tuple(sides), classes=looked_for, groups=groups, variables=observed
    )
    return wanted, name


def _cluster_columns(
    request: InferenceRequest, effects: Sequence[str]
) -> tuple[tuple[str, ...] | None, str | None]:
    """Return the columns of the clusters of standard errors, None for those of the design, and their name."""
    finite = request.population == "finite"
    given: Any = request.clusters
    if given:
        return tuple(given), None if finite else request.cluster_names
    if request.independent:
        return (), None
    if request.calibration.clusters:
        return None, None if finite else request.calibration.cluster_names
    if effects:
        return (effects[0],), None if finite else effects[0]
    return (), None


def _check_drawn(found: _Found, request: InferenceRequest) -> None:
    """Refuse clusters of standard errors that are one, or divide clusters of which the labels were drawn as a whole."""
    for levels in found.clusters:
        if len(levels) < 2:
            raise ValueError(one_cluster_message)
    if request.population == "finite" or not found.drawn or not request.clusters:
        return
    divided = min(int(np.sum(np.unique(pairs[:, 0], return_counts=True)[1] > 1)) for pairs in found.drawn)
    if divided:
        raise ValueError(
            f"clusters divides {divided} of the {len(np.unique(found.drawn[0][:, 0]))} clusters that were labelled as a "
            "whole in calibrate, and the labels of a drawn cluster depend on each other. Give clusters that are unions "
            "of the drawn ones, or leave clusters out, which takes the drawn ones."
        )
