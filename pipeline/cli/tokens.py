"""`pipeline token`: what lets a client into the API."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import jwt
import typer

from api.security.identity import Scope
from api.security.tokens import LEAST_SECRET_BYTES
from pipeline.app.loading import make_settings
from pipeline.cli.console import stdout
from pipeline.errors import ExitCode, PipelineError
from pipeline.settings import Settings
from pipeline.topology.values import parse_duration

_ALGORITHM = "HS256"


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command("token")(token_command)


def token_command(
    context: typer.Context,
    subject: Annotated[str, typer.Argument(metavar="SUBJECT", help="Whose token it is.")],
    scope: Annotated[list[Scope] | None, typer.Option(help="What it allows. [read]")] = None,
    recording: Annotated[list[str] | None, typer.Option(help="Only to follow these.")] = None,
    lasts: Annotated[str, typer.Option("--for", metavar="DURATION", help="How long it lasts.")] = "8h",
) -> int:
    """Make a token for the API, signed with the secret in API_JWT_KEY or API_JWT_KEY_FILE.

    Where tokens are signed with a private key, whoever has that makes them: with `sub`, `exp`, and `scope`.
    """
    settings = make_settings(context.obj)
    try:
        seconds = parse_duration(lasts).total_seconds()
    except ValueError as error:
        raise PipelineError(f"--for {lasts}: {error}", fix="Write it like 8h or 30d") from None
    claims = {"sub": subject, "iat": int(time.time()), "exp": int(time.time() + seconds)}
    claims |= {"scope": " ".join(scope or [Scope.READ])}
    claims |= {"recordings": recording} if recording else {}
    claims |= {"aud": settings.api_jwt_audience} if settings.api_jwt_audience else {}
    claims |= {"iss": settings.api_jwt_issuer} if settings.api_jwt_issuer else {}
    stdout.print(jwt.encode(claims, _secret(settings), algorithm=_ALGORITHM), markup=False)
    return ExitCode.DONE


def _secret(settings: Settings) -> bytes:
    if settings.api_jwt_key is not None:
        secret = settings.api_jwt_key.get_secret_value().encode()
    elif settings.api_jwt_key_file is not None:
        secret = _read(settings.api_jwt_key_file)
    else:
        raise PipelineError("No key is set", fix="Set API_JWT_KEY_FILE: `openssl rand -hex 32 > FILE` makes one")
    if len(secret) < LEAST_SECRET_BYTES or secret.startswith((b"-----BEGIN", b"{")):
        raise PipelineError(
            "The key is no secret to sign with",
            fix="Public keys only check tokens; make them where the private key is. A secret has at least "
            f"{LEAST_SECRET_BYTES} bytes",
        )
    return secret


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes().strip()
    except OSError as error:
        raise PipelineError(f"The key can't be read: {error.strerror}", where=str(file)) from None
