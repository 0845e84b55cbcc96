"""Limits of what is opened: sizes, ratios and names, so that a hostile file costs a sentence and no memory."""

from __future__ import annotations

import hashlib
import io
import json
import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from validstats.evals.readers.errors import EvalFileError

__all__ = [
    "MAX_BYTES",
    "MAX_LINE",
    "InputFile",
    "Zip",
    "decode_text",
    "load_json",
    "load_json_lines",
    "read_bytes",
]

MAX_BYTES = 2 * 2**30
"""Bytes of a file, or of everything unpacked from it (2 GiB)."""

MAX_LINE = 64 * 2**20
"""Bytes of one line of a line-wise file (64 MiB)."""

MAX_RATIO = 200
"""Unpacked over packed size of a member of more than 1 MiB."""

_RATIO_FROM = 2**20
_ZSTANDARD = 93
_TOO_DEEP = "it is nested too deeply"


@dataclass(frozen=True)
class InputFile:
    """A file that was read, for the record of inputs."""

    name: str
    sha256: str
    format: str
    rows: int
    path: str
    """Path as it was given."""


def read_bytes(path: Path) -> tuple[bytes, str]:
    """The content of a regular file and its SHA-256; everything else is refused."""
    try:
        if path.is_dir():
            raise EvalFileError(f"{path} is a folder; name the files in it.")
        if not path.exists():
            raise EvalFileError(f"There is no file {path}.")
        if not path.is_file():
            raise EvalFileError(f"{path} is not a regular file.")
        size = path.stat().st_size
        if size == 0:
            raise EvalFileError(f"{path} is empty.")
        if size > MAX_BYTES:
            raise EvalFileError(
                f"{path} has {size:,} bytes, more than the {MAX_BYTES:,} that are read; split it."
            )
        content = path.read_bytes()
    except OSError as error:
        raise EvalFileError(f"{path} cannot be read: {error.strerror or error}.") from error
    except ValueError as error:
        if isinstance(error, EvalFileError):
            raise
        raise EvalFileError(f"{str(path)!r} is no path of a file.") from error
    return content, hashlib.sha256(content).hexdigest()


def decode_text(content: bytes, name: str) -> tuple[str, str]:
    """Text and the encoding that was guessed: UTF-8, UTF-16 with a mark, else Latin-1."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        try:
            return content.decode("utf-16"), "utf-16"
        except UnicodeDecodeError as error:
            raise EvalFileError(f"{name} begins as UTF-16 and is damaged at byte {error.start}.") from error
    try:
        text, encoding = content.decode("utf-8-sig"), "utf-8"
    except UnicodeDecodeError:
        text, encoding = content.decode("latin-1"), "latin-1"
    if "\0" in text[:4096]:
        raise EvalFileError(f"{name} is no text file: it holds zero bytes.")
    return text, encoding


def load_json(text: str, name: str) -> Any:
    """A JSON value; errors say where."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise EvalFileError(f"{name} is damaged JSON (line {error.lineno}, column {error.colno}).") from error
    except RecursionError as error:
        raise EvalFileError(f"{name} is no evaluation file: {_TOO_DEEP}.") from error
    except ValueError as error:
        raise EvalFileError(f"{name} holds a number that is too long.") from error


def load_json_lines(text: str, name: str) -> list[dict[str, Any]]:
    """One object a line; blank lines are skipped."""
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(io.StringIO(text), start=1):
        if len(line) > MAX_LINE:
            raise EvalFileError(
                f"Line {number} of {name} has {len(line):,} characters, more than {MAX_LINE:,}."
            )
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise EvalFileError(f"Line {number} of {name} is damaged JSON (column {error.colno}).") from error
        except RecursionError as error:
            raise EvalFileError(f"Line {number} of {name} is no record: {_TOO_DEEP}.") from error
        except ValueError as error:
            raise EvalFileError(f"Line {number} of {name} holds a number that is too long.") from error
        if not isinstance(row, dict):
            raise EvalFileError(f"Line {number} of {name} is no JSON object.")
        rows.append(row)
    if not rows:
        raise EvalFileError(f"{name} holds no record.")
    return rows


class Zip:
    """A zip archive in memory, with Zstandard members, bounded in size; nothing is written to disk."""

    def __init__(self, content: bytes, name: str) -> None:
        self.name = name
        self._content = content
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(content))
            members = self._zip.infolist()
        except (
            zipfile.BadZipFile,
            ValueError,
            OSError,
            struct.error,
            NotImplementedError,
            OverflowError,
        ) as error:
            raise EvalFileError(f"{name} is a damaged zip archive.") from error
        total = 0
        for member in members:
            parts = PurePosixPath(member.filename.replace("\\", "/"))
            if parts.is_absolute() or ".." in parts.parts or ":" in member.filename.split("/")[0]:
                raise EvalFileError(
                    f"{name} holds a member with a path outside the archive: {member.filename!r}."
                )
            total += member.file_size
            if member.file_size > _RATIO_FROM and member.file_size > MAX_RATIO * member.compress_size:
                raise EvalFileError(
                    f"{name} is refused: {member.filename!r} unpacks to {member.file_size:,} bytes, more than "
                    f"{MAX_RATIO} times its size."
                )
        if total > MAX_BYTES:
            raise EvalFileError(
                f"{name} unpacks to {total:,} bytes, more than the {MAX_BYTES:,} that are read."
            )
        self._members = {member.filename: member for member in members}

    @property
    def names(self) -> list[str]:
        """Names of the members."""
        return list(self._members)

    def read(self, member: str) -> bytes:
        """The content of a member, at most the size that the archive states."""
        info = self._members[member]
        try:
            if info.compress_type == _ZSTANDARD:
                data = _unpack_zstandard(self._raw(info), info.file_size, self.name)
            else:
                with self._zip.open(info) as handle:
                    data = handle.read(info.file_size + 1)
        except EvalFileError:
            raise
        except (
            zipfile.BadZipFile,
            zlib.error,
            OSError,
            EOFError,
            ValueError,
            struct.error,
            NotImplementedError,
            RuntimeError,
            IndexError,
            OverflowError,
        ) as error:
            raise EvalFileError(f"{self.name} is damaged: {member!r} cannot be unpacked.") from error
        if len(data) != info.file_size or zlib.crc32(data) != info.CRC:
            raise EvalFileError(f"{self.name} is damaged: the checksum of {member!r} does not fit.")
        return data

    def read_json(self, member: str) -> Any:
        """A member as JSON."""
        try:
            text = self.read(member).decode("utf-8")
        except UnicodeDecodeError as error:
            raise EvalFileError(f"{self.name} is damaged: {member!r} is not UTF-8.") from error
        return load_json(text, f"{member!r} in {self.name}")

    def _raw(self, info: zipfile.ZipInfo) -> bytes:
        """Packed bytes: the local header is 30 bytes and the lengths of name and extra field, which end it."""
        start = info.header_offset
        if self._content[start : start + 4] != b"PK\x03\x04" or info.flag_bits & 1:
            raise EvalFileError(
                f"{self.name} is damaged or encrypted: {info.filename!r} has no local header."
            )
        name_length, extra_length = struct.unpack("<HH", self._content[start + 26 : start + 30])
        begin = start + 30 + name_length + extra_length
        return self._content[begin : begin + info.compress_size]


def _unpack_zstandard(packed: bytes, size: int, name: str) -> bytes:
    """Unpack at most ``size`` bytes with the standard library (3.14 and newer) or the zstandard package."""
    try:
        import zstandard
    except ImportError as error:
        try:
            from compression import zstd  # type: ignore[import-not-found]
        except ImportError:
            raise EvalFileError(
                f"{name} is packed with Zstandard, which needs the zstandard package: "
                'pip install "validstats[evals]", or save the log as JSON.'
            ) from error
        return bytes(zstd.ZstdDecompressor().decompress(packed, max_length=size + 1))
    try:
        with zstandard.ZstdDecompressor(max_window_size=2**27).stream_reader(packed) as reader:
            return bytes(reader.read(size + 1))
    except zstandard.ZstdError as error:
        raise EvalFileError(f"{name} is damaged: a Zstandard member cannot be unpacked.") from error
