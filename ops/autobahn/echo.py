"""A service that sends back what it is sent, on the API's own server classes; messages of up to 64 MiB.

`python -m ops.autobahn.echo PORT`
"""

from __future__ import annotations

import sys
from contextlib import suppress

import uvicorn
from fastapi import FastAPI, WebSocket, WebSocketDisconnect

from api.prompt import PromptProtocol
from api.socket.transport import DirectProtocol

_MOST_BYTES = 64 * 2**20

app = FastAPI()


@app.websocket("/")
async def echo(client: WebSocket) -> None:
    """Until the client closes."""
    await client.accept()
    with suppress(WebSocketDisconnect):
        await _send_back(client)


async def _send_back(client: WebSocket) -> None:
    while (message := await client.receive())["type"] == "websocket.receive":
        text = message.get("text")
        if text is not None:
            await client.send_text(text)
        else:
            await client.send_bytes(message["bytes"])


if __name__ == "__main__":
    uvicorn.run(
        app,
        port=int(sys.argv[1]),
        http=PromptProtocol,
        ws=DirectProtocol,
        ws_max_size=_MOST_BYTES,
        ws_per_message_deflate=False,
        log_level="error",
    )
