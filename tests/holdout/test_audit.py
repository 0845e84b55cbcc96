"""Past looks: prices of what is known about them, and statements that hold where a plain interval fails."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pytest

from validstats.holdout import audit_looks, log_description, read_scores
from validstats.holdout.audit import estimate_drift, log_record, log_rises
from validstats.holdout.widths import cell_interval, clopper_pearson, log_near_code, rounded_counts


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
        ({"description_bits": -1}, "description_bits must"),
        ({"description_bits": math.inf}, "description_bits must"),
        ({"description_bits": math.nan}, "description_bits must"),
        ({"candidates": 0}, "candidates must"),
        ({"candidates": 3, "confidence_level": 2}, "confidence_level must"),
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
    with pytest.raises(ValueError, match="No share of n=1000 rows"):
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


def test_every_row_of_an_audit_is_the_one_computed_by_hand() -> None:
    """Five things are known, so that each has a fifth of the level, divided by exp(nats)."""
    shown = [0.81, 0.84, 0.8, 0.85]
    audit = audit_looks(
        400, 0.85, decimals=2, looks=6, scores=shown, rises=2, best_shown=True, description_bits=3, candidates=7,
        confidence_level=0.9,
    )  # fmt: skip
    rises = math.log(math.comb(6, 2)) + math.log(7) + 2 * math.log(101)
    nats = {
        "at most 6 looks, rounded to 2 decimals": 6 * math.log(101),
        "the list of all 4 scores in order": -log_record([81, 84, 80, 85], 101.0),
        "the best score so far was shown, 2 rises in 6 looks": rises,
        "a description of 3 bits reproduces the model": 3 * math.log(2),
        "the model is one of 7 fixed beforehand": math.log(7),
    }
    low, high = rounded_counts(0.85, 2, 400, truncated=False)
    assert (low, high) == (338, 342)
    assert {row.known: row.nats for row in audit.rows} == pytest.approx(nats)
    for row in audit.rows:
        assert (row.low, row.high) == pytest.approx(
            cell_interval(low, high, 400, math.log(0.02) - nats[row.known])
        )
        assert row.half_width == pytest.approx((row.high - row.low) / 2)
    widths = [row.half_width for row in audit.rows]
    assert widths == sorted(widths) and audit.terms == [row.known for row in audit.rows]
    best = audit.best
    assert best.known.startswith("the model is one of 7") and best.nats == pytest.approx(math.log(7))
    assert (audit.estimate, audit.conf_low, audit.conf_high) == (0.85, best.low, best.high)
    assert audit.single_look == cell_interval(low, high, 400, math.log(0.1)) == tuple(audit.naive)
    assert (audit.looks, audit.n, audit.drift, audit.informative) == (6, 400, None, True)
    assert audit.mass == pytest.approx(1 / 14)
    assert audit.glance().iloc[0].to_dict() == {
        "n": 400, "looks": 6, "score": 0.85, "conf_low": best.low, "conf_high": best.high, "confidence_level": 0.9,
        "mass": audit.mass, "drift": None,
    }  # fmt: skip
    tidy = audit.tidy()
    assert tidy["half_width"].tolist() == widths and tidy["estimate"].tolist() == [0.85] * 5
    assert audit.answer.startswith("After 6 looks at 400 rows a score of 0.85 stands for 85.0 % (")


def test_what_an_audit_says_where_little_is_known() -> None:
    unknown = audit_looks(1000, 0.85, candidates=3)
    assert unknown.looks == 0 and unknown.answer.startswith("On 1,000 used rows a score of 0.85 stands for")
    hopeless = audit_looks(3, 0.33, decimals=2, looks=1000)
    assert (hopeless.conf_low, hopeless.conf_high, hopeless.informative) == (0.0, 1.0, False)
    at_end = audit_looks(50, 1.0, looks=1)
    assert at_end.conf_high == 1.0 and at_end.informative
    assert audit_looks(50, 0.0, looks=1).informative
    # scores are cut off and not rounded
    cut = audit_looks(1000, 0.85, decimals=2, looks=1, truncated=True)
    assert cut.single_look == cell_interval(
        *rounded_counts(0.85, 2, 1000, truncated=True), 1000, math.log(0.05)
    )
    # four decimals where nothing is said
    assert audit_looks(100_000, 0.85, looks=3).rows[0].nats == pytest.approx(3 * math.log(10_001))
    # as many looks as scores may be said, and decimals from none to fifteen
    assert audit_looks(1000, 0.85, scores=[0.85, 0.8], looks=2).looks == 2
    assert audit_looks(10, 1.0, decimals=0, looks=1).rows[0].nats == pytest.approx(math.log(2))
    assert audit_looks(10, 0.5, decimals=15, looks=1).rows[0].nats == pytest.approx(math.log(11))
    for decimals in (-1, 16):
        with pytest.raises(ValueError, match="decimals"):
            audit_looks(10, 0.5, decimals=decimals, looks=1)
    assert audit_looks(10, 0.5, description_bits=0).rows[0].nats == 0.0
    rises = audit_looks(1000, 0.85, looks=5, rises=5)
    assert sorted(row.nats for row in rises.rows) == pytest.approx([math.log(6), 5 * math.log(1001)])


def test_the_record_code_looks_at_the_best_and_the_last() -> None:
    steps = [(9, (5, 5)), (3, (9, 9)), (4, (9, 3)), (9, (9, 4))]
    expected = -math.log(50.0) + sum(log_near_code(unit, near, 50.0) for unit, near in steps)
    assert log_record([5, 9, 3, 4, 9], 50.0) == pytest.approx(expected)


def test_counts_and_decimals_as_units_of_a_record() -> None:
    """With a hundred rows two decimals are counts and units alike, and three decimals are finer than counts."""
    for decimals in (2, 3):
        record = audit_looks(100, 0.5, decimals=decimals, scores=[0.5, 0.53]).rows
        [nats] = [row.nats for row in record if "list of all" in row.known]
        assert nats == pytest.approx(-log_record([50, 53], 101.0))
    # of 150 rows 100 are .667, and .663 is none of them
    assert audit_looks(150, 0.667, decimals=3, scores=[0.667]).looks == 1
    with pytest.raises(ValueError, match=r"No share of n=150 rows is shown as 0\.663"):
        audit_looks(150, 0.667, decimals=3, scores=[0.667, 0.663])
    with pytest.raises(ValueError, match=r"scores has 0\.6665, which is not rounded to decimals=3"):
        audit_looks(150, 0.667, decimals=3, scores=[0.667, 0.6665])
    for outside in (-0.01, 1.01):
        with pytest.raises(ValueError, match="scores must be"):
            audit_looks(100, 0.5, decimals=2, scores=[0.5, outside])


def test_lengths_of_descriptions_in_bits() -> None:
    """Eight a byte, and 1, 4, 4, 5, 9 for the lengths 0, 1, 2, 3 and 15 by Elias' code of one more."""
    for text, bits in (("", 1), ("x", 12), ("xy", 20), ("\u00e9", 20), (b"abc", 29), ("x" * 15, 129)):
        assert log_description(text) == pytest.approx(-bits * math.log(2))


def test_the_drift_is_that_of_a_slow_loop() -> None:
    results = np.random.default_rng(1).random((3, 7)) < 0.5
    order = np.random.default_rng(7)
    total = 0.0
    for _ in range(5):
        rows = order.permutation(7)
        here, there = rows[:3], rows[3:]
        means = [float(np.mean([results[k, i] for i in here])) for k in range(3)]
        winner = means.index(max(means))  # the first of the best
        total += means[winner] - float(np.mean([results[winner, i] for i in there]))
    assert estimate_drift(results, halves=5) == pytest.approx(total / 5 / 2**0.5)
    assert estimate_drift(np.eye(2), halves=1) == pytest.approx(1 / 2**0.5)
    for shape in ((1, 5), (5, 1)):
        with pytest.raises(ValueError, match=r"results must have shape \(models, rows\), got"):
            estimate_drift(np.ones(shape))
    assert audit_looks(7, 0.57, decimals=2, looks=3, results=results).drift == estimate_drift(results)


def test_scores_are_counts_where_decimals_tell_more_than_rows_do() -> None:
    """There are 10^d + 1 numbers of d decimals, and n + 1 counts: the fewer are coded."""
    for n, decimals, scores, units, values in (
        (150, 2, [0.5, 0.51], [50, 51], 101.0),
        (100, 2, [0.5, 0.51], [50, 51], 101.0),
        (99, 2, [0.51, 0.52], [50, 51], 100.0),
        (12, 2, [0.5, 0.58], [6, 7], 13.0),
        (1, 0, [0.0, 1.0], [0, 1], 2.0),
    ):
        audit = audit_looks(n, scores[1], decimals=decimals, scores=scores)
        record = next(row for row in audit.rows if "list of all" in row.known)
        assert record.nats == pytest.approx(-log_record(units, values))
    unround = "which is not rounded to decimals=2"
    for score, message in (
        (0.51 + 3e-8, unround),
        (0.505, unround),
        (1.01, "scores must"),
        (-0.01, "scores must"),
    ):
        with pytest.raises(ValueError, match=message):
            audit_looks(150, 0.5, decimals=2, scores=[0.5, score])
    with pytest.raises(ValueError, match=r"No share of n=12 rows is shown as 0\.55"):
        audit_looks(12, 0.5, decimals=2, scores=[0.5, 0.55])
    # many decimals may be off by what a float can hold, a hundred-thousandth of the tenth and not half as much again
    with pytest.raises(ValueError, match="which is not rounded to decimals=10"):
        audit_looks(10, 0.5, decimals=10, scores=[0.5, 0.5 + 1.25e-15])
    assert audit_looks(10, 0.5, decimals=10, scores=[0.5, 0.5 + 5.55e-16]).looks == 2
    third = audit_looks(
        3, 0.333333333333333, decimals=15, scores=[0.333333333333333, 0.666666666666667 - 2e-16]
    )
    assert next(row for row in third.rows if "list of all" in row.known).nats == pytest.approx(
        -log_record([1, 2], 4.0)
    )


def test_the_figure_of_an_audit_has_a_line_for_each_way() -> None:
    import matplotlib.pyplot as plt

    audit = audit_looks(400, 0.85, decimals=2, looks=6, candidates=7)
    for drop in ([], audit.terms[:1]):
        labels = [tick.get_text() for tick in audit.plot(drop=drop).ax_.get_yticklabels()]
        assert sorted(label for label in labels if label in audit.terms) == sorted(audit.terms[len(drop) :])
        plt.close("all")


def test_drift_is_replayed_on_halves_of_the_rows() -> None:
    """By hand: on each half the first of the best wins, and the other half says what it is worth."""
    results = (np.random.default_rng(6).random((5, 31)) < 0.6).astype(float)
    generator, differences = np.random.default_rng(31), []
    for _ in range(7):
        order = generator.permutation(31)
        here, there = results[:, order[:15]], results[:, order[15:]]
        winner = max(range(5), key=lambda k: (here[k].mean(), -k))
        differences.append(here[winner].mean() - there[winner].mean())
    assert estimate_drift(results, halves=7) == pytest.approx(np.mean(differences) / math.sqrt(2))
    assert audit_looks(31, 0.6129, looks=5, results=results).drift == estimate_drift(results, halves=200)
    assert estimate_drift(np.ones((2, 2)), halves=1) == 0.0
    for shape in ((1, 9), (9, 1)):
        with pytest.raises(ValueError, match=r"results must have shape \(models, rows\), got"):
            estimate_drift(np.ones(shape))


def test_scores_that_are_cut_off_are_the_counts_below_which_they_begin() -> None:
    """Of 150 rows one is .00667: .007 where it is rounded, and .006 where it is cut off; the other is no share."""
    for truncated, shown, other in ((False, 0.007, 0.006), (True, 0.006, 0.007)):
        audit = audit_looks(150, shown, decimals=3, scores=[0.02, shown], truncated=truncated)
        record = next(row for row in audit.rows if "list of all" in row.known)
        assert record.nats == pytest.approx(-log_record([3, 1], 151.0))
        with pytest.raises(ValueError, match=rf"No share of n=150 rows is shown as {other}"):
            audit_looks(150, shown, decimals=3, scores=[other, shown], truncated=truncated)


def test_a_source_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("score\n0.5\n")
    with pytest.raises(ValueError, match="source must be one of"):
        read_scores(tmp_path / "a.csv", source="csv")  # type: ignore[arg-type]
