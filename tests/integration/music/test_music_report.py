"""`make test-music`: whoever reads its report knows what was found in each file, and which one failed."""

from __future__ import annotations

from pathlib import Path

import av
import pytest
from rich.console import Console

from ops.audio import write_track
from ops.audio.demo import write_noise
from ops.music.check import Finding, check
from ops.music.library import FORMATS, build
from ops.music.packages import NotFetched, music_of_packages
from ops.music.report import all_well, report


def shown(findings: list[Finding]) -> str:
    console = Console(width=160)
    with console.capture() as captured:
        console.print(report(findings))
    return captured.get()


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> list[Finding]:
    """Of a run on a good file, a broken and an empty one."""
    folder = tmp_path_factory.mktemp("library")
    files = [folder / name for name in ("good.flac", "broken.mp3", "empty.ogg")]
    write_track(files[0], bpm=128.0, key="C major", seconds=12.0, seed=3, tags={"title": "Harbour Lights"})
    write_noise(files[1])
    files[2].touch()
    return check(folder, files, tmp_path_factory.mktemp("data"), seconds=60)


def test_what_was_found_in_a_good_file_is_in_its_line(findings: list[Finding]) -> None:
    (line,) = [line for line in shown(findings).splitlines() if "good.flac" in line]
    for found in ("128.0", "C major", "0:12", "flac", "Harbour Lights"):
        assert found in line


@pytest.mark.parametrize(("name", "code"), [("broken.mp3", "DECODE_ERROR"), ("empty.ogg", "FILE_EMPTY")])
def test_a_file_that_failed_is_named_with_its_error_code(findings: list[Finding], name: str, code: str) -> None:
    assert f"failed: {name}: analysis: {code}" in shown(findings)


def test_a_run_ends_in_time_and_names_what_was_not_done(tmp_path: Path) -> None:
    folder = tmp_path / "library"
    folder.mkdir()
    (finding,) = check(folder, [folder / "missing.flac"], tmp_path / "data", seconds=1)
    assert "failed: missing.flac: analysis: NOT_DONE" in shown([finding])


def test_a_good_file_is_not_said_to_have_failed(findings: list[Finding]) -> None:
    assert "failed: good.flac" not in shown(findings)
    assert shown(findings).rstrip().endswith("1 of 3 files are well")


def test_all_is_well_only_where_no_file_failed(findings: list[Finding]) -> None:
    assert not all_well(findings)
    assert all_well(findings[:1])
    assert not all_well([])


def test_the_library_has_every_file_and_some_again_in_other_formats(tmp_path: Path) -> None:
    originals = [tmp_path / f"{number}.ogg" for number in range(4)]
    for number, path in enumerate(originals):
        write_track(path, bpm=120.0, key="C major", seconds=2.0 + number, seed=number)
    files = build(tmp_path / "library", originals)
    assert {path.name for path in files} >= {path.name for path in originals}
    assert [path.suffix for path in files[4:]] == list(FORMATS)
    for copy in files[4:]:
        (original,) = [path for path in originals if copy.stem.startswith(path.stem)]
        with av.open(str(original)) as one, av.open(str(copy)) as other:
            assert one.duration is not None
            assert other.duration == pytest.approx(one.duration, abs=100_000)


def test_without_the_tools_that_fetch_packages_the_error_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotFetched, match="folder of music of your own"):
        music_of_packages(tmp_path / "cache")
