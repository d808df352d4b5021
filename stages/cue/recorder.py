"""What rekordbox's recorder writes under the name of a CUE sheet.

It names itself in `REM RECORDED_BY "rekordbox-dj"`, writes where a track starts in hours, minutes and seconds, and
names within each track, as its FILE, the file that was played, where it has one; the times are those of the recording,
which the FILE before the first track names.

Source: sheets of rekordbox 5 to 7 in the tests of several readers of them, all of which take the times so.
"""

from __future__ import annotations

from stages.cue.draft import Draft
from stages.cue.sheet import Index, Rem
from stages.cue.timecode import FRAMES_PER_SECOND, fields

REMARK = "RECORDED_BY"
_NAME = "rekordbox"


def is_signature(rem: Rem) -> bool:
    """Whether a remark says that rekordbox's recorder wrote the sheet."""
    return rem.key == REMARK and rem.value.lower().startswith(_NAME)


def wrote(draft: Draft) -> bool:
    return any(map(is_signature, draft.rems))


def set_right(draft: Draft) -> None:
    """Turn the times into frames, and take out the remark, which would have them turned again."""
    if not wrote(draft):
        return
    draft.rems = [rem for rem in draft.rems if not is_signature(rem)]
    draft.track, draft.line = None, draft.lines.get(f"rem {REMARK.lower()}")
    if all(fields(index.frames)[2] < 60 for track in draft.tracks() for index in track.indices):
        for track in draft.tracks():
            track.indices = [Index(index.number, _of_hours(index.frames)) for index in track.indices]
        draft.find(
            "TIMES_IN_HOURS", "rekordbox's recorder writes hours, minutes and seconds; so they are read", "warning"
        )


def _of_hours(frames: int) -> int:
    hours, minutes, seconds = fields(frames)
    return ((hours * 60 + minutes) * 60 + seconds) * FRAMES_PER_SECOND
