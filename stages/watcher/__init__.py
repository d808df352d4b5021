"""The source that watches folders: what is there at the start, and every change of a finished audio file after that."""

from stages.watcher.source import watch

__all__ = ["watch"]
