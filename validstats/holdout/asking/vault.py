"""Vault: a sealed part of the holdout that is opened once, with an ordinary interval."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from validstats._typing import Float1D
from validstats.exceptions import BudgetExhaustedError, budget_exhausted_message
from validstats.guarantee import Guarantee
from validstats.holdout.asking.desk import Desk, name_of
from validstats.holdout.asking.metrics import Metric, rescaling
from validstats.holdout.budget import VAULT_SHARE, Question, Session, vault_guarantee
from validstats.holdout.ledger import Entry
from validstats.holdout.mechanisms import Release
from validstats.holdout.results import Answer
from validstats.holdout.widths import betting_interval, clopper_pearson
from validstats.intake import alpha_fraction

__all__ = ["final"]


def final(desk: Desk, target: Any, metric: str | Metric | None) -> Answer:
    """Open the vault, once, for the model that was chosen."""
    vault = desk.parts.vault
    if vault is None:
        raise ValueError(
            "final() needs a vault: set aside a share of the holdout with vault=0.15, say, before calibrate()."
        )
    chosen = desk.mean_metric(metric, "final()")
    units, asked = desk.values(target, chosen, vault)
    level = desk.books.declared.confidence_level
    release = vault_release(
        units, chosen, vault.clustered, math.log(alpha_fraction(level)) + math.log(VAULT_SHARE)
    )

    def respond(session: Session) -> Release:
        opened = session.state.get("vault")
        if opened is not None:
            what = f"the vault was opened by entry {opened} already"
            remedy = "It opens once; what it said then stays valid."
            raise BudgetExhaustedError(budget_exhausted_message.format(what=what, remedy=remedy))
        session.state["vault"] = session.turn.index
        return release

    def promised(entry: Entry) -> Guarantee:
        return vault_guarantee(vault.n_units, level)

    return desk.ask(
        Question(
            release="final",
            label=f"{chosen.name}: {name_of(target)} (vault)",
            phrase=f"the {chosen.name} of {name_of(target)}",
            query=desk.digest("final", asked),
            respond=respond,
            cost=0,
            scale=chosen.bounds,
            guarantee=promised,
        )
    )


def vault_release(units: Float1D, metric: Metric, clustered: bool, log_alpha: float) -> Release:
    """Score the vault with an ordinary interval: Clopper and Pearson's for a proportion, a betting interval otherwise."""
    if metric.binary and not clustered:
        low, high = clopper_pearson(round(float(units.sum())), len(units), log_alpha)
    else:
        low, high = betting_interval(np.ascontiguousarray(units), log_alpha)
    release = Release(value=float(units.mean()), low=low, high=high, source="vault")
    return release.rescaled(rescaling(metric.bounds))
