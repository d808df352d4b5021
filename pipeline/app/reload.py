"""Goes over to a changed topology while everything runs: what does not lint, or fit the broker, changes nothing."""

from __future__ import annotations

import asyncio
import importlib
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import structlog

from pipeline.app.loading import Loaded, load_with, topology_files
from pipeline.errors import PipelineError
from pipeline.settings import Settings
from pipeline.telemetry import RELOADS, TOPOLOGY
from pipeline.topology.diagnostics import Diagnostic, InvalidTopology, printable
from pipeline.topology.difference import revision

_LOOK_EVERY_S = 0.5
_TRY_AGAIN_S = 5.0
_log = structlog.get_logger()

Look = tuple[tuple[Path, int, int, int] | tuple[Path], ...]


class Reloader:
    """Looks at the topology's files, and has what is new in them taken over.

    Args:
        adopt: takes a revision over; raises PipelineError where it can't be, and has then changed nothing.
        tell: told the revision in force and why a newer one is not (empty where there is none), at the beginning and
            whenever that changes.
        watch: whether a changed file is taken over by itself; `ask` does so in any case.
    """

    def __init__(
        self,
        loaded: Loaded,
        adopt: Callable[[Loaded], Awaitable[None]],
        tell: Callable[[str, str], None],
        *,
        watch: bool,
    ) -> None:
        self._revision = revision(loaded.topology)
        self._tell = tell
        self._settings = loaded.settings
        self._adopt = adopt
        self._watch = watch
        self._asked = asyncio.Event()
        self._seen = look(loaded.settings)
        self._waits_for_broker = False
        _show(self._revision)
        tell(self._revision, "")

    def ask(self) -> None:
        """Look now, and say what came of it: for SIGHUP."""
        self._asked.set()

    async def run(self) -> None:
        """Keep looking, for as long as this runs."""
        _log.info("the topology is in force", revision=self._revision)
        waited = 0.0
        while True:
            asked = await self._asked_within(_LOOK_EVERY_S)
            waited += _LOOK_EVERY_S
            changed = self._watch and await self._changed()
            if asked or changed or (self._waits_for_broker and waited >= _TRY_AGAIN_S):
                waited = 0.0
                await self._reload(again=not (asked or changed), asked=asked)

    async def _asked_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._asked.wait()
        except TimeoutError:
            return False
        self._asked.clear()
        self._seen = look(self._settings)
        return True

    async def _changed(self) -> bool:
        """Whether the files look different, and go on to look so: an editor may be writing."""
        now = look(self._settings)
        if now == self._seen:
            return False
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            before, now = now, look(self._settings)
            if now == before:
                self._seen = now
                return True

    async def _reload(self, *, again: bool, asked: bool) -> None:
        """Args: again: the same was refused before, and is not told once more."""
        importlib.invalidate_caches()  # a module may have been put beside the file just now
        try:
            loaded = await asyncio.to_thread(load_with, self._settings)
            new = revision(loaded.topology)
            if new == self._revision:
                self._waits_for_broker = False
                self._tell(new, "")
                if asked:
                    _log.info("nothing has changed in the topology", revision=new)
                return
            # What is begun is carried through: half of it in force is what nobody wants.
            await asyncio.shield(self._adopt(loaded))
        except PipelineError as error:
            self._refuse(error, again)
            return
        _show(new)
        RELOADS.labels("done").inc()
        before, self._revision, self._waits_for_broker = self._revision, new, False
        self._tell(new, "")
        _log.info("another topology is in force", revision=new, before=before)

    def _refuse(self, error: PipelineError, again: bool) -> None:
        found = [each for each in error.diagnostics if each.is_error] if isinstance(error, InvalidTopology) else []
        # What the broker lacks, or its absence, may be mended without touching the file.
        self._waits_for_broker = not found
        self._tell(self._revision, _shortly(found[0]) if found else error.what)
        if again:
            return
        RELOADS.labels("refused").inc()
        for each in found:
            fix = {"fix": printable(each.suggestion)} if each.suggestion else {}
            _log.error(
                "the topology has an error",
                where=each.where,
                code=each.code,
                what=printable(each.detail) or each.summary,
                **fix,
            )
        if not found:
            _log.error("the topology can't be taken over", what=error.what, where=error.where, fix=error.fix)
        _log.warning("the topology before it stays in force", revision=self._revision)


def _shortly(found: Diagnostic) -> str:
    """Without the folder, which is nobody's business on a dashboard."""
    return f"{Path(found.file).name}:{found.line}:{found.column}: {found.summary}"


def _show(in_force: str) -> None:
    TOPOLOGY.clear()
    TOPOLOGY.labels(in_force).set(1)


def look(settings: Settings) -> Look:
    """What tells the topology's files from what they were: their identity, size and time; a missing one is one too."""
    try:
        files = topology_files(settings)
    except PipelineError:
        files = (settings.pipeline_topology,)
    return tuple(_look(file) for file in files)


def _look(file: Path) -> tuple[Path, int, int, int] | tuple[Path]:
    try:
        status = os.stat(file)
    except OSError:
        return (file,)
    return file, status.st_ino, status.st_size, status.st_mtime_ns
