"""What a rename does to the files of a folder, and what it never does."""

from __future__ import annotations

import errno
import os
import tempfile
import threading
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import Permanent
from stages.rename import exclusive, folder, moving
from stages.rename.backup import copy
from stages.rename.folder import opened, refused
from stages.rename.moving import carried_out, planned


def code_of(refusal: pytest.ExceptionInfo[Permanent]) -> str:
    return refusal.value.error_code


def test_the_file_has_the_new_name_and_no_other(library, track, rename, contents):
    before = contents(library)["track.mp3"]
    assert rename(track, "Artist - Title.mp3") is None
    assert contents(library) == {"Artist - Title.mp3": before}


def test_a_file_that_has_the_name_already_is_left_alone(library, track, rename):
    state = track.stat()
    assert rename(track, "track.mp3", backup=True) is None
    assert os.listdir(library) == ["track.mp3"]
    assert track.stat().st_ctime_ns == state.st_ctime_ns


@pytest.mark.parametrize("there", ["Taken.mp3", "TAKEN.mp3", "taken.MP3"])
def test_a_name_that_is_taken_is_refused_whatever_its_case(library, track, rename, contents, there):
    (library / there).write_bytes(b"other")
    before = contents(library)
    with pytest.raises(Permanent) as refusal:
        rename(track, "Taken.mp3")
    assert code_of(refusal) == "TARGET_EXISTS"
    assert contents(library) == before


def test_a_name_taken_by_the_same_letters_composed_otherwise_is_refused(library, track, rename):
    (library / "Beyonce\u0301.mp3").touch()
    with pytest.raises(Permanent) as refusal:
        rename(track, "Beyonc\u00e9.mp3")
    assert code_of(refusal) == "TARGET_EXISTS"


def test_a_name_taken_by_a_dangling_link_is_refused(library, track, rename):
    (library / "Taken.mp3").symlink_to("nowhere.mp3")
    with pytest.raises(Permanent) as refusal:
        rename(track, "Taken.mp3")
    assert code_of(refusal) == "TARGET_EXISTS"


def test_only_the_case_of_a_name_can_be_changed(library, track, rename):
    rename(track, "TRACK.mp3")
    assert os.listdir(library) == ["TRACK.mp3"]


def test_a_name_that_is_taken_between_the_plan_and_the_rename_is_not_overwritten(library, track, plan, contents):
    made = plan(track, "Title.mp3")
    (library / "Title.mp3").write_bytes(b"came meanwhile")
    before = contents(library)
    with pytest.raises(Permanent) as refusal:
        carried_out(made, [library], backup=True)
    assert code_of(refusal) == "TARGET_EXISTS"
    assert contents(library) == before


@pytest.mark.parametrize("step", [exclusive.rename_in_one_step, exclusive.rename_by_links])
def test_neither_way_of_renaming_overwrites(library, track, contents, step):
    (library / "there.mp3").write_bytes(b"other")
    before = contents(library)
    with opened(library, [library]) as held:
        with pytest.raises(FileExistsError):
            step(held.descriptor, "track.mp3", "there.mp3")
        assert contents(library) == before
        step(held.descriptor, "track.mp3", "free.mp3")
    assert contents(library) == {"free.mp3": before["track.mp3"], "there.mp3": before["there.mp3"]}


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.EINVAL])
def test_links_are_used_where_the_file_system_cannot_rename_exclusively(library, track, rename, monkeypatch, number):
    def not_offered(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(exclusive, "rename_in_one_step", not_offered)
    inode = track.stat().st_ino
    rename(track, "Title.mp3")
    assert [(path.name, path.stat().st_ino) for path in library.iterdir()] == [("Title.mp3", inode)]


def attempt(library: Path, path: Path, suggested: str, number: int, *, backup: bool = False) -> str:
    """Rename; how it ended."""
    try:
        plan = planned(str(path), suggested, f"token-{number}", [library], preserve_extension=True)
        carried_out(plan, [library], backup=backup)
    except Permanent as refusal:
        return refusal.error_code
    return "done"


@settings(max_examples=40, deadline=None)
@given(
    names=st.lists(
        st.sampled_from(["a.mp3", "A.mp3", "b.mp3", "b.MP3", "é.mp3", "e\u0301.mp3"]), min_size=2, unique=True
    ),
    requests=st.lists(st.tuples(st.integers(0, 5), st.sampled_from("aAbBéc")), min_size=1, max_size=12),
    backup=st.booleans(),
)
def test_no_sequence_of_renames_loses_or_overwrites_a_file(names, requests, backup):
    with tempfile.TemporaryDirectory() as place:
        library = Path(place).resolve()
        for name in names:
            (library / name).write_bytes(name.encode())
        for number, (chosen, suggested) in enumerate(requests):
            music = sorted(path for path in library.iterdir() if path.suffix.lower() == ".mp3")
            old = music[chosen % len(music)]
            assert attempt(library, old, suggested, number, backup=backup) in ("done", "TARGET_EXISTS")
        kept = Counter(path.read_bytes() for path in library.iterdir() if path.suffix.lower() == ".mp3")
        assert kept == Counter(name.encode() for name in names)


def test_of_many_that_want_one_name_at_once_one_gets_it(library):
    tracks = [library / f"track {number}.mp3" for number in range(8)]
    for path in tracks:
        path.write_bytes(path.name.encode())
    outcomes: list[str] = []
    start = threading.Barrier(len(tracks))

    def rename(number: int) -> None:
        start.wait()
        outcomes.append(attempt(library, tracks[number], "Title.mp3" if number % 2 else "TITLE.mp3", number))

    threads = [threading.Thread(target=rename, args=(number,)) for number in range(len(tracks))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(outcomes) == {"done": 1, "TARGET_EXISTS": 7}
    contents = [path.read_bytes() for path in library.iterdir()]
    assert sorted(contents) == sorted(path.name.encode() for path in tracks)


def test_a_backup_keeps_the_old_name_and_the_content(library, track, rename):
    assert rename(track, "Title.mp3", backup=True) == "track.mp3.bak"
    assert sorted(os.listdir(library)) == ["Title.mp3", "track.mp3.bak"]
    assert (library / "track.mp3.bak").read_bytes() == b"content of the track"


def test_a_backup_of_another_file_is_not_overwritten(library, track, rename, contents):
    (library / "track.mp3.bak").write_bytes(b"of long ago")
    assert rename(track, "Title.mp3", backup=True) == "track.mp3.bak.2"
    assert (library / "track.mp3.bak").read_bytes() == b"of long ago"


def test_a_backup_of_the_same_file_is_not_made_twice(library, track, rename):
    os.link(track, library / "track.mp3.bak")
    assert rename(track, "Title.mp3", backup=True) == "track.mp3.bak"
    assert sorted(os.listdir(library)) == ["Title.mp3", "track.mp3.bak"]


def test_a_backup_is_a_copy_where_there_are_no_links(library, track, rename, monkeypatch):
    def no_links(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", no_links)
    os.utime(track, ns=(1_000_000_000, 2_000_000_000))
    assert rename(track, "Title.mp3", backup=True) == "track.mp3.bak"
    backup = library / "track.mp3.bak"
    assert backup.read_bytes() == b"content of the track"
    assert backup.stat().st_mtime_ns == 2_000_000_000
    assert backup.stat().st_ino != (library / "Title.mp3").stat().st_ino
    assert sorted(os.listdir(library)) == ["Title.mp3", "track.mp3.bak"]


def test_a_copy_that_fails_leaves_nothing_behind(library, track, monkeypatch):
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "fsync", full)
    with opened(library, [library]) as held, pytest.raises(OSError, match="full"):
        copy(held, "track.mp3", "track.mp3.bak", "token")
    assert os.listdir(library) == ["track.mp3"]


def test_a_rename_that_is_done_again_finds_it_done(library, track, plan):
    made = plan(track, "Title.mp3")
    assert carried_out(made, [library], backup=True) == "track.mp3.bak"
    before = sorted(os.listdir(library))
    assert carried_out(made, [library], backup=True) == "track.mp3.bak"
    assert sorted(os.listdir(library)) == before == ["Title.mp3", "track.mp3.bak"]


def test_a_rename_is_found_done_though_another_file_has_the_old_name_by_now(library, track, plan, contents):
    made = plan(track, "Title.mp3")
    carried_out(made, [library], backup=False)
    track.write_bytes(b"a newer one")
    before = contents(library)
    carried_out(made, [library], backup=False)
    assert contents(library) == before


def test_a_rename_by_links_that_was_interrupted_is_brought_to_its_end(library, track, plan):
    made = plan(track, "Title.mp3")
    os.link(track, library / "Title.mp3")
    carried_out(made, [library], backup=False)
    assert os.listdir(library) == ["Title.mp3"]


def test_a_rename_that_was_interrupted_halfway_is_brought_to_its_end(library, track, plan):
    made = plan(track, "TRACK.mp3")
    track.rename(library / ".token.renaming")
    carried_out(made, [library], backup=False)
    assert os.listdir(library) == ["TRACK.mp3"]


def test_a_file_left_halfway_gets_its_old_name_back_where_the_new_one_is_taken(library, track, plan):
    made = plan(track, "TRACK.mp3")
    track.rename(library / ".token.renaming")
    (library / "TRACK.mp3").write_bytes(b"came meanwhile")
    with pytest.raises(Permanent) as refusal:
        carried_out(made, [library], backup=False)
    assert code_of(refusal) == "TARGET_EXISTS"
    assert sorted(os.listdir(library)) == ["TRACK.mp3", "track.mp3"]
    assert track.read_bytes() == b"content of the track"


class InsensitiveFolder:
    """Files by names whose case does not matter, as FAT, NTFS and APFS keep them, behind the calls renames make."""

    def __init__(self, real: folder.Folder) -> None:
        self._real = real
        self.descriptor = real.descriptor

    def _stored(self, name: str) -> str:
        return next((each for each in self._real.names() if each.casefold() == name.casefold()), name)

    def file(self, name: str) -> folder.FileState | None:
        return self._real.file(self._stored(name))

    def names(self) -> list[str]:
        return self._real.names()

    def lookalike(self, name: str, besides: str) -> str | None:
        return self._real.lookalike(name, besides)

    def sync(self) -> None:
        self._real.sync()

    def rename(self, descriptor: int, old: str, new: str) -> None:
        if self._stored(new) in self._real.names():
            raise FileExistsError(errno.EEXIST, "there", new)
        os.rename(self._stored(old), new, src_dir_fd=descriptor, dst_dir_fd=descriptor)


def test_the_case_of_a_name_can_be_changed_where_case_does_not_matter(library, track, plan, monkeypatch):
    made = plan(track, "TRACK.mp3")
    with opened(library, [library]) as real:
        insensitive = InsensitiveFolder(real)
        monkeypatch.setattr(moving, "rename_exclusively", insensitive.rename)
        moving._carried_out(insensitive, made, backup=False)
    assert os.listdir(library) == ["TRACK.mp3"]


def test_a_file_that_vanished_after_the_plan_is_not_found(library, track, plan):
    made = plan(track, "Title.mp3")
    track.unlink()
    with pytest.raises(Permanent) as refusal:
        carried_out(made, [library], backup=True)
    assert code_of(refusal) == "FILE_NOT_FOUND"


def test_a_folder_swapped_for_a_link_after_the_plan_is_not_followed(library, plan, tmp_path):
    (library / "album").mkdir()
    (library / "album" / "track.mp3").write_bytes(b"mine")
    made = plan(library / "album" / "track.mp3", "Title.mp3")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "track.mp3").write_bytes(b"not mine")
    (library / "album").rename(library / "moved away")
    (library / "album").symlink_to(elsewhere)
    with pytest.raises(Permanent) as refusal:
        carried_out(made, [library], backup=True)
    assert code_of(refusal) == "PATH_NOT_ALLOWED"
    assert os.listdir(elsewhere) == ["track.mp3"]


def test_a_link_that_leads_out_of_the_library_is_refused(library, plan, tmp_path):
    (tmp_path / "outside.mp3").write_bytes(b"outside")
    (library / "link.mp3").symlink_to(tmp_path / "outside.mp3")
    with pytest.raises(Permanent) as refusal:
        plan(library / "link.mp3", "Title.mp3")
    assert code_of(refusal) == "PATH_NOT_ALLOWED"


def test_a_link_within_the_library_is_renamed_itself(library, track, rename):
    (library / "link.mp3").symlink_to("track.mp3")
    rename(library / "link.mp3", "Other.mp3")
    assert sorted(os.listdir(library)) == ["Other.mp3", "track.mp3"]
    assert os.readlink(library / "Other.mp3") == "track.mp3"


def test_a_path_through_a_link_within_the_library_is_renamed_where_it_is(library, rename):
    (library / "real").mkdir()
    (library / "real" / "track.mp3").write_bytes(b"mine")
    (library / "shown").symlink_to("real")
    rename(library / "shown" / "track.mp3", "Title.mp3")
    assert os.listdir(library / "real") == ["Title.mp3"]


@pytest.mark.parametrize(
    ("number", "code", "kind"),
    [
        (errno.EEXIST, "TARGET_EXISTS", "Permanent"),
        (errno.EROFS, "FOLDER_NOT_WRITABLE", "Permanent"),
        (errno.EACCES, "FOLDER_NOT_WRITABLE", "Permanent"),
        (errno.EPERM, "FOLDER_NOT_WRITABLE", "Permanent"),
        (errno.ENOTSUP, "FOLDER_NOT_WRITABLE", "Permanent"),
        (errno.ENAMETOOLONG, "INVALID_NAME", "Permanent"),
        (errno.EILSEQ, "INVALID_NAME", "Permanent"),
        (errno.ENOENT, "FILE_NOT_FOUND", "Permanent"),
        (errno.ENOSPC, "FOLDER_NOT_WRITABLE", "Transient"),
        (errno.EIO, "FOLDER_NOT_WRITABLE", "Transient"),
        (errno.EBADF, "FILE_UNREADABLE", "Permanent"),
    ],
)
def test_errors_of_the_file_system_have_their_codes(number, code, kind):
    error = refused(OSError(number, os.strerror(number)), "track.mp3")
    assert (error.error_code, type(error).__name__) == (code, kind)
