"""Names of what a migration puts beside the object it makes anew."""

from __future__ import annotations

import hashlib

_MOST_BYTES = 255
_LONGEST_SUFFIX = ".kept.presence"


class Names:
    """All begin with `<topology>.migrating`, which is a foreign name to every plan.

    Attributes:
        entrance: a fanout exchange that takes what was bound to the queue; what it can't route goes to `arriving`.
        arriving: an exchange and its queue: what comes while the queue is made anew.
        kept: an exchange and its queue: what was in the queue.
        notes, presence: of the ledger of what was put there.
        back: an exchange that leads to the queue alone, and to its witness.
        witness: the queue that keeps copies of what was last moved back.
        probe: made and deleted again, to see whether the broker takes the new attributes.
    """

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.entrance = prefix
        self.arriving = f"{prefix}.arriving"
        self.kept = f"{prefix}.kept"
        self.notes = f"{prefix}.kept.notes"
        self.presence = f"{prefix}.kept.presence"
        self.back = f"{prefix}.back"
        self.witness = f"{prefix}.back.witness"
        self.probe = f"{prefix}.probe"


def prefix_for(topology: str, name: str) -> str:
    """`<topology>.migrating.<name>`, with a hash for the name where that leaves no room for what is put behind it."""
    for prefix in (f"{detour_name(topology)}.{name}", f"{detour_name(topology)}.{_short(name)}"):
        if len((prefix + _LONGEST_SUFFIX).encode()) <= _MOST_BYTES:
            return prefix
    return f"migrating.{_short(topology)}.{_short(name)}"


def detour_name(topology: str) -> str:
    """The exchange that stands in for the default exchange while queues are missing."""
    name = f"{topology}.migrating"
    return name if len(name.encode()) <= _MOST_BYTES else f"migrating.{_short(topology)}"


def lock_name(topology: str) -> str:
    """The exclusive queue that the one who migrates holds."""
    name = f"{topology}.migrating:lock"
    return name if len(name.encode()) <= _MOST_BYTES else f"migrating:lock.{_short(topology)}"


def _short(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:16]
