"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["new_file", "whole_file"]


@contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a draft to write to, which takes the place of the file when all of it is written.

    A reader sees the old file or the new one; after an exception or a kill the old one is untouched. A kill may leave
    the draft, whose name starts with a dot. What is no file, such as ``/dev/stdout``, is written to as it is.

    Parameters
    ----------
    path : str or path
        File to write; an existing file is replaced in one step.

    Yields
    ------
    pathlib.Path
        The draft, in the same folder and with the same suffix.

    Raises
    ------
    FileNotFoundError
        If the folder does not exist.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> with whole_file(folder / "report.txt") as draft:
    ...     _ = draft.write_text("all of it", encoding="utf-8")
    >>> [file.name for file in folder.iterdir()]
    ['report.txt']
    """
    target = Path(path)
    if target.exists() and not target.is_file():
        yield target
        return
    target = target.resolve()
    if not target.parent.is_dir():
        raise FileNotFoundError(f"The folder of {str(path)!r} does not exist; create it first.")
    draft = target.with_name(f".{target.stem}.{secrets.token_hex(6)}{target.suffix}")
    try:
        yield draft
        draft.replace(target)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


@contextmanager
def new_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a draft to write to, which becomes the file when all of it is written, unless there is one already.

    Of several processes that make the same file at once, one wins; the others, and all readers, see nothing or the
    whole file. Where the file system has no hard links, the last one wins if they finish at the same instant.

    Parameters
    ----------
    path : str or path
        File to make.

    Yields
    ------
    pathlib.Path
        The draft, in the same folder; it is not there yet.

    Raises
    ------
    FileExistsError
        If there is a file, before or by the time the draft is complete.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> with new_file(folder / "key") as draft:
    ...     _ = draft.write_text("all of it", encoding="utf-8")
    >>> [file.name for file in folder.iterdir()]
    ['key']
    """
    target = Path(path)
    _refuse_existing(target)
    draft = target.with_name(f".{target.stem}.{secrets.token_hex(6)}{target.suffix}")
    try:
        yield draft
        try:
            os.link(draft, target)
        except OSError:
            _refuse_existing(target)
            draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)


def _refuse_existing(path: Path) -> None:
    if path.exists():
        raise FileExistsError(f"There is a file at {str(path)!r} already.")
