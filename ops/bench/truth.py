"""Music whose tempo and key are known, and that the analysis was not tuned on.

Tuned on, and therefore not here: generated tracks of seeds below 10,000, the MMA styles of an even digest, the
music of Freedoom, and half of 120 fiddle tunes and chorales.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from ops.audio import compose, encode, random_spec
from ops.bench.accompaniment import playable, write_chart
from ops.bench.midi import at_tempo, read_score

FIRST_HELD_OUT_SEED = 10_000
SOUND_FONT = Path("/usr/share/sounds/sf2/TimGM6mb.sf2")
OPENMSX = Path("/usr/share/games/openttd/baseset/openmsx")
MMA_STYLES = Path("/usr/share/mma/lib")

_SUFFIXES = (".mp3", ".flac", ".m4a", ".ogg", ".wav", ".opus")
_STEADY_SHARE = 0.9
_RENDER_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Piece:
    """A file and what is known of it; None where that is not known."""

    path: Path
    bpm: float | None
    key: str | None


def generated(folder: Path, count: int, *, seconds: float = 60.0) -> Iterator[Piece]:
    """Tracks of our own generator, encoded to six formats in turn."""
    for number in range(count):
        spec = random_spec(FIRST_HELD_OUT_SEED + number, seconds=seconds)
        path = folder / f"generated-{number}{_SUFFIXES[number % len(_SUFFIXES)]}"
        encode(path, compose(spec), rate=spec.rate)
        yield Piece(path, spec.bpm, spec.key)


def openmsx(folder: Path, *, tempo: float | None = None) -> Iterator[Piece]:
    """OpenTTD's free music, rendered: composed by people who knew nothing of us. Nothing if it is not installed.

    The key is what the file states, which for some is their sequencer's default.

    Args:
        tempo: BPM that all of it is played at, instead of its own.
    """
    if not _can_render():
        return
    for midi in sorted(OPENMSX.glob("*.mid")):
        if tempo is not None:
            (folder / midi.name).write_bytes(at_tempo(midi, tempo))
            midi = folder / midi.name
        score = read_score(midi)
        audio = _rendered(midi, folder)
        bpm = score.bpm if score.steady_share >= _STEADY_SHARE else None
        yield Piece(audio, bpm, score.key_signatures[0] if score.key_signatures else None)


def accompaniments(folder: Path, count: int) -> Iterator[Piece]:
    """Chord charts played by MMA in styles that were held out, rendered. Nothing if it is not installed."""
    if not _can_render() or not shutil.which("mma"):
        return
    styles = [path for path in MMA_STYLES.glob("*/*.mma") if _digest(path) % 2 and playable(path)]
    styles.sort(key=_digest)
    with ThreadPoolExecutor(2) as pool:
        pieces = pool.map(lambda style: _played(style, folder), styles[:count])
        yield from (piece for piece in pieces if piece is not None)


def _played(style: Path, folder: Path) -> Piece | None:
    chart = folder / f"{style.parent.name}-{style.stem}.mma"
    key = write_chart(chart, style)
    midi = chart.with_suffix(".mid")
    finished = subprocess.run(["mma", str(chart), "-f", str(midi)], capture_output=True, check=False)
    if finished.returncode or not midi.exists():
        return None
    return Piece(_rendered(midi, folder), read_score(midi).bpm, key)


def _digest(style: Path) -> int:
    """A number that decides on which side a style is: the weights of the tempo model were fitted on the even ones."""
    name = f"{style.parent.name}-{style.stem}"
    return int(hashlib.md5(name.encode(), usedforsecurity=False).hexdigest(), 16)


def _can_render() -> bool:
    return shutil.which("fluidsynth") is not None and SOUND_FONT.exists()


def _rendered(midi: Path, folder: Path) -> Path:
    audio = folder / f"{midi.stem}.wav"
    command = ["fluidsynth", "-ni", "-q", "-g", "0.6", "-F", str(audio), "-r", "44100", str(SOUND_FONT), str(midi)]
    subprocess.run(command, capture_output=True, check=True, timeout=_RENDER_SECONDS)
    return audio
