from __future__ import annotations

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


def test_a_vectorised_twin_answers_where_numba_is_missing(monkeypatch) -> None:
    from validstats.kernels import _jit

    monkeypatch.setitem(sys.modules, "numba", None)
    monkeypatch.setattr(_jit, "warn_once", lambda *arguments: None)
    assert LazyKernel(sum_of_squares, plain=lambda values: -1.0)([2.0]) == -1.0
    assert LazyKernel(sum_of_squares)([2.0]) == 4.0
