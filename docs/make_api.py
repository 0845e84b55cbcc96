"""Write the API pages of the domains from their ``__all__``: ``python docs/make_api.py``."""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path

DOMAINS = ("batch", "holdout", "dsl", "mi", "evals")


def main() -> None:
    """Write one page for each domain, one for the figures and one for errors and warnings."""
    for package in DOMAINS:
        module = importlib.import_module(f"validstats.{package}")
        write(package, f"validstats.{package}", f"{module.__doc__}", sorted(module.__all__))
    figures = importlib.import_module("validstats.plotting")
    words = "What the `plot()` of a result returns. Each computes and stores what it shows, then draws it with `plot(ax=None)`."
    write("figures", "validstats.plotting", words, sorted(figures.__all__))
    guide = importlib.import_module("validstats.guide")
    write("guide", "validstats.guide", f"{guide.__doc__}", sorted(guide.__all__))
    exceptions = importlib.import_module("validstats.exceptions")
    classes = [name for name, value in vars(exceptions).items() if own_class(value, exceptions.__name__)]
    words = (
        "What public calls raise, and what they warn with. `warnings.simplefilter` takes any of the warnings."
    )
    write("errors", "validstats.exceptions", words, sorted(classes))


def own_class(value: object, module: str) -> bool:
    """Whether a value is a class that a module defines."""
    return inspect.isclass(value) and value.__module__ == module


def overview(package: str, names: list[str]) -> str:
    """Return tables of one line a name: what users call, and what calls return."""
    from validstats.results import Result

    module = importlib.import_module(package)
    returned = [
        name
        for name in names
        if inspect.isclass(value := getattr(module, name)) and issubclass(value, Result)
    ]
    called = [name for name in names if name not in returned]
    parts = []
    for title, group in (
        ("What you call, and what you give", called),
        ("What calls return or raise", returned),
    ):
        if group and returned:
            parts.append(f"**{title}**\n")
        parts += ["| name | what it is |", "| :--- | :--- |"] if group else []
        parts += [f"| [`{n}`](#{package}.{n}) | {summary_of(getattr(module, n))} |" for n in group]
        parts.append("")
    return "\n".join(parts).rstrip()


def summary_of(value: object) -> str:
    """Return the first line of a docstring, safe in a table and without markup of reST."""
    line = (inspect.getdoc(value) or "").partition("\n")[0]
    return re.sub(r":\w+:`~?(?:\w+\.)*(\w+)`", r"`\1`", line).replace("|", "\\|")


def write(page: str, package: str, words: str, names: list[str]) -> None:
    """Write one page."""
    listed = "\n".join(f"::: {package}.{name}" for name in names)
    text = f"# API: {package}\n\n{words}\n\n{overview(package, names)}\n\n{listed}\n"
    (Path(__file__).parent / "api" / f"{page}.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
