"""Audio files that carry lists of tracks, mixes whose boundaries are known, and the whole service on real servers."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import pytest

from ops.audio import write_track
from stages.answers import Stopwatch
from stages.contracts import TracklistGenerationRequest
from stages.tracklist.found import Generated, Located
from stages.tracklist.generate import find
from tests.live_library import LiveLibrary, live_library

SECONDS = 6.0
Chapter = tuple[float, float, str | None]


@dataclass
class PoolContext:
    """What the pool hands to a step."""

    roots: Sequence[Path] = ()
    cancelled: bool = False
    fractions: list[float] = field(default_factory=list)

    def progress(self, fraction: float, message: str = "") -> None:
        self.fractions.append(fraction)


@pytest.fixture
def context() -> PoolContext:
    return PoolContext()


@pytest.fixture
def generate(context: PoolContext) -> Callable[..., Generated]:
    """What the step in the pool gives for a file."""

    def run(path: Path, hint: str = "auto") -> Generated:
        request = TracklistGenerationRequest.model_validate({"recording_id": "a-recording", "source_hint": hint})
        return find(Located(request, path.resolve(), str(path), Stopwatch()), context)  # type: ignore[arg-type]

    return run


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Six seconds of music in a format, without tags; not to be changed."""
    folder = tmp_path_factory.mktemp("plain")

    def made(suffix: str) -> Path:
        path = folder / f"mix.{suffix}"
        if not path.exists():
            write_track(path, bpm=120, key="A minor", seconds=SECONDS, style="pop")
        return path

    return made


@pytest.fixture
def track(plain: Callable[[str], Path], tmp_path: Path) -> Callable[..., Path]:
    """A copy of one's own; with tags or chapters where some are given, its packets as they were."""

    def made(suffix: str, tags: Mapping[str, str] | None = None, chapters: Sequence[Chapter] = ()) -> Path:
        path = tmp_path / f"mix.{suffix}"
        if tags or chapters:
            _remux(plain(suffix), path, tags or {}, chapters)
        else:
            shutil.copy(plain(suffix), path)
        return path

    return made


def _remux(source: Path, target: Path, tags: Mapping[str, str], chapters: Sequence[Chapter]) -> None:
    container = {".m4a": "ipod", ".m4b": "ipod", ".opus": "ogg"}.get(target.suffix, target.suffix[1:])
    options = {"movflags": "use_metadata_tags"} if container == "ipod" and tags else {}
    with av.open(str(source)) as given, av.open(str(target), "w", format=container, options=options) as output:
        stream = output.add_stream_from_template(given.streams.audio[0])
        output.metadata.update(tags)
        if container == "ogg":
            stream.metadata.update(tags)
        if chapters:
            output.set_chapters([_chapter(number, *each) for number, each in enumerate(chapters)])
        for packet in given.demux(given.streams.audio[0]):
            if packet.dts is not None:
                packet.stream = stream
                output.mux(packet)


def _chapter(number: int, start: float, end: float, title: str | None) -> av.container.core.Chapter:
    return {
        "id": number,
        "start": round(start * 1000),
        "end": round(end * 1000),
        "time_base": Fraction(1, 1000),
        "metadata": {} if title is None else {"title": title},
    }


@pytest.fixture
async def library(
    rabbitmq_url: str, rabbitmq_management_url: str, redis_url: str, tmp_path: Path
) -> AsyncIterator[LiveLibrary]:
    async with live_library(rabbitmq_url, rabbitmq_management_url, redis_url, tmp_path) as opened:
        yield opened
