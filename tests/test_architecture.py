"""The house rules: who may import whom, what an import may load, and that public names are documented."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import validstats

ROOT = Path(validstats.__file__).parent
LAYERS = {
    "_typing": 0,
    "exceptions": 0,
    "guarantee": 0,
    "intake": 1,
    "kernels": 1,
    "runtime": 1,
    "datasets": 2,
    "results": 2,
    "base": 2,
    "batch": 3,
    "holdout": 3,
    "dsl": 3,
    "mi": 3,
    "evals": 4,
    "plotting": 5,
    "validity": 5,
    "reporting": 5,
    "guide": 5,
    "pipeline": 5,
    "tour": 6,
    "cli": 7,
}
DOMAINS = {"batch", "holdout", "dsl", "mi"}
HEAVY = ("numba", "matplotlib", "torch", "statsmodels", "formulaic", "pandas", "polars", "sklearn")


def modules() -> list[Path]:
    return sorted(path for path in ROOT.rglob("*.py") if path.parent != ROOT or path.name != "__init__.py")


def part_of(path: Path) -> str:
    return path.relative_to(ROOT).with_suffix("").parts[0]


def imported_parts(path: Path) -> set[str]:
    """First-level parts of validstats that a module imports when it is loaded (deferred imports excluded)."""
    parts = set()
    for node in module_level_nodes(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("validstats"):
            names = (
                [node.module] if node.module != "validstats" else [f"validstats.{a.name}" for a in node.names]
            )
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names if alias.name.startswith("validstats.")]
        parts.update(name.split(".")[1] for name in names)
    return parts & set(LAYERS)


def module_level_nodes(tree: ast.Module):
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop()
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                continue
            yield child
            pending.append(child)


def test_imports_point_downwards() -> None:
    found = []
    for path in modules():
        own, where = part_of(path), path.relative_to(ROOT)
        if own not in LAYERS:
            found.append(f"{own} has no place in the house; add it to LAYERS and to CONTRIBUTING.md")
            continue
        for other in imported_parts(path) - {own}:
            if LAYERS[other] > LAYERS[own]:
                found.append(f"{where} imports {other}, which is above it")
            if own in DOMAINS and other in DOMAINS:
                found.append(f"{where} imports the domain {other}")
    assert found == []


def test_a_forbidden_import_is_noticed(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text("from validstats.tour import run_tour\nimport validstats.dsl.moments.models\n")
    assert imported_parts(module) == {"tour", "dsl"}


def test_a_deferred_import_is_not_counted(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text("def plot():\n    from validstats.plotting import CoverageDisplay\n")
    assert imported_parts(module) == set()


def test_folders_are_at_most_two_deep() -> None:
    assert max(len(path.relative_to(ROOT).parts) - 1 for path in ROOT.rglob("*.py")) <= 2


def test_numba_is_imported_in_kernels_only() -> None:
    users = {
        path.relative_to(ROOT).parts[0]
        for path in ROOT.rglob("*.py")
        if "numba" in (source := path.read_text(encoding="utf-8"))
        for node in ast.walk(ast.parse(source))
        if (isinstance(node, ast.Import) and any(a.name.split(".")[0] == "numba" for a in node.names))
        or (isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "numba")
    }
    assert users == {"kernels"}


@pytest.mark.parametrize(
    "start", ["", "from validstats.cli import main; main(['--help'], standalone_mode=False)"]
)
def test_import_and_help_load_nothing_heavy(start) -> None:
    code = f"import sys, validstats\n{start}\nprint([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("[]")


def test_every_public_name_resolves_and_is_listed_once() -> None:
    assert sorted(validstats.__all__) == sorted(set(validstats.__all__))
    assert set(validstats.__all__) == set(validstats._PUBLIC)
    for name in validstats.__all__:
        assert getattr(validstats, name).__name__ == name
    assert set(validstats.__all__) <= set(dir(validstats))


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = validstats.nonsense


def all_modules() -> list[str]:
    skipped = {"validstats.mi.training.torch_module"}
    found = pkgutil.walk_packages([str(ROOT)], prefix="validstats.")
    return sorted(info.name for info in found if info.name not in skipped)


def test_names_in_all_exist_and_are_documented() -> None:
    bare = []
    for name in all_modules():
        try:
            module = importlib.import_module(name)
        except ImportError as error:
            if "torch" in str(error):  # needs the torch extra
                continue
            raise
        values = {name: module} | {f"{name}.{n}": getattr(module, n) for n in getattr(module, "__all__", [])}
        bare += [
            where
            for where, value in values.items()
            if (value is module or inspect.isclass(value) or inspect.isfunction(value))
            and not inspect.getdoc(value)
        ]
    assert bare == []


STATEMENT = re.compile(r"^[ \t]*from (validstats\.[\w.]+) import (\([^)]*\)|.*)", re.MULTILINE)


def files_imported_by(folder: Path) -> set[str]:
    """Files of rooms that modules of a folder import past the doors, in programs within strings too."""
    found = set()
    for path in folder.rglob("*.py"):
        for statement in STATEMENT.finditer(path.read_text(encoding="utf-8")):
            below = [f"{statement[1]}.{name}" for name in re.findall(r"\w+", statement[2])]
            for name in (statement[1], *below):
                parts = name.split(".")
                if len(parts) > 2 and (ROOT.parent.joinpath(*parts).with_suffix(".py")).exists():
                    found.add(name)
    return found


def test_tests_import_doors_and_the_files_of_algorithms_that_are_listed() -> None:
    """Listed are the files whose functions have an oracle of their own and no door."""
    here = Path(__file__).parent
    listed = set((here / "files_behind_doors.txt").read_text(encoding="utf-8").split())
    imported = files_imported_by(here)
    assert imported - listed == set(), (
        "import what the door exports, or list the file of an algorithm that has an oracle of its own"
    )
    assert listed - imported == set(), "no test imports these any more: take them off the list"


def test_an_import_past_a_door_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "test_a.py").write_text(
        "from validstats.dsl.fit import exact\nfrom validstats.dsl import plan\n"
    )
    assert files_imported_by(tmp_path) == {"validstats.dsl.fit.exact"}
