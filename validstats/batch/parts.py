"""Rows in parts: scores and model outputs are made part by part, and one number a row is kept of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self

import narwhals as nw
import numpy as np

from validstats._typing import AnyArray, Int1D, RandomState
from validstats.batch.rows import (
    AskedRows,
    LabelledRows,
    check_units,
    check_whole_batches,
    column_values,
    kept_rows,
    looked_at,
    numeric_values,
)
from validstats.batch.scoring import ScoredRows, Scorer
from validstats.batch.targets import TwoLabels
from validstats.intake import TrainingRows, backend_of, column, row_labels, to_pandas
from validstats.runtime import RowParts, filled, stacked, within

__all__ = ["PartColumns", "asked_parts", "scored_parts"]

_ORDER_UP_TO = 10_000_000
"""Calibration rows up to which scores are kept in the order of the rows; of more they are sorted where they are."""


@dataclass(frozen=True, kw_only=True)
class PartColumns:
    """What the columns of a part are: features of the learner, labels and groups."""

    features: tuple[str, ...]
    y: str | None = None
    weights: str | None = None
    batches: str | None = None
    strata: Any = None  # a column, or a callable of the features
    ids: str | None = None
    # Whether the learner knows no names of columns.
    as_array: bool
    # Whether the one feature holds predictions from elsewhere.
    predictions: bool

    @classmethod
    def of(cls, parts: RowParts, learner: Any, known: Any, **named: Any) -> Self:
        """Columns by the arguments that name them; the features have known names, or are all other columns."""
        check_units(named.get("batches"), named.get("strata"), named.get("weights"))
        for argument, name in named.items():
            if name is not None and not (argument == "strata" and callable(name)):
                parts.check_column(name, argument)
        others = {name for name in named.values() if isinstance(name, str)}
        features = (
            tuple(name for name in parts.names if name not in others) if known is None else tuple(known)
        )
        for name in features:
            parts.check_column(name, "a feature of the learner")
        if not features:
            raise ValueError(
                f"X has no column beside {', '.join(map(repr, sorted(others)))}: none is left as a feature."
            )
        if learner is None and len(features) > 1:
            raise ValueError(
                f"estimator=None takes predictions from one column, and X has {len(features)} beside those that are named: "
                f"{', '.join(map(repr, features[:6]))}. Hand over the predictions alone, as in X[['prediction', 'y']]."
            )
        fitted = hasattr(learner, "n_features_in_")
        return cls(
            features=features,
            as_array=fitted and not hasattr(learner, "feature_names_in_"),
            predictions=learner is None,
            **named,
        )

    @property
    def read(self) -> list[str]:
        """The columns that are read of every part, each once."""
        groups = (self.strata, self.batches, self.y)
        return list(dict.fromkeys([*self.features, *(name for name in groups if isinstance(name, str))]))

    @property
    def head(self) -> Any:
        """No rows with the features, as the learner would get them."""
        if self.as_array or self.predictions:
            return np.empty((0, len(self.features)))
        import pandas as pd

        return pd.DataFrame(columns=list(self.features), dtype=np.float64)

    def rows(self, frame: Any) -> Any:
        """Features of a part as the learner gets them."""
        if self.predictions:
            return column(frame, self.features[0])
        chosen = nw.from_native(frame, eager_only=True).select(list(self.features)).to_native()
        if backend_of(chosen) == "pyarrow":
            chosen = to_pandas(chosen)
        if self.as_array:
            return np.column_stack([column(chosen, name) for name in self.features])
        # rows in parts are known by their position, whatever index their part has
        return chosen.reset_index(drop=True) if hasattr(chosen, "reset_index") else chosen

    def groups(self, frame: Any, X: Any, name: str) -> AnyArray | None:
        """Batches or strata of the rows of a part."""
        chosen = getattr(self, name)
        if chosen is None:
            return None
        return column_values(X, chosen if callable(chosen) else column(frame, chosen), name)


@contextmanager
def _of_part(index: int) -> Iterator[None]:
    """Errors about values say in which part they are."""
    try:
        yield
    except (TypeError, ValueError) as error:
        if type(error) not in (TypeError, ValueError):
            raise
        raise type(error)(f"Part {index}: {error}") from None


@dataclass(frozen=True, eq=False)
class _ScoredPart:
    """What is kept of the labelled rows of a part."""

    rows: ScoredRows
    # Rows at the positions that are looked at, with their labels.
    sample: tuple[Any, AnyArray]


def _scored(
    frame: Any,
    index: int,
    *,
    scorer: Scorer,
    columns: PartColumns,
    starts: Int1D,
    keep: Int1D | None,
    wanted: Int1D,
    label_bounds: tuple[float, float],
) -> _ScoredPart | None:
    n = len(nw.from_native(frame, eager_only=True))
    _check_length(index, n, starts)
    if not n:
        return None
    assert columns.y is not None
    with _of_part(index):
        X = columns.rows(frame)
        given = LabelledRows.read(
            X, column(frame, columns.y), columns.groups(frame, X, "strata"), positive=scorer.positive
        )
        batches = columns.groups(frame, X, "batches")
        looked = within(wanted, int(starts[index]), n)
        sample = given.take(looked)
        if keep is not None:
            given = given.take(within(keep, int(starts[index]), n))
        found = scorer.scored(replace(given, batches=batches), label_bounds)
    return _ScoredPart(found, (sample.X, sample.y))


def _check_length(index: int, n: int, starts: Int1D) -> None:
    if index + 1 >= len(starts) or n != starts[index + 1] - starts[index]:
        raise ValueError(
            f"Part {index} of X has {n} rows now, and had another number when rows were counted; X must give the same rows in "
            "every pass."
        )


def scored_parts(
    scorer: Scorer,
    parts: RowParts,
    columns: PartColumns,
    *,
    bounds: Any,
    w_max: float | None,
    random_state: RandomState,
    check_reuse: bool,
    unit: str,
) -> ScoredRows:
    """Scores of labelled rows in parts, in the order of the rows, with a sample of them for the checks."""
    weights = None if columns.weights is None else parts.column(columns.weights)
    keep, seed = kept_rows(weights, w_max, parts.n, random_state)
    n = parts.n if keep is None else len(keep)
    looks = columns.strata is None and (columns.batches is None or unit == "row")
    none: Int1D = np.array([], dtype=np.int64)
    compared = looked_at(n, np.random.default_rng([seed, 1])) if looks else none
    if keep is not None:
        compared = keep[compared]
    training = scorer.training if check_reuse else None
    reused = none if training is None else TrainingRows.looked_at(parts.n)
    wanted = np.union1d(compared, reused)
    work = partial(
        _scored,
        scorer=replace(scorer, training=None, reference=None),
        columns=columns,
        starts=parts.starts,
        keep=keep,
        wanted=wanted,
        label_bounds=scorer.label_bounds(bounds),
    )
    rest: list[_ScoredPart] = []
    scores = filled(_scores_of(parts.map(work, columns.read, description="scores"), rest), n)
    X = stacked([part.sample[0] for part in rest])
    y = _joined([part.sample[1] for part in rest])
    if training is not None:
        at = np.searchsorted(wanted, reused)
        training.warn_about(X[at] if isinstance(X, np.ndarray) else X.iloc[at], y[at], parts.n)
    at = np.searchsorted(wanted, compared)
    batches = None if columns.batches is None else _joined([part.rows.batches for part in rest])
    if batches is not None:
        check_whole_batches(batches)
    ordered = len(scores) > _ORDER_UP_TO and columns.strata is None and batches is None
    if ordered:
        scores.sort()
    return ScoredRows(
        scores=scores,
        own_bounds=(
            min(part.rows.own_bounds[0] for part in rest),
            max(part.rows.own_bounds[1] for part in rest),
        ),
        pair=_joined_pair([part.rows.pair for part in rest]),
        strata=None if columns.strata is None else _joined([part.rows.strata for part in rest]),
        batches=batches,
        batch_name="batch" if columns.batches is None else columns.batches,
        covariates=numeric_values(X[at] if isinstance(X, np.ndarray) else X.iloc[at]) if looks else {},
        n_supplied=parts.n,
        seed=seed,
        ordered=ordered,
    )


def _scores_of(found: Iterator[_ScoredPart | None], rest: list[_ScoredPart]) -> Iterator[AnyArray]:
    """Scores of the parts; what else is kept of them goes to a list."""
    for part in found:
        if part is not None:
            scores = part.rows.scores
            rest.append(replace(part, rows=replace(part.rows, scores=np.array([]))))
            yield scores


def _joined(pieces: list[Any]) -> AnyArray:
    return filled(iter(pieces), sum(len(piece) for piece in pieces))


def _joined_pair(pairs: list[TwoLabels | None]) -> TwoLabels | None:
    known = [pair for pair in pairs if pair is not None]
    return replace(known[0], labels=_joined([pair.labels for pair in known])) if known else None


def _asked(
    frame: Any, index: int, *, scorer: Scorer, columns: PartColumns, starts: Int1D, wanted: Int1D
) -> tuple[AnyArray, AnyArray | None, AnyArray | None, Any] | None:
    n = len(nw.from_native(frame, eager_only=True))
    _check_length(index, n, starts)
    if not n:
        return None
    with _of_part(index):
        X = columns.rows(frame)
        groups = [columns.groups(frame, X, name) for name in ("batches", "strata")]
        outputs = scorer.outputs(X)
        local = within(wanted, int(starts[index]), n)
        sample = X[local] if isinstance(X, np.ndarray) else to_pandas(X).iloc[local]
    return outputs, groups[0], groups[1], sample


def asked_parts(
    scorer: Scorer, parts: RowParts, columns: PartColumns, generator: Callable[[], np.random.Generator]
) -> AskedRows:
    """Model outputs of rows in parts, with batch and stratum of each; ``generator`` chooses the rows that are compared."""
    work = partial(
        _asked,
        scorer=replace(scorer, training=None, reference=None),
        columns=columns,
        starts=parts.starts,
        wanted=looked_at(parts.n, generator()),
    )
    rest: list[tuple[AnyArray | None, AnyArray | None, Any]] = []

    def outputs() -> Iterator[AnyArray]:
        for part in parts.map(work, columns.read, description="outputs"):
            if part is not None:
                rest.append(part[1:])
                yield part[0]

    found = filled(outputs(), parts.n)
    sample = numeric_values(stacked([part[2] for part in rest]))

    def compared(rng: np.random.Generator) -> Any:
        looked_at(parts.n, rng)  # the draw that chose these rows
        return sample

    named = parts.rows
    if columns.ids is not None:
        named = row_labels(_id_frame(columns.ids, parts.column(columns.ids)), columns.ids)
    return AskedRows(
        outputs=found,
        batches=None if columns.batches is None else _joined([part[0] for part in rest]),
        strata=None if columns.strata is None else _joined([part[1] for part in rest]),
        named=named,
        backend=parts.backend,
        compared=compared,
    )


def _id_frame(name: str, values: AnyArray) -> Any:
    import pandas as pd

    return pd.DataFrame({name: values})
