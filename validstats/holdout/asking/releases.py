"""Cheap releases: the winner only, paired differences, and single bits.

Beside mechanisms that host other releases (guess-and-check and description length) they are accounted for exactly, by
the number of transcripts. Under the others they are derived from plain answers, and cost as many queries as they look at.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from validstats._typing import Float1D
from validstats.holdout.asking.desk import Desk, name_of
from validstats.holdout.asking.metrics import Metric
from validstats.holdout.budget import Question, Session
from validstats.holdout.mechanisms import Release
from validstats.holdout.results import Answer
from validstats.intake import check_in_range

__all__ = ["best", "compare", "validate", "validate_gain"]


def best(desk: Desk, targets: Sequence[Any], metric: str | Metric | None) -> Answer:
    """Release which of several candidates is best, and its score."""
    chosen = desk.mean_metric(metric, "best()", "use score_many() for AUC")
    if len(targets) == 0:
        raise ValueError("best needs at least one candidate.")
    scored = [desk.values(target, chosen) for target in targets]
    guesses = [desk.guess_of(target, chosen) for target in targets]
    sign = 1.0 if chosen.greater_is_better else -1.0

    def respond(session: Session) -> Release:
        if not desk.hosts:
            releases = [
                session.number(units, guess) for (units, _), guess in zip(scored, guesses, strict=True)
            ]
            winner = int(np.argmax([sign * float(release.value) for release in releases]))  # type: ignore[arg-type]
            return replace(releases[winner].rescaled(chosen.from_unit), winner=winner)
        winner = int(np.argmax([sign * units.mean() for units, _ in scored]))
        session.branch(math.log(len(scored)))  # which of c won: ln c nats
        release = session.number(scored[winner][0], guesses[winner])
        return replace(release.rescaled(chosen.from_unit), winner=winner)

    return desk.ask(
        Question(
            release="best",
            label=f"{chosen.name}: best of {len(scored)}",
            phrase=f"the {chosen.name} of the best of {len(scored)} candidates",
            query=desk.digest("best", *(digest for _, digest in scored)),
            respond=respond,
            cost=1 if desk.hosts else len(scored),
            scale=chosen.bounds,
        )
    )


def compare(desk: Desk, first: Any, second: Any, metric: str | Metric | None) -> Answer:
    """Release by how much one model is better than another on the same rows, as two one-sided differences."""
    chosen = desk.mean_metric(metric, "compare()")
    (ours, ours_asked), (theirs, theirs_asked) = (desk.values(target, chosen) for target in (first, second))
    difference = ours - theirs
    span = chosen.bounds[1] - chosen.bounds[0]

    def respond(session: Session) -> Release:
        # E[a - b] = E[(a - b)+] - E[(b - a)+]: both parts are near 0 where the models mostly agree.
        more, less = (_side(desk, session, np.clip(part, 0.0, None)) for part in (difference, -difference))
        assert more.value is not None
        assert less.value is not None
        assert more.low is not None
        assert more.high is not None
        assert less.low is not None
        assert less.high is not None
        return replace(
            more,
            value=span * (more.value - less.value),
            low=span * (more.low - less.high),
            high=span * (more.high - less.low),
            certified=more.certified and less.certified,
            passed=None,
        )

    return desk.ask(
        Question(
            release="compare",
            label=f"{chosen.name}: difference",
            phrase=f"the difference in {chosen.name}, first minus second,",
            query=desk.digest("compare", ours_asked, theirs_asked),
            respond=respond,
            cost=2,
            scale=(-span, span),
        )
    )


def _side(desk: Desk, session: Session, units: Float1D) -> Release:
    if not desk.hosts:
        return session.number(units, 0.0)
    return session.step(
        "description_length",
        float(units.mean()),
        key="description_length/paired",
        options={"queries": None, "interval": "kl"},
    )


def validate(
    desk: Desk, target: Any, at_least: float | None, at_most: float | None, metric: str | Metric | None
) -> Answer:
    """Release one bit: whether the score is at least, or at most, what is claimed."""
    chosen = desk.mean_metric(metric, "validate()")
    if (at_least is None) == (at_most is None):
        raise ValueError("validate needs exactly one of at_least=... and at_most=...; nothing was charged.")
    upwards = at_least is not None
    threshold = at_least if upwards else at_most
    claim = check_in_range(threshold, "at_least" if upwards else "at_most", *chosen.bounds)
    units, asked = desk.values(target, chosen)
    unit_claim = float(chosen.to_unit(claim))
    if not upwards:
        units, unit_claim = 1.0 - units, 1.0 - unit_claim
    return desk.ask(
        Question(
            release="bit",
            label=f"{chosen.name}: {name_of(target)} {'>=' if upwards else '<='} {claim:g}",
            phrase=f"the {chosen.name} of {name_of(target)} is at {'least' if upwards else 'most'} {claim:g}",
            query=desk.digest("validate", asked, claim, upwards),
            respond=_bit(desk, units, unit_claim),
        )
    )


def validate_gain(
    desk: Desk, first: Any, second: Any, at_least: float, metric: str | Metric | None
) -> Answer:
    """Release one bit about a pair: whether the first model is better by more than what is claimed."""
    chosen = desk.mean_metric(metric, "validate_gain()")
    span = chosen.bounds[1] - chosen.bounds[0]
    gain = check_in_range(at_least, "at_least", -span, span)
    (ours, ours_asked), (theirs, theirs_asked) = (desk.values(target, chosen) for target in (first, second))
    difference = ours - theirs if chosen.greater_is_better else theirs - ours
    # Differences in [-1, 1] become values in [0, 1].
    return desk.ask(
        Question(
            release="bit",
            label=f"{chosen.name}: {name_of(first)} gains {gain:g}",
            phrase=f"{name_of(first)} is better than {name_of(second)} by more than {gain:g} ({chosen.name})",
            query=desk.digest("gain", ours_asked, theirs_asked, gain),
            respond=_bit(desk, 0.5 + 0.5 * difference, 0.5 + 0.5 * gain / span, paired=True),
        )
    )


def _bit(desk: Desk, units: Float1D, claim: float, *, paired: bool = False) -> Callable[[Session], Release]:
    def respond(session: Session) -> Release:
        if desk.hosts:
            release = session.step(
                "sparse_validate",
                np.clip(units, 0.0, 1.0),
                claim,
                key="paired_validate" if paired else None,
                options={"queries": None, "failures": None, "interval": "betting" if paired else "kl"},
            )
            passed = bool(release.passed)
        else:
            release = session.number(units, claim)
            passed = release.low is not None and release.low >= claim
        return Release(source="bit", certified=release.certified, passed=passed)

    return respond
