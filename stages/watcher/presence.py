"""Keeps the watched folders observed: they may be missing, be unmounted and come back, or be too many to observe."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from pipeline.stage import Logger
from stages.fingerprint import Look
from stages.watcher.folders import UNSEEN, Folders, shown
from stages.watcher.hints import Hints
from stages.watcher.observation import AVAILABLE, Observation, OnLimit, is_limit
from stages.watcher.options import WatchOptions

Observe = Callable[[Hints, Callable[[str], bool], OnLimit], Observation]

_LIMIT_FIX = "sudo sysctl fs.inotify.max_user_watches=1048576 fs.inotify.max_user_instances=1024, then start again"


class Presence:
    """Which watched folders are there, each under observation unless by polling.

    Args:
        observe: makes the observation; tests pass one that meets the limit.
    """

    def __init__(
        self, folders: Folders, hints: Hints, options: WatchOptions, log: Logger, observe: Observe = Observation
    ) -> None:
        self.polling = options.polling or not AVAILABLE
        self._folders = folders
        self._hints = hints
        self._options = options
        self._log = log
        self._observe = observe
        self._observation: Observation | None = None
        self._identities: dict[str, tuple[int, int]] = {}
        self._missed: set[str] = set()
        self._limit_reached = False
        self._next_check = 0.0

    async def check(self, now: float, is_populated: Callable[[str], bool]) -> list[str]:
        """Look whether the folders are there, if it is time to; those that have just come under observation.

        Args:
            is_populated: whether files are known in a folder.
        """
        if self._limit_reached and not self.polling:
            await self._poll_instead()
        if now < self._next_check:
            return []
        self._next_check = now + self._options.root_check
        return [root for root in self._folders.roots if await self._has_arrived(root, is_populated)]

    def watched(self) -> list[str]:
        """The folders that were there when last looked at."""
        return [root for root in self._folders.roots if root in self._identities]

    def doubt(self, root: str) -> None:
        """A folder was deleted, which its identity need not tell: file systems use inodes again."""
        if self._identities.pop(root, None) is not None:
            self._next_check = 0.0

    def look(self, paths: Iterable[str]) -> dict[str, Look | str]:
        """How files look; UNSEEN where their watched folder is not there. Blocks."""
        there = {root for root in self.watched() if self._folders.identity(root) == self._identities[root]}
        return {path: self._folders.look(path) if self._folders.root_of(path) in there else UNSEEN for path in paths}

    async def stop(self) -> None:
        observation, self._observation = self._observation, None
        if observation is not None:
            await asyncio.to_thread(observation.stop)

    async def _has_arrived(self, root: str, is_populated: Callable[[str], bool]) -> bool:
        identity = await asyncio.to_thread(self._folders.identity, root)
        if identity is not None and identity == self._identities.get(root):
            return False
        if identity is not None and is_populated(root) and await asyncio.to_thread(self._folders.is_empty, root):
            identity = None  # the mount point that is left behind, rather than the folder with everything deleted
        if identity is None or not (self.polling or await self._add(root)):
            await self._miss(root)
            return False
        self._identities[root] = identity
        self._missed.discard(root)
        self._log.info("watching", folder=shown(root), by="polling" if self.polling else "events of the system")
        return True

    async def _miss(self, root: str) -> None:
        self._identities.pop(root, None)
        if root not in self._missed:
            self._missed.add(root)
            self._log.warning("a watched folder is not there; waiting for it", folder=shown(root))
            if self._observation is not None:
                await asyncio.to_thread(self._observation.remove, root)

    async def _add(self, root: str) -> bool:
        """Observe a folder; False if it has just gone again."""
        try:
            if self._observation is None:
                self._observation = await asyncio.to_thread(
                    self._observe, self._hints, self._folders.covers, self._on_limit
                )
            await asyncio.to_thread(self._observation.add, root)
        except OSError as error:
            if not is_limit(error):
                return False
            await self._poll_instead()
        return True

    def _on_limit(self) -> None:
        self._limit_reached = True
        self._hints.lose()

    async def _poll_instead(self) -> None:
        self._log.error(
            "the system's limit of watched folders is reached; looking at every file again and again instead",
            every_s=self._options.poll_interval,
            fix=_LIMIT_FIX,
        )
        self.polling = True
        await self.stop()
