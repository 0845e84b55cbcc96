"""Sentences of the answers: one table from codes to words, and how numbers are written in them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from validstats.results import interval_words, percent_words, rounded

__all__ = ["SENTENCES", "Verdict", "needed", "p_words", "percent", "points", "say", "score_words"]


@dataclass(frozen=True)
class Verdict:
    """An answer as a code for programs and a sentence for people.

    Attributes
    ----------
    code : str
        Stable code.
    sentence : str
        The same in words.

    Examples
    --------
    >>> Verdict("better", "a beats b by 5.9 points.").code
    'better'
    """

    code: str
    sentence: str


SENTENCES = {
    "estimate": "The {noun} is {value}.",
    "judge_lenient": "The {noun} is {value}. {who} alone says {judge}, outside that: it is lenient.",
    "judge_strict": "The {noun} is {value}. {who} alone says {judge}, outside that: it is strict.",
    "judge_within": "The {noun} is {value}. {who} alone says {judge}, inside that.",
    "no_labels": "Without a human label nothing is known about the {noun}.",
    "better": "{a} beats {b} by {value} on {n} {units}.",
    "worse": "{a} is worse than {b} by {value} on {n} {units}.",
    "same": "{a} and {b} differ by less than {margin}: {value} on {n} {units}.",
    "not_worse": "{a} is at most {margin} worse than {b}: {value} on {n} {units}.",
    "undecided": "Not settled: {value}. {limits}",
    "ledger_better": "{a} is better than {b}, provided nobody read the scores otherwise.",
    "ledger_worse": "{a} is worse than {b}, provided nobody read the scores otherwise.",
    "ledger_undecided": "Not settled between {a} and {b}, provided nobody read the scores otherwise.",
    "one_best": "{best} is best; {groups} can be told apart.",
    "shared_best": "{best} is best or shares the first place with {others}; {groups} can be told apart.",
    "no_order": "No system can be told apart from the others.",
    "pass_at_k": "With {k} tries a solution that passes is found for {value} of problems ({low} to {high}).",
    "pass_at_k_audited": "With {k} tries a right solution is found for {value} of problems ({low} to {high}), not {tests} as the "
    "tests say.",
    "pass_range": "With {k} tries a right solution is found for between {low} and {high} of problems; single audited samples "
    "cannot say more.",
    "delivered": "Delivering the {rule} is right for {right} and wrong for {wrong}.",
    "best_n": "If a wrong answer costs {cost}, {tries} {are} best.",
    "release_number": "{selected} of {total} may go out unread: at most {max_false} are wrong (probability {level}).",
    "release_share": "{selected} of {total} may go out unread: on average at most {fdr} of those released are wrong.",
    "release_none": "None of the {total} answers may go out unread: too few answers were checked for {bound}.",
    "agreement": "Kappa {kappa}; passes {good} of good and {bad} of bad answers.",
    "agreement_classes": "Kappa {kappa} over several kinds of verdicts; {same} of answers get the same from both.",
    "agreement_scores": "Rank correlation of judge and humans {value}.",
    "plan_labels": "About {n} human labels give an interval of {width} or narrower; humans alone need about {alone}.",
    "plan_impossible": "No number of labels gives an interval of {width} with {items} items; it needs more items.",
    "plan_items": "About {n} items find a difference of {difference} with {power} probability.",
}
"""Words of every code; the fields in braces are filled with numbers and names."""


def say(sentence: str, *, code: str | None = None, **fields: object) -> Verdict:
    """The verdict of a sentence, whose name is its code unless another is given."""
    return Verdict(code or sentence, SENTENCES[sentence].format(**fields))


def percent(value: float, decimals: int = 1) -> str:
    """A share in per cent."""
    return f"{100.0 * value:z.{decimals}f} %"


def score_words(estimate: float, low: float, high: float, share: bool) -> str:
    """An estimate with its interval, in per cent for shares."""
    return percent_words(estimate, low, high) if share else interval_words(estimate, low, high)


def points(value: float, spread: float | None = None, share: bool = True) -> str:
    """The size of a difference: points of a percentage, or units of the score."""
    if share:
        size = 100.0 * value
        decimals = 1 if spread is None or 100.0 * spread >= 0.1 else 2
        text = f"{size:z.{decimals}f}"
        if size == round(size):
            text = text.rstrip("0").rstrip(".")
        return f"{text} {'point' if text == '1' else 'points'}"
    return rounded(value, spread)


def difference_words(estimate: float, low: float, high: float, p_value: float | None, share: bool) -> str:
    """A difference with its interval and p-value, as in ``5.9 points (0.4 to 11.3; p = .036)``."""
    spread = (high - low) / 2.0
    if share:
        decimals = 1 if not math.isfinite(spread) or 100.0 * spread >= 0.1 else 2
        ends = f"{100 * low:z.{decimals}f} to {100 * high:z.{decimals}f}"
        text = f"{100 * estimate:z.{decimals}f} points ({ends}"
    elif math.isfinite(spread):
        text = f"{rounded(estimate, spread)} ({rounded(low, spread)} to {rounded(high, spread)}"
    else:
        text = f"{rounded(estimate)} (no finite interval"
    return text + (")" if p_value is None or math.isnan(p_value) else f"; {p_words(p_value)})")


def p_words(p_value: float) -> str:
    """A p-value with two digits, as in ``p = .036``."""
    if p_value < 0.001:
        return "p < .001"
    text = f"{p_value:.2g}" if p_value < 0.1 else f"{p_value:.2f}"
    return f"p = {text[1:] if text.startswith('0') else text}"


def needed(n: float) -> str:
    """A number of items with two digits, as in ``4,900``."""
    if not math.isfinite(n):
        return "very many"
    if n < 100:
        return f"{math.ceil(n):,}"
    place = 10 ** (int(math.log10(n)) - 1)
    return f"{math.ceil(n / place) * place:,}"


def joined_names(names: list[str], most: int = 4) -> str:
    """Names in a sentence."""
    if len(names) > most:
        return f"{', '.join(names[:most])} and {len(names) - most} more"
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


NUMBERS = (
    "no",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
)
"""Small numbers in words."""


def number_words(n: int) -> str:
    """A small number as a word."""
    return NUMBERS[n] if n < len(NUMBERS) else f"{n:,}"
