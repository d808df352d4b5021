"""Three nodes of RabbitMQ on one machine that are one cluster."""

from __future__ import annotations

import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from pipeline.servers.erlang import PortMapper
from pipeline.servers.process import wait_until
from pipeline.servers.rabbitmq import PrivateRabbitMQ

_NODES = 3
# A quorum queue that hands messages over, as retry queues do, stands still for as long if the node it hands them to is
# lost at that moment. RabbitMQ's default is 3 minutes, and only this file can change it.
_ADVANCED = "[{rabbit, [{dead_letter_worker_publisher_confirm_timeout, 5000}]}].\n"


class PrivateCluster:
    """A minority that loses the others pauses. `start` blocks until all nodes see each other (15 to 25 s).

    Args:
        parent: where its folder is made; the system's temporary one by default.
    """

    def __init__(self, *, parent: Path | None = None) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="cluster-", dir=parent))
        self._mapper = PortMapper()
        self.nodes = [PrivateRabbitMQ(parent=self.folder, mapper=self._mapper) for _ in range(_NODES)]
        peers = (
            f"cluster_formation.classic_config.nodes.{number} = {node.name}\n"
            for number, node in enumerate(self.nodes, 1)
        )
        settings = (
            "cluster_formation.peer_discovery_backend = classic_config\n"
            "cluster_formation.randomized_startup_delay_range.min = 0\n"
            "cluster_formation.randomized_startup_delay_range.max = 1\n"
            f"cluster_partition_handling = pause_minority\nnet_ticktime = 5\n{''.join(peers)}"
        )
        for node in self.nodes:
            node.configure(settings, advanced=_ADVANCED)

    @property
    def url(self) -> str:
        """All nodes' URLs, separated by commas."""
        return ",".join(node.url for node in self.nodes)

    def start(self) -> None:
        """Raises ServerFailed."""
        for node in self.nodes:
            node.begin()
        with ThreadPoolExecutor(_NODES) as waiting:
            for ready in [waiting.submit(node.wait) for node in self.nodes]:
                ready.result()
        self.wait_for_all()

    def wait_for_all(self) -> None:
        """Until every node says that every node runs. Raises ServerFailed."""
        for node in self.nodes:
            wait_until(
                lambda node=node: _running(node) == _NODES,  # type: ignore[misc]
                name=f"RabbitMQ's cluster, as {node.name} sees it,",
                log=node.folder / "out.log",
            )

    def close(self, *, keep: bool = False) -> None:
        """End everything and remove the data, unless they are to be kept."""
        for node in self.nodes:
            node.close(keep=keep)
        self._mapper.close()
        if not keep:
            shutil.rmtree(self.folder, ignore_errors=True)


def _running(node: PrivateRabbitMQ) -> int:
    try:
        answer = httpx.get(f"{node.management_url}/api/nodes", timeout=5)
        return sum(bool(each["running"]) for each in answer.json()) if answer.status_code == httpx.codes.OK else 0
    except (httpx.HTTPError, ValueError):
        return 0
