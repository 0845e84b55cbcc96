"""Claims chosen after looking: e-values that pay for what was seen, and e-BH over one batch of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from validstats.holdout.asking.desk import Desk, name_of
from validstats.holdout.asking.metrics import Metric
from validstats.holdout.budget import Question, Session, discovery_guarantee
from validstats.holdout.mechanisms import Release
from validstats.holdout.results import Discoveries
from validstats.holdout.widths import largest_rejections, paid_betting_e_value
from validstats.intake import check_in_range

__all__ = ["discover"]


def discover(
    desk: Desk,
    targets: Sequence[Any],
    at_least: float,
    false_discovery_rate: float,
    metric: str | Metric | None,
) -> Discoveries:
    """Confirm which of several models score above a threshold, with a controlled false discovery rate."""
    chosen = desk.chosen(metric)
    rate = check_in_range(false_discovery_rate, "false_discovery_rate", 0, 1, low_open=True, high_open=True)
    threshold = check_in_range(at_least, "at_least", *chosen.bounds)
    if not desk.hosts or not chosen.row_mean or len(targets) == 0:
        raise ValueError(
            "discover() needs at least one target, a mean of row values, and mechanism='guess_and_check' or "
            f"'description_length', got {len(targets)} targets, {chosen.name!r} and "
            f"{desk.books.declared.mechanism!r}; nothing was charged."
        )
    scored = [desk.values(target, chosen, name=f"targets[{i}]") for i, target in enumerate(targets)]
    side: Literal["greater", "less"] = "greater" if chosen.greater_is_better else "less"
    null = float(chosen.to_unit(threshold))
    rows = [np.ascontiguousarray(units) for units, _ in scored]
    # e-BH confirms a claim alone if its e-value reaches m / rate; the bets aim at that.
    needed = math.log(len(rows) / rate)

    def respond(session: Session) -> Release:
        nats = -session.log_mass
        paid = [paid_betting_e_value(x, null, side, nats=nats, log_target=needed) for x in rows]
        confirmed = largest_rejections(np.array(paid), rate)
        session.branch(len(rows) * math.log(2.0))  # one of 2^m sets is released
        flags = tuple(confirmed.tolist())
        return Release(source="bit", passed=bool(confirmed.any()), flags=flags)

    answer = desk.ask(
        Question(
            release="discover",
            label=f"{chosen.name}: which of {len(rows)} beat {threshold:g}",
            phrase=f"the {chosen.name} beats {threshold:g}",
            query=desk.digest("discover", *(digest for _, digest in scored), threshold, rate),
            respond=respond,
            guarantee=lambda entry: discovery_guarantee(desk.books.declared.n, rate),
        )
    )
    return Discoveries(
        guarantee=answer.guarantee,
        backend=answer.backend,
        entry=answer.entry,
        left=answer.left,
        terms=[f"{i}: {name_of(target)}" for i, target in enumerate(targets)],
        at_least=threshold,
        false_discovery_rate=rate,
    )
