"""SHA-256 and XXH128 of a file in one pass, of one state of it: a file that changes meanwhile is read again."""

from __future__ import annotations

import hashlib
import os
import stat
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import xxhash

from stages.formats import format_family, reader

_BUFFER_BYTES = 1024 * 1024
_buffers = threading.local()


@dataclass(frozen=True, slots=True)
class Look:
    """What the file system says of a file at one moment. Times in nanoseconds since the epoch."""

    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> Look:
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)

    @property
    def identity(self) -> tuple[int, int]:
        """Which file it is, whatever its name. Reused by file systems once the file is deleted."""
        return self.device, self.inode

    def same_content(self, other: Look) -> bool:
        """Whether nothing suggests that the content differs. A rename changes `ctime_ns`, and none of these."""
        return (*self.identity, self.size, self.mtime_ns) == (*other.identity, other.size, other.mtime_ns)


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """A file's content in short.

    Attributes:
        look: the file's state before the first and after the last byte was read.
        sha256, xxh128: lower-case hexadecimal.
        format_family: see `stages.formats.format_family`.
    """

    look: Look
    sha256: str
    xxh128: str
    format_family: str | None


class Digest(Protocol):
    """The part of a hash object that is used here."""

    def update(self, data: Any, /) -> Any: ...


class Unsettled(Exception):
    """The file changed each time it was read."""


class Abandoned(Exception):
    """The reader was told to stop."""


def open_for_reading(path: str) -> int:
    """A file descriptor. Never blocks, not even on a pipe that took the file's place."""
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)


def fingerprint(
    path: str,
    *,
    attempts: int = 3,
    abandoned: Callable[[], bool] = lambda: False,
    opener: Callable[[str], int] = open_for_reading,
) -> Fingerprint:
    """Hash a regular file, starting again when it changes or is replaced while it is read.

    Args:
        attempts: how often to start at most.
        abandoned: asked once per MiB.
    Raises: Unsettled after the last attempt; Abandoned; FileNotFoundError where it is gone or not a regular
        file; OSError where it cannot be read.
    """
    sha256, xxh128, family = "", "", None

    def read(descriptor: int, size: int) -> int:
        nonlocal sha256, xxh128, family
        family = format_family(path, reader(descriptor))
        digests = (hashlib.sha256(), xxhash.xxh3_128())
        total = _hash(descriptor, size, digests, abandoned)
        sha256, xxh128 = (digest.hexdigest() for digest in digests)
        return total

    look = _settled(path, read, attempts, opener)
    return Fingerprint(look, sha256, xxh128, family)


def xxh128_of(
    path: str,
    *,
    attempts: int = 3,
    abandoned: Callable[[], bool] = lambda: False,
    opener: Callable[[str], int] = open_for_reading,
) -> tuple[Look, str]:
    """The XXH128 of a regular file in lower-case hexadecimal, and its state all the while. As `fingerprint`."""
    xxh128 = ""

    def read(descriptor: int, size: int) -> int:
        nonlocal xxh128
        digest = xxhash.xxh3_128()
        total = _hash(descriptor, size, (digest,), abandoned)
        xxh128 = digest.hexdigest()
        return total

    look = _settled(path, read, attempts, opener)
    return look, xxh128


def _settled(path: str, read: Callable[[int, int], int], attempts: int, opener: Callable[[str], int]) -> Look:
    """Read a file, given its size, until it was the same before and after; its state then."""
    for _ in range(attempts):
        descriptor = opener(path)
        try:
            before = os.fstat(descriptor)
            if not stat.S_ISREG(before.st_mode):
                raise FileNotFoundError(f"not a regular file: {path!r}")
            total = read(descriptor, before.st_size)
        finally:
            os.close(descriptor)
        look = Look.of(before)
        if total == before.st_size and Look.of(os.stat(path)) == look:
            return look
    raise Unsettled(path)


def _hash(descriptor: int, size: int, digests: Sequence[Digest], abandoned: Callable[[], bool]) -> int:
    """Bytes read and hashed. Reads little beyond `size`, however fast the file grows."""
    buffer = _buffer()
    total = 0
    while total <= size and (count := os.readv(descriptor, [buffer])):
        if abandoned():
            raise Abandoned
        part = buffer[:count]
        for digest in digests:
            digest.update(part)
        total += count
    return total


def _buffer() -> memoryview:
    """This thread's buffer: allocating one per file would cost more than hashing a small file."""
    if not hasattr(_buffers, "view"):
        _buffers.view = memoryview(bytearray(_BUFFER_BYTES))
    return _buffers.view  # type: ignore[no-any-return]
