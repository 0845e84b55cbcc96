"""Past looks: prices of what is known about them, and statements that hold where a plain interval fails."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pytest

from validstats.holdout import audit_looks, log_description, read_scores
from validstats.holdout.audit import estimate_drift, log_record, log_rises
from validstats.holdout.widths import clopper_pearson


def test_widths_of_the_method() -> None:
    by_number = audit_looks(10_000, 0.85, decimals=2, looks=40)
    assert by_number.best.half_width == pytest.approx(0.073, abs=1e-3)
    honest = np.round(np.random.default_rng(0).binomial(10_000, 0.85, 40) / 10_000, 2)
    by_record = audit_looks(10_000, float(honest.max()), decimals=2, scores=honest.tolist())
    record = next(row for row in by_record.rows if "list of all" in row.known)
    assert record.half_width == pytest.approx(0.046, abs=5e-3)
    rises = int((np.diff(np.maximum.accumulate(honest)) > 0).sum())
    by_rises = audit_looks(10_000, float(honest.max()), decimals=2, looks=40, rises=rises)
    assert by_rises.best.half_width == pytest.approx(0.020, abs=2e-3)


@pytest.mark.parametrize("length", [1, 2, 4])
def test_the_record_code_adds_up_to_at_most_one(length: int) -> None:
    total = sum(math.exp(log_record(units, 11.0)) for units in itertools.product(range(11), repeat=length))
    assert total <= 1.0 + 1e-12
    assert total > 0.2


def test_the_rises_have_a_code() -> None:
    assert sum(math.comb(9, r) * math.exp(log_rises(9, r)) for r in range(10)) == pytest.approx(1.0)
    assert log_rises(9, 3, 2) == pytest.approx(log_rises(9, 3) - 3 * math.log(101))


def test_descriptions_have_a_prefix_free_length() -> None:
    # all texts of n bytes have probability 256^n 2^(-8 n - delta(n + 1)); Elias' lengths add up to at most 1
    total = sum(math.exp(log_description(b"x" * n) + 8 * n * math.log(2)) for n in range(2000))
    assert 0.5 < total <= 1.0


def test_prices_of_what_is_known() -> None:
    audit = audit_looks(1000, 0.85, looks=3, description_bits=10, candidates=50)
    nats = {row.known.split()[0]: row.nats for row in audit.rows}
    assert nats["at"] == pytest.approx(3 * math.log(1001))  # n + 1 counts are fewer than 10^4 + 1 numbers
    assert nats["a"] == pytest.approx(10 * math.log(2))
    assert nats["the"] == pytest.approx(math.log(50))
    assert audit.mass == pytest.approx(0.5 * math.exp(-audit.best.nats))


def test_several_rows_share_the_level() -> None:
    alone = audit_looks(1000, 0.85, candidates=50)
    both = audit_looks(1000, 0.85, candidates=50, looks=5)
    same = next(row for row in both.rows if row.nats == alone.best.nats)
    assert same.half_width > alone.best.half_width


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "Nothing is said"),
        ({"rises": 3}, "number of looks"),
        ({"scores": [0.5, 0.7]}, "not among the scores"),
        ({"scores": [0.8512345, 0.85]}, "not rounded to decimals=4"),
        ({"scores": [0.85, 0.85], "looks": 1}, "less than the 2 scores"),
        ({"looks": 4, "rises": 5}, "rises"),
        ({"looks": 0}, "looks"),
    ],
)
def test_what_does_not_fit_together_is_refused(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        audit_looks(1000, 0.85, **options)


def test_every_row_names_its_assumption() -> None:
    text = (
        audit_looks(1000, 0.85, decimals=2, scores=[0.8, 0.85], rises=2, candidates=9)
        .summary(details=True)
        .as_text()
    )
    assert text.count("holds if") == 4
    assert "list is complete" in text and "nobody saw the numbers" in text


def _climb(rng: np.random.Generator, n: int, decimals: int) -> tuple[list[float], float]:
    """Sign aggregation: each look tries random labels, the winner takes the sign of its score; the truth is 1/2."""
    labels = rng.integers(0, 2, n)
    votes, shown = np.zeros(n), []
    for _ in range(n - 1):
        guess = rng.integers(0, 2, n)
        score = round(float((guess == labels).mean()), decimals)
        shown.append(score)
        votes += (2 * guess - 1) * (1 if score >= 0.5 else -1)
    final = round(float(((votes > 0) == labels).mean()), decimals)
    return [*shown, final], final


def test_the_record_holds_under_sign_aggregation_where_a_plain_interval_fails() -> None:
    missed = plain = 0
    for seed in range(20):
        scores, final = _climb(np.random.default_rng(seed), 200, 3)
        audit = audit_looks(200, final, decimals=3, scores=scores)
        missed += not all(row.low <= 0.5 <= row.high for row in audit.rows)
        low, high = clopper_pearson(round(final * 200), 200, math.log(0.05))
        plain += not low <= 0.5 <= high
    assert missed == 0
    assert plain == 20


def test_the_drift_is_an_estimate_of_the_optimism_of_independent_models() -> None:
    drifts, truths = [], []
    for seed in range(30):
        right = np.random.default_rng(seed).random((50, 500)) < 0.6
        drifts.append(estimate_drift(right, halves=40))
        truths.append(right.mean(axis=1).max() - 0.6)
    assert np.mean(drifts) == pytest.approx(np.mean(truths), rel=0.25)
    text = audit_looks(500, 0.65, looks=50, results=right).summary().as_text()
    assert "estimate, no guarantee" in " ".join(text.split())
    with pytest.raises(ValueError, match="shape"):
        estimate_drift(np.ones(5))


def test_prices_of_codes_by_hand() -> None:
    assert -log_record([85, 85, 86], 101.0) == pytest.approx(7.99, abs=5e-3)
    assert -log_rises(40, 6) == pytest.approx(math.log(math.comb(40, 6) * 41))


def test_scores_with_more_decimals_than_rows_are_counts() -> None:
    counts = [850, 853, 851, 860]
    exact = audit_looks(1000, 0.86, decimals=9, scores=[x / 1000 for x in counts])
    record = next(row for row in exact.rows if "list of all" in row.known)
    assert record.nats == pytest.approx(-log_record(counts, 1001.0))
    with pytest.raises(ValueError, match="no share of n=1000 rows"):
        audit_looks(1000, 0.86, decimals=9, scores=[0.8504, 0.86])


RUNS = """run_id,start_time,status,metrics.accuracy
b,2024-05-02 10:00,FINISHED,0.8712
a,2024-05-01 10:00,FINISHED,0.85
c,2024-05-03 10:00,FAILED,
"""
PAGE = "Start Time,Duration,Run ID,accuracy\n2024-05-02 10:00:00,3s,b,0.8712\n2024-05-01 10:00:00,3s,a,0.85\n"
LOG = """commit 9f8e7d6aa
Author: Ana <ana@example.org>

    Wider net: accuracy 0.8712, inaccuracy 0.1

commit 1a2b3c4bb

    Fix a typo

commit 5d6e7f8cc

    Baseline, accuracy: 85 %
"""


@pytest.mark.parametrize(
    ("name", "text", "source", "skipped", "decimals"),
    [
        ("runs.csv", RUNS, "mlflow", 1, 4),
        ("page.csv", PAGE, "mlflow", 0, 4),
        ("log.txt", LOG, "git-log", 1, 4),
        ("short.txt", "9f8e7d6 accuracy=0.8712\n5d6e7f8 accuracy is 85.00%\n", "git-log", 0, 4),
        ("scores.csv", "accuracy\n0.85\n0.8712\n", "table", 0, 4),
    ],
)
def test_scores_are_read_from_what_is_kept(
    tmp_path: Path, name: str, text: str, source: str, skipped: int, decimals: int
) -> None:
    (tmp_path / name).write_text(text)
    found = read_scores(tmp_path / name, "accuracy")
    assert found.scores == (0.85, 0.8712)
    assert (found.source, found.skipped, found.decimals) == (source, skipped, decimals)
    assert audit_looks(10_000, 0.8712, decimals=4, scores=found.scores).looks == 2


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "loss\n0.1\n", "has no column 'accuracy'; it has 'loss'"),
        ("a.csv", "accuracy\n85.3\n", "shares between 0 and 1"),
        ("a.csv", "accuracy\nhigh\n", "must be numbers"),
        ("a.txt", "9f8e7d6 Nothing measured\n", "no score named 'accuracy'"),
    ],
)
def test_files_without_scores_say_so(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=message):
        read_scores(tmp_path / name, "accuracy")
    (tmp_path / "b.csv").write_text("accuracy\n0.5\n")
    with pytest.raises(ValueError, match="order of its runs is not known"):
        read_scores(tmp_path / "b.csv", "accuracy", "mlflow")


def test_a_log_is_told_from_its_first_line_and_a_table_by_its_columns(tmp_path: Path) -> None:
    """Hashes have 7 to 64 digits; a table asked for by name keeps its order, whatever its columns are."""

    def read(text: str, source: str = "auto", name: str = "file.txt"):
        (tmp_path / name).write_text(text)
        return read_scores(tmp_path / name, "accuracy", source)

    newest_first = "{0} accuracy 0.9\n{0} accuracy 0.25\n"
    for digits in (7, 40, 64):
        found = read(newest_first.format("a" * digits))
        assert (found.scores, found.source) == ((0.25, 0.9), "git-log")
    table = read("accuracy\n0.9\n0.25\n", name="file.csv")
    assert (table.scores, table.source, table.decimals) == ((0.9, 0.25), "table", 2)
    as_table = read(RUNS.replace("metrics.accuracy", "accuracy"), "table", "runs.csv")
    assert (as_table.scores, as_table.source, as_table.skipped) == ((0.8712, 0.85), "table", 1)
    as_runs = read(RUNS, "mlflow", "runs.csv")
    assert (as_runs.scores, as_runs.source, as_runs.skipped) == ((0.85, 0.8712), "mlflow", 1)
    # the column of the very name comes before that of MLflow's
    both = read("metrics.accuracy,accuracy\n0.1,0.2\n", name="both.csv")
    assert both.scores == (0.2,)
    no_commit = read("accuracy 0.5\naccuracy is 0.75\n", "git-log")
    assert no_commit.scores == (0.5, 0.75) and no_commit.skipped == 0
    # a file whose name says that it is packed is never read as text
    with pytest.raises(ValueError):
        read(newest_first.format("a" * 7), name="file.parquet")


@pytest.mark.parametrize(
    ("written", "value", "decimals"),
    [
        ("85 %", 0.85, 2),
        ("85.30%", 0.853, 4),
        ("5 %", 0.05, 2),
        (".5 %", 0.005, 3),
        ("100%", 1.0, 2),
        ("0%", 0.0, 2),
        ("1", 1.0, 0),
        ("0.0", 0.0, 1),
        (".25", 0.25, 2),
        ("0." + "1" * 17, 0.11111111111111111, 15),
    ],
)
def test_shares_are_read_as_they_are_written(
    tmp_path: Path, written: str, value: float, decimals: int
) -> None:
    file = tmp_path / "log.txt"
    file.write_text(f"5d6e7f8 Accuracy to {written}\n")
    found = read_scores(file, "accuracy")
    assert (found.scores, found.decimals, found.skipped) == ((value,), decimals, 0)


def test_cells_without_a_score_are_counted_and_numbers_are_read_without_zeros(tmp_path: Path) -> None:
    file = tmp_path / "scores.csv"
    file.write_text("accuracy,note\n0.5,a\n,b\n0.125,c\n,d\n")
    found = read_scores(file, "accuracy")
    assert (found.scores, found.decimals, found.skipped) == ((0.5, 0.125), 3, 2)
    for bad, ends in (("-0.01", "-0.01 to 0.5"), ("1.01", "0.5 to 1.01")):
        file.write_text(f"accuracy\n0.5\n{bad}\n")
        with pytest.raises(ValueError, match=f"Scores must be shares between 0 and 1, .* goes from {ends}"):
            read_scores(file, "accuracy")
