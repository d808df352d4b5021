"""What a delivery's progress is about: a recording, or a job on one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pipeline.topology.stages import Stage


@dataclass(frozen=True, slots=True)
class Subject:
    """Attributes:
    recording_id: the recording; for a job of which it is not known, the job's id.
    job_id: the job whose progress is shown instead of the recording's own.
    """

    recording_id: str
    job_id: str | None = None

    @property
    def key(self) -> str:
        """The id that progress is kept and subscribed to under."""
        return self.job_id or self.recording_id


def subject_of(stage: Stage, field: Callable[[str], str | None], message_id: str) -> Subject | None:
    """What a message to the stage is about; None where the stage shows no progress, or the message does not say.

    Args:
        field: a text field of the body, None where it has none.
        message_id: the job's id where the body has no value for it.
    """
    if stage.job is not None:
        job_id = field(stage.job) or message_id
        return Subject(field("recording_id") or job_id, job_id)
    recording_id = field(stage.track) if stage.track is not None else None
    return None if recording_id is None else Subject(recording_id)
