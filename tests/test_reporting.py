from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import pandas as pd
import polars as pl
import pytest

from validstats import Guarantee
from validstats.reporting import (
    data_fingerprint,
    joint_statement,
    package_versions,
    receipt_differences,
    report,
)
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
        "Answers",
        "First",
        "Second",
        "What you can rely on",
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
    assert [section.title for section in page.sections][:2] == ["Answers", "An answer"]


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


def test_answers_stand_first_with_what_they_rely_on_and_the_layers_last() -> None:
    page = report([Answer(guarantee=guarantee()), Answer(guarantee=guarantee(0.9))], figures=False)
    first, one, _, layers = page.sections[:4]
    assert first.alone and [s.report.answer for s in first.summaries] == ["It is so.", "It is so."]
    assert [s.report.title for s in first.summaries] == ["An answer", "An answer (2)"]
    assert first.summaries[0].report.notes == ["Rely on this: s."]
    assert one.summaries[0].report.guarantees == () and one.summaries[0].report.answer == ""
    assert [s.details for s in layers.summaries] == [True, True]
    assert page.as_html().count('class="alone"') == 1


def test_a_page_is_written_as_markdown_with_its_pictures_beside_it(tmp_path) -> None:
    report({"One | two": Answer(guarantee=guarantee())}, output=tmp_path / "r.md")
    text = (tmp_path / "r.md").read_text(encoding="utf-8")
    assert "## Answers" in text and "](r-1.png)" in text and r"One \| two" in text
    assert (tmp_path / "r-1.png").read_bytes().startswith(b"\x89PNG")


def test_a_page_is_written_as_a_word_file(tmp_path) -> None:
    docx = pytest.importorskip("docx")
    shown = Summary(
        Report("Tables", header=[("Rows", 5)], tables=[Table({"Term": ["x"], "Estimate": [0.5]})])
    )
    report({"First": Answer(guarantee=guarantee()), "Second": shown}, output=tmp_path / "r.docx")
    document = docx.Document(str(tmp_path / "r.docx"))
    text = "\n".join(paragraph.text for paragraph in document.paragraphs)
    for part in (
        "Answers",
        "It is so.",
        "Rely on this: s.",
        "What you can rely on: s.",
        "Rows: 5",
        "Reproducibility",
    ):
        assert part in text
    assert [cell.text for cell in document.tables[0].rows[1].cells] == ["x", "0.5000"]
    assert len(document.inline_shapes) == 1


def test_other_kinds_of_files_are_refused_with_the_way_to_pdf(tmp_path) -> None:
    with pytest.raises(ValueError, match=r"For PDF write \.html and print it"):
        report([Answer(guarantee=guarantee())], output=tmp_path / "r.pdf", figures=False)
    assert list(tmp_path.iterdir()) == []


def test_an_audited_report_has_prices_and_a_sealed_receipt(tmp_path) -> None:
    page = report(
        {"First": Answer(guarantee=guarantee())},
        data={"rows": [[1.0]]},
        seeds={"split": 7},
        audit=True,
        output=tmp_path / "r.html",
        figures=False,
    )
    prices = next(s for s in page.sections if s.title == "Audit").summaries[0].report
    assert prices.tables[0].columns["Chance of error"] == ["0.05"]
    assert prices.tables[1].columns["It breaks unless"] == ["a"]
    receipt = json.loads((tmp_path / "r.receipt.json").read_text(encoding="utf-8"))
    assert receipt["claims"]["First"]["answer"] == "It is so"
    assert receipt["data"] == {"rows": data_fingerprint([[1.0]])} and receipt["seeds"] == {"split": 7}
    assert receipt_differences(receipt, receipt) == []
    forged = {**receipt, "seeds": {"split": 8}}
    assert receipt_differences(forged, receipt) == [
        "The receipt was changed after it was made.",
        "seeds: split is 7; the receipt says 8.",
    ]
