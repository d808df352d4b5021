"""Fetches Debian packages with music, and unpacks them without installing anything."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

PACKAGES = ("asc-music", "extremetuxracer-data")
_FOLDER = "music"
_SUFFIXES = (".mp3", ".ogg")


class NotFetched(RuntimeError):
    """The packages could not be had; the message says why, and what to do."""


def music_of_packages(cache: Path) -> list[Path]:
    """The music files of the packages, sorted; fetched once, kept in the cache folder. Raises NotFetched."""
    for package in PACKAGES:
        if not (cache / package).is_dir():
            _fetch(package, cache)
    found = [path for package in PACKAGES for path in (cache / package).rglob("*") if _is_music(path)]
    return sorted(found)


def _is_music(path: Path) -> bool:
    return path.suffix in _SUFFIXES and path.parent.name == _FOLDER


def _fetch(package: str, cache: Path) -> None:
    """Unpacked beside its place first, so that what is in its place is whole."""
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise NotFetched(f"apt-get and dpkg-deb are needed for {package}; name a folder of music of your own instead")
    partly = cache / f"{package}.partly"
    shutil.rmtree(partly, ignore_errors=True)
    partly.mkdir(parents=True)
    _run(["apt-get", "download", "-q", package], partly, f"Is {package} known? `apt-get update` brings the lists")
    (archive,) = partly.glob("*.deb")
    _run(["dpkg-deb", "-x", archive.name, "files"], partly, "Is the disk full?")
    (partly / "files").rename(cache / package)
    shutil.rmtree(partly)


def _run(command: list[str], folder: Path, fix: str) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        raise NotFetched(f"`{' '.join(command)}` failed: {done.stderr.strip()}. {fix}")
