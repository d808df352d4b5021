"""Where tracks begin in a mix, heard in its audio."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.signal import find_peaks

from pipeline.errors import ErrorCode, Permanent, Transient
from pipeline.stage import StageContext
from stages.analysis.audio import RATE, Samples
from stages.analysis.reader import Reader
from stages.media import damaged, opened
from stages.tracklist.boundary_model import BIAS, CANDIDATES_APART, FIRST_BIAS, FIRST_WEIGHTS, WEIGHTS
from stages.tracklist.evidence import LEAST_CONTEXT, evidence_of
from stages.tracklist.features import BLOCK_SECONDS, LEVELS_A_SECOND, Array, Features, features_of
from stages.tracklist.found import Found, Located
from stages.tracklist.recurrence import recurrence
from stages.tracklist.segmentation import Division, divide
from stages.tracklists import TracklistEntry

SHORTEST_SECONDS = 1.0

_READ = 0.9
"""The share of the work that is done once the audio is read."""
_SILENT_DB = -75.0
_GAP_DB, _GAP_SECONDS, _GAP_WITHIN_SECONDS = 40.0, 0.2, 4.0


def heard(located: Located, context: StageContext) -> Found | None:
    """The tracks of a mix, without titles: a boundary is where sound, harmony and rhythm change and do not come back.

    The whole file is read, a piece at a time: 45 MB are needed for that, and 5 to 11 MB for each hour. Damaged parts
    count as silence.

    Returns: one track where nothing speaks for several; None where all is silent.
    Raises:
        Permanent: UNSUPPORTED_FORMAT, DECODE_ERROR, AUDIO_TOO_SHORT, FILE_NOT_FOUND, FILE_UNREADABLE.
        Transient: FILE_UNREADABLE when the file system fails, CANCELLED when the work was called off.
    """
    with opened(located.path) as container:
        reader = Reader(container, context)
        features = features_of(_watched(reader, context))
    if reader.good_packets <= reader.damaged_packets:
        raise damaged(located.path)
    if features.seconds < SHORTEST_SECONDS:
        reason = f"{located.path.name} holds {features.seconds:.2f} s of audio, too little"
        raise Permanent(reason, ErrorCode.AUDIO_TOO_SHORT)
    if features.level_db.max() < _SILENT_DB:
        return None
    context.progress(_READ, "comparing")
    division = division_of(features)
    warnings = (f"{reader.damaged_packets} damaged packets",) if reader.damaged_packets else ()
    return Found("audio", _entries(features, division), round(division.confidence, 3), features.seconds, warnings)


def division_of(features: Features) -> Division:
    """The likeliest tracks by what is heard: boundaries in seconds, half a second apart at the finest."""
    if features.blocks < 2 * LEAST_CONTEXT:
        return divide(np.zeros(0), np.zeros(0), features.seconds)
    evidence = evidence_of(features)
    places, _ = find_peaks(evidence.values @ FIRST_WEIGHTS + FIRST_BIAS, distance=CANDIDATES_APART)
    places = places[(places >= LEAST_CONTEXT) & (places <= features.blocks - LEAST_CONTEXT)]
    observed = [np.concatenate([evidence.values[place], recurrence(evidence.patches, int(place))]) for place in places]
    log_odds = np.array([float(values @ WEIGHTS + BIAS) for values in observed])
    return divide(places * BLOCK_SECONDS, log_odds, features.seconds)


def _entries(features: Features, division: Division) -> tuple[TracklistEntry, ...]:
    usual = float(np.percentile(features.level_db, 75))
    starts = [0.0, *(_behind_gap(features.level_db, usual, place) for place in division.places)]
    confidences = (1.0, *division.confidences)
    return tuple(
        TracklistEntry(number=number, start_seconds=round(start, 1), confidence=round(confidence, 3))
        for number, (start, confidence) in enumerate(zip(starts, confidences, strict=True), start=1)
    )


def _behind_gap(levels: Array, usual: float, place: float) -> float:
    """Where sound comes back after the longest gap around a boundary; the boundary itself where there is none."""
    first = max(0, round((place - _GAP_WITHIN_SECONDS) * LEVELS_A_SECOND))
    around = levels[first : round((place + _GAP_WITHIN_SECONDS) * LEVELS_A_SECOND)]
    edges = np.flatnonzero(np.diff(np.concatenate([[0], around < usual - _GAP_DB, [0]]).astype(int)))
    gaps = edges.reshape(-1, 2)
    if not len(gaps):
        return place
    begin, end = gaps[int(np.argmax(gaps[:, 1] - gaps[:, 0]))]
    is_gap = end - begin >= _GAP_SECONDS * LEVELS_A_SECOND and end < len(around)
    return float(first + end) / LEVELS_A_SECOND if is_gap else place


def _watched(reader: Reader, context: StageContext) -> Iterator[Samples]:
    """The pieces, with progress shown, until the work is called off."""
    expected = (reader.duration or 0.0) * RATE
    count = 0
    for piece in reader.pieces():
        yield piece
        count += piece.size
        if expected:
            context.progress(_READ * min(1.0, count / expected), "listening")
        if context.cancelled:
            raise Transient("the work was called off", ErrorCode.CANCELLED)
