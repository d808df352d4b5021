"""A context as a pool worker's steps see it, and music with a known truth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ops.audio import TrackSpec, compose, write_track
from pipeline.errors import StepError
from stages.analysis import decode, energy, extent, key, summarise, tempo
from stages.analysis.assignment import Assignment
from stages.analysis.audio import RATE, Audio
from stages.analysis.summary import completed
from stages.contracts import AnalysisRequest

EVERYTHING = Assignment.of(AnalysisRequest(recording_id="a-recording", file_path="/nowhere.wav"))


@dataclass
class PoolContext:
    """What the pool hands to steps: progress is kept here, so that a test can look at it."""

    roots: Sequence[Path] = ()
    cancelled: bool = False
    fractions: list[float] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)

    def progress(self, fraction: float, message: str = "") -> None:
        self.fractions.append(fraction)
        self.messages.append(message)


@pytest.fixture
def context() -> PoolContext:
    return PoolContext()


@pytest.fixture
def request_for() -> Callable[..., Assignment]:
    """A request for some types of a file, of which nothing is known."""

    def make(path: Path, *types: str) -> Assignment:
        request = AnalysisRequest.model_validate(
            {
                "recording_id": "a-recording",
                "file_path": str(path),
                "analysis_types": types or ("bpm", "key", "energy"),
            },
        )
        return Assignment.of(request)

    return make


@pytest.fixture
def analyse(context: PoolContext, request_for: Callable[..., Assignment]) -> Callable[..., dict[str, Any]]:
    """All steps in the topology's order on one file; the results."""

    def run(path: Path, *types: str) -> dict[str, Any]:
        audio = decode(request_for(path, *types), context)
        parts = (tempo(audio, context), key(audio, context), energy(audio, context), extent(audio))
        analysed = summarise(parts)
        return dict(completed(analysed.findings, analysed.assignment.wanted).results)

    return run


@pytest.fixture
def refusal(context: PoolContext, request_for: Callable[..., Assignment]) -> Callable[[Path], StepError]:
    """The error that decoding a file ends in."""

    def run(path: Path) -> StepError:
        with pytest.raises(StepError) as caught:
            decode(request_for(path), context)
        return caught.value

    return run


@pytest.fixture(scope="session")
def flac_in_c(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty seconds of house at 128 BPM in C major, as FLAC."""
    path = tmp_path_factory.mktemp("music") / "house.flac"
    write_track(path, bpm=128, key="C major", seconds=20, style="house", tags={"title": "House"})
    return path


@pytest.fixture(scope="session")
def composed() -> Callable[..., Audio]:
    """Music straight from the composer, without a file in between."""

    @cache
    def make(bpm: float, key: str, style: str, seconds: float = 15.0, **more: Any) -> Audio:
        spec = TrackSpec(bpm, key, seconds, style, rate=RATE, **more)
        return Audio(EVERYTHING, (compose(spec).mean(axis=0),), seconds)

    return make


@pytest.fixture
def audio_of() -> Callable[[np.ndarray[Any, Any]], Audio]:
    def make(samples: np.ndarray[Any, Any]) -> Audio:
        return Audio(EVERYTHING, (samples.astype(np.float32),), samples.size / RATE)

    return make
