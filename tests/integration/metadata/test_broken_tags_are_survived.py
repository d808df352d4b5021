"""What is broken in a file's tags costs what is broken, and is said."""

from __future__ import annotations

import random
import struct

import pytest

from ops.audio import write_noise
from pipeline.errors import Permanent
from tests.tag_bytes import apic, flac_picture, flac_with, frame, id3, png, text_frame, vorbis_comment, with_chunk

TITLE = text_frame("TIT2", "Song")


def test_a_broken_picture_costs_the_picture(track, extract):
    path = track("mp3")
    path.write_bytes(id3(TITLE, frame("APIC", b"\1")) + path.read_bytes())
    extracted = extract(path)
    assert extracted.parts["id3_tags"]["title"] == "Song"
    assert extracted.cover is None
    assert extracted.warnings == ("pictures: not readable, the rest of the tags is",)


def test_what_is_no_picture_is_passed_over_for_one_that_is(track, extract):
    path = track("mp3")
    frames = (TITLE, frame("APIC", apic(b"<svg/>", "image/svg+xml")), frame("APIC", apic(png(5, 4), kind=4)))
    path.write_bytes(id3(*frames) + path.read_bytes())
    extracted = extract(path)
    assert extracted.cover.width == 5
    assert extracted.warnings == ("cover: passed over, it is no JPEG, PNG, WebP or GIF",)


@pytest.mark.parametrize("size", [1 << 20, (1 << 28) - 1])
def test_a_frame_that_claims_to_be_larger_than_the_file_costs_what_follows_it(size, track, extract):
    path = track("mp3")
    path.write_bytes(id3(TITLE, frame("TALB", b"\3Album", size=size)) + path.read_bytes())
    extracted = extract(path)
    assert extracted.parts["id3_tags"]["title"] == "Song"
    assert extracted.parts["audio_analysis"]["codec"] == "mp3"


@pytest.mark.parametrize("size", [0, 5, 1 << 20, (1 << 28) - 1])
def test_a_tag_that_lies_about_its_size_does_not_hide_the_audio(size, track, extract):
    path = track("mp3")
    tag = id3(TITLE, frame("PRIV", bytes(200)), size=size)
    path.write_bytes(tag + path.read_bytes())
    assert verdict_or_codec(extract, path) == ("mp3" if size < path.stat().st_size else "DECODE_ERROR")


def verdict_or_codec(extract, path):
    try:
        extracted = extract(path)
    except Permanent as error:
        return error.error_code
    assert extracted.parts.keys() == {"id3_tags", "audio_analysis"}
    return extracted.parts["audio_analysis"]["codec"]


@pytest.mark.parametrize(
    ("comments", "title"),
    [
        (vorbis_comment(b"TITLE=Song", count=4_000_000_000), "Song"),
        (vorbis_comment(b"TITLE=Song", b"ALBUM=")[:-4] + struct.pack("<I", 0xFFFFFFFF), "Song"),
        (vorbis_comment(b"TITLE=Song")[:-2], "So"),
    ],
)
def test_broken_comments_of_a_flac_cost_what_is_broken(comments, title, track, extract):
    path = track("flac")
    flac_with(path, [(4, comments)])
    extracted = extract(path)
    assert extracted.parts["audio_analysis"]["codec"] == "flac"
    assert extracted.parts["id3_tags"]["title"] == title


def test_a_flac_picture_that_claims_four_gigabytes_costs_the_picture(track, extract):
    path = track("flac")
    picture = bytearray(flac_picture(png()))
    start = picture.index(b"\x89PNG") - 4
    picture[start : start + 4] = b"\xff\xff\xff\xf0"
    flac_with(path, [(4, vorbis_comment(b"TITLE=Song")), (6, bytes(picture))])
    extracted = extract(path)
    assert extracted.parts["id3_tags"]["title"] == "Song"


def test_bytes_in_no_known_encoding_are_kept_as_well_as_they_can_be_and_warned_of(track, extract):
    path = track("flac")
    flac_with(path, [(4, vorbis_comment(b"TITLE=Caf\xe9", b"ARTIST=\x81\x8d", b"ALBUM=Album"))])
    extracted = extract(path)
    tags = extracted.parts["id3_tags"]
    assert (tags["title"], tags["album"]) == ("Café", "Album")
    assert extracted.warnings == ("artist: holds bytes that are no text in the encoding stated for it",)


def test_utf_16_cut_in_the_middle_of_a_character_is_read_up_to_there(track, extract):
    path = track("mp3")
    cut = b"\1" + "Song".encode("utf-16")[:-1]
    path.write_bytes(id3(frame("TIT2", cut), text_frame("TALB", "Album")) + path.read_bytes())
    tags = extract(path).parts["id3_tags"]
    assert tags["title"].startswith("Son")
    assert tags["album"] == "Album"


def test_control_characters_do_not_come_through(track, extract):
    path = track("mp3")
    path.write_bytes(
        id3(text_frame("TIT2", "\x1b[2JSo\x07ng\u202e"), text_frame("TXXX", "na\x1bme\0va\x1blue")) + path.read_bytes()
    )
    tags = extract(path).parts["id3_tags"]
    assert tags["title"] == "[2JSong"
    assert tags["other"] == {"name": ["value"]}


def test_very_long_and_very_many_tags_are_bounded(track, extract):
    path = track("flac")
    many = [b"FIELD%d=value" % number for number in range(5000)]
    flac_with(path, [(4, vorbis_comment(b"TITLE=" + b"x" * 100_000, *many))])
    extracted = extract(path)
    assert len(extracted.parts["id3_tags"]["title"]) == 1000
    assert len(extracted.parts["id3_tags"]["other"]) == 64
    assert len(extracted.warnings) == 2


@pytest.mark.parametrize("suffix", ["mp3", "flac", "ogg", "opus", "m4a", "wav", "aiff", "wma", "wv"])
def test_scratched_headers_end_in_a_result_or_a_verdict(suffix, tagged, extract):
    path, whole = tagged(suffix)
    chance = random.Random(suffix)
    outcomes = set()
    for _ in range(60):
        content = bytearray(whole)
        for _ in range(chance.randint(1, 8)):
            content[chance.randrange(min(len(content), 2000))] = chance.randrange(256)
        path.write_bytes(content)
        outcomes.add(verdict_or_codec(extract, path))
    # A scratch may also make one PCM of another.
    survived = {outcome for outcome in outcomes if outcome.islower()}
    if suffix not in ("ogg", "opus"):  # their pages carry checksums
        assert codec_of(whole, path, extract) in survived
    assert outcomes - survived <= {"DECODE_ERROR", "UNSUPPORTED_FORMAT"}


def codec_of(whole, path, extract):
    path.write_bytes(whole)
    return extract(path).parts["audio_analysis"]["codec"]


@pytest.mark.parametrize("suffix", ["mp3", "flac", "ogg", "m4a", "wav", "wma", "wv", "aac"])
def test_random_bytes_are_no_audio(suffix, tmp_path, extract):
    path = tmp_path / f"noise.{suffix}"
    write_noise(path)
    with pytest.raises(Permanent) as caught:
        extract(path)
    assert caught.value.error_code == "DECODE_ERROR"


def test_a_tag_without_audio_is_no_audio_file(tmp_path, extract):
    path = tmp_path / "tag.mp3"
    path.write_bytes(id3(TITLE) + bytes(2000))
    with pytest.raises(Permanent) as caught:
        extract(path)
    assert caught.value.error_code == "DECODE_ERROR"


def test_a_picture_alone_is_no_audio_file(tmp_path, extract):
    path = tmp_path / "cover.mp3"
    path.write_bytes(png(600, 600))
    with pytest.raises(Permanent) as caught:
        extract(path)
    assert caught.value.error_code == "DECODE_ERROR"


def test_nested_wav_chunks_with_absurd_sizes_are_survived(track, extract):
    path = track("wav")
    with_chunk(path, b"LIST", b"INFO" + b"INAM" + struct.pack("<I", 0xFFFFFFF0) + b"Song\0")
    extracted = extract(path)
    assert extracted.parts["audio_analysis"]["codec"] == "pcm_s16le"
