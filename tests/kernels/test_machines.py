"""Kernels answer on machines without numba, without a cache that can be written, and with a damaged one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

import pytest

import validstats

ANSWER = textwrap.dedent(
    """
    import warnings
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        from validstats.kernels.ranks import local_upper_ranks, upper_rank
        for call in range(2):
            print(local_upper_ranks(60, 12, 0.1).tolist(), upper_rank(60, 12, 7, 0.1)[0])
    for entry in caught:
        print(type(entry.message).__name__, entry.message)
    """
)


compiled = pytest.mark.skipif(
    bool(os.environ.get("NUMBA_DISABLE_JIT")), reason="nothing is compiled in this lane"
)


def run(code: str = ANSWER, prefix: Sequence[str] = (), **options) -> list[str]:
    done = subprocess.run(
        [*prefix, sys.executable, "-c", code], capture_output=True, text=True, check=False, **options
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.fixture(scope="module")
def usual() -> list[str]:
    lines = run()
    assert len(lines) == 2 and lines[0] == lines[1]
    return lines


@pytest.mark.slow
def test_without_numba_answers_are_the_same_and_one_note_says_so(usual) -> None:
    lines = run("import sys\nsys.modules['numba'] = None\n" + ANSWER)
    assert lines[:2] == usual
    assert len(lines) == 3
    assert lines[2].startswith("SpeedWarning numba is not installed") and "pip install numba" in lines[2]


@pytest.mark.slow
@compiled
def test_where_nothing_can_be_written_code_is_compiled_each_time(usual) -> None:
    lines = run("from numba.core import caching\ncaching.CacheImpl._locator_classes = []\n" + ANSWER)
    assert lines[:2] == usual
    assert len(lines) == 3
    assert lines[2].startswith("SpeedWarning") and "Set NUMBA_CACHE_DIR" in lines[2]


NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
NOBODY += ["--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search"]
"""Run as another user, who may read every file (the interpreter may lie in a closed folder) and write none."""


@compiled
@pytest.mark.skipif(
    getattr(os, "geteuid", lambda: 1)() != 0 or shutil.which("setpriv") is None,
    reason="only root can become nobody",
)
@pytest.mark.slow
def test_a_user_without_rights_and_home_gets_answers(usual, tmp_path) -> None:
    package = tmp_path / "site" / "validstats"
    shutil.copytree(Path(validstats.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("NUMBA", "XDG"))}
    environment |= {"HOME": "/nonexistent", "PYTHONPATH": str(package.parent)}
    who = f"import os\nassert os.geteuid() == 65534 and not os.access({str(package)!r}, os.W_OK)\n"
    lines = run(who + ANSWER, prefix=NOBODY, env=environment, cwd="/")
    assert lines[:2] == usual
    assert len(lines) == 3
    assert lines[2].startswith("SpeedWarning") and "Set NUMBA_CACHE_DIR" in lines[2]
    assert not list(package.rglob("__pycache__"))


@compiled
@pytest.mark.slow
@pytest.mark.parametrize("damage", ["cut", "garbled", "empty"])
@pytest.mark.parametrize("suffix", ["nbi", "nbc"])
def test_a_damaged_cache_is_compiled_around_and_named_once(damage, suffix, usual, tmp_path) -> None:
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    assert run(env=environment) == usual
    files = list(tmp_path.rglob(f"*.{suffix}"))
    assert files
    for file in files:
        content = file.read_bytes()
        file.write_bytes(
            {"cut": content[: len(content) // 2], "garbled": b"\x00garbled" + content[9:], "empty": b""}[
                damage
            ]
        )
    lines = run(env=environment)
    assert lines[:2] == usual
    assert len(lines) == 3
    assert lines[2].startswith("SpeedWarning The cached code ") and str(tmp_path) in lines[2]
