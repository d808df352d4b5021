"""Who a client is, and what it may do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Scope(StrEnum):
    """What a token may allow, in its claim `scope`, separated by spaces."""

    READ = "read"
    WRITE = "write"


@dataclass(frozen=True, slots=True)
class Identity:
    """
    Attributes:
        subject: whose token it is; empty for anonymous clients.
        recordings: ids that may be followed, and nothing else be read; None: all.
        expires_at: seconds since the epoch; None: never.
    """

    subject: str = ""
    scopes: frozenset[Scope] = frozenset(Scope)
    recordings: frozenset[str] | None = None
    expires_at: float | None = None

    def may_follow(self, recording_id: str) -> bool:
        """Whether events of it, or with "*" of all recordings, may be sent to this client."""
        return Scope.READ in self.scopes and (self.recordings is None or recording_id in self.recordings)


ANONYMOUS = Identity()
