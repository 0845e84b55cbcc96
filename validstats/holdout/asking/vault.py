"""The vault: a sealed part of the holdout that is opened once, with an ordinary interval."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from validstats.exceptions import BudgetExhaustedError, budget_exhausted_message
from validstats.guarantee import Guarantee
from validstats.holdout.answers import Answer
from validstats.holdout.asking.desk import Asking
from validstats.holdout.asking.metrics import AUC, Metric
from validstats.holdout.budget import Ask, Outcome, Session, vault_guarantee
from validstats.holdout.ledger import ask_digest
from validstats.holdout.widths import betting_interval, clopper_pearson
from validstats.intake import alpha_fraction

__all__ = ["VaultRelease", "vault_outcome"]


class VaultRelease(Asking):
    """The release of the vault."""

    guarantee_: Guarantee

    def final(self, target: Any, *, metric: str | Metric | None = None) -> Answer:
        """Open the vault, once, for the model that was chosen.

        The vault's rows were used for nothing, so the interval is the ordinary one: Clopper and Pearson's for a
        proportion, a betting interval for other bounded metrics. Afterwards the vault is closed for good.

        Parameters
        ----------
        target : estimator or predictions
            The chosen model, or predictions for all holdout rows.
        metric : str, Metric or None, default None
            What to measure.

        Returns
        -------
        Answer
            Score on the vault with an interval that holds by itself, at the level that was declared when the vault
            was opened. Asked again, it is the same interval at the same level.

        Raises
        ------
        ValueError
            If no vault was set aside.
        BudgetExhaustedError
            If it was opened for another question before.
        """
        self._check_calibrated("final")
        _, vault = self._open_parts()
        chosen = self._metric(metric)
        if vault is None or chosen.name == AUC:
            raise ValueError(
                "final() needs a vault: set aside a share of the holdout with vault=0.15, say, before calibrate()."
                if vault is None
                else "final() is for means of row values, not for AUC."
            )
        question = self._question(target, chosen, 0.0, None, part=vault)
        digest = ask_digest(self.ledger_.secret, "final", question.query)
        level = self.calibration_.declared.confidence_level
        outcome = vault_outcome(question.units, chosen, vault.clustered, level)

        def work(session: Session) -> Outcome:
            if session.state.get("vault") is not None:
                raise BudgetExhaustedError(
                    budget_exhausted_message.format(
                        what=f"the vault was opened by entry {session.state['vault']} already",
                        remedy="It opens once; what it said then stays valid.",
                    )
                )
            session.state["vault"] = session.turn.index
            return outcome

        ask = Ask(release="final", label=f"{question.label} (vault)", query=digest, work=work, cost=0)
        return self._answers([ask])[0]

    def _guarantee_for(self, detail: Any) -> Guarantee:
        if detail["source"] != "vault":
            return self.guarantee_
        level = detail.get("confidence_level") or self.calibration_.declared.confidence_level
        return vault_guarantee(self.calibration_.n_vault, level)


def vault_outcome(units: np.ndarray, metric: Metric, clustered: bool, confidence_level: float) -> Outcome:
    """Score the vault with an ordinary interval.

    Parameters
    ----------
    units : ndarray of shape (n,)
        Values in [0, 1] of the vault's units, in the ledger's order.
    metric : Metric
        Scale.
    clustered : bool
        Whether a unit is a cluster.
    confidence_level : float
        Of the interval, by itself.

    Returns
    -------
    Outcome
        Score and interval on the metric's scale.
    """
    log_alpha = math.log(alpha_fraction(confidence_level))
    if metric.binary and not clustered:
        low, high = clopper_pearson(round(float(units.sum())), len(units), log_alpha)
    else:
        low, high = betting_interval(np.ascontiguousarray(units), log_alpha)
    return Outcome(
        value=metric.from_unit(float(units.mean())),
        low=metric.from_unit(low),
        high=metric.from_unit(high),
        source="vault",
        certified=True,
        confidence_level=confidence_level,
    )
