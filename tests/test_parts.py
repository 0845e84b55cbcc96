"""Rows in parts are the rows, and pieces of them are put into one array, whatever their kinds."""

from __future__ import annotations

import sys
import weakref
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from validstats.exceptions import StreamingError
from validstats.runtime import RowParts, filled, is_parts, sliced, stacked, within

dask = pytest.importorskip("dask")


@pytest.mark.parametrize(
    "kinds",
    ["ff", "ii", "fi", "if", "fif", "bf", "uf", "fiub", "UU", "Uf", "fU", "OO", "fO"],
    ids=lambda kinds: kinds,
)
def test_pieces_of_any_kinds_are_one_array(kinds) -> None:
    """Numbers stay numbers, and words beside numbers do not make words of them."""
    values = {
        "f": [0.5, 2.0],
        "i": [1, 2],
        "b": [True, False],
        "u": [3, 4],
        "U": ["a", "long"],
        "O": [None, 3],
    }
    dtypes = {"O": object, "u": np.uint8}
    pieces = [np.array(values[kind], dtype=dtypes.get(kind)) for kind in kinds]
    pieces.insert(1, pieces[0][:0])
    whole = filled(iter(pieces), 2 * len(kinds))
    expected = [value for kind in kinds for value in values[kind]]
    assert whole.tolist() == expected
    numbers = set(kinds) <= set("fiub")
    assert (whole.dtype.kind in "fiub") is numbers
    assert kinds != "UU" or whole.dtype.kind == "U"  # of one kind they keep it
    assert not numbers or whole.dtype == np.result_type(*(piece.dtype for piece in pieces))


def test_pieces_of_columns_keep_their_shape_and_nothing_is_an_empty_array() -> None:
    pieces = [np.ones((2, 3)), np.zeros((0, 3)), np.full((1, 3), 2.0)]
    assert filled(iter(pieces), 3).tolist() == [[1.0] * 3, [1.0] * 3, [2.0] * 3]
    assert filled(iter([]), 0).shape == (0,) and filled(iter([np.empty(0)]), 0).shape == (0,)
    first = np.ones(2)
    whole = filled(iter([first]), 2)
    first[:] = 5.0
    assert whole.tolist() == [1.0, 1.0]


def test_pieces_are_let_go_one_by_one() -> None:
    """Pieces of numbers are copied where they belong, so that no more than one of them is in memory."""
    alive, references = [], []

    def pieces():
        for k in range(5):
            alive.append(sum(reference() is not None for reference in references))
            piece = np.full(3, float(k))
            references.append(weakref.ref(piece))
            yield piece
            del piece

    assert filled(pieces(), 15).tolist() == np.repeat(np.arange(5.0), 3).tolist()
    assert max(alive) <= 1


FRAME = pd.DataFrame({"a": [1.0, 2.0, 3.0, 4.0, 5.0], "w": list("uvxyz"), "n": [5, 4, 3, 2, 1]})


def sources(tmp_path) -> dict[str, object]:
    import dask.dataframe as dd
    import polars as pl
    import pyarrow as pa
    import pyarrow.dataset as ds

    FRAME.to_parquet(tmp_path / "rows.parquet")
    return {
        "list": [FRAME[:3], FRAME[3:3], FRAME[3:]],
        "tuple": (FRAME[:2], FRAME[2:]),
        "polars": [pl.from_pandas(FRAME)],
        "frame": FRAME,
        "polars frame": pl.from_pandas(FRAME),
        "function": lambda: iter([FRAME[:1], FRAME[1:]]),
        "path": tmp_path / "rows.parquet",
        "text": str(tmp_path / "rows.parquet"),
        "data set": ds.dataset(pa.Table.from_pandas(FRAME)),
        "dask": dd.from_pandas(FRAME, npartitions=3, sort=False),
    }


LENGTHS = {
    "list": [3, 2],
    "tuple": [2, 3],
    "polars": [5],
    "frame": [2, 2, 1],
    "polars frame": [2, 2, 1],
    "function": [1, 4],
    "path": [2, 2, 1],
    "text": [2, 2, 1],
    "data set": [2, 2, 1],
    "dask": [2, 2, 1],
}


@pytest.mark.parametrize("kind", list(LENGTHS))
def test_rows_in_parts_are_the_rows(kind, tmp_path) -> None:
    source = sources(tmp_path)[kind]
    parts = RowParts.of(source, chunk_size=2)
    with dask.config.set(scheduler="synchronous"):
        assert parts.lengths.tolist() == LENGTHS[kind]
        assert parts.starts.tolist() == [0, *np.cumsum(LENGTHS[kind])]
        assert parts.n == parts.rows.n == 5
        assert parts.names == ("a", "w", "n")
        assert parts.column("n").tolist() == [5, 4, 3, 2, 1]
        assert parts.column("w").tolist() == list("uvxyz")
        taken = parts.take(np.array([0, 3, 4]))
        assert isinstance(taken, pd.DataFrame) and taken["w"].tolist() == ["u", "y", "z"]
        assert taken.index.tolist() == [0, 1, 2]
        beside = np.arange(10.0, 15.0)
        assert parts.numbers(_sum_beside, ["a"], beside=(beside,)).tolist() == (beside + FRAME["a"]).tolist()
        first = parts.numbers(_first_of_part, ["a"], n=len(LENGTHS[kind]))
        assert first.tolist() == [FRAME["a"][start] + 100 * k for k, start in enumerate(parts.starts[:-1])]
        if kind in ("path", "text", "data set", "dask"):
            with pytest.raises(KeyError, match="no column 'c'; the columns are 'a', 'w', 'n'"):
                list(parts.map(_first_of_part, ["a", "c"]))
    assert not is_parts([FRAME, 3])
    assert is_parts(source) is (kind not in ("frame", "polars frame"))
    assert parts.backend == ("polars" if kind.startswith("polars") else "pandas")


def test_a_bar_is_shown_where_it_is_asked_for(monkeypatch) -> None:
    seen = []

    def progress(frames, description, verbose):
        seen.append((description, verbose))
        return frames

    monkeypatch.setattr("validstats.runtime.parts.progress", progress)
    parts = RowParts.of([FRAME])
    assert parts.n == 5 and list(parts.map(_first_of_part, ["a"], verbose=True, description="rows"))
    assert seen == [("", False), ("rows", True)]


def _sum_beside(frame, index, beside):
    return np.asarray(frame["a"]) + beside


def _first_of_part(frame, index):
    return np.asarray(frame["a"])[:1].astype(float) + 100.0 * index


def test_what_a_function_carries_travels_as_it_is() -> None:
    """Dask looks neither into what the function carries nor for a name of it, which would read a fitted learner through."""
    import dask.dataframe as dd

    parts = RowParts.of(dd.from_pandas(FRAME, npartitions=2, sort=False))
    with dask.config.set(scheduler="synchronous"):
        assert sum(parts.map(Carrier(dask.delayed(3)), ["a"])) == 5


def test_a_function_that_fails_on_a_part_fails_with_its_own_error(monkeypatch) -> None:
    """Without a cluster no worker dies."""
    import dask.dataframe as dd

    parts = RowParts.of(dd.from_pandas(FRAME, npartitions=2, sort=False))
    with dask.config.set(scheduler="synchronous"):
        assert len(list(parts.map(_first_of_part, ["a"]))) == 2  # what dask imports late is there
        for name in ("scheduler", "client"):
            monkeypatch.delitem(sys.modules, f"distributed.{name}", raising=False)
        with pytest.raises(ZeroDivisionError):
            list(parts.map(_divided_by_0, ["a"]))


class Killed(Exception):
    """What a scheduler raises where workers die."""


class Lost(Exception):
    """What a client raises where the cluster is gone."""


def cluster(monkeypatch, results, default=None):
    """Modules of a cluster whose client computes what is given, and the order in which results were asked for."""
    asked = []

    class Future:
        def __init__(self, value):
            self.value = value

        def result(self):
            asked.append(self.value)
            if isinstance(self.value, Exception):
                raise self.value
            return self.value

    class Client:
        def compute(self, tasks):
            return [Future(value) for value in results]

    def default_client():
        if default is not None:
            raise default
        return Client()

    monkeypatch.setitem(sys.modules, "distributed", SimpleNamespace(default_client=default_client))
    monkeypatch.setitem(sys.modules, "distributed.scheduler", SimpleNamespace(KilledWorker=Killed))
    monkeypatch.setitem(sys.modules, "distributed.client", SimpleNamespace(FutureCancelledError=Lost))
    return asked


def test_what_dies_with_a_cluster_is_what_its_modules_raise(monkeypatch) -> None:
    deaths = sys.modules["validstats.runtime.parts"]._deaths
    cluster(monkeypatch, [])
    assert deaths() == (Killed, Lost)
    for name in ("scheduler", "client"):
        with monkeypatch.context() as without:
            without.delitem(sys.modules, f"distributed.{name}")
            assert deaths() == ()


@pytest.mark.parametrize("error", [Killed, Lost, ZeroDivisionError])
def test_results_of_a_cluster_come_one_by_one_and_deaths_are_said(monkeypatch, error) -> None:
    import dask.dataframe as dd

    parts = RowParts.of(dd.from_pandas(FRAME, npartitions=2, sort=False))
    asked = cluster(monkeypatch, [1, 2])
    results = parts.map(_first_of_part, ["a"])
    assert (next(results), asked) == (1, [1]) and (next(results), asked) == (2, [1, 2])
    cluster(monkeypatch, [1, error("gone")])
    with pytest.raises(StreamingError if error is not ZeroDivisionError else error, match="gone"):
        list(parts.map(_first_of_part, ["a"]))


def test_the_client_is_that_of_the_cluster_unless_dask_computes_here(monkeypatch) -> None:
    client = sys.modules["validstats.runtime.parts"]._client
    cluster(monkeypatch, [])
    for scheduler in ("distributed", "dask.distributed"):
        with dask.config.set(scheduler=scheduler):
            assert client() is not None
    assert client() is not None
    with dask.config.set(scheduler="threads"):
        assert client() is None
    cluster(monkeypatch, [], ValueError("no client"))
    assert client() is None
    monkeypatch.delitem(sys.modules, "distributed")
    assert client() is None


def _divided_by_0(frame, index):
    return 1 // 0


@dataclass
class Carrier:
    """A function with a thing that dask would compute."""

    thing: Any

    def __call__(self, frame: Any, index: int) -> int:
        assert dask.is_dask_collection(self.thing)
        return len(frame)

    def __dask_tokenize__(self) -> None:
        raise AssertionError("nobody needs a name of it")


@pytest.mark.parametrize("source", [[1], ["a.csv"], 3, None, np.zeros(3)])
def test_what_is_no_source_of_rows_is_refused(source) -> None:
    assert not is_parts(source)
    with pytest.raises(TypeError):
        RowParts.of(source)


@pytest.mark.parametrize(
    ("source", "words", "parts"),
    [([], "has no rows", False), ("nothing", "no file and no folder at 'nothing'", True)],
)
def test_nothing_has_no_rows(source, words, parts) -> None:
    assert is_parts(source) is parts
    with pytest.raises(ValueError, match=words):
        RowParts.of(source)


@pytest.mark.parametrize("size", [0, -1, 2.5, True])
def test_parts_have_a_whole_number_of_rows(size) -> None:
    for source in ([FRAME], FRAME, lambda: iter([FRAME])):
        with pytest.raises((TypeError, ValueError), match="chunk_size must be"):
            RowParts.of(source, size)


def test_sources_without_rows_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"^The source has no rows\.$"):
        RowParts.of([FRAME[:0]])
    with pytest.raises(ValueError, match=r"^train has no rows\.$"):
        RowParts.of(lambda: iter([FRAME[:0]]), name="train")
    with pytest.raises(TypeError, match="Piece 1 of source is int, not a data frame"):
        RowParts.of(lambda: [FRAME, 3]).lengths
    with pytest.raises(TypeError, match="this one returned int"):
        RowParts.of(lambda: 3)
    with pytest.raises(TypeError, match="an iterator that can be used once is not enough"):
        RowParts.of(iter([FRAME]))
    import pyarrow as pa
    import pyarrow.dataset as ds

    with pytest.raises(ValueError, match="The source has no rows"):
        RowParts.of(ds.dataset(pa.Table.from_pandas(FRAME[:0]))).lengths


def test_columns_of_parts_are_named() -> None:
    parts = RowParts.of([FRAME])
    assert parts.check_column("w", "y") == "w"
    with pytest.raises(KeyError, match="no column 'c'"):
        parts.check_column("c", "y")
    with pytest.raises(TypeError, match="y must name a column where rows arrive in parts, got Series"):
        parts.check_column(FRAME["w"], "y")


def test_frames_are_sliced_and_stacked() -> None:
    pieces = list(sliced(FRAME, 2)())
    assert [len(piece) for piece in pieces] == [2, 2, 1]
    assert len(list(sliced(FRAME)())) == 1
    assert stacked([FRAME[:0], *pieces])["n"].tolist() == [5, 4, 3, 2, 1]
    assert stacked([FRAME[:0]]).columns.tolist() == ["a", "w", "n"]
    assert stacked([np.arange(2), np.arange(0), np.arange(3)]).tolist() == [0, 1, 0, 1, 2]
    assert stacked([np.arange(0)]).tolist() == []
    positions = np.array([0, 3, 4, 9])
    for begin, n, inside in [
        (0, 3, [0]),
        (0, 4, [0, 3]),
        (3, 2, [0, 1]),
        (4, 5, [0]),
        (5, 5, [4]),
        (10, 3, []),
    ]:
        assert within(positions, begin, n).tolist() == inside
