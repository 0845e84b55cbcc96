"""The bundled sentences: counts, ranges, checksums, known facts, and the script that made them."""

import gzip
import os
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
import statsmodels.api as sm

from validstats import intake as frames
from validstats.datasets import SENTIMENT_CORPORA, SENTIMENT_FEATURES, load_sentiment
from validstats.datasets._text_features import TEXT_FEATURES, Lexicon, text_features
from validstats.datasets.make_sentiment import COLUMNS, build_rows, rows_to_csv, write_rows

SDIST = Path(os.environ.get("VALIDSTATS_VADER_SDIST", "vaderSentiment-3.3.2.tar.gz"))
"""Source distribution of vaderSentiment 3.3.2, where the test that rebuilds the table looks for it."""

COUNTS = {"tweets": 4200, "amazon": 3708, "movies": 10605, "nyt": 5190}


def packed_table() -> bytes:
    return (resources.files("validstats.datasets") / "data" / "sentiment.csv.gz").read_bytes()


@pytest.fixture(scope="module")
def sentences():
    return load_sentiment()


def test_counts(sentences):
    assert sentences.shape == (23703, 38)
    assert list(sentences.columns) == [*COLUMNS, "human_positive", "vader_positive"]
    assert sentences["corpus"].value_counts().to_dict() == COUNTS
    assert tuple(sentences["corpus"].unique()) == SENTIMENT_CORPORA
    assert not sentences.isna().any().any()
    assert not sentences.duplicated(["corpus", "source_id"]).any()


def test_file_is_small_and_has_no_time_stamp():
    packed = packed_table()
    assert len(packed) < 1.5e6
    assert packed[:4] == b"\x1f\x8b\x08\x00" and packed[4:8] == b"\x00" * 4  # no name, time 0


@pytest.mark.parametrize(
    "name, low, high",
    [
        ("human_mean", -4, 4),
        ("human_sd", 0, 4),
        ("n_raters", 15, 99),
        ("vader_compound", -1, 1),
        ("vader_pos", 0, 1),
        ("vader_neu", 0, 1),
        ("vader_neg", 0, 1),
        ("n_words", 1, 146),
        ("n_chars", 1, 855),
        ("lexicon_min", -4, 0),
        ("lexicon_max", 0, 4),
        ("negation", 0, 1),
        ("has_but", 0, 1),
        ("is_repeat", 0, 1),
        ("rating_conflict", 0, 1),
    ],
)
def test_ranges(sentences, name, low, high):
    assert sentences[name].min() >= low
    assert sentences[name].max() <= high


@pytest.mark.parametrize(
    "name, total",
    [
        ("n_raters", 536520),
        ("n_words", 408892),
        ("n_chars", 2385851),
        ("n_exclaim", 2777),
        ("n_question", 1171),
        ("n_caps", 1972),
        ("n_emoticons", 694),
        ("negation", 4524),
        ("is_repeat", 84),
        ("rating_conflict", 199),
        ("human_positive", 12471),
        ("vader_positive", 12644),
    ],
)
def test_column_totals(sentences, name, total):
    assert sentences[name].sum() == total


@pytest.mark.parametrize(
    "name, total", [("human_mean", 2859.0287), ("human_sd", 19360.3163), ("vader_compound", 3757.6739)]
)
def test_sums_of_real_columns(sentences, name, total):
    assert sentences[name].sum() == pytest.approx(total, abs=2e-3)


def test_shares_add_to_one(sentences):
    shares = sentences[["vader_pos", "vader_neu", "vader_neg"]].sum(axis=1)
    scored = shares > 0
    assert np.abs(shares[scored] - 1).max() < 0.0021  # each share is rounded to three digits
    assert (sentences.loc[~scored, "vader_compound"] == 0).all()


def test_counts_are_consistent(sentences):
    assert (sentences["n_unique_words"] <= sentences["n_words"]).all()
    assert (sentences["n_words"] <= sentences["n_chars"]).all()
    between = sentences["n_words"] - 1
    letters = (sentences["mean_word_length"] * sentences["n_words"]).round()
    assert (letters + between <= sentences["n_chars"]).all()
    listed = sentences["n_lexicon_positive"] + sentences["n_lexicon_negative"]
    assert (listed <= sentences["n_words"]).all()
    assert ((sentences["lexicon_sum"] == 0) | (listed > 0)).all()


def test_documents(sentences):
    documents = sentences.groupby("corpus")["document"].nunique()
    assert documents.to_dict() == {"tweets": 4200, "amazon": 300, "movies": 10605, "nyt": 498}
    assert sentences["document"].nunique() == sentences["document"].max() + 1 == 15603
    assert not sentences.duplicated(["document", "sentence"]).any()


def test_number_of_raters(sentences):
    raters = sentences.groupby("corpus")["n_raters"]
    assert raters.min().to_dict() == {"tweets": 20, "amazon": 20, "movies": 15, "nyt": 20}
    assert raters.max().to_dict() == {"tweets": 99, "amazon": 20, "movies": 29, "nyt": 20}
    assert (sentences.loc[sentences["rating_conflict"] == 1, "corpus"] == "tweets").all()


def test_ratings_are_means_of_integers(sentences):
    agreed = sentences[sentences["rating_conflict"] == 0]
    totals = agreed["human_mean"] * agreed["n_raters"]
    assert np.abs(totals - totals.round()).max() < 1e-4


@pytest.mark.parametrize(
    "corpus, correlation, positive, accuracy",
    [
        ("tweets", 0.8722, 0.6898, 0.9402),
        ("amazon", 0.5896, 0.5739, 0.6980),
        ("movies", 0.4274, 0.4943, 0.6465),
        ("nyt", 0.5029, 0.4247, 0.6642),
    ],
)
def test_machine_against_human(sentences, corpus, correlation, positive, accuracy):
    rows = sentences[sentences["corpus"] == corpus]
    assert np.corrcoef(rows["human_mean"], rows["vader_compound"])[0, 1] == pytest.approx(
        correlation, abs=6e-5
    )
    assert rows["human_positive"].mean() == pytest.approx(positive, abs=6e-5)
    assert (rows["human_positive"] == rows["vader_positive"]).mean() == pytest.approx(accuracy, abs=6e-5)


def test_machine_labels_bias_a_regression(sentences):
    """Length seems to matter sixteen standard errors too much when the machine's labels are taken as the truth."""
    design = np.column_stack(
        [
            np.ones(len(sentences)),
            *(sentences["corpus"] == name for name in ("amazon", "movies", "nyt")),
            np.log1p(sentences["n_words"]),
            sentences["n_exclaim"] > 0,
        ]
    ).astype(float)
    gold = sm.Logit(sentences["human_positive"], design).fit(disp=0)
    machine = sm.Logit(sentences["vader_positive"], design).fit(disp=0)
    assert gold.params.iloc[[0, 4]].to_numpy() == pytest.approx([0.483, 0.055], abs=1e-3)
    assert machine.params.iloc[[0, 4]].to_numpy() == pytest.approx([-0.698, 0.460], abs=1e-3)
    assert machine.bse.iloc[[0, 4]].to_numpy() == pytest.approx([0.074, 0.025], abs=1e-3)


@pytest.mark.parametrize("backend", ["polars", "pyarrow"])
def test_backends_agree(sentences, backend):
    pytest.importorskip(backend)
    other = load_sentiment(backend)
    assert frames.backend_of(other) == backend
    assert frames.column_names(other) == list(sentences.columns)
    for name in sentences.columns:
        np.testing.assert_array_equal(frames.column(other, name), sentences[name].to_numpy())


@pytest.mark.parametrize("target", ["human_mean", "human_positive"])
def test_return_X_y(sentences, target):
    X, y = load_sentiment(return_X_y=True, target=target)
    assert tuple(X.columns) == SENTIMENT_FEATURES
    assert X.dtypes.map(lambda dtype: dtype.kind).isin(["i", "f"]).all()
    np.testing.assert_array_equal(y, sentences[target])


def test_machine_targets_are_not_among_their_own_features():
    X, y = load_sentiment(return_X_y=True, target="vader_positive")
    assert tuple(X.columns) == TEXT_FEATURES
    assert y.sum() == 12644


def test_corpora_keep_the_order_of_rows(sentences):
    kept = load_sentiment(corpora=("nyt", "tweets"))
    expected = sentences[sentences["corpus"].isin(["tweets", "nyt"])].reset_index(drop=True)
    assert kept.equals(expected)


def test_caller_cannot_change_the_table():
    first, y = load_sentiment(return_X_y=True)
    first.loc[:, "n_words"] = -1
    y[:] = 99.0
    assert load_sentiment()["n_words"].min() == 1
    assert load_sentiment()["human_mean"].max() <= 4


def test_errors_say_what_is_allowed():
    with pytest.raises(ValueError, match=r"corpora must be one of 'tweets'.*got 'books'"):
        load_sentiment(corpora=["books"])
    with pytest.raises(ValueError, match="corpora is empty"):
        load_sentiment(corpora=[])
    with pytest.raises(TypeError, match=r"pass \['tweets'\]"):
        load_sentiment(corpora="tweets")
    with pytest.raises(ValueError, match=r"target must be one of 'human_mean'"):
        load_sentiment(target="stars")
    with pytest.raises(ValueError, match=r"backend must be one of 'pandas'"):
        load_sentiment(backend="dask")


LEXICON = Lexicon(
    {"good": 1.9, "great": 3.1, "bad": -2.5, ":)": 2.0, ":d": 2.3, "h&k": 2.3},
    frozenset({"not", "never"}),
    frozenset({"very"}),
)


@pytest.mark.parametrize(
    "text, expected",
    [
        (
            "GREAT! I can't wait",
            {"n_caps": 1, "n_first_person": 1, "negation": 1, "n_exclaim": 1, "n_words": 4},
        ),
        ("@you, look: #good http://x.org", {"n_mentions": 1, "n_hashtags": 1, "n_urls": 1, "n_comma": 1}),
        (":) :D h&k", {"n_emoticons": 2, "n_lexicon_positive": 3, "lexicon_sum": 6.6}),
        (
            "Bad, bad, bad: 10 of 10",
            {"n_digits": 4, "n_unique_words": 4, "lexicon_sum": -7.5, "lexicon_min": -2.5},
        ),
        ("you but not your very", {"has_but": 1, "n_second_person": 2, "n_boosters": 1, "lexicon_max": 0.0}),
        ("a  b", {"n_chars": 4, "n_words": 2, "mean_word_length": 1.0, "n_caps": 0}),
    ],
)
def test_text_features(text, expected):
    tokens = [word.strip(".,!?:") if len(word.strip(".,!?:")) > 2 else word for word in text.split()]
    features = text_features(text, tokens, LEXICON)
    assert tuple(features) == TEXT_FEATURES
    assert {name: features[name] for name in expected} == expected


def test_script_refuses_another_file(tmp_path):
    path = tmp_path / "vaderSentiment-3.3.2.tar.gz"
    path.write_bytes(b"something else")
    with pytest.raises(ValueError, match="SHA-256"):
        build_rows(path)


def test_script_writes_the_same_bytes_twice(tmp_path):
    row = dict.fromkeys(COLUMNS, 0)
    write_rows([row, row], tmp_path / "a.csv.gz")
    write_rows([row, row], tmp_path / "b.csv.gz")
    assert (tmp_path / "a.csv.gz").read_bytes() == (tmp_path / "b.csv.gz").read_bytes()
    lines = gzip.decompress((tmp_path / "a.csv.gz").read_bytes()).decode().split("\n")
    assert lines[0].split(",") == list(COLUMNS) and lines[1] == lines[2] and lines[3] == ""


@pytest.mark.skipif(not SDIST.exists(), reason="set VALIDSTATS_VADER_SDIST to vaderSentiment-3.3.2.tar.gz")
def test_script_reproduces_the_shipped_table():
    assert rows_to_csv(build_rows(SDIST)).encode() == gzip.decompress(packed_table())
