"""How browsers say who they are: a cookie for the page, and tickets for WebSockets of other pages."""

from __future__ import annotations

import math
import time

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from api.http.json_response import Json
from api.plane import plane_of
from api.problems import Problem, documented
from api.security.access import COOKIE, TICKET_S, issue_ticket
from api.security.gate import identity_of, unauthorised
from api.security.tokens import TokenRefused

router = APIRouter(prefix="/v1", tags=["service"])


class Ticket(BaseModel):
    """Good once."""

    ticket: str = Field(description="For `/v1/ws?ticket=`")
    expires_in: float = Field(description="Seconds")


class SignIn(BaseModel):
    """A JSON Web Token."""

    token: str = Field(min_length=1, max_length=4000)


class SignedIn(BaseModel):
    """Whose token it is."""

    subject: str
    expires_at: float | None = Field(description="Seconds since the epoch")


@router.post("/tickets", responses={200: {"model": Ticket}, **documented(401, 403, 503)})
async def issue_websocket_ticket(request: Request) -> Json:
    """A ticket for one WebSocket, in the name of whoever asks."""
    ticket = await issue_ticket(plane_of(request).state, identity_of(request))
    return Json({"ticket": ticket, "expires_in": TICKET_S}, headers={"Cache-Control": "no-store"})


@router.post("/session", responses={200: {"model": SignedIn}, **documented(401, 403, 409, 422)})
async def sign_in(request: Request, wanted: SignIn) -> Json:
    """Keep a token in a cookie that scripts can't read and other sites can't use."""
    access = plane_of(request).services.access
    if access.tokens is None:
        raise Problem(409, "This service asks for no tokens", "NO_TOKENS", "Go on without one")
    try:
        identity = access.identify(wanted.token)
    except TokenRefused as refused:
        raise unauthorised(f"The token is refused: {refused}") from None
    answer = Json({"subject": identity.subject, "expires_at": identity.expires_at})
    answer.set_cookie(
        COOKIE,
        wanted.token,
        max_age=None if identity.expires_at is None else max(0, math.floor(identity.expires_at - time.time())),
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )
    return answer


@router.delete("/session", status_code=204, responses=documented(403))
async def sign_out() -> Response:
    """Forget the token."""
    answer = Response(status_code=204)
    answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return answer
