"""The snapshot file: whole or not read at all."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.errors import PipelineError
from pipeline.state.dump import Entry
from pipeline.state.snapshot import Damaged, read_snapshot, set_aside, write_snapshot

ENTRIES = [
    Entry("a", "string", "caf\udce9\n", 1_800_000_000_000),
    Entry("b", "hash", [["field", "value"], ["", "é"]]),
    Entry("c", "zset", [["member", "1.5"]]),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "state.jsonl"
    write_snapshot(path, [entry.to_line() for entry in ENTRIES])
    return path


def test_entries_come_back(path: Path) -> None:
    assert read_snapshot(path) == ENTRIES
    assert [each.name for each in path.parent.iterdir()] == ["state.jsonl"]


def test_missing_file_is_an_empty_store(tmp_path: Path) -> None:
    assert read_snapshot(tmp_path / "state.jsonl") == []


def test_file_that_cannot_be_written_leaves_the_old_one(path: Path) -> None:
    def lines() -> object:
        yield ENTRIES[0].to_line()
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        write_snapshot(path, lines())  # type: ignore[arg-type]
    assert read_snapshot(path) == ENTRIES
    assert [each.name for each in path.parent.iterdir()] == ["state.jsonl"]


def test_any_truncation_is_noticed(path: Path) -> None:
    whole = path.read_bytes()
    for length in range(len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(Damaged):
            read_snapshot(path)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_changed_byte_of_the_entries_is_noticed(path: Path, data: st.DataObject) -> None:
    unchanged = path.with_name("unchanged")
    if not unchanged.exists():
        path.rename(unchanged)
    whole = bytearray(unchanged.read_bytes())
    first, last = whole.index(b"\n") + 1, whole.rindex(b"\n", 0, -1)
    position = first + data.draw(st.integers(0, last - first - 1))
    whole[position] ^= data.draw(st.integers(1, 255))
    path.write_bytes(whole)
    with pytest.raises(Damaged):
        read_snapshot(path)


@pytest.mark.parametrize("content", [b"", b"\n", b"hello\n", b"[]\n[]\n", b"{}\n{}\n", b"\x00\xff\n", b"null"])
def test_other_files_are_no_snapshots(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "state.jsonl"
    path.write_bytes(content)
    with pytest.raises(Damaged):
        read_snapshot(path)


def test_file_of_a_later_version_is_left_alone(path: Path) -> None:
    path.write_text(path.read_text().replace('"version": 1', '"version": 2', 1))
    with pytest.raises(PipelineError, match="version 2") as caught:
        read_snapshot(path)
    assert caught.value.where == str(path)
    assert path.exists()


def test_damaged_file_is_set_aside_under_a_name_of_its_own(path: Path) -> None:
    content = path.read_bytes()
    aside = set_aside(path)
    assert not path.exists()
    assert aside.read_bytes() == content
    assert aside.name.startswith("state.damaged-")
