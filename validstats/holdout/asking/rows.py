"""Rows: the holdout in a secret order and in independent units, its vault set aside, and the training rows."""

from __future__ import annotations

import hashlib
import hmac
import pickle
import secrets
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import clone, is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_predict
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import check_is_fitted

from validstats._typing import AnyArray, Float1D, Int1D
from validstats.holdout.asking.metrics import Metric, in_class_order, lent, method_of, respond
from validstats.holdout.ledger import (
    Ledger,
    ask_digest,
    derive_key,
    holdout_fingerprint,
    keyed_order,
    keyed_row_digests,
)
from validstats.intake import RowLabels, align, columns, is_frame, read_array, row_labels

__all__ = [
    "HoldoutSample",
    "Parts",
    "TrainingPart",
    "class_indices",
    "count_rows",
    "seal",
    "split_sample",
    "unseal",
]


@dataclass(frozen=True, repr=False, eq=False)
class HoldoutSample:
    """Rows of one part of the holdout (the reusable one, or the vault), and how they form independent units."""

    X: Any  # features
    y: AnyArray  # labels
    # Index of each label among the classes of the training labels; empty for a continuous target
    labels: Int1D
    unit: Int1D  # unit of each row, from 0; rows are units of their own unless clusters were given
    given: Int1D  # position of each row among those that were handed over
    n_given: int  # number of rows that were handed over, the other part included
    clustered: bool = False
    named: RowLabels | None = None  # who the rows that were handed over are, in their order
    _sizes: Float1D = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_sizes", np.bincount(self.unit).astype(np.float64))

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.y)

    @property
    def n_units(self) -> int:
        """Number of independent units: what the guarantee calls n."""
        return len(self._sizes)

    def unit_means(self, values: Float1D) -> Float1D:
        """Average row values within units."""
        if not self.clustered:
            return values
        return np.bincount(self.unit, weights=values) / self._sizes

    def aligned(self, predictions: Any) -> AnyArray:
        """Bring predictions from the order in which the rows were handed over to the order kept here."""
        if self.named is not None:
            predictions = align(predictions, self.named, "target")
        array = read_array(predictions, "target")
        if array.ndim == 0 or len(array) != self.n_given:
            shape = array.shape
            raise ValueError(
                f"target: predictions must be given for all {self.n_given} holdout rows, in the order in which calibrate() "
                f"had them, got shape {shape}; nothing was charged."
            )
        return array[self.given]

    def values_of(self, prediction: AnyArray, metric: Metric, secret: bytes) -> tuple[Float1D, str]:
        """Return one value a unit, on the scale of [0, 1], and the cache key of predictions in this order."""
        truth = _locked(self.y if metric.response == "predict" else self.labels)
        values = metric.to_unit(metric.values(truth, prediction, _locked(self.X)))
        return self.unit_means(values), ask_digest(secret, "rows", metric.name, prediction)

    def __repr__(self) -> str:
        return f"HoldoutSample(n_rows={self.n_rows}, n_units={self.n_units})"


class Parts:
    """The two parts of the holdout; a copy of them carries its rows only under the ledger's key."""

    # While the ledger is in memory the parts refuse to be pickled or deep-copied, as the ledger does: each copy would
    # have the whole budget again. With a ledger file copies share the budget.

    def __init__(self, ledger: Ledger, reusable: HoldoutSample, vault: HoldoutSample | None) -> None:
        self._ledger = ledger
        self._opened: tuple[HoldoutSample, HoldoutSample | None] | None = (reusable, vault)
        self._sealed = b""

    @property
    def reusable(self) -> HoldoutSample:
        """The part that may be asked again and again."""
        return self._open()[0]

    @property
    def vault(self) -> HoldoutSample | None:
        """The part that is opened once; None if none was set aside."""
        return self._open()[1]

    def _open(self) -> tuple[HoldoutSample, HoldoutSample | None]:
        if self._opened is None:
            if self._sealed not in _OPENED:
                _OPENED.clear()
                _OPENED[self._sealed] = unseal(self._ledger.secret, self._sealed)
            self._opened = _OPENED[self._sealed]
        return self._opened

    def __getstate__(self) -> dict[str, Any]:
        self._ledger._refuse_copy("pickled or deep-copied")
        if not self._sealed:
            self._sealed = seal(self._ledger.secret, self._opened)
        return {"_ledger": self._ledger, "_opened": None, "_sealed": self._sealed}


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

    def fitted(self, estimator: Any) -> Any:
        """Return the estimator if it is fitted, else a copy fitted on the training rows."""
        if not hasattr(estimator, "fit"):
            return estimator
        try:
            check_is_fitted(estimator)
        except NotFittedError:
            return clone(estimator).fit(lent(self.X), lent(self.y))
        return estimator

    def values(self, estimator: Any, metric: Metric, how: str) -> Float1D:
        """Return one value a training row, on the scale of [0, 1]."""
        truth = self.y if metric.response == "predict" else class_indices(self.y, self.classes)
        values = metric.to_unit(metric.values(truth, self._predicted(estimator, metric, how), self.X))
        return np.clip(np.asarray(values, dtype=np.float64), 0.0, 1.0)

    def guess(self, estimator: Any, metric: Metric, how: str) -> float:
        """Score an estimator on the training rows, on the metric's own scale."""
        return self.score(self._predicted(estimator, metric, how), metric, self.X, self.y)

    def _predicted(self, estimator: Any, metric: Metric, how: str) -> AnyArray:
        """Return predictions for the training rows: cross-validated, or of the fitted estimator."""
        if how == "train":
            return respond(self.fitted(estimator), self.X, metric, self.classes)
        raw = cross_val_predict(
            clone(estimator),
            self.X,
            self.y,
            cv=self.splits(estimator),
            method=method_of(estimator, metric),
        )
        return in_class_order(raw, metric, self.classes, np.unique(self.y), type(estimator).__name__)

    def score(self, prediction: AnyArray, metric: Metric, X: Any, y: AnyArray) -> float:
        """Score predictions for given rows, on the metric's own scale."""
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
    index = np.clip(np.searchsorted(classes, y), 0, len(classes) - 1)
    return np.where(classes[index] == y, index, -1).astype(np.int64)


def split_sample(
    X: Any,
    y: AnyArray,
    labels: Int1D,
    clusters: AnyArray | None,
    *,
    vault: float,
    secret: bytes,
) -> tuple[HoldoutSample, HoldoutSample | None, str]:
    """Order the holdout by a secret and set the vault aside."""
    # The order depends on the rows and the secret only, so that the same rows in any order give the same
    # parts.
    digests = keyed_row_digests(secret, _rows_of(X), y, clusters)
    fingerprint = holdout_fingerprint(secret, digests)
    unit = np.arange(len(y)) if clusters is None else np.unique(clusters, return_inverse=True)[1]
    unit_digests = digests if clusters is None else _cluster_digests(secret, digests, unit)
    order = keyed_order(secret, unit_digests, "units")
    n_vault = round(vault * len(order))
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    rows = np.lexsort((np.arange(len(y)), rank[unit]))
    is_vault = rank[unit[rows]] < n_vault
    parts = [
        _take(X, y, labels, rank[unit], rows[~is_vault], n_vault, clusters is not None),
        _take(X, y, labels, rank[unit], rows[is_vault], 0, clusters is not None) if n_vault else None,
    ]
    assert parts[0] is not None
    return parts[0], parts[1], fingerprint


def _take(
    X: Any, y: AnyArray, labels: Int1D, rank: Int1D, rows: Int1D, first: int, clustered: bool
) -> HoldoutSample:
    return HoldoutSample(
        X=_safe_indexing(X, rows),
        y=y[rows],
        labels=labels[rows] if len(labels) else labels,
        unit=rank[rows] - first,
        given=rows,
        n_given=len(y),
        clustered=clustered,
        named=row_labels(X),
    )


def _cluster_digests(secret: bytes, digests: npt.NDArray[np.void], unit: Int1D) -> npt.NDArray[np.void]:
    members: list[list[bytes]] = [[] for _ in range(int(unit.max()) + 1)]
    for digest, u in zip(digests, unit):
        members[u].append(digest.tobytes())
    key = derive_key(secret, "clusters")
    raw = [hmac.new(key, b"".join(sorted(group)), hashlib.sha256).digest()[:16] for group in members]
    return np.frombuffer(b"".join(raw), dtype="V16")


def _rows_of(X: Any) -> Any:
    return X if is_frame(X) or hasattr(X, "tocsr") else np.asarray(X)


def count_rows(X: Any) -> int:
    """Count the rows of an array, a sparse matrix, a data frame or a list."""
    if is_frame(X):
        return len(columns(X)[0]) if columns(X) else 0
    if isinstance(X, list | tuple):
        return len(read_array(X, "X"))
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
