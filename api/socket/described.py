"""The shapes of what `/v1/ws` sends, for documents about it. The frames themselves are made in `api.frames`.

Fields that are not named may come on top at any time: clients pass over what they do not know.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.socket.frames import Authenticate, GetStatus, Ping, Subscribe, Unsubscribe
from pipeline.errors import ErrorCode

PATH = "/v1/ws"
DESCRIPTION = (
    "The server says welcome, then answers each message of the client in its order. After a subscription to a "
    'recording, to a job, or to "*" for all recordings, its events follow, from the current state on.'
)
QUERY = {
    "type": "object",
    "properties": {
        "client_id": {
            "type": "string",
            "pattern": r"^[A-Za-z0-9._:-]{1,128}$",
            "description": "The client's own id; without one the server makes it. A newer connection replaces an older",
        },
        "ticket": {"type": "string", "description": "Instead of a token in the header: from POST /v1/tickets"},
    },
}

_EXAMPLES = Path(__file__).with_name("websocket_examples.json")

Seconds = Annotated[float, Field(description="Seconds since the epoch")]


class _ServerMessage(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True)


class Welcome(_ServerMessage):
    """The first message on a connection."""

    type: Literal["welcome"]
    client_id: str
    message: str


class Pong(_ServerMessage):
    """The answer to `ping`."""

    type: Literal["pong"]
    timestamp: Seconds


class Subscribed(_ServerMessage):
    """The answer to `subscribe`; the current state follows where there is one, marked as a snapshot."""

    type: Literal["subscribed"]
    recording_id: str
    message: str
    recovered: bool | None = Field(
        default=None,
        description="To a subscription with `last_sequence`: true if the events since then follow, each once; "
        "false if they are not known any more, and the current state follows",
    )


class Unsubscribed(_ServerMessage):
    """The answer to `unsubscribe`."""

    type: Literal["unsubscribed"]
    recording_id: str
    message: str


class ConnectionStatus(_ServerMessage):
    """The answer to `get_status`. Connections are of the whole cluster, and of this process."""

    type: Literal["status"]
    client_id: str
    subscriptions: list[str]
    connected_at: Seconds
    total_connections: int = Field(ge=0)
    node_connections: int | None = Field(default=None, ge=0)


class Authenticated(_ServerMessage):
    """The answer to `authenticate`."""

    type: Literal["authenticated"]
    expires_at: Seconds | None = None


class GenericError(_ServerMessage):
    """What was wrong with the client's last message; the connection stays."""

    type: Literal["error"]
    message: str


class Notice(_ServerMessage):
    """Something about the service rather than about a recording."""

    type: Literal["notice"]
    code: str
    message: str


Stage = Annotated[str | None, Field(description="The stage that says so; none has begun what is queued")]


class _Event(_ServerMessage):
    """An event of a recording, or of a job, to whoever has subscribed to its id."""

    recording_id: str
    job_id: str | None = Field(default=None, description="The job, where it is a job's event")
    sequence: int | None = Field(
        default=None, ge=0, description="Counts the events within an epoch; after a gap some were missed"
    )
    epoch: str | None = None
    event_id: str | None = None
    snapshot: bool | None = Field(default=None, description="true for the state at the time of subscribing")


class ProgressData(_ServerMessage):
    type: Literal["progress"]
    progress: float = Field(ge=0, le=1)
    status: Literal["queued", "analyzing", "retrying"]
    message: str
    stage: Stage = None
    timestamp: Seconds


class ProgressUpdate(_Event):
    """How far the work on a recording is; never backwards within one attempt."""

    data: ProgressData


class AnalysisCompleteData(_ServerMessage):
    type: Literal["analysis_complete"]
    results: dict[str, Any]
    status: Literal["completed"] | None = None
    stage: Stage = None
    timestamp: Seconds


class AnalysisComplete(_Event):
    """The results of an analysis: what was asked for and could be found."""

    data: AnalysisCompleteData


class JobCompleteData(_ServerMessage):
    type: str
    results: dict[str, Any]
    status: Literal["completed"] | None = None
    stage: Stage = None
    timestamp: Seconds


class JobComplete(_Event):
    """The end of a job other than an analysis; `data.type` says of which."""

    data: JobCompleteData


class ErrorDetails(_ServerMessage):
    error_code: ErrorCode | str
    file_path: str | None = None


class ErrorData(_ServerMessage):
    type: Literal["error"]
    error: str
    details: ErrorDetails
    status: Literal["failed", "cancelled"] | None = None
    stage: Stage = None
    timestamp: Seconds


class ErrorNotification(_Event):
    """Work that has ended without success, and why."""

    data: ErrorData


CLIENT_MESSAGES: Mapping[str, type[BaseModel]] = {
    "Ping Message": Ping,
    "Subscribe to Recording Updates": Subscribe,
    "Unsubscribe from Recording Updates": Unsubscribe,
    "Get Connection Status": GetStatus,
    "Authenticate": Authenticate,
}
SERVER_MESSAGES: Mapping[str, type[BaseModel]] = {
    "Welcome Message": Welcome,
    "Pong Response": Pong,
    "Subscription Confirmation": Subscribed,
    "Unsubscription Confirmation": Unsubscribed,
    "Progress Update": ProgressUpdate,
    "Analysis Complete": AnalysisComplete,
    "Job Complete": JobComplete,
    "Error Notification": ErrorNotification,
    "Connection Status": ConnectionStatus,
    "Authenticated": Authenticated,
    "Generic Error": GenericError,
    "Notice": Notice,
}


def examples() -> Mapping[str, Any]:
    """The contract document's examples by the names of its messages."""
    document: dict[str, dict[str, Any]] = json.loads(_EXAMPLES.read_text(encoding="utf-8"))
    return {**document["client"], **document["server"]}
