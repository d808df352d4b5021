"""The first step: from a path to samples, or to the reason why not."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence
from pathlib import Path

import av

from pipeline.errors import ErrorCode, Permanent, Transient
from pipeline.stage import StageContext
from stages.analysis.audio import RATE, Audio
from stages.analysis.reader import Reader
from stages.contracts import AnalysisRequest

_TYPES = "mp3 flac wav wave m4a mp4 m4b m4p m4v m4r ogg oga opus aac aif aiff wma wv"
EXTENSIONS = frozenset(_TYPES.split())
"""File types that are analysed, without the dot, in lower case."""

SHORTEST_SECONDS = 1.0

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
            reader = Reader(container, context)
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
