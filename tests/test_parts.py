"""Pieces of rows are put into one array, whatever their kinds."""

from __future__ import annotations

import numpy as np
import pytest

from validstats.runtime import filled


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
    assert not numbers or whole.dtype == np.result_type(*(piece.dtype for piece in pieces))


def test_pieces_of_columns_keep_their_shape_and_nothing_is_an_empty_array() -> None:
    pieces = [np.ones((2, 3)), np.zeros((0, 3)), np.full((1, 3), 2.0)]
    assert filled(iter(pieces), 3).tolist() == [[1.0] * 3, [1.0] * 3, [2.0] * 3]
    assert filled(iter([]), 0).shape == (0,) and filled(iter([np.empty(0)]), 0).shape == (0,)
    first = np.ones(2)
    whole = filled(iter([first]), 2)
    first[:] = 5.0
    assert whole.tolist() == [1.0, 1.0]
