"""Paths between clients and the file system."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePath


def shown_path(path: str | None, roots: Sequence[PurePath]) -> str:
    """A path of the library relative to its root; of anything else only the name."""
    if not path:
        return ""
    for root in roots:
        try:
            return PurePath(path).relative_to(root).as_posix()
        except ValueError:
            continue
    return PurePath(path).name


def generated_file(path: str | None, data_dir: Path) -> Path | None:
    """The real path of a regular file inside the data folder, given absolutely or relative to it; None for all else."""
    if not path:
        return None
    try:
        real = (data_dir / path).resolve(strict=True)
        inside = real.is_relative_to(data_dir.resolve(strict=True)) and real.is_file()
    except (OSError, RuntimeError, ValueError):
        return None
    return real if inside else None
