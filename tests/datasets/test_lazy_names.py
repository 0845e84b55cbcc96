"""The public names of validstats.datasets."""

import subprocess
import sys

import pytest

from validstats import datasets


def test_every_public_name_resolves_to_a_documented_object():
    assert sorted(datasets._PUBLIC) == sorted(datasets.__all__)
    for name in datasets.__all__:
        value = getattr(datasets, name)
        assert isinstance(value, tuple) or value.__doc__
        assert name in dir(datasets)


def test_unknown_name():
    with pytest.raises(AttributeError, match="no attribute 'load_iris'"):
        datasets.load_iris


def test_import_is_light():
    heavy = {"pandas", "statsmodels", "polars", "pyarrow", "numba", "scipy"}
    code = f"import sys, validstats.datasets; print(sorted({heavy!r} & set(sys.modules)))"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "[]"
