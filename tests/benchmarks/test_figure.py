"""The growth curves: sizes that span four decades, a column a domain, a line an implementation."""

from __future__ import annotations

import itertools
import math

import pytest

from benchmarks import batch, dsl, holdout, mi, pages
from benchmarks._runner import Measurement, write_csv
from benchmarks.figure import PANELS, figure, is_ours, peak_mebibytes, styles

MODULES = {"batch": batch, "holdout": holdout, "dsl": dsl, "mi": mi}
SIZES = (1_000, 100_000, 10_000_000)


def rows(domain: str, names: tuple[str, ...] = ("validstats", "rival")) -> list[Measurement]:
    task = PANELS[domain].task
    return [
        Measurement(
            domain, task, n, name, 0.1, n * 1e-6 * (1 + i), 1.0 + i, 0.1 * n**0.5, resident_mebibytes=0.0
        )
        for n in SIZES
        for i, name in enumerate(names)
    ]


@pytest.mark.parametrize("domain", MODULES)
def test_every_domain_grows_over_four_decades(domain, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    listed = MODULES[domain].specs(quick=False)
    sizes = sorted(spec.n for spec in listed if spec.task == PANELS[domain].task)
    assert len(sizes) == len(set(sizes)) >= 5
    assert sizes[-1] >= 10**4 * sizes[0]
    assert all(later <= 10 * earlier for earlier, later in itertools.pairwise(sizes))


def test_a_column_a_domain_and_a_line_an_implementation() -> None:
    names = ("validstats, one", "validstats, two", "mapie", "crepes")
    drawn = figure([m for domain in PANELS for m in rows(domain, names)])
    assert len(drawn.axes) == 2 * len(PANELS)
    for ax in drawn.axes:
        assert len(ax.lines) == len(names)
        assert ax.get_xscale() == ax.get_yscale() == "log"
        assert list(ax.lines[0].get_xdata()) == list(SIZES)
    above, below = drawn.axes[0], drawn.axes[len(PANELS)]
    assert [text.get_text() for text in above.get_legend().get_texts()] == list(names)
    assert list(above.lines[2].get_ydata()) == pytest.approx([n * 3e-6 for n in SIZES])
    assert list(below.lines[2].get_ydata()) == pytest.approx([0.1 * n**0.5 for n in SIZES])


def test_ours_share_a_colour_and_peers_differ() -> None:
    found = styles(["validstats, one", "mapie", "validstats, two", "crepes"])
    assert found["validstats, one"]["color"] == found["validstats, two"]["color"]
    assert found["validstats, one"]["linestyle"] != found["validstats, two"]["linestyle"]
    assert len({style["color"] for style in found.values()}) == 3
    assert is_ours("validstats, one") and not is_ours("mapie")


def test_a_line_that_fails_ends_with_a_cross() -> None:
    failed = Measurement("dsl", "linear", 10**8, "rival", error="TimeoutError: longer than 300 s")
    drawn = figure([*rows("dsl"), failed])
    assert len(drawn.axes) == 2
    crosses = [line for line in drawn.axes[0].lines if line.get_marker() == "x"]
    assert [list(line.get_xdata()) for line in crosses] == [[SIZES[-1]]]


def test_an_implementation_that_never_ran_has_no_line() -> None:
    absent = [Measurement("mi", "1 x 1", n, "rival", error="not run") for n in SIZES]
    drawn = figure([*rows("mi", ("validstats, KSG",)), *absent])
    assert len(drawn.axes[0].lines) == 1


def test_memory_that_was_not_measured_is_not_drawn() -> None:
    known, unknown = (
        rows("mi", ("validstats, KSG",)),
        Measurement("mi", "1 x 1", 10**8, "validstats, KSG", 1, 1, 1),
    )
    above, below = figure([*known, unknown]).axes
    assert [len(ax.lines[0].get_xdata()) for ax in (above, below)] == [4, 3]


def test_memory_is_the_larger_of_the_two_measures() -> None:
    both = Measurement("mi", "1 x 1", 10, "a", peak_mebibytes=1.0, resident_mebibytes=3.0)
    assert peak_mebibytes(both) == 3.0
    assert peak_mebibytes(Measurement("mi", "1 x 1", 10, "a", peak_mebibytes=1.0)) == 1.0
    assert math.isnan(peak_mebibytes(Measurement("mi", "1 x 1", 10, "a")))


def test_the_page_shows_the_figure_and_names_faster_peers(tmp_path) -> None:
    fast = Measurement("dsl", "linear", 1_000, "rival", 0.1, 0.1, 0.5)
    ours = Measurement("dsl", "linear", 1_000, "validstats, streamed", 0.1, 0.1, 0.5)
    write_csv([*rows("dsl"), fast, ours], tmp_path / "dsl.csv")
    assert pages.write_figure(tmp_path).stat().st_size > 10_000
    page = pages.benchmarks_page(tmp_path)
    assert "](images/benchmarks.png)" in page
    assert "Faster than validstats: rival (linear, n = 1,000)." in page


def test_the_page_says_which_run_and_versions_it_shows(tmp_path) -> None:
    write_csv(rows("dsl"), tmp_path / "dsl.csv")
    assert "These times are those of version 0.1.0" in pages.benchmarks_page(tmp_path)
    (tmp_path / "run.json").write_text('{"peers": {"crepes": "0.9", "mapie": "1.6"}}')
    page = pages.benchmarks_page(tmp_path)
    assert "The others are crepes 0.9, mapie 1.6." in page and "version 0.1.0" not in page


def test_results_without_resident_memory_are_read(tmp_path) -> None:
    path = tmp_path / "mi.csv"
    path.write_text(
        "domain,task,n,implementation,cold_seconds,median_seconds,ratio,peak_mebibytes,error,note\n"
        "mi,1 x 1,10,rival,0.2,0.1,1.0,2.0,,\n"
        "mi,1 x 1,100,rival,nan,nan,nan,nan,MemoryError: 8 GiB,\n"
    )
    good, failed = pages.read_measurements(path)
    assert (good.n, good.median_seconds, peak_mebibytes(good)) == (10, 0.1, 2.0)
    assert failed.error == "MemoryError: 8 GiB" and math.isnan(failed.resident_mebibytes)


def test_the_committed_pages_are_those_of_the_results():
    docs = pages.ROOT / "docs"
    if not docs.exists():
        pytest.skip("the pages are not installed with the package")
    results = pages.ROOT / "benchmarks/results"
    assert (docs / "benchmarks.md").read_text(encoding="utf-8") == pages.benchmarks_page(results)
    assert (docs / "validity.md").read_text(encoding="utf-8") == pages.validity_page(results)
    for domain in pages.STUDIED:
        if (results / f"{domain}.csv").exists():
            page = (docs / f"benchmarks/{domain}.md").read_text(encoding="utf-8")
            assert page == pages.times_page(results, domain)
        page = (docs / f"benchmarks/{domain}_studies.md").read_text(encoding="utf-8")
        assert page == pages.studies_page(results, domain)
    for domain in pages.TITLES:
        page = (docs / f"validity/{domain}.md").read_text(encoding="utf-8")
        assert page == pages.settings_page(results, domain)
