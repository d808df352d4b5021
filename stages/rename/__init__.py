"""Renaming files: requests for it, the patterns in names, and what people think of the names."""

from stages.rename.analyze import answer, gather, look
from stages.rename.analyze import failed as patterns_failed
from stages.rename.feedback import learn
from stages.rename.request import failed, rename

__all__ = ["answer", "failed", "gather", "learn", "look", "patterns_failed", "rename"]
