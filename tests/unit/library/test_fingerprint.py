from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
import xxhash
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stages.fingerprint import Abandoned, Look, Unsettled, fingerprint, open_for_reading


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(content=st.binary(max_size=5000), repeat=st.sampled_from([1, 1000]))
def test_both_digests_are_those_of_the_whole_content(tmp_path: Path, content: bytes, repeat: int) -> None:
    path = tmp_path / "a.mp3"
    path.write_bytes(content * repeat)
    found = fingerprint(str(path))
    assert found.sha256 == hashlib.sha256(content * repeat).hexdigest()
    assert found.xxh128 == xxhash.xxh128(content * repeat).hexdigest()
    assert found.look.size == len(content) * repeat


def test_empty_file_has_the_digests_of_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.mp3"
    path.touch()
    found = fingerprint(str(path))
    assert (found.look.size, found.sha256) == (0, hashlib.sha256().hexdigest())


def test_reading_starts_again_when_the_file_changes_meanwhile(tmp_path: Path) -> None:
    path = tmp_path / "a.mp3"
    path.write_bytes(b"before")
    changes = iter([b"between", None, None])

    def change() -> bool:
        if content := next(changes):
            path.write_bytes(content)
        return False

    assert fingerprint(str(path), abandoned=change).sha256 == hashlib.sha256(b"between").hexdigest()


def test_reading_starts_again_when_another_file_takes_its_place(tmp_path: Path) -> None:
    path, other = tmp_path / "a.mp3", tmp_path / "b.mp3"
    path.write_bytes(b"one")
    other.write_bytes(b"two")

    def replace() -> bool:
        if other.exists():
            other.replace(path)
        return False

    assert fingerprint(str(path), abandoned=replace).sha256 == hashlib.sha256(b"two").hexdigest()


def test_file_that_changes_each_time_is_unsettled(tmp_path: Path) -> None:
    path = tmp_path / "a.mp3"
    path.write_bytes(b"x")

    def grow() -> bool:
        with path.open("ab") as file:
            file.write(b"more")
        return False

    with pytest.raises(Unsettled):
        fingerprint(str(path), attempts=3, abandoned=grow)


def test_file_that_vanishes_while_it_is_read_is_not_found(tmp_path: Path) -> None:
    path = tmp_path / "a.mp3"
    path.write_bytes(b"x")

    def vanish() -> bool:
        path.unlink()
        return False

    with pytest.raises(FileNotFoundError):
        fingerprint(str(path), abandoned=vanish)


def test_reading_can_be_abandoned(tmp_path: Path) -> None:
    path = tmp_path / "a.mp3"
    path.write_bytes(b"x")
    with pytest.raises(Abandoned):
        fingerprint(str(path), abandoned=lambda: True)


def test_pipe_in_the_place_of_a_file_does_not_block(tmp_path: Path) -> None:
    path = tmp_path / "a.mp3"
    os.mkfifo(path)
    with pytest.raises(FileNotFoundError, match="not a regular file"):
        fingerprint(str(path))


def test_descriptor_is_closed_whatever_happens(tmp_path: Path) -> None:
    path = tmp_path / "a.mp3"
    path.write_bytes(b"x")
    opened: list[int] = []

    def opener(name: str) -> int:
        opened.append(open_for_reading(name))
        return opened[-1]

    with pytest.raises(Abandoned):
        fingerprint(str(path), opener=opener, abandoned=lambda: True)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(opened[0])


def test_renaming_a_file_leaves_its_content_the_same(tmp_path: Path) -> None:
    path = tmp_path / "a.mp3"
    path.write_bytes(b"x")
    before = Look.of(path.stat())
    after = Look.of(path.rename(tmp_path / "b.mp3").stat())
    assert before.same_content(after)
    (tmp_path / "b.mp3").write_bytes(b"xy")
    assert not before.same_content(Look.of((tmp_path / "b.mp3").stat()))
