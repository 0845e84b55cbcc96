"""What a plan lists, how it ranks, and how it prints."""

from __future__ import annotations

import json
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest

from validstats.holdout import plan
from validstats.holdout.mechanisms import MECHANISMS

GOLDEN = json.loads((Path(__file__).parent / "golden" / "holdout.json").read_text())
RELEASES = ("numeric", "guess", "bit", "leaderboard", "argmax")


@pytest.mark.share(3)
@pytest.mark.parametrize("row", GOLDEN["widths"]["rows"], ids=lambda row: f"n={row['n']}-k={row['k']}")
def test_golden_half_widths(row) -> None:
    bit = plan(row["n"], row["k"], overfits=10, release="bit")
    board = plan(row["n"], row["k"], release="leaderboard")
    ours = {
        "description_length": bit.half_width_of("description_length"),
        "gaussian_tight": bit.half_width_of("gaussian", "tight"),
        "gaussian_rogers": bit.half_width_of("gaussian", "rogers2020"),
        "gaussian_jung": bit.half_width_of("gaussian", "jung2020"),
        "thresholdout_nips_B10": bit.half_width_of("thresholdout"),
        "ladder_exact": board.half_width_of("ladder"),
        "nonadaptive": bit.nonadaptive,
    }
    for name, value in ours.items():
        assert value == pytest.approx(row[name], rel=2e-3), name
    if row["k"] <= row["n"] // 10:  # exact intervals of chunks are narrower than Hoeffding's
        assert 0.7 * row["split"] < bit.half_width_of("fresh_chunks") <= row["split"]


@pytest.mark.parametrize(
    ("n", "queries", "choice", "half_width"),
    [  # section 2.1 and 2.3 of the method: chunks, then rounding, then noise
        (1_000, 3, "fresh_chunks", None),
        (1_000, 10, "fresh_chunks", 0.1412),
        (10_000, 7, "fresh_chunks", None),
        (10_000, 40, "description_length", None),
        (10_000, 48, "gaussian", None),
        (10_000, 1_000, "gaussian", 0.2459),
        (100_000, 15, "fresh_chunks", None),
        (100_000, 20, "fresh_chunks", None),
        (100_000, 1_000, "gaussian", 0.0778),
        (1_000_000, 1_000_000, "gaussian", 0.1586),
    ],
)
def test_the_choice_for_numbers_without_guesses(n, queries, choice, half_width) -> None:
    result = plan(n, queries, release="numeric")
    assert result.choice == choice
    if half_width is not None:
        assert result.half_width == pytest.approx(half_width, rel=2e-3)


def test_every_published_analysis_is_listed() -> None:
    result = plan(10_000, 100, release="numeric")
    expected = {"tight": 0.1292, "rogers2020": 0.2470, "jung2020": 0.2812, "bassily2016": 0.4356}
    for analysis, half_width in expected.items():
        assert result.half_width_of("gaussian", analysis) == pytest.approx(half_width, rel=2e-3)


def test_one_analysis_can_be_asked_for() -> None:
    result = plan(10_000, 100, release="numeric", analysis="rogers2020")
    assert {c.analysis for c in result.candidates if c.name == "gaussian"} == {"rogers2020"}
    assert result.half_width_of("gaussian") == pytest.approx(0.2470, rel=2e-3)
    assert result.choice == "description_length"  # 0.1470; the tight bound would have been chosen


def test_without_guesses_guess_and_check_is_not_listed() -> None:
    names = {candidate.name for candidate in plan(10_000, 100, release="numeric").candidates}
    assert "guess_and_check" not in names
    with pytest.raises(KeyError, match="not in the plan for release='numeric'"):
        plan(10_000, 100, release="numeric").half_width_of("guess_and_check")


@pytest.mark.slow
def test_guesses_are_ranked_by_the_mean_of_honest_days() -> None:
    result = plan(10_000, 10_000, release="guess")
    assert result.choice == "guess_and_check"
    assert result.nonadaptive < result.half_width < 0.06
    assert result.half_width == plan(10_000, 10_000, overfits=0, release="guess").half_width
    assert plan(2_000, 1, release="guess").choice == "single_look"
    assert plan(2_000, 2, release="guess").choice == "guess_and_check"
    likely, unlikely = (plan(2_000, 20, release="guess", expected=share) for share in (0.95, 0.5))
    assert likely.half_width < unlikely.half_width


@pytest.mark.parametrize(
    ("n", "queries", "width", "difference"),
    [(300, 2, 0.1, 0.15), pytest.param(2_000, 20, 0.05, 0.08, marks=pytest.mark.slow)],
)
def test_plans_answer_how_many_questions_and_rows(n, queries, width, difference) -> None:
    k = plan(n, width=width).queries
    assert plan(n, k).half_width <= width < plan(n, k + 1).half_width
    rows = plan(queries=queries, width=width).n
    assert plan(rows, queries).half_width <= width < plan(rows - 1, queries).half_width
    looks = plan(n, difference=difference)
    assert looks.release == "difference" and looks.choice == "guess_and_check"
    after = plan(n, looks.queries + 1, release="difference")
    assert looks.half_width <= difference < after.half_width
    assert plan(queries=looks.queries, difference=difference).n <= n


@pytest.mark.parametrize(
    ("n", "queries", "release"),
    [(400, 3, "difference"), pytest.param(1000, 20, "guess", marks=pytest.mark.slow)],
)
def test_a_width_that_a_plan_has_exactly_is_reached(n, queries, release) -> None:
    half = plan(n, queries, release=release).half_width
    assert plan(n, width=half, release=release).queries == queries
    assert plan(queries=queries, width=half, release=release).n == n


@pytest.mark.slow
def test_two_thousand_rows_answer_nineteen_questions_within_five_points() -> None:
    assert (plan(2_000, width=0.05).queries, plan(queries=20, difference=0.05).n) == (19, 3325)


def test_two_rows_are_enough_where_they_are() -> None:
    assert plan(queries=1, width=0.45).n == 2 and plan(2, 1).half_width < 0.45


def test_searches_end_at_a_hundred_thousand_questions_and_a_hundred_million_rows() -> None:
    assert plan(2_000_000, width=0.9).queries == 100_000
    with pytest.raises(
        ValueError, match=r"^100,000,000 rows do not give 1 answers within 1e-05; ask for less"
    ):
        plan(queries=1, width=1e-5)


def test_the_first_difference_is_as_narrow_as_the_method_says() -> None:
    # 10 % discordant, n = 1,319, k = 20: +-.0338 in its table
    note = plan(1_319, 20, release="difference").best.note
    assert float(note.split(" for the first")[0]) <= 0.035


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"n": 100}, "needs n and queries"),
        ({"n": 100, "queries": 5, "width": 0.1}, "exactly one of n and queries"),
        ({"width": 0.1}, "exactly one of n and queries"),
        ({"n": 100, "width": 0.1, "difference": 0.1}, "one of width= and difference="),
        ({"n": 100, "difference": 0.1, "release": "bit"}, "for release='difference'"),
        ({"n": 100, "width": 0.001}, "rows give no answer within 0.001"),
        ({"n": 100, "width": 1.5}, "width must be"),
    ],
)
def test_searches_for_a_number_say_what_they_need(asked, message) -> None:
    with pytest.raises(ValueError, match=message):
        plan(**asked)


def test_only_proved_mechanisms_are_listed() -> None:
    for release in RELEASES:
        for candidate in plan(5_000, 40, rounds=4, release=release, candidates=5).candidates:
            assert MECHANISMS[candidate.name].certified
            assert candidate.name != "parameter_free_ladder"


def test_rounds_and_winners() -> None:
    assert plan(10_000, 10_000, release="numeric", rounds=2).choice == "rounds"
    assert plan(10_000, 10_000, release="numeric", rounds=2).half_width == pytest.approx(0.036, abs=5e-4)
    winners = plan(10_000, 20, release="argmax", candidates=1_000)
    assert winners.half_width_of("argmax") < 0.12
    assert winners.choice in ("argmax", "rounds")
    assert plan(10_000, 100, release="argmax", candidates=1_000).choice == "argmax"
    assert plan(10_000, 10_000, release="leaderboard").choice == "ladder"
    assert plan(10_000, 10_000, release="leaderboard", baseline=0.5).half_width == pytest.approx(
        0.1109, rel=2e-3
    )


def test_candidates_are_sorted_and_the_first_is_chosen() -> None:
    for release in RELEASES:
        result = plan(2_000, 30, release=release, candidates=4)
        widths = [candidate.half_width for candidate in result.candidates]
        assert widths == sorted(widths)
        assert result.half_width == widths[0]
        assert result.informative is (widths[0] < 0.5)


def test_a_plan_is_cached_and_levels_are_read_as_typed() -> None:
    assert plan(3_000, 50, release="numeric") is plan(3_000, 50, release="numeric")
    assert (
        plan(3_000, 50, release="numeric", confidence_level=0.99).half_width
        > plan(3_000, 50, release="numeric").half_width
    )


def test_what_says_nothing_says_so() -> None:
    result = plan(1_000, 1_000_000, release="numeric")
    assert not result.informative
    assert "says nothing" in str(result.summary())


def test_printing_and_tables() -> None:
    result = plan(10_000, 1_000, overfits=5, release="bit", rounds=3)
    text = str(result.summary())
    for part in (
        "Plan for a reusable holdout",
        "sparse_validate",
        "What you can rely on",
        "promises nothing",
    ):
        assert part in text
    tidy = result.tidy()
    assert list(tidy.columns) == ["term", "analysis", "half_width", "informative", "chosen"]
    assert tidy["chosen"].sum() == 1
    assert result.glance()["mechanism"][0] == result.choice
    assert json.dumps(result.to_dict())
    assert "<table" in result._repr_html_()


def test_the_figure() -> None:
    result = plan(10_000, 1_000, overfits=5, release="bit")
    figure, ax = plt.subplots()
    display = result.plot(ax)
    assert display.ax_ is ax
    assert len(ax.patches) == len(result.candidates)
    np.testing.assert_allclose(
        [patch.get_width() for patch in ax.patches],
        [min(candidate.half_width, 1.0) for candidate in result.candidates],
    )
    plt.close(figure)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 1, "queries": 5}, "n must be at least 2"),
        ({"n": 100, "queries": 0}, "queries must be at least 1"),
        ({"n": 100, "queries": 5, "overfits": -1}, "overfits must be at least 0"),
        ({"n": 100, "queries": 5, "rounds": 0}, "rounds must be at least 1"),
        ({"n": 100, "queries": 5, "release": "rank"}, "release must be one of"),
        ({"n": 100, "queries": 5, "analysis": "dwork2015"}, "analysis must be one of"),
        # whether a mechanism of the release has analyses or not
        (
            {"n": 100, "queries": 5, "analysis": "dwork2015", "release": "difference"},
            "analysis must be one of",
        ),
        ({"n": 100, "queries": 5, "confidence_level": 0.4}, "confidence_level must be at least 0.5"),
        ({"n": 100, "queries": 5, "confidence_level": 95}, "confidence_level"),
        ({"n": 100, "queries": 5, "release": "leaderboard", "baseline": 0.0}, "baseline"),
    ],
)
def test_bad_declarations(arguments, message) -> None:
    with pytest.raises(ValueError, match=message):
        plan(**arguments)


def test_more_queries_than_rows() -> None:
    result = plan(10, 100, release="numeric")
    assert result.half_width_of("fresh_chunks") == float("inf")
    assert "says nothing" in str(result.summary())
    result.plot()
    plt.close("all")


def test_what_is_not_said_is_what_the_documentation_says() -> None:
    said = {
        "release": "guess",
        "overfits": 10,
        "rounds": None,
        "candidates": 1,
        "baseline": 1.0,
        "analysis": None,
        "expected": 0.85,
        "discordant": 0.1,
        "confidence_level": 0.95,
    }
    assert plan(500, 4) is plan(500, 4, **said)
    assert (
        plan(queries=1, difference=0.9).release == "difference"
        and plan(queries=1, width=0.9).release == "guess"
    )


def test_the_ends_of_what_may_be_declared() -> None:
    at_ends = {"n": 2, "queries": 1, "overfits": 0, "rounds": 1, "expected": 0.0, "confidence_level": 0.5}
    assert plan(**at_ends, discordant=1.0, baseline=1.0).n == 2
    assert plan(**{**at_ends, "expected": 1.0}).n == 2
    for wrong in (
        {"expected": -0.1},
        {"expected": 1.1},
        {"discordant": 0.0},
        {"discordant": 1.1},
        {"baseline": 1.1},
    ):
        for release in ("guess", "numeric", "difference", "leaderboard"):  # whether it is read there or not
            with pytest.raises(ValueError, match=f"^{next(iter(wrong))} must"):
                plan(100, 5, release=release, **wrong)
    with pytest.raises(ValueError, match="width must be"):
        plan(100, width=0.0)
    alone = plan(100, 1).half_width
    with pytest.raises(
        ValueError, match=rf"^n=100 rows give no answer within 0\.001: one alone is within {alone:.3g}\. A"
    ):
        plan(100, width=0.001)
    with pytest.raises(ValueError, match="candidates must be at least 1"):
        plan(100, 5, candidates=0)


def test_everything_that_a_plan_says_of_itself() -> None:
    result = plan(1_000, 10, overfits=3, rounds=2, release="numeric", confidence_level=0.9)
    assert (result.n, result.queries, result.overfits, result.rounds) == (1_000, 10, 3, 2)
    assert (result.release, result.confidence_level) == ("numeric", 0.9)
    best = result.candidates[0]
    assert (result.best, result.choice, result.half_width) == (best, best.name, best.half_width)
    assert result.half_width_of(best.name) == best.half_width
    assert result.terms == [candidate.label for candidate in result.candidates]
    assert result.naive == result.nonadaptive == pytest.approx(np.sqrt(np.log(20 / 0.1) / 2000))
    assert result.answer.startswith(
        "With 1,000 rows each of 10 adaptively chosen questions is answered to within"
    )
    assert (
        f"{best.half_width:.3f} (mechanism {best.name!r}), all together in 90 of 100 studies" in result.answer
    )
    tidy = result.tidy()
    assert tidy["chosen"].tolist() == [True] + [False] * (len(result.candidates) - 1)
    assert tidy["half_width"].tolist() == [candidate.half_width for candidate in result.candidates]
    assert result.glance().iloc[0].to_dict() == {
        "n": 1_000,
        "queries": 10,
        "overfits": 3,
        "release": "numeric",
        "confidence_level": 0.9,
        "mechanism": best.name,
        "half_width": best.half_width,
    }
    none = plan(10, 100_000, release="argmax")
    assert none.answer.startswith("10 rows say nothing about 100,000 adaptively chosen batches")
    assert not none.tidy()["chosen"].any()
    assert "comparisons" in plan(1_000, 2, release="difference").answer
    text = " ".join(str(result.summary(details=True)).split())
    for part in ("in at least 90 of 100 studies", "no more than 10 questions are asked", "Chosen by auto"):
        assert part in text


@pytest.mark.parametrize("power", [0.15, 0.5, 1.0])
@pytest.mark.parametrize("edge", [1, 2, 7, 100, 4_321, 99_999, 100_000])
def test_the_largest_number_is_found_in_few_steps(power, edge) -> None:
    """Half-widths that grow as a power: a number is looked for whose half-width is known beforehand."""
    from validstats.holdout.planner import _largest

    asked = []

    def half_width(number):
        asked.append(number)
        return 0.9 * (number / 100_000) ** power

    width = 0.9 * ((edge + 0.5) / 100_000) ** power
    assert _largest(half_width, lambda half: half <= width, width, 100_000, 1, 0.15) == edge
    assert len(asked) <= 7 and len(set(asked)) == len(asked) and 1 <= min(asked) <= max(asked) <= 100_000
    # counts are whole, and half-widths go up in stairs: the ends still meet
    asked.clear()

    def stairs(number):
        return max(1, round(30 * half_width(number) / 0.9)) / 30 + 0.01 * (number > edge)

    width = stairs(edge) + 0.005
    asked.clear()
    assert _largest(stairs, lambda half: half <= width, width, 100_000, 1, 0.15) == edge
    assert len(asked) <= 29


@pytest.mark.parametrize("rows", [2, 3, 51, 999, 1000, 1001, 30_000, 3_000_000, 100_000_000])
def test_the_smallest_number_of_rows_is_found_in_few_steps(rows) -> None:
    from validstats.holdout.planner import _largest

    asked = []

    def half_width(number):
        asked.append(number)
        return 2.0 * number**-0.5 if number > 1 else np.inf

    width = 2.0 * (rows - 0.5) ** -0.5
    found = _largest(half_width, lambda half: half > width, width, 100_000_000, 1000, -0.5)
    assert found == rows - 1 and len(asked) <= 7
