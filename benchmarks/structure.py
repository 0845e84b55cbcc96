"""Structure of the package in figures: lines, words, folders, circles, and the files that one answer enters.

``python -m benchmarks.structure [FOLDER]`` prints them for the package here, or for one in another folder;
``python -m benchmarks.structure --before FOLDER`` writes ``results/structure.md``, which compares the two.
"""

from __future__ import annotations

import argparse
import ast
import functools
import os
import subprocess
import sys
import textwrap
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

DOMAINS = ("batch", "holdout", "dsl", "mi", "evals")

ANSWERS = {
    "batch": """
        import numpy as np
        from sklearn.linear_model import LinearRegression
        from validstats import BatchMean, BatchPredictor
        rng = np.random.default_rng(0)
        X = rng.normal(size=(300, 2)); y = X[:, 0] + rng.uniform(-1, 1, 300)
        model = BatchPredictor(LinearRegression(), BatchMean(), bounds=(-9, 9), random_state=0)
        model.fit(X[:100], y[:100]).calibrate(X[100:250], y[100:250])
        act = lambda: model.infer(X[250:])
    """,
    "holdout": """
        import numpy as np
        from sklearn.linear_model import LogisticRegression
        from validstats import ReusableHoldout
        rng = np.random.default_rng(0)
        X = rng.normal(size=(900, 2)); y = (X[:, 0] > 0).astype(int)
        holdout = ReusableHoldout(queries=20, random_state=0).fit(X[:300], y[:300]).calibrate(X[300:], y[300:])
        looks = iter(range(20))
        act = lambda: holdout.infer((X[300:, 0] > .01 * next(looks)).astype(int), guess=.9)  # a new question each time
    """,
    "dsl": """
        import numpy as np, pandas as pd
        from validstats import DesignSupervised
        rng = np.random.default_rng(0)
        rows = pd.DataFrame({"x": rng.normal(size=600)})
        rows["machine"] = rows["x"] + rng.normal(size=600)
        y = np.where(rng.random(600) < .4, rows["x"] + rng.normal(size=600), np.nan)
        study = DesignSupervised(random_state=0).fit(rows, surrogate="machine")
        study.calibrate({"y": y}, sampling_probability=.4)
        act = lambda: study.infer("y ~ x")
    """,
    "mi": """
        import numpy as np
        from validstats import LearnedMI
        rng = np.random.default_rng(0)
        x = rng.normal(size=(200, 1)); y = x + rng.normal(size=(200, 1))
        model = LearnedMI()
        act = lambda: model.infer(x, y)
    """,
    "evals": """
        import numpy as np, pandas as pd
        from validstats import evals
        rng = np.random.default_rng(0)
        right = rng.random(600) < .7
        rows = pd.DataFrame({"item": np.arange(600), "judge": (right ^ (rng.random(600) < .1)).astype(int)})
        rows["human"] = np.where(rng.random(600) < .3, right, np.nan)
        act = lambda: evals.evaluate(rows, judge="judge", human="human", random_state=0)
    """,
}
"""Domain -> a default call whose files are counted; what fits and calibrates runs before."""


@dataclass
class Structure:
    """Figures about the source of a package.

    Attributes
    ----------
    lines, code_lines, docstring_lines, internal_docstring_lines, internal_block_lines, comment_lines : int
        Lines of all files; with code; of docstrings; of docstrings of what nobody outside imports; of those of them that
        are longer than a line; with a comment.
    widest : tuple of (str, int)
        Folder with the most files and rooms, and how many.
    circles : list of list of str
        Files of one domain that import each other, imports within functions counted.
    deferred : list of (str, str)
        File and own module that it imports within a function.
    """

    lines: int = 0
    code_lines: int = 0
    docstring_lines: int = 0
    internal_docstring_lines: int = 0
    internal_block_lines: int = 0
    comment_lines: int = 0
    widest: tuple[str, int] = ("", 0)
    circles: list[list[str]] = field(default_factory=list)
    deferred: list[tuple[str, str]] = field(default_factory=list)


def measure(root: Path) -> Structure:
    """Measure the package in a folder."""
    found = Structure()
    files = sorted(root.rglob("*.py"))
    exported = set().union(*(_exported(path, root) for path in files if path.name == "__init__.py"), set())
    for path in files:
        source = path.read_text(encoding="utf-8")
        found.lines += source.count("\n")
        found.comment_lines += sum("#" in line and _has_comment(line) for line in source.splitlines())
        blank = sum(not line.strip() or line.lstrip().startswith("#") for line in source.splitlines())
        in_docstrings = 0
        for lines, public in _docstrings(parsed(path), exported):
            in_docstrings += lines
            found.internal_docstring_lines += 0 if public else lines
            found.internal_block_lines += 0 if public or lines == 1 else lines
        found.docstring_lines += in_docstrings
        found.code_lines += max(source.count("\n") - blank - in_docstrings, 0)
    found.widest = max(
        ((str(folder.relative_to(root.parent)), width(folder)) for folder in _folders(root)),
        key=lambda w: w[1],
        default=("", 0),
    )
    arrows = import_arrows(root)
    found.circles = circles({a: {b for b, _ in targets} for a, targets in arrows.items()})
    found.deferred = sorted((a, b) for a, targets in arrows.items() for b, late in targets if late)
    return found


@functools.cache
def parsed(path: Path) -> ast.Module:
    """Return the syntax tree of a file, which is read once."""
    return ast.parse(path.read_text(encoding="utf-8"))


def width(folder: Path) -> int:
    """Number of files and rooms side by side, the door not counted."""
    rooms = sum(child.is_dir() and (child / "__init__.py").exists() for child in folder.iterdir())
    return rooms + sum(child.suffix == ".py" and child.name != "__init__.py" for child in folder.iterdir())


def import_arrows(root: Path) -> dict[str, set[tuple[str, bool]]]:
    """Imports among the modules of a package: module -> {(module that defines the name, whether within a function)}.

    An import through a door counts as one of the file behind it that defines the name; imports for types alone do not
    count.
    """
    modules = {_module(path, root): path for path in root.rglob("*.py")}
    behind = {
        name: _behind_door(name, path, modules)
        for name, path in modules.items()
        if path.name == "__init__.py"
    }
    arrows: dict[str, set[tuple[str, bool]]] = {}
    for name, path in modules.items():
        targets = arrows.setdefault(name, set())
        for node, late in _imports(parsed(path)):
            for target in _targets(node, modules, behind):
                if target != name:
                    targets.add((target, late))
    return arrows


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Strongly connected components of more than one module (Tarjan 1972), doors left out."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in graph.get(node, ()):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            component = stack[stack.index(node) :]
            del stack[stack.index(node) :]
            if len(component) > 1:
                found.append(sorted(component))

    for node in graph:
        if node not in index:
            visit(node)
    return found


def files_entered(domain: str, root: Path) -> list[str]:
    """Own files of a domain in which one default answer runs a line (imports are done before)."""
    code = textwrap.dedent(ANSWERS[domain]) + textwrap.dedent(
        f"""
        import sys, warnings
        warnings.simplefilter("ignore")
        act()
        seen = set()
        def note(frame, event, argument):
            if event == "call":
                seen.add(frame.f_code.co_filename)
        sys.setprofile(note)
        act()
        sys.setprofile(None)
        own = [name for name in sorted(seen) if "validstats/{domain}/" in name and not name.endswith("__init__.py")]
        print("\\n".join(name.split("validstats/{domain}/")[1] for name in own))
        """
    )
    environment = os.environ | {"PYTHONPATH": str(root.parent)}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
        cwd=root.parent,
    )
    return done.stdout.split()


def _module(path: Path, root: Path) -> str:
    parts = path.relative_to(root.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _folders(root: Path) -> Iterator[Path]:
    yield from (path.parent for path in root.rglob("__init__.py") if path.parent != root)


INTERNAL = ("intake", "runtime", "kernels", "cli")
"""Rooms whose door is for the package alone; the help of commands is made of their docstrings."""


def _exported(door: Path, root: Path) -> set[str]:
    """Names that a user imports: those of the package's door and of the doors of its rooms."""
    names = set()
    parts = door.relative_to(root).parts
    if parts[0] not in INTERNAL:
        for node in parsed(door).body:
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
                names |= set(ast.literal_eval(node.value))
    return names


def _docstrings(tree: ast.Module, exported: set[str]) -> Iterator[tuple[int, bool]]:
    """Lines of each docstring, and whether a user can reach it: exported names, and public members of such classes."""
    for node in tree.body:
        if not isinstance(node, ast.FunctionDef | ast.ClassDef):
            continue
        public = node.name in exported
        for part in ast.walk(node):
            if isinstance(part, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(part) is not None:
                text = part.body[0]
                own = public and (part is node or not part.name.startswith("_"))
                yield text.end_lineno - text.lineno + 1, own


def _has_comment(line: str) -> bool:
    before, _, after = line.partition("#")
    return (
        before.count('"') % 2 == 0
        and before.count("'") % 2 == 0
        and not after.startswith(("type:", "noqa", " fmt:", " noqa", " type:"))
    )


def _imports(tree: ast.Module) -> Iterator[tuple[ast.ImportFrom | ast.Import, bool]]:
    pending: list[tuple[ast.AST, bool]] = [(tree, False)]
    while pending:
        node, late = pending.pop()
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
                continue
            if isinstance(child, ast.ImportFrom | ast.Import):
                yield child, late
            pending.append(
                (child, late or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda))
            )


def _behind_door(name: str, path: Path, modules: dict[str, Path]) -> dict[str, str]:
    """Which module a name of a door comes from."""
    found: dict[str, str] = {}
    tree = parsed(path)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module in modules:
            found.update({alias.asname or alias.name: node.module for alias in node.names})
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "_PUBLIC":
            found.update(ast.literal_eval(node.value))
    return found


def _targets(
    node: ast.ImportFrom | ast.Import, modules: dict[str, Path], behind: dict[str, dict[str, str]]
) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names if alias.name in modules)
        return
    if node.module not in modules:
        return
    for alias in node.names:
        target, name = node.module, alias.name
        while target in behind and name in behind[target] and behind[target][name] != target:
            target = behind[target][name]
        yield f"{target}.{name}" if f"{target}.{name}" in modules else target


def lines_by_part(root: Path) -> dict[str, int]:
    """Lines of each domain or shared part, the largest first; files beside them count as one part."""
    parts: dict[str, int] = {}
    for path in root.rglob("*.py"):
        part = path.relative_to(root).parts[0]
        name = part if not part.endswith(".py") else "single files"
        parts[name] = parts.get(name, 0) + path.read_text(encoding="utf-8").count("\n")
    return dict(sorted(parts.items(), key=lambda item: -item[1]))


def kept_lines(before: Path, now: Path) -> dict[str, int]:
    """Lines of each part that an earlier version has as well, word for word, wherever they stood; blank ones left out."""
    known = Counter(line for _, line in _lines(before))
    kept: dict[str, int] = {}
    for part, line in _lines(now):
        if known[line] > 0:
            known[line] -= 1
            kept[part] = kept.get(part, 0) + 1
    return kept


def _lines(root: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(root.rglob("*.py")):
        part = path.relative_to(root).parts[0]
        name = part if not part.endswith(".py") else "single files"
        yield from (
            (name, line.strip()) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()
        )


def lines_beside(root: Path) -> dict[str, int]:
    """Lines of Python and of pages beside the package, by folder."""
    found = {}
    for name, pattern in (("tests", "*.py"), ("benchmarks", "*.py"), ("notebooks", "*.py"), ("docs", "*.md")):
        files = (root.parent / name).rglob(pattern)
        found[name] = sum(path.read_text(encoding="utf-8").count("\n") for path in files)
    return found


def figures(root: Path) -> dict[str, str]:
    """Return every figure of a package as text, by its name."""
    found = measure(root)

    def share(lines: int) -> str:
        return f"{lines:,} ({lines / found.lines:.1%})"

    table = {
        "lines": f"{found.lines:,}",
        "lines with code": share(found.code_lines),
        "docstrings": share(found.docstring_lines),
        "docstrings of what nobody imports": share(found.internal_docstring_lines),
        "of these longer than a line": share(found.internal_block_lines),
        "lines with a comment": share(found.comment_lines),
        "widest folder": f"{found.widest[0]}: {found.widest[1]}",
        "circles": str(len(found.circles)),
        "imports within functions": str(len(found.deferred)),
    }
    for domain in ANSWERS:
        if (root / domain).is_dir():
            table[f"files of {domain} that one answer enters"] = str(len(files_entered(domain, root)))
    return table


_ABOUT_LINES = """
The last column counts lines that stood in 0.1.0 word for word, blank ones left out, wherever they stand now: this is
what is left of the code that the rooms were built from. All other lines were written anew, or came with methods, doors
and pages that 0.1.0 did not have: evaluations, intervals of shares, exact laws of batches, gates and audits of
holdouts, certified bounds, the intake of any table, audits of studies, and hunts for settings that break a guarantee.
A figure of 45,000 lines was meant for the rooms before these came, and is no measure of the package with them.
"""


def compare(before: Path, now: Path) -> str:
    """Return the page that compares two versions of the package."""
    old, new = figures(before), figures(now)
    lines = [
        "# Structure of the package",
        "",
        "Written by `python -m benchmarks.structure --before FOLDER`, where FOLDER holds the package of 0.1.0.",
        "",
        "| figure | 0.1.0 | now |",
        "| --- | --- | --- |",
        *[f"| {name} | {old.get(name, '')} | {value} |" for name, value in new.items()],
        "",
        "| lines of | 0.1.0 | now | of these 0.1.0 had |",
        "| --- | --- | --- | --- |",
    ]
    earlier, kept = lines_by_part(before), kept_lines(before, now)
    lines += [
        f"| {part} | {earlier.get(part, 0):,} | {count:,} | {kept.get(part, 0):,} |"
        for part, count in lines_by_part(now).items()
    ]
    total = sum(lines_by_part(now).values())
    lines += [
        f"| all | {sum(earlier.values()):,} | {total:,} | {sum(kept.values()):,} |",
        _ABOUT_LINES,
        "| beside the package | lines |",
        "| --- | --- |",
        *[f"| {name} | {count:,} |" for name, count in lines_beside(now).items()],
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Print the figures."""
    here = Path(__file__).resolve().parents[1] / "validstats"
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.structure", description=__doc__.splitlines()[0]
    )
    parser.add_argument("folder", nargs="?", default=str(here))
    parser.add_argument("--before", help="package of an earlier version: writes the comparison")
    options = parser.parse_args()
    root = Path(options.folder).resolve()
    if options.before:
        page = compare(Path(options.before).resolve(), root)
        (Path(__file__).parent / "results" / "structure.md").write_text(page, encoding="utf-8")
        print(page)
        return
    for name, value in figures(root).items():
        print(f"{name:40} {value}")
    for circle in measure(root).circles:
        print("circle:", " ".join(circle))
    for domain in ANSWERS:
        print(f"{domain}: {' '.join(files_entered(domain, root))}")


if __name__ == "__main__":
    main()
