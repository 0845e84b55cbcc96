"""Cheap features of a sentence, each a count or an average that needs no fitted model."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

__all__ = ["TEXT_FEATURES", "Lexicon", "text_features"]

TEXT_FEATURES = (
    "n_chars",
    "n_words",
    "n_unique_words",
    "mean_word_length",
    "n_exclaim",
    "n_question",
    "n_comma",
    "n_digits",
    "n_caps",
    "n_emoticons",
    "n_mentions",
    "n_hashtags",
    "n_urls",
    "n_first_person",
    "n_second_person",
    "n_boosters",
    "negation",
    "has_but",
    "n_lexicon_positive",
    "n_lexicon_negative",
    "lexicon_sum",
    "lexicon_min",
    "lexicon_max",
)
"""Names of the features, in the order of the columns."""

_FIRST_PERSON = frozenset(("i", "i'm", "i've", "i'd", "i'll", "me", "my", "mine", "myself"))
_SECOND_PERSON = frozenset(("you", "you're", "you've", "you'd", "you'll", "your", "yours", "yourself"))
_EMOTICON_CHARACTER = re.compile(r"[^A-Za-z0-9'&/ -]")


@dataclass(frozen=True)
class Lexicon:
    """Word lists of a rule-based sentiment analyser."""

    # Sentiment of a word or emoticon, from -4 to 4.
    valence: Mapping[str, float]
    # Words that negate, in lower case.
    negations: frozenset[str]
    # Words that strengthen or weaken the next one, in lower case.
    boosters: frozenset[str]


def text_features(text: str, tokens: Sequence[str], lexicon: Lexicon) -> dict[str, int | float]:
    """Compute the features of one sentence."""
    words = text.split()
    return {
        **_length_features(text, words),
        **_mark_features(text, words, tokens, lexicon),
        **_word_features(tokens, lexicon),
        **_valence_features(tokens, lexicon),
    }


def _length_features(text: str, words: Sequence[str]) -> dict[str, int | float]:
    return {
        "n_chars": len(text),
        "n_words": len(words),
        "n_unique_words": len({word.lower() for word in words}),
        "mean_word_length": round(sum(map(len, words)) / len(words), 6),
    }


def _mark_features(
    text: str, words: Sequence[str], tokens: Sequence[str], lexicon: Lexicon
) -> dict[str, int | float]:
    return {
        "n_exclaim": text.count("!"),
        "n_question": text.count("?"),
        "n_comma": text.count(","),
        "n_digits": sum("0" <= character <= "9" for character in text),
        "n_caps": sum(len(token) > 1 and token.isalpha() and token.isupper() for token in tokens),
        "n_emoticons": sum(_is_emoticon(token, lexicon) for token in tokens),
        "n_mentions": sum(len(word) > 1 and word[0] == "@" and word[1].isalnum() for word in words),
        "n_hashtags": sum(len(word) > 1 and word[0] == "#" and word[1].isalnum() for word in words),
        "n_urls": text.count("http://") + text.count("https://"),
    }


def _word_features(tokens: Sequence[str], lexicon: Lexicon) -> dict[str, int | float]:
    lowered = [token.lower() for token in tokens]
    return {
        "n_first_person": sum(token in _FIRST_PERSON for token in lowered),
        "n_second_person": sum(token in _SECOND_PERSON for token in lowered),
        "n_boosters": sum(token in lexicon.boosters for token in lowered),
        "negation": int(any(token in lexicon.negations or "n't" in token for token in lowered)),
        "has_but": int("but" in lowered),
    }


def _valence_features(tokens: Sequence[str], lexicon: Lexicon) -> dict[str, int | float]:
    valences = [lexicon.valence.get(token.lower(), 0.0) for token in tokens]
    return {
        "n_lexicon_positive": sum(valence > 0 for valence in valences),
        "n_lexicon_negative": sum(valence < 0 for valence in valences),
        "lexicon_sum": round(sum(valences), 6),
        "lexicon_min": min(0.0, *valences),
        "lexicon_max": max(0.0, *valences),
    }


def _is_emoticon(token: str, lexicon: Lexicon) -> bool:
    known = token in lexicon.valence or token.lower() in lexicon.valence
    return known and _EMOTICON_CHARACTER.search(token) is not None
