"""Inputs of the verbs: scores, labels, probabilities, items and clusters of one table, aligned and checked."""

from __future__ import annotations

import numbers
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

import numpy as np
from scipy import sparse

from validstats._typing import AnyArray, Bool1D, Float1D, FrameBackend, Int1D
from validstats.evals.doctor import check_table, drawn_level
from validstats.evals.readers import (
    Check,
    EvalFileError,
    EvalTable,
    check_names,
    codes_of,
    judge_names,
    read,
    verdict_codes,
)
from validstats.intake import (
    backend_of,
    check_groups,
    check_vector,
    is_missing,
    read_array,
)

__all__ = [
    "Errors",
    "EvalInput",
    "Population",
    "beside_rows",
    "cluster_codes",
    "deduplicated",
    "in_strata",
    "item_matrix",
    "library_of",
    "load",
    "numbers_beside_rows",
    "of_one_system",
    "refuse",
    "single_filter",
]

Errors: TypeAlias = Literal["fail", "drop"]
"""What becomes of rows in which the tool failed: they count as 0, or are left out."""

Population: TypeAlias = Literal["superpopulation", "finite"]
"""Whether a statement is about all items like these, or about these items."""

_STRATUM, _SHARE = "(stratum)", "(share labelled in the stratum)"
"""Columns beside those of a file, for strata within which labels were drawn."""

_MOST_KINDS = 50
"""Kinds of words up to which a column is a feature."""

_IDENTITY = ("unnamed", "conflicts", "other-content")
"""Errors of the doctor about who a row is, without whose repair no number would mean anything."""

_LABELLING = ("class-without-labels", "probabilities", "constant-judge", "no-labels")
"""Errors of the doctor about labels, without whose repair they cannot correct a judge."""


@dataclass(frozen=True, eq=False)
class EvalInput:
    """Rows of scores, ready for a verb."""

    table: EvalTable
    score: Float1D
    """Automatic score; NaN where a judge said nothing."""
    human: Float1D | None
    probability: Float1D | None
    item: Int1D
    item_names: list[str]
    system: Int1D
    system_names: list[str]
    cluster: Int1D
    """Codes of the coarsest unit: the given clusters, else items."""
    clustered_by: str
    weight: Float1D | None
    score_name: str
    checks: tuple[Check, ...]
    backend: FrameBackend
    strata: Int1D | None = None
    """Codes of the strata within which labels were drawn."""
    features: Mapping[str, AnyArray] = field(default_factory=dict)
    """What is known of every row beside the judge's verdict: numbers, or kinds as words."""
    further: Mapping[str, Float1D] = field(default_factory=dict)
    """Scores of further judges by name; the first one's are ``score``."""

    @property
    def judged(self) -> bool:
        """Whether humans correct a judge."""
        return self.human is not None

    @property
    def judges(self) -> dict[str, Float1D]:
        """Scores of all judges by name, the first one first."""
        return {self.score_name: self.score, **self.further}

    @property
    def labelled(self) -> Bool1D:
        """Rows with a human label."""
        return np.zeros(len(self.score), bool) if self.human is None else ~np.isnan(self.human)

    @property
    def binary(self) -> bool:
        """Whether what is estimated is a rate: all trusted scores are 0 or 1."""
        trusted = self.score if self.human is None else self.human
        return set(np.unique(trusted[~np.isnan(trusted)]).tolist()) <= {0.0, 1.0}

    @property
    def in_unit_range(self) -> bool:
        """Whether trusted scores lie in [0, 1]."""
        trusted = self.score if self.human is None else self.human
        known = trusted[~np.isnan(trusted)]
        return bool(known.min() >= 0.0 and known.max() <= 1.0)

    def rows(self, mask: Bool1D) -> EvalInput:
        """Some of the rows, with items and clusters numbered anew."""

        def anew(codes: Int1D) -> Int1D:
            return np.unique(codes[mask], return_inverse=True)[1].astype(np.int64)

        kept_items = np.unique(self.item[mask])
        return replace(
            self,
            table=self.table.rows(mask),
            score=self.score[mask],
            human=None if self.human is None else self.human[mask],
            probability=None if self.probability is None else self.probability[mask],
            item=anew(self.item),
            item_names=[self.item_names[i] for i in kept_items],
            system=self.system[mask],
            cluster=anew(self.cluster),
            weight=None if self.weight is None else self.weight[mask],
            strata=None if self.strata is None else anew(self.strata),
            features={name: values[mask] for name, values in self.features.items()},
            further={name: values[mask] for name, values in self.further.items()},
        )

    def of_system(self, code: int) -> EvalInput:
        """The rows of one system."""
        return self.rows(self.system == code).by_drawn_units()

    def by_drawn_units(self) -> EvalInput:
        """The same rows, with groups that were labelled as a whole or not at all as units where they hold whole clusters."""
        if self.human is None or not self.labelled.any() or self.labelled.all():
            return self
        level, groups = drawn_level(self.table, self.labelled)
        inside = np.zeros(int(self.cluster.max()) + 1, dtype=np.int64)
        inside[self.cluster] = groups
        if level == "rows" or level == self.clustered_by or np.any(inside[self.cluster] != groups):
            return self
        if int(groups.max()) + 1 == len(inside):
            return self
        note = Check(
            "labels-by-group",
            "note",
            f"Labels were drawn by whole groups of {level!r} ({int(groups.max()) + 1} of them), which are the units therefore.",
        )
        return replace(self, cluster=groups, clustered_by=level, checks=(*self.checks, note))

    def system_code(self, name: Any, argument: str) -> int:
        """Code of a system by name."""
        if str(name) not in self.system_names:
            raise EvalFileError(
                f"{argument}={name!r} is no system of these data; there are {', '.join(map(repr, self.system_names))}."
            )
        return self.system_names.index(str(name))

    def verdict_classes(self) -> tuple[Int1D, list[str]]:
        """Codes of the (first) judge's verdicts; a missing one is a class of its own."""
        return verdict_codes(self.score)

    def sums_by_labelled_unit(self, values: Float1D, rows: Bool1D | None = None) -> Float1D:
        """Sums of one value a row over each independent unit that has a human label (among some rows)."""
        labelled = self.labelled if rows is None else self.labelled & rows
        sums = np.bincount(self.cluster, values)
        return np.asarray(sums[np.bincount(self.cluster[labelled], minlength=len(sums)) > 0])

    def joint_verdicts(self) -> Int1D:
        """Codes of the combinations of all judges' verdicts."""
        codes = [verdict_codes(values)[0] for values in self.judges.values()]
        return np.unique(np.stack(codes), axis=1, return_inverse=True)[1].reshape(-1).astype(np.int64)


def of_one_system(table: EvalTable, system: str | None, instead: str = "") -> EvalTable:
    """The rows of the system that is meant."""
    names = table.systems if table.has("system") else []
    if "" in names and len(names) > 1:
        refuse(check_table(table), judged=False)
    if system is None:
        if len(names) > 1:
            raise EvalFileError(
                f"The data hold several systems: {', '.join(map(repr, names[:8]))}. Pass system= with one of them{instead}."
            )
        return table
    if str(system) not in names:
        raise EvalFileError(
            f"system={system!r} is no system of these data; there are {', '.join(map(repr, names)) or 'none'}."
        )
    return table.rows(table.names("system") == str(system))


def library_of(data: Any) -> FrameBackend:
    """The library of the data, of the first of several."""
    return backend_of(data[0] if isinstance(data, list | tuple) and data else data)


def load(
    data: Any,
    *,
    score: str | None = None,
    judge: str | Sequence[str] | None = None,
    human: str | None = None,
    item: str | None = None,
    system: str | None = None,
    sample: str | None = None,
    clusters: Any = None,
    sampling_probability: Any = None,
    strata: Any = None,
    features: Sequence[str] = (),
    weights: Any = None,
    filter: str | None = None,
    errors: Errors = "fail",
    with_human: bool = True,
    one_system: tuple[str | None] | None = None,
) -> EvalInput:
    """Read the data and give every argument its role; refuse what would give a wrong number."""
    check_names(score=score, system=system)
    judges = judge_names(judge)
    if score is not None and judges and judges != (score,):
        raise ValueError(f"score={score!r} and judge={judge!r} name two automatic scores; give one of them.")
    probability_name = sampling_probability if isinstance(sampling_probability, str) else None
    table = read(
        data,
        item=item,
        system=system,
        sample=sample,
        judge=judges or score,
        human=human,
        sampling_probability=probability_name,
        filter=filter,
    )
    if score is not None and human is None and "human" in table.roles and judge is None:
        # A plain score was asked for: labels of humans do not correct it.
        table = replace(
            table, roles={k: v for k, v in table.roles.items() if k not in ("human", "probability")}
        )
    if table.format == "battles":
        raise EvalFileError("These are battles between pairs of systems, not scores; call rank.")
    table = deduplicated(single_filter(table))
    # The rows of one system alone are checked: (name,), or (None,) where there must be one only.
    if one_system is not None:
        table = of_one_system(table, one_system[0], ", or call compare or rank")
    if strata is not None:
        labelled = ~np.isnan(table.values("human")) if table.has("human") else None
        table = in_strata(table, strata, sampling_probability, labelled)
    name = _score_name(table)
    checks = list(check_table(table))
    table, values, note = _error_rows(table, table.values(name), errors)
    checks += note
    human_values = table.values("human") if table.has("human") and with_human else None
    refuse(checks, human_values is not None)
    further = {other: _error_scores(table, table.values(other)) for other in table.judges[1:]}
    if human_values is None:
        if further:
            raise EvalFileError(
                f"Several judges ({', '.join(map(repr, table.judges))}) are combined by labels of humans; there are none. Name them "
                "with human=, or name one judge."
            )
        _refuse_missing(values, name)
    items, item_names = table.codes("item")
    system_names = table.systems if table.has("system") else ["all rows"]
    system_codes = (
        codes_of(table.names("system"))[0] if table.has("system") else np.zeros(len(table), np.int64)
    )
    unit_codes, clustered_by = _clusters(table, clusters, items, item_names)
    inputs = EvalInput(
        table=table,
        score=values,
        human=human_values,
        probability=_probability(table, sampling_probability, human_values),
        item=items,
        item_names=[str(n) for n in item_names],
        system=system_codes,
        system_names=[str(n) for n in system_names],
        cluster=unit_codes,
        clustered_by=clustered_by,
        weight=_weights(table, weights),
        score_name=name,
        checks=tuple(dict.fromkeys(checks)),
        backend=library_of(data),
        strata=None if strata is None else codes_of(table.column(_STRATUM))[0],
        features=_features(table, features, human_values is not None),
        further=further,
    )
    return inputs.by_drawn_units()


def single_filter(table: EvalTable) -> EvalTable:
    """The table, which must not hold a row for each of several filters."""
    if not table.has("filter"):
        return table
    filters = list(dict.fromkeys(table.names("filter").tolist()))
    if len(filters) > 1:
        raise EvalFileError(
            f"Every answer has a row for each of the filters {', '.join(map(repr, filters))}; with all of them n would be "
            f"{len(filters)} times too large. Pass filter= with one of them."
        )
    return table


def _features(table: EvalTable, names: Sequence[str], judged: bool) -> dict[str, AnyArray]:
    """Columns that may tell what humans would say: numbers that are there everywhere, else kinds in words."""
    names = [names] if isinstance(names, str) else list(names)
    if names and not judged:
        raise EvalFileError(
            f"features={names!r} help to correct a judge; there are no human labels. Name them with human=."
        )
    found: dict[str, AnyArray] = {}
    for name in names:
        what = f"the column {name!r} of features="
        values = read_array(beside_rows(table, str(name), "features"), what)
        if values.dtype.kind in "fiub":
            numbers_there = check_vector(values, what, allow_nan=True)
            if not np.isnan(numbers_there).any():
                found[name] = numbers_there
                continue
        words = np.array(["missing" if is_missing(v) else str(v) for v in values.tolist()])
        if len(np.unique(words)) > _MOST_KINDS:
            raise EvalFileError(
                f"features= names {name!r}, which has {len(np.unique(words))} kinds of values; it takes numbers without gaps, or "
                f"at most {_MOST_KINDS} kinds."
            )
        found[name] = words
    return found


def in_strata(table: EvalTable, strata: Any, sampling_probability: Any, labelled: Bool1D | None) -> EvalTable:
    """The table with the stratum of each row, and with the share of it that was labelled as the probability of a label."""
    if labelled is None:
        raise EvalFileError(
            "strata= says within which groups human labels were drawn; there are none. Name them with human=."
        )
    if sampling_probability is not None:
        raise ValueError(
            "strata= gives the probabilities, the share that was labelled in each stratum; leave sampling_probability= out."
        )
    codes, share = _labelled_shares(table, strata, labelled)
    frame = table.frame.assign(**{_STRATUM: codes, _SHARE: share})
    return replace(table, frame=frame, roles={**table.roles, "probability": _SHARE})


def _labelled_shares(table: EvalTable, strata: Any, labelled: Bool1D) -> tuple[Int1D, Float1D]:
    """Codes of the strata within which labels were drawn, and the labelled share of the stratum of every row."""
    groups = check_groups(beside_rows(table, strata, "strata"), "strata", len(table))
    codes, names = codes_of(groups if isinstance(strata, str) else groups.astype(str).astype(object))
    level, units = drawn_level(table, labelled)
    first = np.unique(units, return_index=True)[1]
    if np.any(codes[first][units] != codes):
        raise EvalFileError(
            f"Labels were drawn by whole groups of {level!r}, some of which lie in several strata, so that strata do not say "
            "how likely a label was. Give strata of whole groups, or sampling_probability=."
        )
    share = np.bincount(codes[first], labelled[first]) / np.bincount(codes[first])
    if np.any(share == 0.0):
        empty = ", ".join(repr(str(names[k])) for k in np.flatnonzero(share == 0.0)[:8])
        raise EvalFileError(
            f"Nothing was labelled in {'a stratum' if np.sum(share == 0.0) == 1 else 'some strata'} ({empty}), so nothing is known "
            "there. Label some of it, or merge it with another one."
        )
    return codes, share[codes]


def _score_name(table: EvalTable) -> str:
    if table.has("judge"):
        return table.roles["judge"]
    candidates = [s for s in table.scores if s != table.roles.get("human")]
    if len(candidates) == 1:
        return candidates[0]
    if not candidates:
        raise EvalFileError("There is no column of scores; name one with score=.")
    raise EvalFileError(
        f"There are several scores: {', '.join(map(repr, candidates))}. Pass score= with one of them."
    )


def deduplicated(table: EvalTable) -> EvalTable:
    """Without exact copies of rows that have a sample number."""
    if not table.has("sample"):
        return table
    copies = table.frame.astype(str).duplicated()
    return table.rows(~copies.to_numpy()) if copies.any() else table


def _failed(table: EvalTable) -> Bool1D:
    """Rows in which the tool failed."""
    if not table.has("error"):
        return np.zeros(len(table), dtype=bool)
    return np.asarray(table.frame[table.roles["error"]].fillna(False).astype(bool).to_numpy())


def _error_scores(table: EvalTable, values: Float1D) -> Float1D:
    """Scores with 0 where the tool failed."""
    return np.where(_failed(table), 0.0, values)


def _error_rows(table: EvalTable, values: Float1D, errors: Errors) -> tuple[EvalTable, Float1D, list[Check]]:
    if errors not in ("fail", "drop"):
        raise ValueError(f"errors must be 'fail' or 'drop', got {errors!r}.")
    failed = _failed(table)
    if not failed.any():
        return table, values, []
    with_zero = _error_scores(table, values)
    dropped = values[~failed]
    note = Check(
        "error-rows",
        "warning",
        f"{int(failed.sum())} row{'s' if failed.sum() > 1 else ''} ended in an error of the tool: counted as 0 the mean score is "
        f"{np.nanmean(with_zero):.4g}, left out it is {np.nanmean(dropped):.4g}; errors={errors!r} was used.",
    )
    if errors == "drop":
        return table.rows(~failed), dropped, [note]
    return table, with_zero, [note]


def refuse(checks: Sequence[Check], judged: bool) -> None:
    """Refuse data with an error of the doctor that is in the way of any answer, or of one from labels."""
    blocking = (*_IDENTITY, *_LABELLING) if judged else _IDENTITY
    for check in checks:
        if check.severity == "error" and check.code in blocking:
            raise EvalFileError(check.sentence)


def _refuse_missing(values: Float1D, name: str) -> None:
    missing = np.flatnonzero(np.isnan(values))
    if len(missing):
        rows = ", ".join(str(r + 1) for r in missing[:8]) + (", ..." if len(missing) > 8 else "")
        raise EvalFileError(
            f"The score {name!r} is missing in {len(missing)} row{'s' if len(missing) > 1 else ''} ({rows}). Leaving them out "
            "would favour the system that fails to answer; give them a score, or remove the items for all systems."
        )


def beside_rows(table: EvalTable, values: Any, name: str) -> Any:
    """What arrives beside the rows of the data, in their order; an array for the name of a column."""
    if isinstance(values, str):
        if values not in table.frame.columns:
            raise EvalFileError(
                f"{name}= names the column {values!r}, which there is not; the columns are "
                f"{', '.join(map(repr, map(str, table.frame.columns)))}."
            )
        return table.column(values)
    if not hasattr(values, "__len__") or sparse.issparse(values):
        return values  # one value for all rows, or nothing that has rows: read, or refused by name, by the caller
    return table.matched(values, name)


def numbers_beside_rows(table: EvalTable, values: Any, name: str) -> Float1D:
    """One number a row: a column by name, one for all rows, or values in the order or with the index of the data."""
    if isinstance(values, numbers.Real) and not isinstance(values, bool):
        values = np.full(len(table), float(values))
    found = beside_rows(table, values, name)
    try:
        array = check_vector(found, name)
    except (TypeError, ValueError) as error:
        if isinstance(values, str):
            raise EvalFileError(f"The column {values!r} cannot be used. {error}") from error
        raise
    if array.shape != (len(table),):
        n_read = table.origins[1]
        used = "" if n_read == len(table) else f" (or ({len(table)},), for the rows that are used)"
        raise ValueError(
            f"{name} must be a column name, a number or have shape ({n_read},){used}, got {array.shape}."
        )
    return array


def cluster_codes(table: EvalTable, clusters: Any) -> Int1D:
    """Codes of clusters that were given as a column or as values."""
    groups = check_groups(beside_rows(table, clusters, "clusters"), "clusters", len(table))
    return codes_of(groups if isinstance(clusters, str) else groups.astype(str).astype(object))[0]


def _clusters(table: EvalTable, clusters: Any, items: Int1D, item_names: Sequence[Any]) -> tuple[Int1D, str]:
    """Codes of the coarsest unit; items must lie within the clusters."""
    if clusters is None:
        return items, table.roles.get("item", "item")
    codes = cluster_codes(table, clusters)
    title = clusters if isinstance(clusters, str) else "clusters"
    low = np.full(len(item_names), np.iinfo(np.int64).max)
    high = np.full(len(item_names), -1)
    np.minimum.at(low, items, codes)
    np.maximum.at(high, items, codes)
    if np.any(low != high):
        which = str(item_names[int(np.argmax(low != high))])
        raise EvalFileError(
            f"Clusters must contain whole items; the item {which!r} lies in several clusters of {title!r}. Cluster by "
            "something coarser."
        )
    return codes, title


def _weights(table: EvalTable, weights: Any) -> Float1D | None:
    if weights is None:
        return None
    values = numbers_beside_rows(table, weights, "weights")
    if np.any(values <= 0):
        raise ValueError("weights must be positive finite numbers.")
    return values


def _probability(table: EvalTable, given: Any, human: Float1D | None) -> Float1D | None:
    if human is None:
        if given is not None and not table.has("human"):
            raise EvalFileError(
                "sampling_probability= was given, but there are no human labels; name them with human=."
            )
        return None
    source: Any = given if given is not None else table.roles.get("probability")
    if source is None:
        return None
    values = numbers_beside_rows(table, source, "sampling_probability")
    if np.any((values <= 0) | (values > 1)):
        raise EvalFileError("sampling_probability must lie in (0, 1].")
    return values


def item_matrix(
    values: Float1D, rows: Int1D, columns: Int1D, n_rows: int, n_columns: int
) -> tuple[AnyArray, AnyArray]:
    """Mean of the values in each cell of items x systems (NaN where empty), and the number of rows in it."""
    cell = rows * n_columns + columns
    count = np.bincount(cell, minlength=n_rows * n_columns).astype(float)
    total = np.bincount(cell, values, n_rows * n_columns)
    mean = np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0)
    return mean.reshape(n_rows, n_columns), count.reshape(n_rows, n_columns)
