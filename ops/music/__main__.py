"""`python -m ops.music`: the pipeline on the packages' music, or on a folder's. Exits 1 if a file failed."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from ops.music.check import check
from ops.music.library import build
from ops.music.packages import NotFetched, music_of_packages
from ops.music.report import all_well, report
from stages.formats import is_audio

_WIDTH = 130  # of the table, also where nobody says how wide the terminal is


def main() -> int:
    arguments = _parse()
    console = Console(highlight=False)
    console.width = max(console.width, _WIDTH)
    with tempfile.TemporaryDirectory(prefix="music-") as temporary:
        folder = Path(temporary, "library")
        try:
            if arguments.music is None:
                files = build(folder, music_of_packages(arguments.cache))
            else:
                folder = arguments.music.expanduser().resolve()
                files = sorted(path for path in folder.rglob("*") if path.is_file() and is_audio(path))
        except NotFetched as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
        console.print(f"==> pipeline up on {len(files)} files, for {arguments.seconds:g} s at most")
        findings = check(folder, files, Path(temporary, "data"), seconds=arguments.seconds)
    console.print(report(findings))
    return 0 if all_well(findings) else 1


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m ops.music", description=__doc__)
    parser.add_argument("--music", type=Path, help="a folder of one's own; default: the packages' music")
    parser.add_argument("--cache", type=Path, default=Path("build/music"), help="where packages are kept")
    parser.add_argument("--seconds", type=float, default=300.0, help="for the whole run")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
