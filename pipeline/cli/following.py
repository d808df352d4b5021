"""The events of a running API, as lines."""

from __future__ import annotations

import contextlib
import json
import sys
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from rich.text import Text

from api.client import LiveClient, Refused
from pipeline.cli.console import Output, stderr, stdout
from pipeline.cli.running import RunningPipeline
from pipeline.errors import ExitCode, PipelineError
from pipeline.settings import Settings

_STYLES = {"retrying": "yellow", "completed": "green", "failed": "bold red", "cancelled": "magenta"}
_NAMES = 500


async def follow_events(settings: Settings, output: Output, chosen: dict[str, list[str]]) -> int:
    """Until it is interrupted. Raises Unreachable if there is no API, PipelineError if it refuses."""
    async with RunningPipeline(settings) as running:
        names = _Names(running)
        await names.read()
        client = LiveClient(f"{running.address.replace('http', 'ws', 1)}/v1/ws", headers=running.headers)
        await client.subscribe("*", **chosen)
        try:
            async with contextlib.aclosing(client.messages()) as messages:
                async for message in messages:
                    if output is Output.JSON:
                        sys.stdout.write(json.dumps(message, ensure_ascii=False) + "\n")
                        sys.stdout.flush()
                    elif "data" in message:
                        stdout.print(_line(await names.of(message["recording_id"]), message["data"]), soft_wrap=True)
                    else:
                        stderr.print(f"{message['type']}: {message['message']}", style="dim", markup=False)
        except Refused as refused:
            raise PipelineError(f"The API refuses: {refused}", where=running.address) from None
    return ExitCode.DONE


class _Names:
    """Paths of recordings, as the API shows them; each asked for once."""

    def __init__(self, running: RunningPipeline) -> None:
        self._running = running
        self._known: dict[str, str] = {}

    async def read(self) -> None:
        """Those that were changed last."""
        for each in (await self._running.get("/v1/recordings", limit=_NAMES, sort="newest"))["items"]:
            self._known[each["recording_id"]] = each["path"]

    async def of(self, recording_id: str) -> str:
        """The path, or the id where none is known."""
        if recording_id not in self._known:
            with contextlib.suppress(PipelineError):
                found = await self._running.get(f"/v1/recordings/{quote(recording_id, safe='')}")
                self._known[recording_id] = found.get("path") or recording_id
        return self._known.get(recording_id, recording_id)


def _line(name: str, data: dict[str, Any]) -> Text:
    status = data.get("status", "completed")
    time = datetime.fromtimestamp(data["timestamp"], UTC).astimezone().strftime("%H:%M:%S")
    done = f"{data['progress']:4.0%}" if data["type"] == "progress" else "    "
    line = Text(f"{time}  ")
    line.append(f"{status:10}", style=_STYLES.get(status, "cyan"))
    line.append(f"  {done}  {_printable(name)}")
    said = data.get("message") or _outcome(data)
    if data.get("stage"):
        line.append(f"  {_printable(data['stage'])}", style="dim")
    if said:
        line.append(f"  {_printable(said)}", style="dim")
    return line


def _outcome(data: dict[str, Any]) -> str:
    results = data.get("results") or {}
    if "bpm" in results:
        return f"{results['bpm']:.1f} BPM, {results.get('key', '')}"
    code = (data.get("details") or {}).get("error_code", "")
    return f"{code}: {data['error']}" if "error" in data else str(data["type"])


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
