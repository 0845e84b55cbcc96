"""Training data as resumable shards: each a pure function of the seed and its number."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import numpy.typing as npt

from validstats.mi.families import FAMILY_NAMES, Family, JointSample
from validstats.mi.statistics import (
    ANCHOR_NAMES,
    STATISTIC_NAMES,
    DataSummary,
    Readings,
    SummaryTable,
    pack_summaries,
    summarise_data,
)
from validstats.runtime import whole_file

__all__ = [
    "SHARD_SIZE",
    "Shard",
    "check_folder",
    "input_hash",
    "join_shards",
    "load_shards",
    "make_shard",
    "pack_shard",
    "shard_path",
    "write_shards",
]

SHARD_SIZE = 2000
"""Number of sets in a shard."""


@dataclass(frozen=True)
class Shard(SummaryTable):
    """Summaries of simulated sets with their truths: a file of training."""

    family: npt.NDArray[np.int16]  # Number of the family in ``FAMILY_NAMES`` (-1 for others)
    truth: npt.NDArray[np.float32]  # True mutual information in nats
    truth_error: npt.NDArray[np.float32]  # Standard error of a truth that is a mean over draws, else 0


def pack_shard(
    summaries: list[DataSummary],
    truths: list[float],
    families: list[str] | None = None,
    errors: list[float] | None = None,
) -> Shard:
    """Stack the summaries of data sets beside their true mutual informations."""
    numbers = {name: i for i, name in enumerate(FAMILY_NAMES)}
    return Shard(
        **vars(pack_summaries(summaries)),
        family=np.array([numbers.get(f, -1) for f in (families or [""] * len(summaries))], dtype=np.int16),
        truth=np.array(truths, dtype=np.float32),
        truth_error=np.array(errors or [0.0] * len(summaries), dtype=np.float32),
    )


def usable_sample(
    family: Family, seed: int, index: int, structure: bool = True
) -> tuple[JointSample, DataSummary] | None:
    """Draw a set and summarise it; None where a side came out constant, or the truth beyond double precision."""
    sample = family.sample(seed, index)
    if not np.isfinite(sample.mutual_information):
        return None
    try:
        return sample, summarise_data(sample.x, sample.y, structure)
    except ValueError:
        return None


def make_shard(family: Family, seed: int, start: int, size: int = SHARD_SIZE) -> Shard:
    """Draw and summarise the sets ``start`` to ``start + size - 1``."""
    drawn = [usable_sample(family, seed, index) for index in range(start, start + size)]
    kept = [pair for pair in drawn if pair is not None]
    return pack_shard(
        [summary for _, summary in kept],
        [sample.mutual_information for sample, _ in kept],
        [sample.family for sample, _ in kept],
        [sample.standard_error for sample, _ in kept],
    )


def shard_path(directory: Path, seed: int, number: int) -> Path:
    """Return the file of a shard."""
    return directory / f"shard-{seed}-{number:05d}.npz"


def write_shards(
    family: Family, seed: int, numbers: range, directory: Path, resume: bool = True, size: int = SHARD_SIZE
) -> Iterator[Path]:
    """Write shard k, the sets k * size to (k + 1) * size - 1, for each number; yield each file when it is there."""
    directory.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        path = shard_path(directory, seed, number)
        if not (resume and path.exists()):
            shard = make_shard(family, seed, number * size, size)
            with whole_file(path) as draft:
                np.savez(draft, inputs=np.array(input_hash()), **_as_arrays(shard))  # type: ignore[arg-type]
        yield path


def input_hash() -> str:
    """Hash of the names of all statistics and candidates in their order: shards of other inputs are refused."""
    return hashlib.sha256(" ".join((*STATISTIC_NAMES, "/", *ANCHOR_NAMES, "/ pairs")).encode()).hexdigest()[
        :16
    ]


def _as_arrays(shard: Shard) -> dict[str, npt.NDArray[np.generic]]:
    """Fields of a shard, those of the pairs under a prefix."""
    own = {f.name: getattr(shard, f.name) for f in fields(shard) if f.name != "pairs"}
    return own | {f"pairs/{f.name}": getattr(shard.pairs, f.name) for f in fields(Readings)}


def load_shards(paths: list[Path]) -> Shard:
    """Read at least one shard and join them in the order of the files."""
    parts = []
    for path in paths:
        with np.load(path, allow_pickle=False) as file:
            if "inputs" not in file.files or str(file["inputs"]) != input_hash():
                raise ValueError(
                    f"{path} holds other statistics than this version computes. Draw it again: remove it, or use an empty folder."
                )
            own = {f.name: file[f.name] for f in fields(Shard) if f.name != "pairs"}
            parts.append(
                Shard(**own, pairs=Readings(**{f.name: file[f"pairs/{f.name}"] for f in fields(Readings)}))
            )
    return join_shards(parts)


def join_shards(parts: Sequence[Shard]) -> Shard:
    """Join shards along the axis of sets."""
    starts = np.cumsum([0, *(len(part) for part in parts[:-1])])
    names = [f.name for f in fields(Shard) if f.name not in ("pairs", "pair_of")]
    return Shard(
        **{name: np.concatenate([getattr(part, name) for part in parts]) for name in names},
        pairs=Readings(
            **{
                f.name: np.concatenate([getattr(part.pairs, f.name) for part in parts])
                for f in fields(Readings)
            }
        ),
        pair_of=np.concatenate([part.pair_of + start for part, start in zip(parts, starts, strict=True)]),
    )


COMPARED = 3
"""Sets of the first shard that are drawn anew to see whether a folder belongs to a family and a seed."""


def check_folder(directory: Path, family: Family, seed: int) -> None:
    """Refuse a folder whose first shard under this seed does not begin with the family's own sets."""
    path = shard_path(directory, seed, 0)
    if not path.exists():
        return
    stored, drawn = load_shards([path]), make_shard(family, seed, 0, COMPARED)
    n = min(len(stored), len(drawn))
    same = all(
        np.allclose(getattr(stored, name)[:n], getattr(drawn, name)[:n], atol=1e-6, equal_nan=True)
        for name in ("truth", "shape", "statistics")
    )
    if not same:
        raise ValueError(
            f"shards={str(directory)!r} holds sets of another family under the same seed (or drawn by another version): "
            "training on them would ignore the family passed. Use an empty folder."
        )
