"""Options, exit codes and messages that the commands share."""

from __future__ import annotations

import contextlib
import functools
import re
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

__all__ = [
    "EXIT_CODES",
    "TABLE_FORMAT",
    "DataError",
    "LedgerRefusal",
    "OneOf",
    "can_be_written",
    "columns_as",
    "confidence_level_option",
    "confidence_levels_option",
    "guarded",
    "key_option",
    "labels_from_option",
    "output_options",
    "parse_names",
    "positive_option",
    "refuse_given",
    "table_options",
]

F = TypeVar("F", bound=Callable[..., Any])

EXIT_CODES = """\b
Exit codes:
  0  the statement was made (notes and warnings go to the standard error)
  1  a file, a column or its values cannot be used; nothing was written
  2  an option or argument is wrong
  3  a ledger is missing, was changed, or refuses
  4  the gate of --fail-on fired, or an audit found something"""

TABLE_FORMAT = "validstats.table_format"
"""Where a command's options about its files wait for the reader."""


class OneOf(click.ParamType):  # type: ignore[type-arg]
    """Choice among names that the package owns; they are looked up when needed, since loading them takes a second."""

    name = "choice"

    def __init__(self, find: Callable[[], Iterable[str]]) -> None:
        self.find = find

    def get_metavar(self, *args: Any, **kwargs: Any) -> str:
        """Names, for the help."""
        return f"[{'|'.join(self.find())}]"

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        """The value, if it is one of the names."""
        names = list(self.find())
        if value not in names:
            self.fail(f"{value!r} is not one of {', '.join(map(repr, names))}.", param, ctx)
        return str(value)


FORMATS = ("text", "html", "latex", "markdown", "json")


class DataError(click.ClickException):
    """A file, a column or a value cannot be used."""

    exit_code = 1


class LedgerRefusal(click.ClickException):
    """A ledger is missing, was changed, or refuses."""

    exit_code = 3


def can_be_written(context: click.Context, parameter: click.Parameter, path: Path | None) -> Path | None:
    """Refuse a file that cannot be written before anything is asked, charged or written; what is no file is let through."""
    if path is None or (path.exists() and not path.is_file()):
        return path
    folder, option = path.absolute().parent, parameter.opts[0]
    if not folder.is_dir():
        raise DataError(f"The folder of {option} does not exist: {folder}. Create it first.")
    try:
        with tempfile.TemporaryFile(dir=folder):
            return path
    except OSError as error:
        raise DataError(
            f"{option} cannot be written in {folder}: {error.strerror}. Name another folder."
        ) from error


def output_options(command: F) -> F:
    """Add ``--format`` and ``--output`` to a command."""
    command = click.option(
        "--output",
        "-o",
        type=click.Path(dir_okay=False, path_type=Path),
        callback=can_be_written,
        default=None,
        help="File to write; the standard output if not given.",
    )(command)
    return click.option(
        "--format",
        "output_format",
        type=click.Choice(FORMATS),
        default="text",
        show_default=True,
        help="How to print. JSON holds every number in full; NaN is null, infinities are text.",
    )(command)


def table_options(command: F) -> F:
    """Add ``--sep``, ``--decimal``, ``--thousands`` and ``--encoding`` to a command that reads tables."""

    @functools.wraps(command)
    def run(
        *args: Any,
        sep: str | None,
        decimal: str | None,
        thousands: str | None,
        encoding: str | None,
        **kwargs: Any,
    ) -> Any:
        from validstats.intake import TableFormat

        separator = {"tab": "\t", "\\t": "\t"}.get(sep or "", sep)
        if separator is not None and len(separator) != 1:
            raise click.UsageError(f"--sep takes one character or the word tab, got {sep!r}.")
        context = click.get_current_context()
        context.meta[TABLE_FORMAT] = TableFormat(separator, decimal, thousands, encoding)
        return command(*args, **kwargs)

    for name, kind, text in (
        ("--encoding", str, "Encoding of text files, such as latin-1; recognised if not given."),
        (
            "--thousands",
            click.Choice((",", ".", " ", "'")),
            "Sign between groups of three digits; recognised if not given.",
        ),
        ("--decimal", click.Choice((".", ",")), "Decimal sign; recognised if not given."),
        ("--sep", str, "Separator of fields: one character, or tab; recognised if not given."),
    ):
        run = click.option(name, type=kind, default=None, help=text)(run)
    return run  # type: ignore[return-value]


def key_option(command: F) -> F:
    """Add ``--key`` to a command that matches files."""
    return click.option(
        "--key", help="Column that names the rows, or several separated by commas: files are matched by it."
    )(command)


def labels_from_option(command: F) -> F:
    """Add ``--labels-from`` to a command whose labels may stand in a file of their own."""
    return click.option(
        "--labels-from",
        type=click.Path(path_type=Path),
        help="File with the labels, in any order, matched by --key.",
    )(command)


def positive_option(command: F) -> F:
    """Add ``--positive`` to a command whose labels may be words."""
    return click.option(
        "--positive", help="Label that counts as 1 where labels are words, all others being 0."
    )(command)


def confidence_level_option(default: float) -> Callable[[F], F]:
    """Make the option ``--confidence-level``."""
    return click.option(
        "--confidence-level",
        type=click.FloatRange(0, 1, min_open=True, max_open=True),
        default=default,
        show_default=True,
        help="Level of the statement, between 0 and 1.",
    )


class _Levels(click.ParamType):  # type: ignore[type-arg]
    """One level, or several separated by commas."""

    name = "level[,level...]"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float | tuple[float, ...]:
        if not isinstance(value, str):
            return value
        try:
            levels = tuple(float(part) for part in value.split(","))
        except ValueError:
            self.fail(f"{value!r} is no number, and no numbers separated by commas.", param, ctx)
        if not all(0 < level < 1 for level in levels):
            self.fail(
                f"{value!r}: a level lies between 0 and 1, as in 0.9, or 0.8,0.9,0.95 for several.",
                param,
                ctx,
            )
        if len(set(levels)) < len(levels):
            self.fail(f"{value!r} names a level twice.", param, ctx)
        return levels[0] if len(levels) == 1 else levels


def confidence_levels_option(default: float) -> Callable[[F], F]:
    """Make the option ``--confidence-level`` where several levels can be asked for at once."""
    return click.option(
        "--confidence-level",
        type=_Levels(),
        default=default,
        show_default=True,
        help="Level of the statement, between 0 and 1; several are separated by commas, and each holds by itself.",
    )


def parse_names(text: str | None) -> list[str]:
    """Split a list of column names at commas; a comma within a name is written twice."""
    if text is None:
        return []
    names = (name.strip().replace("\0", ",") for name in text.replace(",,", "\0").split(","))
    return [name for name in names if name]


def refuse_given(names: Iterable[str], reason: str) -> None:
    """Refuse options that were typed although nothing would read them."""
    context = click.get_current_context()
    for name in names:
        source = context.get_parameter_source(name)
        if source is not None and source is not ParameterSource.DEFAULT:
            raise click.UsageError(f"--{name.replace('_', '-')} {reason}")


def guarded(command: F) -> F:
    """Turn the library's errors into messages with an exit code, and its warnings into notes."""

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> Any:
        from validstats.exceptions import BudgetExhaustedError, LedgerError, LedgerMissingError

        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("default")
            try:
                value = command(*args, **kwargs)
            except LedgerMissingError as error:
                raise LedgerRefusal(f"{error} Here: validstats holdout create, or --receipt.") from error
            except BrokenPipeError:
                raise
            except (LedgerError, BudgetExhaustedError) as error:
                raise LedgerRefusal(str(error)) from error
            except (ValueError, TypeError, KeyError, ModuleNotFoundError, OSError, RuntimeError) as error:
                if isinstance(error, click.exceptions.Exit | click.ClickException):
                    raise
                raise DataError(_message(error)) from error
            except MemoryError as error:
                raise DataError("There is not enough memory; use fewer rows or columns.") from error
            except Exception as error:
                if type(error).__module__.split(".")[0] != "formulaic":
                    raise
                raise DataError(f"The formula cannot be used: {_message(error)}") from error
            finally:
                _echo_warnings(caught)
        return value

    return run  # type: ignore[return-value]


@contextlib.contextmanager
def columns_as(**roles: str | None) -> Iterator[None]:
    """Say in errors about an argument which columns it was taken from."""
    try:
        yield
    except (TypeError, ValueError) as error:
        text = _message(error)
        meant = [
            f"{name} is {given!r}"
            for name, given in roles.items()
            if given and re.search(rf"\b{name}\b", text)
        ]
        if not meant or type(error).__module__.split(".")[:2] not in (["builtins"], ["validstats", "evals"]):
            raise
        raise type(error)(f"{text} Here {', '.join(meant)}.") from error


def _message(error: Exception) -> str:
    text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    return _in_options(re.sub(r"\x1b\[[0-9;]*m", "", text))


def _in_options(text: str) -> str:
    """Write ``filter='x'`` and ``filter=`` as ``--filter x`` and ``--filter`` where the command has that option."""
    context = click.get_current_context(silent=True)
    known = {name for p in context.command.params for name in p.opts} if context else set()

    def option(found: re.Match[str]) -> str:
        name, value = f"--{found[1].removeprefix('sampling_').replace('_', '-')}", (found[2] or "").strip("'")
        if f"{name}-{value}" in known:
            return f"{name}-{value}"
        return f"{name} {value}".rstrip() if name in known else found[0]

    return re.sub(r"(?<![\w.-])([a-z_]+)=('[\w.-]*'|[\w.]*\w)?", option, text)


def _echo_warnings(caught: list[warnings.WarningMessage]) -> None:
    from validstats.exceptions import ValidstatsWarning

    seen = set()
    for entry in caught:
        text = str(entry.message)
        if issubclass(entry.category, ValidstatsWarning) and text not in seen:
            seen.add(text)
            click.echo(f"Warning: {text}", err=True)
