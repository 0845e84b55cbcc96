"""The bundled table of rated sentences."""

from __future__ import annotations

import functools
import gzip
import io
from collections.abc import Iterable
from importlib import resources
from typing import Any, Literal, get_args

import numpy as np

from validstats._typing import AnyArray, FrameBackend
from validstats.datasets._text_features import TEXT_FEATURES
from validstats.intake import check_literal, to_frame

__all__ = ["SENTIMENT_CORPORA", "SENTIMENT_FEATURES", "load_sentiment"]

Corpus = Literal["tweets", "amazon", "movies", "nyt"]
SentimentTarget = Literal["human_mean", "human_positive", "vader_compound", "vader_positive"]

SENTIMENT_CORPORA: tuple[str, ...] = get_args(Corpus)
"""Names of the four corpora, in the order of the rows."""

SENTIMENT_FEATURES = ("vader_compound", "vader_pos", "vader_neu", "vader_neg", *TEXT_FEATURES)
"""Numeric columns that are known for every sentence without asking a human."""


def load_sentiment(
    backend: FrameBackend = "pandas",
    *,
    corpora: Iterable[Corpus] | None = None,
    return_X_y: bool = False,
    target: SentimentTarget = "human_mean",
) -> Any:
    """Load 23,703 sentences with human ratings, a machine label and cheap features; the texts are not included.

    Every sentence has its human rating, so whatever a method says from a few ratings can be checked against
    all of them. The rows come in the order of the source, and within ``movies`` the positive sentences come
    first: draw rows at random wherever a method needs exchangeable rows.

    Parameters
    ----------
    backend : {"pandas", "polars", "pyarrow"}, default "pandas"
        Library of the returned frame; it must be installed.
    corpora : iterable of {"tweets", "amazon", "movies", "nyt"}, optional
        Corpora to keep, all four by default. The order of the rows does not change.
    return_X_y : bool, default False
        Return ``(X, y)`` in place of the whole table, X with the columns of ``SENTIMENT_FEATURES``. If the
        target is a machine label, the four machine scores are left out of X.
    target : {"human_mean", "human_positive", "vader_compound", "vader_positive"}, default "human_mean"
        Column to return as ``y``. Used only with ``return_X_y=True``.

    Returns
    -------
    DataFrame or Table
        The table of shape (23703, 38), see Notes. With ``return_X_y=True`` a tuple of the frame X of shape
        (n, 27) and the array y of shape (n,), float64 for ratings and scores and int64 for signs.

    Raises
    ------
    TypeError
        If ``corpora`` is a string rather than an iterable of strings.
    ValueError
        If an option is not one of those listed, or if no corpus is left.

    Notes
    -----
    **Where a row comes from.** ``corpus``; ``source_id``, its identifier in the source files; ``document``, a
    number for the review or article (0 to 15602, unique over the corpora); ``sentence``, the position in
    the document, counted from 1; ``is_repeat``, 1 if an earlier row of the corpus has exactly the same text
    (84 rows). The identifiers of tweets and movie snippets name no document, so there each row is its own.

    **Human labels.** ``human_mean``, the published mean rating from -4 (extremely negative) to 4 (extremely
    positive); ``human_sd``, the standard deviation of the single ratings (divisor n); ``n_raters``, how many
    there are (15 to 99, and exactly 20 for ``amazon`` and ``nyt``); ``rating_conflict``, 1 if the mean of the
    single ratings is not the published mean: this concerns 199 tweets, where ``human_sd`` and ``n_raters``
    describe the single ratings and ``human_mean`` is the published one; ``human_positive``, 1 if
    ``human_mean > 0``.

    **Machine labels.** ``vader_compound``, from -1 to 1, and the shares ``vader_pos``, ``vader_neu`` and
    ``vader_neg``, all by the analyser of vaderSentiment 3.3.2 on the text as it is in the source;
    ``vader_positive``, 1 if ``vader_compound > 0``.

    **Features of the text.** ``n_chars``; ``n_words``, pieces between white space; ``n_unique_words``, ignoring
    case; ``mean_word_length`` in characters, punctuation included; the counts of characters ``n_exclaim`` (!),
    ``n_question`` (?), ``n_comma`` and ``n_digits``; the counts of words ``n_caps`` (two or more letters, all
    capital), ``n_emoticons``, ``n_mentions`` (@name), ``n_hashtags``, ``n_urls``, ``n_first_person``,
    ``n_second_person`` and ``n_boosters`` ("very", "hardly"); ``negation``, 1 if a word negates ("not", "never",
    "...n't"); ``has_but``, 1 if "but" occurs. From VADER's lexicon, without its rules: ``n_lexicon_positive`` and
    ``n_lexicon_negative``, how many words it lists on each side, and ``lexicon_sum``, ``lexicon_min`` and
    ``lexicon_max`` of their valences (0 where it lists none).

    References
    ----------
    C.J. Hutto and E.E. Gilbert, "VADER: A parsimonious rule-based model for sentiment analysis of social media
    text", Eighth International Conference on Weblogs and Social Media (ICWSM), 2014. Licence: MIT.

    Examples
    --------
    >>> from validstats.datasets import load_sentiment
    >>> sentences = load_sentiment()
    >>> sentences.shape
    (23703, 38)
    >>> agree = sentences["human_positive"] == sentences["vader_positive"]
    >>> print(agree.groupby(sentences["corpus"]).mean().round(3).to_dict())
    {'amazon': 0.698, 'movies': 0.646, 'nyt': 0.664, 'tweets': 0.94}
    >>> X, y = load_sentiment(corpora=["tweets"], return_X_y=True)
    >>> X.shape, y.shape
    ((4200, 27), (4200,))
    """
    check_literal(target, "target", get_args(SentimentTarget))
    columns = _select(_read_table(), corpora)
    if not return_X_y:
        return to_frame(columns, backend)
    features = TEXT_FEATURES if target.startswith("vader") else SENTIMENT_FEATURES
    X = to_frame({name: columns[name] for name in features}, backend)
    return X, columns[target].copy()


def _select(columns: dict[str, AnyArray], corpora: Iterable[Corpus] | None) -> dict[str, AnyArray]:
    if corpora is None:
        return columns
    if isinstance(corpora, str):
        raise TypeError(
            f"corpora must be an iterable of names, got the string {corpora!r}; pass [{corpora!r}]."
        )
    names = [check_literal(name, "corpora", SENTIMENT_CORPORA) for name in corpora]
    if not names:
        raise ValueError(f"corpora is empty; name at least one of {', '.join(map(repr, SENTIMENT_CORPORA))}.")
    kept = np.isin(columns["corpus"], names)
    return {name: values[kept] for name, values in columns.items()}


@functools.cache
def _read_table() -> dict[str, AnyArray]:
    import pandas as pd

    packed = (resources.files(__package__) / "data" / "sentiment.csv.gz").read_bytes()
    table = pd.read_csv(io.BytesIO(gzip.decompress(packed)), dtype={"source_id": str})
    columns = {name: table[name].to_numpy(copy=True) for name in table.columns}
    for name in ("corpus", "source_id"):
        columns[name] = columns[name].astype(object)
    columns["human_positive"] = (columns["human_mean"] > 0).astype(np.int64)
    columns["vader_positive"] = (columns["vader_compound"] > 0).astype(np.int64)
    return columns
