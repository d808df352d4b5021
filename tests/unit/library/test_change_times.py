from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from stages.fingerprint import Look
from stages.watcher.change_times import ChangeTimes

MOUNTS = rb"""22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
40 27 8:17 / /media/USB\040stick rw,relatime shared:2 master:1 - vfat /dev/sdb1 rw
41 27 0:44 / /mnt/pool rw,relatime - btrfs /dev/sdc rw,subvol=/
42 41 0:50 / /mnt/pool/remote rw - fuse.sshfs me@host: rw
43 27 0:51 / /mnt/nas rw - autofs systemd-1 rw
44 43 0:52 / /mnt/nas rw - nfs4 nas:/music rw
45 27 0:60 / / rw - overlay overlay rw"""
MOUNTED = ChangeTimes(MOUNTS.splitlines())


def at(path: str, major: int, minor: int) -> bool:
    return MOUNTED.are_kept(path, Look(os.makedev(major, minor), 1, 1, 1, 1))


@pytest.mark.parametrize(
    ("path", "device", "kept"),
    [
        ("/home/me/Music/a.mp3", (8, 1), True),
        ("/media/USB stick/a.mp3", (8, 17), False),
        ("/home/me/Music/link to the stick.mp3", (8, 17), False),
        ("/mnt/nas/a.mp3", (0, 52), True),
        ("/mnt/pool/subvolume/a.mp3", (0, 99), True),
        ("/mnt/pool/remote/a.mp3", (0, 50), False),
        ("/mnt/pool/remote/deep/below/a.mp3", (0, 99), False),
        ("/mnt/poolside/a.mp3", (0, 99), True),
        ("/media/USB stick/a.mp3", (0, 99), False),
    ],
)
def test_file_system_is_found_by_its_device_or_else_by_its_folder(
    path: str, device: tuple[int, int], kept: bool
) -> None:
    assert at(path, *device) is kept


def test_nothing_is_trusted_where_the_system_has_no_list() -> None:
    assert not ChangeTimes(()).are_kept("/music/a.mp3", Look(1, 1, 1, 1, 1))


def test_list_of_the_system_says_what_its_own_tool_does(tmp_path: Path) -> None:
    kind = subprocess.run(["findmnt", "-no", "FSTYPE", "-T", tmp_path], check=True, capture_output=True).stdout.strip()
    look = Look.of(tmp_path.stat())
    device = f"{os.major(look.device)}:{os.minor(look.device)}".encode()
    expected = ChangeTimes([b"1 0 " + device + b" / / rw - " + kind + b" none rw"]).are_kept("/", look)
    assert ChangeTimes.now().are_kept(str(tmp_path / "a.mp3"), look) is expected
