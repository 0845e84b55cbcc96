"""Gate for automated searches: one bit a proposal, any number of proposals, and a certificate at the end."""

from __future__ import annotations

import io
import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from validstats._typing import Float1D
from validstats.exceptions import BudgetExhaustedError, LedgerMismatchError, budget_exhausted_message
from validstats.holdout.asking.desk import Desk, name_of
from validstats.holdout.asking.metrics import Metric
from validstats.holdout.budget import VAULT_SHARE, Question, Session
from validstats.holdout.ledger import attachment_name
from validstats.holdout.mechanisms import Release
from validstats.holdout.results import Answer, Certificate
from validstats.holdout.widths import (
    BitCode,
    certify_gain,
    contrast_lower,
    keeps_proposal,
    outwards,
    start_upper,
)
from validstats.intake import check_in_range

__all__ = ["Gate", "open_gate"]

_START_SHARE = 0.1  # of the mass at which the gate opens, for the one bound of the start
# With a sealed vault, which has half of the whole already, a fresh ledger divides: .75 vault, .1 start, .15 bits
_START_BESIDE_VAULT, _MORE_FOR_VAULT = 0.2, 0.5
_ORDER_LOST = (
    "The rows of this gate's holdout have other features now, and without identifiers they cannot be found one by one. Give "
    "them as they were when the gate was opened; ids= in calibrate() keeps them apart from their features."
)
_GRID_NATS = 3.0 * math.log(
    1001.0
)  # three numbers with three decimals, if a certificate is shown before the end


@dataclass(frozen=True, repr=False)
class Gate:
    """A gate that keeps or discards proposals, opened by :meth:`ReusableHoldout.gate`.

    Parameters
    ----------
    desk : Desk
        Of the holdout whose mass it uses.
    metric : Metric
        What is compared.
    margin : float
        Standard errors by which a proposal must be better.

    Examples
    --------
    >>> import numpy as np
    >>> from validstats.holdout import ReusableHoldout
    >>> y = np.arange(4000) % 2
    >>> rh = ReusableHoldout(mechanism="description_length").calibrate(np.zeros((4000, 1)), y)
    >>> gate = rh.gate(np.zeros(4000, dtype=int))
    >>> gate.ask(1 - y), gate.ask(y), gate.ask(y)
    (False, True, False)
    >>> gate.certify().gain > 0.4
    True
    """

    desk: Desk
    metric: Metric
    margin: float
    _known: dict[str, tuple[Float1D, Float1D | None]] = field(default_factory=dict, init=False, compare=False)

    def ask(self, target: Any, *, p_keep: float | None = None, note: str = "") -> bool:
        """Propose a model.

        Parameters
        ----------
        target : estimator or predictions
            The proposal.
        p_keep : float or None, default None
            Your own probability that it is kept, from training rows; it makes expected outcomes cheap.
        note : str, default ""
            Words of yours, recorded with the proposal.

        Returns
        -------
        bool
            Whether it is kept: it is then the model that later proposals are compared with. A copy of the present model is
            discarded for nothing, and a proposal that was made before against the same model gets the same answer.

        Raises
        ------
        BudgetExhaustedError
            If the gate was ended by :meth:`certify` or :meth:`final`.
        """
        desk = self.desk
        proposal = _Predictions.of(desk, target, self.metric)
        asked = proposal.name(desk)
        record = self._record()
        if record["ended"]:
            raise BudgetExhaustedError(
                budget_exhausted_message.format(
                    what="this gate was ended", remedy="Open another one with gate(start)."
                )
            )
        if asked == record["present"]:
            return False
        units = _good(self._units(proposal)[0], self.metric)
        present = self._good(record["present"])[0]

        def respond(session: Session) -> Release:
            gate = dict(session.state["gate"])
            if (gate["present"], gate["ended"]) != (record["present"], record["ended"]):
                raise _MovedError  # by another program, since the look above
            session.turn.detach([gate["start"], gate["present"]])
            session.turn.attach(proposal.content)  # of a kept and of a discarded proposal alike
            code = BitCode(*(tuple(part) for part in gate["code"]))
            keep = keeps_proposal(present, units, self.margin)
            session.branch(-code.log_probability(keep, p_keep))
            then = code.after(keep)
            gate.update(code=[list(then.keeps), list(then.discards), list(then.log_weights)])
            gate.update(proposals=gate["proposals"] + 1, kept=gate["kept"] + keep)
            gate.update(present=asked if keep else gate["present"])
            session.state["gate"] = gate
            return Release(source="bit", passed=keep)

        question = Question(
            release="gate",
            label=f"{self.metric.name}: {name_of(target)} (gate{f', {note}' if note else ''})",
            phrase="the proposal is better than the present model",
            query=desk.digest("gate", asked, record["present"], self.margin),
            respond=respond,
            cost=0,
        )
        try:
            return bool(desk.ask(question).passed)
        except _MovedError:
            return self.ask(target, p_keep=p_keep, note=note)

    def objective(self, function: Callable[[Any], tuple[float, Any]]) -> Callable[[Any], float]:
        """Let a tuner such as Optuna search by training scores, and propose what it finds to the gate.

        Parameters
        ----------
        function : callable
            ``function(trial)`` returns the score of a candidate on the training rows (cross-validated), which guides the
            tuner, and the fitted estimator or its predictions, which the gate compares with the present model.

        Returns
        -------
        callable
            For ``study.optimize(...)``: it returns the score, and stores the bit as ``trial.user_attrs["kept"]`` where a
            trial has ``set_user_attr``.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn.linear_model import LogisticRegression
        >>> from validstats.holdout import Ledger, ReusableHoldout
        >>> rng = np.random.default_rng(7)
        >>> X = rng.normal(size=(3000, 2))
        >>> y = (X[:, 0] + rng.normal(size=3000) > 0).astype(int)
        >>> rh = ReusableHoldout(queries=5, ledger=Ledger.in_memory(secret=b"example"))
        >>> gate = rh.fit(X[:1000], y[:1000]).calibrate(X[1000:], y[1000:]).gate(np.zeros(2000, dtype=int))
        >>> def candidate(trial):
        ...     model = LogisticRegression(C=trial["C"]).fit(X[:1000], y[:1000])
        ...     return model.score(X[:1000], y[:1000]), model
        >>> objective = gate.objective(candidate)  # study.optimize(objective, n_trials=200)
        >>> objective({"C": 1.0}) > 0.7, gate.status["kept"]
        (True, 1)
        """

        def asked(trial: Any) -> float:
            score, target = function(trial)
            kept = self.ask(target)
            if hasattr(trial, "set_user_attr"):
                trial.set_user_attr("kept", kept)
            return float(score)

        return asked

    def certify(self, *, go_on: bool = False) -> Certificate:
        """Certify the kept model: an interval for its score, and a lower bound of its gain over the start.

        Parameters
        ----------
        go_on : bool, default False
            Whether proposals follow. The three numbers are then rounded outwards to three decimals, and paid for.

        Returns
        -------
        Certificate
            ``accuracy_low``, ``accuracy_high`` and ``gain``, which hold together with all other answers.
        """
        units = not self.desk.counts(self.metric)

        record = self._record()
        present, start = (self._good(record[name])[0] for name in ("present", "start"))

        def respond(session: Session) -> Release:
            gate = dict(session.state["gate"])
            if gate["present"] != record["present"]:
                raise _MovedError
            level = session.log_level - math.log(2.0)
            certificate = certify_gain(
                present,
                start,
                start_upper(start, float(gate["start_level"])),
                level,
                independent_rows=not units,
            )
            session.branch(math.log(2.0) + (_GRID_NATS if go_on else 0.0))
            gate.update(ended=not go_on)
            session.state["gate"] = gate
            shown = outwards(certificate) if go_on else certificate
            return Release(
                value=shown.gain, low=shown.accuracy_low, high=shown.accuracy_high, source="holdout"
            )

        try:
            answer = self._charge("certify", respond)
        except _MovedError:
            return self.certify(go_on=go_on)
        return Certificate(
            entry=answer.entry, left=answer.left, guarantee=answer.guarantee, backend=answer.backend
        )

    def final(self, target: Any = None) -> Answer:
        """Open the vault once, for a lower bound of a model's gain over the start.

        Parameters
        ----------
        target : estimator, predictions or None, default None
            The model; None is the one that the gate has kept.

        Returns
        -------
        Answer
            ``float(answer)`` is the bound, 0 if there is no gain to certify; it ends the gate.

        Raises
        ------
        ValueError
            If no vault was set aside.
        BudgetExhaustedError
            If the vault was opened before.
        """
        if self.desk.parts.vault is None:
            raise ValueError(
                "final() needs a vault: set aside a share of the holdout with vault=0.15 before calibrate()."
            )

        record = self._record()
        kept, start = (self._good(record[name])[1] for name in ("present", "start"))
        if target is not None:
            sealed = self._units(_Predictions.of(self.desk, target, self.metric))[1]
            kept = None if sealed is None else _good(sealed, self.metric)
        assert kept is not None
        assert start is not None

        def respond(session: Session) -> Release:
            if session.state.get("vault") is not None:
                what = f"the vault was opened by entry {session.state['vault']} already"
                raise BudgetExhaustedError(
                    budget_exhausted_message.format(
                        what=what, remedy="It opens once; what it said then stays valid."
                    )
                )
            gate = dict(session.state["gate"])
            if gate["present"] != record["present"]:
                raise _MovedError
            # half of the vault's share for the start, half for the gain
            level = float(gate["vault_level"]) - math.log(2.0)
            gain = max(contrast_lower(kept, start, start_upper(start, level), level).gain, 0.0)
            gate.update(ended=True)
            session.state.update(gate=gate, vault=session.turn.index)
            return Release(value=gain, low=gain, high=1.0, source="vault")

        try:
            return self._charge("final", respond, "kept model" if target is None else name_of(target))
        except _MovedError:
            return self.final(target)

    @property
    def status(self) -> dict[str, Any]:
        """Proposals, those kept, and nats spent: nothing about the rows."""
        gate = self._record()
        nats = -self.desk.books.look().log_mass
        return {"proposals": gate["proposals"], "kept": gate["kept"], "ended": gate["ended"], "nats": nats}

    def _record(self) -> dict[str, Any]:
        record = dict(self.desk.books.look().state["gate"])
        if record["rows"] != self.desk.parts.order:
            raise LedgerMismatchError(_ORDER_LOST)
        return record

    def _units(self, proposal: _Predictions) -> tuple[Float1D, Float1D | None]:
        """Values a unit of the reusable rows and of the vault; computed once a proposal."""
        name = proposal.name(self.desk)
        if name not in self._known:
            found = proposal.units(self.desk, self.metric)
            while len(self._known) > 2:
                del self._known[next(iter(self._known))]
            self._known[name] = found
        return self._known[name]

    def _kept(self, name: str) -> _Predictions:
        return _Predictions(self.desk.books.ledger.attachment(name))

    def _good(self, name: str) -> tuple[Float1D, Float1D | None]:
        """Results in [0, 1] of which larger ones are better, of a kept proposal."""
        units, vault = self._units(self._kept(name))
        return _good(units, self.metric), None if vault is None else _good(vault, self.metric)

    def _charge(self, release: str, respond: Any, model: str = "kept model") -> Answer:
        question = Question(
            release=release,
            label=f"{self.metric.name}: {model} ({release})",
            phrase=f"the gain of the {model} over the start",
            query=None,
            respond=respond,
            cost=0,
        )
        return self.desk.ask(question)

    def __repr__(self) -> str:
        return f"Gate(metric={self.metric.name!r}, margin={self.margin:g})"


def open_gate(desk: Desk, start: Any, margin: float, metric: str | Metric | None) -> Gate:
    """Open a gate with the model that a search starts from, or continue the one with the same start."""
    chosen = desk.mean_metric(metric, "gate()")
    check_in_range(margin, "margin", 0.0, math.inf)
    if not desk.hosts:
        raise ValueError(
            "gate() needs mechanism='guess_and_check', 'single_look' or 'description_length', and this is "
            f"{desk.books.declared.mechanism!r}; nothing was charged."
        )
    proposal = _Predictions.of(desk, start, chosen, "start")
    asked = proposal.name(desk)
    gate = Gate(desk, chosen, float(margin))
    known = desk.books.look().state.get("gate")
    if known is not None and known["opened"] == [asked, chosen.name, float(margin)] and not known["ended"]:
        return gate
    gate._units(proposal)  # a start that cannot be measured is refused here

    def respond(session: Session) -> Release:
        # the start is one fixed question, whose bound is not shown; the vault's share is kept until it is opened
        sealed = desk.parts.vault is not None and session.state.get("vault") is None
        first, vault = (_START_BESIDE_VAULT, _MORE_FOR_VAULT) if sealed else (_START_SHARE, 0.0)
        session.turn.detach([])
        session.turn.attach(proposal.content)
        code = BitCode()
        session.state["gate"] = {
            "opened": [asked, chosen.name, float(margin)],
            "rows": desk.parts.order,
            "start": asked,
            "present": asked,
            "start_level": session.log_level + math.log(first),
            "vault_level": float(session.state["log_alpha"])
            + math.log(VAULT_SHARE + vault * math.exp(session.log_mass)),
            "code": [list(code.keeps), list(code.discards), list(code.log_weights)],
            "proposals": 0,
            "kept": 0,
            "ended": False,
        }
        session.branch(-math.log1p(-first - vault))
        return Release(source="bit")

    desk.ask(
        Question(
            release="open",
            label=f"{chosen.name}: {name_of(start)} (start of a gate)",
            phrase="the start of a gate",
            query=None,
            respond=respond,
            cost=0,
        )
    )
    return gate


@dataclass(frozen=True)
class _Predictions:
    """Predictions for the reusable rows and the vault, as the ledger keeps them: they do not depend on labels."""

    content: bytes

    @classmethod
    def of(cls, desk: Desk, target: Any, metric: Metric, name: str = "target") -> _Predictions:
        parts = [desk.parts.reusable, *([] if desk.parts.vault is None else [desk.parts.vault])]
        found = io.BytesIO()
        for part in parts:
            prediction = desk.predictions(target, metric, part, name)
            if prediction.dtype.kind == "O":
                prediction = np.array(prediction.tolist())
            np.lib.format.write_array(found, np.ascontiguousarray(prediction), allow_pickle=False)
        return cls(zlib.compress(found.getvalue(), 6))

    def name(self, desk: Desk) -> str:
        return attachment_name(desk.books.ledger.secret, self.content)

    def units(self, desk: Desk, metric: Metric) -> tuple[Float1D, Float1D | None]:
        raw = io.BytesIO(zlib.decompress(self.content))
        parts = [desk.parts.reusable, *([] if desk.parts.vault is None else [desk.parts.vault])]
        found = [
            desk.measured(np.lib.format.read_array(raw, allow_pickle=False), metric, part)[0]
            for part in parts
        ]
        return found[0], found[1] if len(found) > 1 else None


class _MovedError(Exception):
    """Another program has changed the present model between a look and a turn."""


def _good(units: Float1D, metric: Metric) -> Float1D:
    """Results in [0, 1] of which larger ones are better."""
    return units if metric.greater_is_better else 1.0 - units
