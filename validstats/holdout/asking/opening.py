"""Opening of a holdout: its rows are split and bound to a ledger, its budget is declared, and its desk opens."""

from __future__ import annotations

import dataclasses
import functools
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np

from validstats._typing import AnyArray
from validstats.exceptions import LedgerMismatchError
from validstats.guarantee import Guarantee
from validstats.holdout.asking.desk import (
    Desk,
    GuessKind,
    Parts,
    class_indices,
    count_rows,
    in_turn,
    split_sample,
    stacked,
)
from validstats.holdout.asking.inputs import (
    check_labels,
    check_users,
    user_tag,
    warn_about_reuse,
)
from validstats.holdout.asking.metrics import as_metric
from validstats.holdout.asking.parted import PartedFeatures, columns_beside, refuse_parts
from validstats.holdout.budget import Books, Session, guarantee_of
from validstats.holdout.ledger import BoundRows, Entry, Ledger, holdout_key, ledger_in_memory, sketches_of
from validstats.holdout.mechanisms import MECHANISMS, Analysis, Declaration, check_score_mechanism, mechanism
from validstats.holdout.planner import Plan, plan
from validstats.intake import (
    RowSketch,
    align,
    backend_of,
    check_confidence_level,
    check_groups,
    check_in_range,
    check_literal,
    check_positive_int,
    is_frame,
    read_array,
    row_labels,
    sketch_ids,
    sketch_rows,
)
from validstats.runtime import RowParts, is_parts

__all__ = ["HoldoutCalibration", "calibration_of", "extend_desk", "open_desk", "plan_of"]

_OVERFITS = 10
"""Answers from the holdout that Thresholdout may give unless told otherwise."""

_CHOICES = {
    "analysis": "a bound for Gaussian noise",
    "tolerance": "a half-width",
    "overfits": "a number of answers",
}
"""Parameters that belong to some mechanisms only, and what they are."""


@dataclass(frozen=True, kw_only=True)
class HoldoutCalibration:
    """What was declared and what it applies to: the ``calibration_`` of a :class:`ReusableHoldout`.

    Attributes
    ----------
    declared : Declaration
        The budget: n, queries, overfits, rounds, mechanism, confidence_level, users, vault, analysis, tolerance.
    n_rows, n_units : int
        Rows and independent units of the reusable part.
    n_vault : int
        Units in the sealed vault.
    epoch : int
        Number of the ledger's epoch.
    """

    declared: Declaration
    n_rows: int
    n_units: int
    n_vault: int
    epoch: int


def calibration_of(desk: Desk) -> HoldoutCalibration:
    """Return what was declared at a desk, and the sizes that it applies to."""
    reusable, vault = desk.parts.reusable, desk.parts.vault
    return HoldoutCalibration(
        declared=desk.books.declared,
        n_rows=reusable.n_rows,
        n_units=reusable.n_units,
        n_vault=0 if vault is None else vault.n_units,
        epoch=desk.books.look().turn.epoch,
    )


def open_desk(
    holdout: Any,
    X: Any,
    y: Any,
    clusters: Any,
    check_reuse: bool,
    ids: Any = None,
    id_namespace: str = "",
    allow_overlap: str = "refuse",
    classes: Any = None,
) -> Desk:
    """Check, split and bind the rows, and open the budget that an estimator's parameters declare, or continue it."""
    metric = as_metric(holdout.metric)
    backend = backend_of(X) if is_frame(X) else "pandas"
    if is_parts(X):
        source = RowParts.of(X, name="X")
        X, y, clusters, ids = columns_beside(source, y, clusters, ids)
        backend = source.backend
    named = row_labels(X)
    labels = check_labels(align(y, named, "y"), count_rows(X), "y")
    clusters = align(clusters, named, "clusters")
    groups = None if clusters is None else check_groups(clusters, "clusters", len(labels))
    key = holdout_key()
    ids = None if ids is None else read_array(align(ids, named, "ids"), "ids")
    known = None if ids is None else sketch_ids(ids, key=key, namespace=id_namespace)
    if known is not None and known.n != len(labels):
        raise ValueError(f"ids must have one identifier for each of the {len(labels)} rows, got {known.n}.")
    vault = check_in_range(holdout.vault, "vault", 0.0, 1.0, high_open=True)
    training = getattr(holdout, "training_", None)
    classes = _known_classes(classes, training, labels)
    if metric.response != "predict" and training is None and not len(classes):
        raise ValueError(
            f"metric={metric.name!r} compares with classes, and none are known: pass classes=, every class in sorted order, "
            "or call fit(...) first, which takes those of the training labels."
        )
    charge = check_literal(allow_overlap, "allow_overlap", ("refuse", "charge")) == "charge"
    if charge and vault:
        raise ValueError(
            "allow_overlap='charge' allows no vault: its rows may have been asked about under the other ledger."
        )
    handed = _Handed(X, labels, classes, groups, vault, ids, known, key, charge, id_namespace)
    ledger, parts, rows = handed.under(_ledger_of(holdout))
    if holdout.ledger is None and not ledger.fits(rows):
        # other rows than at the calibration before: they continue what they have, or get a budget of their own
        ledger, parts, rows = handed.under(None)
    declared = _declaration(holdout, parts.reusable.n_units, vault)
    if check_reuse and training is not None:
        parts.recognise_by(sketches_of(ledger.id, rows.tag) or rows.sketches(), key)
        warn_about_reuse(training.X, parts)
    ledger.bind(rows)
    books = Books(ledger, declared, holdout.user)
    books.inherit()
    books.open()
    session = books.look()
    return Desk(
        books=books,
        parts=parts,
        training=training,
        classes=classes,
        metric=holdout.metric,
        guess=holdout.guess,
        guarantee=_guarantee(session, parts),
        backend=backend,
        joined=session.joined,
    )


def _guarantee(session: Session, parts: Parts) -> Guarantee:
    return guarantee_of(
        session.declared,
        session.load_main(),
        clustered=parts.reusable.clustered,
        joined=bool(session.joined),
    )


def extend_desk(desk: Desk, X: Any, y: Any, clusters: Any, ids: Any, check_reuse: bool) -> Desk:
    """Let rows join those of a desk, and open the desk of all of them; its plan and its mass go on."""
    parts = desk.parts
    if is_parts(X) or isinstance(parts.reusable.X, PartedFeatures):
        refuse_parts(X, "extend", "calibrate a new holdout on the parts of all rows. Nothing was changed.")
    named = row_labels(X)
    labels = check_labels(align(y, named, "y"), count_rows(X), "y")
    given = {"clusters": align(clusters, named, "clusters"), "ids": align(ids, named, "ids")}
    for name, values in given.items():
        if (values is None) != (parts.handed(name) is None):  # type: ignore[arg-type]
            raise ValueError(
                f"extend() needs {name}= where calibrate() had them, and none where it had none; nothing was changed."
            )
    _check_joining(desk, labels)
    groups = None if clusters is None else check_groups(given["clusters"], "clusters", len(labels))
    if groups is not None and np.isin(groups, parts.handed("clusters")).any():
        raise ValueError(
            "clusters: some of these clusters are in the holdout already. Only whole new clusters can join; nothing was changed."
        )
    shared = parts.shared_with(X)
    if shared:
        raise ValueError(
            f"Rows of the holdout ({shared}) are among those that are to join it, and would count twice; nothing was changed."
        )
    whole = {
        "X": stacked([parts.handed("X"), X]),
        "y": np.concatenate([parts.handed("y"), labels]),
        "clusters": None if groups is None else np.concatenate([parts.handed("clusters"), groups]),
        "ids": None
        if ids is None
        else np.concatenate([parts.handed("ids"), read_array(given["ids"], "ids")]),
    }
    declared, key = desk.books.declared, holdout_key()
    known = None if ids is None else sketch_ids(whole["ids"], key=key, namespace=parts.namespace)
    handed = _Handed(
        whole["X"],
        whole["y"],
        desk.classes,
        whole["clusters"],
        declared.vault,
        whole["ids"],
        known,
        key,
        namespace=parts.namespace,
    )
    _, together, rows = handed.under(desk.books.ledger, parts.vault_rank or "")
    if check_reuse and desk.training is not None:
        warn_about_reuse(desk.training.X, together)
    books = desk.books.extend(parts.bound, rows, together.reusable.n_units, together.vault_rank)
    session = books.look()
    return dataclasses.replace(
        desk,
        books=books,
        parts=together,
        guarantee=_guarantee(session, together),
        joined=session.joined,
    )


def _check_joining(desk: Desk, labels: AnyArray) -> None:
    """Refuse labels that are none of those of the holdout: numbers beside words, or unknown classes."""
    words = [values.dtype.kind in "OUT" for values in (desk.parts.handed("y"), labels)]
    if words[0] != words[1]:
        raise ValueError(
            f"y holds {'words' if words[1] else 'numbers'}, and the labels of the holdout are "
            f"{'words' if words[0] else 'numbers'}; nothing was changed."
        )
    if desk.training is None and len(desk.classes) and not np.isin(labels, desk.classes).all():
        raise ValueError(
            f"y has labels that are not among the classes {desk.classes.tolist()!r} of the holdout; nothing was changed."
        )


def _known_classes(declared: Any, training: Any, labels: AnyArray) -> AnyArray:
    """Return the classes that a label may have: those of training, those declared, or 0 and 1; empty if none are known."""
    if training is not None:
        if declared is not None:
            raise ValueError("classes is for a holdout without training labels; leave it out after fit(...).")
        known: AnyArray = training.classes
        return known
    if declared is None:
        two = labels.dtype.kind in "biuf" and bool(((labels == 0) | (labels == 1)).all())
        return np.array([0, 1]).astype(labels.dtype) if two else np.empty(0)
    classes = np.unique(read_array(declared, "classes"))
    if len(classes) < 2:
        raise ValueError(f"classes must name at least two classes, got {declared!r}.")
    if not np.isin(labels, classes).all():
        raise ValueError(
            f"y has labels that are not among classes={classes.tolist()!r}; nothing was charged."
        )
    return classes


@dataclass(frozen=True, eq=False)
class _Handed:
    """What calibrate() was given, checked."""

    X: Any
    y: AnyArray
    classes: AnyArray
    clusters: AnyArray | None
    vault: float
    ids: AnyArray | None
    known: RowSketch | None  # sketch of the identifiers
    key: bytes  # the user's
    charge_overlap: bool = False
    namespace: str = ""  # of the identifiers

    def under(self, ledger: Ledger | None, vault_rank: str | None = None) -> tuple[Ledger, Parts, BoundRows]:
        """Split the rows under a ledger's key; without one, under that which they have in memory, or a new one."""
        tag = user_tag(self.X, self.y, self.key)
        if ledger is None:
            ledger = ledger_in_memory(tag, self.known) or Ledger.in_memory()
        bound = ledger.bound()
        ids = self._ids_under(ledger, bound)
        if vault_rank is None and bound is not None:
            vault_rank = bound.detail.get("vault_rank")  # where rows joined
        split = split_sample(
            self.X,
            self.y,
            class_indices(self.y, self.classes),
            self.clusters,
            vault=self.vault,
            secret=ledger.secret,
            ids=ids,
            vault_rank=vault_rank,
        )
        rows = BoundRows(
            content=split.content,
            ids=split.named,
            n=len(self.y),
            tag=tag,
            sketches=functools.cache(self._sketches),
            ordered="the rows of the vault" if self.vault and ids is None else "",
            charge_overlap=self.charge_overlap,
        )
        return ledger, Parts(ledger, split, rows, self.namespace), rows

    def _ids_under(self, ledger: Ledger, bound: Entry | None) -> AnyArray | None:
        """Identifiers, where rows are found by them: from the first binding on, or never."""
        if bound is None:
            return self.ids
        if bound.detail.get("ids") is not None and self.ids is None:
            raise LedgerMismatchError(
                f"{ledger!r} was bound with ids=, by which its rows are found. Pass the same identifiers again."
            )
        return None if bound.detail.get("ids") is None else self.ids

    def _sketches(self) -> tuple[RowSketch, ...]:
        found = sketch_rows(in_turn(self.X), self.y, key=self.key)
        return found if self.known is None else (self.known, *found)


def _ledger_of(holdout: Any) -> Ledger | None:
    """Return the ledger that the parameters name; without one, that of the calibration before, or none."""
    if isinstance(holdout.ledger, Ledger):
        return holdout.ledger
    before: Ledger | None = getattr(holdout, "ledger_", None)
    if holdout.ledger is not None:
        # a relative path means the file that it meant at first, whatever the folder is now
        if before is not None and before.path and before.named == str(holdout.ledger):
            return Ledger.open(before.path)
        return Ledger.open(holdout.ledger)
    return before


def plan_of(holdout: Any, n: int) -> Plan:
    """Return the plan of the budget that an estimator's parameters declare."""
    return plan(
        n,
        holdout.queries,
        overfits=_OVERFITS if holdout.overfits is None else holdout.overfits,
        rounds=holdout.rounds,
        release="numeric" if holdout.guess is None else "guess",
        analysis=None if holdout.analysis == "tight" else holdout.analysis,
        confidence_level=holdout.confidence_level,
    )


def _declaration(holdout: Any, n: int, vault: float) -> Declaration:
    queries = check_positive_int(holdout.queries, "queries")
    rounds = None if holdout.rounds is None else check_positive_int(holdout.rounds, "rounds")
    if holdout.guess is not None:
        check_literal(holdout.guess, "guess", get_args(GuessKind))
    users = check_users(holdout.users, queries, holdout.user)
    check_confidence_level(holdout.confidence_level)
    check_literal(holdout.analysis, "analysis", get_args(Analysis))
    auto = holdout.mechanism == "auto"
    name: str = plan_of(holdout, n).choice if auto else holdout.mechanism
    check_score_mechanism(name)
    if mechanism(name).needs_guess and holdout.guess is None:
        raise ValueError(f"mechanism={name!r} checks guesses, and guess=None gives none. Use guess='cv'.")
    # The plan compares the chosen analysis; a tolerance takes part in no plan, so that it needs a named mechanism.
    foreign = {} if auto or holdout.analysis == "tight" else {"analysis": holdout.analysis}
    if holdout.tolerance is not None:
        foreign["tolerance"] = holdout.tolerance
    if holdout.overfits is not None:
        foreign["overfits"] = check_positive_int(holdout.overfits, "overfits")
    for option, value in foreign.items():
        if auto or option not in mechanism(name).takes:
            owners = " or ".join(repr(kind.name) for kind in MECHANISMS.values() if option in kind.takes)
            raise ValueError(
                f"{option}={value!r} is {_CHOICES[option]}: it is for mechanism={owners}, and this is "
                f"{holdout.mechanism!r}. Leave {option} out."
            )
    takes = mechanism(name).takes
    tolerance = holdout.tolerance
    return Declaration(
        n=n,
        queries=queries,
        overfits=None
        if "overfits" not in takes
        else _OVERFITS
        if holdout.overfits is None
        else holdout.overfits,
        rounds=rounds,
        mechanism=name,
        confidence_level=float(holdout.confidence_level),
        users=users,
        vault=vault,
        analysis=holdout.analysis if "analysis" in takes else None,
        tolerance=None
        if tolerance is None
        else check_in_range(tolerance, "tolerance", 0.0, 1.0, low_open=True),
    )
