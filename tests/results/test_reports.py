from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from html.parser import HTMLParser

import numpy as np
import pytest

from validstats import Guarantee
from validstats.evals.sentences import difference_words, percent, points, score_words
from validstats.intake import check_in_range
from validstats.results import (
    NotApplicable,
    Page,
    Report,
    Result,
    Section,
    Summary,
    Table,
    interval_words,
    percent_words,
    rounded,
)
from validstats.results.formats import format_value

HOSTILE = "<script>alert('x')</script> & \"q\" | a_b $5 100%\\"
GUARANTEE = Guarantee(
    holds="it holds", kind="asymptotic", check=("a < b",), n_reference=7, citation="Nobody (2020)"
)


def report() -> Report:
    table = Table(
        {HOSTILE: ["x", HOSTILE], "Estimate": np.array([0.5, np.nan]), "p": [1e-9, 0.25]},
        title="Coefficients",
        formats={"p": "p_value"},
    )
    return Report(HOSTILE, (("Rows", 1000), ("Model", HOSTILE)), (table,), (GUARANTEE,), ("A note.",))


@pytest.mark.parametrize("value", [-0.0, -1e-9, -1e-30, np.float64(-0.0)])
def test_no_number_is_printed_as_minus_zero(value) -> None:
    texts = [format_value(value, how) for how in ("estimate", "int", "percent", "statistic", "auto")]
    texts += [rounded(value, spread) for spread in (0.02, 3.0, 4000.0)] + [rounded(-0.0)]
    texts += [interval_words(value, -0.3, 0.3), percent_words(value, value, 0.3), points(value, 0.1)]
    texts += [
        percent(value),
        difference_words(value, value, 0.4, None, True),
        score_words(value, value, 0.4, False),
    ]
    texts += Table({"Estimate": [value]}).styled(digits=2).cells()[0]
    for text in texts:
        assert not re.search(r"-0(?![\d.])|-0\.0*(?!\d|\.|e)", text) or "e-" in text, text
    assert points(-0.0) == "0 points" and points(0.01) == "1 point" and points(0.1) == "10 points"
    with pytest.raises(ValueError, match=r"^x must be finite and in \[-1, 0\], got 3\.$"):
        check_in_range(3, "x", -1.0, -0.0)
    with pytest.raises(ValueError, match=r"^x must be finite and in \[0, 1\], got 3\.$"):
        check_in_range(3, "x", -0.0, 1)
    assert math.copysign(1.0, check_in_range(-0.0, "x", -1, 1)) == 1.0


@pytest.mark.parametrize(
    ("value", "how", "text"),
    [
        (0.5, "auto", "0.5000"),
        (3, "auto", "3"),
        (20190, "auto", "20,190"),
        (None, "auto", "--"),
        (float("nan"), "estimate", "--"),
        (float("inf"), "estimate", "inf"),
        (-float("inf"), "auto", "-inf"),
        (np.float64(12.3456), "auto", "12.346"),
        (1234.5, "estimate", "1234.50"),
        (123456.0, "estimate", "123,456.0"),
        (1.5e9, "estimate", "1,500,000,000"),
        (1.5e16, "estimate", "1.500e+16"),
        (1e-5, "estimate", "1.000e-05"),
        (0.0, "estimate", "0.0000"),
        (0.00005, "p_value", "<1e-04"),
        (0.03, "p_value", "0.0300"),
        (0.876, "percent", "87.6%"),
        (2.345, "statistic", "2.35"),
        (True, "auto", "yes"),
        (np.False_, "auto", "no"),
        ("word", "estimate", "word"),
        (7, lambda v: f"<{v}>", "<7>"),
    ],
)
def test_formats(value, how, text) -> None:
    assert format_value(value, how) == text


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(ValueError, match="Unknown format"):
        format_value(1.0, "scientific")


def test_text_holds_every_value_and_the_guarantee() -> None:
    text = Summary(report()).as_text()
    for part in (
        "Coefficients",
        "0.5000",
        "<1e-04",
        "0.2500",
        "--",
        "1,000",
        "What you can rely on: it holds.",
        "Check that a < b.",
    ):
        assert part in text
    assert str(Summary(report())) == repr(Summary(report())) == text


def test_numbers_are_aligned_to_the_right() -> None:
    lines = (
        Summary(Report("T", tables=[Table({"name": ["a", "bb"], "value": [1, 1000]})])).as_text().splitlines()
    )
    ends = {len(line) for line in lines if line.endswith(("1", "1,000", "value"))}
    assert len(ends) == 1


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag, attrs) -> None:
        self.seen.append(tag)
        if tag not in {"meta", "img", "br"}:
            self.open.append(tag)

    def handle_endtag(self, tag) -> None:
        assert self.open.pop() == tag


def test_html_escapes_every_user_string_and_is_balanced() -> None:
    parser = Tags()
    parser.feed(Summary(report()).as_html())
    assert "script" not in parser.seen
    assert parser.open == []
    assert parser.seen.count("td") == 2 + 6


def test_latex_escapes_and_balances() -> None:
    text = Summary(report()).as_latex()
    assert text.count(r"\begin{") == text.count(r"\end{")
    assert r"a\_b \$5 100\%\textbackslash{}" in text
    assert r" & 0.5000 & \textless{}1e-04 \\" in text


def test_latex_letters_that_its_default_fonts_lack() -> None:
    text = Summary(Report('<a> | "b"', tables=[Table({"t": ['<a> | "b"']})])).as_latex()
    assert text.count(r"\textless{}a\textgreater{} \textbar{} ''b''") == 2
    assert not set('<>|"') & set(text.replace(r"\width>\linewidth", ""))


@pytest.mark.parametrize("start", ["[2pt]", "*", "  [x", "\n*"])
def test_latex_rows_do_not_start_with_an_argument(start) -> None:
    lines = Summary(Report("T", tables=[Table({start: [start, "plain"]})])).as_latex().splitlines()
    rows = lines[lines.index(r"\toprule") + 1 : lines.index(r"\bottomrule")]
    assert rows == ["{}" + start.strip() + r" \\", r"\midrule", "{}" + start.strip() + r" \\", r"plain \\"]


def test_line_breaks_in_names_do_not_end_a_line_of_the_markup() -> None:
    shown = Summary(Report("a\n\nb", (("c\r\rd", "e\r\nf"),), [Table({"g\rh": ["i\n\nj"]})]))
    assert "\n\n" not in shown.as_latex()
    for part in ("a b", "c d: e f", "g h", "i j"):
        assert part in shown.as_latex() and part in shown.as_markdown()
    assert "\r" not in shown.as_latex() + shown.as_markdown()


LIVELY = "[a](http://x) ![i](y) ~~gone~~ &copy; **b** _c_ `d` <e> | f [ref]"


def test_markdown_escapes_links_images_strikes_and_entities() -> None:
    text = Summary(Report("T", (("Column", LIVELY),))).as_markdown()
    for escaped in (r"\[a\](http", r"\!\[i\]", r"\~\~gone\~\~", r"\&copy;", r"\[ref\]"):
        assert escaped in text


def test_markdown_of_a_hostile_name_renders_as_the_name() -> None:
    markdown = pytest.importorskip("markdown_it").MarkdownIt("commonmark").enable(["table", "strikethrough"])
    shown = Report(LIVELY, (("Column", LIVELY),), [Table({LIVELY: [LIVELY]}, title=LIVELY)], notes=[LIVELY])
    page = Text()
    page.feed(markdown.render(Summary(shown).as_markdown()))
    assert set(page.seen) <= {"h3", "ul", "li", "p", "strong", "table", "thead", "tbody", "tr", "th", "td"}
    assert "".join(page.words).count(LIVELY) == 6


class Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag, attrs) -> None:
        self.seen.append(tag)

    def handle_data(self, data) -> None:
        self.words.append(data)


def test_wide_and_combining_characters_keep_text_aligned() -> None:
    names = ["plain", "名前", "e\u0301te\u0301", "ｗｉｄｅ"]
    shown = Report("名", (("名前", "値"), ("b", 1)), [Table({"name": names, "value": [1, 2, 3, 4]})])
    lines = Summary(shown).as_text().splitlines()
    assert lines[-2].startswith("名前: 値" + " " * 30 + "  b:    1")
    rows = [line for line in lines if line.endswith(("value", "1", "2", "3", "4"))][:5]
    assert rows == [
        "name      value",
        "plain         1",
        "名前          2",
        "e\u0301te\u0301           3",
        "ｗｉｄｅ      4",
    ]


def test_markdown_rows_have_as_many_cells_as_the_head() -> None:
    lines = [line for line in Summary(report()).as_markdown().splitlines() if line.startswith("| ")]
    counts = {line.replace(r"\|", "").count("|") for line in lines}
    assert counts == {4}


def test_a_long_table_is_shortened_in_the_middle() -> None:
    cells = Table({"i": range(1000)}, max_rows=10).cells()
    assert [row[0] for row in cells] == ["0", "1", "2", "3", "4", "...", "995", "996", "997", "998", "999"]
    assert len(Table({"i": range(1000)}, max_rows=None).cells()) == 1000


def test_columns_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match="must have one length"):
        Table({"a": [1], "b": [1, 2]})


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Demo(Result):
    values: np.ndarray

    def _answer(self) -> str:
        return "It is so"

    def _tidy_columns(self):
        return {"term": ["a", "b"], "estimate": self.values}

    def _glance_columns(self):
        return {"n": np.int64(2), "level": 0.9}

    def _report(self) -> Report:
        return Report("Demo", tables=[Table(self._tidy_columns())], guarantees=[self.guarantee])


@pytest.mark.parametrize("backend", ["pandas", "polars", "pyarrow"])
def test_a_result_answers_in_the_callers_library(backend) -> None:
    result = Demo(values=np.array([1.0, 2.0]), guarantee=GUARANTEE, backend=backend)
    assert type(result.tidy()).__module__.split(".")[0] == backend
    assert result.glance().shape == (1, 2)


def test_a_result_as_a_dictionary_is_json() -> None:
    result = Demo(values=np.array([1.0, 2.0]), guarantee=GUARANTEE)
    read = json.loads(json.dumps(result.to_dict()))
    assert read["terms"] == [{"term": "a", "estimate": 1.0}, {"term": "b", "estimate": 2.0}]
    assert read["overall"] == {"n": 2, "level": 0.9}
    assert read["guarantee"]["holds"] == "it holds"
    assert (read["schema"], read["kind"]) == ("validstats.result/1", "Demo")
    assert read["informative"] is True


def test_a_result_prints_its_guarantee_and_no_object_id() -> None:
    result = Demo(values=np.array([1.0, 2.0]), guarantee=GUARANTEE)
    assert "What you can rely on" in repr(result)
    assert " at 0x" not in repr(result) + result._repr_html_()


def test_a_page_is_self_contained_and_written_whole(tmp_path) -> None:
    import matplotlib.pyplot as plt

    figure, ax = plt.subplots()
    ax.plot([0, 1])
    section = Section(HOSTILE, [HOSTILE], [Summary(report())], [(figure, HOSTILE)])
    path = Page(HOSTILE, HOSTILE, [section, section], HOSTILE).write(tmp_path / "page.html")
    plt.close(figure)
    text = path.read_text(encoding="utf-8")
    parser = Tags()
    parser.feed(text)
    assert "script" not in parser.seen
    assert "link" not in parser.seen
    assert parser.seen.count("img") == 2
    assert "http" not in text.replace("data:image", "")
    assert [p.name for p in tmp_path.iterdir()] == ["page.html"]


def test_a_page_can_be_read_by_those_who_may_read_new_files(tmp_path) -> None:
    (tmp_path / "other").write_text("")
    path = Page("t", "l", []).write(tmp_path / "page.html")
    assert path.stat().st_mode == (tmp_path / "other").stat().st_mode


def test_no_block_is_printed_empty() -> None:
    lines = Summary(Report("T", tables=[Table({"a": [1]})])).as_text().splitlines()
    assert [line[0] for line in lines[2:]] == ["=", "a", "1", "="]


def test_a_page_needs_its_folder(tmp_path) -> None:
    with pytest.raises(FileNotFoundError):
        Page("t", "l", []).write(tmp_path / "missing" / "page.html")


def test_the_answer_comes_first_in_every_format() -> None:
    shown = Summary(
        Report(
            "T",
            (("Rows", 9),),
            [Table({"Term": ["x"], "Estimate": [0.5]})],
            (GUARANTEE,),
            answer="It is 0.5.",
        )
    )
    for text in (shown.as_text(), shown.as_html(), shown.as_latex(), shown.as_markdown()):
        places = [text.index(part) for part in ("It is 0.5.", "Estimate", "Rows", "rely on")]
        assert places == sorted(places)


def test_details_of_the_guarantee_are_there_for_who_asks() -> None:
    for markup in ("text", "latex", "markdown"):
        short, long = (getattr(Summary(report(), details), f"as_{markup}")() for details in (False, True))
        assert "Nobody (2020)" not in short and "Nobody (2020)" in " ".join(long.split())
    assert (
        "<details>" in Summary(report()).as_html() and "<details open>" in Summary(report(), True).as_html()
    )


@pytest.mark.parametrize("width", [60, 78, 110])
def test_wide_tables_fold_to_the_width(width) -> None:
    columns = {"Term": ["intercept", "slope"], **{f"Column {i}": [1.25 * i, 2.5] for i in range(12)}}
    text = Summary(Report("T", tables=[Table(columns)], guarantees=(GUARANTEE,))).as_text(width)
    assert max(map(len, text.splitlines())) <= width
    assert all(text.count(f"Column {i} ") + text.count(f"Column {i}\n") == 1 for i in range(12))
    assert text.count("intercept") == text.count("Term") > 1


def test_a_page_without_a_terminal_has_78_columns() -> None:
    assert {len(line) for line in Summary(report()).as_text().splitlines() if set(line) == {"="}} == {78}


def test_prose_in_the_last_column_is_wrapped_inside_it() -> None:
    sentence = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"
    columns = {"Kind": ["note", "error"], "Finding": [sentence, "short"]}
    lines = str(
        Summary(Report("Findings", tables=[Table(columns, formats={"Finding": "prose"})]))
    ).splitlines()
    assert max(map(len, lines)) == 78
    rows = lines[lines.index("Kind   Finding") + 1 : -1]
    assert [row[:5].strip() for row in rows] == ["note", "", "error"]
    assert " ".join(row[7:] for row in rows) == f"{sentence} short"


def test_labels_digits_and_dropped_terms() -> None:
    result = Demo(values=np.array([1.25, 2.0]), guarantee=GUARANTEE)
    text = result.summary(labels={"a": "Age", "estimate": "Slope"}, digits=1, drop="b").as_text()
    assert "Age" in text and "1.2" in text and "1.2500" not in text and "\nb" not in text
    tidy = result.tidy(labels={"a": "Age"}, drop=["b"])
    assert tidy["term"].tolist() == ["Age"]
    with pytest.raises(ValueError, match=r"drop names .'zzz'., which no table holds"):
        result.summary(drop=["zzz"])
    with pytest.raises(ValueError, match="digits must be a whole number"):
        result.summary(digits=-1)


def test_what_does_not_apply_says_why() -> None:
    nothing = NotApplicable("a plan has no estimate")
    assert not nothing and np.isnan(float(nothing)) and "a plan has no estimate" in repr(nothing)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((129712345.0, 127.1e6, 132.3e6), "129,700,000 (127,100,000 to 132,300,000)"),
        ((0.48213, 0.45, 0.51), "0.482 (0.450 to 0.510)"),
        ((3.0, float("-inf"), 4.0), "3.0 (at most 4.0)"),
        ((3.0, 2.0, float("inf")), "3.0 (at least 2.0)"),
        ((3.0, float("-inf"), float("inf")), "3.000 (no finite interval)"),
        ((float("nan"), 2.0, 3.0), "unknown (2.00 to 3.00)"),
        ((-0.0001, -0.5, 0.5), "0.00 (-0.50 to 0.50)"),
    ],
)
def test_sentences_round_to_what_the_interval_justifies(arguments, words) -> None:
    assert interval_words(*arguments) == words


def test_labels_stand_in_the_sentence_too_and_only_for_whole_words() -> None:
    table = Table({"Term": ["x", "x:z"], "Estimate": [0.5, 0.1]})
    report = Report(title="T", answer="The next coefficients of x and x:z are 0.5 and 0.1", tables=[table])
    styled = report.styled({"x": "Age", "x:z": "Age by year", "The": "A"})
    assert styled.answer == "The next coefficients of Age and Age by year are 0.5 and 0.1"
