"""Who may come in, and how."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from api.security.identity import Identity, Scope
from api.security.limits import Limits
from api.security.tokens import TokenRefused, Tokens
from pipeline.errors import PipelineError
from pipeline.state.port import StateStore

TICKET_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """
    Attributes:
        tokens: None where no key is set: nobody can prove who they are.
        anonymous: whether who says nothing may do everything.
        per_address: connections that one address may have with this process.
    """

    limits: Limits = field(default_factory=lambda: Limits(None, ""))
    tokens: Tokens | None = None
    anonymous: bool = True
    per_address: int = 1000

    def identify(self, token: str) -> Identity:
        """Raises TokenRefused."""
        if self.tokens is None:
            raise TokenRefused("This service has no key to check tokens with")
        return self.tokens.identify(token)


def make_access(
    *,
    profile: str,
    anonymous: bool | None,
    secret: str | None,
    key_file: Path | None,
    audience: str | None,
    issuer: str | None,
    limits: Limits,
    per_address: int,
) -> Access:
    """As the settings say. Raises PipelineError for a key that is none, and where nobody could come in.

    In the profile `dev` anonymous clients may do everything; in all others only where that is said in so many words.
    """
    tokens = None
    if secret is not None or key_file is not None:
        tokens = Tokens(secret=secret, file=key_file, audience=audience, issuer=issuer)
    allowed = profile == "dev" and tokens is None if anonymous is None else anonymous
    if tokens is None and not allowed:
        raise PipelineError(
            f"In the profile {profile} clients of the API have to show a token, and there is no key to check it with",
            fix="Set API_JWT_KEY_FILE or API_JWT_KEY; or API_ANONYMOUS=true, if something in front of it checks them",
        )
    return Access(limits=limits, tokens=tokens, anonymous=allowed, per_address=per_address)


async def issue_ticket(state: StateStore, identity: Identity) -> str:
    """A ticket that stands for the identity. Raises StateUnavailable."""
    recordings = None if identity.recordings is None else sorted(identity.recordings)
    content = [identity.subject, sorted(identity.scopes), recordings, identity.expires_at]
    return await state.tickets.issue(json.dumps(content), TICKET_S)


async def redeem_ticket(state: StateStore, ticket: str) -> Identity:
    """Whom it stands for. Raises TokenRefused, StateUnavailable."""
    content = await state.tickets.redeem(ticket)
    if content is None:
        raise TokenRefused("The ticket is unknown, too old, or was used")
    subject, scopes, recordings, expires_at = json.loads(content)
    return Identity(
        subject, frozenset(map(Scope, scopes)), None if recordings is None else frozenset(recordings), expires_at
    )


def bearer_token(authorization: str | None) -> str | None:
    """The token of an `Authorization: Bearer` header (RFC 6750)."""
    scheme, _, token = (authorization or "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


COOKIE = "pipeline_token"
OPEN_PATHS: Sequence[str] = ("/", "/client.js", "/docs", "/openapi.json", "/metrics", "/v1/session", "/v1/topology.css")
OPEN_BELOW: Sequence[str] = ("/static/", "/health/")


def is_open(path: str) -> bool:
    """Whether everybody may read it: the page without what is shown on it, and what operators' programs ask."""
    return path in OPEN_PATHS or path.startswith(tuple(OPEN_BELOW))
