"""A path that has to be looked at, and what has been seen there since the first hint."""

from __future__ import annotations

from dataclasses import dataclass

from stages.fingerprint import Look
from stages.watcher.hints import Touch
from stages.watcher.inventory import Known

QUIET_S = 0.1
"""After a file is closed: programs that write in several goes open it again at once."""


@dataclass(slots=True)
class Candidate:
    """A path to look at.

    Attributes:
        due: when, in the caller's monotonic seconds.
        look, since: how it looked, and since when it has looked so.
        closed: its writer has finished.
        written: it was written to, so the same size and times do not prove the same content.
        discovered: it was there when watching began.
        origin: the name it had before, if the file system told.
        failures: how often it could not be read.
    """

    due: float
    look: Look | None = None
    since: float = 0.0
    closed: bool = False
    written: bool = False
    discovered: bool = False
    origin: str | None = None
    failures: int = 0

    def hint(self, what: Touch, now: float, settle: float) -> None:
        """Something has happened to it. `settle`: seconds without a change after which a file counts as finished."""
        if what is Touch.SEEN:
            self.due = now
            return
        self.written, self.closed = True, what is Touch.CLOSED
        self.due = now + (QUIET_S if self.closed else settle)

    def confirms(self, known: Known, look: Look) -> bool:
        """Whether the file that looks so now still has the content that was announced."""
        # Writing to a mapped file changes no time once its pages are dirty, so closing it is all there is to notice.
        return known.error is None and not self.written and known.look.same_content(look)

    def is_finished(self, look: Look, now: float, settle: float) -> bool:
        """Whether a file that looks so now may be read; else `due` says when to look again."""
        if look != self.look:
            self.look, self.since = look, now
        if (self.closed and look.size > 0) or now - self.since >= settle:
            return True
        self.due = self.since + settle
        return False

    def wait_until(self, due: float) -> None:
        """Begin anew then: what it looked like and who closed it count no longer."""
        self.look, self.due, self.closed = None, due, False
