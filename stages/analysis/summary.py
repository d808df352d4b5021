"""The last step: what dashboards are shown."""

from __future__ import annotations

from typing import Any

from pipeline.stage import Completed
from stages.analysis.audio import Audio, Energy, Extent, Key, Tempo
from stages.analysis.names import KEY_NAMES, camelot, open_key

ANALYSER_VERSION = "1"
"""Changes whenever the same file may get another result."""


def extent(audio: Audio) -> Extent:
    """How long the file is and how much of it was analysed."""
    return Extent(audio.duration_seconds, audio.analysed_seconds, audio.damaged_packets)


def summarise(parts: tuple[Tempo | None, Key | None, Energy | None, Extent]) -> Completed:
    """The results that were asked for and could be computed; what is missing is left out, never made up."""
    tempo, key, energy, extent = parts
    results: dict[str, Any] = {}
    if tempo is not None:
        results["bpm"] = round(tempo.bpm, 2)
        results["bpm_confidence"] = round(tempo.confidence, 3)
        results["bpm_alternatives"] = [round(bpm, 2) for bpm in tempo.alternatives]
    if key is not None:
        results["key"] = KEY_NAMES[key.index]
        results["key_confidence"] = round(key.confidence, 3)
        results["key_alternatives"] = [KEY_NAMES[index] for index in key.alternatives]
        results["camelot"] = camelot(key.index)
        results["open_key"] = open_key(key.index)
        results["tuning_cents"] = round(key.tuning_cents, 1)
    if energy is not None:
        results["energy"] = round(energy.value, 3)
        results["energy_confidence"] = round(energy.confidence, 3)
        results["loudness_lufs"] = round(energy.loudness_lufs, 1)
    if extent.duration_seconds is not None:
        results["duration_seconds"] = round(extent.duration_seconds, 3)
    results["analysed_seconds"] = round(extent.analysed_seconds, 3)
    if extent.damaged_packets:
        results["damaged_packets"] = extent.damaged_packets
    results["analyser_version"] = ANALYSER_VERSION
    return Completed("analysis_complete", results)
