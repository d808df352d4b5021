"""Tags and technical data of every format, with tags as an encoder writes them and as other programs do."""

from __future__ import annotations

import struct
from fractions import Fraction

import av
import pytest

from ops.audio import write_track
from tests.tag_bytes import (
    apic,
    flac_picture,
    flac_with,
    frame,
    id3,
    id3v1,
    jpeg,
    picture_comment,
    png,
    riff_info,
    text_frame,
    vorbis_comment,
    with_chunk,
)

TAGS = {
    "title": "Tïtle – 標題",
    "artist": "An Artist",
    "album": "The Album",
    "album_artist": "Several",
    "composer": "A Composer",
    "genre": "House",
    "date": "2021-03-04",
    "track": "3/12",
    "disc": "1/2",
    "comment": "a comment",
}
EXPECTED = {
    "title": "Tïtle – 標題",
    "artist": "An Artist",
    "album": "The Album",
    "albumartist": "Several",
    "composer": "A Composer",
    "genre": "House",
    "date": "2021-03-04",
    "year": 2021,
    "track": 3,
    "track_total": 12,
    "disc": 1,
    "disc_total": 2,
    "comment": "a comment",
}
FULL = ("mp3", "flac", "ogg", "opus", "m4a", "wma", "wv")


@pytest.mark.parametrize("suffix", FULL)
def test_tags_come_back_as_they_were_written(suffix, tmp_path, extract):
    path = tmp_path / f"track.{suffix}"
    write_track(path, bpm=120, key="A minor", seconds=2, style="pop", tags=TAGS)
    extracted = extract(path)
    assert {name: extracted.parts["id3_tags"].get(name) for name in EXPECTED} == EXPECTED
    assert extracted.warnings == ()


@pytest.mark.parametrize(
    ("suffix", "technical"),
    [
        ("mp3", {"codec": "mp3", "container": "mp3", "format_family": "mp3", "lossless": False}),
        ("flac", {"codec": "flac", "container": "flac", "format_family": "flac", "lossless": True, "bit_depth": 16}),
        ("ogg", {"codec": "vorbis", "container": "ogg", "format_family": "ogg_vorbis", "lossless": False}),
        ("opus", {"codec": "opus", "container": "ogg", "format_family": "opus", "sample_rate": 48000}),
        ("m4a", {"codec": "aac", "container": "mp4", "format_family": "aac", "lossless": False}),
        ("wav", {"codec": "pcm_s16le", "container": "wav", "format_family": "pcm", "bit_depth": 16}),
        ("aiff", {"codec": "pcm_s16be", "container": "aiff", "format_family": "pcm", "lossless": True}),
        ("wma", {"codec": "wmav2", "container": "asf", "format_family": "wma", "lossless": False}),
        ("wv", {"codec": "wavpack", "container": "wv", "format_family": "wavpack", "lossless": True}),
    ],
)
def test_technical_data_is_what_the_encoder_was_asked_for(suffix, technical, plain, extract):
    found = extract(plain(suffix), "audio_analysis").parts["audio_analysis"]
    expected = {"sample_rate": 44100, "channels": 2, "has_chapters": False, "chapters": 0} | technical
    assert {name: found[name] for name in expected} == expected
    assert found["duration_seconds"] == pytest.approx(3, abs=0.1)
    assert found["bitrate"] == pytest.approx(8 * plain(suffix).stat().st_size / 3, rel=0.5)
    assert ("bit_depth" in found) == found["lossless"]


def test_only_what_was_asked_for_is_read(plain, extract):
    assert set(extract(plain("mp3"), "id3_tags").parts) == {"id3_tags"}
    assert set(extract(plain("mp3"), "audio_analysis").parts) == {"audio_analysis"}


def test_dj_tags_of_an_mp3_are_read(track, extract):
    path = track("mp3")
    frames = [
        text_frame("TIT2", "Título", encoding=1),
        text_frame("TPE1", "One\0Two"),
        text_frame("TBPM", "127.98", encoding=0),
        text_frame("TKEY", "8A", encoding=0),
        text_frame("TSRC", "GBAYE6800011"),
        text_frame("TPUB", "A Label"),
        text_frame("TCON", "(35)", encoding=0),
        text_frame("TXXX", "CATALOGNUMBER\0CAT 001"),
        text_frame("TXXX", "EnergyLevel\x007"),
    ]
    path.write_bytes(id3(*frames) + path.read_bytes())
    extracted = extract(path)
    expected = {
        "title": "Título",
        "artist": "One",
        "artists": ["One", "Two"],
        "bpm": 127.98,
        "key": "8A",
        "isrc": "GBAYE6800011",
        "label": "A Label",
        "genre": "House",
        "catalog_number": "CAT 001",
    }
    tags = extracted.parts["id3_tags"]
    assert {name: tags.get(name) for name in expected} == expected
    assert tags["other"]["energylevel"] == ["7"]
    assert extracted.warnings == ()


@pytest.mark.parametrize("version", [3, 4])
def test_every_version_of_id3_is_read(version, track, extract):
    path = track("mp3")
    path.write_bytes(id3(text_frame("TIT2", "Song", version=version), version=version) + path.read_bytes())
    assert extract(path).parts["id3_tags"]["title"] == "Song"


def test_the_oldest_id3_is_read(track, extract):
    path = track("mp3")
    path.write_bytes(id3(text_frame("TT2", "Song", encoding=0, version=2), version=2) + path.read_bytes())
    assert extract(path).parts["id3_tags"]["title"] == "Song"


def test_a_tag_at_the_end_of_the_file_is_read(track, extract):
    path = track("mp3")
    path.write_bytes(path.read_bytes() + id3v1("Old Song", "Somebody"))
    tags = extract(path).parts["id3_tags"]
    assert (tags["title"], tags["artist"], tags["genre"], tags["year"]) == ("Old Song", "Somebody", "House", 1999)


@pytest.mark.parametrize("suffix", ["wav", "aiff"])
@pytest.mark.parametrize("chunk", [b"id3 ", b"ID3 "])
def test_id3_chunk_is_read(suffix, chunk, track, extract):
    path = track(suffix)
    frames = (text_frame("TIT2", "Song"), text_frame("TBPM", "128"), frame_of_cover())
    with_chunk(path, chunk, id3(*frames))
    extracted = extract(path)
    assert (extracted.parts["id3_tags"]["title"], extracted.parts["id3_tags"]["bpm"]) == ("Song", 128.0)
    assert extracted.cover.mime == "image/png"


def frame_of_cover() -> bytes:
    return frame("APIC", apic(png(5, 4)))


def test_wav_info_chunk_is_read_in_either_encoding(track, extract):
    path = track("wav")
    info = riff_info(INAM="Été".encode("cp1252"), IART="Ünï".encode(), ICRD=b"1998", ITRK=b"4", IGNR=b"Techno")
    with_chunk(path, b"LIST", info)
    tags = extract(path).parts["id3_tags"]
    assert tags == tags | {"title": "Été", "artist": "Ünï", "year": 1998, "track": 4, "genre": "Techno"}


def test_aiff_text_chunks_are_read(track, extract):
    path = track("aiff")
    with_chunk(path, b"NAME", b"Song")
    with_chunk(path, b"AUTH", b"Somebody")
    tags = extract(path).parts["id3_tags"]
    assert (tags["title"], tags["artist"]) == ("Song", "Somebody")


def test_cover_of_an_mp3_is_the_front_one(track, extract):
    path = track("mp3")
    pictures = frame_of_back() + frame_of_cover()
    path.write_bytes(id3(text_frame("TIT2", "Song"), pictures) + path.read_bytes())
    cover = extract(path).cover
    assert (cover.mime, cover.width, cover.height, cover.data) == ("image/png", 5, 4, png(5, 4))


def frame_of_back() -> bytes:
    return frame("APIC", apic(jpeg(), "image/jpeg", kind=4))


def test_cover_of_a_flac_is_read(track, extract):
    path = track("flac")
    flac_with(path, [(4, vorbis_comment(b"TITLE=Song")), (6, flac_picture(jpeg(300, 200), "image/jpeg"))])
    cover = extract(path).cover
    assert (cover.mime, cover.width, cover.height) == ("image/jpeg", 300, 200)


@pytest.mark.parametrize("suffix", ["ogg", "opus"])
def test_cover_of_an_ogg_is_read(suffix, tmp_path, extract):
    path = tmp_path / f"track.{suffix}"
    comment = picture_comment(png(9, 8)).decode().partition("=")[2]
    tags = {"title": "Song", "METADATA_BLOCK_PICTURE": comment}
    write_track(path, bpm=120, key="A minor", seconds=2, style="pop", tags=tags)
    extracted = extract(path)
    assert (extracted.cover.width, extracted.cover.height) == (9, 8)
    assert "metadata_block_picture" not in str(extracted.parts).lower()


def test_cover_of_an_m4a_is_read(track, extract):
    path = track("m4a")
    add_to_ilst(path, b"covr", 14, png(6, 6))
    add_to_ilst(path, b"tmpo", 21, struct.pack(">h", 126))
    extracted = extract(path)
    assert (extracted.cover.mime, extracted.cover.width) == ("image/png", 6)
    assert extracted.parts["id3_tags"]["bpm"] == 126


def add_to_ilst(path, name, kind, content):
    """Add an item to the tags of an M4A whose index is its last box, as our encoder writes it."""

    def box(name, content):
        return struct.pack(">I", 8 + len(content)) + name + content

    data = path.read_bytes()
    item = box(name, box(b"data", struct.pack(">II", kind, 0) + content))
    start = data.rindex(b"moov") - 4
    moov = data[start:]
    assert struct.unpack(">I", moov[:4])[0] == len(moov)
    if b"ilst" not in moov:
        handler = box(b"hdlr", b"\0" * 8 + b"mdirappl" + b"\0" * 9)
        moov += box(b"udta", box(b"meta", b"\0" * 4 + handler + box(b"ilst", item)))
    else:
        for parent in (b"udta", b"meta", b"ilst"):
            place = moov.rindex(parent) - 4
            size = struct.unpack(">I", moov[place : place + 4])[0] + len(item)
            moov = moov[:place] + struct.pack(">I", size) + moov[place + 4 :]
        moov += item
    path.write_bytes(data[:start] + struct.pack(">I", len(moov)) + moov[4:])


def test_cover_of_a_wavpack_file_is_read(track, extract):
    path = track("wv")
    item = b"Cover Art (Front)"
    value = b"cover.png\0" + png(7, 6)
    body = struct.pack("<II", len(value), 2) + item + b"\0" + value
    head = b"APETAGEX" + struct.pack("<IIII", 2000, len(body) + 32, 1, 0) + b"\0" * 8
    path.write_bytes(path.read_bytes() + body + head)
    cover = extract(path).cover
    assert (cover.mime, cover.width, cover.height) == ("image/png", 7, 6)


@pytest.mark.parametrize("suffix", ["mp3", "flac", "ogg", "m4a", "wav"])
def test_a_file_without_tags_has_none_and_no_cover(suffix, plain, extract):
    extracted = extract(plain(suffix))
    assert not {"title", "artist", "album", "comment", "genre"} & extracted.parts["id3_tags"].keys()
    assert extracted.cover is None
    assert extracted.warnings == ()


def test_chapters_are_counted(plain, tmp_path, extract):
    path = tmp_path / "mix.m4a"
    with av.open(str(plain("m4a"))) as source, av.open(str(path), "w", format="ipod") as output:
        stream = output.add_stream_from_template(source.streams.audio[0])
        chapter = {"time_base": Fraction(1, 1000), "metadata": {"title": "One"}}
        parts = [chapter | {"id": number, "start": 1000 * number, "end": 1000 * (number + 1)} for number in range(3)]
        output.set_chapters(parts)
        for packet in source.demux(source.streams.audio[0]):
            if packet.dts is not None:
                packet.stream = stream
                output.mux(packet)
    technical = extract(path, "audio_analysis").parts["audio_analysis"]
    assert (technical["chapters"], technical["has_chapters"]) == (3, True)


def test_replay_gain_is_read_as_numbers(tmp_path, extract):
    tags = {"REPLAYGAIN_TRACK_GAIN": "-7.53 dB", "REPLAYGAIN_TRACK_PEAK": "0.988553", "REPLAYGAIN_ALBUM_GAIN": "loud"}
    path = tmp_path / "track.flac"
    write_track(path, bpm=120, key="A minor", seconds=2, style="pop", tags=tags)
    technical = extract(path, "audio_analysis").parts["audio_analysis"]
    assert technical["replaygain"] == {"track_gain_db": -7.53, "track_peak": 0.988553}


def test_gain_of_an_opus_file_is_given_as_replay_gain(tmp_path, extract):
    path = tmp_path / "track.opus"
    write_track(path, bpm=120, key="A minor", seconds=2, style="pop", tags={"R128_TRACK_GAIN": "-2560"})
    technical = extract(path, "audio_analysis").parts["audio_analysis"]
    assert technical["replaygain"] == {"track_gain_db": -5.0}


def test_a_file_is_read_by_what_it_is_rather_than_by_its_name(tmp_path, extract):
    path = tmp_path / "track.flac"
    write_track(path, bpm=120, key="A minor", seconds=2, style="pop", tags={"title": "Song"})
    renamed = path.rename(tmp_path / "track.mp3")
    parts = extract(renamed).parts
    assert (parts["id3_tags"]["title"], parts["audio_analysis"]["codec"]) == ("Song", "flac")
