"""Which files are decoded, which are refused, and with which code."""

from __future__ import annotations

import os
import random
from pathlib import Path

import numpy as np
import pytest

from ops.audio import encode, write_noise, write_track
from pipeline.errors import Permanent, Transient
from stages.analysis import decode
from stages.analysis.audio import RATE
from stages.analysis.reader import DECODED, SPAN_SECONDS, SPANS, WHOLE_SECONDS


@pytest.mark.parametrize("suffix", ["wav", "aiff", "flac", "mp3", "ogg", "opus", "m4a", "wv", "wma"])
def test_every_format_decodes_to_its_length(suffix, tmp_path, context, request_for):
    path = tmp_path / f"track.{suffix}"
    write_track(path, bpm=120, key="A minor", seconds=3, style="pop")
    audio = decode(request_for(path), context)
    assert audio.spans[0].dtype == np.float32
    assert audio.analysed_seconds == pytest.approx(3, abs=0.1)
    assert audio.duration_seconds == pytest.approx(3, abs=0.1)
    assert 0.1 < np.abs(audio.spans[0]).max() <= 1.1
    assert audio.damaged_packets == 0


def test_missing_file_is_refused_for_good(tmp_path, refusal):
    error = refusal(tmp_path / "gone.mp3")
    assert (type(error), error.error_code) == (Permanent, "FILE_NOT_FOUND")


def test_empty_file_is_refused_as_empty(tmp_path, refusal):
    path = tmp_path / "empty.flac"
    path.touch()
    assert refusal(path).error_code == "FILE_EMPTY"


def test_folder_with_an_audio_suffix_is_refused_as_unreadable(tmp_path, refusal):
    path = tmp_path / "folder.mp3"
    path.mkdir()
    assert refusal(path).error_code == "FILE_UNREADABLE"


def test_named_pipe_is_refused_without_waiting_for_a_writer(tmp_path, refusal):
    path = tmp_path / "pipe.wav"
    os.mkfifo(path)
    assert refusal(path).error_code == "FILE_UNREADABLE"


def test_symlink_loop_is_refused_as_unreadable(tmp_path, refusal):
    path = tmp_path / "loop.wav"
    path.symlink_to(path)
    assert refusal(path).error_code == "FILE_UNREADABLE"


def test_unknown_suffix_is_refused_even_with_audio_inside(tmp_path, flac_in_c, refusal):
    path = tmp_path / "track.xyz"
    path.write_bytes(flac_in_c.read_bytes())
    assert refusal(path).error_code == "UNSUPPORTED_FORMAT"


@pytest.mark.parametrize("suffix", ["mp3", "aac", "ogg", "flac", "wav", "m4a", "wma", "wv", "aiff"])
def test_random_bytes_under_an_audio_name_are_a_decode_error(suffix, tmp_path, refusal):
    path = tmp_path / f"noise.{suffix}"
    write_noise(path)
    error = refusal(path)
    assert (type(error), error.error_code) == (Permanent, "DECODE_ERROR")


@pytest.mark.parametrize("suffix", ["mp3", "flac", "m4a"])
def test_text_under_an_audio_name_is_a_decode_error(suffix, tmp_path, refusal):
    path = tmp_path / f"notes.{suffix}"
    path.write_text("side A: one more time\n" * 2000)
    assert refusal(path).error_code == "DECODE_ERROR"


def test_playlist_under_an_audio_name_does_not_open_what_it_lists(tmp_path, flac_in_c, refusal):
    for content in (f"#EXTM3U\n#EXTINF:10,\nfile://{flac_in_c}\n", f"ffconcat version 1.0\nfile {flac_in_c}\n"):
        path = tmp_path / "list.mp3"
        path.write_text(content)
        assert refusal(path).error_code == "DECODE_ERROR"


def test_flac_cut_inside_its_header_is_a_decode_error(tmp_path, flac_in_c, refusal):
    path = tmp_path / "cut.flac"
    path.write_bytes(flac_in_c.read_bytes()[:30])
    assert refusal(path).error_code == "DECODE_ERROR"


def test_flac_cut_in_its_audio_is_as_long_as_what_is_left(tmp_path, flac_in_c, context, request_for):
    whole = flac_in_c.read_bytes()
    path = tmp_path / "half.flac"
    path.write_bytes(whole[: len(whole) // 2])
    audio = decode(request_for(path), context)
    assert 5 < audio.duration_seconds < 15


def test_less_than_a_second_is_too_short(tmp_path, refusal):
    path = tmp_path / "click.wav"
    encode(path, np.ones((1, 8000), dtype=np.float32) * 0.1, rate=RATE)
    assert refusal(path).error_code == "AUDIO_TOO_SHORT"


def test_error_names_the_file_but_not_its_folder(tmp_path, refusal):
    error = refusal(tmp_path / "gone.mp3")
    assert "gone.mp3" in error.reason
    assert str(tmp_path) not in error.reason


def test_file_outside_the_roots_is_not_allowed(tmp_path, flac_in_c, context, refusal):
    context.roots = (tmp_path / "library",)
    assert refusal(flac_in_c).error_code == "PATH_NOT_ALLOWED"


def test_symlink_out_of_the_roots_is_not_allowed(tmp_path, flac_in_c, context, refusal):
    library = tmp_path / "library"
    library.mkdir()
    (library / "track.flac").symlink_to(flac_in_c)
    context.roots = (library,)
    assert refusal(library / "track.flac").error_code == "PATH_NOT_ALLOWED"


def test_dots_out_of_the_roots_are_not_allowed(tmp_path, flac_in_c, context, refusal):
    library = flac_in_c.parent / "library"
    library.mkdir(exist_ok=True)
    context.roots = (library,)
    assert refusal(library / ".." / flac_in_c.name).error_code == "PATH_NOT_ALLOWED"


def test_missing_file_outside_the_roots_is_not_told_from_a_present_one(tmp_path, context, refusal):
    context.roots = (tmp_path / "library",)
    assert refusal(tmp_path / "gone.mp3").error_code == "PATH_NOT_ALLOWED"


def test_relative_path_is_not_allowed(refusal):
    assert refusal(Path("track.mp3")).error_code == "PATH_NOT_ALLOWED"


def test_file_inside_a_symlinked_root_is_decoded(tmp_path, flac_in_c, context, request_for):
    (tmp_path / "library").symlink_to(flac_in_c.parent)
    context.roots = (tmp_path / "library",)
    assert decode(request_for(tmp_path / "library" / flac_in_c.name), context).analysed_seconds > 19


@pytest.mark.parametrize("suffix", ["mp3", "flac", "ogg", "m4a"])
def test_damage_in_the_middle_is_passed_over(suffix, tmp_path, context, request_for):
    path = tmp_path / f"scratched.{suffix}"
    write_track(path, bpm=120, key="C major", seconds=12, style="house")
    content = bytearray(path.read_bytes())
    # m4a keeps its index at the end: the middle is audio in all four.
    middle, length = len(content) // 2, len(content) // 20
    content[middle : middle + length] = random.Random(1).randbytes(length)
    path.write_bytes(content)
    audio = decode(request_for(path), context)
    assert 8 < audio.analysed_seconds < 12.5


@pytest.mark.parametrize("suffix", ["wav", "flac", "mp3", "ogg"])
def test_long_file_is_analysed_in_spans_across_it(suffix, tmp_path, context, request_for):
    seconds, rate = round(WHOLE_SECONDS + 60), 8000
    # The pitch tells the second: 400 Hz and one more for each.
    pitch = np.repeat(400 + np.arange(seconds), rate)
    tone = np.sin(np.cumsum(2 * np.pi * pitch / rate)).astype(np.float32) * 0.5
    path = tmp_path / f"long.{suffix}"
    encode(path, np.stack([tone, tone]), rate=rate)
    audio = decode(request_for(path), context)
    assert audio.duration_seconds == pytest.approx(seconds, abs=0.2)
    assert [span.size for span in audio.spans] == [round(SPAN_SECONDS * RATE)] * SPANS
    middles = [span[span.size // 2 : span.size // 2 + RATE] for span in audio.spans]
    heard = [float(np.argmax(np.abs(np.fft.rfft(middle * np.hanning(RATE))))) - 400 for middle in middles]
    assert heard == pytest.approx([seconds * share for share in (1 / 8, 3 / 8, 5 / 8, 7 / 8)], abs=2)


def test_long_file_cut_short_does_not_claim_its_old_length(tmp_path, context, request_for):
    path = tmp_path / "long.wav"
    encode(path, np.full((1, 8000 * 600), 0.1, dtype=np.float32), rate=8000)
    path.write_bytes(path.read_bytes()[: 8000 * 2 * 200])
    audio = decode(request_for(path), context)
    assert 0 < audio.analysed_seconds <= 200
    assert audio.duration_seconds in (None, pytest.approx(200, abs=0.1))


def test_progress_of_decoding_rises_to_its_share(flac_in_c, context, request_for):
    decode(request_for(flac_in_c), context)
    assert context.fractions == sorted(context.fractions)
    assert context.fractions[0] == 0
    assert context.fractions[-1] == pytest.approx(DECODED)


def test_cancelled_decoding_stops_and_may_be_tried_again(flac_in_c, context, request_for):
    context.cancelled = True
    with pytest.raises(Transient) as caught:
        decode(request_for(flac_in_c), context)
    assert caught.value.error_code == "CANCELLED"


def test_decoding_damaged_audio_prints_nothing(tmp_path, flac_in_c, context, request_for, capfd):
    content = bytearray(flac_in_c.read_bytes())
    content[100_000:140_000] = bytes(40_000)
    path = tmp_path / "scratched.flac"
    path.write_bytes(content)
    decode(request_for(path), context)
    assert capfd.readouterr() == ("", "")
