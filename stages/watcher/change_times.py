"""Which file systems record on disk when a file was last changed in any way, however its other times are set.

Sticks and cards (FAT, exFAT) do not, and neither does what is reached over SFTP or the like: there, a file may have
other content with the same size and times, since tag editors can keep the time of modification.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from stages.fingerprint import Look

_LISTED = Path("/proc/self/mountinfo")
# fmt: off
_KEEPING = frozenset({
    b"ext2", b"ext3", b"ext4", b"xfs", b"btrfs", b"zfs", b"f2fs", b"bcachefs", b"jfs", b"nilfs2", b"reiserfs",
    b"ubifs", b"ntfs3", b"hfsplus", b"overlay", b"tmpfs", b"ramfs",
    b"nfs", b"nfs4", b"cifs", b"smb3", b"ceph", b"fuse.mergerfs",
})
# fmt: on
_ESCAPED = re.compile(rb"\\([0-7]{3})")


class ChangeTimes:
    """The file systems that are mounted at one moment.

    Args:
        mounts: lines as in /proc/self/mountinfo; see proc_pid_mountinfo(5).
    """

    def __init__(self, mounts: Iterable[bytes]) -> None:
        self._by_device: dict[int, bool] = {}
        self._by_folder: dict[str, bool] = {}
        for line in mounts:
            fields, _, source = line.partition(b" - ")
            numbers, _, folder = fields.split(b" ")[2:5]
            keeping = source.split(b" ", 1)[0] in _KEEPING
            major, minor = numbers.split(b":")
            self._by_device[os.makedev(int(major), int(minor))] = keeping
            self._by_folder[os.fsdecode(_ESCAPED.sub(lambda code: bytes([int(code[1], 8)]), folder))] = keeping

    @classmethod
    def now(cls) -> ChangeTimes:
        """Of this moment. Blocks. Where the system has no such list, no file system is known to keep them."""
        try:
            return cls(_LISTED.read_bytes().splitlines())
        except OSError:
            return cls(())

    def are_kept(self, path: str, look: Look) -> bool:
        """Whether `look.ctime_ns` of the file at a path is the recorded time of its last change."""
        kept = self._by_device.get(look.device)
        if kept is not None:
            return kept
        # Btrfs and overlays give files devices that are not listed.
        while path not in self._by_folder and path != os.sep and path:
            path = os.path.dirname(path)
        return self._by_folder.get(path, False)
