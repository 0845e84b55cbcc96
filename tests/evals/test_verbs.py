"""The verbs: what they answer, in numbers and words, and what they refuse."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from validstats import evals
from validstats.evals import BattlesNotIdentifiedError, EvalFileError
from validstats.results import NotApplicable

DATA = Path(__file__).parent / "data"
LM_EVAL = sorted(str(p) for p in (DATA / "lm_eval").glob("*/samples*.jsonl"))


def judged(seed, n=600, n_labels=120, rate=0.7, sensitivity=0.95, specificity=0.7):
    """Answers with a judge, and humans on a random sample; the human verdicts of all of them beside."""
    rng = np.random.default_rng(seed)
    truth = (rng.random(n) < rate).astype(float)
    judge = np.where(rng.random(n) < np.where(truth == 1, sensitivity, 1 - specificity), 1.0, 0.0)
    human = np.full(n, np.nan)
    human[rng.choice(n, n_labels, replace=False)] = 1
    human = np.where(np.isnan(human), np.nan, truth)
    return {"item": np.arange(n), "judge": judge, "human": human}, truth


def test_gpqa_comparison_in_digits_and_words():
    result = evals.compare(DATA / "gpqa_counts.csv")
    known = json.loads((DATA / "expected.json").read_text())["gpqa_counts.csv"]
    assert result.estimate == pytest.approx(known["difference"], abs=1e-14)
    assert result.std_error == pytest.approx(known["std_error"], abs=1e-14)
    assert result.conf_low == pytest.approx(known["conf_low"], abs=1e-12)
    assert result.conf_high == pytest.approx(known["conf_high"], abs=1e-12)
    assert result.p_value == pytest.approx(known["p_value"], abs=1e-12)
    assert result.sign_flip_p_value == pytest.approx(0.0396, abs=0.006)
    assert result.answer == (
        "system_a beats system_b by 5.9 points (0.4 to 11.3; p = .036) on 198 shared items"
    )


def test_unclustered_samples_would_be_far_too_sure():
    """Samples paired at random, as rows of their own: p = .0006 instead of .036."""
    counts, rng = pd.read_csv(DATA / "gpqa_counts.csv"), np.random.default_rng(0)
    first, second = (
        (np.arange(5) < counts[name].to_numpy()[:, None]).astype(float) for name in ("system_a", "system_b")
    )
    rows = stats.ttest_rel(rng.permuted(first, axis=1).ravel(), second.ravel()).pvalue
    assert rows == pytest.approx(0.0006, abs=1.5e-4)
    assert evals.compare(DATA / "gpqa_counts.csv").p_value > 0.03


def test_the_interval_of_a_judged_rate_holds_the_humans_rate():
    data, truth = judged(0)
    result = evals.evaluate(data, judge="judge", human="human")
    assert result.conf_low < truth.mean() < result.conf_high
    assert result.naive > result.conf_high
    assert result.verdict.code == "judge_lenient"
    assert "it is lenient" in result.answer
    assert result.judge.value("kappa") == pytest.approx(0.68, abs=0.15)


def test_the_judged_interval_is_that_of_the_dsl_domain():
    from validstats.dsl.fit.cell_intervals import cell_counts, cell_interval

    data, _ = judged(1)
    result = evals.evaluate(data, judge="judge", human="human")
    judge, human = data["judge"], data["human"]
    known = ~np.isnan(human)
    ones = np.array([human[known & (judge == v)].sum() for v in (0, 1)])
    n = np.array([(known & (judge == v)).sum() for v in (0, 1)])
    share = np.array([np.mean(judge == v) for v in (0, 1)])
    expected = cell_interval(cell_counts(ones, n, share, 0.2, n_units=600), 0.95, binary=True)
    assert result.conf_low == pytest.approx(float(expected.conf_low), abs=1e-12)
    assert result.conf_high == pytest.approx(float(expected.conf_high), abs=1e-12)


@pytest.mark.parametrize("clustered", [False, True])
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_labels_that_are_all_alike_have_an_interval(value, clustered):
    rng = np.random.default_rng(2)
    human = np.where(rng.permutation(200) < 48, value, np.nan)
    data = {
        "item": np.arange(200) // (2 if clustered else 1),
        "judge": rng.integers(0, 2, 200),
        "human": human,
    }
    result = evals.evaluate(data)
    assert result.estimate == pytest.approx(value, abs=1e-12)
    assert 0 <= result.conf_low <= result.conf_high <= 1
    assert result.conf_high - result.conf_low > 0.03


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_scores_that_are_all_alike_have_an_interval(value):
    result = evals.evaluate({"score": [value] * 30})
    assert result.estimate == value
    assert result.conf_high - result.conf_low > 0.02


def test_unequal_weights_count_as_fewer_items():
    rng = np.random.default_rng(3)
    weights = np.exp(1.5 * rng.normal(size=100))
    score = (rng.random(100) < 0.9).astype(float)
    wide = evals.evaluate({"score": score, "w": weights}, score="score", weights="w")
    narrow = evals.evaluate({"score": score}, score="score")
    assert wide.conf_high - wide.conf_low > 1.5 * (narrow.conf_high - narrow.conf_low)


def two_topics(rng, systems=1):
    """Answers of two topics, an easy one labelled much more often, with a judge that says little."""
    topic = np.repeat(["easy", "hard"], [200, 800])
    good = rng.random((1000, systems)) < np.where(topic == "easy", 0.9, 0.3)[:, None]
    rows = np.r_[rng.choice(200, 100, replace=False), 200 + rng.choice(800, 60, replace=False)]
    human = np.full(good.shape, np.nan)
    human[rows] = good[rows]
    return pd.DataFrame(
        {
            "item": np.repeat(np.arange(1000), systems),
            "system": np.tile([f"s{k}" for k in range(systems)], 1000),
            "topic": np.repeat(topic, systems),
            "judge": (rng.random(good.size) < 0.5 + 0.1 * good.ravel()).astype(int),
            "human": human.ravel(),
            "pi": np.repeat(np.where(topic == "easy", 0.5, 0.075), systems),
        }
    )


def test_strata_give_the_probabilities_of_labels():
    data = two_topics(np.random.default_rng(5))
    result = evals.evaluate(data, strata="topic", judge="judge", human="human")
    assert result.conf_low < 0.42 < result.conf_high
    plain = evals.evaluate(data.drop(columns="pi"), judge="judge", human="human")
    assert plain.conf_low > 0.42
    given = evals.evaluate(data, sampling_probability="pi", judge="judge", human="human")
    assert result.estimate == pytest.approx(given.estimate)
    assert result.conf_high - result.conf_low <= given.conf_high - given.conf_low
    assert "drawn at random within the strata" in result.guarantee.check[0]
    assert "labels-not-random" not in {check.code for check in result.checks}


@pytest.mark.parametrize("verb", [evals.compare, evals.rank])
def test_strata_of_several_systems(verb):
    data = two_topics(np.random.default_rng(6), systems=2)
    names = {"judge": "judge", "human": "human"}
    found, given = verb(data, strata="topic", **names), verb(data, sampling_probability="pi", **names)
    np.testing.assert_allclose(found.estimate, given.estimate)


def test_strata_of_battles():
    battles = pd.read_csv(DATA / "battles.csv")
    half = np.arange(len(battles)) % 2
    share = battles["human_winner"].notna().groupby(half).transform("mean")
    found, given = evals.rank(battles, strata=half), evals.rank(battles, sampling_probability=share)
    np.testing.assert_allclose(found.estimate, given.estimate)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"strata": "topic", "sampling_probability": 0.2}, "leave sampling_probability= out"),
        ({"strata": "colour"}, "names the column 'colour', which there is not"),
        ({"strata": np.arange(1000)}, "Nothing was labelled in some strata"),
        ({"strata": np.arange(7)}, "one label for each of the 1000 rows"),
    ],
)
def test_strata_that_say_nothing_are_refused(options, words):
    data = two_topics(np.random.default_rng(7)).drop(columns=["pi", "system"])
    with pytest.raises(ValueError, match=words):
        evals.evaluate(data, judge="judge", human="human", **options)


def samples_of_items(rng, n=150, each=4):
    """Labels inside items of four samples, with a topic that says more than the judge."""
    topic = rng.choice(["a", "b"], n * each)
    good = rng.random(n * each) < np.where(topic == "a", 0.95, 0.2)
    judge = np.where(good, rng.random(n * each) < 0.9, rng.random(n * each) < 0.6).astype(int)
    human = np.where(rng.random(n * each) < 0.3, good, np.nan)
    return pd.DataFrame(
        {"item": np.repeat(np.arange(n), each), "judge": judge, "human": human, "topic": topic}
    )


def test_features_narrow_where_a_regression_learns_and_are_said_to_be_unused_elsewhere():
    data = samples_of_items(np.random.default_rng(0))
    plain, found = (evals.evaluate(data, features=names) for names in ((), ["topic"]))
    assert found.conf_high - found.conf_low < 0.95 * (plain.conf_high - plain.conf_low)
    assert found.conf_low < 0.575 < found.conf_high
    assert "features-unused" not in {check.code for check in found.checks}
    rows = data.assign(item=np.arange(len(data)))
    plain, found = (evals.evaluate(rows, features=names) for names in ((), ["topic"]))
    assert found.conf_low == plain.conf_low
    assert "features-unused" in {check.code for check in found.checks}
    assert len(evals.evaluate(data, features="topic", by="topic").terms) == 3


@pytest.mark.parametrize(
    ("change", "features", "words"),
    [
        ({}, ["colour"], "names the column 'colour', which there is not"),
        ({"topic": [f"t{i}" for i in range(600)]}, ["topic"], "has 600 kinds of values"),
        ({"human": None}, ["topic"], "there are no human labels"),
    ],
)
def test_features_that_cannot_help_are_refused(change, features, words):
    data = samples_of_items(np.random.default_rng(0)).assign(**change).dropna(axis=1, how="all")
    with pytest.raises(EvalFileError, match=words):
        evals.evaluate(data, features=features)


def test_strata_need_labels():
    with pytest.raises(EvalFileError, match="Name them with human="):
        evals.evaluate({"score": [1, 0] * 20, "topic": ["a", "b"] * 20}, strata="topic")


def test_strata_of_labels_by_whole_items_hold_whole_items():
    item = np.repeat(np.arange(60), 2)
    human = np.where(item < 20, np.arange(120) % 3 > 0, np.nan)
    data = {"item": item, "judge": np.arange(120) % 2, "human": human, "half": np.arange(120) % 2}
    with pytest.raises(EvalFileError, match="some of which lie in several strata"):
        evals.evaluate(data, strata="half", judge="judge", human="human")


def test_weights_scale_out():
    rng = np.random.default_rng(4)
    data = {"score": rng.integers(0, 2, 50), "w": rng.random(50) + 0.1}
    one = evals.evaluate(data, score="score", weights="w")
    other = evals.evaluate(data | {"w": 1000 * data["w"]}, score="score", weights="w")
    assert one.conf_low == pytest.approx(other.conf_low)


def test_categories_each_have_a_row_and_the_lowest_is_named():
    data, _ = judged(5)
    data["topic"] = np.array(["sums", "verbs"])[np.arange(600) % 2]
    result = evals.evaluate(data, by="topic")
    assert result.terms == ("all", "sums", "verbs")
    assert result.n_human[1:].sum() == 120
    assert "lowest category is" in result.answer


def test_rows_without_a_category_are_one_of_their_own():
    data = {"item": np.arange(40), "topic": ["x", "y", None, "x"] * 10, "score": [0, 1, 0, 1] * 10}
    result = evals.evaluate(data, by="topic")
    assert list(result.terms) == ["all", "(missing)", "x", "y"]
    assert "The lowest category is (missing)" in result.answer


def test_a_category_without_labels_says_nothing():
    data, _ = judged(6)
    data["topic"] = np.where(np.isnan(data["human"]), "a", "b")
    data["topic"][:5] = "c"
    data["human"][:5] = np.nan
    result = evals.evaluate(data, by="topic")
    row = result.terms.index("c")
    assert (result.lows[row], result.highs[row]) == (0.0, 1.0)
    assert math.isnan(result.estimates[row])


def test_a_missing_verdict_is_a_class_of_its_own():
    data, truth = judged(7)
    data["judge"][::10] = np.nan
    result = evals.evaluate(data)
    assert result.n_items[0] == 600
    assert result.conf_low < truth.mean() < result.conf_high


def test_error_rows_count_as_failures_or_are_dropped_and_both_are_said():
    rows = json.loads((DATA / "promptfoo.json").read_text())
    fail = evals.evaluate(DATA / "promptfoo.json", system="beta-large", score="success")
    drop = evals.evaluate(DATA / "promptfoo.json", system="beta-large", score="success", errors="drop")
    assert drop.estimate > fail.estimate
    assert drop.estimate == pytest.approx(0.717949, abs=5e-7)
    assert any("errors='fail' was used" in c.sentence for c in fail.checks)
    assert rows["results"]["version"] == 3


@pytest.mark.share(3)
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: evals.evaluate(DATA / "broken" / "only_failures_labelled.csv", system="alpha-small"), "not identified"),
        (lambda: evals.evaluate(DATA / "broken" / "constant_judge.csv", system="alpha-small"), "tells nothing"),
        (lambda: evals.evaluate(DATA / "broken" / "duplicates.csv", system="alpha-small"), "keep the right one"),
        (lambda: evals.evaluate(DATA / "long.csv"), "Pass system="),
        (lambda: evals.evaluate(DATA / "long.csv", system="gamma"), "no system of these data"),
        (lambda: evals.evaluate(DATA / "ragas.csv"), "Pass score="),
        (lambda: evals.evaluate(DATA / "ragas.csv", score="faithfulness"), "missing in 1 row"),
        (lambda: evals.evaluate({"item": ["a"] * 5, "score": [1, 0, 1, 1, 0]}), "one unit"),
        (lambda: evals.evaluate({"score": [1, 0, 1]}, population="finite"), "two or more samples"),
        (lambda: evals.evaluate({"item": ["a", "a", "b"], "g": [1, 2, 2], "score": [1, 0, 1]}, clusters="g"), "whole items"),
        (lambda: evals.evaluate({"score": [1, 0], "w": [1, -1]}, score="score", weights="w"), "positive"),
        (lambda: evals.compare(DATA / "broken" / "misaligned.csv"), "unpaired='ok'"),
        (lambda: evals.compare(DATA / "long.csv", "alpha-small", "alpha-small"), "same system"),
        (lambda: evals.compare(DATA / "battles.csv"), "call rank"),
        (lambda: evals.rank({"score": [1, 0, 1]}), "two systems"),
        (lambda: evals.pass_at_k(DATA / "samples.jsonl_results.jsonl", k=[11]), "draw more samples"),
        (lambda: evals.pass_at_k({"problem": [1, 1, 2, 2], "passed": [1, 0, 1, 1]}, population="finite", k=[1]), "too few"),
        (lambda: evals.plan(DATA / "long.csv", width=0.05), "Pass system="),
    ],
)  # fmt: skip
def test_what_would_give_a_wrong_number_is_refused(call, message):
    with pytest.raises((EvalFileError, ValueError), match=message):
        call()


def test_compare_codes_reach_the_words():
    n = 400
    rng = np.random.default_rng(8)
    old = (rng.random(n) < 0.6).astype(int)
    better = np.where(rng.random(n) < 0.5, 1, old)
    cases = {
        "better": (better, old, 0.0),
        "worse": (old, better, 0.0),
        "same": (old, np.where(np.arange(n) < 2, 1 - old, old), 0.05),
        "undecided": (np.where(np.arange(n) < 9, 1 - old, old), old, 0.0),
    }
    for code, (a, b, margin) in cases.items():
        result = evals.compare({"a": a, "b": b}, "a", "b", margin=margin)
        assert result.verdict.code == code
        assert "significan" not in result.answer
    assert (
        "differ by less than 5 points"
        in evals.compare({"a": cases["same"][0], "b": cases["same"][1]}, "a", "b", margin=0.05).answer
    )
    not_worse = evals.compare({"a": np.where(np.arange(n) < 20, 1, old), "b": old}, "a", "b", margin=0.02)
    assert not_worse.verdict.code in ("not_worse", "better")


def test_undecided_says_what_the_items_can_find():
    result = evals.compare({"a": [1, 0] * 30, "b": [1, 1, 0, 0] * 15}, "a", "b")
    assert result.verdict.code == "undecided"
    assert "These 60 items find differences from" in result.answer


def test_no_discordant_pair_is_undecided():
    result = evals.compare({"a": [1, 0] * 20, "b": [1, 0] * 20}, "a", "b")
    assert result.verdict.code == "undecided"
    assert result.conf_low < -0.05 < 0.05 < result.conf_high
    assert result.p_value == 1.0


def test_no_difference_in_clusters_is_undecided():
    data = {"item": np.repeat(np.arange(20), 4), "system": ["a", "a", "b", "b"] * 20, "score": [1, 0] * 40}
    result = evals.compare(data)
    assert result.estimate == 0
    assert result.conf_low < 0 < result.conf_high


def test_two_files_are_compared_by_item_and_not_by_row(tmp_path):
    rng = np.random.default_rng(9)
    truth = rng.random(200)
    a = pd.DataFrame({"item": np.arange(200), "system": "new", "score": (truth < 0.7).astype(int)})
    b = pd.DataFrame({"item": np.arange(200), "system": "old", "score": (truth < 0.6).astype(int)})
    a.to_csv(tmp_path / "a.csv", index=False)
    b.sample(frac=1, random_state=0).to_csv(tmp_path / "b.csv", index=False)
    result = evals.compare(tmp_path / "a.csv", tmp_path / "b.csv")
    assert (result.a, result.b) == ("new", "old")
    assert result.n_discordant == int(np.sum((truth < 0.7) & (truth >= 0.6)))
    naive = evals.compare({"a": a["score"], "b": pd.read_csv(tmp_path / "b.csv")["score"]}, "a", "b")
    assert naive.n_discordant > 3 * result.n_discordant


def test_files_that_name_no_system_are_called_by_their_names(tmp_path):
    rng = np.random.default_rng(5)
    scores = {"new": rng.random(60) < 0.9, "old": rng.random(60) < 0.4}
    for folder in ("", "before"):
        (tmp_path / folder).mkdir(exist_ok=True)
        for name, score in scores.items():
            frame = pd.DataFrame({"item": np.arange(60), "score": score.astype(int)})
            frame.sample(frac=1, random_state=1).to_csv(tmp_path / folder / f"{name}.csv", index=False)
    result = evals.compare(tmp_path / "new.csv", tmp_path / "old.csv")
    assert result.answer.startswith("new beats old")
    assert "systems-by-file" in {c.code for c in result.checks}
    namesakes = [tmp_path / "new.csv", tmp_path / "before" / "new.csv"]
    assert evals.read(namesakes).systems == [f"{tmp_path.name}/new", "before/new"]
    with pytest.raises(EvalFileError, match="add a column 'system' to each"):
        evals.read([namesakes[0], namesakes[0]])
    with pytest.raises(EvalFileError, match="add a column 'system' to each"):
        evals.read([pd.read_csv(path) for path in namesakes])


def test_battles_come_in_parts(tmp_path):
    battles = pd.read_csv(DATA / "battles.csv")
    parts = [tmp_path / "first.csv", tmp_path / "second.csv"]
    battles[:100].to_csv(parts[0], index=False)
    battles[100:].to_csv(parts[1], index=False)
    table = evals.read(parts)
    assert len(table) == len(battles)
    assert not table.has("system")
    np.testing.assert_array_equal(evals.rank(table).estimate, evals.rank(battles).estimate)


def test_candidate_and_baseline_are_other_words():
    one = evals.compare(DATA / "gpqa_counts.csv", candidate="system_b", baseline="system_a")
    assert one.estimate == pytest.approx(-evals.compare(DATA / "gpqa_counts.csv").estimate)
    assert one.verdict.code == "worse"
    assert one.answer.startswith("system_b is worse than system_a by 5.9 points (0.4 to 11.3")


def test_looks_share_the_level():
    single, shared = (evals.compare(DATA / "gpqa_counts.csv", looks=k) for k in (1, 5))
    assert shared.conf_high - shared.conf_low > 1.2 * (single.conf_high - single.conf_low)
    assert shared.verdict.code == "undecided"


def test_no_shared_item_is_two_samples():
    data = {"item": np.arange(80), "system": ["a"] * 40 + ["b"] * 40, "score": [1, 0] * 20 + [1] * 40}
    result = evals.compare(data)
    assert "Agresti and Caffo" in result.method
    assert result.verdict.code == "worse"
    assert "Welch" in evals.compare({**data, "score": 2.0 * np.array(data["score"])}).method


def test_pairs_labelled_by_humans_are_compared_as_differences():
    rng = np.random.default_rng(10)
    n = 400
    truth = {s: (rng.random(n) < p).astype(float) for s, p in (("a", 0.8), ("b", 0.55))}
    drawn = rng.permutation(n) < 100
    frames = [
        pd.DataFrame(
            {
                "item": np.arange(n),
                "system": s,
                "judge": np.where(rng.random(n) < 0.9, truth[s], 1 - truth[s]),
                "human": np.where(drawn, truth[s], np.nan),
            }
        )
        for s in ("a", "b")
    ]
    result = evals.compare(pd.concat(frames))
    assert "differences of pairs, 100 of them" in result.method
    assert result.verdict.code == "better"
    assert result.conf_low < truth["a"].mean() - truth["b"].mean() < result.conf_high
    decided = result.conf_low > 0
    assert decided == (result.p_value <= 0.05)


def test_both_lm_eval_files_need_one_filter():
    with pytest.raises(EvalFileError, match="2 times too large"):
        evals.compare(LM_EVAL)
    result = evals.compare(LM_EVAL, filter="strict-match")
    assert result.n_items == 40
    assert result.mean_a == pytest.approx(0.325)


def test_rank_of_clear_systems():
    rng = np.random.default_rng(11)
    scores = (rng.random((500, 4)) < [0.3, 0.5, 0.7, 0.9]).astype(int)
    data = {"item": np.repeat(np.arange(500), 4), "system": list("abcd") * 500, "score": scores.ravel()}
    result = evals.rank(data)
    assert result.systems == ("d", "c", "b", "a")
    assert result.rank_low.tolist() == result.rank_high.tolist() == [1, 2, 3, 4]
    assert result.answer == "d is best; four groups can be told apart"
    assert result.groups == ("a", "b", "c", "d")


def test_rank_of_different_items_warns_and_can_keep_the_common_ones():
    data = pd.read_csv(DATA / "broken" / "misaligned.csv")
    result = evals.rank(data, score="judge")
    assert any(c.code == "items-not-shared" and c.severity == "warning" for c in result.checks)
    common = evals.rank(data, score="judge", common_items=True)
    assert common.inputs.items == 36


def test_battles_of_unconnected_systems_are_refused():
    data = {"model_a": ["a", "b", "c"], "model_b": ["b", "a", "d"], "winner": ["model_a", "model_b", "tie"]}
    with pytest.raises(BattlesNotIdentifiedError, match="never met: a, b; c, d"):
        evals.rank(data)


def test_a_system_that_never_wins_has_a_win_rate_only():
    rng = np.random.default_rng(12)
    pairs = rng.integers(0, 3, (300, 2))
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    names = np.array(["strong", "weak", "middle"])
    winner = np.where((pairs[:, 0] == 0) | (pairs[:, 1] == 1), "model_a", "model_b")
    data = {"model_a": names[pairs[:, 0]], "model_b": names[pairs[:, 1]], "winner": winner}
    with pytest.raises(BattlesNotIdentifiedError, match="win_rate"):
        evals.rank(data)
    result = evals.rank(data, scale="win_rate")
    assert result.systems[0] == "strong"


def test_a_human_on_all_battles_leaves_nothing_to_the_judge():
    data = pd.read_csv(DATA / "battles.csv").drop(columns="human_winner")
    plain = evals.rank(data)
    both = evals.rank(data.assign(human_winner=data["winner"]), sampling_probability=1.0)
    order = np.argsort(plain.systems)
    np.testing.assert_allclose(plain.estimate[order], both.estimate[np.argsort(both.systems)], atol=1e-9)


def test_unknown_winners_are_refused_with_their_list():
    data = {"model_a": ["a", "b"], "model_b": ["b", "a"], "winner": ["model_a", "neither"]}
    with pytest.raises(EvalFileError, match="'neither' \\(row 2\\)"):
        evals.rank(data)


def test_pass_at_k_of_the_file():
    result = evals.pass_at_k(DATA / "samples.jsonl_results.jsonl")
    known = json.loads((DATA / "expected.json").read_text())["samples.jsonl_results.jsonl"]["pass_at_k"]
    np.testing.assert_allclose(result.estimate, list(known.values()), atol=5e-7)
    assert result.k.tolist() == [1, 2, 5, 10]
    assert isinstance(result.naive, NotApplicable)


def test_audits_of_whole_problems_are_recognised():
    result = evals.pass_at_k(DATA / "audited_samples.csv", wrong_costs=2)
    assert result.options["design"] == "problems"
    assert result.n_audited == 7
    right, tests = result.of("pass"), result.of("pass_by_tests")
    assert (right["estimate"] <= tests["estimate"]).all()
    delivered = result.of("best_of_n")["estimate"] + result.of("wrong")["estimate"]
    np.testing.assert_allclose(delivered, tests["estimate"], atol=1e-12)
    assert right["estimate"][0] >= 0
    assert result.best_n
    assert "as the tests say" in result.answer


def test_filters_are_no_samples():
    """A log with two filters has two rows a document: neither pass@2 nor twice as many answers."""
    path = next(DATA.glob("lm_eval/*alpha*/samples*"))
    for call in (
        lambda **given: evals.pass_at_k(path, passed="exact_match", **given),
        lambda **given: evals.plan(path, width=0.3, judge="exact_match", **given),
    ):
        with pytest.raises(EvalFileError, match="Pass filter= with one of them"):
            call()
        assert len(call(filter="strict-match").inputs.files) == 1


def test_samples_with_two_results_are_refused_and_copies_count_once():
    data = pd.DataFrame({"problem": np.repeat(np.arange(8), 4), "sample": np.tile(np.arange(4), 8)})
    data["passed"] = np.random.default_rng(3).integers(0, 2, 32)
    once = evals.pass_at_k(data)
    twice = evals.pass_at_k(pd.concat([data, data.iloc[:3]]))
    np.testing.assert_array_equal(once.estimate, twice.estimate)
    other = data.iloc[:1].assign(passed=1 - data["passed"].iloc[0])
    with pytest.raises(EvalFileError, match="several rows with different scores"):
        evals.pass_at_k(pd.concat([data, other]))


@pytest.mark.parametrize("role", ["item", "system"])
def test_rows_without_a_name_are_no_item_and_no_system(role):
    data = pd.DataFrame(
        {
            "item": np.repeat([f"q{k}" for k in range(30)], 2),
            "system": ["a", "b"] * 30,
            "score": [0, 1, 1] * 20,
        }
    )
    data.loc[[4, 9], role] = None
    assert evals.doctor(data).has_errors
    for call in (
        lambda: evals.compare(data, "a", "b"),
        lambda: evals.rank(data),
        lambda: evals.evaluate(data, system="a"),
        lambda: evals.pass_at_k(data, problem="item", passed="score", system="a"),
    ):
        with pytest.raises(EvalFileError, match=f"no {role} in the column .*first row"):
            call()


@pytest.mark.parametrize("wrong", [None, "often"])
def test_a_column_of_probabilities_that_is_damaged_is_named(wrong):
    data = pd.read_csv(DATA / "audited_samples.csv").astype({"audit_probability": object})
    data.loc[3, "audit_probability"] = wrong
    with pytest.raises(EvalFileError, match="The column 'audit_probability' cannot be used"):
        evals.pass_at_k(data)


def test_a_battle_names_both_systems():
    battles = pd.read_csv(DATA / "battles.csv")
    battles.loc[3, "model_b"] = None
    with pytest.raises(EvalFileError, match="Row 4 is a battle that does not name both"):
        evals.rank(battles)


@pytest.mark.parametrize("units", [2, 3, 4])
def test_few_units_with_labels_answer_or_say_what_is_missing(units):
    """Fewer clusters than a learner has folds."""
    rng = np.random.default_rng(23)
    passage = np.arange(40) * units // 40
    data = {"item": np.arange(40), "passage": passage, "judge": rng.integers(0, 2, 40)}
    human = np.where(rng.random(40) < 0.5, data["judge"], np.nan)
    result = evals.evaluate({**data, "human": human}, clusters="passage")
    assert result.conf_high - result.conf_low > 0.4
    with pytest.raises(EvalFileError, match="All human labels lie in one unit"):
        evals.evaluate({**data, "human": np.where(passage == 0, human, np.nan)}, clusters="passage")


def test_a_category_with_labels_in_one_unit_is_open():
    rng = np.random.default_rng(24)
    data = {
        "item": np.arange(60),
        "topic": ["many"] * 57 + ["one", "two", "two"],
        "judge": rng.integers(0, 2, 60),
    }
    data["human"] = np.where(np.arange(60) % 3 == 0, data["judge"], np.nan)
    data["human"][[57, 58]] = 1.0
    result = evals.evaluate(data, by="topic")
    row = result.terms.index("one")
    assert (result.lows[row], result.highs[row]) == (0.0, 1.0)
    assert result.highs[result.terms.index("two")] - result.lows[result.terms.index("two")] > 0.5


def test_a_few_labels_of_unbounded_scores_stand_alone():
    """Labels too few to learn from: the interval is that of the labels."""
    scores = np.random.default_rng(25).normal(size=(2, 40)) * 3
    human = np.where(np.arange(40) < 4, scores[0], np.nan)
    result = evals.evaluate({"item": np.arange(40), "judge": scores[1], "human": human})
    assert result.estimate == pytest.approx(np.nanmean(human))


def test_a_doubtful_audit_design_must_be_named():
    data = pd.read_csv(DATA / "audited_samples.csv")
    rows = np.flatnonzero(data["audit"].notna())
    data.loc[rows[0], "audit"] = np.nan
    with pytest.raises(EvalFileError, match="design='problems'"):
        evals.pass_at_k(data)
    result = evals.pass_at_k(data, design="samples")
    assert result.verdict.code == "pass_range"
    assert np.isnan(result.of("pass")["estimate"][-1])


@pytest.mark.parametrize("name", ["long.csv", "wide.csv", "gpqa_counts.csv"])
def test_a_difference_that_is_found_lies_beyond_half_of_the_interval(name):
    """Few labels make intervals wider than normal ones, so what is found is not a matter of the standard error alone."""
    result = evals.compare(DATA / name)
    half = (result.conf_high - result.conf_low) / 2
    assert result.detectable == pytest.approx(half + 0.8416212 * result.std_error)
    assert (result.needed_items > result.n_items) == (abs(result.estimate) < result.detectable)


def test_a_comparison_counts_the_labels_of_shared_items_alone():
    result = evals.compare(DATA / "broken" / "misaligned.csv", unpaired="ok")
    assert "41 answers labelled" in result.method
    assert "the 41 labelled answers" in str(result.summary())


def test_the_ceiling_lies_between_what_is_right_and_what_is_not_wrong():
    """B_S <= B_inf <= 1 - W_S: with the fewest samples of a problem, whichever numbers the table shows."""
    result = evals.pass_at_k(DATA / "audited_samples.csv", k=[1, 10])
    low, high = result.ceiling
    assert low <= result.of("best_of_n")["estimate"][-1] <= 1 - result.of("wrong")["estimate"][-1] <= high
    assert evals.pass_at_k(DATA / "audited_samples.csv", k=[1, 2]).ceiling == pytest.approx(
        (low, high), abs=0.02
    )


@pytest.mark.parametrize("scale", ["strength", "win_rate"])
@pytest.mark.parametrize(
    ("chance", "fit", "cycles"),
    [
        ([[0, 0.8, 0.2], [0.2, 0, 0.8], [0.8, 0.2, 0]], "above", "1 of 1"),
        ([[0, 0.7, 0.8], [0.3, 0, 0.7], [0.2, 0.3, 0]], "below", "0 of 1"),
    ],
)
def test_battles_in_a_circle_are_said(chance, fit, cycles, scale):
    """Each of three beats the next one: no strengths describe that, and both checks say so."""
    rng = np.random.default_rng(4)
    first = rng.integers(0, 3, 900)
    second = (first + rng.integers(1, 3, 900)) % 3
    names = np.array(["ash", "birch", "cedar"])
    battles = {
        "prompt_id": np.arange(900) // 2,
        "model_a": names[first],
        "model_b": names[second],
        "winner": np.where(rng.random(900) < np.array(chance)[first, second], "model_a", "model_b"),
    }
    text = " ".join(str(evals.rank(battles, scale=scale).summary()).split())
    assert f"Cycles of three: {cycles} whose pairs are all decided" in text
    assert scale == "win_rate" or f"({fit} 2.4)" in text


def test_pairs_are_counted_by_prompt():
    """Twenty copies of every battle under one prompt say no more than one."""
    rng = np.random.default_rng(8)
    won = rng.random(40) < 0.62
    one = {
        "prompt_id": np.arange(40),
        "model_a": ["ash", "birch"] * 20,
        "model_b": ["birch", "cedar"] * 20,
        "winner": np.where(won, "model_a", "model_b"),
    }
    many = {key: np.repeat(value, 20) for key, value in one.items()}
    texts = [
        str(evals.rank(battles, clusters="prompt_id").summary()).split("Fit of pairs")[1]
        for battles in (one, many)
    ]
    assert texts[0].split("------")[0] == texts[1].split("------")[0]


def test_a_score_has_no_ceiling():
    data = pd.read_csv(DATA / "audited_samples.csv")
    data["confidence"] = np.arange(len(data)) % 7
    assert evals.pass_at_k(data).ceiling is not None
    assert evals.pass_at_k(data, score="confidence").ceiling is None


def test_too_few_audited_problems_are_refused():
    data = pd.read_csv(DATA / "audited_samples.csv")
    audited = data.loc[data["audit"].notna(), "problem"].unique()
    data.loc[data["problem"].isin(audited[4:]), "audit"] = np.nan
    with pytest.raises(EvalFileError, match="5 are the fewest"):
        evals.pass_at_k(data)


def test_release_bounds_wrong_answers():
    rng = np.random.default_rng(13)
    scores = rng.random(800)
    right = rng.random(800) < scores**0.3
    result = evals.release(scores[:400], right[:400], scores[400:], max_false=10)
    assert result.selected.sum() > 50
    assert (~right[400:])[result.selected].sum() <= 10
    assert "may go out unread: at most 10 are wrong (probability .95)" in result.answer
    nothing = evals.release(scores[:5], right[:5], scores[400:], max_false=0)
    assert nothing.verdict.code == "release_none"
    with pytest.raises(ValueError, match="either max_false or fdr"):
        evals.release(scores[:5], right[:5], scores[5:9])


@pytest.mark.parametrize("chosen", ["best", "worst"])
def test_answers_that_were_checked_for_their_score_release_nothing(chosen):
    """Only the best 150 of 600 were read: they say nothing about the others, whatever was found in them."""
    rng = np.random.default_rng(14)
    scores = rng.random(600)
    right = rng.random(600) < scores
    order = np.argsort(scores if chosen == "worst" else -scores)
    with pytest.raises(EvalFileError, match="chosen by their score"):
        evals.release(scores[order[:150]], right[order[:150]], scores[order[150:]], max_false=10)
    drawn = rng.permutation(600)
    assert (
        evals.release(scores[drawn[:150]], right[drawn[:150]], scores[drawn[150:]], max_false=50).estimate > 0
    )


def test_plan_of_a_width_is_reached_by_the_evaluation():
    data, _ = judged(14, n=20_000, n_labels=200)
    plan = evals.plan(data, width=0.06)
    assert plan.estimate < plan.humans_alone
    data, _ = judged(15, n=20_000, n_labels=int(plan.estimate))
    result = evals.evaluate(data)
    assert result.conf_high - result.conf_low == pytest.approx(0.06, rel=0.15)


def test_plan_says_when_no_number_is_enough():
    data, _ = judged(16, n=300)
    assert evals.plan(data, width=0.001).verdict.code == "plan_impossible"


def test_summaries_are_short_and_open_with_the_answer():
    data, _ = judged(17)
    results = [
        evals.evaluate(data),
        evals.compare(DATA / "gpqa_counts.csv"),
        evals.rank(DATA / "gpqa_counts.csv"),
        evals.pass_at_k(DATA / "samples.jsonl_results.jsonl"),
        evals.release([0.1, 0.9] * 50, [0, 1] * 50, [0.5, 0.95], max_false=1),
    ]
    for result in results:
        text = result.summary().as_text()
        assert result.answer.split()[0] in text.split("-----")[0]
        words = [w for w in text.split() if any(c.isalpha() for c in w)]
        assert len(words) <= 120, (type(result).__name__, len(words))
        for form in ("as_html", "as_latex", "as_markdown"):
            assert getattr(result.summary(details=True), form)()


def test_json_has_no_nan_and_a_reason_for_every_null():
    result = evals.evaluate(DATA / "long.csv", system="alpha-small", by="topic")
    values = result.to_dict()
    json.dumps(values, allow_nan=False)
    score_only = evals.evaluate({"score": [1, 0, 1, 1]}).to_dict()
    assert score_only["terms"][0]["judge_estimate"] is None
    assert "terms[0].judge_estimate" in score_only["nulls"]
    assert values["inputs"]["files"][0]["rows"] == 160


@pytest.mark.share(3)
@pytest.mark.parametrize("verb", ["eval", "compare", "rank", "passk", "release", "plan"])
def test_json_fits_its_schema(verb):
    jsonschema = pytest.importorskip("jsonschema")
    import validstats

    schema = json.loads((Path(validstats.__file__).parent / "evals" / "schema.json").read_text())
    result = {
        "eval": lambda: evals.evaluate(DATA / "inspect_alpha_deflate.eval"),
        "compare": lambda: evals.compare(DATA / "long.csv"),
        "rank": lambda: evals.rank(DATA / "battles.csv"),
        "passk": lambda: evals.pass_at_k(DATA / "audited_samples.csv"),
        "release": lambda: evals.release([0.1, 0.9] * 50, [0, 1] * 50, [0.5, 0.95], max_false=1),
        "plan": lambda: evals.plan(difference=0.02, discordance=0.1),
    }[verb]()
    jsonschema.validate(json.loads(json.dumps(result.to_dict(), allow_nan=False)), schema)


@pytest.mark.slow
def test_figures_are_drawn():
    data, _ = judged(18)
    drawn = [
        evals.evaluate(data),
        evals.evaluate(data).judge,
        evals.compare(DATA / "gpqa_counts.csv", margin=0.02),
        evals.rank(DATA / "battles.csv"),
        evals.pass_at_k(DATA / "audited_samples.csv", wrong_costs=1),
        evals.plan(difference=0.02, discordance=0.1),
    ]
    for result in drawn:
        display = result.plot()
        assert display.ax_.get_xlabel() or display.ax_.get_ylabel()


def test_tidy_has_the_promised_columns():
    data, _ = judged(19)
    assert {"judge_estimate", "human_estimate", "n_items", "n_human"} <= set(
        evals.evaluate(data).tidy().columns
    )
    compared = evals.compare(DATA / "gpqa_counts.csv").tidy()
    assert {"mean_a", "mean_b", "n_discordant"} <= set(compared.columns)
    ranked = evals.rank(DATA / "gpqa_counts.csv").tidy()
    assert {"system", "rank", "rank_low", "rank_high", "group"} <= set(ranked.columns)
    assert {"k", "quantity"} <= set(evals.pass_at_k(DATA / "samples.jsonl_results.jsonl").tidy().columns)


def test_the_frame_library_of_the_caller_comes_back():
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame({"score": [1, 0, 1, 1, 0, 1]})
    assert isinstance(evals.evaluate(frame).tidy(), polars.DataFrame)


def test_labels_of_whole_passages_make_passages_the_units():
    rng = np.random.default_rng(20)
    passage = np.repeat(np.arange(40), 5)
    truth = rng.random(200) < rng.beta(1, 1, 40)[passage]
    human = np.where(np.isin(passage, rng.choice(40, 15, replace=False)), truth, np.nan)
    data = {
        "item": np.arange(200),
        "passage": passage,
        "judge": rng.random(200) < 0.2 + 0.6 * truth,
        "human": human,
    }
    found, given = evals.evaluate(data), evals.evaluate(data, clusters="passage")
    assert found.options["clusters"] == "passage"
    assert (found.conf_low, found.conf_high) == (given.conf_low, given.conf_high)
    assert any(c.code == "labels-by-group" for c in found.checks)


def test_a_category_of_one_item_is_open_and_blocks_nothing():
    rng = np.random.default_rng(21)
    data = {
        "item": np.arange(41),
        "score": rng.integers(0, 2, 41),
        "topic": ["one"] * 20 + ["two"] * 20 + ["odd"],
    }
    result = evals.evaluate(data, by="topic")
    row = result.terms.index("odd")
    assert (result.lows[row], result.highs[row]) == (0.0, 1.0)
    assert "allowing for 2" in result.answer


def test_the_lowest_category_is_wider_than_alone_and_narrower_than_bonferroni():
    rng = np.random.default_rng(22)
    passage = np.repeat(np.arange(60), 6)
    ability = rng.normal(0, 1.5, 60)[passage]
    data = {
        "item": np.arange(360),
        "passage": passage,
        "topic": np.tile(list("abcdef"), 60),
        "score": (rng.random(360) < 1 / (1 + np.exp(-ability))).astype(int),
    }
    result = evals.evaluate(data, by="topic", clusters="passage")
    lowest = int(np.argmin(result.estimates[1:])) + 1
    shown = [
        float(v) for v in re.search(r"\(([\d.]+) to ([\d.]+) %\), allowing for 6", result.answer).groups()
    ]
    assert shown[0] < 100 * result.lows[lowest] - 0.5
    strict = evals.evaluate(data, by="topic", clusters="passage", confidence_level=1 - 0.05 / 6)
    assert shown[0] > 100 * strict.lows[lowest]


def test_a_column_says_which_problems_were_drawn_for_audit():
    data = pd.read_csv(DATA / "audited_samples.csv")
    audited = data.groupby("problem")["audit"].transform("count") > 0
    plain = evals.pass_at_k(data)
    data["drawn"] = audited.astype(int)
    told = evals.pass_at_k(data, drawn="drawn")
    np.testing.assert_allclose(told.of("pass")["estimate"], plain.of("pass")["estimate"], atol=1e-12)
    # Drawn problems that nothing passed are known to be 0, and are no audited units: the band stays as wide.
    failed = [f"unsolved {k}" for k in range(40)]
    more = pd.DataFrame(
        {
            "problem": np.repeat(failed, 20),
            "sample": np.tile(np.arange(20), 40),
            "passed": 0,
            "audit_probability": 1 / 3,
        }
    )
    wide = [evals.pass_at_k(pd.concat([data, more.assign(drawn=flag)]), drawn="drawn") for flag in (0, 1)]
    assert [w.n_audited for w in wide] == [told.n_audited] * 2
    np.testing.assert_allclose(wide[0].of("pass")["conf_high"], wide[1].of("pass")["conf_high"], atol=1e-12)
    lost = data.assign(
        drawn=np.where(data["problem"] == data.loc[audited, "problem"].iloc[0], 0, data["drawn"])
    )
    with pytest.raises(EvalFileError, match="have audits and are not drawn"):
        evals.pass_at_k(lost, drawn="drawn")
    with pytest.raises(EvalFileError, match="none of which was audited"):
        evals.pass_at_k(data.assign(drawn=1), drawn="drawn")
    with pytest.raises(EvalFileError, match="the same for all samples"):
        evals.pass_at_k(data.assign(drawn=np.arange(len(data)) % 2), drawn="drawn")
    with pytest.raises(ValueError, match="design='samples'"):
        evals.pass_at_k(data, drawn="drawn", design="samples")


def test_one_of_several_systems_is_named():
    plan = evals.plan(DATA / "long.csv", width=0.3, system="alpha-small")
    rows = pd.read_csv(DATA / "long.csv").query("system == 'alpha-small'")
    assert plan.estimate == evals.plan(rows, width=0.3).estimate
    result = evals.pass_at_k(DATA / "gpqa_counts.csv", system="system_b", k=[1, 5])
    assert result.estimate[0] == pytest.approx(0.6171717171717171)
    with pytest.raises(EvalFileError, match="Pass system= with one of them"):
        evals.pass_at_k(DATA / "gpqa_counts.csv")
    with pytest.raises(EvalFileError, match="is no system of these data"):
        evals.plan(DATA / "long.csv", width=0.3, system="gamma")


def test_differences_that_are_all_alike_say_so():
    alike = {"item": np.arange(20), "a": np.full(20, 5.0), "b": np.full(20, 3.0)}
    result = evals.compare(alike, "a", "b")
    assert "all alike" in result.answer
    assert "infinity" not in str(result.summary())
