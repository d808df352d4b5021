"""`pipeline publish`: put a message in."""

from __future__ import annotations

import asyncio
import sys
from difflib import get_close_matches
from typing import Annotated
from uuid import uuid4

import typer

from pipeline.app.engines import make_engines, opened
from pipeline.app.loading import Loaded, load
from pipeline.app.parts import make_publisher
from pipeline.cli.console import Output, OutputOption, print_json, stdout
from pipeline.cli.running import RunningPipeline
from pipeline.errors import BrokerError, ExitCode, Permanent, PipelineError, StateUnavailable

_PAGE = 500


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command("publish")(publish_command)


def publish_command(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The message's name, such as analysis.request.")],
    body: Annotated[str, typer.Argument(metavar="JSON", help="Its body; - reads standard input.")],
    output: OutputOption = Output.TEXT,
) -> int:
    """Validate a message and publish it, confirmed, where the topology says."""
    loaded = load(context.obj)
    if name not in loaded.topology.messages:
        near = get_close_matches(name, loaded.topology.messages, n=1)
        fix = f'Did you mean "{near[0]}"?' if near else f"There are: {', '.join(loaded.topology.messages)}"
        raise PipelineError(f"No message is called {name!r}", fix=fix)
    content = sys.stdin.buffer.read() if body == "-" else body.encode()
    message_id = asyncio.run(_publish(loaded, name, content))
    if output is Output.JSON:
        print_json({"message": name, "message_id": message_id})
    else:
        stdout.print(f"{name} published, message id {message_id}", markup=False)
    return ExitCode.DONE


async def _publish(loaded: Loaded, name: str, content: bytes) -> str:
    if loaded.settings.embedded:
        async with RunningPipeline(loaded.settings) as running:
            answer = await running.post_bytes(f"/v1/messages/{name}", content)
            return str(answer["message_id"])
    async with opened(make_engines(loaded.settings, loaded.topology, loaded.definitions)) as engines:
        publisher, contracts = make_publisher(loaded, engines)
        message_id = str(uuid4())
        try:
            await publisher.publish(name, contracts[name].decode(content), message_id=message_id)
        except Permanent as refused:
            raise PipelineError(refused.reason, fix="See the message's model for its fields") from None
        except (BrokerError, StateUnavailable) as error:
            raise PipelineError(f"{name} was not published: {error}", fix="Is `pipeline apply` done?") from error
        return message_id
