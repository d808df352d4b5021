"""Renaming files: requests for it, the patterns in names, and what people think of the names."""

from stages.rename.request import failed, rename

__all__ = ["failed", "rename"]
