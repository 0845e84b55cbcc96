"""Hooks of mkdocs: notebooks join the pages from their own folder, and pictures of the gallery are found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mkdocs.plugins import event_priority
from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parents[1]


@event_priority(100)
def on_files(files: Any, config: Any) -> Any:
    """Add the executed notebooks before they are rendered."""
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        name = f"notebooks/{path.name}"
        files.append(File(name, str(ROOT), config.site_dir, use_directory_urls=config.use_directory_urls))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Name pictures of gallery pages relative to the page: their links assume that pages are folders."""
    if not page.file.src_uri.startswith("generated/gallery/"):
        return markdown
    return markdown.replace('srcset="../images/', 'srcset="images/')
