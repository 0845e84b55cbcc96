"""Training data as resumable shards: each a pure function of the seed and its number."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Self, TypeVar

import numpy as np
import numpy.typing as npt

from validstats.mi.families import FAMILY_NAMES, Family, JointSample
from validstats.mi.statistics import (
    ANCHOR_NAMES,
    COORDINATE_TOKENS,
    SAMPLE_TOKENS,
    STATISTIC_NAMES,
    DataSummary,
    summarise_data,
)
from validstats.runtime import whole_file

__all__ = [
    "SHARD_SIZE",
    "Shard",
    "load_shards",
    "make_shard",
    "pack_summaries",
    "read_shards",
    "shard_path",
    "write_shards",
]

SHARD_SIZE = 2000
"""Number of sets in a shard."""

AnyShard = TypeVar("AnyShard", bound="Shard")


@dataclass(frozen=True)
class Shard:
    """Summaries of many sets as arrays; the first axis of each counts the sets.

    Attributes
    ----------
    statistics : ndarray of float32 of shape (m, len(STATISTIC_NAMES))
        Statistics.
    anchors : ndarray of float32 of shape (m, 4)
        Classical estimates.
    sample_tokens : ndarray of float16 of shape (m, 128, 24)
        Sample tokens, zero where there are fewer.
    sample_counts : ndarray of int16 of shape (m,)
        Number of sample tokens.
    coordinate_tokens : ndarray of float16 of shape (m, 24, 12)
        Coordinate tokens, zero where there are fewer.
    coordinate_counts : ndarray of int16 of shape (m,)
        Number of coordinate tokens.
    shape : ndarray of int32 of shape (m, 3)
        n and the two dimensions, the smaller first.
    ties : ndarray of float32 of shape (m,)
        Largest share of repeated values in a coordinate.
    bound : ndarray of float32 of shape (m,)
        Smaller of the entropies of the discrete sides, or infinity.
    family : ndarray of int16 of shape (m,)
        Number of the family in ``FAMILY_NAMES`` (-1 for others).
    truth : ndarray of float32 of shape (m,)
        True mutual information in nats.
    """

    statistics: npt.NDArray[np.float32]
    anchors: npt.NDArray[np.float32]
    sample_tokens: npt.NDArray[np.float16]
    sample_counts: npt.NDArray[np.int16]
    coordinate_tokens: npt.NDArray[np.float16]
    coordinate_counts: npt.NDArray[np.int16]
    shape: npt.NDArray[np.int32]
    ties: npt.NDArray[np.float32]
    bound: npt.NDArray[np.float32]
    family: npt.NDArray[np.int16]
    truth: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.truth)

    def select(self, chosen: npt.NDArray[np.generic]) -> Self:
        """Return the sets at the given positions, or where a mask holds."""
        return type(self)(**{f.name: getattr(self, f.name)[chosen] for f in fields(self)})


def pack_summaries(
    summaries: list[DataSummary], truths: list[float] | None = None, families: list[str] | None = None
) -> Shard:
    """Stack the summaries of data sets.

    Parameters
    ----------
    summaries : list of DataSummary
        At least one.
    truths : list of float or None, default None
        True mutual informations, NaN where None.
    families : list of str or None, default None
        Family names.

    Returns
    -------
    Shard
        Arrays, one entry for each summary.
    """
    m = len(summaries)
    samples = np.zeros((m, *SAMPLE_TOKENS), dtype=np.float16)
    coordinates = np.zeros((m, *COORDINATE_TOKENS), dtype=np.float16)
    for i, summary in enumerate(summaries):
        samples[i, : len(summary.sample_tokens)] = summary.sample_tokens
        coordinates[i, : len(summary.coordinate_tokens)] = summary.coordinate_tokens
    names = {name: i for i, name in enumerate(FAMILY_NAMES)}
    return Shard(
        statistics=np.array([s.statistics for s in summaries], dtype=np.float32).reshape(
            m, len(STATISTIC_NAMES)
        ),
        anchors=np.array([s.anchors for s in summaries], dtype=np.float32).reshape(m, len(ANCHOR_NAMES)),
        sample_tokens=samples,
        sample_counts=np.array([len(s.sample_tokens) for s in summaries], dtype=np.int16),
        coordinate_tokens=coordinates,
        coordinate_counts=np.array([len(s.coordinate_tokens) for s in summaries], dtype=np.int16),
        shape=np.array([(s.n, *sorted((s.dim_x, s.dim_y))) for s in summaries], dtype=np.int32).reshape(m, 3),
        ties=np.array([s.tie_share for s in summaries], dtype=np.float32),
        bound=np.array([s.entropy_bound for s in summaries], dtype=np.float32),
        family=np.array([names.get(f, -1) for f in (families or [""] * m)], dtype=np.int16),
        truth=np.array([np.nan] * m if truths is None else truths, dtype=np.float32),
    )


def usable_sample(
    family: Family, seed: int, index: int, summarise: Callable[..., DataSummary] = summarise_data
) -> tuple[JointSample, DataSummary] | None:
    """Draw a set and summarise it; None where a side came out constant, or the truth beyond double precision."""
    sample = family.sample(seed, index)
    if not np.isfinite(sample.mutual_information):
        return None
    try:
        return sample, summarise(sample.x, sample.y)
    except ValueError:
        return None


def make_shard(family: Family, seed: int, start: int, size: int = SHARD_SIZE) -> Shard:
    """Draw and summarise the sets ``start`` to ``start + size - 1``.

    Parameters
    ----------
    family : Family
        Distribution over joint distributions.
    seed : int
        Seed of the whole pool.
    start : int
        First index.
    size : int, default 2000
        Number of sets. Sets with a constant side or an infinite truth are left out, which is rare.

    Returns
    -------
    Shard
        The same at every call.
    """
    drawn = [usable_sample(family, seed, index) for index in range(start, start + size)]
    kept = [pair for pair in drawn if pair is not None]
    return pack_summaries(
        [summary for _, summary in kept],
        [sample.mutual_information for sample, _ in kept],
        [sample.family for sample, _ in kept],
    )


def shard_path(directory: Path, seed: int, number: int) -> Path:
    """Return the file of a shard."""
    return directory / f"shard-{seed}-{number:05d}.npz"


def write_shards(
    family: Family,
    seed: int,
    numbers: range,
    directory: Path,
    resume: bool = True,
    size: int = SHARD_SIZE,
    make: Callable[[Family, int, int, int], Shard] = make_shard,
) -> Iterator[Path]:
    """Write the shards with the given numbers, one file each; finished files are kept.

    Parameters
    ----------
    family : Family
        Distribution over joint distributions.
    seed : int
        Seed of the pool.
    numbers : range
        Shard numbers; shard k holds the sets k * size to (k + 1) * size - 1.
    directory : Path
        Folder, made if absent.
    resume : bool, default True
        Keep shards that are already there.
    size : int, default 2000
        Sets in a shard.
    make : callable, default make_shard
        Makes a shard of a family, a seed, the first index and the number of sets.

    Yields
    ------
    Path
        File of each shard, as it is finished or found.
    """
    directory.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        path = shard_path(directory, seed, number)
        if not (resume and path.exists()):
            shard = make(family, seed, number * size, size)
            with whole_file(path) as draft:
                np.savez(draft, **{f.name: getattr(shard, f.name) for f in fields(shard)})
        yield path


def load_shards(paths: list[Path], tokens: bool = True) -> Shard:
    """Read shards and join them.

    Parameters
    ----------
    paths : list of Path
        At least one file.
    tokens : bool, default True
        Read the tokens as well; without them they have length zero along the token axis.

    Returns
    -------
    Shard
        All sets, in the order of the files.
    """
    return read_shards(Shard, paths, tokens)


def read_shards(kind: type[AnyShard], paths: list[Path], tokens: bool = True) -> AnyShard:
    """Read shards of a kind and join them; see :func:`load_shards`."""
    parts: dict[str, list[npt.NDArray[np.generic]]] = {f.name: [] for f in fields(kind)}
    for path in paths:
        with np.load(path, allow_pickle=False) as file:
            for name, stack in parts.items():
                if not tokens and name.endswith("_tokens"):
                    size = len(file["truth"])
                    stack.append(np.zeros((size, 0, 0), dtype=np.float16))
                else:
                    stack.append(file[name])
    return kind(**{name: np.concatenate(stack) for name, stack in parts.items()})
