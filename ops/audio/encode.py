"""Samples to a real audio file, by the file's suffix, with tags."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.audio.stream import AudioStream

from ops.audio.compose import TrackSpec, compose
from ops.audio.voices import Samples

# Suffix: container, encoder, sample format the encoder takes, its options.
_ENCODERS: dict[str, tuple[str, str, str, dict[str, str]]] = {
    ".wav": ("wav", "pcm_s16le", "s16", {}),
    ".aiff": ("aiff", "pcm_s16be", "s16", {}),
    ".flac": ("flac", "flac", "s16", {"compression_level": "5"}),
    ".mp3": ("mp3", "libmp3lame", "fltp", {"compression_level": "9"}),
    ".ogg": ("ogg", "vorbis", "fltp", {"strict": "experimental"}),
    ".opus": ("ogg", "libopus", "flt", {}),
    ".m4a": ("ipod", "aac", "fltp", {"aac_coder": "fast"}),
    ".wv": ("wv", "wavpack", "fltp", {}),
    ".wma": ("asf", "wmav2", "fltp", {}),
}
_OPUS_RATE = 48_000


def write_track(
    path: Path,
    *,
    bpm: float,
    key: str,
    seconds: float = 30.0,
    style: str = "house",
    seed: int = 0,
    intensity: float = 0.7,
    tuning_cents: float = 0.0,
    intro_seconds: float = 0.0,
    rate: int = 44_100,
    tags: Mapping[str, str] | None = None,
) -> TrackSpec:
    """Compose a track and write it to `path`, encoded as its suffix says. The same arguments give the same file.

    Returns: what the file was made from: the truth that an analysis can be held against.
    Raises: ValueError for an unknown suffix, style or key; OSError where the file cannot be written.
    """
    spec = TrackSpec(bpm, key, seconds, style, seed, intensity, tuning_cents, intro_seconds, rate)
    encode(path, compose(spec), rate=rate, tags=tags)
    return spec


def encode(path: Path, samples: Samples, *, rate: int, tags: Mapping[str, str] | None = None) -> None:
    """Write float32 samples, (channels, samples) with one or two channels, as the suffix of `path` says."""
    if path.suffix.lower() not in _ENCODERS:
        raise ValueError(f"no encoder for {path.suffix!r}; there are {', '.join(_ENCODERS)}")
    container_name, codec, sample_format, options = _ENCODERS[path.suffix.lower()]
    layout = "mono" if samples.shape[0] == 1 else "stereo"
    output_rate = _OPUS_RATE if codec == "libopus" else rate
    with av.open(str(path), "w", format=container_name, options={"fflags": "+bitexact"}) as output:
        stream: AudioStream = _add_stream(output, codec, output_rate, layout, sample_format, options)
        for name, value in (tags or {}).items():
            output.metadata[name] = value
            stream.metadata[name] = value
        resampler = av.AudioResampler(format=sample_format, layout=layout, rate=output_rate)
        for start in range(0, samples.shape[1], rate):
            frame = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(samples[:, start : start + rate]), format="fltp", layout=layout
            )
            frame.sample_rate = rate
            frame.time_base = Fraction(1, rate)
            frame.pts = start
            for ready in resampler.resample(frame):
                output.mux(stream.encode(ready))
        for ready in resampler.resample(None):
            output.mux(stream.encode(ready))
        output.mux(stream.encode(None))


def _add_stream(output: Any, codec: str, rate: int, layout: str, sample_format: str, options: dict[str, str]) -> Any:
    stream = output.add_stream(codec, rate=rate, options=options)
    stream.layout = layout
    stream.format = sample_format
    if codec != "flac":
        stream.bit_rate = 192_000
    stream.codec_context.flags |= av.codec.context.Flags.bitexact
    return stream
