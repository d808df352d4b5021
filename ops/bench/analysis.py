"""`python -m ops.bench.analysis`: how fast the analysis is and how often it is right, on music it was not tuned on."""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

# Before numpy: one core is what is measured.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from numpy.typing import NDArray

from ops.bench.truth import FIRST_HELD_OUT_SEED, Piece, accompaniments, generated, openmsx
from stages.analysis import decode, energy, key, tempo
from stages.analysis.assignment import Assignment
from stages.analysis.audio import Key
from stages.analysis.names import KEY_NAMES, key_index
from stages.contracts import AnalysisRequest

_OCTAVES = (1.0, 2.0, 3.0, 1 / 2, 1 / 3)
_ROUGH, _SHARP = 0.04, 0.005
_OPENED_BY_LIBROSA = (".wav", ".flac", ".mp3", ".ogg", ".opus", ".aiff")
_PROFILES = (
    (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88),
    (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17),
)


class _BenchContext:
    """What the steps ask of a context when nobody watches."""

    roots: Sequence[Path] = ()
    cancelled = False

    def progress(self, fraction: float, message: str = "") -> None: ...


@dataclass(frozen=True, slots=True)
class Found:
    """What one analyser says of one piece, and what that cost."""

    piece: Piece
    bpm: float | None
    key: str | None
    audio_seconds: float
    cpu_seconds: float


def analyse(piece: Piece) -> Found:
    """Run all steps on one file in this process."""
    context = _BenchContext()
    assignment = Assignment.of(AnalysisRequest(recording_id="bench", file_path=str(piece.path)))
    started = time.process_time()
    audio = decode(assignment, context)  # type: ignore[arg-type]
    found_tempo, found_key = tempo(audio, context), key(audio, context)  # type: ignore[arg-type]
    energy(audio, context)  # type: ignore[arg-type]
    spent = time.process_time() - started
    name = KEY_NAMES[found_key.index] if isinstance(found_key, Key) else None
    return Found(piece, found_tempo.bpm if found_tempo else None, name, audio.analysed_seconds, spent)


def mirex_score(found: str | None, truth: str) -> float:
    """1 for the key, 0.5 for one a fifth away, 0.3 for its relative, 0.2 for its parallel, else 0.

    Source: MIREX, "Audio Key Detection", evaluation procedure.
    """
    if found is None:
        return 0.0
    one, other = key_index(found), key_index(truth)
    distance = (one - other) % 12
    if one == other:
        return 1.0
    if one // 12 == other // 12:
        return 0.5 if distance in (5, 7) else 0.0
    if distance == (9 if one >= 12 else 3):
        return 0.3
    return 0.2 if distance == 0 else 0.0


def report(name: str, results: Sequence[Found]) -> str:
    """One line: speed, tempo and key."""
    tempos = [(found.bpm or 0.0) / found.piece.bpm for found in results if found.piece.bpm]
    keys = [mirex_score(found.key, found.piece.key) for found in results if found.piece.key]
    speed = sum(found.audio_seconds for found in results) / sum(found.cpu_seconds for found in results)
    columns = [f"{name:<44}", f"x{speed:<5.0f}", f"{len(tempos):>4}"]
    columns += [
        _share(abs(ratio - 1) <= _ROUGH for ratio in tempos),
        _share(any(abs(ratio / octave - 1) <= _ROUGH for octave in _OCTAVES) for ratio in tempos),
        _share(abs(ratio - 1) <= _SHARP for ratio in tempos),
        f"{len(keys):>5}",
        _share(score == 1 for score in keys),
        f"{100 * sum(keys) / len(keys):6.1f}" if keys else "     -",
    ]
    return " ".join(columns)


def _share(hits: Iterable[bool]) -> str:
    values = list(hits)
    return f"{100 * sum(values) / len(values):6.1f}" if values else "     -"


def _librosa() -> Callable[[Piece], Found | None] | None:
    """The peer, where it is installed: the tempo of its beat tracker, and the key that its chroma fits best.

    It gives None for a file that it cannot open (m4a).
    """
    if importlib.util.find_spec("librosa") is None:
        return None
    librosa = importlib.import_module("librosa")

    def run(piece: Piece) -> Found | None:
        if piece.path.suffix not in _OPENED_BY_LIBROSA:
            return None
        started = time.process_time()
        samples, rate = librosa.load(piece.path, sr=22_050)
        bpm = float(np.atleast_1d(librosa.beat.beat_track(y=samples, sr=rate)[0])[0])
        found_key = _best_key(librosa.feature.chroma_cqt(y=samples, sr=rate).mean(axis=1))
        return Found(piece, bpm, found_key, samples.size / rate, time.process_time() - started)

    return run


def _best_key(chroma: NDArray[np.float64]) -> str:
    """The key whose profile correlates best with twelve pitch classes from C.

    Source: C. L. Krumhansl, "Cognitive Foundations of Musical Pitch" (1990), table 2.1.
    """
    fits = [np.corrcoef(np.roll(profile, tonic), chroma)[0, 1] for profile in _PROFILES for tonic in range(12)]
    return KEY_NAMES[int(np.argmax(fits))]


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m ops.bench.analysis", description=__doc__)
    parser.add_argument("--tracks", type=int, default=48, help="how many generated tracks, and how many accompaniments")
    options = parser.parse_args(arguments)
    peer = _librosa()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sets: dict[str, Iterable[Piece]] = {
            f"generated, seeds from {FIRST_HELD_OUT_SEED}": generated(folder, options.tracks),
            "OpenTTD's OpenMSX, rendered": openmsx(folder),
            "MMA accompaniments, held-out styles": accompaniments(folder, options.tracks),
        }
        heading = f"{'set':<44} speed     n   Acc1   Acc2 <0.5 %     n   key  MIREX"
        print(f"Speed: seconds of audio a CPU second, decoding included. Accuracy in percent.\n{heading}")
        for title, pieces in sets.items():
            found = list(pieces)
            if not found:
                print(f"{title:<44} left out: needs fluidsynth, timgm6mb-soundfont, openttd-openmsx, mma")
                continue
            analyse(found[0])
            print(report(title, [analyse(piece) for piece in found]), flush=True)
            if peer is not None:
                peer(found[0])
                beside = [result for result in map(peer, found) if result is not None]
                print(report(f"  librosa, {len(beside)} of {len(found)} files", beside), flush=True)
    print("OpenMSX: what its files state as their key; several are blues, noted in major, played with minor thirds.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
