"""Whether the service can do its work: it asks the broker and the state store, each time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from pipeline.errors import PipelineError

_TIMEOUT_S = 2.0


class Readiness:
    """Probes of what the API depends on, with the time since when each has been failing.

    Args:
        probes: by name, calls that raise when the dependency is away.
    """

    def __init__(
        self, probes: Mapping[str, Callable[[], Awaitable[None]]], *, clock: Callable[[], float] = time.time
    ) -> None:
        self._probes = probes
        self._clock = clock
        self._failing_since: dict[str, float] = {}
        self.draining = False

    async def check(self) -> tuple[bool, dict[str, Any]]:
        """Whether all is well, and what `/health/ready` answers."""
        names = list(self._probes)
        problems = await asyncio.gather(*(self._probe(name) for name in names))
        checks = dict(zip(names, problems, strict=True))
        ready = not self.draining and not any(problems)
        answer: dict[str, Any] = {
            "status": "ready" if ready else "stopping" if self.draining else "unavailable",
            "checks": {name: problem or {"status": "ok"} for name, problem in checks.items()},
        }
        return ready, answer

    async def _probe(self, name: str) -> dict[str, Any] | None:
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                await self._probes[name]()
        except PipelineError as error:
            return self._failing(name, error.what, error.fix)
        except TimeoutError:
            return self._failing(name, f"No answer within {_TIMEOUT_S:g} s", "")
        except Exception as error:
            return self._failing(name, f"Failed with {type(error).__name__}", "")
        self._failing_since.pop(name, None)
        return None

    def _failing(self, name: str, error: str, fix: str) -> dict[str, Any]:
        since = self._failing_since.setdefault(name, self._clock())
        return {
            "status": "failing",
            "error": error,
            "fix": fix,
            "since": datetime.fromtimestamp(since, UTC).isoformat(timespec="milliseconds"),
        }
