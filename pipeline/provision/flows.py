"""What flows through the queues of a vhost, as the management API tells it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from pipeline.graph.live import Flow
from pipeline.provision.management import ManagementClient


async def flows_of(client: ManagementClient) -> dict[str, Flow]:
    """By queue. Depths are of now, rates and consumers up to a few seconds old. Raises Unreachable, PipelineError."""
    depths, statistics = await asyncio.gather(
        client.list("queues", client.vhost, disable_stats="true", enable_queue_totals="true"),
        client.list("queues", client.vhost, columns="name,consumers,message_stats"),
    )
    told = {row["name"]: row for row in statistics}
    return {row["name"]: _flow(row, told.get(row["name"], {})) for row in depths}


def _flow(row: Mapping[str, Any], told: Mapping[str, Any]) -> Flow:
    return Flow(
        messages=int(row.get("messages") or 0),
        consumers=int(told.get("consumers") or 0),
        publish_rate=_rate(told, "publish"),
        deliver_rate=_rate(told, "deliver_get"),
    )


def _rate(told: Mapping[str, Any], kind: str) -> float | None:
    stats = told.get("message_stats") or {}
    rate = (stats.get(f"{kind}_details") or {}).get("rate")
    return float(rate) if rate is not None else None
