"""Reports and guarantees with hostile texts, data and levels: a page that can be read, or a refusal that names what is wrong."""

from __future__ import annotations

import html
import os
from functools import partial
from html.parser import HTMLParser
from typing import get_args

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from validstats import Guarantee, report
from validstats.guarantee import GuaranteeKind
from validstats.reporting import data_fingerprint
from validstats.results import Report, Summary, Table

KINDS = get_args(GuaranteeKind)
EXAMPLES = max(int(os.environ.get("VALIDSTATS_EXAMPLES", "200")) // 4, 25)
TEXT = st.one_of(
    st.text(max_size=40),
    st.sampled_from(["<script>alert(1)</script>", "</title>", "&amp;", "\x00", "\u202etxt", "$^_{}\\", "|", "%", "\n\n", "'\""]),
)  # fmt: skip


class Reader(HTMLParser):
    """Collects tags and text, and whether a script or an event handler came in."""

    def __init__(self) -> None:
        super().__init__()
        self.text: list[str] = []
        self.hostile: list[str] = []

    def handle_starttag(self, tag, attributes):
        if tag in ("script", "iframe", "object") or any(name.startswith("on") for name, _ in attributes):
            self.hostile.append(tag)

    def handle_data(self, data):
        self.text.append(data)


def guarantee(**changes):
    values = {
        "holds": "s",
        "kind": "finite-sample",
        "check": ("a",),
        "n_reference": 10,
        "citation": "c",
    }
    return Guarantee(**{**values, "confidence_level": 0.9, **changes})


@pytest.mark.slow
@settings(max_examples=EXAMPLES, deadline=None)
@given(title=TEXT, lead=TEXT, key=TEXT, name=TEXT, value=st.floats(), seed=st.integers(), statement=TEXT)
def test_pages_hold_any_text_and_run_none(title, lead, key, name, value, seed, statement):
    shown = Report(
        key,
        header=[(name, value)],
        tables=(Table({name: [value, None], f"{name} 2": [statement, key]}),),
        guarantees=(guarantee(holds=statement, check=(lead,)),),
        notes=(statement,),
    )
    page = report({key: Summary(shown)}, title=title, lead=lead, seeds={name: seed}, data={name: [[value]]})
    reader = Reader()
    reader.feed(page.as_html())
    assert reader.hostile == []
    everything = html.unescape(" ".join(" ".join(reader.text).split()))
    for text in (title, lead, name):
        for word in text.split():
            if word.isalnum():
                assert word in everything
    for render in (str, Summary.as_latex, Summary.as_markdown):
        assert isinstance(render(Summary(shown)), str)


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    kind=TEXT,
    level=st.one_of(st.none(), st.floats(), st.text(max_size=3)),
    assumptions=st.lists(TEXT, max_size=2),
)
def test_guarantees_are_whole_or_refused(kind, level, assumptions):
    given_level = isinstance(level, float) and 0.0 < level < 1.0
    allowed = kind in KINDS and (assumptions or kind == "heuristic") and (level is None or given_level)
    made = partial(guarantee, kind=kind, confidence_level=level, check=tuple(assumptions))
    if allowed:
        assert made().kind == kind
    else:
        with pytest.raises((TypeError, ValueError), match=r"kind|check|confidence_level"):
            made()


@pytest.mark.parametrize("level", [0.0, 1.0, -0.1, 1.5, float("nan"), float("inf"), "0.9", True])
def test_levels_outside_zero_and_one_are_refused(level):
    with pytest.raises((TypeError, ValueError), match="confidence_level"):
        guarantee(confidence_level=level)


@pytest.mark.parametrize("kind", ["heuristic", "none"])
def test_a_heuristic_still_prints(kind):
    if kind == "heuristic":
        assert "s" in str(guarantee(kind=kind, check=(), confidence_level=None))
    else:
        with pytest.raises(ValueError, match="kind"):
            guarantee(kind=kind)


HOSTILE_DATA = {
    "empty": np.empty((0, 2)),
    "one row": [[1.0]],
    "nan": [[np.nan, np.inf]],
    "object": np.array([["a", None]], dtype=object),
    "huge": [[1e308, -1e308, 5e-324]],
    "read-only": np.frombuffer(b"\x00" * 16).reshape(1, 2),
    "strided": np.arange(12.0).reshape(3, 4)[::2, ::-1],
    "unicode columns": pd.DataFrame({"größe <b>": [1.0], "": ["x"]}),
    "duplicated index": pd.DataFrame({"a": [1, 2]}, index=[0, 0]),
}


@pytest.mark.parametrize("name", HOSTILE_DATA)
def test_data_have_fingerprints_and_are_not_changed(name):
    data = HOSTILE_DATA[name]
    before = data.copy() if hasattr(data, "copy") else data
    print_ = data_fingerprint(data)
    assert len(print_) == 16 and print_ == data_fingerprint(data)
    if isinstance(data, pd.DataFrame):
        pd.testing.assert_frame_equal(data, before)
    else:
        np.testing.assert_array_equal(np.asarray(data), np.asarray(before))


@pytest.mark.parametrize("items", [[], {}, [3], {"a": "text"}, [None]])
def test_items_that_cannot_be_shown_are_refused_by_name(items):
    with pytest.raises((TypeError, ValueError), match="items"):
        report(items)
