"""Cheap releases: the winner only, paired differences, and single bits.

Beside mechanisms that host other releases (guess-and-check and description length) they are accounted for exactly, by
the number of transcripts. Under the others they are derived from plain answers, and cost as many queries as they look at.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from validstats._typing import Float1D
from validstats.holdout.asking.desk import Desk, is_estimator, name_of
from validstats.holdout.asking.metrics import Metric, rescaling
from validstats.holdout.budget import Question, Session
from validstats.holdout.mechanisms import DIFFERENCE_CELL, Release
from validstats.holdout.results import Answer
from validstats.holdout.widths import (
    capital_interval,
    coded_mean,
    coded_pairs,
    log_coded_outcome,
    log_coded_share,
    paired_difference_interval,
)
from validstats.intake import check_in_range, check_literal

__all__ = ["CompareRelease", "best", "compare", "validate", "validate_gain"]

CompareRelease: TypeAlias = Literal["difference", "sign"]
"""The difference with its interval, or only which one is better."""


def best(desk: Desk, targets: Sequence[Any], metric: str | Metric | None) -> Answer:
    """Release which of several candidates is best, and its score."""
    chosen = desk.mean_metric(metric, "best()", "use score_many() for AUC")
    if len(targets) == 0:
        raise ValueError("best needs at least one candidate.")
    scored = [desk.counted(target, chosen, f"targets[{i}]") for i, target in enumerate(targets)]
    values = [units for units, _ in scored]
    guesses = [desk.guess_of(target, chosen) for target in targets]
    best_of = np.argmax if chosen.greater_is_better else np.argmin

    def respond(session: Session) -> Release:
        if not desk.hosts:
            releases = list(map(session.number, values, guesses))
            winner = int(best_of([float(release.value) for release in releases]))  # type: ignore[arg-type]
            return replace(releases[winner].rescaled(rescaling(chosen.bounds)), winner=winner)
        winner = int(best_of([units.mean() for units in values]))
        session.branch(math.log(len(scored)))  # which of c won: ln c nats
        release = session.number(values[winner], guesses[winner])
        return replace(release.rescaled(rescaling(chosen.bounds)), winner=winner)

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


def compare(
    desk: Desk, first: Any, second: Any, metric: str | Metric | None, release: CompareRelease = "difference"
) -> Answer:
    """Release by how much one model is better than another on the same rows, or only which one is better."""
    chosen = desk.mean_metric(metric, "compare()")
    check_literal(release, "release", get_args(CompareRelease))
    ours, ours_asked = desk.values(first, chosen, name="first")
    theirs, theirs_asked = desk.values(second, chosen, name="second")
    span = chosen.bounds[1] - chosen.bounds[0]
    sign = release == "sign"
    if desk.hosts:
        training = _training_difference(desk, first, second, chosen)
        respond = _paired(desk, chosen, ours - theirs, training, sign)
    elif sign:
        raise ValueError(
            f"compare(release='sign') needs mechanism='guess_and_check' or 'description_length', and this is "
            f"{desk.books.declared.mechanism!r}; nothing was charged."
        )
    else:
        respond = _two_sides(ours - theirs)

    def scaled(session: Session) -> Release:
        return respond(session).rescaled(lambda unit: span * unit)

    return desk.ask(
        Question(
            release="compare",
            label=f"{chosen.name}: {'which is better' if sign else 'difference'}",
            phrase="the first is better than the second"
            if sign
            else f"the difference in {chosen.name}, first minus second,",
            query=desk.digest("compare", release, ours_asked, theirs_asked),
            respond=scaled,
            cost=1 if desk.hosts else 2,
            scale=(-span, span),
        )
    )


def _paired(
    desk: Desk, metric: Metric, difference: Float1D, training: Float1D | None, sign: bool
) -> Callable[[Session], Release]:
    """Publish a paired interval as a cell around what the training rows say, or only its sign."""
    n = len(difference)
    counts = desk.counts(metric)
    n10, n01 = int((difference > 0).sum()), int((difference < 0).sum())

    def respond(session: Session) -> Release:
        left = session.queries_left
        share = log_coded_share(left)
        level = session.log_level + share
        # differences in [-1, 1] become values in [0, 1]
        values = 0.5 + 0.5 * difference
        prior_values = _spread(np.full(n, 0.5) if training is None else 0.5 + 0.5 * training)
        if sign:
            kept = math.log1p(-math.exp(share))
            if counts:
                interval = paired_difference_interval(n10, n01, n, level)
            else:
                low, high = capital_interval(values, float(prior_values.var()), level)
                interval = 2.0 * low - 1.0, 2.0 * high - 1.0
            better = interval[0] > 0.0 or interval[1] < 0.0
            session.branch(-kept - math.log(0.1 if better else 0.8))  # first better, undecided, second better
            low, high = (0.0, 1.0) if interval[0] > 0.0 else (-1.0, 0.0) if better else (-1.0, 1.0)
            return Release(source="bit", low=low, high=high, passed=interval[0] > 0.0 if better else None)
        if counts:
            cell, guess = coded_pairs(
                n10, n01, n, _prior_pairs(training, n), t=DIFFERENCE_CELL, log_alpha=level
            )
        else:
            cell, guess = coded_mean(values, prior_values, t=DIFFERENCE_CELL, log_alpha=level)
            cell = replace(cell, low=2.0 * cell.low - 1.0, high=2.0 * cell.high - 1.0)
            guess = replace(guess, centre=2.0 * guess.centre - 1.0, width=2.0 * guess.width)
        session.branch(-log_coded_outcome(left, cell.distance, cell.enlarged))
        value = min(max(guess.centre + cell.distance * guess.width, cell.low), cell.high)
        return Release(value=value, low=cell.low, high=cell.high, source="holdout")

    return respond


def _spread(values: Float1D) -> Float1D:
    """Values with a spread where nothing is known: a tenth of the rows differ by as much as they can."""
    if values.std() > 0.0:
        return values
    known = values.copy()
    known[: max(len(known) // 20, 1)], known[-max(len(known) // 20, 1) :] = 0.0, 1.0
    return known


def _prior_pairs(training: Float1D | None, n: int) -> tuple[int, int, int]:
    """Training rows won, lost and all; without any, one row in ten is expected to differ."""
    if training is None:
        return round(0.05 * n), round(0.05 * n), n
    return int((training > 0).sum()), int((training < 0).sum()), len(training)


def _training_difference(desk: Desk, first: Any, second: Any, metric: Metric) -> Float1D | None:
    """Cross-validated differences of the training rows, where both targets are estimators."""
    if desk.training is None or not (is_estimator(first) and is_estimator(second)):
        return None
    return desk.training_values(first, metric) - desk.training_values(second, metric)


def _two_sides(difference: Float1D) -> Callable[[Session], Release]:
    """Release two one-sided differences by the declared mechanism: E[a - b] = E[(a - b)+] - E[(b - a)+]."""

    def respond(session: Session) -> Release:
        more, less = (session.number(np.clip(part, 0.0, None), 0.0) for part in (difference, -difference))
        assert more.value is not None
        assert less.value is not None
        assert more.low is not None
        assert more.high is not None
        assert less.low is not None
        assert less.high is not None
        return replace(
            more,
            value=more.value - less.value,
            low=more.low - less.high,
            high=more.high - less.low,
            certified=more.certified and less.certified,
            passed=None,
        )

    return respond


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
            respond=_bit(desk, units, unit_claim, whole=desk.counts(chosen)),
        )
    )


def validate_gain(
    desk: Desk, first: Any, second: Any, at_least: float, metric: str | Metric | None
) -> Answer:
    """Release one bit about a pair: whether the first model is better by more than what is claimed."""
    chosen = desk.mean_metric(metric, "validate_gain()")
    span = chosen.bounds[1] - chosen.bounds[0]
    gain = check_in_range(at_least, "at_least", -span, span)
    ours, ours_asked = desk.values(first, chosen, name="first")
    theirs, theirs_asked = desk.values(second, chosen, name="second")
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


def _bit(
    desk: Desk, units: Float1D, claim: float, *, whole: bool = False, paired: bool = False
) -> Callable[[Session], Release]:
    def respond(session: Session) -> Release:
        if desk.hosts:
            release = session.step(
                "sparse_validate",
                units,
                claim,
                key="paired_validate" if paired else None,
                options={"queries": None, "failures": None, "interval": "betting" if paired else "kl"},
            )
            passed = bool(release.passed)
        else:
            release = session.number(units.astype(np.bool_) if whole else units, claim)
            passed = release.low is not None and release.low >= claim
        return Release(source="bit", certified=release.certified, passed=passed)

    return respond
