"""A real API server over the embedded engines, for tests: what a client sees, without the workers behind it."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import yaml
from pydantic import BaseModel
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from api.app import create_app
from api.server import ApiServer
from api.services import Services
from pipeline.app.flows import EmbeddedFlows
from pipeline.app.models import examples_of
from pipeline.broker.embedded.engine import EmbeddedBroker
from pipeline.provision.definitions_json import definitions_to_json
from pipeline.runtime.acceptance import Acceptance
from pipeline.runtime.contracts import Contracts
from pipeline.runtime.publisher import Publisher
from pipeline.state.embedded import EmbeddedStore
from pipeline.state.port import StateStore, Status, Update
from pipeline.topology.expand import definitions_of
from pipeline.topology.graph import graph_of
from pipeline.topology.model import Topology
from pipeline.topology.values import Reference

ROOT = Path("/music")
DEADLINE_S = 10.0


def project_topology() -> Topology:
    text = Path("topology.yaml").read_text().replace("${RABBITMQ_EXCHANGE:-file_rename}", "file_rename")
    return Topology.model_validate(yaml.safe_load(text))


def resolve(reference: Reference) -> Any:
    return getattr(importlib.import_module(reference.module), reference.name)


class RunningApi:
    """The server, its engines, and clients for it."""

    def __init__(
        self,
        state: StateStore | None = None,
        roots: tuple[Path, ...] = (ROOT,),
        data_dir: Path = Path("/nothing/generated"),
        heartbeat_s: float = 20.0,
        **services: Any,
    ) -> None:
        self._heartbeat_s = heartbeat_s
        self.topology = project_topology()
        self.broker = EmbeddedBroker(definitions_of(self.topology))
        self.state: StateStore = state or EmbeddedStore(None)
        contracts = Contracts(self.topology, resolve)
        publisher = Publisher(self.broker, self.topology, contracts, self.state)

        async def publish(name: str, body: BaseModel, message_id: str) -> None:
            await publisher.publish(name, body, message_id=message_id)

        async def definitions() -> dict[str, Any]:
            return definitions_to_json(self.broker.definitions())

        self.services = Services(
            state=self.state,
            broker=self.broker,
            topology=self.topology,
            model_of=lambda name: contracts[name].model,
            refusal_of=Acceptance(self.topology, contracts),
            publish=publish,
            definitions=definitions,
            flows=EmbeddedFlows(self.broker, graph_of(self.topology).queues),
            roots=roots,
            data_dir=data_dir,
            version="0.0.test",
            examples=examples_of(self.topology),
            **services,
        )
        self.server = self._make_server(0)

    def _make_server(self, port: int) -> ApiServer:
        self.app = create_app(self.services)
        return ApiServer(self.app, "127.0.0.1", port, heartbeat_s=self._heartbeat_s)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.port}"

    async def start_engines(self) -> None:
        await self.broker.connect()
        await self.state.connect()

    async def stop_engines(self) -> None:
        await self.broker.close()
        await self.state.close()

    async def restart_server(self) -> None:
        """A new process as far as clients can tell: same address, same engines."""
        await self.server.stop()
        self.server = self._make_server(self.server.port)
        await self.server.start()

    def http(self, **options: Any) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.url, **options)

    @contextlib.asynccontextmanager
    async def socket(self, query: str = "", *, welcomed: bool = True, **options: Any) -> AsyncIterator[Socket]:
        """A WebSocket client; past its welcome unless told otherwise."""
        address = f"ws://127.0.0.1:{self.server.port}/v1/ws{query}"
        async with connect(address, compression=None, **options) as connection:
            client = Socket(connection)
            if welcomed:
                client.client_id = (await client.receive())["client_id"]
            yield client

    async def published(self, queue: str) -> dict[str, Any]:
        """The body of the only message in a queue, with its AMQP message id and priority as `_id` and `_priority`."""
        delivery = await self.broker.get(queue)
        assert delivery is not None, f"nothing in {queue}"
        delivery.ack()
        assert (await self.broker.depth(queue)).messages == 0
        message = delivery.message
        return {**json.loads(message.body), "_id": message.message_id, "_priority": message.priority}

    async def add_recording(self, recording_id: str, path: str, **fields: Any) -> None:
        document = {"path": path, "size_bytes": 1234, **fields}
        index = {"sha256": fields["sha256_hash"]} if "sha256_hash" in fields else {}
        await self.state.documents.put("recording", recording_id, document, unique={"path": path}, index=index)

    async def progress(self, recording_id: str, fraction: float, message: str = "", run: str = "run") -> None:
        await self._record(recording_id, run, "progress", Status.ANALYZING, fraction, {"message": message})

    async def queue(self, recording_id: str, run: str = "run") -> None:
        await self._record(recording_id, run, "progress", Status.QUEUED, 0.0, {}, attempt="")

    async def complete(self, recording_id: str, run: str = "run", **results: Any) -> None:
        await self._record(recording_id, run, "analysis_complete", Status.COMPLETED, 1.0, {"results": results})

    async def fail(self, recording_id: str, error: str, error_code: str, run: str = "run") -> None:
        data = {"error": error, "details": {"error_code": error_code}}
        await self._record(recording_id, run, "error", Status.FAILED, 0.0, data)

    async def _record(
        self,
        recording_id: str,
        run: str,
        kind: str,
        status: Status,
        fraction: float,
        data: dict[str, Any],
        attempt: str = "1",
    ) -> None:
        begins = status is Status.ANALYZING and await self.state.progress.ended(recording_id, run) is None
        update = Update(recording_id, run, attempt, kind, status, fraction, data, begins=begins)
        recorded = await self.state.progress.record(update)
        assert recorded is not None, f"the store refused {update}"


class Socket:
    """A client of the contract."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.client_id = ""

    async def send(self, message: Any) -> None:
        await self.connection.send(message if isinstance(message, str | bytes) else json.dumps(message))

    async def receive(self) -> dict[str, Any]:
        async with asyncio.timeout(DEADLINE_S):
            message: dict[str, Any] = json.loads(await self.connection.recv())
            return message

    async def ask(self, message: Any) -> dict[str, Any]:
        await self.send(message)
        return await self.receive()

    async def follow(self, recording_id: str) -> None:
        """Subscribe, past the confirmation."""
        answer = await self.ask({"type": "subscribe", "recording_id": recording_id})
        assert answer["type"] == "subscribed", answer

    async def closed(self) -> tuple[int | None, str | None]:
        """Close code and reason, once the server has closed the socket."""
        async with asyncio.timeout(DEADLINE_S):
            with contextlib.suppress(ConnectionClosed):
                while True:
                    await self.connection.recv()
        return self.connection.close_code, self.connection.close_reason


@contextlib.asynccontextmanager
async def running_api(**options: Any) -> AsyncIterator[RunningApi]:
    api = RunningApi(**options)
    await api.start_engines()
    await api.server.start()
    try:
        yield api
    finally:
        await api.server.stop()
        await api.stop_engines()


async def until(condition: Callable[[], Awaitable[bool]] | Callable[[], bool], what: str) -> None:
    """Wait for a condition, with a deadline."""
    deadline = asyncio.get_running_loop().time() + DEADLINE_S
    while True:
        found = condition()
        if await found if isinstance(found, Awaitable) else found:
            return
        assert asyncio.get_running_loop().time() < deadline, f"not within {DEADLINE_S:g} s: {what}"
        await asyncio.sleep(0.01)
