"""Units of a study: their columns, and which of these predict expert labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from validstats._typing import AnyArray, Float2D, FrameBackend
from validstats.dsl.labels.calibration import typed_labels
from validstats.dsl.labels.crossfit import encode_features
from validstats.intake import (
    RowLabels,
    align,
    backend_of,
    check_groups,
    column,
    is_frame,
    plain_frame,
    read_array,
    row_labels,
    to_pandas,
)

__all__ = ["Units", "joined_names", "row_vectors", "surrogate_columns"]


@dataclass(frozen=True)
class Units:
    """All rows of a study, with the columns that are machine labels and features."""

    data: Any  # pandas data frame with a fresh index
    backend: FrameBackend  # frame library of the caller
    surrogate: Any  # as in ``fit``
    features: Any  # column names or "all"
    rows: RowLabels | None = None  # who the rows are; None for rows that arrive in parts

    @classmethod
    def of(cls, data: Any, surrogate: Any, features: Any, ids: Any = None) -> Self:
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
        frame = plain_frame(to_pandas(data).reset_index(drop=True))
        if len(frame) == 0:
            raise ValueError("data has no rows.")
        return cls(frame, backend_of(data), surrogate, features, row_labels(data, ids, "data"))

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
        if values is None or isinstance(values, str) or _are_names(values, self.data):
            return row_vectors(self.data, values, name)
        return row_vectors(self.data, self.aligned(values, name), name)

    def aligned(self, values: Any, name: str, partial: bool = False) -> Any:
        """Bring what arrives beside the units into their order."""
        return values if self.rows is None else align(values, self.rows, name, partial=partial)

    def labels(self, labels: Any) -> Any:
        """Return expert labels in the order of the units, missing where there is none; columns may be named."""
        if isinstance(labels, str) or _are_names(labels, self.data):
            names = [labels] if isinstance(labels, str) else list(labels)
            return {name: column(self.data, name) for name in names}
        if isinstance(labels, Mapping):
            return {
                name: self.aligned(values, f"labels[{str(name)!r}]", True) for name, values in labels.items()
            }
        found = self.aligned(labels, "labels", True)
        if self.rows is not None and self.rows.key is not None and is_frame(found):
            import narwhals as nw

            return nw.from_native(found, eager_only=True).drop(self.rows.key, strict=False).to_native()
        return found

    def probability(self, values: Any) -> Any:
        """Return labelling probabilities given by a column name, by values, as one number, or to be estimated."""
        if isinstance(values, str):
            return self.data[values].to_numpy() if values in self.data and values != "estimated" else values
        return self.aligned(values, "sampling_probability")

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


def _are_names(values: Any, data: Any) -> bool:
    """Tell whether values are names of columns of the data."""
    return (
        isinstance(values, list | tuple)
        and bool(values)
        and all(isinstance(v, str) and v in data for v in values)
    )


def row_vectors(data: Any, values: Any, name: str) -> list[AnyArray]:
    """Return columns given by name or as values."""
    if values is None:
        return []
    if isinstance(values, str):
        values = [values]
    if _are_names(values, data):
        return [check_groups(data[v], name, len(data)) for v in values]
    array = read_array(values, name)
    if array.ndim != 1 or len(array) != len(data):
        raise ValueError(
            f"{name} must be the name of a column or have one value for each of the {len(data)} "
            f"rows; got shape {array.shape}."
        )
    return [check_groups(array, name, len(data))]
