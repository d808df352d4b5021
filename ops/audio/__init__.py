"""Real audio files with a known tempo, key and loudness, for the demo, the tests and the benchmarks."""

from ops.audio.compose import TrackSpec, compose, random_spec
from ops.audio.demo import BROKEN_FILE, DEMO_TRACKS, DemoTrack, write_demo, write_noise
from ops.audio.encode import encode, write_track

__all__ = [
    "BROKEN_FILE",
    "DEMO_TRACKS",
    "DemoTrack",
    "TrackSpec",
    "compose",
    "encode",
    "random_spec",
    "write_demo",
    "write_noise",
    "write_track",
]
