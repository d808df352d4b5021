"""The rename service on real servers, and files for it."""

from __future__ import annotations

import ctypes
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
import structlog

from pipeline.messages.message import ERROR_CODE, Envelope
from tests.live_library import LiveLibrary, live_library

_NOBODY = 65534


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder that every user may enter; those of pytest are for one alone."""
    folder = Path(tempfile.mkdtemp()).resolve()
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
async def library(
    rabbitmq_url: str, rabbitmq_management_url: str, redis_url: str, public_folder: Path
) -> AsyncIterator[LiveLibrary]:
    async with live_library(rabbitmq_url, rabbitmq_management_url, redis_url, public_folder) as opened:
        yield opened


@pytest.fixture
async def service(library: LiveLibrary) -> LiveLibrary:
    """A worker of the stage that renames."""
    await library.start(["rename"])
    return library


@pytest.fixture
def place(library: LiveLibrary) -> Callable[..., Path]:
    """Puts a file into the library."""

    def placed(name: str, content: bytes = b"content") -> Path:
        path = library.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    return placed


class Interrupted:
    """What a step sees whose worker dies before it has published anything."""

    options: ClassVar[dict[str, Any]] = {}
    cancelled = False

    def __init__(self, library: LiveLibrary, message: str, message_id: str) -> None:
        self.envelope = Envelope(message, message_id, None, "queue", "exchange", message)
        self.log = structlog.get_logger()
        self.state = library.state.documents
        self.roots = (library.root,)
        self.data_dir = library.data_dir

    def progress(self, fraction: float, message: str = "") -> None:
        """Not shown."""

    def track(self, recording_id: str) -> None:
        """Not shown."""


@pytest.fixture
def interrupted(library: LiveLibrary) -> Callable[[str, str], Interrupted]:
    """The context of a step whose worker dies: of a message's name and id."""
    return lambda message, message_id: Interrupted(library, message, message_id)


@pytest.fixture
def as_nobody() -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Has a function touch files as a user without rights where the tests run as root, whom no folder is closed to."""

    def wrapped(function: Callable[..., Any]) -> Callable[..., Any]:
        if os.geteuid() != 0:
            return function
        libc = ctypes.CDLL(None)

        def call(*arguments: Any, **named: Any) -> Any:
            libc.setfsuid(_NOBODY)  # of this thread alone
            try:
                return function(*arguments, **named)
            finally:
                libc.setfsuid(0)

        return call

    return wrapped


@pytest.fixture
def refused(library: LiveLibrary) -> Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]:
    """Asks for a rename that is refused: the answer, whose code is that of the dead letter too."""

    async def asked(body: dict[str, Any]) -> dict[str, Any]:
        message_id = await library.publish("rename.request", body)
        answer = await library.answer("file_rename.response")
        letter = await library.take("file_rename.request.dlq")
        assert letter.message_id == message_id
        assert letter.headers[ERROR_CODE] == answer["error_code"]
        assert not answer["success"]
        assert answer["error"]
        return answer

    return asked
