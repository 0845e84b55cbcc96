from __future__ import annotations

import json
import pickle

import pytest

from validstats import Guarantee


def guarantee(**changes) -> Guarantee:
    fields = {
        "statement": "it holds with probability at least 0.9",
        "kind": "finite-sample",
        "assumptions": ("rows are exchangeable", "the level was fixed before"),
        "n_reference": 20190,
        "citation": "Somebody (2024), Theorem 1",
    }
    return Guarantee(**{**fields, **changes})


def test_the_paragraph_holds_everything() -> None:
    text = guarantee(
        exact_probability=0.90234, caveats=("it is marginal over calibration and batch",)
    ).paragraph()
    for part in (
        "Finite-sample guarantee: it holds with probability at least 0.9.",
        "exactly 0.9023",
        "It assumes that rows are exchangeable; the level was fixed before.",
        "it is marginal over calibration and batch.",
        "n = 20,190",
        "Source: Somebody (2024), Theorem 1.",
    ):
        assert part in text


def test_no_guarantee_without_assumptions() -> None:
    with pytest.raises(ValueError, match="never printed without its assumptions"):
        guarantee(assumptions=())
    assert guarantee(kind="heuristic", assumptions=()).paragraph().startswith("No guarantee (heuristic)")


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="kind must be one of"):
        guarantee(kind="certain")


def test_only_a_finite_sample_guarantee_is_one() -> None:
    assert guarantee().finite_sample
    assert not guarantee(kind="asymptotic").finite_sample


def test_it_serialises() -> None:
    g = guarantee()
    assert pickle.loads(pickle.dumps(g)) == g
    assert json.loads(json.dumps(g.to_dict()))["n_reference"] == 20190


def test_printing_wraps() -> None:
    assert max(map(len, str(guarantee()).splitlines())) <= 104
