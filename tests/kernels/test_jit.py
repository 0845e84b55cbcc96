from __future__ import annotations

import importlib.util
import os
import pickle
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from validstats.kernels._jit import LazyKernel, jit


@jit
def add_one(x):
    return x + 1.0


@jit
def add_two(x):
    return add_one(add_one(x))


def test_kernels_of_one_file_call_each_other() -> None:
    lazy = add_two
    assert lazy(1.0) == 3.0
    assert lazy.py_func(1.0) == 3.0
    assert add_one(np.float64(2.0)) == 3.0


def test_a_kernel_pickles_by_name() -> None:
    kernel = jit(sum_of_squares)
    assert isinstance(kernel, LazyKernel)
    assert pickle.loads(pickle.dumps(kernel)) is sum_of_squares


def sum_of_squares(values):
    total = 0.0
    for value in values:
        total += value * value
    return total


@pytest.mark.slow
def test_numba_is_loaded_at_the_first_call_and_not_before() -> None:
    code = textwrap.dedent(
        """
        import sys
        from validstats.kernels._jit import jit
        kernel = jit(len)
        assert "numba" not in sys.modules
        """
    )
    subprocess.run([sys.executable, "-c", code], check=True)


KERNEL = """
import functools
from validstats.kernels._jit import jit

@functools.partial(jit, plain=lambda x: -x, work=lambda x: x)
def negative(x):
    return -x
"""


@pytest.fixture
def kernels(tmp_path, monkeypatch):
    """Make kernels of one file as new processes would, each with a count of its twin's calls."""
    if os.environ.get("NUMBA_DISABLE_JIT"):
        pytest.skip("nothing is compiled in this lane")
    config = pytest.importorskip("numba").config
    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path / "cache"))
    path = tmp_path / "validstats_kernel_of_a_test.py"
    path.write_text(KERNEL, encoding="utf-8")

    def new():
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, path.stem, module)
        spec.loader.exec_module(module)
        kernel, calls = module.negative, []
        twin = kernel._plain
        monkeypatch.setattr(kernel, "_plain", lambda x: calls.append(x) or twin(x))
        return kernel, calls

    return new


def test_the_twin_answers_small_calls_until_compiling_pays(kernels) -> None:
    kernel, calls = kernels()
    assert [kernel(x) for x in (0.1, 0.1, 0.1, 0.01)] == [-0.1, -0.1, -0.1, -0.01]
    assert calls == [0.1, 0.1]
    assert len(kernel.dispatcher.overloads) == 1


def test_code_on_the_disk_is_used_at_once(kernels) -> None:
    kernel, calls = kernels()
    kernel(1.0)
    assert not calls
    later, calls = kernels()
    assert later(0.1) == -0.1
    assert not calls
    assert sum(later.dispatcher.stats.cache_hits.values()) == 1
    # code of other types is none
    other, calls = kernels()
    assert other(np.float32(0.125)) == -0.125
    assert calls == [0.125]


def test_a_damaged_cache_is_none(kernels, tmp_path, monkeypatch) -> None:
    kernel, _ = kernels()
    kernel(1.0)
    for file in (tmp_path / "cache").rglob("*.nbi"):
        file.write_bytes(b"")
    said = []
    monkeypatch.setattr("validstats.kernels._jit.warn_once", lambda *arguments: said.append(arguments))
    later, calls = kernels()
    assert later(0.1) == -0.1
    assert calls == [0.1]
    assert len(said) == 1


def test_a_vectorised_twin_answers_where_numba_is_missing(monkeypatch) -> None:
    from validstats.kernels import _jit

    monkeypatch.setitem(sys.modules, "numba", None)
    monkeypatch.setattr(_jit, "warn_once", lambda *arguments: None)
    assert LazyKernel(sum_of_squares, plain=lambda values: -1.0)([2.0]) == -1.0
    assert LazyKernel(sum_of_squares)([2.0]) == 4.0
