"""A tracker on files that exist only here: what it tells, and that lost, doubled and reordered hints do not matter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from stages.fingerprint import Fingerprint, Look
from stages.watcher.folders import GONE
from stages.watcher.hints import Touch
from stages.watcher.tracker import Change, Tracker

PATHS = ["/m/a.mp3", "/m/b.mp3", "/m/c.mp3", "/m/d/a.mp3"]
SETTLE, PAIRING = 1.0, 2.0


class Disk:
    """Files in a folder; inodes are used again at once, as file systems do."""

    def __init__(self) -> None:
        self.files: dict[str, tuple[Look, str]] = {}
        self._ticks = 0

    def _tick(self) -> int:
        self._ticks += 1
        return self._ticks

    def write(self, path: str, content: str) -> None:
        now = self._tick()
        inode = self.files[path][0].inode if path in self.files else self._free_inode()
        self.files[path] = Look(1, inode, len(content), now, now), content

    def replace(self, path: str, content: str) -> None:
        now = self._tick()
        self.files[path] = Look(1, self._free_inode(), len(content), now, now), content

    def delete(self, path: str) -> None:
        self.files.pop(path, None)

    def rename(self, old: str, new: str) -> None:
        look, content = self.files.pop(old)
        self.files[new] = Look(1, look.inode, look.size, look.mtime_ns, self._tick()), content

    def looks(self, paths: Any) -> Mapping[str, Look | str]:
        return {path: self.files[path][0] if path in self.files else GONE for path in paths}

    def _free_inode(self) -> int:
        used = {look.inode for look, _ in self.files.values()}
        return next(inode for inode in range(1, 100) if inode not in used)


class Library:
    """What somebody knows who only follows the changes that a tracker tells."""

    def __init__(self, disk: Disk) -> None:
        self.disk = disk
        self.tracker = Tracker(SETTLE, PAIRING)
        self.contents: dict[str, str] = {}
        self.told: list[tuple[str, str]] = []
        self.now = 0.0

    def hint(self, *paths: str, what: Touch = Touch.CLOSED, origin: str | None = None) -> None:
        for path in paths:
            self.tracker.touch(path, what, self.now, origin=origin)

    def pass_time(self, seconds: float) -> None:
        """Let the tracker look at what is due, as the source does, until the time is over."""
        end = self.now + seconds
        while self.now < end:
            self.now += 0.3
            due = self.tracker.due(self.now)
            looks = dict(self.disk.looks(due))
            looks |= self.disk.looks(self.tracker.relatives(looks))
            self._follow(self.tracker.examine(due, looks, self.now))
            for path in self.tracker.expired(self.now):
                self._follow([self.tracker.deleted(path, self.disk.looks([path])[path], self.now)])
            while self.tracker.ready:
                self._read(self.tracker.ready.popleft())

    def _read(self, path: str) -> None:
        if path not in self.disk.files:
            self.tracker.vanished(path, self.now)
            return
        look, content = self.disk.files[path]
        fingerprint = Fingerprint(look, content, content, "mp3")
        twins = self.disk.looks(self.tracker.twins([(path, fingerprint)]))
        self._follow([self.tracker.hashed(path, fingerprint, twins)])

    def _follow(self, changes: list[Change | None] | list[Change]) -> None:
        for change in changes:
            if change is None:
                continue
            self.told.append((change.kind, change.path))
            if change.kind == "deleted":
                assert self.contents.pop(change.path, None) is not None, "a file is deleted that was never told of"
                continue
            if change.kind == "moved":
                assert change.old_path in self.contents, "a file is moved that was never told of"
                del self.contents[change.old_path]
            elif change.kind == "modified":
                assert self.contents[change.path] != change.known.sha256, "a file is modified that is as it was"
            else:
                assert change.path not in self.contents, "a file is created twice"
            assert change.known.sha256 is not None
            self.contents[change.path] = change.known.sha256


A, B, C, _ = PATHS


def library_with(**contents: str) -> Library:
    """Knows files of these names in /m."""
    library = Library(Disk())
    for name, content in contents.items():
        library.disk.write(f"/m/{name}.mp3", content)
        library.hint(f"/m/{name}.mp3")
    library.pass_time(1.0)
    library.told.clear()
    return library


def test_files_that_moved_up_one_after_the_other_are_told_in_an_order_that_holds() -> None:
    library = library_with(a="x", b="y")
    library.disk.rename(B, C)
    library.disk.rename(A, B)
    library.hint(A, B, C)
    library.pass_time(5.0)
    assert library.told == [("moved", C), ("moved", B)]
    assert library.contents == {C: "y", B: "x"}


def test_files_that_changed_places_are_modified() -> None:
    library = library_with(a="x", b="y")
    library.disk.rename(A, "/m/swap")
    library.disk.rename(B, A)
    library.disk.rename("/m/swap", B)
    library.hint(A, B)
    library.pass_time(5.0)
    assert sorted(library.told) == [("modified", A), ("modified", B)]


def test_new_file_with_the_inode_of_a_deleted_one_is_not_that_file() -> None:
    library = library_with(a="x")
    library.disk.delete(A)
    library.disk.write(B, "other")
    library.hint(A, B)
    library.pass_time(5.0)
    assert library.told == [("created", B), ("deleted", A)]


def test_file_renamed_and_changed_between_two_looks_is_moved_and_modified() -> None:
    library = library_with(a="x")
    library.disk.rename(A, B)
    library.disk.write(B, "longer")
    library.hint(A, what=Touch.SEEN)
    library.hint(B, origin=A)
    library.pass_time(5.0)
    assert library.told == [("moved", B), ("modified", B)]


def test_copy_that_outlives_its_original_is_the_original_moved() -> None:
    library = library_with(a="x")
    library.disk.write(B, "x")
    library.disk.delete(A)
    library.hint(A, B)
    library.pass_time(5.0)
    assert library.told == [("moved", B)]


def test_change_of_attributes_alone_is_not_read() -> None:
    library = library_with(a="x")
    look, content = library.disk.files[A]
    library.disk.files[A] = Look(1, look.inode, look.size, look.mtime_ns, 99), content
    library.hint(A, what=Touch.SEEN)
    library.tracker.examine(library.tracker.due(library.now), library.disk.looks([A]), library.now)
    assert not library.tracker.ready
    assert not library.tracker.is_awaited(A)


OPERATIONS = st.one_of(
    st.tuples(st.just("write"), st.sampled_from(PATHS), st.sampled_from(["x", "y", "zz"])),
    st.tuples(st.just("replace"), st.sampled_from(PATHS), st.sampled_from(["x", "y", "zz"])),
    st.tuples(st.just("delete"), st.sampled_from(PATHS)),
    st.tuples(st.just("rename"), st.sampled_from(PATHS), st.sampled_from(PATHS)),
    st.tuples(st.just("wait"), st.sampled_from([0.3, 0.9, 3.0])),
)


@settings(max_examples=60, deadline=None)
@given(operations=st.lists(OPERATIONS, max_size=14), data=st.data())
def test_what_is_told_ends_up_as_what_is_there(operations: list[tuple[Any, ...]], data: st.DataObject) -> None:
    disk = Disk()
    library = Library(disk)
    for operation, *details in operations:
        hints: list[tuple[str, Touch, str | None]] = []
        match operation:
            case "wait":
                library.pass_time(details[0])
            case "rename":
                old, new = details
                if old in disk.files and old != new:
                    disk.rename(old, new)
                    hints = [(old, Touch.SEEN, None), (new, Touch.CLOSED, data.draw(st.sampled_from([old, None])))]
            case "delete":
                disk.delete(details[0])
                hints = [(details[0], Touch.SEEN, None)]
            case _:
                getattr(disk, operation)(*details)
                hints = [(details[0], what, None) for what in (Touch.SEEN, Touch.WRITTEN, Touch.CLOSED)]
        for path, what, origin in data.draw(st.permutations(hints)) if hints else []:
            if data.draw(st.integers(0, 4)):
                library.tracker.touch(path, what, library.now, origin=origin)
    for path in PATHS:
        library.tracker.touch(path, Touch.SEEN, library.now, doubtful=True)
    library.pass_time(10.0)
    assert library.contents == {path: content for path, (_, content) in disk.files.items()}
    assert library.tracker.next_due() is None
