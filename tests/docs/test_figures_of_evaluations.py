"""Figures on the pages of evaluations: every one is in the file that its command wrote."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS, RESULTS = ROOT / "docs", ROOT / "benchmarks" / "results"
PAGE = DOCS / "domains" / "evals.md"
QUESTIONS = {
    "rates of clustered items": "clustered share",
    "two systems, 0/1, exact": "paired 0/1, exact",
    "rate with a judge": "judged rate",
    "difference with a judge": "judged difference",
    "ranges of ranks": "rank sets",
    "ranges of ranks with a judge": "rank sets, judged",
    "ranks of battles with a judge": "battles: ranks",
    "pass@k, all k at once": "pass@k",
    "pass@k with audits": "pass@k, audited",
    "best of n": "best of n",
    "right with any number of tries": "ceiling of best of n",
    "numbers of tries that may be best": "set of best n",
    "agreement of judge and people": "agreement, lowest",
}
"""Words of the page -> question of the simulations."""

pytestmark = pytest.mark.skipif(not DOCS.is_dir(), reason="the pages are not installed with the package")


def coverage() -> dict[str, list[dict[str, str]]]:
    """Settings of every question."""
    found: dict[str, list[dict[str, str]]] = {}
    with (RESULTS / "evals_coverage.csv").open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            found.setdefault(row["question"], []).append(row)
    return found


def thousandths(value: float) -> str:
    """A share with three decimals and no leading zero."""
    return f"{value:.3f}".removeprefix("0")


def test_the_table_of_the_page_is_that_of_the_simulations() -> None:
    rows = re.findall(
        r"^\| ([^|]+) \| (\d+) \| (1?\.\d+) \| ([^|]*)\|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE
    )
    assert {words for words, *_ in rows} == set(QUESTIONS)
    known = coverage()
    for words, settings, lowest, simpler in rows:
        part = known[QUESTIONS[words]]
        assert int(settings) == len(part), words
        assert lowest == thousandths(min(float(row["held"]) for row in part)), words
        naive = [float(row["naive"]) for row in part if row["naive"] != "nan"]
        assert re.findall(r"\.\d+", simpler) == ([thousandths(min(naive))] if naive else []), words


def test_lowest_coverage_of_strengths_is_named() -> None:
    lowest = min(float(row["held"]) for row in coverage()["battles: strengths, lowest"])
    assert f"{thousandths(lowest)} as their lowest" in PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "page", ["domains/evals.md", "evals/judge.md", "evals/compare.md", "evals/samples.md"]
)
def test_every_coverage_in_the_prose_is_in_a_file_of_results(page: str) -> None:
    known = "".join(
        (RESULTS / name).read_text(encoding="utf-8") for name in ("evals_coverage.md", "evals_peers.md")
    )
    text = re.sub(
        r"^```.*?^```$|p < \.001",
        "",
        (DOCS / page).read_text(encoding="utf-8"),
        flags=re.MULTILINE | re.DOTALL,
    )
    for figure in re.findall(r"(?<![\d.])\.\d{3}\b", text):
        assert f"0{figure}" in known, f"{page} says {figure}"


def test_words_of_the_page_for_equal_systems() -> None:
    """Pairs at 95 % each name a wrong order in six boards of ten with ten systems, with thirty in nearly all."""
    wrong = {row["setting"]: 1 - float(row["naive"]) for row in coverage()["rank sets"]}
    assert wrong["(30, 500, 0.5, 0.0, 0)"] > 0.95
    assert all(0.55 < wrong[name] < 0.7 for name in ("(10, 500, 0.9, 0.0, 0)", "(10, 500, 0.5, 0.0, 0)"))


def test_asked_coverage_of_the_pages_is_reached() -> None:
    """None of the settings is below what is asked by more than two standard errors of its simulation."""
    for rows in coverage().values():
        for row in rows:
            n, asked = int(row["replicates"]), float(row["asked"])
            error = (asked * (1 - asked) / n) ** 0.5 if n else 0.0
            assert float(row["held"]) >= asked - 2 * error - 1e-9, row
