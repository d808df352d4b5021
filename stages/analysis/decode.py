"""The first step: from a path to samples, or to the reason why not."""

from __future__ import annotations

from pipeline.errors import ErrorCode, Permanent
from pipeline.stage import StageContext
from stages.analysis.assignment import Assignment
from stages.analysis.audio import RATE, Audio
from stages.analysis.reader import Reader
from stages.media import damaged, opened
from stages.paths import audio_file

SHORTEST_SECONDS = 1.0


def decode(assignment: Assignment, context: StageContext) -> Audio:
    """Decode the file to mono float32 at 22 050 Hz. Damaged parts are passed over as long as half of it is good.

    Raises:
        Permanent: PATH_NOT_ALLOWED, FILE_NOT_FOUND, FILE_UNREADABLE, FILE_EMPTY, UNSUPPORTED_FORMAT,
            DECODE_ERROR or AUDIO_TOO_SHORT.
        Transient: FILE_UNREADABLE when the file system fails, CANCELLED when the work was called off.
    """
    path = audio_file(assignment.request.file_path, context.roots)
    context.progress(0.0, "decoding")
    with opened(path) as container:
        reader = Reader(container, context)
        spans = reader.read()
    seconds = sum(span.size for span in spans) / RATE
    if reader.good_packets <= reader.damaged_packets:
        raise damaged(path)
    if seconds < SHORTEST_SECONDS:
        raise Permanent(f"{path.name} holds {seconds:.2f} s of audio, too little", ErrorCode.AUDIO_TOO_SHORT)
    return Audio(assignment, spans, reader.duration, reader.damaged_packets)
