"""A vhost of each test's own, with a broker and a management client that see it."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from urllib.parse import quote, urlsplit, urlunsplit

import pytest

from pipeline.broker.rabbitmq import RabbitMQBroker
from pipeline.provision.management import ManagementClient
from tests.integration.migration.site import Site


@pytest.fixture
async def site(rabbitmq_url: str, rabbitmq_management_url: str) -> AsyncIterator[Site]:
    vhost = f"migration-{uuid.uuid4().hex[:12]}"
    parts = urlsplit(rabbitmq_url)
    url = urlunsplit(parts._replace(path="/" + quote(vhost, safe="")))
    async with ManagementClient(rabbitmq_management_url, vhost) as client:
        await client.put("vhosts", vhost, body={})
        broker = RabbitMQBroker(url, name="observer")
        await broker.connect()
        made = Site(client, broker, url, rabbitmq_management_url)
        yield made
        for each in [broker, *made.connections]:
            await each.close()
        for parameter in await client.list("global-parameters"):
            if f"@{vhost}" in parameter["name"]:
                await client.delete("global-parameters", parameter["name"])
        await client.delete("vhosts", vhost)
