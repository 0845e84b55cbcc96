from __future__ import annotations

import csv

import numpy as np
import pytest

from benchmarks import pages
from benchmarks._runner import Measurement, write_csv
from benchmarks.validity import __main__ as command
from benchmarks.validity.__main__ import SETTINGS
from benchmarks.validity.report import anchor, clopper_pearson, figure, markdown
from benchmarks.validity.rows import LEVELS, Row, Setting, append_rows, is_done, read_rows, replace_rows
from validstats.validity import binomial_acceptance


def some_rows():
    return [
        Row(domain, f"guarantee of {domain}", f"setting {i}", level, 90 + i, 100, "naive", 40, 100)
        for domain in SETTINGS
        for i in range(3)
        for level in LEVELS
    ]


def test_rows_survive_the_file(tmp_path):
    rows = some_rows()
    append_rows(rows[:3], tmp_path / "v.csv")
    append_rows(rows[3:], tmp_path / "v.csv")
    assert read_rows(tmp_path / "v.csv") == rows
    assert read_rows(tmp_path / "none.csv") == []


def test_the_interval_is_the_exact_one():
    low, high = clopper_pearson(0, 100, 0.95)
    assert low == 0.0
    assert high == pytest.approx(1 - 0.025 ** (1 / 100))


def test_the_table_counts_what_is_significantly_below():
    rows = [
        Row("batch", "g", "good", 0.9, 900, 1000, "plain", 40, 100),
        Row("batch", "g", "bad", 0.9, 500, 1000, "plain", 60, 100),
        Row("batch", "g", "good", 0.95, 960, 1000, "plain", 70, 100),
        Row("batch", "without", "s", 0.95, 960, 1000),
    ]
    table = markdown(rows)
    line = "| [g](#g) | 2 | 90 / 95 % | 50.0 / 96.0 % | 70.0 / 96.0 % | 1 of 3 | 50.0 / 70.0 % | plain |"
    assert line in table
    assert "| [without](#without) | 1 | 95 % | 96.0 % | 96.0 % | 0 of 1 |  |  |" in table


def test_the_summary_leads_to_the_settings():
    assert anchor("At least 90 % of the batch") == "at-least-90-of-the-batch"
    assert anchor("the vault's interval after a search") == "the-vaults-interval-after-a-search"


@pytest.mark.parametrize("domain", SETTINGS)
def test_every_domain_has_at_least_twenty_settings_with_names_of_their_own(domain):
    names = [setting.name for setting in SETTINGS[domain]()]
    assert len(names) >= 19
    assert len(set(names)) == len(names)


def test_a_batch_setting_keeps_its_level_and_the_naive_sets_do_not():
    rows = next(s for s in SETTINGS["batch"]() if s.name == "normal, n = 200, m = 100").run(2000)
    for row in rows:
        assert binomial_acceptance(row.hits, row.trials, row.level).accepted
    assert not binomial_acceptance(rows[1].naive_hits, rows[1].naive_trials, 0.9).accepted


def test_a_second_run_skips_what_is_done(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(SETTINGS, "batch", lambda: iter([Setting("batch", "x", fail, 1, 1)]))
    append_rows([Row("batch", "g", "x", 0.9, 9, 10)], tmp_path / "validity.csv")
    monkeypatch.setattr("sys.argv", ["validity", "batch", "--output", str(tmp_path)])
    command.main()
    assert (tmp_path / "validity.png").stat().st_size > 10_000
    assert "| [g](#g) | 1 | 90 % |" in capsys.readouterr().out


def fail(n_replicates):
    raise AssertionError("This setting was done.")


def test_rows_of_a_setting_are_replaced_where_they_were(tmp_path):
    path, rows = tmp_path / "v.csv", some_rows()
    append_rows(rows, path)
    better = [Row("holdout", "g", "setting 1", level, 950, 1000) for level in LEVELS]
    replace_rows(better, path)
    assert read_rows(path) == [*rows[:12], *better, *rows[15:]]
    new = [Row("batch", "g", "new", 0.9, 9, 10)]
    replace_rows(new, path)
    assert read_rows(path)[-1:] == new
    assert list(tmp_path.iterdir()) == [path]


def test_a_setting_with_too_few_replicates_runs_again(tmp_path, monkeypatch):
    asked = []

    def run(n):
        asked.append(n)
        return [Row("batch", "g", "x", 0.9, n - 1, n)]

    settings = [Setting("batch", "x", run, 5, 50), Setting("batch", "y", fail, 5, 50)]
    monkeypatch.setitem(SETTINGS, "batch", lambda: iter(settings))
    for options in (["--only", "x"], ["--long", "--at-most", "20"], ["--long"], ["--long"], ["--again"]):
        chosen = ["validity", "batch", "--only", "x", "--output", str(tmp_path), *options]
        monkeypatch.setattr("sys.argv", chosen)
        command.main()
    assert asked == [5, 20, 50, 5]
    (row,) = read_rows(tmp_path / "validity.csv")
    assert row.trials == 5


def test_shared_replicates_are_done_when_there_are_rows():
    rows = [Row("mi", "g", "x", 0.9, 4, 5)]
    assert is_done(Setting("mi", "x", fail, 600, 6000, shared=True), 600, rows)
    assert not is_done(Setting("mi", "x", fail, 600, 6000), 600, rows)
    assert not is_done(Setting("mi", "y", fail, 600, 6000, shared=True), 600, rows)


@pytest.mark.parametrize(
    "wanted", ["fixed effects, T = 4, predicted covariate", "sentences, linear, log length"]
)
def test_settings_of_regressions_in_which_machine_labels_fail(wanted):
    chosen = [setting for setting in SETTINGS["dsl"]() if setting.name.startswith(wanted)]
    assert len(chosen) >= 2
    for setting in chosen:
        rows = setting.run(6)
        assert [row.level for row in rows] == list(LEVELS)
        assert {row.setting for row in rows} == {setting.name}
        assert rows[-1].hits >= 4 and rows[-1].naive_hits == 0


def test_the_figure_has_a_column_a_level_and_a_line_a_guarantee():
    rows = [*some_rows(), Row("mi", "another", "s", 0.9, 70, 100, "naive", 1, 4)]
    drawn = figure(rows)
    assert len(drawn.axes) == len(LEVELS)
    labels = [label.get_text().strip() for label in drawn.axes[0].get_yticklabels()]
    assert labels[:2] == ["Batch predictive inference", "guarantee of batch"] and labels[-1] == "another"
    assert [_positions(ax, "o")[:3] for ax in drawn.axes] == [pytest.approx([0.9, 0.91, 0.92])] * 3
    assert _positions(drawn.axes[1], "o")[-1] == 0.7 and _positions(drawn.axes[1], "|")[-1] == 0.25
    assert len(_positions(drawn.axes[0], "o")) == 12


def _positions(ax, marker):
    lines = [line for line in ax.lines if line.get_marker() == marker]
    return np.concatenate([line.get_xdata() for line in lines]).tolist()


def test_every_setting_has_a_line_with_its_exact_intervals():
    rows = [Row("mi", "g", "s", level, 90, 100, "plain", hits, 100) for level, hits in zip(LEVELS, (9, 9, 9))]
    low, high = clopper_pearson(90, 100)
    cell = f"90.0% ({low:.1%} to {high:.1%})"
    assert f"| s | {cell} | {cell} | {cell} | 100 | 9.0% |" in markdown(rows)
    assert "### G\n" in markdown(rows)


def test_pages_are_made_from_the_files(tmp_path):
    append_rows(some_rows(), tmp_path / "validity.csv")
    domains = dict.fromkeys(row.domain for row in some_rows())
    assert all("setting 2" in pages.settings_page(tmp_path, domain) for domain in domains)
    overview = pages.validity_page(tmp_path)
    assert "setting 2" not in overview and all(f"](validity/{domain}.md#" in overview for domain in domains)
    assert "How much do the tests notice?" not in pages.validity_page(tmp_path)
    (tmp_path / "mutation.md").write_text("| batch | 300 |\n")
    tested = pages.validity_page(tmp_path).split("## How much do the tests notice?")[1]
    assert "| batch | 300 |" in tested
    measured = [
        Measurement("mi", "t", 1000, "ours", 1.0, 0.5, 1.0, 2.0),
        Measurement("mi", "t", 1000, "peer", 1.0, 0.25, 0.5, 2.0),
        Measurement("mi", "t", 1000, "broken", error="MemoryError: too large"),
    ]
    write_csv(measured, tmp_path / "mi.csv")
    (tmp_path / "mi_accuracy.md").write_text("| a |\n")
    page = pages.benchmarks_page(tmp_path)
    assert "Faster than validstats: peer (t, n = 1,000)." in page and "## Reusable holdout" not in page
    assert "](benchmarks/mi.md)" in page and "](benchmarks/mi_studies.md)" in page
    every = pages.times_page(tmp_path, "mi")
    assert "## T\n\n| n | implementation |" in every and "| 1,000 | peer | 0.25 |" in every
    assert "failed: MemoryError: too large" in every
    (tmp_path / "mi_accuracy.md").write_text("# A title\n\n## Part\n\n| a |\n")
    assert pages.studies_page(tmp_path, "mi").endswith("## Accuracy\n\n### Part\n\n| a |\n")


def test_the_overview_shows_the_largest_size_that_ours_and_others_did(tmp_path):
    measured = [
        Measurement("mi", "t", 1000, "validstats", 1.0, 0.5, 1.0, 2.0),
        Measurement("mi", "t", 9000, "validstats", 1.0, 4.5, 1.0, 2.0),
        Measurement("mi", "t", 9000, "peer", 1.0, 9.0, 2.0, 2.0),
        Measurement("mi", "alone", 9000, "validstats", 1.0, 9.0, 1.0, 2.0),
    ]
    table = pages.largest_sizes(measured)
    assert "| t | 9,000 | 4.5 | peer 2 |" in table and "alone" not in table
    assert pages.largest_sizes(measured[-1:]) == "No other package does these tasks."


def test_a_failed_measurement_is_read_back(tmp_path):
    write_csv([Measurement("mi", "t", 10, "broken", error="x")], tmp_path / "mi.csv")
    (back,) = pages.read_measurements(tmp_path / "mi.csv")
    assert back.error == "x" and np.isnan(back.ratio)
    with (tmp_path / "mi.csv").open() as handle:
        assert next(csv.reader(handle))[0] == "domain"
