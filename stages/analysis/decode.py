"""The first step: from a path to samples, or to the reason why not."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer

from pipeline.errors import ErrorCode, Permanent, Transient
from pipeline.stage import StageContext
from stages.analysis.audio import RATE, Audio, Samples
from stages.contracts import AnalysisRequest

_TYPES = "mp3 flac wav wave m4a mp4 m4b m4p m4v m4r ogg oga opus aac aif aiff wma wv"
EXTENSIONS = frozenset(_TYPES.split())
"""File types that are analysed, without the dot, in lower case."""

WHOLE_SECONDS = 240.0
"""A file of up to this length is decoded whole."""
SPAN_SECONDS = 60.0
SPANS = 4
"""Of a longer file this many spans of this length are decoded, at the middle of its quarters: at most 21 MB."""
SHORTEST_SECONDS = 1.0

DECODED = 0.6
"""The share of the whole work that is done once the audio is decoded."""

_BATCH = 65_536
_SAMPLE_LIMIT = round(WHOLE_SECONDS * RATE)
# A container is only taken for what it is: never a playlist or a script that opens other files or addresses.
_OPEN_OPTIONS = {
    "protocol_whitelist": "file",
    "format_whitelist": "mp3,flac,wav,w64,mov,mp4,m4a,3gp,3g2,mj2,ogg,aac,aiff,asf,wv",
}
_TEMPORARY = {errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EINTR}


def decode(request: AnalysisRequest, context: StageContext) -> Audio:
    """Decode a file to mono float32 at 22 050 Hz. Damaged parts are passed over as long as half of it is good.

    Raises:
        Permanent: PATH_NOT_ALLOWED, FILE_NOT_FOUND, FILE_UNREADABLE, FILE_EMPTY, UNSUPPORTED_FORMAT,
            DECODE_ERROR or AUDIO_TOO_SHORT.
        Transient: FILE_UNREADABLE when the file system fails, CANCELLED when the work was called off.
    """
    path = _checked(Path(request.file_path), context.roots)
    context.progress(0.0, "decoding")
    try:
        with av.open(f"file:{path}", options=_OPEN_OPTIONS, metadata_errors="replace") as container:
            reader = _Reader(container, context)
            spans = reader.read()
    except av.error.FFmpegError as error:
        raise _failure(error, path) from error
    except OSError as error:
        raise _unreadable(error, path) from error
    seconds = sum(span.size for span in spans) / RATE
    if reader.good_packets <= reader.damaged_packets:
        raise Permanent(f"{path.name} cannot be decoded: it is damaged or not audio", ErrorCode.DECODE_ERROR)
    if seconds < SHORTEST_SECONDS:
        raise Permanent(f"{path.name} holds {seconds:.2f} s of audio, too little", ErrorCode.AUDIO_TOO_SHORT)
    return Audio(spans, reader.duration, frozenset(request.analysis_types), reader.damaged_packets)


def _checked(path: Path, roots: Sequence[Path]) -> Path:
    """The real path of a readable, regular, non-empty file of a known type inside one of the roots."""
    if not path.is_absolute():
        raise Permanent(f"{path.name} must be given by its absolute path", ErrorCode.PATH_NOT_ALLOWED)
    try:
        real = path.resolve()
        if roots and not any(real.is_relative_to(root.resolve()) for root in roots):
            raise Permanent(f"{path.name} is outside the library", ErrorCode.PATH_NOT_ALLOWED)
        found = real.stat()
        if not stat.S_ISREG(found.st_mode):
            raise Permanent(f"{path.name} is not a regular file", ErrorCode.FILE_UNREADABLE)
        if path.suffix[1:].lower() not in EXTENSIONS:
            raise Permanent(f"{path.name} is of a type that is not analysed", ErrorCode.UNSUPPORTED_FORMAT)
        if found.st_size == 0:
            raise Permanent(f"{path.name} is empty", ErrorCode.FILE_EMPTY)
        if not os.access(real, os.R_OK):
            raise Permanent(f"{path.name} may not be read", ErrorCode.FILE_UNREADABLE)
    except (OSError, RuntimeError) as error:
        raise _unreadable(error, path) from error
    return real


def _unreadable(error: Exception, path: Path) -> Permanent | Transient:
    number = getattr(error, "errno", None)
    if number in (errno.ENOENT, errno.ENOTDIR):
        return Permanent(f"{path.name} is not there", ErrorCode.FILE_NOT_FOUND)
    reason = os.strerror(number) if number else str(error)
    kind = Transient if number in _TEMPORARY else Permanent
    return kind(f"{path.name} cannot be read: {reason}", ErrorCode.FILE_UNREADABLE)


def _failure(error: av.error.FFmpegError, path: Path) -> Permanent | Transient:
    """An error of the decoding library; those that are an operating system's are told apart by their errno."""
    if isinstance(error, av.error.DecoderNotFoundError):
        return Permanent(f"{path.name} holds no audio that can be decoded", ErrorCode.UNSUPPORTED_FORMAT)
    if isinstance(error, FileNotFoundError | PermissionError) or error.errno in _TEMPORARY:
        return _unreadable(error, path)
    return Permanent(f"{path.name} cannot be decoded: it is damaged or not audio", ErrorCode.DECODE_ERROR)


class _Reader:
    """Reads spans of one container; counts what could and what could not be decoded."""

    def __init__(self, container: InputContainer, context: StageContext) -> None:
        self.container = container
        self.context = context
        self.stream = _audio_stream(container)
        self.duration = _stated_duration(container, self.stream)
        self.good_packets = 0
        self.damaged_packets = 0

    def read(self) -> tuple[Samples, ...]:
        if self.duration is not None and self.duration > WHOLE_SECONDS:
            spans = [span for number in range(SPANS) if (span := self._span_at(number)).size]
            if spans:
                return tuple(spans)
            self.container.seek(0)
        span = self._collect(0.0, _SAMPLE_LIMIT, 0.0, DECODED)
        if span.size < _SAMPLE_LIMIT:
            # Read to its end: what was decoded is the truth, whatever the header says.
            self.duration = span.size / RATE
        return (span,)

    def _span_at(self, number: int) -> Samples:
        assert self.duration is not None
        quarter = self.duration / SPANS
        start = number * quarter + (quarter - SPAN_SECONDS) / 2
        try:
            self.container.seek(int(start * av.time_base))
        except av.error.FFmpegError:
            return np.zeros(0, dtype=np.float32)
        step = DECODED / SPANS
        return self._collect(start, round(SPAN_SECONDS * RATE), number * step, (number + 1) * step)

    def _collect(self, start: float, limit: int, progress_from: float, progress_to: float) -> Samples:
        """Up to `limit` samples from `start` seconds on."""
        parts: list[Samples] = []
        count = 0
        expected = min(limit, round((self.duration or WHOLE_SECONDS) * RATE))
        for part in self._resampled(start):
            parts.append(part)
            count += part.size
            share = min(1.0, count / max(1, expected))
            self.context.progress(progress_from + (progress_to - progress_from) * share, "decoding")
            if self.context.cancelled:
                raise Transient("the analysis was called off", ErrorCode.CANCELLED)
            if count >= limit:
                break
        samples = np.concatenate(parts)[:limit] if parts else np.zeros(0, dtype=np.float32)
        return np.nan_to_num(samples, copy=False, nan=0.0, posinf=0.0, neginf=0.0)

    def _resampled(self, start: float) -> Iterator[Samples]:
        """Mono samples at RATE in large pieces: a resampler's cost is per call, not per sample."""
        resampler, fifo = _new_resampler(), av.AudioFifo()
        shape: tuple[object, ...] | None = None
        for frame in self._frames():
            if frame.time is not None and frame.time + frame.samples / frame.sample_rate <= start:
                continue
            if shape not in (None, (frame.format.name, frame.layout.name, frame.sample_rate)):
                yield from _drained(fifo, resampler)
                resampler, fifo = _new_resampler(), av.AudioFifo()
            shape = (frame.format.name, frame.layout.name, frame.sample_rate)
            frame.pts = None
            fifo.write(frame)
            if fifo.samples >= _BATCH:
                yield from _converted(resampler, fifo.read(_BATCH))
        yield from _drained(fifo, resampler)

    def _frames(self) -> Iterator[av.AudioFrame]:
        for packet in self.container.demux(self.stream):
            try:
                frames = packet.decode()
            except av.error.FFmpegError:
                self.damaged_packets += 1
                continue
            if frames:
                self.good_packets += 1
            for frame in frames:
                if isinstance(frame, av.AudioFrame) and frame.samples:
                    yield frame


def _audio_stream(container: InputContainer) -> AudioStream:
    """Raises: Permanent, UNSUPPORTED_FORMAT, where there is nothing to decode."""
    streams = container.streams.audio
    if not streams or streams[0].codec_context is None:
        raise Permanent("the file holds no audio that can be decoded", ErrorCode.UNSUPPORTED_FORMAT)
    stream = streams[0]
    # One file, one core: the pool runs several files side by side.
    stream.codec_context.thread_count = 1
    return stream


def _stated_duration(container: InputContainer, stream: AudioStream) -> float | None:
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return container.duration / av.time_base if container.duration else None


def _new_resampler() -> av.AudioResampler:
    return av.AudioResampler(format="flt", layout="mono", rate=RATE)


def _converted(resampler: av.AudioResampler, frame: av.AudioFrame | None) -> Iterator[Samples]:
    for ready in resampler.resample(frame):
        yield ready.to_ndarray()[0]


def _drained(fifo: av.AudioFifo, resampler: av.AudioResampler) -> Iterator[Samples]:
    rest = fifo.read(0, partial=True)
    if rest is not None:
        yield from _converted(resampler, rest)
        yield from _converted(resampler, None)
