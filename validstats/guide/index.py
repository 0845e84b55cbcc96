"""The index of questions: which call answers what a user asks in words."""

from __future__ import annotations

import math
import re
import tomllib
from collections import Counter
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

_SUFFIXES = ("ations", "ation", "ings", "ing", "ies", "es", "ed", "ly", "s")


@dataclass(frozen=True)
class Answerer:
    """A question that users ask, and what answers it.

    Parameters
    ----------
    question : str
        The question in plain words.
    words : str
        What people say beside it.
    name : str
        Dotted name of the public object that answers.
    call : str
        The call, with placeholders for what the user has.
    reading : str
        How to read the answer.
    page : str
        Page of the documentation.
    command : str, default ""
        The same on the command line, where there is such a command.

    Examples
    --------
    >>> from validstats.guide import which
    >>> which("total sales of next week")[0].name
    'validstats.BatchTotal'
    """

    question: str
    words: str
    name: str
    call: str
    reading: str
    page: str
    command: str = ""

    def __str__(self) -> str:
        lines = [
            self.question,
            f"    {self.call}",
            *([f"    {self.command}"] if self.command else []),
            f"    {self.reading}",
        ]
        return "\n".join(lines)


@cache
def questions() -> tuple[Answerer, ...]:
    """Return all questions of the index.

    Returns
    -------
    tuple of Answerer
        In the order of the method pages.

    Examples
    --------
    >>> from validstats.guide import questions
    >>> len(questions()) > 30
    True
    """
    return tuple(Answerer(**entry) for entry in _file()["question"])


def which(question: str, n: int = 3) -> list[Answerer]:
    """Return the calls that answer a question, the most fitting first.

    Parameters
    ----------
    question : str
        The question in words, in English.
    n : int, default 3
        How many to return at most.

    Returns
    -------
    list of Answerer
        Empty if no word of the question is in the index.

    Raises
    ------
    ValueError
        If the question is empty or ``n`` is not positive.

    Examples
    --------
    >>> from validstats.guide import which
    >>> which("is the new prompt better than the old one?")[0].call
    "compare('new.eval', 'old.eval')"
    >>> which("A judge graded the answers; what is the pass rate?")[0].name
    'validstats.evals.evaluate'
    """
    if not isinstance(question, str) or not question.strip():  # type: ignore[redundant-expr]
        raise ValueError(f"question must be a text with at least one word, got {question!r}.")
    if n < 1:
        raise ValueError(f"n must be at least 1, got {n}.")
    asked = _stems(question)
    index, weight = _index()
    scores = [sum(weight[stem] for stem in asked & stems) / math.sqrt(len(stems)) for stems in index]
    order = sorted(range(len(scores)), key=lambda i: -scores[i])
    return [questions()[i] for i in order[:n] if scores[i] > 0]


@cache
def _file() -> dict[str, Any]:
    """The questions, and the words that tell none from another."""
    text = resources.files("validstats.guide").joinpath("questions.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def _stem(word: str) -> str:
    """The word without its ending, if at least three letters are left."""
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= 3:
            return word.removesuffix(suffix)
    return word


def _stems(text: str) -> frozenset[str]:
    """The stems of all words of a text but the empty ones; pass@10 is one of the pass@k."""
    empty = _file()["empty"].split()
    plain = re.sub(r"pass@\d+", "pass@k", text.lower())
    return frozenset(_stem(word) for word in re.findall(r"[a-z0-9@]+", plain) if word not in empty)


@cache
def _index() -> tuple[tuple[frozenset[str], ...], dict[str, float]]:
    """The stems of every question, and the weight of a stem: log of questions over those that have it."""
    index = tuple(_stems(f"{entry.question} {entry.words}") for entry in questions())
    count = Counter(stem for stems in index for stem in stems)
    return index, {stem: math.log(1.0 + len(index) / found) for stem, found in count.items()}
