"""A watcher on a real folder, and what it has announced so far."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from pipeline.stage import Emit
from stages.watcher.options import WatchOptions
from stages.watcher.source import Watcher

DEADLINE_S = 20.0


class Log:
    """Keeps what is logged."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, dict[str, Any]]] = []

    def __getattr__(self, level: str) -> Callable[..., None]:
        return lambda event, **values: self.lines.append((level, event, values))


class Watching:
    """Runs a watcher. Events are kept as their bodies with the message's name as `message`."""

    def __init__(self, roots: list[Path], fingerprints: Any, read: Any, observe: Any, options: dict[str, Any]) -> None:
        self.log = Log()
        self.events: list[dict[str, Any]] = []
        self.emits: list[Emit] = []
        chosen = {name: value for name, value in {"read": read, "observe": observe}.items() if value is not None}
        settings = {"settle": 0.2, "pairing": 1.0, "root_check": 0.1, **options}
        self._watcher = Watcher(roots, WatchOptions.read(settings), self.log, fingerprints, **chosen)
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while True:
            for emit in await self._watcher.step():
                self.emits.append(emit)
                self.events.append({"message": emit.message, **emit.body.model_dump(mode="json")})
            await self._watcher.rest()

    async def until(self, condition: Callable[[], Any]) -> None:
        """Wait for a condition; fails with what has been announced."""
        try:
            async with asyncio.timeout(DEADLINE_S):
                while not condition():
                    if self._task.done():
                        self._task.result()
                    await asyncio.sleep(0.01)
        except TimeoutError:
            pytest.fail(
                f"not within {DEADLINE_S} s; announced at last: {self.told()[-40:]}; logged: {self.log.lines[-10:]}"
            )

    async def observing(self) -> None:
        """Wait until the first scan is over, so that whatever happens from now on is a change."""
        await self.until(lambda: any(event == "scanned" for _, event, _ in self.log.lines))

    async def event(self, message: str, path: Path) -> dict[str, Any]:
        """The first event of that name about a path, awaited."""
        found: list[dict[str, Any]] = []

        def there() -> bool:
            found.extend(event for event in self.events if event["message"] == message and path_of(event) == str(path))
            return bool(found)

        await self.until(there)
        return found[0]

    async def everything_before(self, sentinel: Path) -> None:
        """Wait until what has been done so far must have been announced, by way of a new file."""
        await asyncio.to_thread(sentinel.write_bytes, sentinel.name.encode())
        await self.event("file.created", sentinel)

    def rescanned(self) -> int:
        """How often every file has been looked at since the first scan."""
        return sum(event == "looked at every file again" for _, event, _ in self.log.lines)

    def told(self) -> list[tuple[str, str]]:
        """Message names without `file.`, and names of files."""
        return [(event["message"].removeprefix("file."), Path(path_of(event)).name) for event in self.events]

    def library(self) -> dict[str, str]:
        """Path to SHA-256, as somebody has it who only follows the events."""
        files: dict[str, str] = {}
        for event in self.events:
            path = path_of(event)
            match event["message"]:
                case "file.deleted":
                    files.pop(path, None)
                case "file.moved" | "file.renamed":
                    files.pop(event["old_path"], None)
                    files[path] = event["sha256_hash"]
                case "file.discovered":
                    files[path] = event["file_info"]["sha256_hash"]
                case _:
                    files[path] = event["sha256_hash"]
        return files

    async def close(self) -> None:
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        await self._watcher.close()


def path_of(event: dict[str, Any]) -> str:
    path: str = event["file_info"]["path"] if "file_info" in event else event["file_path"]
    return path


@pytest.fixture
def music(tmp_path: Path) -> Path:
    """An empty folder to watch."""
    folder = tmp_path.resolve() / "music"
    folder.mkdir()
    return folder


@pytest.fixture
async def start_watching(music: Path) -> AsyncIterator[Callable[..., Watching]]:
    """Starts a watcher: on `music`, with short times, unless told otherwise."""
    started: list[Watching] = []

    def start(
        *roots: Path, fingerprints: Any = None, read: Any = None, observe: Any = None, **options: Any
    ) -> Watching:
        started.append(Watching(list(roots) or [music], fingerprints, read, observe, options))
        return started[-1]

    yield start
    for watching in started:
        await watching.close()


@pytest.fixture
def on_disk() -> Callable[[Path], dict[str, str]]:
    """Path to SHA-256 of the mp3 files in a folder."""
    return lambda folder: {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.rglob("*.mp3"))
    }
