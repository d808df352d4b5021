"""`python -m ops.bench.tracklist`: how many boundaries of mixes are found in their audio, how fast, in what memory."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import re
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

# Before numpy: one core is what is measured.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from ops.bench.mixes import RATE, TUNED_SEED, Mix, generated_mixes, mixes_of_files
from ops.bench.truth import openmsx
from ops.music.packages import NotFetched, music_of_packages
from stages.answers import Stopwatch
from stages.contracts import TracklistGenerationRequest
from stages.tracklist.boundaries import heard
from stages.tracklist.found import Located

TOLERANCES = (5.0, 15.0)
"""Seconds that a boundary may be off."""

_TRACKS, _TURNS = 7, 2
_LONGEST_TRACK = 300.0
_ONE_TEMPO = 122.0


class _BenchContext:
    """What the work asks of a context when nobody watches."""

    roots: Sequence[Path] = ()
    cancelled = False

    def progress(self, fraction: float, message: str = "") -> None: ...


@dataclass(frozen=True, slots=True)
class Heard:
    """What was found in one file, and what that cost.

    Attributes:
        starts: (seconds, confidence), without the first track's.
        memory_mb, idle_mb: the most the process has held, and what it had before it opened the file.
    """

    starts: tuple[tuple[float, float], ...]
    confidence: float
    seconds: float
    cpu_seconds: float
    memory_mb: float
    idle_mb: float


@dataclass(frozen=True, slots=True)
class Counts:
    """Boundaries there are, found, and found where there is one."""

    there: int
    found: int
    right: int

    @property
    def precision(self) -> float:
        return self.right / self.found if self.found else 0.0

    @property
    def recall(self) -> float:
        return self.right / self.there if self.there else 0.0

    @property
    def f_measure(self) -> float:
        return 2 * self.right / (self.there + self.found) if self.there + self.found else 0.0


def listen(path: Path) -> Heard:
    """Find the tracks of one file in this process."""
    idle = _peak_mb()
    request = TracklistGenerationRequest(recording_id="bench", source_hint="audio")
    located = Located(request, path, str(path), Stopwatch())
    started = time.process_time()
    found = heard(located, _BenchContext())  # type: ignore[arg-type]
    spent = time.process_time() - started
    if found is None:
        raise ValueError(f"{path.name} is silent")
    starts = tuple((entry.start_seconds, entry.confidence or 0.0) for entry in found.entries[1:])
    return Heard(starts, found.confidence, found.duration_seconds or 0.0, spent, _peak_mb(), idle)


def matched(found: Sequence[float], truth: Sequence[float], tolerance: float) -> list[bool]:
    """Which of the found are right: each boundary counts for the nearest one only, nearest pairs first.

    Source: as `mir_eval.segment.detection`, with a greedy matching.
    """
    pairs = sorted(
        (abs(start - true), index, number)
        for index, start in enumerate(found)
        for number, true in enumerate(truth)
        if abs(start - true) <= tolerance
    )
    right = [False] * len(found)
    taken: set[int] = set()
    for _, index, number in pairs:
        if not right[index] and number not in taken:
            right[index] = True
            taken.add(number)
    return right


def counted(results: Iterable[tuple[Mix, Heard]], tolerance: float) -> Counts:
    """Over all mixes of a set."""
    there = found = right = 0
    for mix, result in results:
        there += len(mix.starts)
        found += len(result.starts)
        right += sum(matched([start for start, _ in result.starts], mix.starts, tolerance))
    return Counts(there, found, right)


def report(name: str, results: Sequence[tuple[Mix, Heard]]) -> str:
    """One line: how many, precision, recall and F at both tolerances, mean confidence, speed."""
    speed = sum(result.seconds for _, result in results) / sum(result.cpu_seconds for _, result in results)
    there = sum(len(mix.starts) for mix, _ in results)
    if not there:
        divided = sum(bool(result.starts) for _, result in results)
        return f"{name:<46} {there:>4}   {divided} of {len(results)} files are divided{'':<27} x{speed:.0f}"
    columns = [f"{name:<46}", f"{there:>4}"]
    for tolerance in TOLERANCES:
        counts = counted(results, tolerance)
        columns.append(f"{counts.precision:6.0%}{counts.recall:6.0%}{counts.f_measure:6.0%}  ")
    confidences = [confidence for _, result in results for _, confidence in result.starts]
    columns.append(f"{sum(confidences) / len(confidences):5.0%}" if confidences else "    -")
    columns.append(f"  x{speed:.0f}")
    return " ".join(columns)


def repeated(mix: Path, seconds: float, hours: float) -> Path:
    """An MP3 of so many hours that plays an MP3 again and again: its frames stand for themselves."""
    content = mix.read_bytes()
    path = mix.with_name("long.mp3")
    with path.open("wb") as file:
        for _ in range(max(1, round(hours * 3600 / seconds))):
            file.write(content)
    return path


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m ops.bench.tracklist", description=__doc__)
    parser.add_argument("--mixes", type=int, default=8, help="how many mixes of generated tracks")
    parser.add_argument("--hours", type=float, default=10.0, help="how long the file is whose memory is measured")
    parser.add_argument("--cache", type=Path, default=Path("build/music"), help="where packages are kept")
    options = parser.parse_args(arguments)
    print("Precision, recall and F-measure of boundaries at 5 s and at 15 s; what the model thinks its precision is;")
    print("speed: seconds of audio a CPU second, decoding included.")
    print(f"{'set':<46}    n    at 5 s: P   R   F    at 15 s: P   R   F   conf  speed")
    with tempfile.TemporaryDirectory(prefix="mixes-") as name, fresh_process() as process:
        for number, (title, made) in enumerate(_sets(options).items()):
            folder = Path(name, str(number))
            folder.mkdir()
            try:
                results = [(mix, process.submit(listen, mix.path).result()) for mix in made(folder)]
            except NotFetched as error:
                print(f"{title:<46} left out: {error}")
                continue
            if not results:
                print(f"{title:<46} left out: needs fluidsynth, timgm6mb-soundfont, openttd-openmsx")
                continue
            print(report(title, results), flush=True)
            for how in ("cut", "gaps", "faded"):
                some = [(mix, result) for mix, result in results if mix.how == how]
                if some:
                    print(report(f"  {how}", some), flush=True)
        _measure_memory(Path(name), options.hours)
    print("Tuned on, beside the generated mixes: the music of Freedoom, rendered, as it is and all at one tempo.")
    return 0


def _sets(options: argparse.Namespace) -> dict[str, Callable[[Path], Iterator[Mix]]]:
    def rendered(folder: Path, tempo: float | None) -> Iterator[Mix]:
        files = [piece.path for piece in openmsx(folder, tempo=tempo)]
        yield from mixes_of_files(folder, "openmsx", files, tracks=_TRACKS, seconds=_LONGEST_TRACK, turns=_TURNS)

    def alone(folder: Path) -> Iterator[Mix]:
        for piece in openmsx(folder):
            yield Mix(piece.path, (), 0.0, "alone")

    def recorded(folder: Path) -> Iterator[Mix]:
        files = music_of_packages(options.cache)
        yield from mixes_of_files(
            folder, "recordings", files, tracks=len(files), seconds=_LONGEST_TRACK, turns=2 * _TURNS
        )

    return {
        f"TUNED ON: generated, seeds from {TUNED_SEED}": lambda folder: generated_mixes(folder, options.mixes),
        "held out: OpenTTD's OpenMSX, rendered": lambda folder: rendered(folder, None),
        f"held out: OpenMSX, all at {_ONE_TEMPO:.0f} BPM": lambda folder: rendered(folder, _ONE_TEMPO),
        "held out: OpenMSX, each piece alone": alone,
        "not fitted on: recordings in Debian packages": recorded,
    }


def _measure_memory(folder: Path, hours: float) -> None:
    source = next(mix for number, mix in enumerate(generated_mixes(folder, 2)) if number == 1)
    path = repeated(source.path, source.seconds, hours)
    with fresh_process() as process:
        result = process.submit(listen, path).result()
    print(
        f"A file of {result.seconds / 3600:.1f} hours ({path.suffix[1:]}, {RATE} Hz): "
        f"{result.memory_mb:.0f} MB at most, {result.idle_mb:.0f} MB of it before it was opened; "
        f"{result.cpu_seconds:.0f} s of CPU, x{result.seconds / result.cpu_seconds:.0f}; "
        f"{len(result.starts) + 1} tracks"
    )


def fresh_process() -> ProcessPoolExecutor:
    """A process of its own, so that what the mixes took to make is not counted."""
    return ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))


def _peak_mb() -> float:
    """The most this process has held. Linux's getrusage counts what its parent held when it was forked."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(re.findall(r"VmHWM:\s+(\d+) kB", status.read_text())[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 * 1024)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
