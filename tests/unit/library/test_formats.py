from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from stages.formats import FILE_TYPES, file_type, format_family, is_audio


def _encoded(folder: Path, container: str, codec: str, *, options: dict[str, str] | None = None) -> bytes:
    """A fifth of a second of a tone."""
    path = folder / "encoded"
    with av.open(str(path), "w", format=container, container_options=options or {}) as output:
        stream = output.add_stream(codec, rate=48000, options={"strict": "experimental"})
        stream.layout = "stereo"
        stream.format = "s16" if codec == "flac" else stream.codec_context.codec.audio_formats[0].name
        tone = np.tile(np.sin(np.arange(9600) / 20.0).astype(np.float32), (2, 1))
        frame = av.AudioFrame.from_ndarray(tone, format="fltp", layout="stereo")
        frame.sample_rate, frame.time_base, frame.pts = 48000, Fraction(1, 48000), 0
        for ready in av.AudioResampler(stream.format, "stereo", 48000).resample(frame):
            output.mux(stream.encode(ready))
        # The encoder of FLAC ends with an empty packet, which these containers refuse.
        output.mux([packet for packet in stream.encode(None) if packet.size])
    return path.read_bytes()


def _family(name: str, content: bytes) -> str | None:
    return format_family(name, lambda offset, length: content[offset : offset + length])


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("a.mp3", "mp3"),
        ("a.FLAC", "flac"),
        ("a.wav", "pcm"),
        ("a.wave", "pcm"),
        ("a.aif", "pcm"),
        ("a.aiff", "pcm"),
        ("a.aac", "aac"),
        ("a.opus", "opus"),
        ("a.wma", "wma"),
        ("a.wv", "wavpack"),
    ],
)
def test_extension_that_names_one_codec_decides_the_family(name: str, family: str) -> None:
    assert format_family(name) == family


@pytest.mark.parametrize(
    ("name", "container", "codec", "family"),
    [
        ("a.ogg", "ogg", "vorbis", "ogg_vorbis"),
        ("a.ogg", "ogg", "libopus", "opus"),
        ("a.oga", "ogg", "flac", "flac"),
        ("a.m4a", "ipod", "aac", "aac"),
        ("a.m4a", "ipod", "alac", "alac"),
        ("a.mp4", "mp4", "libopus", "opus"),
        ("a.m4b", "mp4", "flac", "flac"),
    ],
)
def test_header_decides_the_family_where_the_extension_is_ambiguous(
    tmp_path: Path, name: str, container: str, codec: str, family: str
) -> None:
    assert _family(name, _encoded(tmp_path, container, codec)) == family


def test_index_before_the_audio_is_found_as_well_as_one_after_it(tmp_path: Path) -> None:
    index_last = _encoded(tmp_path, "ipod", "alac")
    index_first = _encoded(tmp_path, "ipod", "alac", options={"movflags": "faststart"})
    assert index_last.index(b"moov") > index_last.index(b"mdat")
    assert index_first.index(b"moov") < index_first.index(b"mdat")
    assert _family("a.m4a", index_last) == _family("a.m4a", index_first) == "alac"


@pytest.mark.parametrize("name", ["a.ogg", "a.m4a"])
@pytest.mark.parametrize(
    "content", [b"", b"OggS", b"OggS" + bytes(300), b"\0\0\0\x01moov" + bytes(8), bytes(40), b"text" * 40]
)
def test_broken_header_gives_no_family(name: str, content: bytes) -> None:
    assert _family(name, content) is None


@pytest.mark.parametrize("cut", [10, 100, 400])
def test_truncated_mp4_index_gives_no_family(tmp_path: Path, cut: int) -> None:
    content = _encoded(tmp_path, "ipod", "aac", options={"movflags": "faststart"})
    assert _family("a.m4a", content[: content.index(b"moov") + cut]) is None


def test_ambiguous_extension_without_the_file_gives_no_family() -> None:
    assert format_family("a.ogg") is None


def test_file_type_is_the_extension_in_lower_case() -> None:
    assert file_type(Path("/music/A.Song.Mp3")) == "mp3"
    assert file_type("/music.mp3/readme") == ""


@pytest.mark.parametrize("name", ["a.MP3", "b.wv", "c.m4r"])
def test_files_of_the_known_types_are_audio(name: str) -> None:
    assert is_audio(name)


@pytest.mark.parametrize("name", ["cover.jpg", "a.mp3.part", ".mp3", "mp3", "a."])
def test_other_files_are_not_audio(name: str) -> None:
    assert not is_audio(name)


def test_known_types_are_those_of_the_contract() -> None:
    expected = "mp3 flac wav wave m4a mp4 m4b m4p m4v m4r ogg oga opus aac aif aiff wma wv"
    assert set(expected.split()) == FILE_TYPES
