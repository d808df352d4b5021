"""Watching folders with the kernel's help: a thread turns inotify's events into hints.

inotify is asked directly rather than through watchdog (7.1), which loses changes for good when folders are moved out
and in, whose reading thread ends on a KeyError then, and which says nothing when the kernel's queue overflows or when
folders below the root cannot be watched. Source: inotify(7).
"""

from __future__ import annotations

import ctypes
import errno
import os
import select
import struct
import sys
import threading
from collections.abc import Callable

from stages.watcher.folders import is_inside
from stages.watcher.hints import Hints, Touch

_MODIFY, _ATTRIB, _CLOSE_WRITE = 0x002, 0x004, 0x008
_MOVED_FROM, _MOVED_TO, _CREATE, _DELETE, _DELETE_SELF, _MOVE_SELF = 0x040, 0x080, 0x100, 0x200, 0x400, 0x800
_UNMOUNT, _OVERFLOW, _IGNORED = 0x2000, 0x4000, 0x8000
_ONLYDIR, _DONT_FOLLOW, _EXCL_UNLINK, _ISDIR = 0x0100_0000, 0x0200_0000, 0x0400_0000, 0x4000_0000

_EVENTS = _MODIFY | _ATTRIB | _CLOSE_WRITE | _MOVED_FROM | _MOVED_TO | _CREATE | _DELETE | _DELETE_SELF | _MOVE_SELF
_MASK = _EVENTS | _ONLYDIR | _DONT_FOLLOW | _EXCL_UNLINK
_ROOT_IS_AFFECTED = _DELETE_SELF | _MOVE_SELF | _UNMOUNT | _IGNORED

_HEADER = struct.Struct("iIII")
_READ_BYTES = 256 * 1024
_COOKIES_KEPT = 1000
_LIMITS = frozenset({errno.ENOSPC, errno.EMFILE})

AVAILABLE = sys.platform == "linux"

OnLimit = Callable[[], None]


def is_limit(error: OSError) -> bool:
    """Whether a folder cannot be watched because the kernel's limit of watches or instances is reached."""
    return error.errno in _LIMITS


class Observation:
    """Observes folders with all that is below them, until stopped. Its methods block: call them in a thread.

    A folder is watched before it is looked into, and a hint to look into it follows, so nothing is missed that
    happens meanwhile. A folder that is moved loses its watches and gets new ones under its new path.

    Args:
        hints: receives what happens.
        covers: whether files in a folder may be wanted; others are not watched.
        on_limit: called from a thread when a folder could not be watched: hints are incomplete from then on.
    Raises: OSError where the system offers none (see `is_limit`).
    """

    def __init__(self, hints: Hints, covers: Callable[[str], bool], on_limit: OnLimit) -> None:
        self._hints = hints
        self._covers = covers
        self._on_limit = on_limit
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = self._checked(self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
        self._stopping = os.eventfd(0, os.EFD_CLOEXEC)
        self._lock = threading.RLock()
        self._roots: set[str] = set()
        self._paths: dict[int, str] = {}
        self._departures: dict[int, str] = {}
        self._reader = threading.Thread(target=self._run, name="watcher-observe", daemon=True)
        self._reader.start()

    def add(self, root: str) -> None:
        """Observe a folder, anew if it was observed before. Raises OSError if it cannot be."""
        with self._lock:
            self.remove(root)
            self._watch(root)
            self._roots.add(root)
            self._watch_below(root)

    def remove(self, root: str) -> None:
        """Observe it no longer."""
        with self._lock:
            self._roots.discard(root)
            self._unwatch(root)

    def stop(self) -> None:
        """End the thread, and all watches with it."""
        os.eventfd_write(self._stopping, 1)
        self._reader.join()
        os.close(self._descriptor)
        os.close(self._stopping)

    def _run(self) -> None:
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        poll.register(self._stopping, select.POLLIN)
        while self._stopping not in (ready := [descriptor for descriptor, _ in poll.poll()]):
            if self._descriptor in ready:
                self._take(os.read(self._descriptor, _READ_BYTES))

    def _take(self, events: bytes) -> None:
        offset = 0
        while offset < len(events):
            watch, mask, cookie, length = _HEADER.unpack_from(events, offset)
            offset += _HEADER.size
            name = os.fsdecode(events[offset : offset + length].rstrip(b"\0"))
            offset += length
            with self._lock:
                self._happened(watch, mask, cookie, name)

    def _happened(self, watch: int, mask: int, cookie: int, name: str) -> None:
        if mask & _OVERFLOW:
            self._begin_anew()
            return
        folder = self._paths.get(watch)
        if folder is None:
            return
        if mask & _IGNORED:
            del self._paths[watch]
        if not name:
            if folder in self._roots and mask & _ROOT_IS_AFFECTED:
                self._hints.folder(folder)
        elif mask & _ISDIR:
            self._folder_happened(os.path.join(folder, name), mask)
        else:
            self._file_happened(os.path.join(folder, name), mask, cookie)

    def _folder_happened(self, path: str, mask: int) -> None:
        if mask & _MOVED_FROM:
            self._unwatch(path)
        elif mask & (_CREATE | _MOVED_TO):
            self._watch_below(path, including=True)
        if mask & (_MOVED_FROM | _MOVED_TO | _CREATE | _DELETE):
            self._hints.folder(path)

    def _file_happened(self, path: str, mask: int, cookie: int) -> None:
        if mask & _MOVED_FROM:
            if len(self._departures) >= _COOKIES_KEPT:
                self._departures.clear()
            self._departures[cookie] = path
            self._hints.touch(path, Touch.SEEN)
        elif mask & _MOVED_TO:
            old = self._departures.pop(cookie, None)
            if old is None:
                self._hints.touch(path, Touch.CLOSED)
            else:
                self._hints.moved(old, path)
        elif mask & _CLOSE_WRITE:
            self._hints.touch(path, Touch.CLOSED)
        else:
            self._hints.touch(path, Touch.WRITTEN if mask & _MODIFY else Touch.SEEN)

    def _begin_anew(self) -> None:
        """Watch what is there now, after events were lost: folders may have come, gone and moved unseen."""
        before, self._paths = self._paths, {}
        for root in self._roots:
            self._watch_below(root, including=True)
        for watch in before.keys() - self._paths.keys():
            self._libc.inotify_rm_watch(self._descriptor, watch)
        self._departures.clear()
        self._hints.lose()

    def _watch_below(self, folder: str, *, including: bool = False) -> None:
        pending = [folder]
        while pending:
            here = pending.pop()
            if including or here != folder:
                if not self._covers(here):
                    continue
                try:
                    self._watch(here)
                except OSError as error:
                    if is_limit(error):
                        self._on_limit()
                        return
                    continue  # it has gone again, or may not be read
            try:
                with os.scandir(here) as entries:
                    pending += [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
            except OSError:
                continue

    def _watch(self, folder: str) -> None:
        """The kernel gives a folder that is watched already the same number, so that its path becomes this one."""
        found = self._checked(self._libc.inotify_add_watch(self._descriptor, os.fsencode(folder), _MASK))
        self._paths[found] = folder

    def _unwatch(self, folder: str) -> None:
        for watch in [watch for watch, path in self._paths.items() if is_inside(path, folder)]:
            del self._paths[watch]
            self._libc.inotify_rm_watch(self._descriptor, watch)

    def _checked(self, answer: int) -> int:
        if answer < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        return answer
