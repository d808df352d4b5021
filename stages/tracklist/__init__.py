"""Tracklists of recordings: from what a file says of itself, from a sheet beside it, or heard in its audio."""

from stages.tracklist.answer import failed
from stages.tracklist.generate import find, locate, store

__all__ = ["failed", "find", "locate", "store"]
