"""Hashes that are kept from run to run are right, whatever is done to a file and whenever."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.fingerprint import Look
from tests.integration.library.test_kept_fingerprints import NOW, OLD, PATH, SECOND, Runs, of


class CoarseDisk:
    """One file on a file system whose times are in steps of two seconds; what is written silently tells no time."""

    def __init__(self) -> None:
        self.now = NOW
        self.content = "0"
        self.inode = 1
        self.mtime = self.ctime = NOW

    def _stamp(self) -> int:
        return self.now // (2 * SECOND) * 2 * SECOND

    def look(self) -> Look:
        return Look(OLD.device, self.inode, 1000, self.mtime, self.ctime)

    def write(self, content: str) -> None:
        self.content, self.mtime, self.ctime = content, self._stamp(), self._stamp()

    def write_and_set_time_back(self, content: str) -> None:
        self.content, self.ctime = content, self._stamp()

    def write_mapped(self, content: str) -> None:
        """Until half a minute after the last change that was told, pages are still open to silent ones."""
        if self.now - self.ctime >= 35 * SECOND:
            self.mtime = self.ctime = self._stamp()
        self.content = content

    def replace(self, content: str) -> None:
        self.inode = 3 - self.inode
        self.content, self.ctime = content, self._stamp()


STEPS = st.one_of(
    st.tuples(st.sampled_from(["write", "write_and_set_time_back", "replace"]), st.sampled_from("012")),
    st.tuples(st.just("write_mapped"), st.sampled_from("012")),
    st.tuples(st.just("pass"), st.sampled_from([0.5, 1.9, 30.0, 61.0])),
    st.tuples(st.just("read"), st.none()),
    st.tuples(st.just("restart"), st.none()),
)


@settings(max_examples=250, deadline=None)
@given(steps=st.lists(STEPS, min_size=12, max_size=30))
def test_whatever_happens_to_a_file_its_hash_is_right_or_not_known(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, Any]]
) -> None:
    disk = CoarseDisk()
    runs = Runs(tmp_path_factory.mktemp("data"))
    run = runs.next()
    for step, value in steps:
        runs.now = disk.now
        match step:
            case "pass":
                disk.now += int(value * SECOND)
            case "restart":
                run = runs.next()
            case "read":
                run.keep(PATH, of(disk.look(), disk.content), disk.now)
            case _:
                getattr(disk, step)(value)
        known = run.recall([(PATH, disk.look())]).get(PATH)
        assert known is None or known == of(disk.look(), disk.content)
    runs.close()
