"""``python -m tests.mutation batch [--sample 300] [--seed 0]``: how many small faults do the tests notice?

A mutant is one small change in a theory module: a comparison, a sign, a constant, a condition. It is killed if a test of
its domain fails, or runs far longer than it did. Only tests that execute the changed line are run, the quickest first.
Work happens in a copy of the repository; results are appended one by one, and a second run continues where the first one
stopped; ``--again`` tries those that survived once more, after tests were added. Kernels run as plain Python where they are
among the modules.
"""

from __future__ import annotations

import argparse
import ast
import csv
import functools
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from scipy import stats

from tests.mutation.mutants import Mutant, mutants

ROOT = Path(__file__).parents[2]

MODULES = {
    "batch": (
        "batch/laws/*",
        "kernels/ranks",
        "kernels/rank_sum",
        "kernels/extremal_sums",
        "kernels/envelope",
    ),
    "holdout": (
        "holdout/widths/*",
        "holdout/budget/*",
        "holdout/mechanisms/counted",
        "holdout/mechanisms/noisy",
    ),
    "dsl": (
        "dsl/moments/*",
        "dsl/fit/*",
        "dsl/streaming/sample",
        "dsl/sequence/confidence_sequences",
    ),
    "mi": (
        "mi/network/conformal",
        "mi/network/calibration",
        "mi/certified",
        "mi/permutation/*",
        "mi/anchors/*",
    ),
    "evals": ("evals/*", "evals/statistics/*", "evals/readers/*"),
    "hunt": ("validity/hunt", "validity/priors"),
    "claims": ("validity/claims/*",),
    "rows": ("intake/marks", "intake/digests", "pipeline", "runtime/parts"),
    "cells": ("dsl/fit/cell_intervals", "dsl/sequence/forward"),
    "asking": (
        "holdout/asking/*",
        "holdout/audit",
        "holdout/past_scores",
        "holdout/planner",
        "holdout/search",
    ),
    "checks": ("batch/checks", "batch/parts"),
}
"""Domain -> its theory modules, as patterns below the package."""

TESTS = {
    "batch": ("tests/batch", "tests/kernels"),
    "holdout": ("tests/holdout", "tests/kernels"),
    "dsl": ("tests/dsl",),
    "mi": ("tests/mi",),
    "evals": ("tests/evals",),
    "hunt": ("tests/validity/test_hunt.py",),
    "claims": ("-m", "not validity", "tests/validity/test_claims.py"),
    "rows": (
        "tests/intake/test_row_words.py",
        "tests/intake/test_sketches.py",
        "tests/intake/test_learners.py",
        "tests/holdout/test_identity.py",
        "tests/batch/test_rows_in_parts.py",
        "tests/holdout/test_rows_in_parts.py",
        "tests/mi/test_rows_in_parts.py",
        "tests/dsl/test_blocks_of_rows.py",
        "tests/test_dask.py",
        "tests/test_interop.py",
        "tests/test_parts.py",
        "tests/test_reuse.py",
    ),
    "cells": (
        "tests/dsl/test_cells.py",
        "tests/dsl/test_exact_intervals.py",
        "tests/dsl/test_intervals_of_shares.py",
        "tests/dsl/test_sequential.py",
    ),
    "asking": tuple(
        f"tests/holdout/test_{name}.py"
        for name in (
            *(
                "audit",
                "calibrate",
                "charges",
                "class_order",
                "copies",
                "declaration",
                "desk",
                "final",
                "gate",
                "growing",
                "guess_cells",
            ),
            *(
                "guesses",
                "identity",
                "infer",
                "leaderboards",
                "mass",
                "not_means",
                "own_mechanisms",
                "paired_and_capital",
                "planning",
            ),
            *(
                "plans",
                "releases",
                "rounds",
                "rows_in_parts",
                "search",
                "searching_programs",
                "summary",
                "worked_numbers",
            ),
        )
    ),
    "checks": (
        "tests/batch/test_arguments.py",
        "tests/batch/test_checks_of_assumptions.py",
        "tests/batch/test_rows_in_parts.py",
        "tests/batch/test_units_and_checks.py",
    ),
}
"""Domain -> its tests, and options where more than the fast ones are asked; the doctests of the theory modules belong to them."""

COMPILED = ("batch", "holdout", "dsl")
"""Domains with kernels among their modules, which run as plain Python; the others run compiled ones."""

EXAMINED = Path(__file__).with_name("examined.csv")
"""Mutants that change nothing, and why."""

ALIVE, KILLED = ("survived", "uncovered"), ("killed", "timeout")
"""Outcomes of mutants that no test notices, and that tests notice."""

LATER, REWRITTEN = "killed later", "rewritten"
"""Outcomes of survivors: a test that was added afterwards notices them, or their line is no longer there."""

SLOWEST = 8.0
"""Tests that take more than this many seconds of the processor, lines traced and kernels as plain Python, are left out."""


@dataclass(frozen=True)
class Outcome:
    """What became of a mutant.

    killed, timeout (killed by the clock), survived, uncovered (no test runs its line), killed later (it survived at first,
    and a test that was added afterwards kills it) or rewritten (it survived, and its line has been replaced since). ``seed``
    is that of its sample.
    """

    domain: str
    path: str
    line: int
    column: int
    text: str
    kind: str
    old: str
    new: str
    outcome: str
    n_tests: int
    seconds: float
    seed: int = 0


def within_line(mutant: Mutant, source: str) -> tuple[int, str]:
    """Column and text of a mutant's line without its indentation, which moving code changes."""
    line = source.splitlines()[mutant.line - 1]
    return mutant.column - (len(line) - len(line.lstrip())), line.strip()


class Trials:
    """Tests by the lines that they execute, and the trial of one mutant in the current folder."""

    def __init__(self, recorded: dict[str, Any]) -> None:
        self.seconds: dict[str, float] = recorded["seconds"]
        self.at_import = {(name, line) for name, lines in recorded["at_import"].items() for line in lines}
        self.by_line: dict[tuple[str, int], list[str]] = defaultdict(list)
        self.by_file: dict[str, list[str]] = defaultdict(list)
        for test in sorted(self.seconds, key=self.seconds.__getitem__):
            if test in recorded["too_long"] or self.seconds[test] > SLOWEST:
                continue
            for name, lines in recorded["lines"].get(test, {}).items():
                self.by_file[name].append(test)
                for line in lines:
                    self.by_line[name, line].append(test)

    def tests_of(self, mutant: Mutant, statement: range) -> list[str]:
        """Tests that execute a line of the statement; for what runs at import, all that enter the file."""
        found = {t for line in statement for t in self.by_line.get((mutant.path, line), ())}
        if any((mutant.path, line) in self.at_import for line in statement):
            found |= set(self.by_file[mutant.path])
        return sorted(found, key=self.seconds.__getitem__)

    def run(self, mutant: Mutant, source: str, domain: str) -> Outcome:
        from tests.mutation.worker import run_tests

        lines, at_import = enclosing_statement(source, mutant.line)
        tests = self.by_file[mutant.path] if at_import else self.tests_of(mutant, lines)
        start, code, path = time.monotonic(), 0, Path(mutant.path)
        if tests:
            path.write_text(mutant.apply(source), encoding="utf-8")
            try:
                code = run_tests(tests, 10 + 4 * sum(self.seconds[t] for t in tests))
            finally:
                path.write_text(source, encoding="utf-8")
        outcome = {None: "timeout", 0: "survived"}.get(code, "killed") if tests else "uncovered"
        return Outcome(
            domain, mutant.path, mutant.line, *within_line(mutant, source),
            mutant.kind, mutant.old, mutant.new, outcome, len(tests), round(time.monotonic() - start, 2),
        )  # fmt: skip


def enclosing_statement(source: str, line: int) -> tuple[range, bool]:
    """Lines of the innermost simple statement (or header of a compound one) at a line, and whether it runs at import."""
    found, inside = [range(line, line + 1)], False
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.stmt) or not node.lineno <= line <= node.end_lineno:
            continue
        body = getattr(node, "body", None)
        inside |= isinstance(node, ast.FunctionDef) and line >= body[0].lineno
        last = body[0].lineno - 1 if body else node.end_lineno
        if line <= last:
            found.append(range(node.lineno, last + 1))
    return min(found[1:] or found, key=len), not inside


@functools.lru_cache(maxsize=64)
def functions_of(source: str) -> list[tuple[int, int, str]]:
    """First line, last line and qualified name of every function of a source."""
    found, pending = [], [(ast.parse(source), "")]
    while pending:
        node, prefix = pending.pop()
        for child in ast.iter_child_nodes(node):
            name = prefix
            if isinstance(child, ast.FunctionDef | ast.ClassDef):
                name = f"{prefix}.{child.name}" if prefix else child.name
                if isinstance(child, ast.FunctionDef):
                    found.append((child.lineno, child.end_lineno, name))
            pending.append((child, name))
    return found


def function_at(source: str, line: int) -> str:
    """Qualified name of the innermost function at a line, empty outside all functions."""
    around = [(last - first, name) for first, last, name in functions_of(source) if first <= line <= last]
    return min(around)[1] if around else ""


def mutants_of(domain: str) -> list[Mutant]:
    """Return all mutants of the modules of a domain."""
    every: list[Mutant] = []
    for path in files_of(domain):
        every += mutants(Path(path).read_text(encoding="utf-8"), path)
    return sorted(every)


def files_of(domain: str) -> list[str]:
    """Return the files of the theory modules of a domain, relative to the root of the repository."""
    found = {path for module in MODULES[domain] for path in Path("validstats").glob(f"{module}.py")}
    return sorted(str(path) for path in found if path.name != "__init__.py")


def sample_of(domain: str, size: int, seed: int) -> tuple[list[Mutant], int]:
    """Draw mutants of a domain at random, and count all of them."""
    every = mutants_of(domain)
    return random.Random(seed).sample(every, min(size, len(every))), len(every)


def read_outcomes(path: Path) -> list[Outcome]:
    """Read the outcomes so far."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as handle:
        return [
            Outcome(**{**row, "line": int(row["line"]), "column": int(row["column"]),
                       "n_tests": int(row["n_tests"]), "seconds": float(row["seconds"]), "seed": int(row["seed"])})
            for row in csv.DictReader(handle)
        ]  # fmt: skip


def append(outcome: Outcome, path: Path) -> None:
    """Append one outcome."""
    new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, fieldnames=list(asdict(outcome)), lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerow(asdict(outcome))


def key(item: Outcome | Mutant) -> tuple[str, int, int, str, str, str]:
    """Identify a mutant across runs."""
    return item.path, item.line, item.column, item.kind, item.old, item.new


def survivors_of(outcomes: list[Outcome], domain: str) -> list[tuple[Mutant | None, Outcome]]:
    """Find the mutants that are alive and not examined, by the text of their lines, in the modules as they are now.

    None stands for the mutant of a line that is no longer there.
    """
    examined, found = read_examined(), []
    places: dict[tuple[str, int, str], list[Mutant]] = defaultdict(list)
    for mutant in mutants_of(domain):
        column, text = within_line(mutant, Path(mutant.path).read_text(encoding="utf-8"))
        places[text, column, mutant.new].append(mutant)
    for outcome in outcomes:
        candidates = places.get(place_of(outcome), [])
        if outcome.outcome in ALIVE and not is_examined(outcome, examined):
            nearest = min(candidates, key=lambda m: abs(m.line - outcome.line), default=None)
            found.append((nearest, outcome))
    return found


def place_of(outcome: Outcome) -> tuple[str, int, str]:
    """Identify a mutant wherever its line has moved, into another file or room as well."""
    return outcome.text, outcome.column, outcome.new


def replace_outcome(old: Outcome, new: Outcome, path: Path) -> None:
    """Put the outcome of a mutant that survived where its earlier one was."""
    if new.outcome in KILLED:
        new = replace(new, outcome=LATER)
    new = replace(new, seed=old.seed)
    draft = path.with_name(path.name + ".part")
    draft.unlink(missing_ok=True)
    for each in read_outcomes(path):
        append(new if each == old else each, draft)
    os.replace(draft, path)


def try_domain(domain: str, size: int, seed: int, output: Path, minutes: float, again: bool = False) -> None:
    """Try a sample of mutants of a domain in the current folder, which is a copy; or again those that survived."""
    from tests.mutation.worker import record_lines, warm_up

    warm_up()
    files = files_of(domain)
    recorded = record_lines(files, [*TESTS[domain], *files], Path("recorded.json"), SLOWEST)
    print(
        f"{domain}: {len(recorded['seconds'])} tests in {sum(recorded['seconds'].values()):.0f} s", flush=True
    )
    if recorded["too_long"]:
        print(f"{domain}: left out, too long: {recorded['too_long']}", flush=True)
    if recorded["failed"]:
        raise RuntimeError(
            f"{domain}: these tests fail without any change, so that lines which they hold would count as not tested: "
            f"{', '.join(recorded['failed'])}"
        )
    trials = Trials(recorded)
    if again:
        _try_again(trials, domain, output)
    else:
        _try_sample(trials, domain, size, seed, output, minutes)


def _try_sample(trials: Trials, domain: str, size: int, seed: int, output: Path, minutes: float) -> None:
    chosen, total = sample_of(domain, size, seed)
    done = {key(o) for o in read_outcomes(output) if o.seed == seed}
    print(f"{domain}: {len(chosen)} of {total} mutants", flush=True)
    deadline = time.monotonic() + 60 * minutes
    for number, mutant in enumerate(chosen, start=1):
        if key(mutant) in done:
            continue
        if time.monotonic() > deadline:
            break
        outcome = trials.run(mutant, Path(mutant.path).read_text(encoding="utf-8"), domain)
        append(replace(outcome, seed=seed), output)
        if outcome.outcome in ALIVE or number % 25 == 0:
            print(f"{number}/{len(chosen)} {outcome.outcome}: {mutant.name}", flush=True)


def _try_again(trials: Trials, domain: str, output: Path) -> None:
    for mutant, old in survivors_of(read_outcomes(output), domain):
        if mutant is None:
            replace_outcome(old, replace(old, outcome=REWRITTEN), output)
            continue
        outcome = trials.run(mutant, Path(mutant.path).read_text(encoding="utf-8"), domain)
        replace_outcome(old, outcome, output)
        print(f"{outcome.outcome}: {mutant.name}", flush=True)


def mark_rewritten(folder: Path) -> None:
    """Say of survivors whose lines are no longer there that these were rewritten."""
    for domain in MODULES:
        path = folder / f"mutation_{domain}.csv"
        for mutant, old in survivors_of(read_outcomes(path), domain):
            if mutant is None:
                replace_outcome(old, replace(old, outcome=REWRITTEN), path)


def killed_share(outcomes: list[Outcome], equivalent: int = 0) -> tuple[int, int, float]:
    """Count the mutants killed at first and those that can be, with the lower 95 % bound of Clopper and Pearson for their share."""
    killed, total = sum(o.outcome in KILLED for o in outcomes), len(outcomes) - equivalent
    bound = float(stats.beta.ppf(0.05, killed, total - killed + 1)) if killed else 0.0
    return killed, total, bound


def read_examined() -> dict[tuple[str, int, str], set[str]]:
    """Read the functions of mutants that somebody has looked at, and that change nothing that a user could see."""
    found: dict[tuple[str, int, str], set[str]] = defaultdict(set)
    for row in examined_rows():
        found[row["text"], int(row["column"]), row["new"]].add(row["function"])
    return dict(found)


def is_examined(outcome: Outcome, examined: dict[tuple[str, int, str], set[str]]) -> bool:
    """Whether somebody has looked at a mutant: the same line in a file without that function is another one.

    By its text alone where the file or the line is no longer there.
    """
    functions, path = examined.get(place_of(outcome), set()), Path(outcome.path)
    if not functions or not path.exists():
        return bool(functions)
    source = path.read_text(encoding="utf-8")
    own = {function_at(source, m.line) for m in mutants_at(source, outcome.path).get(place_of(outcome), ())}
    return not own or bool(own & functions)


@functools.lru_cache(maxsize=256)
def mutants_at(source: str, path: str) -> dict[tuple[str, int, str], list[Mutant]]:
    """All mutants of a source by text of the line, column in it, and what stands there instead."""
    found: dict[tuple[str, int, str], list[Mutant]] = defaultdict(list)
    for mutant in mutants(source, path):
        column, text = within_line(mutant, source)
        found[text, column, mutant.new].append(mutant)
    return dict(found)


def examined_rows() -> list[dict[str, str]]:
    """Read the examined mutants: function, text of the line, column in it, what stands there instead, reason."""
    with EXAMINED.open(newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def report(folder: Path) -> str:
    """Return the results of all samples in a folder as Markdown."""
    lines = [
        "Each line is a random sample of the mutants of a domain's theory modules. Equivalent: examined by hand, with the reason in",
        "`tests/mutation/examined.csv`; shares are of the others. The share killed at first and its exact lower bound are those of",
        "the tests as they were when the sample was drawn; tests were then added for its survivors, or their lines rewritten.",
        "",
        "| domain | sample | mutants | equivalent | killed at first | share | lower 95 % bound | by the clock | killed later "
        "| rewritten | survive |",
        "| :--- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    left: list[Outcome] = []
    for domain in MODULES:
        outcomes = read_outcomes(folder / f"mutation_{domain}.csv")
        for number, seed in enumerate(sorted({o.seed for o in outcomes}), start=1):
            line, alive = _sample_line([o for o in outcomes if o.seed == seed])
            lines.append(f"| {domain} | {number} | {line} |")
            left += alive
    lines += ["", "Survivors:" if left else "No mutant of the samples survives but those examined.", ""]
    for o in left:
        old, new = (" ".join(text.split()) for text in (o.old, o.new))
        lines.append(
            f"* `{o.path}:{o.line}:{o.column}` {o.outcome}, {o.kind}: `{old}` became `{new}` in `{o.text}`"
        )
    return "\n".join(lines).rstrip() + "\n"


def _sample_line(outcomes: list[Outcome]) -> tuple[str, list[Outcome]]:
    """Return the cells of a sample, and its mutants that are alive and not examined."""
    examined, count = read_examined(), Counter(o.outcome for o in outcomes)
    alive = [o for o in outcomes if o.outcome in ALIVE]
    left = [o for o in alive if not is_examined(o, examined)]
    equivalent = len(alive) - len(left)
    killed, total, bound = killed_share(outcomes, equivalent)
    cells = [
        len(outcomes), equivalent, killed, f"{killed / total:.1%}", f"{bound:.1%}",
        count["timeout"], count[LATER], count[REWRITTEN], len(left),
    ]  # fmt: skip
    return " | ".join(map(str, cells)), left


def main() -> None:
    """Copy the repository, test there, and write the report."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("domains", nargs="*", help=f"which of {', '.join(MODULES)}; only the report if none")
    parser.add_argument("--sample", type=int, default=300, help="mutants of each domain")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=1e6, help="stop a domain after that long")
    parser.add_argument(
        "--again", action="store_true", help="try those again that survived, and nothing else"
    )
    parser.add_argument("--output", type=Path, default=ROOT / "benchmarks/results")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    output = arguments.output.resolve()
    output.mkdir(parents=True, exist_ok=True)
    for domain in arguments.domains:
        if arguments.here:
            target = output / f"mutation_{domain}.csv"
            try_domain(domain, arguments.sample, arguments.seed, target, arguments.minutes, arguments.again)
        else:
            _in_a_copy(domain, arguments, output)
    if not arguments.here:
        mark_rewritten(output)
        table = report(output)
        (output / "mutation.md").write_text(table, encoding="utf-8")
        print(table)


def _in_a_copy(domain: str, arguments: argparse.Namespace, output: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        for name in (
            "validstats",
            "tests",
            "benchmarks",
            "docs",
            "conftest.py",
            "pyproject.toml",
            "README.md",
        ):
            source = ROOT / name
            if source.is_dir():
                # compiled kernels stay: the first test that needs one would be too long otherwise
                shutil.copytree(source, Path(folder, name), ignore=shutil.ignore_patterns("*.pyc"))
            else:
                shutil.copy(source, folder)
        environment = {
            **os.environ, "NUMBA_DISABLE_JIT": "1" if domain in COMPILED else "0", "OMP_NUM_THREADS": "1",
            "MPLBACKEND": "Agg", "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": folder, "XDG_STATE_HOME": str(Path(folder, "state")),
        }  # fmt: skip
        command = [sys.executable, "-m", "tests.mutation", domain, "--here", "--output", str(output)]
        command += ["--sample", str(arguments.sample), "--seed", str(arguments.seed)]
        command += ["--minutes", str(arguments.minutes), *(["--again"] if arguments.again else [])]
        subprocess.run(command, cwd=folder, env=environment, check=True)


if __name__ == "__main__":
    main()
