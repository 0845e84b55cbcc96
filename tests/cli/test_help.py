"""Every example that ``--help`` shows is run."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import numpy as np
import pytest

from validstats.cli import main
from validstats.holdout import ReusableHoldout
from validstats.holdout.boundary import create_gate


def declare(path: str) -> None:
    """Open a budget under a ledger and ask one question."""
    rows = np.random.default_rng(0).normal(size=(600, 2))
    labels = (rows[:, 0] > 0).astype(int)
    reusable = ReusableHoldout(queries=5, ledger=path, random_state=0)
    reusable.fit(rows[:300], labels[:300]).calibrate(rows[300:], labels[300:])
    reusable.infer(labels[300:], guess=1.0)


def open_gate(init: bool) -> None:
    """Write labels and better predictions, and create a gate on them."""
    labels = {f"r{i}": str(i % 2) for i in range(400)}
    for name, column in (("y.csv", "y"), ("predictions.csv", "prediction")):
        Path(name).write_text(f"id,{column}\n" + "".join(f"{key},{value}\n" for key, value in labels.items()))
    if init:
        create_gate("gate.ledger", labels)


def prepare(arguments, run, workplace) -> None:
    """Make what an example takes for granted."""
    if arguments == ["data"]:
        for file in workplace.iterdir():
            file.unlink()
    if arguments[0] == "holdout" and arguments[1] != "create":
        run("holdout", "create", "study.ledger")
    if "gate.ledger" in arguments:
        open_gate(init=arguments[1] != "init")
    if arguments[:2] == ["holdout", "plan"]:
        declare("study.ledger")
    if arguments[:2] == ["holdout", "audit"]:
        Path("runs.csv").write_text(
            "run_id,start_time,metrics.accuracy\na,2024-05-01,0.85\nb,2024-05-02,0.87\n"
        )
        Path("git-log.txt").write_text("9f8e7d6 Wider net: accuracy 87 %\n5d6e7f8 Baseline: accuracy 85 %\n")


def commands(
    group: click.Group = main, path: tuple[str, ...] = ()
) -> list[tuple[tuple[str, ...], click.Command]]:
    found = []
    for name, command in group.commands.items():
        found.append(((*path, name), command))
        if isinstance(command, click.Group):
            found += commands(command, (*path, name))
    return found


def examples(command: click.Command) -> list[list[str]]:
    text = (command.help or "").replace("\\\n", " ")
    return [shlex.split(line) for line in re.findall(r"^\s*validstats (.+)$", text, flags=re.MULTILINE)]


COMMANDS = {" ".join(path): command for path, command in commands()}
CASES = [
    pytest.param(arguments, id=" ".join(arguments)[:60])
    for name, command in COMMANDS.items()
    if name != "tour"
    for arguments in examples(command)
]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_worked_example(name, run) -> None:
    assert examples(COMMANDS[name]), f"validstats {name} --help shows no example"
    shown = run(*name.split(), "--help")
    assert shown.exit_code == 0
    assert "Example" in shown.output


@pytest.mark.slow
@pytest.mark.parametrize("arguments", CASES)
def test_examples_of_help_run(arguments, run, workplace) -> None:
    prepare(arguments, run, workplace)
    result = run(*arguments)
    assert result.exit_code == 0, result.output + result.stderr
    assert result.output.strip()


def test_the_example_of_the_tour_is_well_formed() -> None:
    [arguments] = examples(COMMANDS["tour"])
    context = COMMANDS["tour"].make_context("tour", arguments[1:])
    assert context.params["sections"] == ("batch",)


def test_exit_codes_are_documented(run) -> None:
    assert "Exit codes" in run("--help").output


def test_version(run) -> None:
    import validstats

    assert validstats.__version__ in run("--version").output


def test_one_version_everywhere() -> None:
    import validstats

    root, version = Path(__file__).parents[2], re.escape(validstats.__version__)
    places = {
        "pyproject.toml": rf'^version = "{version}"$',
        "CITATION.cff": rf"^version: {version}$",
        "README.md": rf"Version {version}\.$",
    }
    missing = [
        name for name, line in places.items() if not re.search(line, (root / name).read_text("utf-8"), re.M)
    ]
    first = re.search(r"^## (\S+)$", (root / "CHANGELOG.md").read_text("utf-8"), re.M)
    assert not missing and first is not None and first[1] == validstats.__version__
