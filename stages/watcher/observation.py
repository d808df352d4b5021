"""Watching folders with the operating system's help: watchdog's threads turn its events into hints.

Two things that watchdog keeps to itself would lose changes for good, so its inotify reader is extended to tell
of them: the kernel's queue overflowed; a folder below the root could not be watched because the limit is reached.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import sys
import warnings
from collections.abc import Callable
from typing import Any

from watchdog.events import (
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileAttribEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers.api import BaseObserver, ObservedWatch

from stages.watcher.hints import Hints, Touch

_FILTER: list[type[FileSystemEvent]] = [
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileAttribEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
]
_LIMITS = frozenset({errno.ENOSPC, errno.EMFILE})
_STOPPING_S = 2.0

OnLimit = Callable[[], None]


def is_limit(error: OSError) -> bool:
    """Whether a folder cannot be watched because the kernel's limit of watches or instances is reached."""
    return error.errno in _LIMITS


class Observation:
    """Observes folders, recursively, until stopped. Its methods block briefly: call them in a thread.

    Args:
        hints: receives what happens.
        on_limit: called from a thread when a folder could not be watched: hints are incomplete from then on.
    Raises: OSError where the system offers no further watch (see `is_limit`).
    """

    def __init__(self, hints: Hints, on_limit: OnLimit) -> None:
        self._handler = _Handler(hints)
        self._watches: dict[str, ObservedWatch] = {}
        self._observer, self._stop_reading = _observer(hints, on_limit)
        self._observer.start()

    def add(self, root: str) -> None:
        """Observe a folder, anew if it was observed before. Raises OSError if it cannot be."""
        self.remove(root)
        self._watches[root] = self._observer.schedule(self._handler, root, recursive=True, event_filter=_FILTER)

    def remove(self, root: str) -> None:
        watch = self._watches.pop(root, None)
        if watch is not None:
            with contextlib.suppress(KeyError):  # it has stopped by itself, or see _Reader
                self._observer.unschedule(watch)

    def stop(self) -> None:
        try:
            self._observer.stop()
            self._observer.join(_STOPPING_S)
        except KeyError:  # see _Reader: its threads are daemons, and end with the process
            logging.getLogger(__name__).debug("watchdog could not stop its threads")
        finally:
            self._stop_reading()


class _Handler(FileSystemEventHandler):
    def __init__(self, hints: Hints) -> None:
        self._hints = hints

    def dispatch(self, event: FileSystemEvent) -> None:
        path = os.fsdecode(event.src_path)
        match event:
            case DirMovedEvent():
                self._hints.folder(path)
                self._hints.folder(os.fsdecode(event.dest_path))
            case DirCreatedEvent() | DirDeletedEvent():
                self._hints.folder(path)
            case FileMovedEvent():
                self._hints.moved(path, os.fsdecode(event.dest_path))
            case FileClosedEvent():
                self._hints.touch(path, Touch.CLOSED)
            case FileModifiedEvent():
                self._hints.touch(path, Touch.WRITTEN)
            case _:
                self._hints.touch(path, Touch.SEEN)


if sys.platform == "linux":
    from watchdog.observers.inotify import InotifyEmitter
    from watchdog.observers.inotify_c import InotifyEvent, InotifyFD

    class _Reader(InotifyFD):
        """watchdog's reader of inotify events, which also tells what got lost.

        A folder moved out of the tree stays watched under its old path. Once that path exists anew, watchdog
        loses count and raises KeyError, which would end the reading thread without a word.
        """

        def __init__(self, hints: Hints, on_limit: OnLimit) -> None:
            super().__init__()
            self._hints = hints
            self._on_limit = on_limit

        def handle_event(self, event: InotifyEvent) -> None:
            try:
                super().handle_event(event)
            except KeyError:
                self._hints.lose()
            if event.is_queue_overflow:
                self._hints.lose()

        def add_callback(self, *arguments: Any, **named: Any) -> Any:
            try:
                return super().add_callback(*arguments, **named)
            except OSError as error:
                if is_limit(error):
                    self._on_limit()
                raise

    def _observer(hints: Hints, on_limit: OnLimit) -> tuple[BaseObserver, Callable[[], None]]:
        # A folder that was moved out and in again is watched already, which is what we want.
        warnings.filterwarnings("ignore", message="Callback with id", category=RuntimeWarning)
        reader = _Reader(hints, on_limit)
        reader.start()

        def stop() -> None:
            reader.stop()
            reader.join(_STOPPING_S)

        return BaseObserver(InotifyEmitter, inotify_fd=reader), stop

else:

    def _observer(hints: Hints, on_limit: OnLimit) -> tuple[BaseObserver, Callable[[], None]]:
        from watchdog.observers import Observer

        return Observer(), lambda: None
