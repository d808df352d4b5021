"""The place where things are broken: servers of its own, workers, and between them the network."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

from pipeline.errors import PipelineError
from pipeline.servers.cluster import PrivateCluster
from pipeline.servers.process import launch
from pipeline.servers.rabbitmq import PrivateRabbitMQ, server_script
from pipeline.servers.redis import PrivateRedis, server_binary
from pipeline.servers.tcp_proxy import TcpProxy, tcp_proxy
from pipeline.verify.workers import Workers, environment

NAME = "verify"
_HEARTBEAT_S = 2
_APPLY_S = 90.0
_QUORUM = "defaults: {queue: {type: quorum}}\n"


@dataclass
class Site:
    """What faults are inflicted on.

    Attributes:
        nodes: of RabbitMQ; one, or those of a cluster.
        amqp: what is between workers and each of those nodes.
        resp: what is between workers and Redis.
        environment: of every command that is run here.
    """

    folder: Path
    nodes: list[PrivateRabbitMQ]
    redis: PrivateRedis
    amqp: list[TcpProxy]
    resp: TcpProxy
    environment: dict[str, str]
    workers: Workers
    cluster: PrivateCluster | None = None
    _apply: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def url(self) -> str:
        """RabbitMQ, with no network between."""
        return ",".join(node.url for node in self.nodes)

    @property
    def proxied_url(self) -> str:
        """RabbitMQ as the workers reach it."""
        return self.environment["RABBITMQ_URL"]

    @property
    def topology(self) -> Path:
        return self.folder / "topology.yaml"

    async def apply(self) -> None:
        """`pipeline apply`, to its end. Raises PipelineError with what it says."""
        process = self.begin_apply()
        try:
            await asyncio.to_thread(process.wait, _APPLY_S)
        except subprocess.TimeoutExpired:
            raise PipelineError(f"`pipeline apply` has not ended within {_APPLY_S:.0f} s") from None
        finally:
            self.end_apply()
        if process.returncode:
            raise PipelineError("`pipeline apply` failed", where=str(self.folder / "apply.log"), fix=self.told())

    def begin_apply(self) -> subprocess.Popen[bytes]:
        """Start `pipeline apply`; its output goes to `told`."""
        command = [*self.workers.command, "apply", "--yes"]
        (self.folder / "apply.log").unlink(missing_ok=True)
        self._apply = launch(
            command, log=self.folder / "apply.log", environment=self.environment, inherit=False, folder=self.folder
        )
        return self._apply

    def end_apply(self) -> None:
        """KILL it, if it still runs."""
        if self._apply is not None:
            self._apply.kill()
            self._apply.wait()
            self._apply = None

    def told(self) -> str:
        """What the last `pipeline apply` has said."""
        return (self.folder / "apply.log").read_text(errors="replace").strip()


@asynccontextmanager
async def opened(folder: Path, *, clustered: bool, workers: int, keep: bool = False) -> AsyncIterator[Site]:
    """A site with servers that answer and queues that are declared; nothing of it is left afterwards.

    Args:
        keep: leave the servers' data and logs in `folder`.
    Raises: ServerFailed, PipelineError; NotInstalled before anything is done.
    """
    server_script()
    server_binary()
    with resources.as_file(resources.files("pipeline.verify").joinpath("topology.yaml")) as source:
        shutil.copy(source, folder / "topology.yaml")
    if clustered:
        (folder / "topology.quorum.yaml").write_text(_QUORUM)
    async with AsyncExitStack() as stack:
        redis = PrivateRedis(parent=folder)
        stack.callback(redis.close, keep=keep)
        cluster = PrivateCluster(parent=folder) if clustered else None
        rabbitmq = cluster or PrivateRabbitMQ(parent=folder)
        stack.callback(rabbitmq.close, keep=keep)
        await asyncio.gather(in_thread(redis.start), in_thread(rabbitmq.start))
        nodes = cluster.nodes if cluster else [rabbitmq] if isinstance(rabbitmq, PrivateRabbitMQ) else []
        amqp = [await stack.enter_async_context(tcp_proxy("127.0.0.1", node.amqp_port)) for node in nodes]
        resp = await stack.enter_async_context(tcp_proxy("127.0.0.1", redis.port))
        settings = environment(
            RABBITMQ_URL=",".join(
                f"amqp://guest:guest@127.0.0.1:{proxy.port}/?heartbeat={_HEARTBEAT_S}" for proxy in amqp
            ),
            RABBITMQ_MANAGEMENT_URL=nodes[0].management_url,
            REDIS_URL=f"redis://127.0.0.1:{resp.port}/0",
            PIPELINE_TOPOLOGY=str(folder / "topology.yaml"),
            PIPELINE_PROFILE="quorum" if clustered else "dev",
            PIPELINE_DATA_DIR=str(folder / "data"),
            COLUMNS="120",
        )
        site = Site(folder, nodes, redis, amqp, resp, settings, Workers(workers, settings, folder), cluster)
        stack.callback(site.end_apply)
        stack.callback(site.workers.close)
        await site.apply()
        yield site


async def in_thread(work: Callable[[], object]) -> None:
    """Something that blocks, such as the start of a server."""
    await asyncio.to_thread(work)
