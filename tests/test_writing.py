"""Files appear whole or not at all, also where the writer is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import validstats
from validstats.results import Page
from validstats.runtime import new_file, whole_file


def test_the_old_file_stands_until_the_new_one_is_whole(tmp_path):
    target = tmp_path / "table.csv"
    target.write_text("old")
    with whole_file(target) as draft:
        draft.write_text("new")
        assert target.read_text() == "old" and draft.parent == tmp_path and draft.suffix == ".csv"
    assert target.read_text() == "new"
    assert [file.name for file in tmp_path.iterdir()] == ["table.csv"]


def test_an_exception_leaves_nothing_behind(tmp_path):
    target = tmp_path / "table.csv"

    def write_half():
        with whole_file(target) as draft:
            draft.write_text("half")
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        write_half()
    assert list(tmp_path.iterdir()) == []


def test_links_keep_pointing_and_devices_stay_devices(tmp_path):
    (tmp_path / "folder").mkdir()
    real, link, pipe = tmp_path / "folder" / "real.csv", tmp_path / "link.csv", tmp_path / "pipe"
    real.write_text("old")
    link.symlink_to(real)
    with whole_file(link) as draft:
        draft.write_text("new")
    assert link.is_symlink() and real.read_text() == "new"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with whole_file(pipe) as draft:
            draft.write_text("through")
        assert os.read(reader, 100) == b"through" and pipe.is_fifo()
    finally:
        os.close(reader)


def test_a_new_file_is_not_there_before_it_is_whole_and_replaces_none(tmp_path):
    target = tmp_path / "key"
    with new_file(target) as draft:
        draft.write_text("mine")
        assert not target.exists()
    assert target.read_text() == "mine"
    with pytest.raises(FileExistsError, match="key"), new_file(target) as draft:
        draft.write_text("late")
    assert [file.read_text() for file in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize("links", [True, False])
def test_the_first_of_two_new_files_stays(tmp_path, monkeypatch, links):
    if not links:

        def refuse(*_):
            raise PermissionError("no hard links here")

        monkeypatch.setattr(os, "link", refuse)
    target = tmp_path / "key"

    def second():
        with new_file(target) as draft:
            draft.write_text("second")
            with new_file(target) as other:
                other.write_text("first")

    with pytest.raises(FileExistsError, match="key"):
        second()
    assert [file.read_text() for file in tmp_path.iterdir()] == ["first"]


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="missing"), whole_file(tmp_path / "missing" / "x.csv"):
        pytest.fail("the block must not run")


WRITERS = {
    "a page": """
        from validstats.results import Page, Section
        page = Page(title="t", lead="l", sections=(Section(title="s", paragraphs=("x" * 200_000,)),), footer="f")
        write = lambda: page.write("out.html")
    """,
    "weights": """
        from pathlib import Path
        from validstats.mi.network.calibration import shipped_weights_path
        from validstats.mi.network import load_weights, save_weights
        weights = load_weights(shipped_weights_path())
        write = lambda: save_weights(weights, Path("out.npz"))
    """,
    "in place (the test of the test)": """
        def write():
            with open("out.txt", "w") as file:
                for _ in range(3000):
                    file.write("x" * 100)
                    file.flush()
    """,
}


def is_whole(path, name):
    if name == "a page":
        return path.read_text().endswith("</html>\n")
    if name == "weights":
        import numpy as np

        with np.load(path, allow_pickle=False) as file:
            return all(file[key] is not None for key in file.files)
    return path.stat().st_size == 300_000


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
@pytest.mark.parametrize("name", WRITERS)
def test_a_killed_writer_leaves_a_whole_file(name, tmp_path):
    """The child writes again and again; it is killed at eight different moments after its first file."""
    code = f"{WRITERS[name].replace(chr(10) + '        ', chr(10))}\nwhile True:\n    write()\n"
    suffix = {"a page": "html", "weights": "npz"}.get(name, "txt")
    environment = {**os.environ, "PYTHONPATH": str(Path(validstats.__file__).parents[1])}
    outcomes = []
    for number in range(8):
        folder = tmp_path / str(number)
        folder.mkdir()
        child = subprocess.Popen([sys.executable, "-c", code], cwd=folder, env=environment)
        target = folder / f"out.{suffix}"
        deadline = time.monotonic() + 600
        while not target.exists():
            assert child.poll() is None and time.monotonic() < deadline, "the writer did not start"
            time.sleep(0.005)
        time.sleep(0.003 * number)
        child.send_signal(signal.SIGKILL)
        child.wait()
        outcomes.append(is_whole(target, name))
    if name.startswith("in place"):
        assert not all(outcomes)
    else:
        assert all(outcomes)


def test_pages_are_written_through_it(tmp_path, monkeypatch):
    page = Page(title="title", lead="", sections=(), footer="")
    monkeypatch.setattr(Page, "as_html", lambda self: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        page.write(tmp_path / "page.html")
    assert list(tmp_path.iterdir()) == []
