"""A metadata document as clients see it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def shown_metadata(document: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Without the paths on the server."""
    if document is None:
        return None
    shown = {key: value for key, value in document.items() if key != "file_path"}
    if shown.get("cover"):
        shown["cover"] = {key: value for key, value in shown["cover"].items() if key != "file"}
    return shown
