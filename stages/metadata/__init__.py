"""Metadata extraction: the tags somebody wrote into a file, its cover, and what the file is technically."""

from stages.metadata.extraction import locate, read, store
from stages.metadata.failures import failed

__all__ = ["failed", "locate", "read", "store"]
