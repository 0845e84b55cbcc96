"""Columns of one part of the rows, and the levels of categories that parts have together."""

from __future__ import annotations

import numbers
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np

from validstats.intake import backend_of, plain_frame, to_pandas

__all__ = [
    "ChunkLevels",
    "category_levels",
    "merge_levels",
    "read_part",
]


@dataclass(frozen=True, kw_only=True)
class ChunkLevels:
    """Levels of one column in one chunk."""

    present: frozenset[Any]  # values that occur
    categories: tuple[Any, ...] | None = None  # all categories in their order; None for text
    # whether categories stand in the order in which they were met, as in polars and pyarrow
    by_appearance: bool = False


def category_levels(frame: Any, names: Sequence[str]) -> dict[str, ChunkLevels]:
    """Return the levels of the categorical columns of a part."""
    found = {}
    for name in names:
        categorical = _categorical(frame, name)
        if categorical is not None:
            categories = tuple(categorical.categories.tolist())
            used = frozenset(categories[code] for code in np.unique(categorical.codes) if code >= 0)
            found[name] = ChunkLevels(
                present=used, categories=categories, by_appearance=backend_of(frame) != "pandas"
            )
    return found


def merge_levels(found: Sequence[ChunkLevels]) -> tuple[Any, ...]:
    """Return the levels of a categorical column of all parts, the reference first."""
    present = frozenset[Any]().union(*(part.present for part in found))
    shared = len({part.categories for part in found}) == 1
    if shared or all(part.by_appearance for part in found):
        met = dict.fromkeys(level for part in found for level in part.categories or ())
        return tuple(level for level in met if level in present)
    if all(isinstance(level, numbers.Real) for level in present):
        return tuple(sorted(present))
    return tuple(sorted(present, key=str))


def _categorical(frame: Any, name: str) -> Any:
    """Return a column as pandas categories with their codes, or None where it is not categorical."""
    eager = nw.from_native(frame, eager_only=True)
    if name not in eager.columns or eager[name].dtype not in (nw.Categorical, nw.Enum):
        return None
    return to_pandas(eager.select(name).to_native())[name].astype("category").array


def read_part(frame: Any, names: Sequence[str], categories: Mapping[str, tuple[Any, ...]]) -> Any:
    """Return some columns of a part as a pandas frame, categories with the levels of all parts."""
    eager = nw.from_native(frame, eager_only=True)
    missing = [name for name in names if name not in eager.columns]
    if missing:
        raise KeyError(
            f"There is no column {missing[0]!r}; the columns are {', '.join(map(repr, eager.columns))}."
        )
    found = plain_frame(to_pandas(eager.select(list(names)).to_native()).reset_index(drop=True))
    if not categories:
        return found
    import pandas as pd

    changed = {
        name: pd.Categorical(found[name].astype(object), categories=list(levels))
        for name, levels in categories.items()
        if name in found
    }
    return found.assign(**changed)
