"""Decides what has happened to files, from looks at them. Does no input or output of its own.

Hints only say where to look. What counts is how a path looks now beside what was last announced of it, so lost,
doubled and reordered hints come to the same end.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from stages.fingerprint import Fingerprint, Look
from stages.watcher.candidate import QUIET_S, Candidate
from stages.watcher.folders import GONE, UNSEEN
from stages.watcher.hints import Touch
from stages.watcher.inventory import Inventory, Known

Looks = Mapping[str, Look | str]


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be announced: discovered, created, modified, deleted, moved.

    Attributes:
        known: the file now; for a deleted one, as it was.
        old_path: where a moved file was.
    """

    kind: str
    path: str
    known: Known
    old_path: str | None = None


class Tracker:
    """The files that were announced, and those that may have to be.

    Args:
        settle: seconds without a change after which a file counts as finished.
        pairing: seconds for which a file that is gone may reappear under another path.
    """

    def __init__(self, settle: float, pairing: float) -> None:
        self.inventory = Inventory()
        self.ready: deque[str] = deque()
        self._settle = settle
        self._pairing = pairing
        self._pending: dict[str, Candidate] = {}
        self._reading: dict[str, Candidate] = {}
        self._gone: dict[str, float] = {}

    def touch(
        self,
        path: str,
        what: Touch,
        now: float,
        *,
        origin: str | None = None,
        discovered: bool = False,
        doubtful: bool = False,
    ) -> None:
        """Something may have happened to a path. `doubtful`: its content, though size and time may be the same."""
        candidate = self._pending.setdefault(path, Candidate(now))
        candidate.discovered |= discovered
        candidate.written |= doubtful
        candidate.origin = origin or candidate.origin
        candidate.hint(what, now, self._settle)

    def is_awaited(self, path: str) -> bool:
        """Whether a path is going to be looked at or is being read."""
        return path in self._pending or path in self._reading

    @property
    def is_discovering(self) -> bool:
        """Whether a file that was there when watching began is still awaited."""
        awaited = (*self._pending.values(), *self._reading.values())
        return any(candidate.discovered for candidate in awaited)

    def admit(self, path: str, look: Look) -> None:
        """Read a file that was there when watching began and has been finished long since; the caller does it."""
        self._reading[path] = Candidate(0.0, look, discovered=True)

    def due(self, now: float) -> list[str]:
        """Paths to look at now."""
        for path in self._pending.keys() & self._reading.keys():
            self._pending[path].due = max(self._pending[path].due, now + QUIET_S)
        return [path for path, candidate in self._pending.items() if candidate.due <= now]

    def expired(self, now: float) -> list[str]:
        """Files that have been gone for long enough."""
        return [path for path, deadline in self._gone.items() if deadline <= now]

    def next_due(self) -> float | None:
        """When there is something to do; None if nothing is awaited."""
        times = [candidate.due for candidate in self._pending.values()]
        return min([*times, *self._gone.values()], default=None)

    def relatives(self, looks: Looks) -> set[str]:
        """Announced paths whose files may be those that are seen at other paths now."""
        found: set[str] = set()
        for path, look in looks.items():
            if isinstance(look, Look):
                found |= self.inventory.same_file(look)
            origin = self._pending[path].origin if path in self._pending else None
            if origin is not None and origin in self.inventory:
                found.add(origin)
        return found - looks.keys()

    def examine(self, due: Iterable[str], looks: Looks, now: float) -> list[Change]:
        """Take in how the due paths and their relatives look. Files that are finished join `ready`."""
        moves: dict[str, str] = {}
        for path in due:
            origin = self._examine(path, looks, moves, now)
            if origin is not None:
                moves[origin] = path
        changes = []
        for old, new in _feasible(moves):
            changes.append(self._move(old, new, looks[new]))
        for path in set(moves.values()) - {change.path for change in changes}:
            # Files that changed places: for each of the paths, its content is another one.
            self._read(path, self._pending.pop(path, Candidate(now)), looks[path])
        return changes

    def _examine(self, path: str, looks: Looks, moves: Mapping[str, str], now: float) -> str | None:
        """Where the file at a path came from, if it came from elsewhere."""
        candidate, look, known = self._pending[path], looks[path], self.inventory.get(path)
        if not isinstance(look, Look):
            del self._pending[path]
            if look is GONE and known is not None:
                self._gone.setdefault(path, now + self._pairing)
            return None
        self._gone.pop(path, None)
        if known is not None and candidate.confirms(known, look):
            self.inventory.put(path, replace(known, look=look))
            del self._pending[path]
            return None
        if known is None or known.look.identity != look.identity:
            origin = self._origin(path, look, candidate.origin, looks, moves)
            if origin is not None:
                return origin
        if candidate.is_finished(look, now, self._settle):
            del self._pending[path]
            self._read(path, candidate, look)
        return None

    def _origin(self, path: str, look: Look, hinted: str | None, looks: Looks, moves: Mapping[str, str]) -> str | None:
        if hinted is not None and hinted not in moves and self._has_left(hinted, looks):
            return hinted
        for other in sorted(self.inventory.same_file(look)):
            known = self.inventory.get(other)
            if other == path or other in moves or known is None or not known.look.same_content(look):
                continue
            if self._has_left(other, looks):
                return other
        return None

    def _has_left(self, path: str, looks: Looks) -> bool:
        """Whether an announced file is certainly not at its path any more."""
        known, look = self.inventory.get(path), looks.get(path, UNSEEN)
        if known is None or look is UNSEEN:
            return False
        return not isinstance(look, Look) or look.identity != known.look.identity

    def _move(self, old: str, new: str, look: Look | str) -> Change:
        was = self.inventory.get(old)
        assert was is not None
        assert isinstance(look, Look)
        same = was.look.same_content(look)
        # What was announced of the content stays, so that a change of it is announced on its own.
        known = self.inventory.move(old, new, look if same else was.look)
        for path in (old, new):
            self._gone.pop(path, None)
        if same:
            self._pending.pop(new, None)
        elif new in self._pending:
            self._pending[new].origin = None
        return Change("moved", new, known, old)

    def _read(self, path: str, candidate: Candidate, look: Look | str) -> None:
        if isinstance(look, Look):
            candidate.look = look
        self._reading[path] = candidate
        self.ready.append(path)

    def twins(self, fingerprints: Sequence[tuple[str, Fingerprint]]) -> set[str]:
        """Announced paths with the contents just read at new paths."""
        found: set[str] = set()
        for path, fingerprint in fingerprints:
            if path not in self.inventory:
                found |= self.inventory.same_content(fingerprint.sha256)
        return found

    def hashed(self, path: str, fingerprint: Fingerprint, looks: Looks) -> Change | None:
        """Take in what was read, given how the twins look; what is to be announced."""
        candidate = self._reading.pop(path)
        before, known = self.inventory.get(path), Known.of(fingerprint)
        if before is None:
            left = [twin for twin in self.inventory.same_content(fingerprint.sha256) if self._has_left(twin, looks)]
            origin = min(left, key=lambda twin: (_name(twin) != _name(path), twin), default=None)
            if origin is not None:
                self._move(origin, path, fingerprint.look)
                self.inventory.put(path, known)
                return Change("moved", path, known, origin)
        self.inventory.put(path, known)
        if before is None:
            return Change("discovered" if candidate.discovered else "created", path, known)
        same = before.error is None and before.sha256 == known.sha256
        return None if same else Change("modified", path, known)

    def unsettled(self, path: str, now: float) -> None:
        """The file changed while it was read: wait until it has settled."""
        candidate = self._reading.pop(path)
        self._retry(path, candidate, now)

    def vanished(self, path: str, now: float) -> None:
        """The file was not there any more when it was to be read."""
        del self._reading[path]
        self.touch(path, Touch.SEEN, now)

    def unreadable(self, path: str, reason: str, now: float, *, lasting: bool) -> Change | None:
        """The file could not be read: announced as such at once if that is `lasting`, else after three attempts."""
        candidate = self._reading.pop(path)
        candidate.failures += 1
        if not lasting and candidate.failures < 3:
            self._retry(path, candidate, now)
            return None
        assert candidate.look is not None
        before, known = self.inventory.get(path), Known(candidate.look, error=reason)
        self.inventory.put(path, known)
        if before is None:
            return Change("discovered" if candidate.discovered else "created", path, known)
        return None if before.error == reason else Change("modified", path, known)

    def deleted(self, path: str, look: Look | str, now: float) -> Change | None:
        """Take in how a file looks that had been gone for the time of pairing. UNSEEN: it is left as it was known."""
        del self._gone[path]
        if isinstance(look, Look):
            self.touch(path, Touch.SEEN, now)
        if look is not GONE:
            return None
        known = self.inventory.remove(path)
        return None if known is None else Change("deleted", path, known)

    def _retry(self, path: str, candidate: Candidate, now: float) -> None:
        candidate.wait_until(now + self._settle)
        newer = self._pending.get(path)
        if newer is None:
            self._pending[path] = candidate
        else:
            newer.discovered |= candidate.discovered
            newer.failures = candidate.failures


def _feasible(moves: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Moves in an order in which no target is still to be moved away itself; those in circles are left out."""
    remaining = dict(moves)
    while free := [(old, new) for old, new in remaining.items() if new not in remaining]:
        yield from free
        for old, _ in free:
            del remaining[old]


def _name(path: str) -> str:
    return path.rpartition("/")[2]
