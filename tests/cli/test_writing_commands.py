"""Every command that writes, found by running all of them: full disks, folders that refuse, and ledgers that are damaged."""

from __future__ import annotations

import contextlib
import gc
import json
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from tests.cli.test_help import COMMANDS, examples, prepare
from validstats import tour

resource = pytest.importorskip("resource")
pytestmark = pytest.mark.slow

REFUSES = Path("/sys")
"""A folder in which nobody can make a file, root included."""


@contextlib.contextmanager
def full_disk(left: int = 0) -> Iterator[None]:
    """No file can grow beyond so many bytes: writes end in OSError, as where a disk is full."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (left, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def files_of(folder: Path) -> dict[str, bytes]:
    """Contents by name; what SQLite keeps beside an open ledger is its own."""
    files = (f for f in sorted(folder.rglob("*")) if f.is_file() and not f.name.endswith(("-wal", "-shm")))
    return {str(f.relative_to(folder)): f.read_bytes() for f in files}


def takes(command: click.Command, option: str) -> bool:
    return any(option in parameter.opts for parameter in command.params)


def called(name: str) -> list[str]:
    """The first example of a command, whose answer goes to a file where it can."""
    arguments = examples(COMMANDS[name])[0]
    named = " ".join(arguments[: len(name.split())]) == name
    if named and takes(COMMANDS[name], "--output") and "--output" not in arguments:
        arguments = [*arguments, "--output", "answer.txt"]
    return arguments


LEAVES = [name for name, command in COMMANDS.items() if not isinstance(command, click.Group)]


@pytest.mark.parametrize("name", [name for name in LEAVES if name != "tour"])
def test_on_a_full_disk_a_command_that_writes_fails_and_leaves_every_file_as_it_was(
    name, run, workplace, tmp_path
) -> None:
    arguments = called(name)
    prepare(arguments, run, workplace)
    if "answer.txt" in arguments:
        Path("answer.txt").write_text("of yesterday")
    gc.collect()  # ledgers of commands before are closed, as in a process of its own
    before = files_of(tmp_path)
    with full_disk(left=40):
        failed = run(*arguments)
    after = files_of(tmp_path)
    whole = run(*arguments)
    assert whole.exit_code == 0, whole.stderr  # the disk has room again: nothing stands in the way
    if files_of(tmp_path) == before:  # it writes no file; but to read a ledger SQLite needs room beside it
        reads_a_ledger = failed.exit_code == 3 and "The ledger cannot be used" in failed.stderr
        assert (failed.exit_code == 0 or reads_a_ledger) and after == before, failed.stderr
        return
    assert isinstance(failed.exception, SystemExit) and failed.exit_code in (1, 3), failed.exception
    assert "Error: " in failed.stderr and "Traceback" not in failed.stderr
    assert after == before


def test_example_files_are_written_all_or_none(run, workplace, tmp_path) -> None:
    """The disk has room for the first files and not for the others."""
    before = files_of(tmp_path)
    with full_disk(left=100_000):
        failed = run("data", "half")
    assert failed.exit_code == 1 and "Traceback" not in failed.stderr and "Wrote" not in failed.stdout
    assert files_of(tmp_path) == before
    assert run("data", "half").exit_code == 0


def test_a_tour_that_cannot_be_written_says_so(run, workplace, monkeypatch) -> None:
    section = tour._run._run_section("holdout")
    monkeypatch.setattr(tour._run, "_run_section", lambda name: section)
    Path("tour.html").write_text("of yesterday")
    with full_disk(left=40):
        failed = run("tour", "--section", "holdout", "--output", "tour.html")
    assert failed.exit_code == 1 and "tour.html could not be written" in failed.stderr
    assert Path("tour.html").read_text() == "of yesterday"


def test_an_answer_that_was_paid_for_is_printed_where_its_file_cannot_be_written(run, workplace) -> None:
    """The ledger has room, the disk of the answer has not."""
    if not Path("/dev/full").exists():
        pytest.skip("needs a device that is full")
    arguments = called("holdout infer")
    prepare(arguments, run, workplace)
    failed = run(*arguments[:-1], "/dev/full")
    assert (
        failed.exit_code == 1 and "/dev/full could not be written (No space left on device)" in failed.stderr
    )
    charged = json.loads(run("holdout", "status", "study.ledger", "--format", "json").output)["nats"]
    assert charged > 0 and "Answer of the" in failed.stdout


@pytest.mark.skipif(not REFUSES.is_dir(), reason="needs a folder that refuses")
@pytest.mark.parametrize("name", [name for name in LEAVES if "answer.txt" in called(name)])
def test_a_folder_that_refuses_is_named(name, run, workplace, tmp_path) -> None:
    arguments = called(name)
    prepare(arguments, run, workplace)
    before = files_of(tmp_path)
    failed = run(*arguments[:-1], str(REFUSES / "answer.txt"))
    assert isinstance(failed.exception, SystemExit) and failed.exit_code == 1, failed.exception
    assert str(REFUSES) in failed.stderr and "Traceback" not in failed.stderr
    assert files_of(tmp_path) == before


LEDGERS = [name for name in LEAVES if any(parameter.name == "ledger" for parameter in COMMANDS[name].params)]


@pytest.mark.parametrize("damage", ["another file", "cut", "empty"])
@pytest.mark.parametrize("name", LEDGERS)
def test_damaged_ledgers_are_refused_and_left_alone(name, damage, run, workplace, tmp_path) -> None:
    arguments = called(name)
    prepare(arguments, run, workplace)
    [ledger] = [Path(argument) for argument in arguments if argument.endswith(".ledger")] or [None]
    if ledger is None:
        pytest.skip("its example has no ledger")
    content = ledger.read_bytes() if ledger.exists() else b"x" * 5000
    damaged = {"another file": b"no ledger at all\n" * 300, "cut": content[: len(content) // 3], "empty": b""}
    for extra in ledger.parent.glob(f"{ledger.name}-*"):
        extra.unlink()
    ledger.write_bytes(damaged[damage])
    before = files_of(tmp_path)
    failed = run(*arguments)
    assert isinstance(failed.exception, SystemExit) and failed.exit_code in (1, 3), (
        failed.exit_code,
        failed.output,
    )
    assert "Error: " in failed.stderr and "Traceback" not in failed.stderr
    assert files_of(tmp_path) == before
