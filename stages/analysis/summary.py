"""The last step in the pool: findings as dashboards are shown them; and the results made of findings."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from pipeline.stage import Completed
from stages.analysis.assignment import Analysed, Findings
from stages.analysis.audio import Audio, Energy, Extent, Key, Tempo
from stages.analysis.names import KEY_NAMES, camelot, open_key

ANALYSER_VERSION = "1"
"""Changes whenever the same file may get another result."""

_ORDER = ("bpm", "key", "energy", "extent")


def extent(audio: Audio) -> Extent:
    """How long the file is and how much of it was analysed."""
    return Extent(audio.assignment, audio.duration_seconds, audio.analysed_seconds, audio.damaged_packets)


def summarise(parts: tuple[Tempo | None, Key | None, Energy | None, Extent]) -> Analysed:
    """What was asked for and could be computed; what could not is left out, never made up."""
    tempo, key, energy, extent = parts
    findings: dict[str, dict[str, Any]] = {name: {} for name in extent.assignment.wanted}
    if tempo is not None:
        findings["bpm"] = {
            "bpm": round(tempo.bpm, 2),
            "bpm_confidence": round(tempo.confidence, 3),
            "bpm_alternatives": [round(bpm, 2) for bpm in tempo.alternatives],
        }
    if key is not None:
        findings["key"] = {
            "key": KEY_NAMES[key.index],
            "key_confidence": round(key.confidence, 3),
            "key_alternatives": [KEY_NAMES[index] for index in key.alternatives],
            "camelot": camelot(key.index),
            "open_key": open_key(key.index),
            "tuning_cents": round(key.tuning_cents, 1),
        }
    if energy is not None:
        findings["energy"] = {
            "energy": round(energy.value, 3),
            "energy_confidence": round(energy.confidence, 3),
            "loudness_lufs": round(energy.loudness_lufs, 1),
        }
    findings["extent"] = {"analysed_seconds": round(extent.analysed_seconds, 3)}
    if extent.duration_seconds is not None:
        findings["extent"]["duration_seconds"] = round(extent.duration_seconds, 3)
    if extent.damaged_packets:
        findings["extent"]["damaged_packets"] = extent.damaged_packets
    return Analysed(extent.assignment, findings)


def completed(findings: Findings, wanted: Collection[str], *, cached: bool = False) -> Completed:
    """The results that were asked for. `cached`: nothing had to be computed for them."""
    results: dict[str, Any] = {}
    for name in _ORDER:
        if name in wanted or name == "extent":
            results |= findings.get(name, {})
    results["analyser_version"] = ANALYSER_VERSION
    return Completed("analysis_complete", results, {"cached": True} if cached else {})
