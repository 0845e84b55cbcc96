"""Answers at the edges of their rules: the first and the last number to which a rule applies, in a few obvious lines."""

from __future__ import annotations

import dataclasses
import json
import math
import sys
import types

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from validstats import evals
from validstats.evals import EvalFileError
from validstats.evals.doctor import unseen_tail
from validstats.evals.inputs import load
from validstats.evals.judged import _level_at, _smoothing, judged_mean, judged_systems, score_p_value
from validstats.evals.statistics import (
    column_means,
    davidson_fit,
    delivery_weights,
    effective_score_interval,
    effective_size,
    kish_size,
    mcnemar_items,
    pointwise,
    rank_sets,
    ranks,
    sign_flip_p_value,
    simultaneous_level,
    smoothed_variance,
    unseen_errors,
    win_rate,
)
from validstats.evals.statistics.pairs import bonett_price, buehler_p_value, consistent_answer, paired_binary
from validstats.evals.statistics.ranks import covariance_factor, studentised_maximum
from validstats.results import NotApplicable

COMPARE = sys.modules["validstats.evals.compare"]  # whose name the verb has
RELEASE = sys.modules["validstats.evals.release"]


# ---- statistics ----


def test_few_prompts_have_their_factor() -> None:
    """G/(G - 1) of two prompts is 2; of a single one, whose sums are zero at the estimate, it is 1."""
    first, second, y = np.array([0, 0, 1, 0]), np.array([1, 1, 0, 1]), np.array([0.5, -0.5, 0.5, 0.5])
    for prompts, factor in ((np.array([0, 1, 1, 0]), 2.0), (np.array([0, 1, 2, 0]), 1.5)):
        rate, covariance = win_rate(first, second, y, prompts, 2)
        assert rate.tolist() == [0.5, 0.5]
        points = np.array([1.0, 0.0, 0.0, 1.0]) - 0.5
        sums = np.bincount(prompts, points / 4)
        expected = factor * sums @ sums * np.array([[1, -1], [-1, 1]])
        np.testing.assert_allclose(covariance, expected)
        fit = davidson_fit(first, second, y, np.zeros(4), prompts, 2)
        np.testing.assert_allclose(fit.strength, 0.0, atol=1e-12)
        # the information of the difference is 4 x 1/16 x ... : strength_0 moves by 2 points of a battle each
        np.testing.assert_allclose(
            fit.covariance, factor * np.sum((2 * sums) ** 2) * np.array([[1, -1], [-1, 1]])
        )
    rows = np.array([[0.0, 1.0], [1.0, 0.5]])
    np.testing.assert_allclose(column_means(rows)[1], np.cov(rows.T) / 2)
    sums = rows - rows.mean(0)
    np.testing.assert_allclose(column_means(rows, np.array([0, 1]))[1], sums.T @ sums * 2 / 4)


def test_numbers_of_draws_are_ten_thousand() -> None:
    covariance = np.array([[2.0, 0.5], [0.5, 1.0]])

    def rng():
        return np.random.default_rng(4)

    assert studentised_maximum(covariance, 5, 0.9, rng()) == studentised_maximum(
        covariance, 5, 0.9, rng(), 10_000
    )
    df = np.array([4.0, 9.0])
    assert simultaneous_level(covariance, df, 0.9, rng()) == simultaneous_level(
        covariance, df, 0.9, rng(), 10_000
    )
    theta = np.array([0.1, 0.0])
    default = rank_sets(theta, covariance, 9, 0.9, generator=rng())
    assert default.critical == rank_sets(theta, covariance, 9, 0.9, generator=rng(), n_draws=10_000).critical


def test_many_units_take_the_normal_law() -> None:
    """From 1,000 degrees of freedom, or 20 a system: no draws of standard errors follow those of the deviations."""

    def normal(function, n, n_draws, *arguments):
        rng, plain = np.random.default_rng(0), np.random.default_rng(0)
        function(*arguments, rng)
        plain.standard_normal((n_draws, n))
        return rng.bit_generator.state == plain.bit_generator.state

    def pairs(covariance, df, n_draws, rng):
        return ranks._studentised_draws(covariance, np.array([0]), np.array([1]), df, n_draws, rng)

    def maximum(covariance, df, n_draws, rng):
        return studentised_maximum(covariance, df, 0.9, rng, n_draws)

    for function in (pairs, maximum):
        for n, df, expected in (
            (3, 1000.0, False),
            (3, 1000.5, True),
            (51, 1020.0, False),
            (51, 1020.5, True),
        ):
            assert normal(function, n, 7, np.eye(n), df, 7) == expected, (n, df)


@pytest.mark.parametrize("n_draws", [10, 12])
def test_draws_of_the_largest_deviation_are_those_of_a_loop(n_draws, monkeypatch) -> None:
    monkeypatch.setattr(ranks, "_CHUNK_FLOATS", 2 * 2 * 4 + 1)
    covariance = np.array([[2.0, 0.5, 0.0], [0.5, 1.0, 0.0], [0.0, 0.0, 0.0]])
    found = studentised_maximum(covariance, 6, 0.5, np.random.default_rng(1), n_draws)
    rng, factor = np.random.default_rng(1), covariance_factor(covariance[:2, :2])
    z = rng.standard_normal((n_draws, 2)) @ factor.T
    largest = []
    for start in range(0, n_draws, 4):
        roots = ranks._wishart_roots(factor, 6, min(4, n_draws - start), rng)
        for root, row in zip(roots, z[start:]):
            largest.append(max(abs(row) / np.sqrt(np.sum(root**2, axis=1))))
    place = math.ceil(0.5 * (n_draws + 1)) - 1
    assert found == pytest.approx(max(sorted(largest)[place], stats.t.isf(0.25, 6)))


def test_the_largest_of_few_draws_is_the_critical_value() -> None:
    """9 draws do not reach .95: the largest is taken."""
    draws = np.random.default_rng(0).normal(size=(9, 1))
    above = np.zeros((2, 2), bool)
    critical = ranks._step_down(np.zeros(1), draws, np.array([0]), np.array([1]), above, 0.95, 9.0, None)
    assert critical == np.abs(draws).max() and not above.any()


def test_unseen_errors_are_of_classes_of_ten() -> None:
    rng = np.random.default_rng(3)
    rate, right, delivered = rng.random(20), rng.random(20), rng.random((20, 2))
    found = unseen_errors(rate, np.ones(20), right, delivered)
    np.testing.assert_array_equal(found, unseen_errors(rate, np.ones(20), right, delivered, 10))
    assert not np.allclose(found, unseen_errors(rate, np.ones(20), right, delivered, 11))


def flips_by_hand(sums, rng, n_draws):
    """Equal sizes flip together, the others by bits of blocks of 512."""
    size = np.abs(sums[sums != 0])
    values, counts = np.unique(size, return_counts=True)
    total = np.zeros(n_draws)
    for value, count in zip(values, counts):
        if count > 1:
            total += value * (2.0 * rng.binomial(count, 0.5, n_draws) - count)
    single = values[counts == 1]
    for start in range(0, len(single), 512):
        block = single[start : start + 512]
        bits = np.unpackbits(
            rng.integers(0, 256, (n_draws, math.ceil(len(block) / 8)), dtype=np.uint8), axis=1
        )
        total += np.where(bits[:, : len(block)] == 1, 1.0, -1.0) @ block
    observed = abs(sums.sum()) - 1e-9 * size.sum()
    return (1 + sum(abs(t) >= observed for t in total)) / (n_draws + 1)


@pytest.mark.parametrize("n", [17, 24, 512, 513, 600])
@pytest.mark.parametrize("ties", [False, True])
def test_random_flips_are_those_of_a_loop(n, ties) -> None:
    sums = np.random.default_rng(n).normal(0.06, 1.0, n + 20 * ties)
    if ties:
        sums = np.concatenate([np.round(sums[:30]), sums[30:], [0.0]])
    found = sign_flip_p_value(sums, np.random.default_rng(1), 199)
    assert found == flips_by_hand(sums, np.random.default_rng(1), 199)


def test_sixteen_flips_are_all_and_seventeen_are_drawn() -> None:
    rng = np.random.default_rng(0)
    assert sign_flip_p_value(np.linspace(1, 2, 16), rng) == 2 / 2**16
    assert sign_flip_p_value(np.append(np.linspace(1, 2, 16), 0.0), rng) == 2 / 2**16
    assert sign_flip_p_value(np.linspace(1, 2, 17), rng) == 1 / 10_000


def test_p_values_and_intervals_at_their_ends() -> None:
    assert buehler_p_value(3, 3, 10) == 1.0
    assert buehler_p_value(60, 0, 60) == pytest.approx(1e-12, rel=1e-9)  # no smaller one is looked for
    answer = consistent_answer(0.1, 0.05, 0.2, 0.0625, 0.9375)
    assert (answer.estimate, answer.conf_low, answer.conf_high, answer.p_value) == (0.1, 0.05, 0.2, 0.0625)
    answer = consistent_answer(0.1, 0.05, 0.2, 0.0626, 0.9375)
    assert (answer.conf_low, answer.conf_high) == (0.0, 0.2)
    answer = consistent_answer(-0.1, -0.2, -0.05, 0.0626, 0.9375)
    assert (answer.conf_low, answer.conf_high) == (-0.2, 0.0)
    for n, b, c, level in ((300, 11, 1, 0.9936), (300, 1, 11, 0.9936), (300, 15, 2, 0.9976)):
        found = paired_binary(b, c, n, level, "bonett-price")
        low, high = bonett_price(b, c, n, level)
        assert low <= 0 <= high and stats.binomtest(b, b + c).pvalue <= 1 - level
        p1, p2 = (b + 1) / (n + 2), (c + 1) / (n + 2)
        error = math.sqrt((p1 + p2 - (p1 - p2) ** 2) / (n + 2))
        assert found.p_value == pytest.approx(2 * stats.norm.sf(abs(p1 - p2) / error))


def test_chances_of_delivery_of_samples_of_several_problems() -> None:
    """Three problems, the middle one without a passing sample; scores are compared within a problem."""
    problem = np.array([0, 0, 0, 1, 1, 2, 2, 2])
    passed = np.array([1, 1, 0, 0, 0, 1, 1, 1], bool)
    score = np.array([2.0, 1.0, 9.0, 1.0, 1.0, 1.0, 1.0, 2.0])
    found = delivery_weights(problem, passed, score, np.array([1, 2]))
    np.testing.assert_allclose(found[:, 0], [1 / 3, 1 / 3, 0, 0, 0, 1 / 3, 1 / 3, 1 / 3])
    # of two of three: the best with chance 2/3; the second where it is drawn without the best
    np.testing.assert_allclose(found[:, 1], [2 / 3, 1 / 3, 0, 0, 0, 1 / 6, 1 / 6, 2 / 3])


# ---- judges ----


def verdicts(kinds, further=None, n=420, seed=0):
    """A judge of so many kinds, and a second one, with humans on a third of the answers."""
    rng = np.random.default_rng(seed)
    data = {"item": np.arange(n), "judge": (np.arange(n) % kinds) / 100}
    if further:
        data["second"] = (np.arange(n) // kinds % further) / 10
    data["human"] = np.where(rng.random(n) < 0.4, rng.integers(0, 2, n), np.nan)
    return load(pd.DataFrame(data), judge=["judge", "second"] if further else "judge", human="human")


@pytest.mark.parametrize(
    ("kinds", "further", "classes"),
    [(20, None, "judge"), (21, None, None), (4, 5, "both"), (7, 3, "judge"), (21, 2, None)],
)
def test_twenty_verdicts_are_smoothed(kinds, further, classes) -> None:
    """Of all judges together, of the first one where these are more, and none where its are more."""
    data = verdicts(kinds, further)
    n = len(data.score)
    found = _smoothing(data, np.ones(n), np.ones(n))
    if classes is None:
        assert found == (0.0, 0.0)
        return
    code = np.arange(n) % (kinds * further if classes == "both" else kinds)
    known = ~np.isnan(data.human)
    labels = np.bincount(code[known], minlength=code.max() + 1).astype(float)
    right = np.bincount(code[known], data.human[known], code.max() + 1)
    share = np.bincount(code) / n
    seen = labels > 0
    expected = [smoothed_variance(share[rows], labels[rows], right[rows]) for rows in (seen, ~seen)]
    assert found == pytest.approx(tuple(expected)) and found[0] > 0


def weighted_answers(seed=0, n=80, scale=1.0):
    rng = np.random.default_rng(seed)
    truth = (rng.random((n, 2)) < [0.8, 0.5]).astype(float)
    judge = np.where(rng.random((n, 2)) < 0.85, truth, 1 - truth)
    known = rng.random((n, 2)) < 0.5
    return pd.DataFrame(
        {
            "item": np.repeat(np.arange(n), 2),
            "system": ["a", "b"] * n,
            "judge": scale * judge.ravel(),
            "human": np.where(known, scale * truth, np.nan).ravel(),
            "w": np.repeat(rng.random(n) + 0.5, 2),
        }
    )


@pytest.mark.parametrize("scale", [1.0, 4.0])
def test_weighted_judged_systems_have_smoothed_variances(scale) -> None:
    data = weighted_answers(scale=scale)
    inputs = load(data, weights="w", judge="judge")
    found = judged_systems(inputs, confidence_level=0.9, population="superpopulation", random_state=None)
    covariance = np.array(found.study.covariance, dtype=float)
    w, known, judge = (data[name].to_numpy() for name in ("w", "human", "judge"))
    known = ~np.isnan(known)
    units = []
    for s, name in enumerate("ab"):
        rows = (data["system"] == name).to_numpy()
        labelled = rows & known
        weights = w / labelled[rows].mean()
        units.append(kish_size(weights[labelled]))
        if scale == 1.0:
            for verdict in (0, 1):
                cell = labelled & (judge == verdict)
                m = kish_size(weights[cell])
                p = np.average(data["human"][cell], weights=weights[cell])
                share = w[rows & (judge == verdict)].sum() / w[rows].sum()
                smooth = (p * m + 1) / (m + 2)
                covariance[s, s] += share**2 * max(smooth * (1 - smooth) - p * (1 - p), 0.0) / m
    np.testing.assert_allclose(found.covariance, covariance)
    df = min(int((known & (data["system"] == name)).sum()) for name in "ab") - 1
    assert found.degrees_of_freedom == df and found.effective_units == pytest.approx(min(units))
    effective = np.array(units) if scale == 1.0 else None
    low, high = pointwise(found.estimate, covariance, df, 0.9, effective)
    np.testing.assert_allclose([found.conf_low, found.conf_high], [low, high])
    ranked = evals.rank(data, weights="w", judge="judge", confidence_level=0.9)
    np.testing.assert_allclose(sorted(ranked.conf_low), sorted(low))


def test_two_clusters_have_their_factor_in_cells_too() -> None:
    data = weighted_answers(1).drop(columns="w")
    data["half"] = np.where(data["item"] < 40, "x", "y")
    found = judged_systems(
        load(data, clusters="half"), confidence_level=0.9, population="superpopulation", random_state=None
    )
    influence = np.asarray(found.study.influence)
    sums = np.array([influence[(data["half"] == h).to_numpy()].sum(0) for h in "xy"])
    expected = sums.T @ sums * 2 / 160**2
    np.testing.assert_allclose(found.covariance[0, 1], expected[0, 1])
    np.testing.assert_allclose(
        np.diag(found.covariance), np.maximum(np.diag(expected), np.asarray(found.study.std_error) ** 2)
    )


def test_labels_of_one_unit_say_nothing_of_others() -> None:
    item, judge = np.repeat(np.arange(20), 2), np.arange(40) % 2
    for units, refused in ((1, True), (2, False)):
        human = np.where(item < units, np.arange(40) % 2, np.nan)
        human[0] = np.nan
        data = {"item": item, "judge": judge, "human": human}
        if refused:
            with pytest.raises(EvalFileError, match=r"All human labels lie in one unit \(item\)"):
                evals.evaluate(data)
        else:
            assert evals.evaluate(data).n_human[0] == 3
    with pytest.raises(EvalFileError, match="All items belong to one unit; nothing can be said about others"):
        evals.rank(weighted_answers().drop(columns="w").assign(passage="p"), clusters="passage")
    for value in (0.0, 1.0):
        with pytest.raises(EvalFileError, match="There is no column of scores"):
            evals.evaluate({"item": [1, 2], "human": [value, 1]})


def test_levels_at_which_intervals_touch_a_value() -> None:
    def ends(level):
        return 0.5 - level / 2, 0.5 + level / 2

    assert _level_at(ends, 0.5, 0.25) == pytest.approx(0.5, abs=1e-9)
    assert _level_at(ends, 0.5, 0.9) == pytest.approx(0.2, abs=1e-9)
    assert _level_at(ends, 0.5, 0.5) == 1.0 and _level_at(ends, math.nan, 0.5) == 1.0
    assert _level_at(ends, 0.5, 1.5) == pytest.approx(0.0, abs=1e-9)
    for mean in (0.7, 1.2, -0.1):
        m = min(max(mean, 0.0), 1.0)
        units = float(effective_size(m, 0.05, 40.0))
        expected = 2 * stats.t.sf(abs(m - 0.4) / math.sqrt(0.24 / units), 12)
        assert score_p_value(mean, 0.05, 40.0, 0.4, 12) == pytest.approx(expected)


def test_judged_means_lie_within_their_bounds() -> None:
    """Weighted corrections may exceed the best score; what is said does not."""
    n = 60
    judge = np.where(np.arange(n) % 3 == 0, 0.0, 1.0)
    human = np.where(np.arange(n) < 30, 1.0, np.nan)
    human[1] = 0.0
    data = {"item": np.arange(n), "judge": judge, "human": human, "w": 1.0 + np.arange(n) % 5}
    how = {"confidence_level": 0.9, "population": "superpopulation", "random_state": None}
    plain = judged_mean(load(data, weights="w", judge="judge"), bounds=None, **how)
    for bounds in ((0.0, 1.0), (-1.0, 1.0), (0.0, 4.0)):
        found = judged_mean(load(data, weights="w", judge="judge"), bounds=bounds, **how)
        assert found.estimate == pytest.approx(np.clip(plain.estimate, *bounds), abs=0.02)
        assert bounds[0] <= found.conf_low < found.conf_high <= bounds[1]


# ---- comparisons ----


def test_a_p_value_never_rejects_where_the_interval_holds_0() -> None:
    def answer(low, high, p):
        mean = types.SimpleNamespace(estimate=0.1, conf_low=low, conf_high=high, p_value=p)
        found = COMPARE._from_mean(mean, 0.95)
        return found.conf_low, found.conf_high, found.p_value

    least = float(np.nextafter(1 - 0.95, 1))
    assert answer(-0.1, 0.3, 0.01) == (-0.1, 0.3, least)
    assert answer(0.0, 0.3, 0.01) == (0.0, 0.3, least) and answer(-0.3, 0.0, 0.01) == (-0.3, 0.0, least)
    assert answer(-0.1, 0.3, 1 - 0.95) == (-0.1, 0.3, least)
    assert answer(0.1, 0.3, 0.01) == (0.1, 0.3, 0.01)
    assert answer(0.1, 0.3, 0.06) == (0.0, 0.3, 0.06) and answer(-0.1, 0.3, 0.06) == (-0.1, 0.3, 0.06)


def test_two_files_are_two_systems(tmp_path) -> None:
    paths = [tmp_path / "new.csv", tmp_path / "old.csv"]
    for path, values in zip(paths, ([1, 1, 1, 0], [0, 1, 0, 0])):
        path.write_text("item,score\n" + "".join(f"q{k},{v}\n" for k, v in enumerate(values)))
    for a, b in ((paths[0], paths[1]), (str(paths[0]), str(paths[1])), (paths[0], str(paths[1]))):
        found = evals.compare(a, b)
        assert (found.a, found.b, found.estimate) == ("new", "old", 0.5)
    with pytest.raises(EvalFileError, match="One system of several was named"):
        evals.compare(paths[0], str(tmp_path / "nothing.csv"))


def test_names_that_data_leave_open_are_taken_from_the_caller() -> None:
    data = {"id": [1, 2, 3] * 2, "doc_id": [7] * 6, "system": list("pppqqq"), "score": [1, 1, 0, 0, 1, 0]}
    found = evals.compare(data, "p", "q", item="id")
    assert (found.a, found.b, found.n_items) == ("p", "q", 3)
    with pytest.raises(EvalFileError, match="several columns that may be the item"):
        evals.compare(data, "p", "q")


def test_what_is_known_beside_two_columns_stays() -> None:
    """Rows of errors, sample numbers and clusters hold for both systems."""
    data = {"item": [1, 1, 2, 2], "sample": [1, 2, 1, 2], "error": [True, False, False, False]}
    data |= {"passage": list("xxyy"), "a": [1, 1, 0, 1], "b": [0, 1, 0, 0]}
    found = evals.compare(data, "a", "b")
    assert found.mean_a == 0.5 and found.mean_b == 0.25
    assert found.method.startswith("t interval over 2 units (item)")
    by_passage = evals.compare(data, "a", "b", clusters="passage", errors="drop")
    assert by_passage.mean_a == pytest.approx((1 + 0.5) / 2)
    rows = evals.read(data)
    part = rows.rows(np.array([False, True, True, True]))
    weights = np.array([1.0, 2.0, 3.0, 4.0])
    again = evals.compare(part, "a", "b", weights=weights)
    assert again.estimate == pytest.approx((2 * 0 + 3.5 * 0.5) / 5.5)


def test_intervals_of_the_whole_range_say_nothing() -> None:
    compared = evals.compare({"a": [1, 0, 1, 1], "b": [0, 0, 1, 0]}, "a", "b")
    evaluated = evals.evaluate({"score": [1, 0, 1, 1]})
    cases = [(True, -1.0, 0.5, True), (True, -0.5, 1.0, True), (True, -1.0, 1.0, False)]
    cases += [
        (False, -math.inf, 0.5, True),
        (False, -0.5, math.inf, True),
        (False, -math.inf, math.inf, False),
    ]
    for share, low, high, says in cases:
        changed = dataclasses.replace(compared, share=share, conf_low=low, conf_high=high)
        assert changed.informative == says
        low = (low + 1) / 2 if share else low
        changed = dataclasses.replace(evaluated, share=share, lows=np.array([low]), highs=np.array([high]))
        assert changed.informative == says


# ---- doctor, plans, releases and samples ----


def test_reports_of_the_doctor_have_all_their_parts() -> None:
    data = {"item": ["a", "b", "a", "b"], "system": list("ppqq"), "score": [1, 0, 0, 1]}
    report = evals.doctor(data)
    text = report.summary().as_text()
    for part in (
        "Roles of columns",
        "Questions that these data can answer",
        "validstats rank FILE",
        "Systems",
    ):
        assert part in text, part
    assert "Findings" not in text
    values = report.to_dict()
    assert values["schema"] == "validstats.evals/1" and values["verb"] == "doctor"
    assert values["inputs"]["systems"] == ["p", "q"] and values["inputs"]["items"] == 2
    assert values["inputs"]["roles"] == {"item": "item", "system": "system"} and values["checks"] == []
    assert values["commands"][0] == {
        "question": "Is one of them better?", "command": "validstats compare FILE --a p --b q",
    }  # fmt: skip
    alone = evals.doctor({"score": [1, 0]})
    assert alone.to_dict()["inputs"]["systems"] == []
    assert "Findings" in alone.summary().as_text() and "Systems" not in alone.summary().as_text()
    blocked = evals.doctor({"item": ["", "b"], "score": [1, 0]})
    assert blocked.commands == () and "Questions" not in blocked.summary().as_text()
    json.dumps(values)


def test_zeros_of_either_sign_are_copies() -> None:
    rows = {"item": ["a", "a", "b"], "sample": [1, 1, 1], "score": [0.0, -0.0, 1.0]}
    assert [c.code for c in evals.doctor(rows).checks if c.severity != "note"] == ["duplicates"]


def test_rows_without_names_and_with_two_scores_are_counted() -> None:
    [check] = [
        c
        for c in evals.doctor({"item": ["a", "", "b", ""], "score": [1, 0, 1, 0]}).checks
        if c.code == "unnamed"
    ]
    assert check.sentence == (
        "2 rows have no item in the column 'item' (first row 2), and would count as one item; name them, or remove these rows."
    )
    battle = {"model_a": ["p", "q"], "model_b": ["q", ""], "winner": ["tie", "tie"]}
    [check] = [c for c in evals.doctor(battle).checks if c.code == "unnamed"]
    assert check.sentence.startswith(
        "1 row has no system in the column 'model_b' (first row 2), and would count as one system"
    )
    rows = {"item": list("ccaabb"), "sample": [1] * 6, "score": [1, 1, 0, 1, 1, 0]}
    [check] = [c for c in evals.doctor(rows).checks if c.code == "conflicts"]
    assert check.sentence == (
        "2 answers have several rows with different scores, for example 'a / 1'; keep the right one."
    )


def test_a_tenth_of_unshared_items_needs_a_word() -> None:
    for n, said in ((10, ""), (9, " --unpaired-ok")):
        data = {"item": [*range(n), *range(1, n)], "system": ["p"] * n + ["q"] * (n - 1)}
        data["score"] = [1, 0] * (n - 1) + [1]
        [command] = [c for q, c in evals.doctor(data).commands if q == "Is one of them better?"]
        assert command == f"validstats compare FILE --a p --b q{said}"
    apart = {"item": [1, 2, 3, 4], "system": list("ppqq"), "score": [1, 0, 1, 0]}
    assert "unpaired" not in evals.doctor(apart).commands[0][1]


def test_plans_and_releases_say_how_much_they_rest_on() -> None:
    plan = evals.plan(difference=0.1, standard_deviation=0.5)
    assert (plan.inputs.items, plan.inputs.human_labels, plan.inputs.files, plan.inputs.systems) == (
        0,
        0,
        (),
        (),
    )
    rng = np.random.default_rng(0)
    scores = rng.random(300)
    right = rng.random(300) < scores
    released = evals.release(scores[:200], right[:200], scores[200:], max_false=10)
    assert (released.inputs.items, released.inputs.human_labels, released.n_checked) == (100, 200, 200)
    assert released.guarantee.n_reference == 200
    assert released.options == {"confidence_level": 0.95, "max_false": 10, "fdr": None}
    assert isinstance(released.conf_low, NotApplicable) and isinstance(released.naive, NotApplicable)
    assert released.tidy()["term"].tolist()[:2] == ["row 0", "row 1"]
    assert released.tidy()["selected"].tolist() == released.selected.tolist()


def test_releases_are_refused_below_one_in_a_hundred_thousand(monkeypatch) -> None:
    checked, new = np.linspace(0, 1, 60), np.linspace(0, 1, 50)
    right = np.arange(60) % 2
    for p, refused in ((1e-5, False), (0.9e-5, True)):
        monkeypatch.setattr(RELEASE.stats, "ks_2samp", lambda *a, p=p, **b: types.SimpleNamespace(pvalue=p))
        if refused:
            with pytest.raises(
                EvalFileError, match=r"are spread otherwise than those of the 50 new ones .*p = 9e-06"
            ):
                evals.release(checked, right, new, fdr=0.2)
        else:
            assert evals.release(checked, right, new, fdr=0.2).n_checked == 60


def test_k_of_these_problems_alone_reaches_half_of_the_samples() -> None:
    passed = (np.arange(60).reshape(10, 6) % 7 < 3).astype(int)
    data = {"problem": np.repeat(np.arange(10), 6), "passed": passed.ravel()}
    assert evals.pass_at_k(data, population="finite", k=[1, 3]).k.tolist() == [1, 3]
    with pytest.raises(EvalFileError, match=r"takes k up to half of the fewest samples \(3\); pass k="):
        evals.pass_at_k(data, population="finite", k=[1, 4])


def audited_problems(n=12):
    passed = np.zeros((n, 4))
    passed[:, 0] = passed[::2, 1] = passed[::3, 2] = 1
    audit = np.where((np.arange(n)[:, None] < n - 4) & (passed == 1), 1.0, np.nan)
    audit[0, 0] = audit[3, 0] = 0.0
    return passed, audit


def test_drawn_problems_with_one_passing_sample_have_its_audit() -> None:
    passed, audit = audited_problems()

    def answer(drawn, audit=audit):
        data = {"problem": np.repeat(np.arange(12), 4), "passed": passed.ravel(), "audit": audit.ravel()}
        return evals.pass_at_k({**data, "drawn": np.repeat(drawn, 4)}, drawn="drawn", k=[1])

    drawn = np.arange(12) < 8
    assert answer(drawn.astype(int)).n_audited == 8
    with pytest.raises(
        EvalFileError, match="1 problems are drawn and have passing samples, none of which was audited"
    ):
        answer((np.arange(12) < 8) | (np.arange(12) == 11))
    with pytest.raises(EvalFileError, match="2 problems have audits and are not drawn according to 'drawn'"):
        answer((np.arange(12) < 6).astype(int))
    with pytest.raises(EvalFileError, match="drawn='drawn' must say 1 or 0"):
        answer(2 * drawn.astype(int))
    with pytest.raises(EvalFileError, match="drawn='drawn' must say 1 or 0"):
        answer(np.where(drawn, 1.0, np.nan))


def test_audits_of_part_of_a_problem_leave_a_range() -> None:
    """Of three passing samples two were audited: with k = 3 what the third is worth is open."""
    passed, audit = audited_problems()
    passed[:8] = [1, 1, 1, 0]
    audit = np.full((12, 4), np.nan)
    audit[:8, :2] = 0.0
    audit[:3, 0] = 1.0
    data = {"problem": np.repeat(np.arange(12), 4), "passed": passed.ravel(), "audit": audit.ravel()}
    found = evals.pass_at_k(data, design="problems", k=[1, 2, 3])
    assert np.isnan(found.of("pass")["estimate"]).all() and found.verdict.code == "pass_range"
    low, high = found.of("pass")["conf_low"], found.of("pass")["conf_high"]
    assert (low < high).all() and high[2] - low[2] > high[0] - low[0]
    assert found.answer.startswith(
        f"With 3 tries a right solution is found for between {100 * low[2]:.1f} % and {100 * high[2]:.1f} % of problems"
    )
    exact = evals.pass_at_k(data, design="problems", k=[1, 2])
    assert exact.verdict.code == "pass_at_k_audited" and np.isfinite(exact.of("pass")["estimate"]).all()


# ---- battles ----


def test_columns_of_battles_are_named_by_the_caller() -> None:
    rng = np.random.default_rng(0)
    data = {"left": rng.choice(["p", "q"], 60), "system": ["s"] * 60, "score": rng.integers(0, 2, 60)}
    data["right"] = np.where(data["left"] == "p", "q", "p")
    data["won"] = np.where(rng.random(60) < 0.6, "p", "q")
    named = evals.rank(data, battles=("left", "right"), judge="won")
    plain = {"model_a": data["left"], "model_b": data["right"], "winner": data["won"]}
    usual = evals.rank(plain)
    assert named.systems == usual.systems
    np.testing.assert_array_equal(named.estimate, usual.estimate)
    for pair in (("left", "none"), ("none", "right")):
        with pytest.raises(EvalFileError, match="There is no column 'none'; the columns are 'left'"):
            evals.rank(data, battles=pair, judge="won")
    again = evals.rank(evals.read(plain), battles=("model_b", "model_a"))
    np.testing.assert_allclose(again.estimate, usual.estimate)


def test_battles_that_always_begin_with_one_system_do_not_tell_its_advantage() -> None:
    won = np.where(np.arange(60) % 5 < 3, "p", "q")
    data = {"model_a": ["p"] * 60, "model_b": ["q"] * 60, "winner": won}
    assert evals.rank(data).systems == ("p", "q")
    with pytest.raises(
        evals.BattlesNotIdentifiedError, match=r"from the advantage of being shown first; swap the order"
    ):
        evals.rank(data, order_effect=True)
    first, second = np.zeros(9, int), np.ones(9, int)
    y = np.where(np.arange(9) % 2, 0.5, -0.5)
    with pytest.raises(evals.BattlesNotIdentifiedError, match="do not tell the strengths from each other"):
        davidson_fit(first, second, y, np.zeros(9), np.arange(9), 3)
    for order, outcome, said in (((0, 1), 0.5, "never (loses|wins)"), ((1, 0), -0.5, "never (loses|wins)")):
        a, b = np.full(9, order[0]), np.full(9, order[1])
        with pytest.raises(evals.BattlesNotIdentifiedError, match=said):
            davidson_fit(a, b, np.full(9, outcome), np.zeros(9), np.arange(9), 2)


def test_systems_with_fewer_than_two_labels_are_named_alone() -> None:
    data = pd.DataFrame({"item": np.repeat(range(20), 4), "system": list("abcd") * 20})
    data["judge"], data["human"] = np.arange(80) % 3 % 2, np.nan
    for name, labels in (("a", 2), ("b", 1), ("c", 0), ("d", 5)):
        rows = data.index[data["system"] == name][:labels]
        data.loc[rows, "human"] = 1.0
    with pytest.raises(EvalFileError, match=r"^'b', 'c' have fewer than 2 human labels"):
        evals.rank(data, judge="judge", human="human")


def test_plans_of_few_items_begin_at_two() -> None:
    few = evals.plan(difference=1.0, standard_deviation=0.5)
    assert few.estimate == 2 and few.curve["n"].tolist() == [2.0, 3.0, 4.0]
    pairs = evals.plan(difference=1.0, discordance=1.0)
    normal = evals.plan(difference=0.006, standard_deviation=math.sqrt(0.1 - 0.006**2)).estimate
    assert normal > 20_000  # and 1/.006 more, rounded up
    assert mcnemar_items(0.006, 0.1, 0.95) == normal + 167
    assert pairs.estimate == 6 and pairs.curve["n"].tolist() == [float(n) for n in range(2, 13)]


def test_several_judges_of_pairs_are_a_mean_in_units_of_their_ranges() -> None:
    nan = np.nan
    rows = {"item": range(4), "a": [1, nan, 0, nan], "b": [2, 6, nan, nan], "human": [1, 0, nan, 1]}
    pairs = load(pd.DataFrame(rows), judge=["a", "b"], human="human")
    found = COMPARE._one_verdict(pairs, pairs)
    np.testing.assert_allclose(found.score, [(1 / 1 + 2 / 4) / 2, 6 / 4, 0.0, nan])
    assert found.further == {} and COMPARE._one_verdict(found, pairs) is found


def test_probabilities_of_battles_lie_in_their_range() -> None:
    who = ["p", "q"] * 30
    data = {
        "model_a": who,
        "model_b": who[::-1],
        "winner": ["p", "q", "q"] * 20,
        "human": ["p", "q", "p"] * 20,
    }
    data["pi"] = [1.0] * 60
    assert evals.rank(data, sampling_probability="pi").n_human.tolist() == [60, 60]
    for wrong in (0.0, 1.0001):
        pi = [wrong] + [0.5] * 59
        with pytest.raises(EvalFileError, match=r"one number in \(0, 1\] for every battle"):
            evals.rank({**data, "pi": pi}, sampling_probability="pi")


def test_tails_may_hide_below_thirty_units_of_more_than_three_values() -> None:
    words = ", and the scores have no long tail that 29 units do not show (with one, some 88 of 100 intervals at 95 % hold)"
    assert unseen_tail({"": np.arange(29.0)}, "scores") == words
    assert (
        unseen_tail({"": np.arange(30.0)}, "scores")
        == unseen_tail({}, "scores")
        == unseen_tail({"": None}, "scores")
        == ""
    )
    assert (
        unseen_tail({"": np.arange(29.0) % 4}, "scores") == words
        and unseen_tail({"": np.arange(29.0) % 3}, "scores") == ""
    )
    near = np.arange(29.0) % 3 + 1e-12 * np.arange(29)  # rounding makes no further values
    assert unseen_tail({"": near}, "scores") == unseen_tail({"": np.ones(29)}, "scores") == ""
    several = {
        "'a'": np.arange(20.0),
        "'b'": np.arange(12.0),
        "'c'": np.arange(5.0) % 2,
        "'d'": np.arange(40.0),
    }
    assert unseen_tail(several, "differences").startswith(
        ", and the differences have no long tail that 12 units of 'b' do not show"
    )


@pytest.mark.parametrize(("kinds", "said"), [(20, True), (21, False)])
def test_classes_without_labels_are_those_of_at_most_twenty_verdicts(kinds, said) -> None:
    n = 420
    judge = np.arange(n) % kinds / 20
    human = np.where((np.arange(n) % 3 == 0) & (judge > 0), np.arange(n) % 2, np.nan)
    found = evals.doctor({"item": range(n), "judge": judge, "human": human}).checks
    assert ("class-without-labels" in {c.code for c in found}) == said


def test_verdicts_without_labels_are_refused_below_one_in_a_thousand() -> None:
    """The chance that none of them is among 60 labels of 200 rows is that of the hypergeometric law."""
    chances = [stats.hypergeom.pmf(0, 200, rows, 60) for rows in (18, 19)]
    assert 1.5e-3 > chances[0] > 1e-3 > chances[1]
    for rows, severity in ((18, "note"), (19, "error")):
        judge = np.where(np.arange(200) < rows, 0.5, np.arange(200) % 2)
        human = np.full(200, np.nan)
        human[rows + np.random.default_rng(1).permutation(200 - rows)[:60]] = np.arange(60) % 2
        found = evals.doctor({"item": range(200), "judge": judge, "human": human}).checks
        assert [c.severity for c in found if c.code == "class-without-labels"] == [severity]
    pi = np.full(200, 0.3)
    for chance, severity in ((1.2e-3, "note"), (0.9e-3, "error")):
        pi[:19] = 1 - chance ** (1 / 19)
        found = evals.doctor(
            {"item": range(200), "judge": judge, "human": human, "pi": pi}, sampling_probability="pi"
        )
        [check] = [c for c in found.checks if c.code == "class-without-labels"]
        assert check.severity == severity


def test_two_shared_items_are_enough_for_ranks() -> None:
    data = pd.DataFrame(
        {"item": [1, 2, 3, 1, 2], "system": list("aaabb"), "score": [1.0, 0.5, 0.0, 0.0, 0.5]}
    )
    found = evals.rank(data, common_items=True)
    assert found.inputs.items == 2 and found.estimate.tolist() == [0.75, 0.25]
    with pytest.raises(EvalFileError, match="Fewer than two items were answered by all systems"):
        evals.rank(data[:4], common_items=True)


def test_half_of_the_samples_is_that_of_the_problem_with_fewest() -> None:
    passed = (np.arange(60).reshape(10, 6) % 7 < 3).astype(int).ravel()
    data = pd.DataFrame({"problem": np.repeat(np.arange(10), 6), "passed": passed})[:-1]
    assert evals.pass_at_k(data, population="finite", k=[2]).k.tolist() == [2]
    with pytest.raises(EvalFileError, match=r"half of the fewest samples \(2\)"):
        evals.pass_at_k(data, population="finite", k=[3])


def test_contrasts_without_spread_reject_nothing() -> None:
    data = weighted_answers(2).drop(columns="w").assign(judge=lambda d: 1.0 + d["item"] % 2)
    data["human"] = np.where(data["human"].notna(), np.where(data["system"] == "a", 5.0, 3.0), np.nan)
    found = evals.compare(data)
    assert found.method.startswith("contrast of two judged systems") and found.estimate == pytest.approx(2.0)
    assert (found.p_value, found.conf_low, found.conf_high) == (1.0, -math.inf, math.inf)
    ranked = evals.rank(data)
    assert not ranked.above.any() and np.isinf(ranked.conf_low).all()
    narrow = data.assign(human=data["human"] + 0.1 * (data["item"] % 3 == 0))
    assert 1.9 < evals.compare(narrow).conf_low < 2.0 and evals.rank(narrow).above.any()


@pytest.mark.parametrize("value", [3.0, 3.3, 1.1, 7.7, -5.1, 1e9 / 7])
def test_equal_scores_say_nothing_whatever_rounding_leaves_of_them(value) -> None:
    """The mean of 13 times 3.3 is not 3.3 to the last digit; that is no spread."""
    n = 13
    assert (evals.evaluate({"score": [value] * n}).conf_low, evals.evaluate({"score": [value] * n}).conf_high) == (
        -math.inf, math.inf,
    )  # fmt: skip
    data = {
        "item": np.arange(2 * n),
        "system": ["a"] * n + ["b"] * n,
        "score": np.repeat([value, value / 3], n),
    }
    found = evals.compare(data)
    assert (found.conf_low, found.conf_high, found.p_value) == (-math.inf, math.inf, 1.0)
    same = {**data, "item": np.tile(np.arange(n), 2)}
    ranked = evals.rank(same)
    assert np.isinf(ranked.conf_low).all() and not ranked.above.any()
    judged = evals.evaluate(
        {"judge": np.arange(40) % 2 * 2.0 + 1, "human": np.where(np.arange(40) < 25, value, np.nan)}
    )
    assert (judged.conf_low, judged.conf_high) == (-math.inf, math.inf)
    assert judged.estimate == pytest.approx(value) and not judged.informative
    samples = {"item": np.repeat(range(4), 3), "score": np.repeat(value * np.arange(1, 5), 3)}
    alone = evals.evaluate(samples, population="finite")  # each item has its score in all of its samples
    assert (alone.conf_low, alone.conf_high) == (-math.inf, math.inf)
    # a spread of a millionth of a millionth and a bit is one
    rows = value * (1 + 1e-11 * (np.arange(n) % 2))
    near = evals.evaluate({"score": rows})
    assert near.conf_low < near.estimate < near.conf_high
    assert math.isfinite(near.conf_low)


# ---- options ----


def pairs_of_two(n=30):
    rng = np.random.default_rng(1)
    return {
        "item": np.tile(np.arange(n), 2),
        "system": ["a"] * n + ["b"] * n,
        "score": rng.integers(0, 2, 2 * n) + np.repeat([0.5, 0.0], n),
    }


def fought(n=60):
    rng = np.random.default_rng(2)
    first = rng.integers(0, 3, n)
    names = np.array(["p", "q", "r"])
    data = {"model_a": names[first], "model_b": names[(first + rng.integers(1, 3, n)) % 3]}
    return {**data, "winner": rng.choice(["model_a", "model_b", "tie"], n)}


@pytest.mark.parametrize("verb", ["evaluate", "compare", "rank", "pass_at_k", "battles"])
def test_options_are_words_of_their_lists(verb) -> None:
    data = fought() if verb == "battles" else pairs_of_two()
    call = {"battles": evals.rank, "evaluate": evals.evaluate}.get(verb) or getattr(evals, verb)
    options = {
        "evaluate": ("population", "errors"),
        "compare": ("population", "interval", "unpaired", "errors"),
        "rank": ("population", "scale", "pair_weights", "errors"),
        "battles": ("population", "scale", "pair_weights"),
        "pass_at_k": ("population", "design"),
    }[verb]
    if verb == "evaluate":
        data = {"score": data["score"]}
    for name in options:
        with pytest.raises(ValueError, match=f"^{name} must be .*'neither'"):
            call(data, **{name: "neither"})
    for level in (0.0, 1.0, -0.5, "x"):
        with pytest.raises((ValueError, TypeError), match="confidence_level"):
            call(data, confidence_level=level)


def test_names_are_names_in_every_verb() -> None:
    values = np.ones(60)
    for call, names in (
        (evals.evaluate, ("score", "system", "by", "item", "human", "filter")),
        (evals.compare, ("candidate", "baseline", "system", "human", "score", "item", "filter")),
        (evals.rank, ("score", "system", "human", "item", "filter")),
        (evals.read, ("item", "system", "sample", "human", "sampling_probability", "filter")),
    ):
        for name in names:
            with pytest.raises(TypeError, match=f"{name} is a name, of a column"):
                call(pairs_of_two(), **{name: values})
    for name in ("system", "score"):
        with pytest.raises(TypeError, match=f"{name} is a name, of a column"):
            evals.plan({"judge": [1, 0] * 9}, width=0.3, **{name: values})


@pytest.mark.parametrize("number", range(6))
def test_seeds_are_0_where_none_is_given(number) -> None:
    two = weighted_answers(3, n=44, scale=4.0)
    halves = two.assign(judge=two["judge"] + 0.1 * (two["item"] % 5))
    judged = {
        "item": range(60),
        "judge": np.arange(60) % 3 % 2,
        "human": np.where(np.arange(60) < 30, np.arange(60) % 2, np.nan),
    }
    rng = np.random.default_rng(0)
    many = {"item": np.tile(np.arange(40), 2), "system": ["a"] * 40 + ["b"] * 40}
    many["score"] = np.concatenate([rng.normal(0.2, 1, 40), np.zeros(40)])
    calls = [
        (lambda **o: evals.evaluate(judged, **o).judge.conf_low.tolist(), True),
        (
            lambda **o: (
                evals.evaluate(
                    halves[halves["system"] == "a"].drop(columns="system"), weights="w", judge="judge", **o
                ).estimate
            ),
            True,
        ),
        (lambda **o: evals.compare(many, **o).sign_flip_p_value, True),
        (lambda **o: evals.rank(pairs_of_two(), **o).rank_low.tolist(), False),
        (
            lambda **o: evals.rank(
                {**fought(), "human": np.where(np.arange(60) % 2, fought()["winner"], None)},
                scale="win_rate",
                **o,
            ).estimate.tolist(),
            True,
        ),
        (
            lambda **o: evals.pass_at_k(
                {"problem": np.repeat(range(9), 4), "passed": np.arange(36) % 5 % 2}, **o
            ).conf_low.tolist(),
            True,
        ),
    ]
    call, other = calls[number]
    assert call() == call(random_state=0)
    assert not other or call() != call(random_state=1)


def test_few_labels_are_said_by_the_checks_alone() -> None:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        judged = {
            "item": range(40),
            "judge": np.arange(40) % 2,
            "human": np.where(np.arange(40) < 6, np.arange(40) % 2, np.nan),
        }
        assert evals.evaluate(judged).n_human[0] == 6


def test_contrasts_of_systems_say_what_they_rest_on() -> None:
    data = weighted_answers(4, n=120).drop(columns="w")
    shared = evals.compare(data)
    assert shared.method.startswith("contrast of two") and shared.answer.endswith(" on 120 shared items")
    own = data.assign(item=data["item"].astype(str) + data["system"])
    found = evals.compare(own)
    assert found.method.startswith("contrast of two") and found.answer.endswith(" on 240 items")
    assert shared.guarantee.check[0] == "both systems answered the same items and were graded alike"
    assert found.guarantee.check[0] == "items of both systems are alike"
    assert len(shared.guarantee.check) == 3
    plain = evals.compare(pairs_of_two())
    assert len(plain.guarantee.check) == 3 and plain.guarantee.check[1].startswith(
        "units (item) do not depend"
    )


def test_rankings_say_what_they_rest_on() -> None:
    by_scores, by_battles = evals.rank(pairs_of_two()), evals.rank(fought())
    assert [c[:40] for c in by_scores.guarantee.check] == [
        "all systems answered the same items", "this is the first look at these data",
    ]  # fmt: skip
    assert [c[:40] for c in by_battles.guarantee.check] == [
        "prompts do not depend on each other and ", "this is the first look at these data",
    ]  # fmt: skip
    assert len(by_scores.guarantee.details) == 2 and len(by_battles.guarantee.details) == 3
    assert by_battles.guarantee.details[2].startswith("Strengths solve Davidson's moments")
    assert by_scores.guarantee.n_reference == 30 and by_scores.guarantee.confidence_level == 0.95
    judged = evals.rank(weighted_answers().drop(columns="w"))
    assert judged.guarantee.check[1].startswith(
        "labels were drawn at random, or with the probabilities given; fewest"
    )
    assert len(judged.guarantee.check) == 3


def test_long_words_are_shown_by_their_first_forty_letters() -> None:
    word = "w" * 41
    data = {**fought(), "winner": [word, *fought()["winner"][1:]]}
    with pytest.raises(EvalFileError, match=r"nor a tie: 'w{40}' \(row 1\)\. Known"):
        evals.rank(data)
    with pytest.raises(EvalFileError, match=r"'w{40}' \(row 2\)\. Known"):
        evals.read({"item": [1, 2], "judge": [1, word]})


def test_one_sample_of_an_item_is_a_count() -> None:
    table = evals.read({"item": [1, 2], "samples": [1, 4], "a": [1, 2], "b": [0, 4]})
    assert table.values("score").tolist() == [1.0, 0.5, 0.0, 1.0]


def test_categories_of_several_units_of_which_one_has_labels_are_open() -> None:
    n = 60
    passage = np.arange(n) // 4
    topic = np.where(passage < 2, "one", "many")
    human = np.where((passage == 0) | (passage % 2 == 0), (np.arange(n) % 3 > 0) * 1.0, np.nan)
    data = {"item": range(n), "passage": passage, "topic": topic, "judge": np.arange(n) % 2, "human": human}
    found = evals.evaluate(data, by="topic", clusters="passage")
    at = found.terms.index("one")
    assert (found.lows[at], found.highs[at], found.estimates[at]) == (0.0, 1.0, np.mean(human[:4]))
    assert math.isnan(found.std_errors[at]) and found.judge_estimates[at] == 0.5
    alone = evals.evaluate(
        {**data, "item": range(n), "human": np.where(np.arange(n) % 30 == 0, 1.0, human)}, by="topic"
    )
    assert np.isfinite(alone.std_errors).all()
    # a single row with a label is no unit of several rows: what it says is that of cells
    single = evals.evaluate(
        {
            **data,
            "topic": np.where(np.arange(n) < 2, "two", "rest"),
            "human": np.where(np.arange(n) == 1, np.nan, human),
        },
        by="topic",
    )
    at = single.terms.index("two")
    assert math.isfinite(single.std_errors[at]) and 0.9 < single.highs[at] < 1.0 and single.n_human[at] == 1


def test_ends_of_what_any_number_of_samples_delivers() -> None:
    """Half of the problems pass nothing in 4 samples: what more samples would deliver lies between."""
    passed = np.zeros((60, 4))
    passed[::2, :2] = 1
    audit = np.where(passed == 1, 1.0, np.nan)
    audit[::4, 0] = 0.0
    data = {"problem": np.repeat(np.arange(60), 4), "passed": passed.ravel(), "audit": audit.ravel()}
    found = evals.pass_at_k(data, design="samples", k=[4])
    right = found.of("best_of_n")["estimate"][0]
    assert right == pytest.approx(0.375, abs=0.01)
    assert 0.2 < found.ceiling[0] < right < 0.875 < found.ceiling[1] < 1.0
    assert found.ceiling[0] > found.of("best_of_n")["conf_low"][0] - 0.05


def test_best_numbers_of_samples_are_looked_for_up_to_fifty() -> None:
    data = {"problem": np.repeat(np.arange(8), 60), "passed": np.ones(480), "audit": np.ones(480)}
    data["audit"][::7] = 0.0
    found = evals.pass_at_k(data, design="samples", k=[1], wrong_costs=0.0)
    assert found.best_n == tuple(range(1, 51))
    assert evals.pass_at_k(data, design="samples", k=[1, 60], wrong_costs=0.0).best_n == (*range(1, 51), 60)


@pytest.mark.parametrize(
    ("scale", "bounds"), [(1.0, [(-1.0, 1.0), (0.0, 1.0), (0.0, 1.0)]), (4.0, [None] * 3)]
)
def test_differences_and_means_of_pairs_have_the_bounds_of_their_scores(scale, bounds, monkeypatch) -> None:
    data = weighted_answers(5, n=40, scale=scale).drop(columns="w")
    known = data["human"].notna().to_numpy().reshape(-1, 2)[:, 0]
    data["human"] = np.where(np.repeat(known, 2), scale * (np.arange(80) % 3 > 0), np.nan)
    asked = []

    def noted(*arguments, **options):
        asked.append(options["bounds"])
        return judged_mean(*arguments, **options)

    monkeypatch.setattr(COMPARE, "judged_mean", noted)
    assert evals.compare(data).method.startswith("differences of pairs")
    assert asked == bounds


def test_probabilities_of_audits_lie_in_their_range() -> None:
    passed, audit = audited_problems()
    data = {"problem": np.repeat(np.arange(12), 4), "passed": passed.ravel(), "audit": audit.ravel()}
    for pi, fits in ((1.0, True), (0.0, False), (1.0001, False), (np.nan, False)):
        values = np.full(48, 0.7)
        values[5] = pi
        if fits:
            assert evals.pass_at_k({**data, "pi": values}, design="samples", k=[1]).n_audited == 8
        else:
            with pytest.raises(EvalFileError, match=r"sampling_probability|missing|finite"):
                evals.pass_at_k({**data, "pi": values}, design="samples", k=[1])
    for wrong, said in (
        ({"audit": 2 * audit.ravel()}, "Audits must be 1"),
        ({"passed": np.full(48, 0.5)}, "1 or 0, nothing missing"),
    ):
        with pytest.raises(EvalFileError, match=said):
            evals.pass_at_k({**data, **wrong}, k=[1])


def test_intervals_of_means_beyond_their_bounds_are_those_at_the_bounds() -> None:
    for beyond, at in ((1.2, 1.0), (-0.2, 0.0)):
        assert effective_score_interval(beyond, 0.1, 20.0, 2.0) == effective_score_interval(
            at, 0.1, 20.0, 2.0
        )
    low, high = effective_score_interval(1.2, 0.1, 20.0, 2.0)
    assert 0.4 < low < high == 1.0
