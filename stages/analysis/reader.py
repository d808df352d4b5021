"""From an open container to samples: whole if it is short, in spans if it is long, over damage where there is some."""

from __future__ import annotations

from collections.abc import Iterator

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer

from pipeline.errors import ErrorCode, Permanent, Transient
from pipeline.stage import StageContext
from stages.analysis.audio import RATE, Samples

WHOLE_SECONDS = 240.0
"""A file of up to this length is decoded whole."""
SPAN_SECONDS = 60.0
SPANS = 4
"""Of a longer file this many spans of this length are decoded, at the middle of its quarters: at most 21 MB."""

DECODED = 0.6
"""The share of the whole work that is done once the audio is decoded."""

_BATCH = 65_536
_WHOLE_SAMPLES = round(WHOLE_SECONDS * RATE)
_SPAN_SAMPLES = round(SPAN_SECONDS * RATE)
# What is shorter may be a rounded time stamp; what is longer, a stream that starts to count anew.
_SHORTEST_GAP_SECONDS, _LONGEST_GAP_SECONDS = 0.02, 30.0


class Reader:
    """Reads the audio of one container; counts which of its packets could be decoded.

    Attributes:
        duration: of the whole file in seconds; after `read`, as well as it can be known, else None.
        good_packets, damaged_packets: how many could and could not be decoded.
    """

    def __init__(self, container: InputContainer, context: StageContext) -> None:
        """Raises: Permanent, UNSUPPORTED_FORMAT, where there is no audio that can be decoded."""
        self._container = container
        self._context = context
        self._stream = _audio_stream(container)
        self.duration = _stated_duration(container, self._stream)
        self.good_packets = 0
        self.damaged_packets = 0

    def read(self) -> tuple[Samples, ...]:
        """The spans to analyse, in order: float32, (samples,), mono, 22 050 Hz.

        Raises: av.error.FFmpegError if reading fails; Transient, CANCELLED, when the work was called off.
        """
        if self.duration is not None and self.duration > WHOLE_SECONDS:
            spans = [self._span_at(number, self.duration) for number in range(SPANS)]
            if not all(span.size == _SPAN_SAMPLES for span in spans):
                # Less is there than the header says, and nobody knows how much.
                self.duration = None
            if any(span.size for span in spans):
                return tuple(span for span in spans if span.size)
            self._container.seek(0)
        span = self._collect(0.0, _WHOLE_SAMPLES, 0.0, DECODED)
        if span.size < _WHOLE_SAMPLES:
            # Read to its end: what was decoded is the truth, whatever the header says.
            self.duration = span.size / RATE
        elif self.duration is not None and self.duration < WHOLE_SECONDS:
            self.duration = None
        return (span,)

    def _span_at(self, number: int, duration: float) -> Samples:
        quarter = duration / SPANS
        start = number * quarter + (quarter - SPAN_SECONDS) / 2
        try:
            self._container.seek(int(start * av.time_base))
        except av.error.FFmpegError:
            return np.zeros(0, dtype=np.float32)
        step = DECODED / SPANS
        return self._collect(start, _SPAN_SAMPLES, number * step, (number + 1) * step)

    def _collect(self, start: float, limit: int, progress_from: float, progress_to: float) -> Samples:
        """Up to `limit` samples from `start` seconds on."""
        parts: list[Samples] = []
        count = 0
        expected = min(limit, round((self.duration or WHOLE_SECONDS) * RATE))
        for part in self.pieces(start):
            parts.append(part)
            count += part.size
            share = min(1.0, count / max(1, expected))
            self._context.progress(progress_from + (progress_to - progress_from) * share, "decoding")
            if self._context.cancelled:
                raise Transient("the analysis was called off", ErrorCode.CANCELLED)
            if count >= limit:
                break
        samples = np.concatenate(parts)[:limit] if parts else np.zeros(0, dtype=np.float32)
        return np.nan_to_num(samples, copy=False, nan=0.0, posinf=0.0, neginf=0.0)

    def pieces(self, start: float = 0.0) -> Iterator[Samples]:
        """Mono samples at RATE from `start` seconds on, in large pieces: resampling costs by the call.

        What damage has taken out is replaced by silence, so that the beats after it keep their time.

        Raises: av.error.FFmpegError if reading fails.
        """
        batch = _Batch()
        end: float | None = None
        for frame in self._frames():
            at, seconds = frame.time, frame.samples / frame.sample_rate
            if at is not None:
                if at + seconds <= start:
                    continue
                gap = 0.0 if end is None else at - end
                if _SHORTEST_GAP_SECONDS < gap < _LONGEST_GAP_SECONDS:
                    yield from batch.drained()
                    yield np.zeros(round(gap * RATE), dtype=np.float32)
                end = at
            if end is not None:
                end += seconds
            yield from batch.added(frame)
        yield from batch.drained()

    def _frames(self) -> Iterator[av.AudioFrame]:
        for packet in self._packets():
            try:
                frames = packet.decode()
            except av.error.FFmpegError:
                self.damaged_packets += 1
                continue
            if frames:
                self.good_packets += 1
            yield from (frame for frame in frames if frame.samples)

    def _packets(self) -> Iterator[av.Packet[AudioStream]]:
        """Up to the end, or to where the container itself is broken: what came before counts."""
        try:
            yield from self._container.demux(self._stream)
        except av.error.InvalidDataError:
            self.damaged_packets += 1


class _Batch:
    """Frames on their way through a resampler, which starts anew whenever their format changes."""

    def __init__(self) -> None:
        self._shape: tuple[str, str, int] | None = None
        self._start_anew()

    def _start_anew(self) -> None:
        self._resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
        self._waiting = av.AudioFifo()

    def added(self, frame: av.AudioFrame) -> Iterator[Samples]:
        shape = (frame.format.name, frame.layout.name, frame.sample_rate)
        if self._shape not in (None, shape):
            yield from self.drained()
        self._shape = shape
        frame.pts = None
        self._waiting.write(frame)
        if self._waiting.samples >= _BATCH:
            yield from self._converted(self._waiting.read(_BATCH))

    def drained(self) -> Iterator[Samples]:
        """What is still waiting or in the resampler's delay line."""
        rest = self._waiting.read(0, partial=True)
        if rest is not None:
            yield from self._converted(rest)
            yield from self._converted(None)
        self._start_anew()

    def _converted(self, frame: av.AudioFrame | None) -> Iterator[Samples]:
        for ready in self._resampler.resample(frame):
            yield ready.to_ndarray()[0]


def _audio_stream(container: InputContainer) -> AudioStream:
    streams = container.streams.audio
    if not streams or streams[0].codec_context is None:
        raise Permanent("the file holds no audio that can be decoded", ErrorCode.UNSUPPORTED_FORMAT)
    # One file, one core: the pool runs several files side by side.
    streams[0].codec_context.thread_count = 1
    return streams[0]


def _stated_duration(container: InputContainer, stream: AudioStream) -> float | None:
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return container.duration / av.time_base if container.duration else None
