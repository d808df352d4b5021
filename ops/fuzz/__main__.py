"""`python -m ops.fuzz [websocket|message|cue] [--seconds N]`: look for input that a parser can't take.

Atheris watches which branches an input takes, and goes on from those that took new ones. An input that breaks a law
of `ops.fuzz.parsers` is left in `crash-*`. The same laws are held against random bytes in the unit tests.
"""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
import tempfile
from pathlib import Path

_PARSERS = ("websocket", "message", "cue")
_INSTRUMENTED = ["api.socket", "pipeline.broker", "stages.cue"]
_LONGEST_INPUT = 4096


def _fuzz(name: str, seconds: int) -> None:
    """Ends the process."""
    import atheris

    with atheris.instrument_imports(include=_INSTRUMENTED):
        from ops.fuzz.parsers import PARSERS

    parser = PARSERS[name]
    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(parser.seeds):
            (Path(corpus) / str(number)).write_bytes(seed)
        limits = [f"-max_total_time={seconds}", f"-max_len={_LONGEST_INPUT}", "-verbosity=0", "-print_final_stats=1"]
        atheris.Setup([sys.argv[0], *limits, corpus], parser.holds)
        atheris.Fuzz()


def main() -> None:
    arguments = argparse.ArgumentParser(
        prog="python -m ops.fuzz", description="Look for input that a parser can't take"
    )
    arguments.add_argument("parser", nargs="?", choices=_PARSERS, help="default: one after the other")
    arguments.add_argument("--seconds", type=int, default=60, help="for each (default: 60)")
    chosen = arguments.parse_args()
    if importlib.util.find_spec("atheris") is None:
        sys.exit("error: atheris is not installed: make fuzz installs it (on Linux)")
    if chosen.parser is not None:
        _fuzz(chosen.parser, chosen.seconds)
    for name in _PARSERS:
        print(f"==> {name}", flush=True)
        ended = subprocess.run([sys.executable, "-m", "ops.fuzz", name, "--seconds", str(chosen.seconds)], check=False)
        if ended.returncode:
            sys.exit(f"error: {name}: an input broke its law: it is in crash-*, and above is what happened")


if __name__ == "__main__":
    main()
