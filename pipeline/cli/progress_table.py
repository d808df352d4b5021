"""Recordings in the terminal: a live table while work goes on, a table of what was found at the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from pipeline.state.port import Event, StateStore, Status

_STYLES = {
    Status.QUEUED: "dim",
    Status.ANALYZING: "cyan",
    Status.RETRYING: "yellow",
    Status.COMPLETED: "green",
    Status.FAILED: "bold red",
    Status.CANCELLED: "magenta",
}
_VISIBLE_ROWS = 12
_NAME_WIDTH = 30
_ACTIVE = (Status.ANALYZING, Status.RETRYING)


class Row:
    """What is known of one recording."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.status = Status.QUEUED
        self.progress = 0.0
        self.data: dict[str, Any] = {}

    @property
    def results(self) -> dict[str, Any]:
        return self.data.get("results") or {}

    @property
    def outcome(self) -> str:
        """The error with its code, or what is being done."""
        if self.status is Status.FAILED:
            code = (self.data.get("details") or {}).get("error_code", "")
            return f"{code}: {self.data.get('error', '')}"
        return str(self.data.get("message") or "")


class ProgressTable:
    """Follows the state store's events.

    Args:
        live: redraw a table in place; otherwise, and on something that is no terminal, print a line per finished file.
    """

    def __init__(self, state: StateStore, roots: Sequence[Path], console: Console, *, live: bool) -> None:
        self._state = state
        self._roots = roots
        self._console = console
        self._rows: dict[str, Row] = {}
        self._live = Live(console=console, get_renderable=self._render, refresh_per_second=8, transient=True)
        self._show_live = live and console.is_terminal

    def __enter__(self) -> ProgressTable:
        if self._show_live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._show_live:
            self._live.stop()

    async def follow(self) -> None:
        """Apply events until cancelled. Raises StateUnavailable."""
        async for event in self._state.progress.events():
            await self.apply(event)

    async def apply(self, event: Event) -> None:
        """Take one event in."""
        if event.is_job:
            return
        row = self._rows.get(event.key)
        if row is None:
            row = self._rows[event.key] = Row(await self._name(event.key))
        row.status = event.status
        row.data = event.data
        row.progress = float(row.data.get("progress", 1.0 if event.status.terminal else row.progress))
        if event.status.terminal and not self._show_live:
            self._console.print(_line(row), markup=False)

    async def results(self, limit: int = 1000) -> Table:
        """What was found per file, from the state store: the failures last, with their reasons."""
        documents, total = await self._state.documents.page("recording", limit=limit)
        events = await self._state.progress.snapshots([document["id"] for document in documents])
        rows = []
        for document, event in zip(documents, events, strict=True):
            row = Row(self._relative(document["path"]))
            if event is not None:
                row.status, row.data = event.status, event.data
            rows.append(row)
        rows.sort(key=lambda row: (row.status is not Status.COMPLETED, row.name))
        table = Table(title=f"{total} files", title_justify="left", header_style="bold")
        widest = max((len(row.name) for row in rows), default=0)
        table.add_column("File", overflow="fold", min_width=min(widest, _NAME_WIDTH))
        for heading in ("BPM", "Key", "Camelot", "Energy"):
            table.add_column(heading, justify="left" if heading == "Key" else "right", no_wrap=True)
        table.add_column("Result", overflow="fold")
        for row in rows:
            found = row.results
            table.add_row(
                Text(row.name),
                f"{found['bpm']:.1f}" if "bpm" in found else "",
                found.get("key", ""),
                found.get("camelot", ""),
                f"{found['energy']:.2f}" if "energy" in found else "",
                Text(row.outcome or row.status.value, style=_STYLES[row.status]),
            )
        return table

    def _render(self) -> Group:
        counts = Counter(row.status for row in self._rows.values())
        summary = Text(
            "  ".join(f"{counts[status]} {status.value}" for status in Status if counts[status]) or "scanning…"
        )
        table = Table(box=None, show_header=False, pad_edge=False)
        table.add_column(no_wrap=True, overflow="ellipsis", max_width=48)
        table.add_column(width=24)
        table.add_column(no_wrap=True, overflow="ellipsis")
        for row in self._visible():
            bar = ProgressBar(total=1.0, completed=row.progress, width=24)
            found = row.results
            note = (
                f"{found['bpm']:.1f} BPM  {found.get('key', '')}" if "bpm" in found else row.outcome or row.status.value
            )
            table.add_row(Text(row.name), bar, Text(note, style=_STYLES[row.status]))
        return Group(table, summary)

    def _visible(self) -> list[Row]:
        """What is being worked on first, then what ended last."""
        rows = list(self._rows.values())
        active = [row for row in rows if row.status in _ACTIVE]
        ended = [row for row in rows if row.status.terminal]
        return (active + ended[::-1])[:_VISIBLE_ROWS]

    async def _name(self, recording_id: str) -> str:
        document = await self._state.documents.get("recording", recording_id)
        return self._relative(document["path"]) if document else recording_id

    def _relative(self, path: str) -> str:
        """The path below a library root, without control characters."""
        shown = next(
            (str(PurePath(path).relative_to(root)) for root in self._roots if PurePath(path).is_relative_to(root)), path
        )
        return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in shown)


def _line(row: Row) -> str:
    found = row.results
    what = f"{found['bpm']:.1f} BPM, {found.get('key', '')}" if "bpm" in found else row.outcome
    return f"{row.status.value:>10}  {row.name}  {what}"
