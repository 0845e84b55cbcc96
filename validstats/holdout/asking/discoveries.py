"""Claims chosen after looking: e-values that pay for what was seen, and e-BH over one batch of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from validstats._typing import Bool1D
from validstats.holdout.asking.desk import Asking
from validstats.holdout.asking.metrics import AUC, Metric
from validstats.holdout.budget import MIXING, Ask, Outcome, Session, closing_nats
from validstats.holdout.ledger import ask_digest
from validstats.holdout.widths import e_bh, paid_betting_e_value
from validstats.intake import check_in_range

__all__ = ["DiscoveryRelease"]


class DiscoveryRelease(Asking):
    """The release of a set of confirmed claims."""

    def discover(
        self,
        targets: Sequence[Any],
        *,
        at_least: float,
        false_discovery_rate: float = 0.05,
        metric: str | Metric | None = None,
    ) -> Bool1D:
        """Say which of several models score above a threshold, with a controlled false discovery rate.

        The models may have been chosen after any number of answers of guess-and-check or description length: each
        claim's e-value is multiplied by ``exp(-nats)`` for all that was released before, and e-BH decides over the
        batch. The bets behind the e-values aim at what a claim needs, ``exp(nats) m / rate``, which is known before a
        row is betted on. What is released is the set of confirmed claims; it costs ln 2 nats a claim and one query.

        Parameters
        ----------
        targets : sequence of estimators or predictions
            The m models of this batch.
        at_least : float
            The claim is that the population score exceeds this, on the metric's scale. For a loss, that it is below.
        false_discovery_rate : float, default 0.05
            Expected share of false claims among the confirmed ones of this batch, in (0, 1).
        metric : str, Metric or None, default None
            What to measure.

        Returns
        -------
        ndarray of shape (m,), bool
            True where the claim is confirmed.

        Raises
        ------
        ValueError
            If the mechanism is not one of the two, or an argument is invalid; nothing is charged then.
        BudgetExhaustedError
            If the budget is used up.

        References
        ----------
        Wang and Ramdas (2022), "False discovery rate control with e-values".
        """
        self._check_calibrated("discover")
        chosen = self._metric(metric)
        rate = check_in_range(
            false_discovery_rate, "false_discovery_rate", 0, 1, low_open=True, high_open=True
        )
        threshold = check_in_range(at_least, "at_least", *chosen.bounds)
        if self.calibration_.declared.mechanism not in MIXING or chosen.name == AUC or len(targets) == 0:
            raise ValueError(
                "discover() needs at least one target, a mean of row values, and mechanism='guess_and_check' or "
                f"'description_length', got {len(targets)} targets, {chosen.name!r} and "
                f"{self.calibration_.declared.mechanism!r}; nothing was charged."
            )
        questions = [self._question(target, chosen, 0.0, None) for target in targets]
        side: Literal["greater", "less"] = "greater" if chosen.greater_is_better else "less"
        null = float(chosen.to_unit(threshold))
        rows = [np.ascontiguousarray(q.units) for q in questions]
        needed = math.log(len(rows) / rate)

        def work(session: Session) -> Outcome:
            nats = session.turn.totals()[0] + closing_nats(session.state["mechanisms"])
            paid = [paid_betting_e_value(x, null, side, nats=nats, log_target=needed) for x in rows]
            confirmed = e_bh(np.array(paid), rate)
            session.branch(len(rows) * math.log(2.0))
            return Outcome(
                value=None,
                low=None,
                high=None,
                source="bit",
                certified=True,
                passed=bool(confirmed.any()),
                flags=tuple(confirmed.tolist()),
            )

        digest = ask_digest(self.ledger_.secret, "discover", *(q.query for q in questions), threshold, rate)
        label = f"{chosen.name}: which of {len(rows)} beat {threshold:g}"
        ask = Ask(release="discover", label=label, query=digest, work=work)
        [(_, entry)] = self._books.charge([ask])
        return np.array(entry.detail["flags"], dtype=bool)
