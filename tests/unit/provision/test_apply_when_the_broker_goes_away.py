"""A management API that stops answering in the middle of an apply."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pipeline.errors import ExitCode
from pipeline.provision.apply import apply
from pipeline.provision.changes import Kind
from pipeline.provision.management import ManagementClient
from pipeline.provision.observe import Observed
from pipeline.provision.outcomes import Status
from pipeline.provision.ownership import Ownership
from pipeline.provision.plan import plan
from pipeline.topology.definitions import BindingDefinition, Definitions, ExchangeDefinition, QueueDefinition

_TOPOLOGY = Definitions(
    exchanges=(ExchangeDefinition("events", "topic"),),
    queues=(QueueDefinition("work"),),
    bindings=(BindingDefinition("events", "work", "queue", "#"),),
)


@asynccontextmanager
async def _api_that_ends_at(path: bytes) -> AsyncIterator[int]:
    """Answers reads with "not found" and writes with "created", until `path` is asked for: then never again."""
    ended = False

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal ended
        try:
            request = await reader.readuntil(b"\r\n\r\n")
            ended = ended or path in request
            if ended:
                return
            status, body = (
                ("404 Not Found", b'{"reason":"Not Found"}') if request.startswith(b"GET") else ("201 Created", b"")
            )
            head = f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
            writer.write(head.encode() + body)
            await writer.drain()
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_what_was_done_is_reported_and_the_rest_is_not_tried() -> None:
    made = plan(_TOPOLOGY, Observed(Definitions()), Ownership("tracktion"))
    async with _api_that_ends_at(b"/queues/") as port, ManagementClient(f"http://127.0.0.1:{port}", "/") as client:
        applied = await apply(made, client)
    assert [(outcome.change.kind, outcome.status) for outcome in applied.outcomes] == [
        (Kind.EXCHANGE, Status.DONE),
        (Kind.QUEUE, Status.SKIPPED),
        (Kind.BINDING, Status.SKIPPED),
    ]
    assert applied.exit_code == ExitCode.PARTLY_DONE
    assert all("management API" in outcome.reason for outcome in applied.outcomes if outcome.reason)
