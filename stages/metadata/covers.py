"""Covers in the data folder: each picture once, under the SHA-256 of its bytes."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from stages.files import write_whole
from stages.metadata.pictures import Picture

FOLDER = "covers"


def store_cover(picture: Picture, data_dir: Path) -> dict[str, Any]:
    """Write it where it is not there yet, atomically, and say which it is.

    Returns: mime, width, height, bytes, sha256, and `file`, its path from the data folder.
    Raises: OSError.
    """
    sha256 = hashlib.sha256(picture.data).hexdigest()
    file = f"{FOLDER}/{sha256}.{picture.extension}"
    _write_once(data_dir / file, picture.data)
    return {
        "mime": picture.mime,
        "width": picture.width,
        "height": picture.height,
        "bytes": len(picture.data),
        "sha256": sha256,
        "file": file,
    }


def _write_once(path: Path, data: bytes) -> None:
    """The name is the content's hash: what is there and as long is the same, unless a disk broke it."""
    if path.is_file() and path.stat().st_size == len(data):
        return
    write_whole(path, data)
