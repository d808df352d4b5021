"""The project's own topology on a real RabbitMQ and Redis: a vhost and a key prefix of a test's own, and workers."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from pipeline.broker.rabbitmq import RabbitMQBroker
from pipeline.messages.message import MESSAGE_NAME, Message
from pipeline.provision.apply import apply
from pipeline.provision.management import ManagementClient
from pipeline.provision.observe import observe
from pipeline.provision.ownership import read_ownership
from pipeline.provision.plan import plan
from pipeline.runtime.assembly import WorkerOptions
from pipeline.runtime.compose import import_reference
from pipeline.runtime.contracts import Contracts
from pipeline.runtime.publisher import Publisher
from pipeline.runtime.worker import Worker
from pipeline.state.store import RedisStore
from pipeline.topology.expand import definitions_of
from pipeline.topology.model import Topology
from tests.api_plane import project_topology

DEADLINE_S = 60.0
UNKNOWN_TIME = "2024-01-01T00:00:00.000000+00:00"


async def eventually(condition: Callable[[], Any], seconds: float = DEADLINE_S) -> Any:
    """The first true value of `condition` (called, and awaited if need be). Fails after `seconds`."""
    async with asyncio.timeout(seconds):
        while True:
            value = condition()
            if asyncio.iscoroutine(value):
                value = await value
            if value:
                return value
            await asyncio.sleep(0.02)


class LiveLibrary:
    """Servers with the topology applied, and what a test does on them.

    Attributes:
        root: the library's only root.
        data_dir: where files are generated.
    """

    def __init__(
        self,
        amqp_url: str,
        management_url: str,
        redis_url: str,
        folder: Path,
        *,
        topology: Topology | None = None,
        steps: Path | None = None,
    ) -> None:
        """`topology`: another than the project's. `steps`: folder of modules that it names."""
        self.vhost = f"library-{uuid.uuid4()}"
        parts = urlsplit(amqp_url)
        self._amqp_url = f"{parts.scheme}://{parts.netloc}/{quote(self.vhost, safe='')}"
        self._redis_url = redis_url
        self._prefix = f"test-{uuid.uuid4()}"
        self._steps = steps
        self.root, self.data_dir = folder / "library", folder / "data"
        for each in (self.root, self.data_dir):
            each.mkdir(parents=True, exist_ok=True)
        self.topology = topology or project_topology()
        self.management = ManagementClient(management_url, self.vhost)
        self.broker = RabbitMQBroker(self._amqp_url)
        self.state = RedisStore(redis_url, self._prefix)
        contracts = Contracts(self.topology, import_reference)
        self.publisher = Publisher(self.broker, self.topology, contracts, self.state)
        self._running: list[tuple[Worker, asyncio.Task[None], RabbitMQBroker, RedisStore]] = []

    async def open(self) -> None:
        await self.management.put("vhosts", self.vhost, body={})
        owned = await read_ownership(self.management, self.topology.name)
        wanted = definitions_of(self.topology)
        await apply(plan(wanted, await observe(self.management), owned), self.management)
        await self.broker.connect()
        await self.state.connect()

    async def start(self, stages: Collection[str] | None = None, *, processes: int = 1, **options: Any) -> Worker:
        """A worker of some stages, once it consumes."""
        broker, state = RabbitMQBroker(self._amqp_url), RedisStore(self._redis_url, self._prefix)
        settings = {"roots": (self.root,), "data_dir": self.data_dir, "lease_s": 2.0, "hold_s": 0.2, **options}
        if self._steps is not None:
            settings["path"] = str(self._steps)
        chosen = WorkerOptions(processes=processes, **settings)
        worker = Worker(self.topology, broker, state, import_reference, chosen, stages=stages)
        task = asyncio.ensure_future(worker.run())
        self._running.append((worker, task, broker, state))
        ready = asyncio.ensure_future(worker.ready())
        await asyncio.wait({task, ready}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            ready.cancel()
            task.result()
        return worker

    @property
    def held(self) -> int:
        """Deliveries that the workers have taken and not settled."""
        return sum(worker.held for worker, *_ in self._running)

    async def close(self) -> None:
        for worker, task, broker, state in self._running:
            await worker.stop(0.5)
            await task
            await broker.close()
            await state.close()
        await self.broker.close()
        await self.state.close()
        await self.management.delete("vhosts", self.vhost)
        await self.management.close()

    async def publish(self, name: str, body: Mapping[str, Any] | bytes, *, id: str | None = None) -> str:
        """Put a message on its exchange as a stranger would: no header of ours. Returns its id."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        message = self.topology.messages[name]
        exchange = self.topology.exchanges[message.exchange].name or message.exchange
        message_id = id or str(uuid.uuid4())
        await self.broker.publish(exchange, name, Message(content, message_id=message_id, priority=message.priority))
        return message_id

    async def request(self, name: str, body: Mapping[str, Any], *, id: str | None = None) -> str:
        """Publish a message as our own parts do: validated, announced as queued. Returns its id."""
        message_id = id or str(uuid.uuid4())
        model = import_reference(self.topology.messages[name].model)
        await self.publisher.publish(name, model.model_validate(body), message_id=message_id)
        return message_id

    async def recording(self, recording_id: str, path: Path | str, **fields: Any) -> None:
        """Store a recording as the catalog does."""
        document = {
            "recording_id": recording_id,
            "path": str(path),
            "watched_directory": str(Path(path).parent),
            "file_type": Path(path).suffix[1:],
            "size_bytes": Path(path).stat().st_size if Path(path).is_file() else None,
            "sha256_hash": None,
            "xxh128_hash": None,
            "updated_at": UNKNOWN_TIME,
            "deleted_at": None,
            **fields,
        }
        await self.state.documents.put("recording", recording_id, document, unique={"path": str(path)})

    async def depth(self, queue: str) -> int:
        return (await self.broker.depth(queue)).messages

    async def take(self, queue: str) -> Message:
        """The next message of a queue, when there is one."""
        delivery = await eventually(lambda: self.broker.get(queue))
        delivery.ack()
        return delivery.message  # type: ignore[no-any-return]

    async def answer(self, queue: str) -> dict[str, Any]:
        """The body of the next message of a queue, valid by its model."""
        message = await self.take(queue)
        model = import_reference(self.topology.messages[message.headers[MESSAGE_NAME]].model)
        model.model_validate_json(message.body)
        answer: dict[str, Any] = json.loads(message.body)
        return answer

    async def events(self, key: str) -> list[dict[str, Any]]:
        """The frames of a recording or a job, oldest first."""
        return [json.loads(event.frame) for event in await self.state.progress.since(key, 0)]

    async def ended(self, key: str) -> dict[str, Any]:
        """The last frame of a recording or job, once it is one that ends it."""

        async def last() -> dict[str, Any] | None:
            event = await self.state.progress.snapshot(key)
            return json.loads(event.frame) if event is not None and event.status.terminal else None

        frame: dict[str, Any] = await eventually(last)
        return frame


@asynccontextmanager
async def live_library(*arguments: Any, **options: Any) -> AsyncIterator[LiveLibrary]:
    """As the class, open, and closed at the end."""
    library = LiveLibrary(*arguments, **options)
    await library.open()
    try:
        yield library
    finally:
        await library.close()
