from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import polars as pl
import pytest

from validstats import Guarantee
from validstats.reporting import data_fingerprint, joint_statement, package_versions, report
from validstats.results import Report, Result, Summary, Table


def guarantee(level=0.95, kind="finite-sample") -> Guarantee:
    return Guarantee(holds="s", kind=kind, check=("a",), n_reference=5, citation="c", confidence_level=level)


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Answer(Result):
    def _answer(self) -> str:
        return "It is so"

    def _tidy_columns(self):
        return {"term": ["a"]}

    def _glance_columns(self):
        return {"n": 1}

    def _report(self) -> Report:
        return Report("An answer", guarantees=[self.guarantee])

    def plot(self):
        import matplotlib.pyplot as plt

        class Drawn:
            figure_ = plt.figure()

        return Drawn()


def test_levels_add_up_exactly() -> None:
    assert "at least 0.7 (union" in joint_statement([guarantee(0.9)] * 3)
    assert joint_statement([guarantee(0.9)]) is None
    assert joint_statement([guarantee(0.5), guarantee(0.5)]) is None


def test_what_cannot_be_joined_is_left_out() -> None:
    text = joint_statement([guarantee(), guarantee(), guarantee(kind="marginal-over-family")])
    assert text.startswith("Of the 3 statements, the 2 statements hold together")
    assert joint_statement([guarantee(kind="heuristic")] * 3) is None


def test_an_asymptotic_part_makes_the_whole_asymptotic() -> None:
    assert "in the limit" in joint_statement([guarantee(), guarantee(kind="asymptotic")])


def test_a_report_shows_everything_and_writes_one_file(tmp_path) -> None:
    frame = pd.DataFrame({"secret": [123456.789, 2.0]})
    page = report(
        {"First": Answer(guarantee=guarantee()), "Second": Answer(guarantee=guarantee())},
        data={"rows": frame},
        seeds={"split": 7},
        output=tmp_path / "r.html",
    )
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert [s.title for s in page.sections] == [
        "First",
        "Second",
        "All statements together",
        "Reproducibility",
    ]
    for part in ("Finite-sample guarantee", "at least 0.9 (union", data_fingerprint(frame), ">7<", "numpy"):
        assert part in text
    assert text.count("<img") == 2
    assert "123456" not in text


def test_figures_can_be_left_out() -> None:
    page = report([Answer(guarantee=guarantee())], figures=False)
    assert "<img" not in page.as_html()
    assert page.sections[0].title == "An answer"


def test_fingerprints_agree_across_libraries_and_see_changes() -> None:
    columns = {"a": [1.0, 2.0], "b": [3.0, 4.0]}
    expected = data_fingerprint(pd.DataFrame(columns))
    assert (
        data_fingerprint(pl.DataFrame(columns))
        == expected
        == data_fingerprint(np.array([[1.0, 3.0], [2.0, 4.0]]))
    )
    assert data_fingerprint(np.array([[2.0, 4.0], [1.0, 3.0]])) != expected
    assert data_fingerprint(np.array([[1.0, 3.0], [2.0, 4.5]])) != expected


def test_versions_skip_what_is_absent() -> None:
    assert "surely-not-installed" not in package_versions(["surely-not-installed", "numpy"])


def test_bad_items() -> None:
    with pytest.raises(ValueError, match="items is empty"):
        report([])
    with pytest.raises(TypeError, match="got an object of type int"):
        report([3])
    assert report([Summary(Report("t"))]).sections[0].title == "t"


def test_one_item_is_asked_for_in_a_list() -> None:
    with pytest.raises(TypeError, match=r"items must be a list.*report\(\[item\]\)"):
        report(Answer(guarantee=guarantee()))


def test_text_reports_obey_no_control_characters() -> None:
    name = "a\nb\x1b[2J\u202ec"
    shown = Summary(
        Report(name, header=[(name, name)], tables=[Table({name: [name]}, title=name)], notes=[name])
    ).as_text()
    assert "\x1b" not in shown and "\u202e" not in shown
    assert shown.count(r"a\nb\x1b[2J\u202ec") == 6
    assert str(Summary(Report("größe \u200d 名前 😀"))).count("größe \u200d 名前 😀") == 1
