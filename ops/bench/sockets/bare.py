"""What one writes first: each event that comes by Redis is sent to one client after the other with `send_text`."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from redis.asyncio import Redis

CHANNEL = "bench"
_clients: set[WebSocket] = set()


async def _relay() -> None:
    async with Redis.from_url(os.environ["REDIS_URL"]) as redis, redis.pubsub() as pubsub:
        await pubsub.subscribe(CHANNEL)
        async for message in pubsub.listen():
            if message["type"] != "message":
                continue
            text = message["data"].decode()
            for client in list(_clients):
                await client.send_text(text)


@asynccontextmanager
async def _lifespan(_: FastAPI) -> AsyncIterator[None]:
    relaying = asyncio.create_task(_relay())
    yield
    relaying.cancel()


app = FastAPI(lifespan=_lifespan)


@app.websocket("/v1/ws")
async def follow(client: WebSocket) -> None:
    await client.accept()
    await client.send_json({"type": "connected"})
    try:
        while True:
            await client.receive_text()
            await client.send_json({"type": "subscribed"})
            _clients.add(client)
    except WebSocketDisconnect:
        _clients.discard(client)


if __name__ == "__main__":
    options = {"ws": "websockets-sansio", "ws_per_message_deflate": False, "loop": "uvloop", "log_level": "error"}
    uvicorn.run(app, port=int(sys.argv[1]), **options)  # type: ignore[arg-type]
