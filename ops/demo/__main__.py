"""`python -m ops.demo`: make music or take the user's, run `pipeline up` on it, say what to try next."""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from rich.console import Console

_FOLDER = Path(".demo")
_SERVERS = ("RABBITMQ_URL", "RABBITMQ_MANAGEMENT_URL", "REDIS_URL")


def main() -> None:
    arguments = _parse()
    console = Console(highlight=False, soft_wrap=True)
    if arguments.music is None:
        music, data = _FOLDER / "music", _FOLDER / "data"
        shutil.rmtree(_FOLDER, ignore_errors=True)
        music.mkdir(parents=True)
        console.print(f"==> making a few audio files in {music}", markup=False)
        subprocess.run([sys.executable, "-m", "ops.audio", str(music)], check=True)
    else:
        music = arguments.music.expanduser().resolve()
        if not music.is_dir():
            sys.exit(f"error: MUSIC={arguments.music} is not a folder")
        data = _FOLDER / f"data-{hashlib.sha256(bytes(music)).hexdigest()[:12]}"
    # The demo shows the embedded engines, whatever servers this shell is set up for.
    environment = {name: value for name, value in os.environ.items() if name not in _SERVERS}
    environment |= {"PIPELINE_DATA_DIR": str(data.resolve()), "PIPELINE_LOG_LEVEL": "error"}
    command = [sys.executable, "-m", "pipeline", "up", str(music)]
    command += ["--limit", str(arguments.limit)] if arguments.limit else []
    command += ["--until-done"] if arguments.exit else []
    for number, hint in enumerate(_hints(music, generated=arguments.music is None), start=1):
        command += ["--hint", f"{number}. {hint}"]
    console.print("==> starting " + "pipeline up " + str(music) + " on the embedded engines", markup=False)
    os.execve(sys.executable, command, environment)


def _hints(music: Path, *, generated: bool) -> list[str]:
    """The three commands to try next, as they can be pasted into another terminal."""
    pipeline = Path(sys.executable).parent / "pipeline"
    if pipeline.is_relative_to(Path.cwd()):
        pipeline = pipeline.relative_to(Path.cwd())
    port = os.environ.get("API_PORT")
    prefix = f"API_PORT={port} " if port and port != "0" else ""
    song = next(music.glob("*.flac"), music / "song.flac") if generated else Path("SONG.flac")
    return [
        f"copy a file into the folder:  cp {song} {music}/copy.flac",
        f"replay the broken one:        {prefix}{pipeline} dlq replay analysis_queue",
        f"change a TTL and plan:        sed -i 's/ttl: 24h/ttl: 48h/' topology.yaml && {prefix}{pipeline} plan",
    ]


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m ops.demo", description=__doc__)
    parser.add_argument("--music", type=Path, help="a folder of one's own; default: generated files")
    parser.add_argument("--limit", type=int, help="take its first N files only")
    parser.add_argument("--exit", action="store_true", help="end when every file has reached a terminal state")
    return parser.parse_args()


if __name__ == "__main__":
    main()
