"""The socket between supervisor and worker: the worker says on it that it has begun, and sees the supervisor end.

That works for a supervisor that is killed too, since its end of the socket closes with it.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable

_BEGUN = b"R"
_GRACE_S = 60.0


class Lifeline:
    """The worker's end.

    Args:
        descriptor: inherited; nothing that this process starts inherits it.
    Raises: OSError if it is no socket.
    """

    def __init__(self, descriptor: int) -> None:
        self._socket = socket.socket(fileno=descriptor)
        self._socket.set_inheritable(False)

    def begun(self) -> None:
        """Tell the supervisor; one that is gone is seen by `watch`."""
        try:
            self._socket.sendall(_BEGUN)
        except OSError:
            return

    def watch(self, lost: Callable[[], None], grace_s: float = _GRACE_S) -> None:
        """Have `lost` called, in a thread, when the supervisor is gone; `grace_s` later the process ends in any case.

        A thread, since steps that never give the loop back must not outlive the supervisor either.
        """
        threading.Thread(target=self._watch, args=(lost, grace_s), name="lifeline", daemon=True).start()

    def _watch(self, lost: Callable[[], None], grace_s: float) -> None:
        try:
            while self._socket.recv(1):
                continue
        except OSError:
            pass
        lost()
        threading.Event().wait(grace_s)
        os._exit(1)
