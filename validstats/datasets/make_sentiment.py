"""Maker of the bundled table of rated sentences from the source distribution of vaderSentiment 3.3.2.

Run it as ``python -m validstats.datasets.make_sentiment PATH_TO_SDIST [--output FILE]``, where the source
distribution comes from ``pip download --no-deps --no-binary :all: vaderSentiment==3.3.2``. The table holds
ratings, machine scores and counts, and none of the texts.
"""

from __future__ import annotations

import argparse
import ast
import csv
import gzip
import hashlib
import importlib.util
import io
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from validstats.datasets._text_features import TEXT_FEATURES, Lexicon, text_features

__all__ = ["COLUMNS", "build_rows", "main", "write_rows"]

SDIST_SHA256 = "5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9"
"""Checksum of ``vaderSentiment-3.3.2.tar.gz``."""

CORPORA = {
    "tweets": ("tweets", 4200),
    "amazon": ("amazonReviewSnippets", 3708),
    "movies": ("movieReviewSnippets", 10605),
    "nyt": ("nytEditorialSnippets", 5190),
}
"""Name of a corpus -> the stem of its files and its number of sentences."""

COLUMNS = (
    "corpus",
    "source_id",
    "document",
    "sentence",
    "is_repeat",
    "human_mean",
    "human_sd",
    "n_raters",
    "rating_conflict",
    "vader_compound",
    "vader_pos",
    "vader_neu",
    "vader_neg",
    *TEXT_FEATURES,
)
"""Names of the columns, in order."""

_ROOT = "vaderSentiment-3.3.2"
_ARCHIVE = "hutto_ICWSM_2014"
_MEAN_TOLERANCE = 1e-6
"""The published means carry nine digits or more; a larger difference is a conflict between the two files."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Sentence:
    """One rated sentence as the source files give it."""

    # Name of the corpus.
    corpus: str
    # Identifier in the source files.
    source_id: str
    # The sentence.
    text: str
    # Mean rating in the file of ground truth.
    mean: float
    # The single ratings, from -4 to 4.
    ratings: tuple[int, ...]


def build_rows(sdist: Path) -> list[Row]:
    """Derive the table from the source distribution."""
    digest = hashlib.sha256(sdist.read_bytes()).hexdigest()
    if digest != SDIST_SHA256:
        raise ValueError(
            f"{sdist} has the SHA-256 checksum {digest}, and vaderSentiment-3.3.2.tar.gz has {SDIST_SHA256}. "
            "Get it with: pip download --no-deps --no-binary :all: vaderSentiment==3.3.2"
        )
    with tempfile.TemporaryDirectory() as folder:
        _extract(sdist, Path(folder))
        root = Path(folder) / _ROOT
        _extract(root / "additional_resources" / f"{_ARCHIVE}.tar.gz", Path(folder))
        vader = _load_module(root / "vaderSentiment" / "vaderSentiment.py")
        sentences = [s for corpus in CORPORA for s in _read_corpus(Path(folder) / _ARCHIVE, corpus)]
        rows = _describe(sentences, vader)
    _check_rows(rows)
    return rows


def write_rows(rows: Sequence[Row], path: Path) -> None:
    """Write the table as compressed CSV, with the same bytes on every run."""
    path.write_bytes(gzip.compress(rows_to_csv(rows).encode(), compresslevel=9, mtime=0))


def rows_to_csv(rows: Sequence[Row]) -> str:
    """Format the table as CSV."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the command line, make the table, write it."""
    parser = argparse.ArgumentParser(prog="python -m validstats.datasets.make_sentiment", description=__doc__)
    parser.add_argument("sdist", type=Path, help="path of vaderSentiment-3.3.2.tar.gz")
    parser.add_argument(
        "--output",
        type=Path,
        default=Path(__file__).parent / "data" / "sentiment.csv.gz",
        help="file to write",
    )
    options = parser.parse_args(arguments)
    rows = build_rows(options.sdist)
    write_rows(rows, options.output)
    print(f"Wrote {len(rows)} rows and {len(COLUMNS)} columns to {options.output}.")
    return 0


def _extract(archive: Path, folder: Path) -> None:
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")


def _load_module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("vader_sentiment_source", path)
    if spec is None or spec.loader is None:
        raise ValueError(f"{path} is not a Python module.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _read_corpus(folder: Path, corpus: str) -> Iterator[Sentence]:
    stem, count = CORPORA[corpus]
    truth = {key: rest for key, *rest in _read_lines(folder / f"{stem}_GroundTruth.txt")}
    ratings = {key: rest for key, *rest in _read_lines(folder / f"{stem}_anonDataRatings.txt")}
    if len(truth) != count or set(truth) != set(ratings):
        raise ValueError(f"The files of {corpus} should both hold the same {count} sentences.")
    for key, (mean, text) in truth.items():
        yield Sentence(corpus, key, text, float(mean), tuple(ast.literal_eval(ratings[key][2])))


def _read_lines(path: Path) -> Iterator[list[str]]:
    for line in path.read_text(encoding="utf-8-sig").splitlines():
        yield line.split("\t")


def _describe(sentences: Sequence[Sentence], vader: ModuleType) -> list[Row]:
    analyzer = vader.SentimentIntensityAnalyzer()
    lexicon = Lexicon(analyzer.lexicon, frozenset(vader.NEGATE), frozenset(vader.BOOSTER_DICT))
    documents: dict[tuple[str, str], int] = {}
    seen: set[tuple[str, str]] = set()
    rows = []
    for sentence in sentences:
        name, position = _locate(sentence)
        document = documents.setdefault((sentence.corpus, name), len(documents))
        repeat = (sentence.corpus, sentence.text) in seen
        seen.add((sentence.corpus, sentence.text))
        tokens = vader.SentiText(sentence.text).words_and_emoticons
        rows.append(
            {
                "corpus": sentence.corpus,
                "source_id": sentence.source_id,
                "document": document,
                "sentence": position,
                "is_repeat": int(repeat),
                **_rating_columns(sentence),
                **{f"vader_{k}": v for k, v in analyzer.polarity_scores(sentence.text).items()},
                **text_features(sentence.text, tokens, lexicon),
            }
        )
    return rows


def _locate(sentence: Sentence) -> tuple[str, int]:
    """Split an identifier into document and position; a plain number is a document of one sentence."""
    document, _, position = sentence.source_id.partition("_")
    return document, int(position or 1)


def _rating_columns(sentence: Sentence) -> Row:
    ratings = sentence.ratings
    mean = sum(ratings) / len(ratings)
    variance = sum((rating - mean) ** 2 for rating in ratings) / len(ratings)
    return {
        "human_mean": round(sentence.mean, 6),
        "human_sd": round(variance**0.5, 6),
        "n_raters": len(ratings),
        "rating_conflict": int(abs(mean - sentence.mean) > _MEAN_TOLERANCE),
    }


def _check_rows(rows: Sequence[Row]) -> None:
    for corpus, (_, count) in CORPORA.items():
        found = sum(row["corpus"] == corpus for row in rows)
        if found != count:
            raise ValueError(f"The corpus {corpus} has {found} rows instead of {count}.")
    for row in rows:
        missing = [name for name in COLUMNS if row[name] is None or row[name] != row[name]]
        if missing or len(row) != len(COLUMNS) or not -4 <= row["human_mean"] <= 4:
            raise ValueError(
                f"Row {row['corpus']} {row['source_id']} is not as documented; missing: {missing}."
            )


if __name__ == "__main__":
    sys.exit(main())
