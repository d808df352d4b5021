"""CUE sheets beside audio files: which one is about a file, and what it says."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import Permanent
from stages.tracklist.found import Generated

Generate = Callable[..., Generated]
MakeTrack = Callable[..., Path]


def sheet(file: str, title: str = "Right", start: str = "00:03:00") -> str:
    return f'FILE "{file}" WAVE\n  TRACK 01 AUDIO\n    TITLE "{title}"\n    INDEX 01 {start}\n'


def titles(generated: Generated) -> list[str | None]:
    return [entry.title for entry in generated.found.entries]


@pytest.mark.parametrize("name", ["mix.cue", "mix.flac.cue", "MIX.CUE", "Mix.Flac.Cue", "set.cue", "another.CUE"])
@pytest.mark.parametrize("file", ["mix.flac", "MIX.WAV", r"D:\Music\mix.flac", "/music/mix.flac"])
def test_a_sheet_is_found_by_its_name_or_by_the_file_it_names(
    name: str, file: str, track: MakeTrack, generate: Generate
) -> None:
    path = track("flac")
    path.with_name(name).write_text(sheet(file))
    generated = generate(path, "sidecar")
    assert titles(generated) == ["Right"]
    assert (generated.found.source, generated.found.entries[0].start_seconds) == ("sidecar", 3)


def test_the_most_particular_name_wins_and_a_useless_sheet_does_not(track: MakeTrack, generate: Generate) -> None:
    path = track("flac")
    path.with_name("aaa.cue").write_text(sheet("mix.flac", "named in it"))
    path.with_name("mix.cue").write_text(sheet("anything.wav", "by its stem"))
    assert titles(generate(path, "sidecar")) == ["by its stem"]
    own = path.with_name("mix.flac.cue")
    own.write_text(sheet("anything.wav", "by its name"))
    assert titles(generate(path, "sidecar")) == ["by its name"]
    own.write_text("no sheet at all")
    assert titles(generate(path, "sidecar")) == ["by its stem"]


def test_a_sheet_of_other_files_is_about_another_file(track: MakeTrack, generate: Generate) -> None:
    path = track("flac")
    path.with_name("other.cue").write_text(sheet("other.flac"))
    with pytest.raises(Permanent) as refused:
        generate(path, "sidecar")
    assert refused.value.error_code == "NO_TRACKLIST"


def test_of_a_sheet_about_several_files_only_the_tracks_of_this_one_are_taken(
    track: MakeTrack, generate: Generate
) -> None:
    path = track("flac")
    sides = sheet("side a.flac", "no") + sheet("mix.flac", "first", "00:00:00") + sheet("mix.flac", "second")
    path.with_name("record.cue").write_text(sides)
    assert titles(generate(path)) == ["first", "second"]
    path.with_name("mix.cue").write_text(sheet("side a.flac") + sheet("side b.flac"))
    path.with_name("record.cue").unlink()
    with pytest.raises(Permanent) as refused:
        generate(path, "sidecar")
    assert refused.value.error_code == "INVALID_CUE"


def test_a_recorders_sheet_with_a_file_in_each_track_is_read(track: MakeTrack, generate: Generate) -> None:
    path = track("wav")
    lines = [f'TRACK 0{n} AUDIO\nTITLE "{n}th"\nFILE "REC.WAV" WAVE\nINDEX 01 00:0{n}:00\n' for n in (1, 2, 3)]
    path.with_name("mix.cue").write_text('PERFORMER "Me"\n' + "".join(lines))
    generated = generate(path, "sidecar")
    assert titles(generated) == ["1th", "2th", "3th"]
    assert generated.found.performer == "Me"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_titles_come_out_as_they_were_meant(encoding: str, track: MakeTrack, generate: Generate) -> None:
    path = track("flac")
    path.with_name("mix.cue").write_bytes(sheet("mix.flac", "Süße Grüße").replace("\n", "\r\n").encode(encoding))
    assert titles(generate(path, "sidecar")) == ["Süße Grüße"]


def test_in_a_list_of_the_automatic_choice_what_is_embedded_comes_first(track: MakeTrack, generate: Generate) -> None:
    path = track("flac", tags={"CUESHEET": sheet("mix.flac", "inside")})
    path.with_name("mix.cue").write_text(sheet("mix.flac", "beside"))
    assert titles(generate(path)) == ["inside"]
    assert titles(generate(path, "sidecar")) == ["beside"]


def test_a_sheet_without_tracks_is_refused_or_passed_over(track: MakeTrack, generate: Generate) -> None:
    path = track("flac")
    path.with_name("mix.cue").write_text('FILE "mix.flac" WAVE\n')
    with pytest.raises(Permanent) as refused:
        generate(path, "sidecar")
    assert refused.value.error_code == "INVALID_CUE"
    assert str(path.parent) not in refused.value.reason
    assert generate(path).warnings == ("mix.cue says nothing that can be used about mix.flac",)


def test_broken_lines_cost_only_themselves_and_are_told(track: MakeTrack, generate: Generate) -> None:
    path = track("flac")
    broken = sheet("mix.flac") + '  TRACK 02 AUDIO\n    TITLE "Lost"\n    INDEX 01 00:61:00\n'
    path.with_name("mix.cue").write_text(broken)
    generated = generate(path, "sidecar")
    assert titles(generated) == ["Right"]
    assert [warning.split(":")[0] for warning in generated.warnings] == ["line 7"]


def outside(path: Path) -> None:
    elsewhere = path.parent.parent / "elsewhere.cue"
    elsewhere.write_text(sheet("mix.flac"))
    path.with_name("mix.cue").symlink_to(elsewhere)


def pipe(path: Path) -> None:
    os.mkfifo(path.with_name("mix.cue"))


def folder(path: Path) -> None:
    path.with_name("mix.cue").mkdir()


def loop(path: Path) -> None:
    path.with_name("mix.cue").symlink_to("mix.cue")


def huge(path: Path) -> None:
    path.with_name("mix.cue").touch()
    os.truncate(path.with_name("mix.cue"), 1 << 40)


def endless_lines(path: Path) -> None:
    path.with_name("mix.cue").write_text("\n" * 100_000 + sheet("mix.flac"))


@pytest.mark.parametrize("make", [outside, pipe, folder, loop, huge, endless_lines])
def test_what_is_no_sheet_inside_the_library_is_not_read(
    make: Callable[[Path], None], track: MakeTrack, generate: Generate, context: Any
) -> None:
    source = track("flac")
    library = source.parent / "library"
    library.mkdir()
    path = source.rename(library / "mix.flac")
    context.roots = (library,)
    make(path)
    with pytest.raises(Permanent) as refused:
        generate(path, "sidecar")
    assert refused.value.error_code == "INVALID_CUE"
    assert generate(path).found.source == "audio"
