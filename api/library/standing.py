"""How the work on a recording or a job stands, read from its last event."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from pipeline.state.port import Event

NO_STATUS = "new"


class Failure(BaseModel):
    """Why it failed or was cancelled."""

    message: str | None
    error_code: str | None = Field(examples=["DECODE_ERROR"])


class Standing(BaseModel):
    """Status, progress and outcome."""

    status: str = Field(description="new, queued, analyzing, retrying, completed, failed or cancelled")
    progress: float | None = Field(description="0 to 1, while it is worked on")
    message: str | None
    results: dict[str, Any] | None
    error: Failure | None
    updated_at: float | None = Field(description="Seconds since 1970")
    sequence: int = Field(description="Of the last event; events on the socket count on from it")
    epoch: str = Field(description="Changes when the state store has lost its data and sequences start anew")


def standing(event: Event | None) -> dict[str, Any]:
    """The fields of Standing."""
    data = {} if event is None else event.data
    failed = data.get("type") == "error"
    return {
        "status": NO_STATUS if event is None else event.status.value,
        "progress": data.get("progress"),
        "message": data.get("message"),
        "results": data.get("results"),
        "error": {"message": data.get("error"), "error_code": details_of(data).get("error_code")} if failed else None,
        "updated_at": data.get("timestamp"),
        "sequence": event.sequence if event else 0,
        "epoch": event.epoch if event else "",
    }


def details_of(data: dict[str, Any]) -> dict[str, Any]:
    """The `details` of an error's data; empty where there are none."""
    details = data.get("details")
    return details if isinstance(details, dict) else {}
