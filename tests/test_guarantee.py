from __future__ import annotations

import json
import pickle

import pytest

from validstats import Guarantee


def guarantee(**changes) -> Guarantee:
    fields = {
        "holds": "in 90 of 100 such batches the mean lies in the interval",
        "kind": "finite-sample",
        "check": ("the rows come from one source", "the level was fixed before"),
        "details": ("Rows are exchangeable given the fitted model",),
        "n_reference": 20190,
        "citation": "Somebody (2024), Theorem 1",
    }
    return Guarantee(**{**fields, **changes})


def test_the_first_layers_say_what_holds_and_what_to_check() -> None:
    assert list(guarantee().parts()) == [
        ("What you can rely on:", "in 90 of 100 such batches the mean lies in the interval."),
        ("Check that", "(1) the rows come from one source; (2) the level was fixed before."),
    ]
    assert ("Check that", "one thing.") in list(guarantee(check=("one thing",)).parts())


def test_details_hold_everything_else() -> None:
    heading, text = list(guarantee(exact_probability=0.90234).parts(details=True))[-1]
    assert heading == "Details:"
    for part in (
        "Finite-sample guarantee.",
        "exactly 0.9023",
        "Rows are exchangeable given the fitted model.",
        "n = 20,190",
        "Source: Somebody (2024), Theorem 1.",
    ):
        assert part in text


def test_the_paragraph_joins_all_layers() -> None:
    g = guarantee()
    assert g.paragraph() == " ".join(" ".join(part) for part in g.parts(details=True))
    assert "Source" not in g.paragraph(details=False)


def test_no_guarantee_without_a_point_to_check() -> None:
    with pytest.raises(ValueError, match="never printed without what must be checked"):
        guarantee(check=())
    assert "No guarantee (heuristic)." in guarantee(kind="heuristic", check=()).paragraph()


def test_a_reader_is_asked_for_three_points_at_most() -> None:
    with pytest.raises(ValueError, match="at most 3 points, got 4; put the rest into details"):
        guarantee(check=("a", "b", "c", "d"))


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="kind must be one of"):
        guarantee(kind="certain")


@pytest.mark.parametrize(
    ("level", "error"), [(1.0, ValueError), (0, ValueError), (True, TypeError), ("0.9", TypeError)]
)
def test_a_level_is_a_number_between_0_and_1(level, error) -> None:
    with pytest.raises(error, match="confidence_level must be"):
        guarantee(confidence_level=level)


def test_only_a_finite_sample_guarantee_is_one() -> None:
    assert guarantee().finite_sample
    assert not guarantee(kind="asymptotic").finite_sample


def test_it_serialises() -> None:
    g = guarantee()
    assert pickle.loads(pickle.dumps(g)) == g
    assert json.loads(json.dumps(g.to_dict()))["n_reference"] == 20190


def test_printing_wraps() -> None:
    assert max(map(len, str(guarantee()).splitlines())) <= 104
