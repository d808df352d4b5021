"""What a pipeline needs of the machine: a Python, folders, a port."""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx

from pipeline.doctor.findings import Finding, good, problem, warning
from pipeline.settings import Settings

_OLDEST = (3, 11)
_LITTLE_SPACE = 1024**3
_FEW_FILES = 1024


def examine_machine(settings: Settings) -> Iterator[Finding]:
    """Python, the data folder, the library's folders, and the API's port."""
    yield _python()
    yield from _data_folder(settings.pipeline_data_dir)
    for root in settings.library_roots:
        yield _library(root)
    yield _port(settings.api_host, settings.api_port)
    yield from _open_files()


def _python() -> Finding:
    version = platform.python_version()
    if sys.version_info < _OLDEST:
        return problem("python", f"Python {version} is too old", "Install Python 3.11 or later")
    return good("python", f"{platform.python_implementation()} {version} on {platform.system()} {platform.machine()}")


def _data_folder(folder: Path) -> Iterator[Finding]:
    about, fix = "data folder", "Correct PIPELINE_DATA_DIR, or give this user the right to write there"
    existing = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    if not existing.is_dir():
        yield problem(about, f"{existing} is not a folder", fix)
        return
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        yield problem(about, f"{existing} can't be written to: {error.strerror}", fix)
        return
    free = shutil.disk_usage(existing).free
    if free < _LITTLE_SPACE:
        yield warning(about, f"{folder} has {free // 1024**2} MB left", "Make room, or move PIPELINE_DATA_DIR")
    else:
        yield good(about, f"{folder}: writable, {free / 1024**3:.0f} GB free")


def _library(root: Path) -> Finding:
    about = "library"
    if not root.is_dir():
        return problem(about, f"{root} is not a folder", "Correct LIBRARY_ROOTS, or mount what should be there")
    if not os.access(root, os.R_OK | os.X_OK):
        return problem(about, f"{root} can't be read by this user", "Give it the right to read and to list")
    if not os.access(root, os.W_OK):
        return warning(
            about, f"{root} is read-only: files are analysed, but can't be renamed", "Allow it to be written"
        )
    return good(about, f"{root}: readable and writable")


def _port(host: str, port: int) -> Finding:
    about, where = "api", f"{host}:{port}"
    if port == 0:
        return good(about, f"{host}, any free port")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with contextlib.closing(socket.socket(family)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            if _is_ours(host, port):
                return good(about, f"{where}: a pipeline serves there")
            reason = error.strerror or str(error)
            return problem(about, f"{where} can't be listened on: {reason}", "Set API_HOST and API_PORT to a free one")
    return good(about, f"{where} is free")


def _is_ours(host: str, port: int) -> bool:
    address = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    shown = f"[{address}]" if ":" in address else address
    try:
        return "version" in httpx.get(f"http://{shown}:{port}/v1/info", timeout=2, trust_env=False).json()
    except (httpx.HTTPError, ValueError):
        return False


def _open_files() -> Iterator[Finding]:
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit != resource.RLIM_INFINITY and limit <= _FEW_FILES:
        yield warning(
            "open files",
            f"This user may open {limit} files and sockets at a time, and each WebSocket is one",
            "Raise it: `ulimit -n 65536`, or LimitNOFILE= of a systemd unit",
        )
