"""Registry of bound holdouts: sketches of their rows, by which a second ledger on the same rows is refused."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from validstats.exceptions import HoldoutOverlapError, holdout_overlap_message
from validstats.holdout.ledger.anchor import Anchor, state_directory
from validstats.intake import RowSketch, find_overlap
from validstats.runtime import whole_file

__all__ = ["claim_rows", "registry_lock"]

_STALE_SECONDS = 120.0
_PATIENCE_SECONDS = 60.0


@contextmanager
def registry_lock() -> Iterator[None]:
    """Hold the one lock around looking, deciding and writing, so that two ledgers cannot bind the same rows at once."""
    path = state_directory() / "holdouts.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    until = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
            break
        except FileExistsError:
            _remove_if_stale(path)
            if time.monotonic() > until:
                raise TimeoutError(
                    f"{path} is held by another program; remove it if there is none."
                ) from None
            time.sleep(0.01)
    try:
        os.write(handle, str(os.getpid()).encode())
        os.close(handle)
        yield
    finally:
        path.unlink(missing_ok=True)


def _remove_if_stale(path: Path) -> None:
    """Remove a lock whose owner has died, or that is older than any binding takes."""
    try:
        owner, age = path.read_text(), time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return
    if owner.isdigit():
        try:
            os.kill(int(owner), 0)
        except ProcessLookupError:
            path.unlink(missing_ok=True)
            return
        except PermissionError:
            pass
    if age > _STALE_SECONDS:
        path.unlink(missing_ok=True)


def claim_rows(ledger: str, sketches: Sequence[RowSketch]) -> None:
    """Record the sketches of a ledger's rows, or refuse rows that another ledger has; call it under the lock."""
    folder = state_directory() / "holdouts"
    folder.mkdir(parents=True, exist_ok=True)
    for file in sorted(folder.glob("*.sketch")):
        if file.stem == ledger:
            continue
        known = [RowSketch.from_dict(record) for record in json.loads(file.read_text())]
        overlap = find_overlap(known, sketches)
        if overlap is not None:
            place = Anchor.of(file.stem).facts().get("path", "an unknown place")
            raise HoldoutOverlapError(holdout_overlap_message.format(place=place, overlap=overlap))
    with whole_file(folder / f"{ledger}.sketch") as draft:
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as stream:
            json.dump([sketch.to_dict() for sketch in sketches], stream)
