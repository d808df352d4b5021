"""`/v1/ws`: one client's conversation, from the handshake to the clean-up.

Limits: messages of 64 KiB (1009 beyond), 128 subscriptions, 50 messages a second with bursts of 300; what is
above that rate is dropped, answered with one error, and after 50 more the socket is closed with 1008. A
`client_id` is 1 to 128 letters, digits and . _ : -. Close codes: 1012 the service restarts, 4008 the client
does not read fast enough, 4401 its token has expired, 4409 a newer connection has the same client_id. Refusals come
before the socket opens, as 400, 401, 403, 421, 429 or 503 with the reason in the body.
"""

from __future__ import annotations

import asyncio
import math
import re
import time
import uuid
from collections.abc import Sequence

from fastapi import APIRouter, WebSocket
from starlette.websockets import WebSocketDisconnect

from api import metrics
from api.plane import Plane, plane_of
from api.problems import Problem
from api.security.gate import address_of, identity_of
from api.security.identity import Identity
from api.security.tokens import TokenRefused
from api.socket import frames
from api.socket.connection import Connection, TokenBucket
from api.socket.expiry import Expiry
from api.socket.hub import MAX_SUBSCRIPTIONS
from api.socket.resuming import missed_since
from api.socket.transport import writer_for
from pipeline.errors import StateUnavailable, Unreachable
from pipeline.state.port import Event

MESSAGES_PER_S = 50
MESSAGES_AT_ONCE = 300
_TOLERATED_EXCESS = 50
_POLICY_VIOLATION = 1008
_ANSWER_S = 5.0
_CLIENT_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")

router = APIRouter()


@router.websocket("/v1/ws")
async def serve_client(websocket: WebSocket) -> None:
    """Accept a client, answer it, and forget it when it goes."""
    plane, identity = plane_of(websocket), identity_of(websocket)
    client_id = websocket.query_params.get("client_id") or str(uuid.uuid4())
    address = address_of(websocket.scope)
    problem = _refusal(plane, client_id, address)
    if problem is not None:
        metrics.HANDSHAKES.labels("refused").inc()
        await websocket.send_denial_response(problem.response())
        return
    await websocket.accept()
    metrics.HANDSHAKES.labels("accepted").inc()
    connection = Connection(
        client_id,
        writer_for(websocket),
        time.time(),
        time.monotonic,
        subject=identity.subject,
        address=address,
    )
    session = Session(plane, connection, identity)
    plane.hub.add(connection)
    try:
        session.reply(frames.welcome(client_id))
        for notice in plane.degradation.notices():
            session.reply(notice)
        await _converse(websocket, session)
    finally:
        plane.hub.remove(connection)
        session.end()
        metrics.CONNECTION_SECONDS.observe(time.time() - connection.connected_at)


def _refusal(plane: Plane, client_id: str, address: str) -> Problem | None:
    if plane.readiness.draining:
        return Problem(503, "The service is stopping", "STOPPING", "Connect again in a moment")
    if not _CLIENT_ID.fullmatch(client_id):
        fix = "Use 1 to 128 letters, digits, and the characters . _ : -, or leave it out"
        return Problem(400, "The client_id is not valid", "INVALID_CLIENT_ID", fix)
    most = plane.services.access.per_address
    if plane.hub.connections_of(address) >= most:
        fix = f"Close some: an address may have {most} (API_CONNECTIONS_PER_ADDRESS)"
        return Problem(429, "There are too many connections from this address", "TOO_MANY_CONNECTIONS", fix)
    return None


async def _converse(websocket: WebSocket, session: Session) -> None:
    while not session.connection.closed:
        try:
            message = await websocket.receive()
        except (WebSocketDisconnect, RuntimeError):
            return
        if message["type"] == "websocket.disconnect" or session.connection.closed:
            return
        text = message.get("text")
        if session.may_speak():
            await (session.refuse_binary() if text is None else session.answer(text))


class Session:
    """Answers one client's messages, one after the other."""

    def __init__(self, plane: Plane, connection: Connection, identity: Identity) -> None:
        self._plane = plane
        self._identity = identity
        self.connection = connection
        self._expiry = Expiry(connection)
        self._expiry.set(identity.expires_at)
        self._bucket = TokenBucket(MESSAGES_PER_S, MESSAGES_AT_ONCE, time.monotonic())
        self._excess = 0

    def end(self) -> None:
        """The connection is gone."""
        self._expiry.stop()

    def reply(self, frame: frames.Frame) -> None:
        metrics.MESSAGES_OUT.labels("reply").inc()
        self.connection.send(frame)

    def may_speak(self) -> bool:
        """Whether the client is within its rate; beyond it messages are dropped, and in the end the socket closed."""
        if self._bucket.take(time.monotonic()):
            return True
        metrics.MESSAGES_IN.labels("excess").inc()
        self._excess += 1
        if self._excess == 1:
            self.reply(frames.error(f"Too many messages: at most {MESSAGES_PER_S} a second; this one was dropped"))
        elif self._excess > _TOLERATED_EXCESS:
            self.connection.close(_POLICY_VIOLATION, "Too many messages")
        return False

    async def refuse_binary(self) -> None:
        metrics.MESSAGES_IN.labels("invalid").inc()
        self.reply(frames.error("Binary messages are not understood; send JSON as text"))

    async def answer(self, text: str) -> None:
        """Do what a message asks; what is wrong with it is answered with an error, and the connection stays."""
        try:
            message = frames.parse(text)
        except frames.InvalidFrame as error:
            metrics.MESSAGES_IN.labels("invalid").inc()
            self.reply(frames.error(str(error)))
            return
        metrics.MESSAGES_IN.labels(message.type).inc()
        match message:
            case frames.Ping():
                self.reply(frames.pong(time.time()))
            case frames.Subscribe():
                await self._subscribe(message)
            case frames.Unsubscribe(recording_id=recording_id):
                self._plane.hub.unfollow(self.connection, recording_id)
                self.reply(frames.unsubscribed(recording_id))
            case frames.GetStatus():
                await self._status()
            case frames.Authenticate(token=token):
                self._authenticate(token)

    async def _subscribe(self, message: frames.Subscribe) -> None:
        """Follow first and hold events back, then show what the client does not have, then what came above it."""
        recording_id, subscriptions = message.recording_id, self.connection.subscriptions
        if not self._identity.may_follow(recording_id):
            self.reply(frames.error(f"The token does not allow to follow {frames.quotable(recording_id)}"))
            return
        if recording_id not in subscriptions and len(subscriptions) >= MAX_SUBSCRIPTIONS:
            self.reply(
                frames.error(
                    f"At most {MAX_SUBSCRIPTIONS} subscriptions per connection; unsubscribe from some, "
                    f'or subscribe to "{frames.EVERYTHING}" for all recordings'
                )
            )
            return
        limits = self._plane.services.access.limits
        wait_s = await limits.allows("subscription", self.connection.address, self.connection.subject)
        if wait_s is not None:
            self.reply(frames.error(f"Too many subscriptions in a short time; again in {math.ceil(wait_s)} s"))
            return
        if recording_id == frames.EVERYTHING:
            self._plane.hub.follow_everything(self.connection, message.filter)
            self.reply(frames.subscribed(recording_id))
            return
        subscription = self._plane.hub.follow(self.connection, recording_id)
        if message.position is None:
            self.reply(frames.subscribed(recording_id))
        last = None
        try:
            async with asyncio.timeout(_ANSWER_S):
                last = await self._show(recording_id, message.position)
        except (StateUnavailable, Unreachable, TimeoutError):
            if message.position is not None:
                metrics.RESUMES.labels("unknown").inc()
                self.reply(frames.subscribed(recording_id, recovered=False))
            self.reply(
                frames.error(
                    f"The state of {frames.quotable(recording_id)} can't be read now; updates follow once it can"
                )
            )
        self.connection.deliver(subscription.release(last))

    async def _show(self, recording_id: str, position: tuple[int, str] | None) -> Event | None:
        """Send the current state, or what was missed since a position; the last event that the client has then."""
        progress = self._plane.state.progress
        missed: Sequence[Event] | None = None
        if position is None:
            last = await progress.snapshot(recording_id)
        else:
            since = await missed_since(progress, recording_id, *position)
            last, missed = since.last, since.events
            metrics.RESUMES.labels("snapshot" if missed is None else "recovered").inc()
            self.reply(frames.subscribed(recording_id, recovered=missed is not None))
        self._plane.relay.shown(recording_id, last)
        if missed is not None:
            metrics.MESSAGES_OUT.labels("replayed").inc(len(missed))
            for event in missed:
                self.connection.send(frames.Frame(event.frame))
        elif last is not None:
            metrics.MESSAGES_OUT.labels("snapshot").inc()
            self.connection.send(frames.snapshot(last.frame))
        return last

    def _authenticate(self, token: str) -> None:
        """Go on with a newer token; what it does not allow any more is not followed any more."""
        try:
            identity = self._plane.services.access.identify(token)
        except TokenRefused as refused:
            self.reply(frames.error(f"The token is refused: {refused}"))
            return
        if identity.subject != self._identity.subject:
            self.reply(frames.error("The token is somebody else's; connect with it instead"))
            return
        self._identity = identity
        self._expiry.set(identity.expires_at)
        for recording_id in list(self.connection.subscriptions):
            if not identity.may_follow(recording_id):
                self._plane.hub.unfollow(self.connection, recording_id)
                self.reply(frames.unsubscribed(recording_id))
        self.reply(frames.authenticated(identity.expires_at))

    async def _status(self) -> None:
        connection, hub = self.connection, self._plane.hub
        total = await self._plane.count_connections()
        self.reply(
            frames.status(
                connection.client_id,
                list(connection.subscriptions),
                connection.connected_at,
                max(total, hub.connections),
                hub.connections,
            )
        )
