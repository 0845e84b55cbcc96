"""The table that every reader returns: rows of scores with the roles of their columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np

from validstats._typing import AnyArray, Float1D, Int1D
from validstats.evals.readers.errors import EvalFileError
from validstats.evals.readers.limits import InputFile
from validstats.evals.readers.values import as_scores
from validstats.intake import RowLabels, align, read_array

__all__ = ["Check", "EvalTable", "Role", "Severity", "codes_of", "joined", "verdict_codes"]

Role: TypeAlias = Literal[
    "item",
    "system",
    "system_a",
    "system_b",
    "sample",
    "task",
    "filter",
    "judge",
    "human",
    "probability",
    "error",
    "content",
    "size",
]
"""What a column is for."""

Severity: TypeAlias = Literal["note", "warning", "error"]
"""How much a finding matters: for information, to be checked, or in the way of an answer."""


@dataclass(frozen=True)
class Check:
    """A finding about the data.

    Attributes
    ----------
    code : str
        Stable name of the check.
    severity : {"note", "warning", "error"}
        How much it matters.
    sentence : str
        What was found and what to do.

    Examples
    --------
    >>> print(Check("few-clusters", "note", "There are 6 clusters."))
    note: There are 6 clusters.
    """

    code: str
    severity: Severity
    sentence: str

    def __str__(self) -> str:
        return f"{self.severity}: {self.sentence}"


@dataclass(frozen=True, repr=False, eq=False)
class EvalTable:
    """Rows of scores of one or several systems, with the role of each column.

    Attributes
    ----------
    frame : pandas.DataFrame
        One row a graded answer (or battle), with the columns of the file under their own names.
    format : str
        What kind of file it came from.
    roles : mapping of str to str
        Column of each role: item, system, sample, task, filter, judge, human, probability, error; further judges are
        "judge 2", "judge 3" and so on.
    scores : tuple of str
        Columns that hold scores, the judge's among them.
    clusters : tuple of str
        Columns that may say which items depend on each other.
    categories : tuple of str
        Columns that divide the items into kinds.
    checks : tuple of Check
        What was guessed while reading.
    files : tuple of InputFile
        Where the rows came from.
    origin : ndarray of shape (n,), int64, or None
        Position in what was read of the row that each row came from, in [0, ``n_read``); None where they are the same.
    n_read : int or None
        Number of rows that were read; None for as many as there are.
    index : pandas.Index or None
        Labels of the rows that were read, where they have any.

    Examples
    --------
    >>> import pandas as pd
    >>> from validstats import evals
    >>> table = evals.read(pd.DataFrame({"item": ["a", "b"], "model": ["m", "m"], "judge": ["pass", "fail"]}))
    >>> table.roles["system"], table.values("judge").tolist()
    ('model', [1.0, 0.0])
    """

    frame: Any
    format: str
    roles: Mapping[str, str]
    scores: tuple[str, ...] = ()
    clusters: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()
    files: tuple[InputFile, ...] = field(default=())
    origin: Int1D | None = None
    n_read: int | None = None
    index: Any = None
    _codes: dict[str, tuple[Int1D, list[str]]] = field(default_factory=dict, init=False)

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def origins(self) -> tuple[Int1D, int]:
        """Where each row came from, and how many rows were read."""
        if self.origin is None:
            return np.arange(len(self), dtype=np.int64), len(self)
        return self.origin, len(self) if self.n_read is None else self.n_read

    def has(self, role: Role) -> bool:
        """Tell whether a column has a role.

        Parameters
        ----------
        role : str
            The role.

        Returns
        -------
        bool
            Whether there is such a column.
        """
        return role in self.roles

    @property
    def judges(self) -> tuple[str, ...]:
        """Columns of the judges, the first one first."""
        return tuple(name for role, name in self.roles.items() if role.split()[0] == "judge")

    def column(self, name: str) -> AnyArray:
        """Take a column as it is.

        Parameters
        ----------
        name : str
            Name of the column.

        Returns
        -------
        ndarray of shape (n,)
            Its values.

        Raises
        ------
        EvalFileError
            If there is no such column; the message lists those there are.
        """
        if name not in self.frame.columns:
            raise EvalFileError(
                f"There is no column {name!r}; the columns are {', '.join(map(repr, map(str, self.frame.columns)))}."
            )
        return self.frame[name].to_numpy()

    def values(self, role_or_name: str) -> Float1D:
        """Take a column of scores as numbers, NaN where one is missing.

        Parameters
        ----------
        role_or_name : str
            Role or name of the column.

        Returns
        -------
        ndarray of shape (n,)
            Scores.

        Raises
        ------
        EvalFileError
            If the column does not exist or holds words that are no scores.
        """
        name = self.roles.get(role_or_name, role_or_name)
        return as_scores(self.column(name), name)

    def names(self, role: Role) -> AnyArray:
        """Take a column of names as text.

        Parameters
        ----------
        role : str
            Role of the column.

        Returns
        -------
        ndarray of shape (n,), str
            Names; an empty array of the right length filled with "" where there is no such column.
        """
        codes, names = self.codes(role)
        return np.array(names, dtype=object)[codes]

    def codes(self, role: Role) -> tuple[Int1D, list[str]]:
        """Take a column of names as codes.

        Parameters
        ----------
        role : str
            Role of the column.

        Returns
        -------
        codes : ndarray of shape (n,)
            Codes 0, 1, ... in order of appearance.
        names : list of str
            The name of each code.
        """
        if role not in self._codes:
            if role in self.roles:
                self._codes[role] = codes_of(self.column(self.roles[role]))
            else:
                self._codes[role] = (np.zeros(len(self), dtype=np.int64), [""])
        return self._codes[role]

    @property
    def items(self) -> list[str]:
        """Names of the items, in order of appearance."""
        return list(self.codes("item")[1])

    @property
    def systems(self) -> list[str]:
        """Names of the systems, in order of appearance."""
        return list(self.codes("system")[1])

    def rows(self, mask: Any) -> EvalTable:
        """Take some of the rows.

        Parameters
        ----------
        mask : array-like of shape (n,) of bool
            Rows to keep, in the order of the rows or with their labels.

        Returns
        -------
        EvalTable
            The same table with fewer rows.

        Raises
        ------
        ValueError
            If it has other labels than the rows, or not one truth value a row.
        """
        chosen = np.asarray(self.matched(mask, "mask"))
        if chosen.dtype != np.bool_ or chosen.shape != (len(self),):
            raise ValueError(
                f"mask must hold one truth value for each of the {len(self)} rows, got {chosen.dtype} of shape {chosen.shape}."
            )
        origin, n_read = self.origins
        return replace(
            self, frame=self.frame[chosen].reset_index(drop=True), origin=origin[chosen], n_read=n_read
        )

    def matched(self, values: Any, name: str) -> Any:
        """Put values that arrive beside the rows in their order.

        Parameters
        ----------
        values : array-like of shape (n,)
            One a row that was read, or that is left; with labels of their own they are matched by them.
        name : str
            What they are called, for messages.

        Returns
        -------
        array-like of shape (n,)
            One a row that is left.

        Raises
        ------
        ValueError
            If they have other labels than the rows.
        """
        origin, n_read = self.origins
        named = RowLabels(n_read, self.index, "the index of data")
        if len(values) == n_read:
            return _taken(align(values, named, name), origin, name)
        labels = named.labels
        if labels is None and _numbered(values):  # labels are the numbers of the rows that were kept
            import pandas as pd

            labels = pd.RangeIndex(n_read)
        kept = None if labels is None else labels[origin]
        return align(values, RowLabels(len(self), kept, "the index of the rows of data that are used"), name)

    def __repr__(self) -> str:
        systems = f"{len(self.systems)} systems, " if self.has("system") else ""
        return f"EvalTable({self.format}: {len(self):,} rows, {len(self.items):,} items, {systems}roles {dict(self.roles)})"


def _numbered(values: Any) -> bool:
    index = getattr(values, "index", None)
    return getattr(getattr(index, "dtype", None), "kind", "") == "i"


def _taken(values: Any, origin: Int1D, name: str) -> Any:
    if len(values) == len(origin) and bool((origin == np.arange(len(origin))).all()):
        return values
    return values.iloc[origin] if hasattr(values, "iloc") else read_array(values, name, dates=True)[origin]


def text_of(values: AnyArray) -> AnyArray:
    """Values as text: whole floats without their point, missing ones as the empty text."""
    if values.dtype.kind == "f":
        known = ~np.isnan(values)
        found = values[known]
        if np.all(np.abs(found) < 2.0**53) and np.all(found == np.round(found)):
            text = np.full(len(values), "", dtype=object)
            text[known] = list(map(str, found.astype(np.int64).tolist()))
            return text
    if values.dtype.kind in "iu":
        return np.array(list(map(str, values.tolist())), dtype=object)
    return np.array(
        [v if type(v) is str and v != "<NA>" else _text_of_one(v) for v in values.tolist()], dtype=object
    )


def _text_of_one(value: Any) -> str:
    missing = value is None or (isinstance(value, float) and value != value) or str(value) == "<NA>"
    return "" if missing else str(value)


def codes_of(*columns: AnyArray) -> tuple[Int1D, list[str]]:
    """Codes 0, 1, ... of the distinct values (or tuples of values) in order of appearance, and their texts."""
    import pandas as pd

    codes, names = np.zeros(len(columns[0]), dtype=np.int64), [""]
    for position, column in enumerate(columns):
        part, values = pd.factorize(column, use_na_sentinel=False)
        text, unique = pd.factorize(text_of(np.asarray(values)))  # 1 and "1" are one name
        part = text[part]
        if position == 0:
            codes, names = part.astype(np.int64), [str(v) for v in unique]
        else:
            joint, kept = pd.factorize(codes * len(unique) + part)
            names = [f"{names[k // len(unique)]} / {unique[k % len(unique)]}" for k in kept]
            codes = joint.astype(np.int64)
    return codes, names


def verdict_codes(values: Float1D) -> tuple[Int1D, list[str]]:
    """Codes and names of a judge's verdicts, which are numbers; a missing one is a class of its own."""
    import pandas as pd

    part, unique = pd.factorize(values, use_na_sentinel=False)
    codes, names = codes_of(np.array(["missing" if np.isnan(v) else f"{v:zg}" for v in unique], dtype=object))
    return codes[part], names


def _named_by_file(tables: Sequence[EvalTable]) -> list[EvalTable]:
    """Tables that name no system, each with the name of its file as the system; with its folder where files are namesakes."""
    paths = [Path(table.files[0].path) if len(table.files) == 1 else None for table in tables]
    names = [path.stem if path is not None else "" for path in paths]
    if len(set(names)) < len(names):
        names = [f"{path.parent.name}/{path.stem}" if path is not None else "" for path in paths]
    if "" in names or len(set(names)) < len(names):
        raise EvalFileError(
            "The data do not say which system they come from, nor do names of files that differ; add a column 'system' to each."
        )
    found = []
    for table, name in zip(tables, names, strict=True):
        note = Check(
            "systems-by-file",
            "note",
            f"The rows of {name!r} name no system; the name of their file stands for it.",
        )
        found.append(
            replace(
                table,
                frame=table.frame.assign(system=name),
                roles={**table.roles, "system": "system"},
                checks=(*table.checks, note),
            )
        )
    return found


def joined(tables: Sequence[EvalTable]) -> EvalTable:
    """Several tables as one; their roles must agree where both have one."""
    if len(tables) == 1:
        return tables[0]
    import pandas as pd

    if not any(table.has("system") or table.has("system_a") for table in tables):
        tables = _named_by_file(tables)
    roles: dict[str, str] = {}
    for table in tables:
        for role, name in table.roles.items():
            if roles.setdefault(role, name) != name:
                raise EvalFileError(
                    f"The files call their {role} by different names, {roles[role]!r} and {name!r}; rename one column, or "
                    f"pass {role}=."
                )
    frame = pd.concat([table.frame for table in tables], ignore_index=True)

    def union(parts: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for part in parts for name in part))

    formats = union([(t.format,) for t in tables])
    origins, sizes = zip(*(t.origins for t in tables), strict=True)
    first = np.cumsum([0, *sizes])
    labels = [t.index for t in tables]
    named = all(index is not None for index in labels)
    return EvalTable(
        frame=frame,
        format=" and ".join(formats),
        roles=roles,
        scores=union([t.scores for t in tables]),
        clusters=union([t.clusters for t in tables]),
        categories=union([t.categories for t in tables]),
        checks=tuple(dict.fromkeys(c for t in tables for c in t.checks)),
        files=tuple(f for t in tables for f in t.files),
        origin=np.concatenate([start + part for start, part in zip(first[:-1], origins, strict=True)]),
        n_read=int(first[-1]),
        index=labels[0].append(labels[1:]) if named else None,
    )
