"""Opening audio files with FFmpeg: only as what they are, with errors as a message's verdict."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
from av.audio.stream import AudioStream
from av.container import InputContainer

from pipeline.errors import ErrorCode, Permanent, Transient
from stages.paths import TEMPORARY, unreadable

# A container is only taken for what it is: never a playlist or a script that opens other files or addresses.
_OPEN_OPTIONS = {
    "protocol_whitelist": "file",
    "format_whitelist": "mp3,flac,wav,w64,mov,mp4,m4a,3gp,3g2,mj2,ogg,aac,aiff,asf,wv",
}
_PACKETS_TRIED = 32


@contextmanager
def opened(path: Path, *, metadata_errors: str = "replace") -> Iterator[InputContainer]:
    """The container of a file that `stages.paths.audio_file` has let through, closed at the end.

    Errors of the library that leave the block are turned as well.

    Args:
        metadata_errors: what becomes of bytes in its tags that are no UTF-8, as in `bytes.decode`.
    Raises:
        Permanent: FILE_NOT_FOUND, FILE_UNREADABLE, UNSUPPORTED_FORMAT or DECODE_ERROR.
        Transient: FILE_UNREADABLE when the file system fails.
    """
    try:
        with av.open(f"file:{path}", options=_OPEN_OPTIONS, metadata_errors=metadata_errors) as container:
            yield container
    except av.error.FFmpegError as error:
        raise _failure(error, path) from error
    except OSError as error:
        raise unreadable(error, path) from error


def damaged(path: Path) -> Permanent:
    """The verdict on a file in which too little can be decoded."""
    return Permanent(f"{path.name} cannot be decoded: it is damaged or not audio", ErrorCode.DECODE_ERROR)


def audio_stream(container: InputContainer) -> AudioStream:
    """The stream that is listened to. Raises: Permanent, UNSUPPORTED_FORMAT, where there is none."""
    streams = container.streams.audio
    if not streams or streams[0].codec_context is None:
        raise Permanent("the file holds no audio that can be decoded", ErrorCode.UNSUPPORTED_FORMAT)
    return streams[0]


def stated_seconds(container: InputContainer, stream: AudioStream) -> float | None:
    """How long the audio is by what its headers say; None where they do not."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return container.duration / av.time_base if container.duration else None


def refuse_noise(path: Path, container: InputContainer) -> None:
    """Decode some packets: a name and a lucky byte or two are enough for a demuxer, but not for a decoder.

    Raises: Permanent: DECODE_ERROR where most of them are no audio, UNSUPPORTED_FORMAT where there is none.
    """
    good = bad = 0
    stream = audio_stream(container)
    stream.codec_context.thread_count = 1
    for _, packet in zip(range(_PACKETS_TRIED), container.demux(stream), strict=False):
        try:
            good += bool(packet.decode())
        except av.error.FFmpegError:
            bad += 1
    if good <= bad:
        raise damaged(path)


def _failure(error: av.error.FFmpegError, path: Path) -> Permanent | Transient:
    """An error of the decoding library; those that are an operating system's are told apart by their errno."""
    if isinstance(error, av.error.DecoderNotFoundError):
        return Permanent(f"{path.name} holds no audio that can be decoded", ErrorCode.UNSUPPORTED_FORMAT)
    if isinstance(error, FileNotFoundError | PermissionError) or error.errno in TEMPORARY:
        return unreadable(error, path)
    return damaged(path)
