"""What a Standard MIDI File says about itself: its tempo and its key signatures."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from pathlib import Path

from stages.analysis.names import KEY_NAMES

_SEMITONES_IN_A_FIFTH = 7
_SAME_TEMPO = 0.005
_TEMPO, _KEY_SIGNATURE = 0x51, 0x59


@dataclass(frozen=True, slots=True)
class Score:
    """Attributes:
    bpm: the tempo that most of the time is played at.
    steady_share: the share of the time that is played within 0.5 % of it.
    key_signatures: names of the keys it states, in order.
    seconds: until the last note begins.
    """

    bpm: float
    steady_share: float
    key_signatures: tuple[str, ...]
    seconds: float


@dataclass(slots=True)
class _Events:
    tempos: list[tuple[int, float]] = field(default_factory=list)
    tempo_places: list[int] = field(default_factory=list)
    keys: list[tuple[int, str]] = field(default_factory=list)
    last_note: int = 0


def read_score(path: Path) -> Score:
    """Read a file of format 0 or 1 with ticks per quarter note.

    Raises: ValueError for anything else. Source: MIDI Manufacturers Association, "Standard MIDI Files 1.0".
    """
    return _summed(*_read(path.name, path.read_bytes()))


def at_tempo(path: Path, bpm: float) -> bytes:
    """The file with every tempo it states replaced by one; without one it is as it was. Raises: as `read_score`."""
    content = bytearray(path.read_bytes())
    events, _ = _read(path.name, bytes(content))
    for place in events.tempo_places:
        content[place : place + 3] = round(60_000_000 / bpm).to_bytes(3, "big")
    return bytes(content)


def _read(name: str, content: bytes) -> tuple[_Events, int]:
    """The events, and ticks in a quarter note."""
    if content[:4] != b"MThd":
        raise ValueError(f"{name} is not a MIDI file")
    length, _, tracks, division = struct.unpack(">IHHH", content[4:14])
    if division & 0x8000:
        raise ValueError(f"{name} counts in frames, not in beats")
    events = _Events()
    place = 8 + length
    for _ in range(tracks):
        size = struct.unpack(">I", content[place + 4 : place + 8])[0]
        if content[place : place + 4] == b"MTrk":
            _read_track(content[: place + 8 + size], place + 8, events)
        place += 8 + size
    return events, division


def _summed(events: _Events, division: int) -> Score:
    tempos = sorted(events.tempos) or [(0, 120.0)]
    if tempos[0][0] > 0:
        tempos.insert(0, (0, 120.0))
    spans: dict[float, float] = {}
    ends = [tick for tick, _ in tempos[1:]] + [max(events.last_note, tempos[-1][0])]
    for (tick, bpm), end in zip(tempos, ends, strict=True):
        ticks = max(0, min(end, events.last_note) - tick)
        spans[bpm] = spans.get(bpm, 0.0) + ticks / division * 60 / bpm
    seconds = sum(spans.values())
    bpm = max(spans, key=lambda candidate: spans[candidate])
    steady = sum(span for other, span in spans.items() if abs(other / bpm - 1) <= _SAME_TEMPO)
    keys = tuple(name for _, name in sorted(events.keys))
    return Score(round(bpm, 3), steady / seconds if seconds else 0.0, keys, seconds)


def _read_track(data: bytes, place: int, events: _Events) -> None:
    """From a place in the file to the end of the data."""
    tick, status = 0, 0
    while place < len(data):
        delta, place = _number(data, place)
        tick += delta
        if data[place] & 0x80:
            status = data[place]
            place += 1
        if status == 0xFF:
            kind = data[place]
            size, place = _number(data, place + 1)
            if kind == _TEMPO and size == 3:
                events.tempo_places.append(place)
            _read_meta(kind, data[place : place + size], tick, events)
            place += size
        elif status in (0xF0, 0xF7):
            size, place = _number(data, place)
            place += size
        else:
            if status >> 4 == 9:
                events.last_note = max(events.last_note, tick)
            place += 1 if status >> 4 in (0xC, 0xD) else 2


def _read_meta(kind: int, value: bytes, tick: int, events: _Events) -> None:
    if kind == _TEMPO and len(value) == 3 and any(value):
        events.tempos.append((tick, 60_000_000 / int.from_bytes(value, "big")))
    elif kind == _KEY_SIGNATURE and len(value) == 2:
        sharps, minor = struct.unpack(">bB", value)
        major = sharps * _SEMITONES_IN_A_FIFTH % 12
        events.keys.append((tick, KEY_NAMES[12 + (major + 9) % 12 if minor else major]))


def _number(data: bytes, place: int) -> tuple[int, int]:
    """A variable-length quantity and the place behind it."""
    value = 0
    while True:
        byte = data[place]
        place += 1
        value = value << 7 | byte & 0x7F
        if not byte & 0x80:
            return value, place
