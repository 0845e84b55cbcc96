"""Desk of a calibrated holdout: it turns targets into values a unit, and questions into charged answers."""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import math
import numbers
import pickle
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property, partial
from typing import Any, Literal, TypeAlias

import narwhals as nw
import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.base import clone, is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_predict
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import check_is_fitted

from validstats._typing import AnyArray, Float1D, FrameBackend, Int1D
from validstats.exceptions import (
    BudgetExhaustedError,
    DataReuseError,
    DataReuseWarning,
    holdout_rows_message,
    surprise_message,
    warn,
)
from validstats.guarantee import Guarantee
from validstats.holdout.asking.metrics import (
    Metric,
    as_metric,
    checked_rows,
    comparison_of,
    in_class_order,
    lent,
    method_of,
    own_classes,
    quietly,
    raw_response,
    rescaling,
    respond,
)
from validstats.holdout.asking.parted import PartedFeatures, as_learned
from validstats.holdout.asking.whole import WholeMetric
from validstats.holdout.budget import Books, Question, Session
from validstats.holdout.ledger import BoundRows, Entry, Ledger
from validstats.holdout.mechanisms import Release, mechanism
from validstats.holdout.results import Answer
from validstats.holdout.widths import free_cell, log_coded_share
from validstats.intake import (
    CodedClassifier,
    RowLabels,
    RowSketch,
    align,
    ask_digest,
    backend_of,
    column_names,
    columns,
    derive_key,
    digest_blocks,
    find_overlap,
    fingerprint_and_ranks,
    fit_learner,
    holdout_fingerprint,
    is_frame,
    keyed_row_digests,
    one_byte_each,
    ranks_apart,
    read_array,
    requested_parameters,
    row_digests,
    row_labels,
    shared_rows,
    sketch_rows,
    to_pandas,
)

__all__ = [
    "Desk",
    "GuessKind",
    "HoldoutSample",
    "Parts",
    "TrainingPart",
    "Split",
    "class_indices",
    "count_rows",
    "digests_of",
    "in_turn",
    "is_estimator",
    "number_question",
    "plain_digests",
    "query_question",
    "seal",
    "split_sample",
    "stacked",
    "unseal",
]


@dataclass(frozen=True, repr=False, eq=False)
class HoldoutSample:
    """Rows of one part of the holdout (the reusable one, or the vault), and how they form independent units."""

    X: Any  # features
    y: AnyArray  # labels
    # Index of each label among the classes of the training labels, -1 for those of a continuous target
    labels: Int1D
    unit: Int1D | None  # unit of each row, from 0; None where rows are units of their own
    given: Int1D  # position of each row among those that were handed over
    n_given: int  # number of rows that were handed over, the other part included
    named: RowLabels | None = None  # who the rows that were handed over are, in their order
    clusters: AnyArray | None = None  # as they were handed over
    ids: AnyArray | None = None

    @property
    def clustered(self) -> bool:
        """Whether several rows may be one unit."""
        return self.unit is not None

    @cached_property
    def _sizes(self) -> Float1D:
        """Number of rows of each unit, where units have several."""
        assert self.unit is not None
        return np.bincount(self.unit).astype(np.float64)

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.y)

    @property
    def n_units(self) -> int:
        """Number of independent units: what the guarantee calls n."""
        return self.n_rows if self.unit is None else len(self._sizes)

    def unit_means(self, values: Float1D) -> Float1D:
        """Average row values within units."""
        if self.unit is None:
            return values
        return np.bincount(self.unit, weights=values) / self._sizes

    def aligned(self, predictions: Any, name: str = "target", *, compared: bool = False) -> AnyArray:
        """Bring predictions from the order in which the rows were handed over to the order kept here."""
        if self.named is not None:
            predictions = align(predictions, self.named, name)
        array = read_array(predictions, name)
        if array.ndim == 0 or len(array) != self.n_given:
            shape = array.shape
            raise ValueError(
                f"{name}: predictions must be given for all {self.n_given} holdout rows, in the order in which calibrate() "
                f"had them, got shape {shape}; nothing was charged."
            )
        if array.ndim == 2 and array.shape[1] == 1:
            array = array[:, 0]
        return picked(array, self.given, compared=compared)

    @cached_property
    def _bytes(self) -> AnyArray:
        """Labels as bytes where they fit, else as they are."""
        return _as_bytes(self.y)

    def compared(self, prediction: AnyArray, metric: Metric, secret: bytes) -> tuple[AnyArray, str] | None:
        """Return truth values and cache key where labels and predictions are bytes to be compared; else None."""
        comparison, truth = comparison_of(metric), self._bytes
        if (
            comparison is None
            or not prediction.dtype == truth.dtype == np.int8
            or prediction.shape != truth.shape
        ):
            return None
        return comparison(truth, prediction), ask_digest(secret, "rows", metric.name, prediction)

    def values_of(self, prediction: AnyArray, metric: Metric, secret: bytes) -> tuple[Float1D, str]:
        """Return one value a unit, on the scale of [0, 1], and the cache key of predictions in this order."""
        truth = _locked(self.y if metric.response == "predict" else self.labels)
        if isinstance(self.X, PartedFeatures) and metric.reads_features:
            found = self.X.each(partial(_values_of_part, metric=metric), truth, prediction)
        else:
            unread = metric.built_in and not metric.reads_features
            found = metric.values(truth, prediction, None if unread else _locked(self.X))
        values = metric.to_unit(found)
        return self.unit_means(values), ask_digest(secret, "rows", metric.name, prediction)

    def __repr__(self) -> str:
        return f"HoldoutSample(n_rows={self.n_rows}, n_units={self.n_units})"


class Parts:
    """The two parts of the holdout; a copy of them carries its rows only under the ledger's key."""

    # While the ledger is in memory the parts refuse to be pickled or deep-copied, as the ledger does: each copy would
    # have the whole budget again. With a ledger file copies share the budget.

    def __init__(
        self,
        ledger: Ledger,
        split: Split,
        bound: BoundRows,
        namespace: str = "",
    ) -> None:
        self._ledger = ledger
        self.bound = dataclasses.replace(bound, sketches=tuple)  # who the rows are
        self.namespace = namespace  # of their identifiers
        self.vault_rank = split.vault_rank
        self._opened: tuple[HoldoutSample, HoldoutSample | None] | None = (split.reusable, split.vault)
        self._sealed = b""
        self._digests: list[npt.NDArray[np.uint64] | None] | None = None
        self._sketches: tuple[RowSketch, ...] | None = None
        self._key = b""  # of the sketches, where it is not that of the ledger
        self._seen: dict[bytes, str] = {}

    @property
    def reusable(self) -> HoldoutSample:
        """The part that may be asked again and again."""
        return self._open()[0]

    @property
    def vault(self) -> HoldoutSample | None:
        """The part that is opened once; None if none was set aside."""
        return self._open()[1]

    @property
    def order(self) -> str:
        """Digest of what the order of the rows comes from."""
        return self.bound.ids or self.bound.content

    def handed(self, field_name: Literal["X", "y", "clusters", "ids"]) -> Any:
        """Return what was handed over, in the order in which it was; None if it was not."""
        parts = [part for part in self._open() if part is not None]
        pieces = [getattr(part, field_name) for part in parts]
        if pieces[0] is None:
            return None
        order = np.argsort(np.concatenate([part.given for part in parts]))
        return _safe_indexing(stacked(pieces), order)

    def _open(self) -> tuple[HoldoutSample, HoldoutSample | None]:
        if self._opened is None:
            if self._sealed not in _OPENED:
                _OPENED.clear()
                _OPENED[self._sealed] = unseal(self._ledger.secret, self._sealed)
            self._opened = _OPENED[self._sealed]
        return self._opened

    def recognise_by(self, sketches: tuple[RowSketch, ...], key: bytes) -> None:
        """Take sketches of all rows under a key, unless the rows of a vault are looked for by themselves."""
        if self.vault is None:
            self._sketches = tuple(s for s in sketches if s.family != "id" and not s.reads_labels)
            self._key = key

    def shared_with(self, X: Any) -> str:
        """Say which holdout rows are among others, by their features alone; empty if none are."""
        mark = plain_digests(X)
        if mark is None:
            return self._shared_in_sketches(X)
        known = mark.tobytes()
        if known not in self._seen:
            self._seen[known] = self._shared_as_they_are(mark) or self._shared_in_sketches(X)
        return self._seen[known]

    def _shared_as_they_are(self, mark: npt.NDArray[np.uint64]) -> str:
        """Say which holdout rows are among rows with these digests."""
        if self._digests is None:
            self._digests = [plain_digests(part.X) for part in self._open() if part is not None]
        for own in self._digests:
            if own is not None and (n_shared := shared_rows(own, mark)):
                return f"{n_shared:,} of its {len(own):,} rows"
        return ""

    def _shared_in_sketches(self, X: Any) -> str:
        """Say which holdout rows are among others, with other features as well."""
        if np.size(X) > _MOST_CELLS:
            return ""
        key = self._key or self._ledger.secret
        if self._sketches is None:
            parts = [part for part in self._open() if part is not None]
            self._sketches = tuple(s for part in parts for s in sketch_rows(in_turn(part.X), key=key))
        overlap = find_overlap(self._sketches, sketch_rows(X, key=key))
        return "" if overlap is None else str(overlap)

    def __getstate__(self) -> dict[str, Any]:
        self._ledger._refuse_copy("pickled or deep-copied")
        if not self._sealed:
            self._sealed = seal(self._ledger.secret, self._opened)
        kept = {"_ledger": self._ledger, "_sealed": self._sealed}
        kept |= {name: getattr(self, name) for name in ("bound", "namespace", "vault_rank")}
        kept["_key"] = b""  # the secret stays in the ledger
        return {**kept, "_opened": None, "_digests": None, "_sketches": None, "_seen": {}}


_MOST_CELLS = 20_000_000
"""Cells of a table above which training rows are compared with the holdout as they are only, not by their sketches."""

_OPENED: dict[bytes, Any] = {}
"""The parts that were unsealed last in this process, by their seal."""


@dataclass(frozen=True, repr=False, eq=False)
class TrainingPart:
    """The training rows: the source of guesses."""

    X: Any  # features
    y: AnyArray  # labels
    classes: AnyArray  # distinct labels, empty for a continuous target
    seed: int  # of the splits
    folds: int = 5  # number of folds of a cross-validated guess
    parameters: Mapping[str, Any] = field(default_factory=dict)  # of the fit of any estimator
    given_to: str = "ReusableHoldout.fit"  # what was given them

    def fitted(self, estimator: Any) -> Any:
        """Return the estimator if it is fitted, else a copy fitted on the training rows."""
        if not hasattr(estimator, "fit"):
            return estimator
        try:
            check_is_fitted(estimator)
        except NotFittedError:
            return fit_learner(estimator, lent(self.X), lent(self.y), self.parameters, self.given_to)
        return estimator

    def values(self, estimator: Any, metric: Metric, how: str) -> Float1D:
        """Return one value a training row, on the scale of [0, 1]."""
        truth = self.y if metric.response == "predict" else class_indices(self.y, self.classes)
        values = metric.values(truth, self._predicted(estimator, metric, how), self.X)
        return np.asarray(metric.to_unit(values), dtype=np.float64)

    def guess(self, estimator: Any, metric: Metric, how: str) -> float:
        """Score an estimator on the training rows, on the metric's own scale."""
        return self.score(self._predicted(estimator, metric, how), metric, self.X, self.y)

    def _predicted(self, estimator: Any, metric: Metric, how: str) -> AnyArray:
        """Return predictions for the training rows: cross-validated, or of the fitted estimator."""
        if how == "train":
            return respond(self.fitted(estimator), self.X, metric, self.classes)
        raw = self._out_of_fold(estimator, metric)
        return in_class_order(raw, metric, self.classes, np.unique(self.y), type(estimator).__name__)

    def _out_of_fold(self, estimator: Any, metric: Metric) -> AnyArray:
        """Cross-validated responses; classes that the estimator does not take are coded."""
        requested_parameters(estimator, self.parameters, self.given_to)
        options: dict[str, Any] = {
            "cv": self.splits(estimator),
            "method": method_of(estimator, metric),
            "params": dict(self.parameters) or None,
        }
        try:
            return np.asarray(cross_val_predict(clone(estimator), self.X, self.y, **options))
        except (TypeError, ValueError):
            if not is_classifier(estimator) or not isinstance(
                fit_learner(estimator, self.X, self.y, self.parameters, self.given_to), CodedClassifier
            ):
                raise
            return np.asarray(cross_val_predict(CodedClassifier(estimator), self.X, self.y, **options))

    def score(self, prediction: AnyArray, metric: Metric, X: Any, y: AnyArray) -> float:
        """Score predictions for given rows, on the metric's own scale."""
        if isinstance(metric, WholeMetric) and metric.classes and metric.response == "predict":
            prediction = class_indices(prediction, self.classes)
            return metric.score(class_indices(y, self.classes), prediction, X)
        truth = y if metric.response == "predict" else class_indices(y, self.classes)
        return metric.score(truth, prediction, X)

    def splits(self, estimator: Any) -> Any:
        """Return the folds: stratified for classifiers where every class is large enough."""
        stratify = is_classifier(estimator) and len(self.classes) > 0
        if stratify and np.unique(self.y, return_counts=True)[1].min() >= self.folds:
            return StratifiedKFold(self.folds, shuffle=True, random_state=self.seed)
        return KFold(self.folds, shuffle=True, random_state=self.seed)


def class_indices(y: AnyArray, classes: AnyArray) -> AnyArray:
    """Return the index of each label among sorted classes, -1 for one that is not among them."""
    if not len(classes):
        return np.full(len(y), -1, dtype=np.int64)
    own = np.arange(len(classes))
    if (
        y.dtype == own.dtype
        and np.array_equal(classes, own)
        and y.min(initial=0) >= 0
        and y.max(initial=0) <= own[-1]
    ):
        return y  # labels that are their own indices are not held twice
    index = np.clip(np.searchsorted(classes, y), 0, len(classes) - 1)
    return np.where(classes[index] == y, index, -1)


def split_sample(
    X: Any,
    y: AnyArray,
    labels: Int1D,
    clusters: AnyArray | None,
    *,
    vault: float,
    secret: bytes,
    ids: AnyArray | None = None,
    vault_rank: str | None = None,
) -> Split:
    """Order the holdout by a secret and set the vault aside, up to a rank where rows joined one that was set aside before."""
    # The order depends on the rows and the secret only, so that the same rows in any order give the same
    # parts; on the identifiers alone, where there are any, so that features may change. Rows that are equal in
    # everything are told apart by how many of them came before.
    unit = None if clusters is None else np.unique(clusters, return_inverse=True)[1]
    named, digests = None, digests_of(secret, X, y, clusters)
    if ids is None:
        fingerprint, ranks = fingerprint_and_ranks(secret, digests, unit)
    else:
        fingerprint = holdout_fingerprint(secret, digests)
        identified = digest_blocks(derive_key(secret, "ids"), ids.reshape(-1, 1))
        named, ranks = fingerprint_and_ranks(secret, identified, unit)
    ranks, order = ranks_apart(secret, ranks)
    n_vault = round(vault * len(order))
    if vault_rank is not None:
        last = np.uint64(int(vault_rank or "0", 16))
        n_vault = int(np.searchsorted(ranks, last, side="right", sorter=order)) if vault and vault_rank else 0
    vault_rank = f"{int(ranks[order[n_vault - 1]]):016x}" if n_vault else ""
    del ranks
    rows, first, place = order, n_vault, None  # first: row after those of the vault
    if unit is not None:
        rank = np.empty(len(order), dtype=np.int64)
        rank[order] = np.arange(len(order))
        rows = np.argsort(rank[unit], kind="stable")
        place = rank[unit[rows]]
        first = int(np.searchsorted(place, n_vault))

    def take(part: slice, n_before: int) -> HoldoutSample:
        at = rows[part]
        own = picked(y, at)
        return HoldoutSample(
            X=X.take(at) if isinstance(X, PartedFeatures) else picked(X, at),
            y=own,
            labels=own if labels is y else picked(labels, at),
            unit=None if place is None else place[part] - n_before,
            given=at,
            n_given=len(y),
            named=row_labels(X),
            clusters=None if clusters is None else clusters[at],
            ids=None if ids is None else ids[at],
        )

    return Split(
        take(slice(first, None), n_vault),
        take(slice(first), 0) if n_vault else None,
        fingerprint,
        named,
        vault_rank,
    )


_MANY_ROWS = 50_000
"""Rows from which whole numbers of one byte are picked as bytes."""


def picked(values: Any, at: Int1D, *, compared: bool = False) -> Any:
    """Return rows at positions in any order; as bytes where they fit and are to be compared only."""
    if type(values) is not np.ndarray:
        return _safe_indexing(values, at)
    if values.ndim == 1 and (compared or (values.dtype.kind in "iu" and len(values) >= _MANY_ROWS)):
        small = _as_bytes(values)
        if small.dtype == np.int8:  # eight times as many fit the cache
            found = small.take(at)
            return found if compared else found.astype(values.dtype)
    return values.take(at, axis=0) if values.flags.c_contiguous else values[at]


def _as_bytes(values: AnyArray) -> AnyArray:
    """Numbers as bytes where all are whole and fit, else values as they are."""
    small = one_byte_each(values) if values.ndim == 1 and values.dtype.kind in "iufb" else None
    return values if small is None else small


@dataclass(frozen=True, eq=False)
class Split:
    """The parts of a holdout."""

    reusable: HoldoutSample
    vault: HoldoutSample | None
    content: str  # digest of the rows
    named: str | None  # of their identifiers
    vault_rank: str  # of the vault's last unit; empty where there is no vault


def stacked(pieces: Sequence[Any]) -> Any:
    """Put rows below others: arrays, sparse matrices, or frames of one library with the same columns."""
    first = pieces[0]
    if len(pieces) == 1:
        return first
    if is_frame(first):
        if any(not is_frame(piece) or column_names(piece) != column_names(first) for piece in pieces):
            raise ValueError(
                "The rows that join must have the columns of the holdout, in the same order; nothing was changed."
            )
        if backend_of(first) == "pandas":
            import pandas as pd

            plain = all(row_labels(piece).labels is None for piece in pieces)
            return pd.concat([to_pandas(piece) for piece in pieces], ignore_index=plain)
        return nw.to_native(nw.concat([nw.from_native(piece) for piece in pieces]))
    if hasattr(first, "tocsr"):
        return sparse.vstack([sparse.csr_matrix(piece) for piece in pieces]).tocsr()
    arrays = [np.asarray(piece) for piece in pieces]
    if len({array.shape[1:] for array in arrays}) > 1:
        raise ValueError(
            f"The rows that join must have the columns of the holdout, got shapes {[array.shape for array in arrays]}; nothing "
            "was changed."
        )
    return np.concatenate(arrays)


def digests_of(
    secret: bytes, X: Any, y: AnyArray, clusters: AnyArray | None = None
) -> Iterable[npt.NDArray[np.uint64]]:
    """Digest rows under a key, some at a time, those of a source in parts where the parts are."""
    if isinstance(X, PartedFeatures):
        return [X.each(partial(keyed_row_digests, secret), y, clusters)]
    return digest_blocks(secret, X if is_frame(X) or hasattr(X, "tocsr") else np.asarray(X), y, clusters)


def in_turn(X: Any) -> Any:
    """Features as sketches read them: columns of rows in parts one by one."""
    return X.in_turn() if isinstance(X, PartedFeatures) else X


def plain_digests(X: Any) -> npt.NDArray[np.uint64] | None:
    """Digest rows as they are; None for what has no rows of plain cells."""
    if isinstance(X, PartedFeatures):
        return X.each(row_digests)
    if not is_frame(X) and (hasattr(X, "tocsr") or np.ndim(X) < 2):
        return None
    return row_digests(X)


def _values_of_part(X: Any, truth: AnyArray, prediction: AnyArray, metric: Metric) -> AnyArray:
    return metric.values(truth, prediction, X)


def _response_of(estimator: Any, X: Any, metric: Metric) -> AnyArray:
    """What an estimator answers for a metric, part by part where rows are in parts."""
    if not isinstance(X, PartedFeatures):
        return raw_response(estimator, X, metric)
    return X.each(partial(_response_of_part, estimator=estimator, metric=metric))


def _response_of_part(X: Any, estimator: Any, metric: Metric) -> AnyArray:
    return raw_response(estimator, as_learned(estimator, X), metric)


def count_rows(X: Any) -> int:
    """Count the rows of an array, a sparse matrix, a data frame or a list."""
    if is_frame(X):
        return len(columns(X)[0]) if columns(X) else 0
    if isinstance(X, list | tuple):
        return len(read_array(X, "X"))
    if isinstance(X, PartedFeatures):
        return len(X)
    if np.ndim(X) == 0 and not hasattr(X, "tocsr"):
        raise TypeError(f"X must have rows, got an object of type {type(X).__name__}.")
    return int(X.shape[0]) if hasattr(X, "shape") else len(X)


def seal(secret: bytes, value: Any) -> bytes:
    """Pickle a value and hide it under a key, so that a copy of an estimator carries no readable rows."""
    # This keeps rows out of sight wherever pickles travel. It is no protection against someone who has the
    # ledger, and with it the key.
    nonce = secrets.token_bytes(16)
    hidden = _mask(secret, nonce, pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL))
    return nonce + _tag(secret, nonce + hidden) + hidden


def unseal(secret: bytes, sealed: bytes) -> Any:
    """Open what :func:`seal` has hidden."""
    nonce, tag, hidden = sealed[:16], sealed[16:48], sealed[48:]
    if not hmac.compare_digest(tag, _tag(secret, nonce + hidden)):
        raise ValueError("The sealed holdout belongs to another ledger, or was changed.")
    return pickle.loads(_mask(secret, nonce, hidden))


def _mask(secret: bytes, nonce: bytes, raw: bytes) -> bytes:
    stream = hashlib.shake_256(derive_key(secret, "seal") + nonce).digest(len(raw))
    return (np.frombuffer(raw, dtype=np.uint8) ^ np.frombuffer(stream, dtype=np.uint8)).tobytes()


def _tag(secret: bytes, raw: bytes) -> bytes:
    return hmac.new(derive_key(secret, "seal tag"), raw, hashlib.sha256).digest()


def _locked(rows: Any) -> Any:
    """Return a view of an array that cannot be written to; a copy of anything else."""
    if not isinstance(rows, np.ndarray):
        return lent(rows)
    view = rows.view()
    view.flags.writeable = False
    return view


GuessKind: TypeAlias = Literal["cv", "train"]
"""Where guesses come from: cross-validation on the training rows, or the training score itself."""


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Desk:
    """What is at hand where a calibrated holdout is asked."""

    books: Books  # charge questions
    parts: Parts  # the reusable rows and the vault
    training: TrainingPart | None  # where guesses come from
    classes: (
        AnyArray  # distinct training labels at the calibration, or those declared; empty if there are none
    )
    metric: str | Metric  # what is measured unless told otherwise
    guess: GuessKind | None
    guarantee: Guarantee  # what all answers promise together
    backend: FrameBackend
    joined: str = ""  # name of the rows, where others joined those that the ledger was opened with

    @property
    def hosts(self) -> bool:
        """Whether releases beside the declared mechanism are accounted for exactly."""
        return mechanism(self.books.declared.mechanism).hosts

    @property
    def takes_guess(self) -> bool:
        """Whether the declared mechanism compares with a guess where there is one."""
        return mechanism(self.books.declared.mechanism).takes_guess

    @property
    def needs_guess(self) -> bool:
        """Whether the declared mechanism does not answer without a guess."""
        return mechanism(self.books.declared.mechanism).needs_guess

    # ------------------------------------------------------------------ from targets to values

    def digest(self, *asked: Any) -> str:
        """Return the keyed digest of what is asked: the key of the cache. Asked of more rows it is another question."""
        return ask_digest(self.books.ledger.secret, *asked, *([self.joined] if self.joined else []))

    def chosen(self, metric: str | Metric | None) -> Metric:
        """Return the metric that is asked for, or the declared one."""
        return as_metric(self.metric if metric is None else metric)

    def mean_metric(self, metric: str | Metric | None, verb: str, remedy: str = "") -> Metric:
        """Return the metric that is asked for, where the verb is for means of row values only."""
        chosen = self.chosen(metric)
        if not chosen.row_mean:
            what = remedy or f"not for {chosen.name!r}"
            raise ValueError(f"{verb} is for means of row values, {what}; nothing was charged.")
        return chosen

    def values(
        self, target: Any, metric: Metric, part: HoldoutSample | None = None, name: str = "target"
    ) -> tuple[Float1D, str]:
        """Return one value a unit of the reusable rows, or of the vault, and the digest of what was asked."""
        part = self.parts.reusable if part is None else part
        return self.measured(self.predictions(target, metric, part, name), metric, part)

    def counted(self, target: Any, metric: Metric, name: str = "target") -> tuple[AnyArray, str]:
        """Return values as :meth:`values` does, but truth values where they are counted."""
        part = self.parts.reusable
        if not self.counts(metric):
            return self.values(target, metric, part, name)
        prediction = self.predictions(target, metric, part, name, compared=comparison_of(metric) is not None)
        found = part.compared(prediction, metric, self.books.ledger.secret)
        if found is not None:
            return found
        units, digest = self.measured(prediction, metric, part)
        return units.astype(np.bool_), digest

    def measured(self, prediction: AnyArray, metric: Metric, part: HoldoutSample) -> tuple[Float1D, str]:
        """Return one value a unit for predictions in the order of a part, and the digest of what was asked."""
        if not metric.row_mean:
            return prediction, self.digest(metric.name, prediction)
        secret = self.books.ledger.secret
        if metric.built_in:
            return part.values_of(prediction, metric, secret)
        # the caller's code sees labels: its failing is an outcome, on record and paid for before anything else is asked
        found: tuple[Float1D, str] = self.books.with_labels(
            lambda: part.values_of(prediction, metric, secret), metric.name
        )
        return found

    def predictions(
        self,
        target: Any,
        metric: Metric,
        part: HoldoutSample,
        name: str = "target",
        *,
        compared: bool = False,
    ) -> AnyArray:
        """Return predictions for the rows of one part, in its order; as bytes where they fit and are to be compared only."""
        if not is_estimator(target):
            prediction = part.aligned(target, name, compared=compared)
            if prediction.dtype.kind == "f" and not np.isfinite(prediction).all():
                raise ValueError(
                    f"{name}: predictions must not contain NaN or infinity; nothing was charged."
                )
            if prediction.dtype.kind == "O" and any(v is None or v != v for v in prediction.ravel()):
                raise ValueError(f"{name}: predictions must not contain missing values; nothing was charged.")
            return in_class_order(prediction, metric, self.classes)
        fitted = target if self.training is None else self.training.fitted(target)
        self._look_for_holdout_rows(fitted)
        answer: AnyArray = quietly(lambda: _response_of(fitted, part.X, metric), "estimator")
        if len(answer) != part.n_rows:
            raise ValueError(f"The estimator returned {len(answer)} predictions; nothing was charged.")
        answer = in_class_order(answer, metric, self.classes, own_classes(fitted), type(fitted).__name__)
        return _as_bytes(answer) if compared else answer

    def _look_for_holdout_rows(self, fitted: Any) -> None:
        """Warn if a model keeps rows that it was fitted on and they are those of the holdout."""
        inner = fitted
        for outer in ("best_estimator_", "estimator_"):
            inner = getattr(inner, outer, inner)
        steps = getattr(inner, "steps", None)
        inner = steps[-1][1] if steps else inner
        for name in ("_fit_X", "X_train_", "support_vectors_"):
            kept: Any = getattr(inner, name, None)
            shared = self.parts.shared_with(kept) if np.ndim(kept) == 2 else ""
            if shared:
                what = f"The rows that {type(inner).__name__} was fitted on"
                consequence = "its answer is no statement about new rows."
                warn(
                    holdout_rows_message.format(what=what, overlap=shared, consequence=consequence),
                    DataReuseWarning,
                )
                return

    def refuse_holdout_rows(self, X: Any, what: str) -> None:
        """Refuse rows of the holdout in what models are to be fitted on, before anything is charged."""
        shared = self.parts.shared_with(X)
        if shared:
            raise DataReuseError(
                holdout_rows_message.format(what=what, overlap=shared, consequence="nothing was charged.")
            )

    # ------------------------------------------------------------------ guesses

    def training_for(self, verb: str) -> TrainingPart:
        """Return the training rows, where a verb needs a guess from them."""
        if self.training is None:
            raise ValueError(
                f"{verb} needs a guess from the training rows: call fit(...) first or pass guess=..."
            )
        return self.training

    def guess_of(self, target: Any, metric: Metric, guess: Any = None) -> Any:
        """Return what is expected of a target, in [0, 1]: the training rows' values, or a number; None if nothing is."""
        if not self.takes_guess:
            return None
        if guess is not None:
            return _unit_guess(guess, metric)
        known = is_estimator(target) and self.training is not None and self.guess is not None
        if not known and not self.needs_guess:
            return None
        if not is_estimator(target):
            raise ValueError(
                f"mechanism={self.books.declared.mechanism!r} checks a guess, and predictions alone give none: pass "
                "guess=..., the score you expect from the training rows (cross-validated), or pass the estimator. "
                "Nothing was charged."
            )
        return self.training_values(target, metric)

    def training_values(self, target: Any, metric: Metric) -> Float1D:
        """Return the values of the training rows, out of sample unless the estimator is guessed by its training score."""
        return self.training_for("infer").values(target, metric, self.guess or "cv")

    def counts(self, metric: Metric) -> bool:
        """Whether a question is about a share of independent rows: the metric says so, never the rows."""
        return metric.binary and not self.parts.reusable.clustered

    # ------------------------------------------------------------------ from questions to answers

    def ask(self, question: Question) -> Answer:
        """Charge one question and answer it."""
        return self.ask_all([question])[0]

    def ask_all(self, questions: Sequence[Question]) -> list[Answer]:
        """Charge questions as one batch and answer them."""
        try:
            entries = self.books.charge(questions)
        except BudgetExhaustedError as error:
            answered = zip(questions, getattr(error, "answered", []), strict=False)
            error.answered = [self._answer(question, entry) for question, entry in answered]  # type: ignore[attr-defined]
            raise
        return [self._answer(question, entry) for question, entry in zip(questions, entries, strict=True)]

    def _answer(self, question: Question, entry: Entry) -> Answer:
        self._look_for_surprise(question, entry)
        return Answer(
            guarantee=self.guarantee if question.guarantee is None else question.guarantee(entry),
            backend=self.backend,
            # The state of the mechanisms stays in the ledger: it may hold a noisy threshold.
            entry=Entry(**{**vars(entry), "state": {}}),
            left=self.books.left(entry.state),
        )

    def _look_for_surprise(self, question: Question, entry: Entry) -> None:
        """Warn of a share that came out far better than its guess; a function of what was released, and so free."""
        better, guess, answer = question.better, question.guess, entry.answer
        if (
            entry.passed is not False
            or self.training is None
            or better is None
            or guess is None
            or answer is None
        ):
            return
        n, n_guess = self.parts.reusable.n_units, len(self.training.y)
        g = (n_guess * guess + 1.0) / (n_guess + 2.0)
        error = math.sqrt(g * (1.0 - g) * (1.0 / n + 1.0 / n_guess))
        if better * (answer - guess) > _SURPRISE * error:
            warn(surprise_message.format(question=question.label, guess=guess), DataReuseWarning)


_SURPRISE = 4.0  # standard errors of a difference between guess and answer


# ---------------------------------------------------------------- numbers


def number_question(
    desk: Desk,
    target: Any,
    metric: str | Metric | None = None,
    guess: Any = None,
    query_id: str | None = None,
    given_as: str = "target",
) -> Question:
    """Ask for the score of an estimator or of predictions."""
    chosen = desk.chosen(metric)
    guess = _given_guess(guess, chosen)
    units, digest = desk.counted(target, chosen, given_as)
    name = query_id or name_of(target)
    label, phrase = f"{chosen.name}: {name}", f"the {chosen.name} of {name}"
    subject = None if query_id is None else subject_of(chosen, chosen.bounds)
    query = digest if query_id is None else desk.digest("id", query_id)
    if not chosen.row_mean:
        assert isinstance(chosen, WholeMetric)
        respond = _whole_question(desk, chosen, target, units, guess)
        return Question(
            release="answer", label=label, phrase=phrase, query=query, subject=subject, respond=respond
        )
    return _mean_question(units, chosen, desk.guess_of(target, chosen, guess), label, phrase, query, subject)


def query_question(
    desk: Desk,
    function: Callable[[Any, Any], Any],
    bounds: tuple[float, float],
    guess: Any,
    query_id: str | None,
) -> Question:
    """Ask for the mean of a function of a row."""
    label = str(query_id or getattr(function, "__name__", "query"))
    scale = Metric(name=label, rows=lambda y, prediction, X: prediction, bounds=bounds)
    guess = _given_guess(guess, scale)
    sample = desk.parts.reusable
    if guess is None and desk.takes_guess and (desk.training is not None or desk.needs_guess):
        training = desk.training_for("query")
        guess = np.asarray(function(lent(training.X), lent(training.y)), dtype=np.float64)
    start = None if guess is None or not desk.takes_guess else _unit_guess(guess, scale)
    subject = None if query_id is None else subject_of(function, bounds)
    query = None if query_id is None else desk.digest("id", query_id)

    def respond(session: Session) -> Release:
        if isinstance(sample.X, PartedFeatures):
            raw = sample.X.each(function, sample.y)
        else:
            raw = function(lent(sample.X), lent(sample.y))
        units = sample.unit_means(scale.to_unit(checked_rows(raw, sample.n_rows, bounds, "query")))
        return session.number(units, start).rescaled(rescaling(bounds))

    return Question(
        release="answer",
        label=label,
        phrase=f"the mean of {label}",
        query=query,
        respond=respond,
        guess=None if start is None else scale.from_unit(float(np.mean(start))),
        subject=subject,
        scale=bounds,
        sees_labels=True,
    )


def _mean_question(
    units: AnyArray,
    metric: Metric,
    guess: Any,
    label: str,
    phrase: str,
    query: str | None,
    subject: str | None,
) -> Question:
    return Question(
        release="answer",
        label=label,
        phrase=phrase,
        query=query,
        respond=lambda session: session.number(units, guess).rescaled(rescaling(metric.bounds)),
        better=(1.0 if metric.greater_is_better else -1.0) if metric.binary else None,
        guess=None if guess is None else metric.from_unit(_mean_of(guess)),
        subject=subject,
        scale=metric.bounds,
    )


def _whole_question(
    desk: Desk, metric: WholeMetric, target: Any, prediction: AnyArray, guess: Any
) -> Callable[[Session], Release]:
    """Publish the interval of a metric of all rows together as a cell, coded around what the training rows say."""
    sample, kinds = desk.parts.reusable, len(desk.classes)
    asks_classes = metric.classes != 0
    if sample.clustered or not desk.hosts:
        raise ValueError(
            f"{metric.name} needs independent rows, and mechanism='guess_and_check' or 'description_length' (this is "
            f"{desk.books.declared.mechanism!r}); nothing was charged."
        )
    if asks_classes and (kinds < 2 or (metric.classes == 2 and kinds != 2)):
        wanted = "two classes" if metric.classes == 2 else "classes"
        raise ValueError(
            f"{metric.name} is for {wanted}, and the training labels have {kinds}; nothing was charged."
            if kinds
            else f"{metric.name} is for {wanted}, and none are known: pass classes= to calibrate(...), or call fit(...) with "
            "class labels before; nothing was charged."
        )
    truth = sample.labels if asks_classes else sample.y
    if asks_classes and metric.response == "predict":
        prediction = class_indices(prediction, desk.classes)
    if guess is None and desk.training is not None and desk.guess is not None and is_estimator(target):
        guess = desk.training.guess(target, metric, desk.guess)
    near = () if guess is None else (_unit_guess(guess, metric),)

    def respond(session: Session) -> Release:
        share = log_coded_share(session.queries_left)
        ends = metric.bound(truth, prediction, session.log_level + share)
        low, high = (min(max(float(metric.to_unit(end)), 0.0), 1.0) for end in ends)
        cell = free_cell(low, high, sample.n_rows, near, None)
        session.branch(-math.log1p(-math.exp(share)) - cell.log_code)
        open_below = metric.classes == 0 and cell.low <= 0.0
        release = Release(value=cell.value, low=cell.low, high=cell.high, source="holdout").rescaled(
            metric.from_unit
        )
        return dataclasses.replace(release, low=-math.inf) if open_below else release

    return respond


def _given_guess(guess: Any, metric: Metric) -> float | None:
    """Check that a guess is a possible value of the metric, and return it as a float; None if there is none."""
    if guess is None:
        return None
    if isinstance(guess, bool | np.bool_) or not isinstance(guess, numbers.Real | Decimal):
        raise TypeError(
            f"guess must be a finite number, got {guess!r} of type {type(guess).__name__}; nothing was charged."
        )
    number = float(guess)
    if not math.isfinite(number):
        raise ValueError(f"guess must be a finite number, got {guess!r}; nothing was charged.")
    low, high = metric.bounds
    slack = 1e-9 * (high - low)  # means of values at a bound may be off by their rounding
    open_below = isinstance(metric, WholeMetric) and metric.classes == 0
    if number > high + slack or (number < low - slack and not open_below):
        scale = f"at most {high:zg}" if open_below else f"between {low:zg} and {high:zg}"
        raise ValueError(
            f"guess must be {scale}, on the scale of {metric.name!r}, got {guess!r}; nothing was charged."
        )
    return number


def _mean_of(guess: float | Float1D) -> float:
    return guess if isinstance(guess, float) else float(np.mean(guess))


def _unit_guess(guess: float | Float1D, metric: Metric) -> Any:
    unit = metric.to_unit(guess)
    return float(min(max(unit, 0.0), 1.0)) if isinstance(unit, float) else np.clip(unit, 0.0, 1.0)


def is_estimator(target: Any) -> bool:
    """Tell whether a target can predict."""
    return hasattr(target, "predict") and not isinstance(target, type)


def name_of(target: Any) -> str:
    """Return the name of a target, as labels have it."""
    return type(target).__name__ if is_estimator(target) else "predictions"


def subject_of(asked: Metric | Callable[..., Any], bounds: tuple[float, float]) -> str:
    """Say what a caller's name for a question stands for, as far as that can be told."""
    # What the function does, and the predictions that a metric is applied to, are not told.
    if isinstance(asked, Metric):
        what = f"the metric {asked.name!r}"
    else:
        inner = getattr(asked, "func", asked)  # of functools.partial
        what = f"the function {getattr(inner, '__qualname__', type(inner).__qualname__)!r}"
    return f"{what} with bounds ({float(bounds[0])!r}, {float(bounds[1])!r})"
