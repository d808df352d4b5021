"""What a file is technically: container, codec, and what the encoder left about them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from av.audio.stream import AudioStream
from av.container import InputContainer

from stages.media import audio_stream, stated_seconds
from stages.metadata.tag_reader import RawTags, squeezed
from stages.metadata.text import cleaned

_LONGEST_ENCODER = 200

_FAMILIES = {"vorbis": "ogg_vorbis", "wavpack": "wavpack", "wmav1": "wma", "wmav2": "wma", "wmapro": "wma"} | {
    name: name for name in ("mp3", "flac", "opus", "aac", "alac", "speex")
}
_CONTAINERS = {"mov": "mp4", "w64": "wav"}
_LOSSLESS = frozenset({"flac", "alac", "wavpack", "wmalossless"})
_PCM_BITS = re.compile(r"pcm_[suf](\d+)")
_GAIN = re.compile(r"([+-]?\d{1,6}(?:\.\d{1,6})?)\s*(?:dB)?\s*$", re.IGNORECASE)
# RFC 7845, section 5.2.1: steps of 1/256 dB towards -23 LUFS; ReplayGain 2 aims at -18.
_R128_STEP, _R128_BELOW = 256, 5.0


def technical_data(path: Path, container: InputContainer, tags: RawTags) -> dict[str, Any]:
    """What the headers say, without decoding more than a few packets.

    Returns:
        codec, container, sample_rate (Hz), channels, channel_layout, lossless, bitrate (bits a second), chapters (how
        many), has_chapters; where they are known, duration_seconds, bit_depth (of lossless codecs only),
        format_family, encoder, and replaygain: track_gain_db, track_peak, album_gain_db, album_peak.
    Raises: Permanent: UNSUPPORTED_FORMAT without audio.
    """
    stream = audio_stream(container)
    codec = stream.codec_context.codec.canonical_name
    metadata = {squeezed(name): value for name, value in stream.metadata.items()}
    metadata |= {name: values[0] for name, values in tags.values.items() if values}
    chapters = len(container.chapters())
    seconds = stated_seconds(container, stream)
    known = {
        "codec": codec,
        "container": _CONTAINERS.get(container.format.name.split(",")[0], container.format.name.split(",")[0]),
        "format_family": "pcm" if codec.startswith("pcm_") else _FAMILIES.get(codec),
        "sample_rate": stream.codec_context.sample_rate,
        "channels": stream.codec_context.layout.nb_channels,
        "channel_layout": cleaned(stream.codec_context.layout.name, 80),
        "lossless": codec.startswith("pcm_") or codec in _LOSSLESS,
        "bit_depth": _bit_depth(path, stream, codec),
        "bitrate": stream.bit_rate or container.bit_rate or None,
        "duration_seconds": None if seconds is None else round(seconds, 3),
        "encoder": cleaned(metadata.get("encoder") or metadata.get("encodersettings", ""), _LONGEST_ENCODER) or None,
        "replaygain": _replaygain(metadata) or None,
        "chapters": chapters,
        "has_chapters": chapters > 0,
    }
    return {name: value for name, value in known.items() if value is not None}


def _bit_depth(path: Path, stream: AudioStream, codec: str) -> int | None:
    """Bits a sample as they are stored; None for lossy codecs, which have none."""
    if found := _PCM_BITS.match(codec):
        return int(found[1])
    extra = stream.codec_context.extradata or b""
    if codec == "flac" and len(extra) >= 18:
        # RFC 9639, section 8.2: 5 bits after the sample rate's 20 and the channels' 3.
        return (int.from_bytes(extra[10:18], "big") >> 36 & 0x1F) + 1
    if codec == "alac" and len(extra) >= 18:
        return extra[17]  # ALACSpecificConfig, after the 12 bytes of its atom and 5 of its own
    if codec == "wavpack":
        return _wavpack_bits(path)
    return None


def _wavpack_bits(path: Path) -> int | None:
    """Source: WavPack 4 & 5 Binary File / Block Format, "Block Header"."""
    with path.open("rb") as file:
        header = file.read(32)
    if len(header) < 32 or not header.startswith(b"wvpk"):
        return None
    flags = int.from_bytes(header[24:28], "little")
    return ((flags & 0b11) + 1) * 8 - (flags >> 13 & 0x1F)


def _replaygain(metadata: Mapping[str, str]) -> dict[str, float]:
    values: dict[str, float] = {}
    for scope in ("track", "album"):
        gain, peak = _number(metadata, f"replaygain{scope}gain"), _number(metadata, f"replaygain{scope}peak")
        if gain is None and (steps := _number(metadata, f"r128{scope}gain")) is not None:
            gain = steps / _R128_STEP + _R128_BELOW
        if gain is not None:
            values[f"{scope}_gain_db"] = round(gain, 2)
        if peak is not None and peak >= 0:
            values[f"{scope}_peak"] = round(peak, 6)
    return values


def _number(metadata: Mapping[str, str], name: str) -> float | None:
    found = _GAIN.match(metadata.get(name, "").strip())
    return float(found[1]) if found else None
