"""Write the API pages of the domains from their ``__all__``: ``python docs/make_api.py``."""

from __future__ import annotations

import importlib
from pathlib import Path

TITLES = {"batch": "Batch", "holdout": "Holdout", "dsl": "DSL", "mi": "MI"}


def main() -> None:
    """Write one page for each domain."""
    for package in TITLES:
        module = importlib.import_module(f"validstats.{package}")
        names = "\n".join(f"::: validstats.{package}.{name}" for name in sorted(module.__all__))
        text = f"# API: validstats.{package}\n\n{module.__doc__}\n\n{names}\n"
        (Path(__file__).parent / "api" / f"{package}.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
