"""Gate for automated searches: one bit a proposal, any number of proposals, and a certificate at the end."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from validstats._typing import Float1D
from validstats.exceptions import BudgetExhaustedError, budget_exhausted_message
from validstats.holdout.asking.desk import Desk, name_of
from validstats.holdout.asking.metrics import Metric
from validstats.holdout.budget import VAULT_SHARE, Question, Session
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

    def ask(self, target: Any, *, p_keep: float | None = None) -> bool:
        """Propose a model.

        Parameters
        ----------
        target : estimator or predictions
            The proposal.
        p_keep : float or None, default None
            Your own probability that it is kept, from training rows; it makes expected outcomes cheap.

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
        units, asked = desk.values(target, self.metric)
        vault = None if desk.parts.vault is None else desk.values(target, self.metric, desk.parts.vault)[0]
        present = self._record()
        if present["ended"]:
            raise BudgetExhaustedError(
                budget_exhausted_message.format(
                    what="this gate was ended", remedy="Open another one with gate(start)."
                )
            )
        if asked == present["asked"]:
            return False
        sign = 1.0 if self.metric.greater_is_better else -1.0

        def respond(session: Session) -> Release:
            gate = dict(session.state["gate"])
            code = BitCode(*(tuple(part) for part in gate["code"]))
            keep = keeps_proposal(sign * _read(gate["present"]), sign * units, self.margin)
            session.branch(-code.log_probability(keep, p_keep))
            then = code.after(keep)
            gate.update(code=[list(then.keeps), list(then.discards), list(then.log_weights)])
            gate.update(proposals=gate["proposals"] + 1, kept=gate["kept"] + keep)
            if keep:
                gate.update(present=_written(units), asked=asked)
                if vault is not None:
                    gate.update(vault=_written(vault))
            session.state["gate"] = gate
            return Release(source="bit", passed=keep)

        answer = desk.ask(
            Question(
                release="gate",
                label=f"{self.metric.name}: {name_of(target)} (gate)",
                phrase="the proposal is better than the present model",
                query=desk.digest("gate", asked, present["asked"], self.margin),
                respond=respond,
                cost=0,
            )
        )
        return bool(answer.passed)

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

        def respond(session: Session) -> Release:
            gate = dict(session.state["gate"])
            level = float(session.state["log_alpha"]) + session.log_mass - math.log(2.0)
            certificate = certify_gain(
                _good(_read(gate["present"]), self.metric),
                _good(_read(gate["start"]), self.metric),
                float(gate["start_high"]),
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

        answer = self._charge("certify", respond)
        return Certificate(
            entry=answer.entry, left=answer.left, guarantee=answer.guarantee, backend=answer.backend
        )

    def final(self) -> Answer:
        """Open the vault once, for a lower bound of the kept model's gain over the start.

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

        def respond(session: Session) -> Release:
            if session.state.get("vault") is not None:
                what = f"the vault was opened by entry {session.state['vault']} already"
                raise BudgetExhaustedError(
                    budget_exhausted_message.format(
                        what=what, remedy="It opens once; what it said then stays valid."
                    )
                )
            gate = dict(session.state["gate"])
            # half of the vault's share for the start, half for the gain
            level = float(session.state["log_alpha"]) + math.log(VAULT_SHARE / 2.0)
            kept, start = (_good(_read(gate[name]), self.metric) for name in ("vault", "vault_start"))
            gain = max(contrast_lower(kept, start, start_upper(start, level), level).gain, 0.0)
            gate.update(ended=True)
            session.state.update(gate=gate, vault=session.turn.index)
            return Release(value=gain, low=gain, high=1.0, source="vault")

        return self._charge("final", respond)

    @property
    def status(self) -> dict[str, Any]:
        """Proposals, those kept, and nats spent: nothing about the rows."""
        gate = self._record()
        nats = -self.desk.books.look().log_mass
        return {"proposals": gate["proposals"], "kept": gate["kept"], "ended": gate["ended"], "nats": nats}

    def _record(self) -> dict[str, Any]:
        return dict(self.desk.books.look().state["gate"])

    def _charge(self, release: str, respond: Any) -> Answer:
        question = Question(
            release=release,
            label=f"{self.metric.name}: kept model ({release})",
            phrase="the gain of the kept model over the start",
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
    units, asked = desk.values(start, chosen)
    vault = None if desk.parts.vault is None else desk.values(start, chosen, desk.parts.vault)[0]
    gate = Gate(desk, chosen, float(margin))
    known = desk.books.look().state.get("gate")
    if known is not None and known["opened"] == [asked, chosen.name, float(margin)] and not known["ended"]:
        return gate

    def respond(session: Session) -> Release:
        # the start is one fixed question; its bound is not shown
        level = float(session.state["log_alpha"]) + session.log_mass + math.log(_START_SHARE)
        code = BitCode()
        session.state["gate"] = {
            "opened": [asked, chosen.name, float(margin)],
            "asked": asked,
            "start": _written(units),
            "present": _written(units),
            "vault": None if vault is None else _written(vault),
            "vault_start": None if vault is None else _written(vault),
            "start_high": start_upper(_good(units, chosen), level),
            "code": [list(code.keeps), list(code.discards), list(code.log_weights)],
            "proposals": 0,
            "kept": 0,
            "ended": False,
        }
        session.branch(-math.log1p(-_START_SHARE))
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


def _good(units: Float1D, metric: Metric) -> Float1D:
    """Results in [0, 1] of which larger ones are better."""
    return units if metric.greater_is_better else 1.0 - units


def _written(units: Float1D) -> str:
    """Results as text: bits where all are 0 or 1, single precision otherwise; of one length for one kind of metric."""
    if np.isin(units, (0.0, 1.0)).all():
        return f"b{len(units)}:" + np.packbits(units > 0.5).tobytes().hex()
    return "f:" + units.astype("<f8").tobytes().hex()


def _read(text: str) -> Float1D:
    kind, raw = text.split(":")
    if kind == "f":
        return np.frombuffer(bytes.fromhex(raw), dtype="<f8").astype(np.float64)
    bits = np.unpackbits(np.frombuffer(bytes.fromhex(raw), dtype=np.uint8))
    return bits[: int(kind[1:])].astype(np.float64)
