"""A folder of a library, and renames in it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from stages.rename.moving import Plan, carried_out, planned

Rename = Callable[..., str | None]


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """The only root."""
    folder = tmp_path.resolve() / "library"
    folder.mkdir()
    return folder


@pytest.fixture
def track(library: Path) -> Path:
    path = library / "track.mp3"
    path.write_bytes(b"content of the track")
    return path


@pytest.fixture
def plan(library: Path) -> Callable[..., Plan]:
    """Plans a rename of a path."""

    def made(path: Path, suggested: str, *, token: str = "token", preserve_extension: bool = True) -> Plan:
        return planned(str(path), suggested, token, [library], preserve_extension=preserve_extension)

    return made


@pytest.fixture
def rename(plan: Callable[..., Plan], library: Path) -> Rename:
    """Plans a rename and carries it out; the name of the backup."""

    def done(path: Path, suggested: str, *, backup: bool = False, **options: object) -> str | None:
        return carried_out(plan(path, suggested, **options), [library], backup=backup)

    return done


@pytest.fixture
def contents() -> Callable[[Path], dict[str, str]]:
    """Name to the content's digest, of all that is in a folder."""
    return lambda folder: {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())
    }
