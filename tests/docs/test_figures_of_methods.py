"""Figures on the pages of methods: those of tables and the prices of looks are in the files that their commands wrote."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS, RESULTS = ROOT / "docs", ROOT / "benchmarks" / "results"

pytestmark = pytest.mark.skipif(not DOCS.is_dir(), reason="the pages are not installed with the package")


def rows_below(text: str, head: str) -> dict[str, list[list[float]]]:
    """Rows of the first table whose line of names begins with ``head``: first cell -> numbers of every other cell."""
    lines = text[text.index(head) :].splitlines()[2:]
    rows = {}
    for line in lines:
        if not line.startswith("|"):
            break
        first, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        rows[first] = [[float(v) for v in re.findall(r"\d*\.\d+|\d+", cell)] for cell in cells]
    return rows


def page(name: str) -> str:
    return (DOCS / "domains" / f"{name}.md").read_text(encoding="utf-8")


def result(name: str) -> str:
    return (RESULTS / name).read_text(encoding="utf-8")


def test_a_table_is_read_with_all_its_numbers() -> None:
    table = "| a | b |\n| :-- | --: |\n| x | .5 (max 1.2), 3 |\n| y | none |\n\n| z | 1 |"
    assert rows_below(table, "| a |") == {"x": [[0.5, 1.2, 3.0]], "y": [[]]}


def test_widths_of_means_are_those_of_the_simulation() -> None:
    told = rows_below(page("batch"), "| (n, m) | ours |")
    measured = rows_below(result("batch_means.md"), "| (n, m) | ratio |")
    assert len(told) == 7
    for sizes, cells in told.items():
        ratio, _, _, textbook, _, partition, _, rows = measured[sizes]
        assert cells == [ratio, textbook, partition, rows], sizes


def test_shares_of_machine_labels_are_those_of_the_simulation() -> None:
    told = rows_below(
        page("dsl"), "| interval | lowest coverage | mean | settings below .94 | width over Wilson's: all"
    )
    measured = rows_below(result("dsl_shares.md"), "| interval |")
    assert list(told) == list(measured)
    for name, cells in told.items():
        assert [c[0] for c in cells] == [c[0] for c in measured[name][:6]], name


def test_peers_of_shares_are_those_of_the_simulation() -> None:
    told = rows_below(
        page("dsl"), "| interval | lowest coverage | mean | settings below .94 | width over Wilson's | calls"
    )
    measured = rows_below(result("dsl_shares_peers.md"), "| interval |")
    names = ("cells", "ppi-python", "glide-py", "truescore")
    for cells, name in zip(told.values(), names, strict=True):
        *shares, failed = (c[0] for c in cells)
        assert shares == [c[0] for c in measured[name][:4]], name
        assert failed == pytest.approx(measured[name][4][0], abs=0.05), name


def test_surrogates_are_those_of_the_simulation() -> None:
    told = rows_below(page("dsl"), "| surrogate, labels | tuned |")
    lines = re.findall(
        r"^\| (\w+) \| ([\d,]+) \| [^|]+\| ([^|]+) \| ([^|]+) \| ([^|]+) \|$",
        result("dsl_surrogates.md"),
        re.M,
    )
    measured = {
        f"{kind}, {labels}": [[float(v) for v in cell.split(", ")] for cell in cells]
        for kind, labels, *cells in lines
    }
    assert len(told) == 8
    for name, cells in told.items():
        assert cells == [[rmse, error, coverage] for rmse, error, _, coverage in measured[name]], name


def test_prices_of_looks_are_those_of_the_picture() -> None:
    prices = {int(k): row for k, *row in json.loads(result("ideas.json"))["holdout"]["price"]}
    ours, split, fixed = ({k: 100 * row[i] for k, row in prices.items()} for i in range(3))
    text = " ".join(page("holdout").split())
    assert (
        f"plus and minus {fixed[20]:.1f} points, ours {ours[20]:.1f}; with 100, {fixed[100]:.1f} and {ours[100]:.1f}"
        in text
    )
    assert (
        f"{split[2]:.1f} against {ours[2]:.1f} points for two looks, {split[20]:.0f} against {ours[20]:.0f} for twenty, "
        f"{split[100]:.0f} against {ours[100]:.0f} for a hundred" in text
    )


def test_attacks_and_searches_are_those_of_the_simulations() -> None:
    attacks = rows_below(result("holdout_gate.md"), "| adversary |")
    certificates, plain = (sum(cells[i][0] for cells in attacks.values()) for i in range(2))
    text = " ".join(page("holdout").split())
    assert len(attacks) == 5 and certificates == 1
    assert (
        f"a plain interval was wrong in {plain:,.0f} of 2,000 runs and certificates of the gate in one"
        in text
    )
    search = rows_below(result("holdout_search.md"), "| way |")
    naive, bonferroni, split, gate = search.values()
    assert [cells[3][0] for cells in (naive, bonferroni, split, gate)] == [15, 3, 3, 0]
    assert (
        "with lower ends of "
        + ", ".join(f"{c[1][0]:.2f}" for c in (naive, bonferroni, split))
        + f" and {gate[1][0]:.2f}"
        in text
    )


def test_costs_of_rows_in_parts_are_those_that_were_measured() -> None:
    told = (DOCS / "cluster.md").read_text(encoding="utf-8")
    rows = [line for line in result("scale.md").splitlines() if re.match(r"\| \d", line)]
    assert len(rows) >= 6
    for row in rows:
        n, data, what, _, processor, cost, *memory = (cell.strip() for cell in row.strip("|").split("|"))
        assert f"| {' | '.join([n, data, what, processor, cost, *memory])} |" in told


def test_certified_shares_are_those_of_the_laws() -> None:
    told = rows_below(page("mi"), "| certified, share of the truth |")
    measured = rows_below(result("mi_bounds.md"), "| law |")
    assert len(told) == 4
    for name, cells in told.items():
        law = "**mean**" if name == "mean" else re.sub(r" \(the \w+\)", "", name)
        assert cells == measured[law][1:4], name
    shares = {
        law: [c[0] for c in cells[1:4]] for law, cells in measured.items() if cells[0] and cells[0][0] > 0
    }
    by_mean = sorted(shares, key=lambda law: sum(shares[law]))
    assert {by_mean[0], by_mean[-1]} == {"product and absolute value, 3x2", "eight bits"}
    assert all(cells[-1][:2] == [0.0, 40.0] for cells in measured.values() if cells[-1])


def test_errors_of_laws_with_structure_are_those_of_the_table() -> None:
    told = rows_below(page("mi"), "| estimator | n = 100 | 500 | 1,000 | 5,000 |")
    mean = rows_below(result("mi_structure.md"), "| law |")["**mean**"]
    names = {"shipped": 4, "evaluation": 3, "0.1.0": 2, "KSG": 1}
    assert len(told) == 4
    for title, cells in told.items():
        place = next(number for name, number in names.items() if name in title)
        values = [mean[place][i] for i in (0, 1, 2, 4)]
        assert [c[0] for c in cells] == [pytest.approx(v, abs=0.0051) for v in values], title


def test_laws_that_are_read_badly_are_those_of_the_table() -> None:
    def rows(text: str, head: str) -> list[list[str]]:
        lines = text[text.index(head) :].splitlines()[2:]
        lines = lines[: next((i for i, line in enumerate(lines) if not line.startswith("|")), None)]
        return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]

    measured = {(r[0], r[1]): r for r in rows(result("mi_wrong.md"), "| law |") if r[4] == "shipped"}
    told = rows((DOCS / "mi_wrong.md").read_text(encoding="utf-8"), "| law |")
    assert len(told) == 12
    for law, n, truth, neighbours, estimate, inside, certified in told:
        row = measured[law, n]
        assert [truth, neighbours, estimate, inside, certified] == [row[i] for i in (2, 3, 5, 6, 8)], (law, n)
