"""`python -m ops.autobahn [--cases 7.*]`: the Autobahn test suite against the API's WebSocket protocol.

The suite is a program for Python 2.7 (PyPI: autobahntestsuite). That interpreter is looked for under its usual names,
and the suite is installed in a folder of its own. Compression is not offered, so its cases (12 and 13) are left out. A
case that fails is named, and the exit code is 1 then; without the interpreter it is 69.
"""

from __future__ import annotations

import argparse
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from pipeline.errors import ExitCode
from pipeline.servers.process import free_ports

_NAMES = ("python2.7", "pypy2", "pypy", "python2")
_PYENV = ".pyenv/versions/2.7*/bin/python2.7"
_SUITE = "autobahntestsuite==25.10.1"
_FOLDER = Path.home() / ".cache" / "tracktion-pipeline" / "autobahn"
_RUN = (
    "import site, sys; site.addsitedir(sys.argv[1]); sys.argv[1:] = ['-m', 'fuzzingclient', '-s', sys.argv[2]];"
    "from autobahntestsuite.wstest import run; run()"
)
_AGENT = "pipeline"
_FAILED = {"FAILED", "WRONG CODE", "UNCLEAN", "FAILED BY CLIENT"}
_LIMIT_S = 600.0


def interpreter() -> str | None:
    """A Python 2.7 of this machine that runs, or None."""
    candidates = [found for name in _NAMES if (found := shutil.which(name))]
    candidates += [str(path) for path in sorted(Path.home().glob(_PYENV))]
    for candidate in candidates:
        told = subprocess.run([candidate, "--version"], capture_output=True, text=True, check=False)
        if told.returncode == 0 and "2.7." in told.stdout + told.stderr:
            return candidate
    return None


def install(python: str) -> None:
    """The suite, where it is not there yet. Raises CalledProcessError."""
    if (_FOLDER / "autobahntestsuite").exists():
        return
    quiet = ["-q", "--disable-pip-version-check"]
    subprocess.run([python, "-m", "pip", "install", *quiet, "--target", str(_FOLDER), _SUITE], check=True)


@contextmanager
def echoing() -> Iterator[int]:
    """The server, at this port."""
    (port,) = free_ports(1)
    with subprocess.Popen([sys.executable, "-m", "ops.autobahn.echo", str(port)]) as server:
        try:
            _until_it_listens(port)
            yield port
        finally:
            server.terminate()


def results(python: str, port: int, cases: list[str], folder: Path) -> dict[str, dict[str, str]]:
    """What became of each case. Raises CalledProcessError, TimeoutExpired."""
    specification = folder / "specification.json"
    specification.write_text(
        json.dumps(
            {
                "outdir": str(folder),
                "servers": [{"agent": _AGENT, "url": f"ws://127.0.0.1:{port}"}],
                "cases": cases,
                "exclude-cases": ["12.*", "13.*"],
                "exclude-agent-cases": {},
            }
        )
    )
    command = [python, "-c", _RUN, str(_FOLDER), str(specification)]
    subprocess.run(command, check=True, timeout=_LIMIT_S, stdout=subprocess.DEVNULL)
    found: dict[str, dict[str, str]] = json.loads((folder / "index.json").read_text())[_AGENT]
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m ops.autobahn")
    parser.add_argument("--cases", nargs="+", default=["*"], help="which: 7.* 9.1.*")
    chosen = parser.parse_args()
    console = Console()
    python = interpreter()
    if python is None:
        console.print("The Autobahn test suite needs Python 2.7, and none is on this machine.")
        console.print(f"Looked for: {', '.join(_NAMES)}, and {_PYENV} in the home folder.")
        return ExitCode.UNREACHABLE
    install(python)
    with tempfile.TemporaryDirectory() as folder, echoing() as port:
        found = results(python, port, chosen.cases, Path(folder))
    for what, key in (("cases", "behavior"), ("closing", "behaviorClose")):
        counts = Counter(case[key] for case in found.values())
        console.print(f"{what}: " + ", ".join(f"{count} {name}" for name, count in counts.most_common()))
    failed = [name for name, case in found.items() if {case["behavior"], case["behaviorClose"]} & _FAILED]
    for name in failed:
        console.print(f"failed: {name}")
    return ExitCode.ERROR if failed or not found else ExitCode.DONE


def _until_it_listens(port: int) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


if __name__ == "__main__":
    sys.exit(main())
