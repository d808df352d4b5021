"""The shape of a recording's loudness over its time, for a picture of it: peaks and RMS of its 1800th parts."""

from stages.waveform.generation import draw, failed, keep, recall

__all__ = ["draw", "failed", "keep", "recall"]
