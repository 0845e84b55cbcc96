"""Findings, refusals and files of evaluations at their limits: one side is said, the other is not."""

from __future__ import annotations

import io
import json
import math
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from validstats import evals
from validstats.evals import BattlesNotIdentifiedError, EvalFileError
from validstats.evals import sentences as words
from validstats.evals.doctor import _rank_p_value, _runs_p_value, _sample_p_value, check_skewness
from validstats.evals.inputs import load
from validstats.evals.readers import codes_of, limits, verdict_codes
from validstats.evals.readers import values as score_values
from validstats.evals.readers.limits import Zip

DATA = Path(__file__).parent / "data"


def findings(data, **roles):
    """Code -> sentences."""
    found: dict[str, list[str]] = {}
    for check in evals.doctor(data, **roles).checks:
        found.setdefault(check.code, []).append(f"{check.severity}: {check.sentence}")
    return found


def judged(n=200, labels=60, wrong=12, seed=0):
    """A judge of two verdicts with so many errors among the labels, which are a random sample."""
    rng = np.random.default_rng(seed)
    judge = (np.arange(n) % 5 > 1).astype(float)
    human = np.full(n, np.nan)
    drawn = rng.permutation(n)[:labels]
    human[drawn] = judge[drawn]
    human[drawn[:wrong]] = 1 - judge[drawn[:wrong]]
    return {"item": [f"q{k}" for k in range(n)], "judge": judge, "human": human}


@pytest.mark.parametrize(
    ("wrong", "said"), [(10, None), (9, "warning: Humans and judge disagree on 9 of 60 labelled rows only.")]
)
def test_fewer_than_ten_disagreements_are_few(wrong, said) -> None:
    found = findings(judged(wrong=wrong))
    assert found.get("few-disagreements") == (None if said is None else [said])
    assert found["labels-random"] == [
        "note: Nothing was found that speaks against a random sample of labels."
    ]


@pytest.mark.parametrize(("labels", "code"), [(30, "copied-labels"), (29, "few-disagreements")])
def test_thirty_labels_without_an_error_are_worth_a_note(labels, code) -> None:
    found = findings(judged(labels=labels, wrong=0))
    assert set(found) & {"copied-labels", "few-disagreements"} == {code}
    if labels == 30:
        assert found[code][0].startswith("note: Humans and judge agree on all 30 labelled rows.")
    column = judged(labels=labels)
    column["acc"] = np.where(np.isnan(column["human"]), 0.0, column["human"])
    found = findings(column, human="human", judge="judge")
    said = "warning: 'acc' equals the human labels on all 30 labelled rows and is known elsewhere"
    assert any(each.startswith(said) for each in found.get("copied-labels", [])) == (labels == 30)
    for change in ("unknown elsewhere", "other"):
        values = np.where(np.isnan(column["human"]), np.nan, column["human"])
        if change == "other":
            values = np.where(np.isnan(values), 0.0, values)
            values[np.flatnonzero(~np.isnan(column["human"]))[0]] += 0.5
        column["acc"] = values
        assert "copied-labels" not in findings(column, human="human", judge="judge")


@pytest.mark.parametrize("events", [9, 10, 1, 0])
def test_events_of_the_rarer_kind_are_counted(events) -> None:
    data = judged(wrong=0)
    drawn = np.flatnonzero(~np.isnan(data["human"]))
    for common in (0.0, 1.0):
        human = np.full(200, np.nan)
        human[drawn] = common
        human[drawn[:events]] = 1 - common
        found = findings({**data, "human": human}).get("few-events")
        if events == 10:
            assert found is None
        else:
            verb = "is" if events == 1 else "are"
            assert found == [
                f"warning: Of 60 human labels {events} {verb} of the rarer kind; the interval is set by what was not seen."
            ]


def test_scores_between_0_and_1_have_no_events_and_numbers_no_disagreements() -> None:
    data = judged(wrong=0)
    half = np.where(data["human"] == 0, 0.5, data["human"])
    assert "few-events" not in findings({**data, "human": half})
    assert "few-disagreements" not in findings({**data, "human": half})
    numbers = np.where(np.isnan(data["human"]), np.nan, np.arange(200) / 7)
    found = findings({**data, "human": numbers})
    assert not {"few-events", "few-disagreements", "copied-labels"} & set(found)
    few = {**data, "human": np.where(np.isnan(data["human"]), np.nan, 1.0 * (np.arange(200) == 0))}
    many = np.arange(200) % 21
    assert "few-events" not in findings({**few, "judge": many / 20})
    assert "few-events" in findings({**few, "judge": many % 20 / 20})
    kinds = {
        **data,
        "judge": np.arange(200) % 20,
        "human": np.where(np.isnan(data["human"]), np.nan, np.arange(200) % 2),
    }
    assert "copied-labels" not in findings(kinds)


def test_a_judge_without_labels_or_with_one_verdict_corrects_nothing() -> None:
    data = judged()
    none = findings({**data, "human": np.full(200, np.nan)}, human="human", judge="judge")
    assert none["no-labels"] == ["error: No row carries a human label, so the judge cannot be corrected."]
    constant = findings({**data, "judge": np.ones(200)})
    assert constant["constant-judge"] == [
        "error: The judge says '1' everywhere, so it tells nothing; use the 60 human labels alone."
    ]
    both = findings({**data, "second": np.zeros(200)}, judge=["judge", "second"], human="human")
    assert both["constant-judge"] == [
        "error: Judge 'second': The judge says '0' everywhere, so it tells nothing; leave it out."
    ]
    silent = findings({**data, "judge": np.where(np.arange(200) % 2, 1.0, np.nan)})
    assert "constant-judge" in silent
    report = evals.doctor({**data, "judge": np.ones(200)})
    assert "1 finding is in the way of an answer." in str(report.summary())
    assert "Nothing was found that is in the way of an answer" in str(evals.doctor(data).summary())
    two = evals.doctor({**data, "judge": np.ones(200), "item": ["", *data["item"][1:]]})
    assert "2 findings are in the way of an answer." in str(two.summary())
    assert two.checks[0].sentence == (
        "1 row has no item in the column 'item' (first row 1), and would count as one item; name it, or remove this row."
    )
    assert [c.severity for c in two.checks] == sorted(
        (c.severity for c in two.checks), key=["error", "warning", "note"].index
    )


@pytest.mark.parametrize(("rows", "certain"), [(3, False), (40, True)])
def test_verdicts_without_a_label_are_noted_or_refused_by_their_chance(rows, certain) -> None:
    rng = np.random.default_rng(1)
    judge = np.where(np.arange(200) < rows, 0.5, (np.arange(200) % 2).astype(float))
    human = np.full(200, np.nan)
    human[rows + rng.permutation(200 - rows)[:60]] = rng.integers(0, 2, 60)
    [said] = findings({"item": range(200), "judge": judge, "human": human})["class-without-labels"]
    chance = stats.hypergeom.pmf(0, 200, rows, 60)
    assert (chance < 1e-3) == certain
    assert said.startswith(
        f"{'error' if certain else 'note'}: None of the {rows} rows that the judge called '0.5' has a human label"
    )
    for pi, severe in ((0.95, True), (0.05, False)):
        data = {"item": range(200), "judge": judge, "human": human, "pi": np.full(200, 0.3)}
        data["pi"][:rows] = pi
        said = findings(data, sampling_probability="pi").get("class-without-labels", [""])[0]
        assert said.startswith("error" if severe else "note")


def test_probabilities_must_lie_in_their_range_and_fit_the_labels() -> None:
    data = judged()
    for wrong, row in ((0.0, 4), (1.01, 7), (np.nan, 1)):
        pi = np.full(200, 0.3)
        pi[row - 1] = wrong
        [said] = findings({**data, "pi": pi}, sampling_probability="pi")["probabilities"]
        assert (
            said
            == f"error: Labelling probabilities must lie in (0, 1]; row {row} of 'pi' has {wrong:g} (1 rows)."
        )
        with pytest.raises(EvalFileError):
            evals.evaluate({**data, "pi": pi}, sampling_probability="pi")
    assert "probabilities" not in findings({**data, "pi": np.full(200, 0.3)}, sampling_probability="pi")
    # 60 labels lie 4 standard deviations from n p where (60 - 200 p)^2 = 16 x 200 p (1 - p)
    low, high = sorted(np.roots([200**2 + 16 * 200, -2 * 60 * 200 - 16 * 200, 3600.0]).real)
    for pi, fits in ((low * 1.001, True), (low * 0.999, False), (high * 0.999, True), (high * 1.001, False)):
        found = findings({**data, "pi": np.full(200, pi)}, sampling_probability="pi").get(
            "probabilities", [""]
        )[0]
        assert ("expected labels" in found) == (not fits)
        if not fits:
            assert found.startswith(
                f"error: The probabilities add to {200 * pi:.0f} expected labels and there are 60, which is 4 st"
            )
    pi = np.where(data["judge"] == 1, 0.6, 0.3)
    pi *= 60 / pi.sum()
    drawn = np.isnan(data["human"])
    weighted = np.sum((~drawn & (data["judge"] == 1)) / pi)
    found = findings({**data, "pi": pi}, sampling_probability="pi").get("probabilities", [])
    spread = math.sqrt(np.sum(((1 - pi) / pi)[data["judge"] == 1]))
    off = [abs(np.sum((~drawn & (data["judge"] == v)) / pi) - np.sum(data["judge"] == v)) for v in (1, 0)]
    assert bool(found) == (off[0] > 4 * spread) or off[1] > 0
    half = np.where(data["judge"] == 1, 0.12, 0.57)
    [said] = findings({**data, "pi": half}, sampling_probability="pi")["probabilities"]
    weighted = np.sum((~drawn & (data["judge"] == 0)) / half), np.sum((~drawn & (data["judge"] == 1)) / half)
    assert f"stand for {weighted[0]:.0f} rows with verdict '0'; there are 80." in said or (
        f"stand for {weighted[1]:.0f} rows with verdict '1'; there are 120." in said
    )


def test_tests_of_a_random_sample_by_hand() -> None:
    known = np.array([1, 1, 0, 1, 0, 0, 0, 1, 0, 0], bool)
    total = np.array([1, 1, 1, 1, 0, 0, 0, 0, 0, 0.0])
    fisher = stats.fisher_exact([[3, 1], [1, 5]])[1]
    assert _sample_p_value(known, total, np.ones(10)) == pytest.approx(fisher)
    size = np.array([2, 3, 1, 4, 2, 2, 3, 1, 5, 2.0])
    residual = total - 4 / 25 * size
    sd = math.sqrt(4 * (1 - 4 / 10) * np.var(residual, ddof=1))
    assert _sample_p_value(known, total, size) == pytest.approx(
        2 * stats.norm.sf(abs(residual[known].sum()) / sd)
    )
    assert _sample_p_value(known, 0.5 * size, size) == 1.0
    for nothing in (np.zeros(10, bool), np.ones(10, bool)):
        assert _sample_p_value(nothing, total, size) == _rank_p_value(nothing) == 1.0
        assert _runs_p_value(np.tile(nothing, 3)) == 1.0
    ranks = np.flatnonzero(known) + 1
    expected = 2 * stats.norm.sf(abs(ranks.sum() - 4 * 11 / 2) / math.sqrt(4 * 6 * 11 / 12))
    assert _rank_p_value(known) == pytest.approx(expected)
    assert _runs_p_value(np.tile(known, 2)[:19]) == 1.0
    many = np.tile(known, 2)
    runs = 1 + int(np.sum(many[1:] != many[:-1]))
    mean = 1 + 2 * 8 * 12 / 20
    variance = 2 * 8 * 12 * (2 * 8 * 12 - 20) / (20**2 * 19)
    assert _runs_p_value(many) == pytest.approx(stats.norm.cdf((runs + 0.5 - mean) / math.sqrt(variance)))
    alternating = np.arange(40) % 2 == 0
    assert _runs_p_value(alternating) > 0.99 and _runs_p_value(np.sort(alternating)) < 1e-6


@pytest.mark.parametrize(
    ("human", "what"),
    [
        (
            lambda i, judge: np.where(
                (judge == 1) & (i % 2 == 0), 1.0, np.where((judge == 0) & (i % 10 == 0), 0.0, np.nan)
            ),
            "verdict '",
        ),
        (lambda i, judge: np.where((i < 100) & (i % 2 == 0), judge, np.nan), "the position in the file"),
        (lambda i, judge: np.where((i % 100 < 30), judge, np.nan), "runs of neighbouring rows"),
    ],
)
def test_labels_that_are_no_random_sample_are_said(human, what) -> None:
    i = np.arange(300)
    judge = (i % 7 % 2).astype(float)
    [said] = findings({"item": i, "judge": judge, "human": human(i, judge)})["labels-not-random"]
    assert said.startswith("warning: Labelled and other rows differ in ") and what in said
    assert "If they were drawn with known probabilities, give them." in said


def test_copies_conflicts_and_repeats() -> None:
    rows = pd.DataFrame({"item": list("aabbc"), "sample": [1, 1, 1, 2, 1], "score": [1, 1, 0, 1, 0]})
    found = findings(rows)
    assert found["duplicates"] == ["warning: 1 rows are exact copies of another row; the first is kept."]
    assert "conflicts" not in found and "repeats" not in found
    rows.loc[1, "score"] = 0
    found = findings(rows)
    assert found["conflicts"] == [
        "error: 1 answer has several rows with different scores, for example 'a / 1'; keep the right one."
    ]
    assert "duplicates" not in found
    more = pd.concat([rows, pd.DataFrame({"item": ["c", "a"], "sample": [1, 1], "score": [1, 1]})])
    found = findings(more)
    assert found["conflicts"][0].startswith("error: 2 answers have several rows")
    assert found["duplicates"] == ["warning: 1 rows are exact copies of another row; the first is kept."]
    plain = findings(rows.drop(columns="sample"))
    assert plain["repeats"][0].startswith("note: 2 rows repeat an item of the same system")
    assert "repeats" not in findings(rows.drop_duplicates("item").drop(columns="sample"))
    missing = rows.assign(score=[np.nan, np.nan, 0, 1, 0])
    assert "duplicates" in findings(missing)


def test_names_that_differ_in_blanks_and_items_that_are_not_shared() -> None:
    found = findings({"item": ["Ash", "ash ", "birch", "fir"], "score": [1, 0, 1, 1]})
    assert found["near-miss-names"] == [
        "warning: Items differ only in case or blanks: 'Ash' and 'ash '. They count as different."
    ]
    data = {"item": [1, 2, 3, 1, 2], "system": list("aaabb"), "score": [1, 0, 1, 0, 1]}
    assert findings(data)["items-not-shared"] == [
        "warning: Only 2 of 3 items were answered by all systems (b lacks 1)."
    ]
    assert "items-not-shared" not in findings({k: v[:2] + v[3:] for k, v in data.items()})
    assert evals.doctor(data).commands[0][1] == "validstats compare FILE --a a --b b --unpaired-ok"


def test_examples_are_a_few() -> None:
    """Of four, nine and seven names that are found, three, eight and five are shown."""
    names = [n for k in "abcd" for n in (k, k.upper())]
    [said] = findings({"item": names, "score": [1, 0] * 4})["near-miss-names"]
    assert "'a' and 'A', 'b' and 'B', 'c' and 'C'. They" in said
    asked = {
        "item": list("ddccbbaa"),
        "system": ["x", "y"] * 4,
        "score": [1, 0] * 4,
        "question": list("12345678"),
    }
    [said] = findings(asked)["other-content"]
    assert said.startswith("error: 4 items have different") and "(for example 'a', 'b', 'c'): the" in said
    nine = {"item": range(9), "system": list("abcdefghi"), "score": [1, 0, 1] * 3}
    eight = ", ".join(map(repr, "abcdefgh"))
    assert "a, b, c, d, e, f, g, h\n" in evals.doctor(nine).summary().as_text()
    with pytest.raises(EvalFileError, match=rf"several systems: {eight}\. Pass"):
        evals.evaluate(nine)
    with pytest.raises(EvalFileError, match=rf"There are 9 systems \({eight}\); name two of them"):
        evals.compare(nine)
    data = {"item": [*range(20), *range(13)], "system": ["a"] * 20 + ["b"] * 13, "score": [1, 0, 1] * 11}
    found = evals.compare(data, unpaired="ok")
    [said] = [c.sentence for c in found.checks if c.code == "items-left-out"]
    assert said == "7 items were answered by one system only and are left out: 13, 14, 15, 16, 17."
    strata = np.repeat(np.arange(11), 20)
    human = np.where(strata < 2, np.arange(220) % 2, np.nan)
    with pytest.raises(EvalFileError) as error:
        load({"judge": [1, 0] * 110, "human": human, "s": strata}, strata="s")
    assert "some strata ('2', '3', '4', '5', '6', '7', '8', '9'), so nothing" in str(error.value)
    words = [f"u{k}" for k in range(1, 10)]
    with pytest.raises(EvalFileError) as error:
        evals.read({"item": range(10), "judge": ["w" * 41, *words]})
    assert f"{'w' * 40!r} (row 1), 'u1' (row 2)" in str(error.value)
    assert "'u7' (row 8). Known" in str(error.value)
    battles = {"model_a": ["p"] * 10, "model_b": ["q"] * 10, "winner": ["w" * 41, *words]}
    with pytest.raises(EvalFileError) as error:
        evals.rank(battles)
    assert f"{'w' * 40!r} (row 1), 'u1' (row 2)" in str(error.value) and "'u7' (row 8). Known" in str(
        error.value
    )
    seven = [f"{k}{i}" for k in "abcde" for i in range(7)]
    rows = {
        "model_a": [n for n in seven if n[1] != "0"],
        "model_b": [n[0] + "0" for n in seven if n[1] != "0"],
    }
    with pytest.raises(BattlesNotIdentifiedError) as error:
        evals.rank({**rows, "winner": ["model_a"] * 30})
    shown = "; ".join(", ".join(f"{k}{i}" for i in range(6)) for k in "abcd")
    assert f"fall into 5 groups that never met: {shown}. Rank" in str(error.value)


def test_rows_of_other_systems_are_not_looked_at() -> None:
    rows = {"item": ["x", "y", "", "y"], "system": list("aabb"), "score": [1, 0, 1, 1]}
    assert evals.evaluate(rows, system="a").estimate == 0.5
    with pytest.raises(EvalFileError, match="1 row has no item in the column 'item'"):
        evals.evaluate(rows, system="b")
    unnamed = {**rows, "item": list("xyxy"), "system": ["a", "a", "", "b"]}
    with pytest.raises(EvalFileError, match="1 row has no system in the column 'system'"):
        evals.evaluate(unnamed, system="a")


@pytest.mark.parametrize(("lacking", "option"), [(1, ""), (2, " --unpaired-ok")])
def test_a_tenth_of_the_items_needs_no_option(lacking, option) -> None:
    data = {"item": [*range(10), *range(10 - lacking)], "system": ["a"] * 10 + ["b"] * (10 - lacking)}
    data["score"] = [1, 0] * 5 + [1] * (10 - lacking)
    commands = dict(evals.doctor(data).commands)
    assert commands["Is one of them better?"] == f"validstats compare FILE --a a --b b{option}"
    assert commands["Which systems are best?"] == "validstats rank FILE"
    assert commands["How good is one of them?"] == "validstats eval FILE --system a"
    assert "How good is the system?" not in commands


def test_commands_carry_what_the_data_need() -> None:
    data = {
        "item": range(30),
        "passage": [f"p{k // 3}" for k in range(30)],
        "score": [1, 0, 1] * 10,
        "acc": [0.5, 1, 0] * 10,
    }
    report = evals.doctor(data)
    assert report.commands == (
        ("How good is the system?", "validstats eval FILE --score score --clusters passage"),
    )
    assert findings(data)["several-scorers"] == ["note: There are several scores: 'score', 'acc'; name one."]
    holes = {**data, "score": [None, *data["score"][1:]]}
    assert " --score acc " in evals.doctor(holes).commands[0][1]
    log = next(DATA.glob("lm_eval/*alpha*/samples*"))
    report = evals.doctor(log)
    assert (
        " --filter strict-match" in report.commands[0][1]
        or " --filter flexible-extract" in report.commands[0][1]
    )
    assert any(
        c.code == "several-filters" and "a row for each of 2 filters" in c.sentence for c in report.checks
    )
    one = evals.doctor(log, filter="strict-match")
    assert "--filter" not in one.commands[0][1] and "several-filters" not in {c.code for c in one.checks}
    three = {"item": [1, 2] * 3, "system": list("aabbcc"), "score": [1, 0] * 3}
    assert [q for q, _ in evals.doctor(three).commands] == [
        "Which systems are best?",
        "How good is one of them?",
    ]
    assert evals.doctor(DATA / "battles.csv").commands == (
        ("Which systems are best?", f"validstats rank {DATA / 'battles.csv'}"),
    )
    passk = DATA / "samples.jsonl_results.jsonl"
    assert evals.doctor(passk).commands == (
        ("How often does one of k tries succeed?", f"validstats passk {passk}"),
    )


def test_clusters_errors_constant_and_missing_scores_are_counted() -> None:
    data = {"item": range(20), "passage": [f"p{k % 9}" for k in range(20)], "score": [1] * 20}
    found = findings(data)
    assert found["few-clusters"] == [
        "note: 'passage' has 9 clusters only; intervals clustered by it are approximate."
    ]
    assert found["constant-score"] == ["note: All scores in 'score' are 1."]
    data["passage"] = [f"p{k % 10}" for k in range(20)]
    data["score"] = [1, None, *[0] * 18]
    data["error"] = [True, False] * 2 + [False] * 16
    found = findings(data)
    assert not {"few-clusters", "constant-score"} & set(found)
    assert found["missing-scores"] == [
        "warning: The score 'score' is missing in 1 of 20 rows; an answer from it needs a score for each."
    ]
    assert found["error-rows"] == ["note: 2 rows ended in an error of the tool; errors= decides."]
    data["error"][2] = False
    assert findings(data)["error-rows"] == ["note: 1 row ended in an error of the tool; errors= decides."]
    assert "error-rows" not in findings({**data, "error": [False] * 20})


def test_samples_a_problem_and_audits_are_counted() -> None:
    rows = pd.DataFrame({"problem": np.repeat(range(12), 3), "passed": [1, 0, 1] * 12})
    assert "unequal-samples" not in findings(rows)
    assert findings(rows[2:])["unequal-samples"][0].startswith(
        "note: Problems have 1 to 3 samples; k beyond 1 is refused."
    )
    for n, few in ((9, True), (10, False)):
        audits = rows.assign(audit=np.where(rows["problem"] < n, 1.0, np.nan), pi=0.5)
        found = findings(audits)
        assert found.get("few-audits") == (
            [f"warning: Only {n} of 12 problems have audited samples."] if few else None
        )
        assert "probabilities" not in found
    for wrong in (0.0, 1.2, np.nan):
        audits.loc[4, "pi"] = wrong
        assert findings(audits)["probabilities"] == ["error: Audit probabilities must lie in (0, 1]."]
    audits["pi"] = 1.0
    assert "probabilities" not in findings(audits)


def test_questions_under_one_name_are_compared() -> None:
    data = {
        "item": ["a", "a", "b", "b"],
        "system": ["p", "q"] * 2,
        "question": ["x", "x", "y", "z"],
        "score": [1, 0, 1, 1],
    }
    assert findings(data)["other-content"] == [
        "error: 1 items have different content in different rows (for example 'b'): the systems were not asked the same."
    ]
    assert "other-content" not in findings({**data, "question": ["x", "x", "y", None]})


def test_skewness_that_costs_a_point_is_said() -> None:
    costs = np.exp(1.2 * stats.norm.ppf((np.arange(40) + 0.5) / 40))
    assert (
        check_skewness({}, 0.95, "scores")
        == check_skewness({"a": None, "b": np.ones(1)}, 0.95, "scores")
        == []
    )
    [check] = check_skewness({"'a'": costs, "'b'": np.arange(40.0)}, 0.95, "scores")
    assert check.sentence.startswith(
        "The scores of 'a' of 40 independent units are skewed (skewness 3.0): about 89% of such"
    )
    assert check.sentence.endswith(
        "or fewer, where 95% are meant. Score more items, or score the logarithm or whether a limit is kept."
    )
    [check] = check_skewness({"": costs}, 0.95, "scores", judged=True)
    assert check.sentence.startswith(
        "The corrected scores of 40 independent units that humans labelled are skewed"
    )
    assert "Label more items" in check.sentence


# ---- inputs ----


def test_missing_scores_are_listed_up_to_eight() -> None:
    for n, shown in (
        (1, "1 row (1)"),
        (8, "8 rows (1, 2, 3, 4, 5, 6, 7, 8)"),
        (9, "9 rows (1, 2, 3, 4, 5, 6, 7, 8, ...)"),
    ):
        with pytest.raises(EvalFileError) as error:
            evals.evaluate({"score": [None] * n + [1, 0] * 10})
        assert f"missing in {shown}." in str(error.value)


def test_rows_of_errors_say_both_means() -> None:
    data = {"item": range(5), "score": [1, 1, 0, 1, 1], "error": [True, False, False, False, False]}
    for how, mean in (("fail", 0.6), ("drop", 0.75)):
        result = evals.evaluate(data, errors=how)
        assert result.estimate == pytest.approx(mean)
        [said] = [c.sentence for c in result.checks if c.code == "error-rows" and c.severity == "warning"]
        assert said == (
            f"1 row ended in an error of the tool: counted as 0 the mean score is 0.6, left out it is 0.75; errors='{how}' was used."
        )
    with pytest.raises(ValueError, match="errors must be 'fail' or 'drop', got 'skip'"):
        evals.evaluate(data, errors="skip")


def test_probabilities_and_weights_at_their_limits() -> None:
    data = judged()
    one = evals.evaluate({**data, "human": np.arange(200) % 2}, sampling_probability=1.0)
    assert one.estimate == pytest.approx(0.5)
    for wrong in (0.0, 1.0001):
        with pytest.raises(EvalFileError, match=r"must lie in \(0, 1\]"):
            load({**data}, sampling_probability=np.full(200, wrong))
    with pytest.raises(EvalFileError, match="there are no human labels"):
        evals.evaluate({"score": [1, 0] * 5}, sampling_probability=0.5)
    with pytest.raises(ValueError, match="weights must be positive"):
        evals.evaluate({"score": [1, 0] * 5}, weights=[0.0] + [1.0] * 9)
    with pytest.raises(ValueError, match=r"shape \(200,\), got \(199,\)|length|199"):
        load(data, sampling_probability=np.full(199, 0.5))
    number = load({"score": [1, 0] * 5}, weights=2)
    assert number.weight.tolist() == [2.0] * 10


def test_clusters_hold_whole_items_and_strata_labels() -> None:
    data = {"item": ["a", "a", "b"], "g": ["x", "y", "y"], "score": [1, 0, 1]}
    with pytest.raises(EvalFileError, match="the item 'a' lies in several clusters of 'g'"):
        evals.evaluate(data, clusters="g")
    with pytest.raises(EvalFileError, match="lies in several clusters of 'clusters'"):
        evals.evaluate(data, clusters=["x", "y", "y"])
    rows = judged()
    rows["half"] = np.where(np.arange(200) < 100, "early", "late")
    inputs = load(rows, strata="half")
    known = ~np.isnan(rows["human"])
    share = np.where(np.arange(200) < 100, known[:100].mean(), known[100:].mean())
    np.testing.assert_allclose(inputs.probability, share)
    assert inputs.strata.tolist() == [0] * 100 + [1] * 100
    empty = np.where(np.arange(200) < 100, rows["human"], np.nan)
    with pytest.raises(EvalFileError, match=r"Nothing was labelled in a stratum \('late'\)"):
        load({**rows, "human": empty}, strata="half")


def test_features_are_numbers_without_gaps_or_few_kinds() -> None:
    data = {
        **judged(),
        "length": np.arange(200.0),
        "gaps": np.where(np.arange(200) % 4, np.arange(200) % 3, np.nan),
    }
    found = load(data, features=["length", "gaps"]).features
    assert found["length"].dtype.kind == "f"
    assert sorted(set(found["gaps"])) == ["0.0", "1.0", "2.0", "missing"]
    kinds = np.array([f"k{k % 50}" for k in range(200)])
    assert len(set(load({**data, "kind": kinds}, features="kind").features["kind"])) == 50
    kinds[0] = "another"
    with pytest.raises(EvalFileError, match="has 51 kinds of values"):
        load({**data, "kind": kinds}, features="kind")


def test_units_are_the_groups_that_were_labelled_as_a_whole() -> None:
    item, passage = np.repeat(np.arange(40), 2), np.repeat(np.arange(20), 4)
    human = np.where(passage < 8, np.arange(80) % 2, np.nan)
    data = {
        "item": item,
        "passage": [f"p{k}" for k in passage],
        "judge": np.arange(80) % 3 % 2,
        "human": human,
    }
    inputs = load(data)
    assert inputs.clustered_by == "passage" and inputs.cluster.tolist() == passage.tolist()
    assert inputs.checks[-1].sentence == (
        "Labels were drawn by whole groups of 'passage' (20 of them), which are the units therefore."
    )
    by_item = load({**data, "human": np.where(item % 5 == 0, np.arange(80) % 2, np.nan)})
    assert by_item.clustered_by == "item" and not any(c.code == "labels-by-group" for c in by_item.checks)
    same = load(data, clusters=passage)
    assert same.clustered_by == "clusters" and not any(c.code == "labels-by-group" for c in same.checks)
    everything = load({**data, "human": np.arange(80) % 2})
    assert everything.clustered_by == "item"
    part = inputs.rows(np.asarray(passage) % 2 == 1)
    assert part.item.tolist() == np.repeat(np.arange(20), 2).tolist() and part.cluster.max() == 9
    assert part.item_names[:2] == ["2", "3"]


def test_scores_in_the_unit_range_and_rates_are_told_apart() -> None:
    for score, share, rate in (
        ([0, 1, 1], True, True),
        ([0, 0.5, 1], True, False),
        ([0, 0.5, 1.2], False, False),
        ([-0.2, 0.5, 1], False, False),
        ([1, 2, 2], False, False),
    ):
        inputs = load({"score": score})
        assert (inputs.in_unit_range, inputs.binary) == (share, rate)
    assert load({"judge": [0, 0.5, 3], "human": [1, 0, None]}).binary


def test_two_frames_are_two_systems() -> None:
    frames = [
        pd.DataFrame({"item": range(9), "system": s, "score": [v, 1, 0] * 3}) for s, v in (("p", 1), ("q", 0))
    ]
    assert evals.compare(frames[0], frames[1]).estimate == pytest.approx(1 / 3)
    assert evals.compare(evals.read(frames[0]), evals.read(frames[1])).estimate == pytest.approx(1 / 3)
    twice = pd.DataFrame([[1, 2, 1]], columns=["item", "item", "score"])
    with pytest.raises(EvalFileError, match="The data have several columns named 'item'; rename them"):
        evals.read(twice)


def test_a_system_is_named_where_there_are_several() -> None:
    data = {"item": [1, 2, 1, 2], "system": ["a", "a", "b", "b"], "score": [1, 0, 1, 1]}
    assert evals.evaluate(data, system="b").estimate == 1.0
    one = {k: v[:2] for k, v in data.items()}
    assert evals.evaluate(one).title == evals.evaluate(one, system="a").title == "Evaluation of a"
    with pytest.raises(
        EvalFileError,
        match=r"The data hold several systems: 'a', 'b'. Pass system= with one of them, or call compare",
    ):
        evals.evaluate(data)
    with pytest.raises(EvalFileError, match="system='x' is no system of these data; there are none"):
        evals.evaluate({"score": [1, 0]}, system="x")


# ---- words ----


@pytest.mark.parametrize(
    ("value", "spread", "share", "text"),
    [
        (0.01, None, True, "1 point"),
        (0.1, None, True, "10 points"),
        (0.123, None, True, "12.3 points"),
        (0.0123, 0.001, True, "1.2 points"),
        (0.0123, 0.0009, True, "1.23 points"),
        (0.01, 0.0001, True, "1 point"),
        (2.5, None, False, "2.500"),
    ],
)
def test_sizes_of_differences(value, spread, share, text) -> None:
    assert words.points(value, spread, share) == text


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        ((0.05, 0.004, 0.113, 0.036, True), "5.0 points (0.4 to 11.3; p = .036)"),
        ((0.05, 0.0489, 0.0511, None, True), "5.0 points (4.9 to 5.1)"),
        ((0.05, 0.0491, 0.0509, None, True), "5.00 points (4.91 to 5.09)"),
        ((0.0, -0.0001, 0.1, math.nan, True), "0.0 points (0.0 to 10.0)"),
        ((-0.0001, -0.2, 0.2, 1.0, True), "0.0 points (-20.0 to 20.0; p = 1.00)"),
        ((0.5, -math.inf, math.inf, None, True), "50.0 points (-inf to inf)"),
        ((5.0, -math.inf, math.inf, 0.2, False), "5.000 (no finite interval; p = .20)"),
        ((5.0, 4.0, 6.0, 0.0009, False), "5.0 (4.0 to 6.0; p < .001)"),
    ],
)
def test_differences_in_words(numbers, text) -> None:
    assert words.difference_words(*numbers) == text


def test_numbers_in_words() -> None:
    assert [words.number_words(n) for n in (0, 1, 12, 13, 1_000)] == ["no", "one", "twelve", "13", "1,000"]
    assert [words.needed(n) for n in (99, 99.2, 100, 101, 999, 1_001)] == [
        "99",
        "100",
        "100",
        "110",
        "1,000",
        "1,100",
    ]
    assert [words.p_words(p) for p in (0.001, 0.00099, 0.0999, 0.1, 0.9999)] == [
        "p = .001",
        "p < .001",
        "p = .1",
        "p = .10",
        "p = 1.00",
    ]
    assert words.joined_names(list("abcd")) == "a, b, c and d"
    assert words.joined_names(list("abcde")) == "a, b, c, d and 1 more"
    assert words.joined_names(["a", "b"]) == "a and b"
    assert words.percent(0.1234) == "12.3 %" and words.percent(0.1234, 0) == "12 %"
    assert words.say("worse", code="other", a=1, b=2, value=3, n=4, units=5).code == "other"


# ---- files ----


def rows_of(name, rows, folder):
    path = folder / name
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return path


def zipped(folder, members, **options):
    path = folder / "log.eval"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def test_inspect_samples_have_epochs_scores_and_flags(tmp_path) -> None:
    header = {"status": "error", "invalidated": True, "eval": {"model": "m", "task": "t"}}
    samples = [
        {
            "id": "a",
            "epoch": 2,
            "input": "q",
            "scores": {"match": {"value": "C"}, "parts": {"value": {"x": 1, "y": "I"}}},
            "metadata": {"topic": "s", "error": 3},
        },
        {
            "id": "b",
            "input": "q",
            "scores": {"match": 0.5, "list": {"value": [1]}, "parts": {"value": {"x": None, "y": 1}}},
            "error": "late",
        },
        {"scores": None},
    ]
    path = zipped(
        tmp_path,
        {
            "header.json": json.dumps(header),
            **{f"samples/{k}.json": json.dumps(s) for k, s in enumerate(samples)},
            "samples/notes.txt": "x",
            "other/z.json": "1",
        },
    )
    table = evals.read(path)
    assert table.scores == ("match", "parts.x", "parts.y")
    assert table.items == ["a", "b", "2"] and table.systems == ["m"]
    assert table.frame["sample"].tolist() == [2, 1, 1]
    assert table.frame["error"].tolist() == [False, True, False]
    np.testing.assert_array_equal(table.values("parts.y"), [0.0, 1.0, np.nan])
    asked = table.frame["content"].tolist()
    assert asked[0] == asked[1] != "" and pd.isna(asked[2])
    assert "text" not in table.frame
    assert "error (metadata)" in table.frame and "topic" in table.frame
    assert {c.code: c.sentence for c in table.checks} == {
        "unfinished": "log.eval has status 'error', not success.",
        "invalidated": "log.eval was marked as invalid.",
    }
    (tmp_path / "fine.json").write_text(
        json.dumps({"status": "success", "eval": {"model": "m"}, "samples": samples[:2]})
    )
    assert {c.code for c in evals.read(tmp_path / "fine.json").checks} == {"human-guessed"}
    for wrong, said in (({"value": "good"}, "gave 'good', which is no score"), ({"value": True}, None)):
        (tmp_path / "x.json").write_text(
            json.dumps({"eval": {"model": "m"}, "samples": [{"id": 1, "scores": {"s": wrong}}]})
        )
        if said:
            with pytest.raises(EvalFileError, match=said):
                evals.read(tmp_path / "x.json")
        else:
            assert evals.read(tmp_path / "x.json").values("s").tolist() == [1.0]
    (tmp_path / "y.json").write_text(
        json.dumps({"eval": {"model": "m"}, "samples": [{"id": 1, "scores": {"s": 1}}, 3]})
    )
    with pytest.raises(EvalFileError, match=r"Sample 2 of y.json is no JSON object"):
        evals.read(tmp_path / "y.json")


def promptfoo(*entries):
    return json.dumps(
        {
            "results": {
                "version": 3,
                "results": [
                    {"testIdx": k, "promptIdx": 0, "success": True, "score": 1, **e}
                    for k, e in enumerate(entries)
                ],
            }
        }
    )


def test_promptfoo_rows_have_errors_humans_and_names(tmp_path) -> None:
    def grading(*parts):
        return {
            "gradingResult": {"componentResults": [{"pass": p, "assertion": {"type": t}} for p, t in parts]}
        }

    path = tmp_path / "p.json"
    path.write_text(
        promptfoo(
            {
                "provider": {"id": "i", "label": "l"},
                "error": "timeout",
                "success": False,
                "vars": {"topic": "x"},
            },
            {"provider": {"id": "l"}, "failureReason": 2},
            {"provider": "l", "failureReason": 1, **grading((False, "human"), (True, "a"), (False, "b"))},
            {"provider": "l", **grading((True, "human"), (True, "a"), (True, "b"))},
            {"provider": "l", **grading((True, "human"))},
            {
                "provider": "l",
                "success": False,
                **grading((True, "a"), (True, "b")),
                "namedScores": {"tone": 0.25},
            },
            {"testIdx": 5, "provider": "l", "vars": ["x"]},
        )
    )
    table = evals.read(path)
    assert table.systems == ["l"]
    assert table.frame["error"].tolist() == [True, True] + [False] * 5
    np.testing.assert_array_equal(table.values("human"), [np.nan, np.nan, 0, 1, 1, np.nan, np.nan])
    assert table.values("success").tolist() == [0, 1, 0, 1, 1, 0, 1]
    assert table.frame["sample"].tolist() == [1, 1, 1, 1, 1, 1, 2]
    assert np.isnan(table.values("tone")[:5]).all() and table.values("tone")[5] == 0.25
    assert table.frame["topic"].iloc[0] == "x" and table.frame["topic"].isna().sum() == 6
    path.write_text(promptfoo({"provider": "l"}, {"provider": "l", "promptIdx": 1}, {}))
    assert evals.read(path).systems == ["l (prompt 0)", "l (prompt 1)", "provider"]
    value = json.loads(promptfoo({}))
    value["results"]["results"].append({"promptIdx": 1})
    path.write_text(json.dumps(value))
    with pytest.raises(EvalFileError, match=r"Result 2 of p.json has no testIdx"):
        evals.read(path)


def test_deepeval_ragas_and_lm_eval_rows(tmp_path) -> None:
    case = {
        "name": "n",
        "success": True,
        "input": "q",
        "metricsData": [{"name": "m", "score": 0.5, "success": False}],
        "additionalMetadata": {"topic": "x"},
    }
    path = tmp_path / "d.json"
    path.write_text(json.dumps({"testCases": [case, {**case, "name": "o", "metricsData": None}]}))
    table = evals.read(path)
    assert table.items == ["n", "o"] and table.systems == ["d"] and table.roles["judge"] == "success"
    np.testing.assert_array_equal(table.values("m passed"), [0.0, np.nan])
    path.write_text(json.dumps({"testCases": [case, case, 3]}))
    with pytest.raises(EvalFileError, match=r"Test case 3 of d.json is no JSON object"):
        evals.read(path)
    path.write_text(json.dumps({"testCases": [case, case]}))
    assert evals.read(path).items == ["0", "1"]
    ragas = [
        {"user_input": "u" * 80, "faithfulness": 1, "note": "short", "response": "r", "contexts": [1]},
        {"user_input": "v" * 81, "faithfulness": None},
    ]
    table = evals.read(rows_of("r.jsonl", ragas, tmp_path))
    assert table.format == "ragas" and table.items == ["u" * 80, "1"] and table.scores == ("faithfulness",)
    assert (
        table.frame["note"].iloc[0] == "short"
        and table.frame["note"].isna().sum() == 1
        and "contexts" not in table.frame
    )
    same = [{**ragas[0], "user_input": "u"}] * 2
    assert evals.read(rows_of("r.jsonl", same, tmp_path)).items == ["0", "1"]
    record = {
        "doc_id": 3,
        "doc_hash": "h",
        "filter": "none",
        "metrics": ["acc"],
        "acc": 1,
        "doc": {"topic": "x", "long": "y" * 81, "at": "z" * 80},
    }
    table = evals.read(
        rows_of(
            "samples_my_task_2026-01-02T03-04-05.6.jsonl",
            [record, {**record, "doc_id": 4, "doc": None}],
            tmp_path,
        )
    )
    assert set(table.names("task")) == {"my_task"} and table.items == ["3", "4"]
    assert "long" not in table.frame and table.frame["at"].iloc[0] == "z" * 80
    for change, said in (
        ({"metrics": []}, "Record 2 of l.jsonl names no metrics"),
        ({"metrics": "acc"}, "names no metrics"),
        ({"acc": "good"}, "'acc' in l.jsonl is 'good'"),
        ({"acc": [1]}, "is '\\[1\\]', which is no score"),
    ):
        with pytest.raises(EvalFileError, match=said):
            evals.read(rows_of("l.jsonl", [record, {**record, **change}], tmp_path))
    with pytest.raises(EvalFileError, match=r"Record 2 of l.jsonl has no doc_id or no filter"):
        evals.read(rows_of("l.jsonl", [record, {"filter": "x", "metrics": ["acc"]}], tmp_path))


def test_archives_are_bounded_in_size_and_ratio(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("validstats.evals.readers.limits._RATIO_FROM", 1_000)
    header = {"header.json": "{}"}
    for size, refused in ((1_000, False), (1_001, True)):
        monkeypatch.setattr("validstats.evals.readers.limits.MAX_RATIO", 10)
        path = zipped(tmp_path, {**header, "a": b"0" * size})
        with pytest.raises(
            EvalFileError, match="more than 10 times its size" if refused else "without samples"
        ):
            evals.read(path)
    monkeypatch.setattr("validstats.evals.readers.limits._RATIO_FROM", 2**20)
    for most, refused in ((1_002, False), (1_001, True)):
        monkeypatch.setattr("validstats.evals.readers.limits.MAX_BYTES", most)
        path = zipped(tmp_path, {**header, "a": b"0" * 1_000})
        with pytest.raises(
            EvalFileError,
            match="unpacks to 1,002 bytes, more than the 1,001" if refused else "without samples",
        ):
            evals.read(path)
    for name in ("C:/x.json", "..\\x.json", "a/../x.json"):
        with pytest.raises(EvalFileError, match="outside the archive"):
            evals.read(zipped(tmp_path, {**header, name: "{}"}))
    monkeypatch.setattr("validstats.evals.readers.limits.MAX_BYTES", 20)
    (tmp_path / "t.csv").write_text("item,score\na,1\nbb,0")
    assert len(evals.read(tmp_path / "t.csv")) == 2
    (tmp_path / "t.csv").write_text("item,score\na,1\nbb,0\n\n")
    with pytest.raises(EvalFileError, match="has 21 bytes, more than the 20"):
        evals.read(tmp_path / "t.csv")


def test_tables_of_text_are_read_by_their_first_lines(tmp_path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("item; score ;w\na; 1,5;NA\nb;2;x\n")
    table = evals.read(path)
    assert table.values("score").tolist() == [1.5, 2.0]
    assert table.frame["w"].tolist() == ["NA", "x"]
    assert [c.sentence for c in table.checks if c.code in ("separator", "decimal-comma")] == [
        "t.csv is read with the separator ';'.",
        "A comma is read as the decimal sign in 'score' of t.csv.",
    ]
    path.write_text("item\tscore\na\t1\nb\t\n")
    table = evals.read(path)
    assert np.isnan(table.values("score")[1])
    assert table.checks[0].sentence == "t.csv is read with the separator a tab."
    path.write_text("item, item,score\n1,2,3\n")
    with pytest.raises(EvalFileError, match="several columns named 'item'"):
        evals.read(path)
    path.write_bytes("item,score\nä,1\nö,0\n".encode("latin-1"))
    assert evals.read(path).items == ["ä", "ö"]
    assert evals.read(path).checks[0].sentence == "t.csv is read as latin-1."
    path.write_bytes("item,score\nä,1\nö,0\n".encode("utf-16"))
    assert evals.read(path).items == ["ä", "ö"]
    path.write_text('{"item": "a", "score": 1}')
    assert len(evals.read(path)) == 1
    path.write_text('{"item": "a", "score": 1}\n\n{"item": "b", "score": 0}\n')
    assert evals.read(path).items == ["a", "b"]
    path.write_text('[{"item": "a", "score": 1}, {"item": "b", "score": 0}]')
    assert evals.read(path).items == ["a", "b"]
    path.write_text('[{"item": "a", "score": 1}, 3]')
    with pytest.raises(EvalFileError, match="a JSON list, but not of objects"):
        evals.read(path)
    path.write_text('{"item": "a", "score": 1}\n{"item": "b", "score": 0}\n3\n')
    with pytest.raises(EvalFileError, match=r"Line 3 of t.csv is no JSON object"):
        evals.read(path)
    path.write_text('"text"')
    with pytest.raises(EvalFileError):
        evals.read(path)


def test_texts_of_80_letters_and_kinds_shared_by_two_items_are_kept() -> None:
    data = {
        "item": range(8),
        "score": [1, 0] * 4,
        "a": ["x" * 80] * 4 + ["y"] * 4,
        "b": ["x" * 81] * 8,
        "c": list("ppqqrrss"),
        "d": list("ppqqrrst"),
    }
    table = evals.read(data)
    assert "a" in table.frame and "b" not in table.frame
    assert table.categories == ("a", "c")
    assert evals.read(data, keep_text=True).frame["b"].tolist() == data["b"]
    answers = {
        "item": range(4),
        "score": [1, 0] * 2,
        "answer": ["1", "2", "x", "y"],
        "target": ["1", "0", "1", "1"],
    }
    kept = evals.read(answers).frame
    assert "answer" not in kept and "target" in kept


def test_scores_are_numbers_words_or_missing() -> None:
    of = score_values.score_of
    assert [of(v) for v in (True, 3, 2.5, " Pass ", "0.25", "P")] == [1.0, 3.0, 2.5, 1.0, 0.25, 0.5]
    assert all(math.isnan(of(v)) for v in (None, float("nan"), "", "N/A", " null "))
    assert [of(v) for v in ("1_0", "inf", "good", math.inf, 1j, 2**60 + 1, 10**400, [1])] == [None] * 8
    assert of(2**60) == 2.0**60
    assert score_values.as_scores([2**53 + 2, 0.5], "s").tolist() == [2.0**53 + 2, 0.5]
    with pytest.raises(EvalFileError, match="9007199254740993"):
        score_values.as_scores([2**53 + 1, 0.5], "s")  # NumPy alone rounds it
    assert score_values.looks_like_scores(["1", "pass", None]) and not score_values.looks_like_scores(
        ["1", "x"]
    )
    assert not score_values.looks_like_scores([None, None]) and not score_values.looks_like_scores([np.nan])
    assert score_values.looks_like_scores([np.nan, 1.0]) and score_values.looks_like_scores([[1], 2][1:])
    assert not score_values.looks_like_scores([*[1] * 60, [1]])
    with pytest.raises(EvalFileError, match="infinite score in row 2"):
        evals.read({"item": [1, 2], "score": [1.0, math.inf]})
    with pytest.raises(EvalFileError, match="dates or durations"):
        score_values.as_scores(np.array(["2026-01-01"], dtype="datetime64[D]"), "when")
    with pytest.raises(EvalFileError, match=r"'a' \(row 1\), 'b' \(row 3\)\. Known"):
        evals.read({"item": [1, 2, 3, 4], "judge": ["a", 1, "b", "a"]})
    with pytest.raises(TypeError, match=r"judge is a name, .* got a ndarray with 2 entries"):
        evals.read({"item": [1, 2], "score": [1, 0]}, judge=np.ones(2))


def test_counts_of_successes_are_whole_numbers_up_to_the_samples() -> None:
    data = {"item": [1, 2], "samples": [4, 5], "a": [4, 0], "b": [1, 5]}
    table = evals.read(data)
    assert table.format == "item counts of two systems" and table.values("score").tolist() == [
        1.0,
        0.0,
        0.25,
        1.0,
    ]
    assert evals.read({k: v for k, v in data.items() if k != "b"}).format == "item counts"
    assert table.origin.tolist() == [0, 1, 0, 1] and table.n_read == 2
    for wrong in ([5, 0], [-1, 0], [0.5, 0], [math.nan, 0], [math.inf, 0]):
        with pytest.raises(
            EvalFileError, match="The column 'a' of the data must hold whole numbers from 0 to 'samples'"
        ):
            evals.read({**data, "a": wrong})
    for wrong in ([0, 5], [100_001, 5], [2.5, 5]):
        with pytest.raises(EvalFileError, match="whole numbers of samples, from 1 to 100,000"):
            evals.read({**data, "samples": wrong, "a": [0, 0], "b": [0, 0]})
    assert len(evals.read({**data, "samples": [100_000, 5]})) == 4
    assert evals.read({**data, "c": ["x", "y"]}).format == "long"


def test_roles_are_found_by_name_and_formats_by_roles() -> None:
    table = evals.read({"task_id": [1, 1, 2, 2], "passed": [1, 0, 1, 1]})
    assert table.format == "repeated samples" and table.frame["sample"].tolist() == [1, 2, 1, 2]
    audited = evals.read({"problem": [1, 1], "passed": [1, 0], "audit": [1, None]})
    assert audited.format == "repeated samples with audits" and audited.roles["human"] == "audit"
    assert (
        evals.read({"item": [1, 2], "judge_score": [1, 0], "oracle_label": [1, None]}).format
        == "oracle slice"
    )
    assert evals.read({"item": [1, 2], "id": [3, 4], "score": [1, 0]}).items == ["1", "2"]
    with pytest.raises(
        EvalFileError, match=r"several columns that may be the item: 'id', 'doc_id'. Pass item="
    ):
        evals.read({"id": [1, 2], "doc_id": [3, 4], "score": [1, 0]})
    battle = {"model_a": ["p", "q"], "model_b": ["q", "p"], "winner": ["p", "tie"]}
    assert evals.read(battle).format == "battles"
    assert (
        evals.read({k: v for k, v in {**battle, "score": [1, 0]}.items() if k != "model_b"}).format == "long"
    )
    only = evals.read({"item": [1, 2], "human": [1, 0], "x": [1, 1]})
    assert only.roles["judge"] == "x"
    two = evals.read({"item": [1, 2], "human": [1, 0], "x": [1, 1], "y": [0, 1]})
    assert "judge" not in two.roles and two.scores == ("x", "y")
    named = evals.read({"item": [1, 2], "correct": [1, 0], "x": [1, 1], "score": ["high", "low"]})
    assert named.scores == ("correct",)
    no_items = evals.read({"score": [1, 0]})
    assert no_items.items == ["0", "1"] and "no-items" in {c.code for c in no_items.checks}
    abstained = evals.read({"item": [1, 2, 3], "judge": [1, None, None]})
    assert "2 verdicts are missing in 'judge'" in abstained.checks[0].sentence


def test_wide_tables_are_melted_by_system() -> None:
    wide = {"item": [1, 2], "judge_ash": [1, 0], "judge_fir": [0, 1], "human_ash": [1, None]}
    table = evals.read(wide)
    assert (
        table.format == "wide" and table.systems == ["ash", "fir"] and table.origin.tolist() == [0, 1, 0, 1]
    )
    np.testing.assert_array_equal(table.values("human"), [1, np.nan, np.nan, np.nan])
    assert evals.read({"item": [1, 2], "score_ash": [1, 0], "score_fir": [0, 1]}).roles["judge"] == "judge"
    assert evals.read({"item": [1, 2], "judge_ash": [1, 0], "x": [0, 1]}).format == "long"
    with pytest.raises(EvalFileError, match="The column 'judge_fir' holds words that are no scores"):
        evals.read({**wide, "judge_fir": ["good", 1]})
    with pytest.raises(EvalFileError, match=r"has both \['judge'\] and columns named role_system"):
        evals.read({**wide, "judge": [1, 1]})


def test_tables_are_joined_and_taken_apart() -> None:
    a = pd.DataFrame({"item": [1, 2], "system": "p", "score": [1, 0]}, index=["r1", "r2"])
    b = pd.DataFrame({"item": [1, 2, 3], "system": "q", "score": [1, 1, 0]}, index=["r3", "r4", "r5"])
    table = evals.read([a, b])
    assert table.systems == ["p", "q"] and table.index.tolist() == ["r1", "r2", "r3", "r4", "r5"]
    assert table.origin.tolist() == [0, 1, 2, 3, 4] and table.n_read == 5
    part = table.rows(table.names("system") == "q")
    assert part.origin.tolist() == [2, 3, 4] and part.n_read == 5 and len(part) == 3
    assert list(part.frame.columns) == list(table.frame.columns) and part.frame.index.tolist() == [0, 1, 2]
    weights = pd.Series(np.arange(5.0), index=["r5", "r4", "r3", "r2", "r1"])
    assert part.matched(weights, "w").tolist() == [2.0, 1.0, 0.0]
    assert part.matched(np.arange(5.0), "w").tolist() == [2.0, 3.0, 4.0]
    assert part.matched(np.arange(3.0), "w").tolist() == [0.0, 1.0, 2.0]
    days = np.arange("2026-01-01", "2026-01-06", dtype="datetime64[D]")
    assert part.matched(days, "w").tolist() == days[2:].tolist()
    for wrong in ([1, 0, 1], [True, False]):
        with pytest.raises(ValueError, match="mask"):
            part.rows(np.array(wrong))
    other = evals.read(b.rename(columns={"score": "acc"}), judge="acc")
    with pytest.raises(
        EvalFileError, match="The files call their judge by different names, 'score' and 'acc'"
    ):
        evals.read([evals.read(a, judge="score"), other])
    with pytest.raises(EvalFileError, match=r"one length, got \{'a': 2, 'b': 3\}"):
        evals.read({"a": [1, 2], "b": [1, 2, 3]})
    with pytest.raises(EvalFileError, match="dictionary of arrays is empty"):
        evals.read({})
    with pytest.raises(EvalFileError, match="list of sources is empty"):
        evals.read([])
    assert table.names("task").tolist() == [""] * 5

    def names(values):
        return evals.read(pd.DataFrame({"item": values, "score": [1] * len(values)})).names("item").tolist()

    assert names(np.array([1.0, np.nan, -2.0])) == ["1", "", "-2"]
    assert names(np.array([1.5, 2.0])) == ["1.5", "2.0"]
    assert names(np.array([200.0, 1e15])) == ["200", "1000000000000000"]
    assert names(np.array([2.0**53, 1.0])) == ["9007199254740992.0", "1.0"]
    assert names(np.array([None, "x", 3, pd.NA], dtype=object)) == ["", "x", "3", ""]


@pytest.mark.parametrize("missing", [None, math.nan, pd.NA, pd.NaT])
def test_a_missing_value_is_missing_in_any_library(missing) -> None:
    """Labels, winners, kinds and questions that are not there, as None, NaN and the markers of pandas."""
    assert math.isnan(score_values.score_of(missing))
    rows = pd.DataFrame(
        {"item": range(40), "judge": [1, 0] * 20, "kind": ["a", missing, "b", "a"] * 10}, dtype=object
    )
    rows["human"] = pd.Series([1, 0, missing, missing] * 10, dtype=object)
    plain = rows.assign(human=[1, 0, np.nan, np.nan] * 10, kind=["a", None, "b", "a"] * 10)
    found, expected = (evals.evaluate(each, features="kind") for each in (rows, plain))
    assert (found.estimate, found.conf_low) == (expected.estimate, expected.conf_low)
    who = pd.DataFrame(
        {"model_a": ["p", "q"] * 20, "model_b": ["q", "p"] * 20, "winner": ["p", "p", "q", "tie"] * 10}
    )
    who["human"] = pd.Series(["p", "q", missing, "tie"] * 10, dtype=object)
    assert evals.rank(who).n_human.tolist() == [30, 30]
    asked = {"item": [1, 1], "system": ["a", "b"], "score": [1, 0]}
    unasked = pd.DataFrame({**asked, "question": pd.Series(["x", missing], dtype=object)})
    assert "other-content" not in findings(unasked)


@pytest.mark.parametrize("library", ["numpy_nullable", "pyarrow"])
def test_frames_of_nullable_columns_are_read_alike(library) -> None:
    for name in ("long.csv", "wide.csv", "audited_samples.csv", "battles.csv"):
        frame = pd.read_csv(DATA / name)
        assert findings(frame.convert_dtypes(dtype_backend=library)) == findings(frame)


def test_lists_beside_numbers_are_no_scores() -> None:
    for odd in ([1, [1], 0], [[1], [0], [1]], [{"a": 1}, 0, 1]):
        with pytest.raises(EvalFileError, match="holds words that are no scores"):
            evals.read({"item": [1, 2, 3], "judge": odd})
        assert evals.read({"item": [1, 2, 3], "score": [1, 0, 1], "answer": odd}).scores == ("score",)


def test_packed_bytes_begin_after_the_name_and_the_extra_field() -> None:
    """Zstandard members are unpacked from the bytes of the archive; other programs write extra fields before them."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, extra in (("a", b""), ("longer", b"\x99\x99\x03\x00abc")):
            info = zipfile.ZipInfo(name)
            info.extra = extra
            archive.writestr(info, f"content of {name}")
    read = Zip(content.getvalue(), "x.zip")
    assert [read._raw(read._members[name]) for name in read.names] == [b"content of a", b"content of longer"]


def test_sizes_that_are_refused_are_those_of_the_documentation(tmp_path) -> None:
    """2 GiB in all, 64 MiB a line, and 200 times the packed size from 1 MiB on."""
    assert (limits.MAX_BYTES, limits.MAX_LINE, limits.MAX_RATIO) == (2_147_483_648, 67_108_864, 200)
    for size, said in ((1_048_576, "without samples"), (1_048_577, "more than 200 times its size")):
        with pytest.raises(EvalFileError, match=said):
            evals.read(zipped(tmp_path, {"header.json": "{}", "a": b"0" * size}))


def test_roles_that_are_given_or_found_twice() -> None:
    both = evals.read({"item": [1, 2], "human": [1, 0], "audit": [0, 1], "score": [1, 1]})
    assert both.roles["human"] == "human" and set(both.scores) >= {"score"}
    wordy = evals.read({"item": [1, 2], "audit": ["a first note", "a second"], "score": [1, 1]})
    assert "human" not in wordy.roles
    chance = evals.read(
        {"item": [1, 2], "pi": [0.5, 1], "probability": [0.1, 0.2], "human": [1, 0], "judge": [1, 1]}
    )
    assert chance.roles["probability"] == "probability"
    assert not {"abstentions"} & {
        c.code for c in evals.read({"item": [1, 2], "human": [1, None], "judge": [1, 1]}).checks
    }
    [one] = [c.sentence for c in evals.read({"item": [1, 2], "judge": [1, None]}).checks]
    assert one == "1 verdict is missing in 'judge'; they form a class of their own and are not dropped."
    assert evals.read({"item": [1, 2], "human": [1, 0]}).scores == ()
    with pytest.raises(
        EvalFileError, match=r"no column of scores; its columns are 'item', 'note'\. Name one with score="
    ):
        evals.read({"item": [1, 2], "note": ["x", "y"]})
    numbered = evals.read({"problem": [1, 1], "passed": [1, 0], "sample": [5, 6]})
    assert numbered.frame["sample"].tolist() == [5, 6]
    clustered = evals.read({"item": [1, 2], "passage": [3, 3], "x": [0, 1], "audited": ["?", "?"]})
    assert clustered.scores == ("x",) and clustered.clusters == ("passage",)
    said = evals.read({"item": [1, 2, 3], "judge": ["yes", "no", "Yes"]}).checks
    assert [c.sentence for c in said if c.code == "words"] == [
        "Words in 'judge' are read as scores: 'yes' (2 rows) as 1, 'no' (1 row) as 0."
    ]
    with pytest.raises(
        EvalFileError,
        match="judge= names the column 'j', which the data does not have; its columns are 'item', 's'",
    ):
        evals.read({"item": [1], "s": [1]}, judge="j")


def test_names_and_verdicts_are_numbered_in_order_of_appearance() -> None:
    rng = np.random.default_rng(0)
    columns = [rng.integers(0, 3, 40).astype(str).astype(object) for _ in range(3)]
    codes, names = codes_of(*columns)
    order = list(dict.fromkeys(zip(*columns)))
    assert codes.tolist() == [order.index(row) for row in zip(*columns)]
    assert names == [" / ".join(row) for row in order]
    codes, names = verdict_codes(np.array([1.0, np.nan, 0.5, 1.0, -0.0, np.nan]))
    assert (codes.tolist(), names) == ([0, 1, 2, 0, 3, 1], ["1", "missing", "0.5", "0"])


def test_files_without_a_system_are_systems(tmp_path) -> None:
    paths = []
    for folder, name, score in (("x", "one", 1), ("y", "one", 0), ("x", "two", 0)):
        (tmp_path / folder).mkdir(exist_ok=True)
        paths.append(tmp_path / folder / f"{name}.csv")
        paths[-1].write_text(f"item,score\n1,{score}\n2,1\n")
    assert evals.read([paths[0], paths[2]]).systems == ["one", "two"]
    table = evals.read(paths)
    assert table.systems == ["x/one", "y/one", "x/two"] and len(table.files) == 3
    assert [c.sentence for c in table.checks if c.code == "systems-by-file"][1] == (
        "The rows of 'y/one' name no system; the name of their file stands for it."
    )
    for sources in ([paths[0], paths[0]], [paths[0], pd.DataFrame({"item": [1], "score": [1]})]):
        with pytest.raises(EvalFileError, match="nor do names of files that differ"):
            evals.read(sources)
    with_index = pd.DataFrame({"item": [1], "system": ["z"], "score": [1]}, index=["r"])
    assert evals.read([with_index, with_index.assign(system="q")]).index.tolist() == ["r", "r"]
    other = evals.read({"item": [1], "system": ["w"], "score": [1]})
    assert evals.read([evals.read(with_index), other]).index is None
    repeated = {"problem": [1, 1], "system": ["p", "p"], "passed": [1, 0], "passage": ["k", "k"]}
    mixed = evals.read([with_index.rename(columns={"item": "problem"}), repeated])
    assert mixed.format == "long and repeated samples" and mixed.scores == ("score", "passed")
    assert mixed.clusters == ("passage",)


def test_judges_are_named_once_each() -> None:
    data = {"item": [1, 2], "a": [1, 0], "b": [0, 0], "human": [1, None]}
    assert evals.read(data, judge=("a", "b")).judges == ("a", "b")
    with pytest.raises(EvalFileError, match="judge= is an empty list"):
        evals.read(data, judge=[])
    with pytest.raises(EvalFileError, match="judge= names 'a' twice"):
        evals.read(data, judge=["a", "b", "a"])


def test_fifty_kinds_of_two_items_each_are_categories() -> None:
    for kinds, kept in ((50, ("topic",)), (51, ()), (2, ("topic",)), (1, ())):
        n = max(2 * kinds, 4)
        data = {"item": range(n), "score": [1, 0] * (n // 2), "topic": [f"k{i % kinds}" for i in range(n)]}
        assert evals.read(data).categories == kept
    for letters, kept in ((80, ("topic",)), (81, ())):
        data = {"item": range(8), "score": [1, 0] * 4, "topic": ["x" * letters, "y"] * 4}
        assert evals.read(data, keep_text=True).categories == kept
    gaps = {"item": range(8), "score": [1, 0] * 4, "topic": ["x", "y", "x", "", None, "", None, ""]}
    assert evals.read(gaps).categories == ()  # three values are fewer than two of each of two kinds


def inspect_log(tmp_path, scores, **header):
    path = tmp_path / "log.json"
    samples = [
        {"id": k, "scores": {n: {"value": v} for n, v in each.items()}} for k, each in enumerate(scores)
    ]
    path.write_text(json.dumps({"eval": {"model": "m"}, "samples": samples, **header}))
    return evals.read(path)


def test_a_scorer_that_scored_some_samples_is_taken_as_the_humans(tmp_path) -> None:
    one = inspect_log(tmp_path, [{"a": 1, "b": 0}, {"a": 0}, {"a": 1}])
    assert (
        one.roles["human"] == "b" and one.roles["judge"] == "a" and one.names("sample").tolist() == ["1"] * 3
    )
    assert [c.sentence for c in one.checks] == [
        "'b' scored 1 of 3 samples only; it is taken as the humans' score. Pass human= to choose."
    ]
    two = inspect_log(tmp_path, [{"a": 1, "b": 0, "c": 1}, {"a": 0}, {"a": 1}])
    none = inspect_log(tmp_path, [{"b": 0}, {}, {}], status="success")
    assert "human" not in two.roles and "judge" not in two.roles and not two.checks
    assert "human" not in none.roles and none.roles["judge"] == "b" and not none.checks
    stopped = inspect_log(tmp_path, [{"a": 1}], status="started", invalidated=True)
    assert [c.code for c in stopped.checks] == ["unfinished", "invalidated"]


def test_questions_of_80_letters_are_names_of_items(tmp_path) -> None:
    for letters, items in ((80, ["q" * 80, "r"]), (81, ["0", "r"])):
        rows = [{"user_input": "q" * letters, "faithfulness": 0.5}, {"user_input": "r", "faithfulness": 1}]
        path = tmp_path / "ragas.jsonl"
        path.write_text("\n".join(map(json.dumps, rows)))
        assert evals.read(path).items == items


def test_objects_with_test_cases_of_another_kind_are_of_no_known_tool(tmp_path) -> None:
    path = tmp_path / "run.json"
    for cases in (3, [], ["metricsData"], [{"score": 1}], {"metricsData": []}):
        path.write_text(json.dumps({"testCases": cases, "more": {}}))
        with pytest.raises(EvalFileError, match=r"run\.json is JSON of no known tool"):
            evals.read(path)
