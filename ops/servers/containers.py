"""RabbitMQ and Redis in containers, where a Docker daemon answers."""

from __future__ import annotations

import contextlib
import functools
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import docker
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import LogMessageWaitStrategy

RABBITMQ_IMAGE = "rabbitmq:4.1-management"
REDIS_IMAGE = "redis:7.4"


@functools.cache
def docker_has(image: str) -> bool:
    """Whether a Docker daemon answers that has the image, or can pull it."""
    if not _docker_answers():
        return False
    with contextlib.closing(docker.from_env()) as client:
        try:
            client.images.get(image)
        except docker.errors.ImageNotFound:
            try:
                client.images.pull(image)
            except docker.errors.APIError:
                return False
    return True


def _container(image: str, *ports: int) -> DockerContainer:
    """A container whose ports are free ones of the loopback interface here.

    It is removed at the end; by testcontainers' reaper too, should this process be killed.
    """
    if not docker_has(testcontainers_config.ryuk_image):  # no registry is reached, and nobody has loaded it
        testcontainers_config.ryuk_disabled = True
    container = DockerContainer(image)
    # Its own methods would publish them on all interfaces.
    container.ports = dict.fromkeys(ports, ("127.0.0.1", None))  # type: ignore[arg-type]
    return container


def _docker_answers() -> bool:
    """Whether something listens at DOCKER_HOST, or at the daemon's usual socket. The client itself leaks one then."""
    address = urlsplit(os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock")
    unix = address.scheme == "unix"
    with contextlib.closing(socket.socket(socket.AF_UNIX if unix else socket.AF_INET)) as probe:
        probe.settimeout(3)
        return probe.connect_ex(address.path if unix else (address.hostname, address.port or 2375)) == 0


@contextmanager
def rabbitmq_container() -> Iterator[tuple[str, str]]:
    """A RabbitMQ with management; its AMQP and management URLs."""
    container = _container(RABBITMQ_IMAGE, 5672, 15672)
    with container.waiting_for(LogMessageWaitStrategy("Server startup complete")):
        host = container.get_container_host_ip()
        amqp, management = container.get_exposed_port(5672), container.get_exposed_port(15672)
        yield f"amqp://guest:guest@{host}:{amqp}/", f"http://guest:guest@{host}:{management}"


@contextmanager
def redis_container() -> Iterator[str]:
    """A Redis; its URL."""
    container = _container(REDIS_IMAGE, 6379)
    with container.waiting_for(LogMessageWaitStrategy("Ready to accept connections")):
        yield f"redis://{container.get_container_host_ip()}:{container.get_exposed_port(6379)}/0"
