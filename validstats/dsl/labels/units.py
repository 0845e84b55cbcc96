"""Units of a study: their columns, and which of these predict expert labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from validstats._typing import AnyArray, Float2D, FrameBackend
from validstats.dsl.labels.calibration import typed_labels
from validstats.dsl.labels.crossfit import encode_features
from validstats.intake import backend_of, check_groups, column, is_frame, read_array, to_pandas

__all__ = ["Units", "joined_names", "row_vectors", "surrogate_columns"]


@dataclass(frozen=True)
class Units:
    """All rows of a study, with the columns that are machine labels and features."""

    data: Any  # pandas data frame with a fresh index
    backend: FrameBackend  # frame library of the caller
    surrogate: Any  # as in ``fit``
    features: Any  # column names or "all"

    @classmethod
    def of(cls, data: Any, surrogate: Any, features: Any) -> Self:
        """Check what ``fit`` was given."""
        if not is_frame(data):
            raise TypeError(
                f"data must be a pandas, polars or pyarrow table with named columns, got {type(data).__name__}. "
                "Wrap arrays in pandas.DataFrame({...})."
            )
        if isinstance(features, str) and features != "all":
            raise ValueError(f"features must be a list of column names or 'all', got {features!r}.")
        for name in (*surrogate_columns(surrogate), *(() if features == "all" else features)):
            column(data, name)
        frame = to_pandas(data).reset_index(drop=True)
        if len(frame) == 0:
            raise ValueError("data has no rows.")
        return cls(frame, backend_of(data), surrogate, features)

    @property
    def n_rows(self) -> int:
        """Number of units."""
        return len(self.data)

    @property
    def surrogate_columns(self) -> tuple[str, ...]:
        """Machine label columns, each once."""
        return tuple(surrogate_columns(self.surrogate))

    def vectors(self, values: Any, name: str) -> list[AnyArray]:
        """Return columns given by name or as values, none for None."""
        return row_vectors(self.data, values, name)

    def vector(self, values: Any, name: str) -> AnyArray | None:
        """Return a column given by name or as values."""
        found = self.vectors(values, name)
        return found[0] if found else None

    def base_features(self, labels: Mapping[str, AnyArray]) -> Float2D:
        """Return the features that do not depend on a formula; a constant where there are none."""
        extra = () if self.features == "all" else tuple(self.features)
        names = dict.fromkeys((*self.surrogate_columns, *extra))
        clash = [name for name in names if name in labels]
        if clash:
            raise ValueError(
                f"{', '.join(map(repr, clash))} cannot be a feature and an expert label at once."
            )
        if not names:
            return np.zeros((self.n_rows, 1))
        return encode_features({name: self.data[name].to_numpy() for name in names})

    def surrogates(self, labels: list[str]) -> dict[str, AnyArray]:
        """Return machine labels by the name of the expert label."""
        if isinstance(self.surrogate, Mapping):
            pairs = dict(self.surrogate)
            unknown = [name for name in pairs if name not in labels]
            if unknown:
                raise ValueError(
                    f"surrogate names the label(s) {', '.join(map(repr, unknown))}; calibrate was given "
                    f"{', '.join(map(repr, labels))}."
                )
        else:
            columns = self.surrogate_columns
            pairs = {labels[0]: columns[0]} if columns and len(labels) == 1 else {}
        return {label: typed_labels(self.data[name].to_numpy()) for label, name in pairs.items()}


def surrogate_columns(surrogate: Any) -> list[str]:
    """Return the machine label columns, each once."""
    if surrogate is None:
        return []
    if isinstance(surrogate, str):
        return [surrogate]
    return list(dict.fromkeys(surrogate.values())) if isinstance(surrogate, Mapping) else list(surrogate)


def joined_names(clusters: Any) -> str | None:
    """Return what clusters given by column names are called."""
    if isinstance(clusters, str):
        return clusters
    if isinstance(clusters, list | tuple) and clusters and all(isinstance(v, str) for v in clusters):
        return " and ".join(clusters)
    return None


def row_vectors(data: Any, values: Any, name: str) -> list[AnyArray]:
    """Return columns given by name or as values."""
    if values is None:
        return []
    if isinstance(values, str):
        values = [values]
    if isinstance(values, list | tuple) and values and all(isinstance(v, str) and v in data for v in values):
        return [check_groups(data[v], name, len(data)) for v in values]
    array = read_array(values, name)
    if array.ndim != 1 or len(array) != len(data):
        raise ValueError(
            f"{name} must be the name of a column or have one value for each of the {len(data)} "
            f"rows; got shape {array.shape}."
        )
    return [check_groups(array, name, len(data))]
