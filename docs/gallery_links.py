"""A hook of mkdocs: pictures of the gallery are found where pages are files, as ``use_directory_urls: false`` makes them."""

from __future__ import annotations

from typing import Any


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Name pictures of gallery pages relative to the page."""
    if not page.file.src_uri.startswith("generated/gallery/"):
        return markdown
    return markdown.replace('srcset="../images/', 'srcset="images/')
