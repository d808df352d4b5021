"""`python -m ops.audio DIR` writes the demo's music folder."""

from __future__ import annotations

import sys
from pathlib import Path

from ops.audio.demo import BROKEN_FILE, DEMO_TRACKS, write_demo


def main(arguments: list[str]) -> int:
    if len(arguments) != 1 or arguments[0].startswith("-"):
        print("usage: python -m ops.audio DIR", file=sys.stderr)
        return 64
    try:
        paths = write_demo(Path(arguments[0]))
    except OSError as error:
        print(f"cannot write the demo's music to {arguments[0]}: {error.strerror}", file=sys.stderr)
        return 1
    truths = {track.file: f"{track.bpm:g} BPM, {track.key}, {track.style}" for track in DEMO_TRACKS}
    for path in paths:
        print(f"{path}  {truths.get(path.name, 'broken on purpose' if path.name == BROKEN_FILE else '')}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
