"""Dead letters of a pipeline with the embedded engines, by its API: only it knows them."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from pipeline.cli.running import RunningPipeline
from pipeline.dlq.queues import DeadLetterQueue
from pipeline.dlq.selection import Selection
from pipeline.errors import PipelineError

# What the API deals with in one request.
_MOST = 1000


class LettersOverHttp:
    """See `Letters`."""

    def __init__(self, running: RunningPipeline) -> None:
        self._running = running

    async def depths(self) -> dict[str, Any]:
        return await self._running.get("/v1/dlq")

    async def show(self, queue: DeadLetterQueue, selection: Selection, *, bodies: bool) -> dict[str, Any]:
        return await self._running.get(_path(queue), **selection.described(), bodies=bodies)

    async def groups(self, queue: DeadLetterQueue | None, selection: Selection) -> dict[str, Any]:
        path = _path(queue, "groups") if queue else "/v1/dlq/groups"
        return await self._running.get(path, **selection.described())

    async def replay(
        self,
        queue: DeadLetterQueue,
        selection: Selection,
        *,
        rate_per_s: float | None,
        dry_run: bool,
        validate: bool,
    ) -> dict[str, Any]:
        """In as many requests as it takes, for none takes long; no more than wait in the queue now."""
        wanted = {"dry_run": dry_run, "validate": validate, "rate_per_s": rate_per_s}
        rest = await self._most(queue, selection)
        missing = set(selection.message_ids or ())
        replayed = 0
        while True:
            part = replace(selection, limit=max(1, min(rest - replayed, _MOST)))
            done = await self._running.post(_path(queue, "replay"), part.described() | wanted)
            replayed += done["replayed"]
            missing &= set(done["not_found"])
            if dry_run or not done["unread"] or not done["replayed"] or replayed >= rest:
                return done | {"replayed": replayed, "not_found": sorted(missing)}
            if rate_per_s is not None:
                await asyncio.sleep(1 / rate_per_s)  # a request begins with one at once

    async def purge(
        self,
        queue: DeadLetterQueue,
        selection: Selection,
        *,
        dry_run: bool,
        save: Callable[[Sequence[dict[str, Any]]], None] | None,
    ) -> dict[str, Any]:
        path, rest = _path(queue, "purge"), await self._most(queue, selection)
        if dry_run and selection.message_ids is None:
            counted = (await self.groups(queue, selection))["total"]
            return {"dry_run": True, "purged": counted, "kept": rest - counted, "not_found": []}
        missing = set(selection.message_ids or ())
        purged = 0
        while True:
            part = replace(selection, limit=max(1, min(rest - purged, _MOST)))
            rows = await self._running.get_lines(_path(queue, "export"), **part.described()) if save else []
            if save is not None and rows:
                save(rows)
                part = replace(part, limit=len(rows))
            # Nothing but what was saved may be taken away.
            only_look = dry_run or (save is not None and not rows)
            done = await self._running.post(path, part.described() | {"dry_run": only_look})
            purged += 0 if only_look and not dry_run else done["purged"]
            missing &= set(done["not_found"])
            if only_look or not done["purged"] or purged >= rest:
                return done | {"dry_run": dry_run, "purged": purged, "not_found": sorted(missing)}

    async def _most(self, queue: DeadLetterQueue, selection: Selection) -> int:
        """How many it can be, so that what fails again meanwhile is not taken a second time."""
        waiting = {each["name"]: each["messages"] or 0 for each in (await self.depths())["items"]}.get(queue.name, 0)
        return waiting if selection.limit is None else min(waiting, selection.limit)

    async def body(self, queue: DeadLetterQueue, message_id: str) -> bytes:
        found = (await self.show(queue, Selection(message_ids=[message_id], limit=1), bodies=True))["items"]
        if not found:
            raise PipelineError(
                f'"{queue.name}" has no dead letter with the id {message_id!r}', fix="`pipeline dlq show`"
            )
        (letter,) = found
        return base64.b64decode(letter["body_base64"]) if "body_base64" in letter else str(letter["body"]).encode()

    async def edit(
        self, queue: DeadLetterQueue, message_id: str, body: bytes, *, expected: str, dry_run: bool
    ) -> dict[str, Any]:
        try:
            text = body.decode()
        except UnicodeDecodeError:
            raise PipelineError("The body is not UTF-8", fix="Nothing was changed") from None
        wanted = {"message_id": message_id, "body": text, "expected": expected, "dry_run": dry_run}
        return await self._running.post(_path(queue, "edit"), wanted)

    async def trail(self, limit: int) -> dict[str, Any]:
        return await self._running.get("/v1/dlq/audit", limit=limit)


def _path(queue: DeadLetterQueue, action: str = "") -> str:
    path = f"/v1/dlq/{quote(queue.name, safe='')}"
    return f"{path}/{action}" if action else path
