"""The pages: every block of code runs, every link between pages exists, and the API pages name what is public."""

from __future__ import annotations

import importlib
import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from validstats.cli import main

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(p for p in DOCS.rglob("*.md") if not {"generated", "gallery"} & set(p.relative_to(DOCS).parts))
README = ROOT / "README.md"
FENCE = re.compile(r"^```python\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)
QUOTE = re.compile(r"(?:^>.*\n?)+", flags=re.MULTILINE)
PACKAGES = ("batch", "holdout", "dsl", "mi", "evals")

pytestmark = pytest.mark.skipif(not DOCS.is_dir(), reason="the pages are not installed with the package")


def name_of(page: Path) -> str:
    return "README.md" if page == README else str(page.relative_to(DOCS))


@pytest.mark.slow
@pytest.mark.parametrize(
    "page", [p for p in (README, *PAGES) if FENCE.search(p.read_text(encoding="utf-8"))], ids=name_of
)
def test_code_runs(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The code of a page runs, and prints what the page quotes."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    text = page.read_text(encoding="utf-8")
    exec(compile("\n".join(FENCE.findall(text)), str(page), "exec"), {"__name__": "__page__"})
    printed = " ".join(capsys.readouterr().out.split())
    for quote in QUOTE.findall(text):
        for part in re.split(r"^>\s*$", quote, flags=re.MULTILINE):
            words = " ".join(part.replace(">", "").split()).removesuffix(".")
            assert words in printed, f"{name_of(page)} quotes what its code does not print: {words}"


@pytest.mark.slow
@pytest.mark.parametrize("block", FENCE.findall(README.read_text(encoding="utf-8")), ids=lambda b: b[:30])
def test_every_block_of_the_readme_runs_by_itself(block: str) -> None:
    exec(compile(block, "README.md", "exec"), {"__name__": "__page__"})


CELL = re.compile(r"^```\{python\}\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)


@pytest.mark.slow
def test_the_cells_of_the_quarto_document_run(capsys: pytest.CaptureFixture[str]) -> None:
    cells = CELL.findall((DOCS / "quarto/weekly.qmd").read_text(encoding="utf-8"))
    names: dict[str, object] = {}
    for cell in cells:
        exec(compile(cell, "weekly.qmd", "exec"), names)
    printed = capsys.readouterr().out
    assert len(cells) == 2 and "nats" in printed.splitlines()[0] and "| ---" in printed


def test_the_page_of_reports_shows_the_quarto_document() -> None:
    document = (DOCS / "quarto/weekly.qmd").read_text(encoding="utf-8")
    assert f"````\n{document}````\n" in (DOCS / "report.md").read_text(encoding="utf-8")


METHODS = ("batch", "holdout", "dsl", "mi", "evals")
SECTIONS = (
    "The idea",
    "What is guaranteed",
    "When it fails",
    "What the textbook would do",
    "How it works",
    "Limits",
    "References",
)


def words_of(text: str) -> int:
    """Words of a page outside its blocks of code."""
    return sum(
        bool(re.search(r"\w", word)) for word in re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S).split()
    )


@pytest.mark.parametrize("method", METHODS)
def test_a_method_page_has_its_length_its_sections_and_its_picture(method: str) -> None:
    text = (DOCS / f"domains/{method}.md").read_text(encoding="utf-8")
    assert 1_200 <= words_of(text) <= 2_500
    headings = [h for h in re.findall(r"^## (.+)$", text, flags=re.MULTILINE) if h in SECTIONS]
    assert headings == list(SECTIONS)
    idea = text.split("## What is guaranteed")[0]
    assert f"](../images/idea_{method}.png){{.idea}}" in idea


def test_words_of_code_do_not_count() -> None:
    assert words_of("one two\n```python\nthree = 4\n```\n-- five") == 3


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_between_pages_exist(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        if "://" not in target and not target.startswith(("generated/", "../generated/")):
            assert (page.parent / target).exists(), f"{name_of(page)} links to {target}"


def test_every_page_is_in_the_navigation() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert [name_of(p) for p in PAGES if name_of(p) not in navigation] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_api_page_equals_all(package: str) -> None:
    module = importlib.import_module(f"validstats.{package}")
    text = (DOCS / "api" / f"{package}.md").read_text(encoding="utf-8")
    documented = re.findall(r"^::: (\S+)$", text, flags=re.MULTILINE)
    assert documented == [f"validstats.{package}.{name}" for name in sorted(module.__all__)], (
        "run: python docs/make_api.py"
    )


def test_top_level_names_are_all_documented() -> None:
    import validstats

    text = "\n".join(page.read_text(encoding="utf-8") for page in (DOCS / "api").glob("*.md"))
    documented = set(re.findall(r"^::: validstats\.(?:\w+\.)*(\w+)$", text, flags=re.MULTILINE))
    assert set(validstats.__all__) - documented == set()


def test_shared_page_names_what_exists() -> None:
    text = (DOCS / "api" / "shared.md").read_text(encoding="utf-8")
    for name in re.findall(r"^::: (\S+)$", text, flags=re.MULTILINE):
        module, _, attribute = name.rpartition(".")
        assert hasattr(importlib.import_module(module), attribute), name


SHELL = re.compile(r"^validstats ((?:batch|dsl|mi|plan|holdout) .+)$", flags=re.MULTILINE)


def shell_lines() -> list[str]:
    readme = SHELL.findall(README.read_text(encoding="utf-8"))
    table = re.findall(
        r"^\| `validstats ([^`]+)`", (DOCS / "command_line.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    return [line for line in readme + table if line != "tour"]


@pytest.mark.slow
@pytest.mark.parametrize("line", shell_lines() if DOCS.is_dir() else [])
def test_command_lines_run(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    runner = CliRunner()
    assert runner.invoke(main, ["data"]).exit_code == 0
    assert runner.invoke(main, ["holdout", "create", "study.ledger"]).exit_code == 0
    result = runner.invoke(main, shlex.split(line))
    assert result.exit_code == 0, result.output


def test_names_in_prose_exist() -> None:
    """A name in backticks with a call, such as ``plan_batch(``, is public somewhere."""
    public = {name for part in PACKAGES for name in importlib.import_module(f"validstats.{part}").__all__}
    for page in PAGES:
        for name in re.findall(r"`([A-Z]\w+)\(", page.read_text(encoding="utf-8")):
            known = name in public or name in {"GridSearchCV", "SelectKBest", "FrozenEstimator", "Guarantee"}
            assert known, f"{name_of(page)} names {name}"
