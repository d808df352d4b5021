"""How long real files are, whatever their headers say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ops.audio import write_noise
from pipeline.errors import Permanent
from stages.cue.audio import measured_seconds

FORMATS = ("mp3", "flac", "wav", "aiff", "m4a", "ogg", "opus", "wma", "wv")


class Context:
    """What the pool hands to a step."""

    def __init__(self) -> None:
        self.shown: list[float] = []

    def progress(self, fraction: float, message: str = "") -> None:
        self.shown.append(fraction)


def measured(path: Path) -> float:
    return measured_seconds(path, Context())  # type: ignore[arg-type]


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_file_of_each_format_is_as_long_as_it_was_made(suffix: str, track: Callable[[str], Path]) -> None:
    assert measured(track(suffix)) == pytest.approx(12.0, abs=0.06)


@pytest.mark.parametrize("suffix", ["wav", "flac", "mp3", "ogg", "aiff"])
def test_a_file_that_was_cut_off_is_as_long_as_what_is_left_of_it(
    suffix: str, track: Callable[[str], Path], tmp_path: Path
) -> None:
    whole = track(suffix).read_bytes()
    cut = tmp_path / f"cut.{suffix}"
    cut.write_bytes(whole[: len(whole) // 2])
    assert 4.0 < measured(cut) < 8.0


@pytest.mark.parametrize("suffix", ["mp3", "ogg"])
def test_files_that_were_joined_are_as_long_as_both(suffix: str, track: Callable[[str], Path], tmp_path: Path) -> None:
    joined = tmp_path / f"joined.{suffix}"
    joined.write_bytes(track(suffix).read_bytes() * 2)
    assert measured(joined) == pytest.approx(24.0, abs=0.2)


@pytest.mark.parametrize("suffix", ["mp3", "flac", "wav", "m4a", "ogg"])
def test_noise_has_no_length(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"noise.{suffix}"
    write_noise(path)
    with pytest.raises(Permanent) as refused:
        measured(path)
    assert refused.value.error_code == "DECODE_ERROR"


def test_a_header_without_audio_has_no_length(track: Callable[[str], Path], tmp_path: Path) -> None:
    path = tmp_path / "header.wav"
    whole = track("wav").read_bytes()
    path.write_bytes(whole[: whole.index(b"data") + 8])
    with pytest.raises(Permanent) as refused:
        measured(path)
    assert refused.value.error_code == "DECODE_ERROR"


def test_the_measurement_shows_how_far_it_is(track: Callable[[str], Path]) -> None:
    context = Context()
    measured_seconds(track("wav"), context)  # type: ignore[arg-type]
    assert context.shown
    assert all(0 <= fraction <= 0.8 for fraction in context.shown)
