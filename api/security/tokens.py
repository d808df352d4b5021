"""JSON Web Tokens: RFC 7519, checked as RFC 8725 asks for.

Which algorithms are accepted follows from the kind of key, never from the token: a shared secret goes with HS256 to
HS512, a public key with the signatures of its type.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt

from api.security.identity import Identity, Scope
from pipeline.errors import PipelineError

LEAST_SECRET_BYTES = 32
_LEEWAY_S = 10
_SHARED = ("HS256", "HS384", "HS512")
_BY_TYPE: Mapping[str, Sequence[str]] = {
    "RSA": ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    "EC": ("ES256", "ES384", "ES512"),
    "OKP": ("EdDSA",),
}
_PEM = b"-----BEGIN "


class TokenRefused(Exception):
    """The token does not say who this is; the text says why, without anything of the token."""


@dataclass(frozen=True, slots=True)
class _Key:
    id: str | None
    key: Any
    algorithms: Sequence[str]


class Tokens:
    """Verifies tokens with a key, or with those in a file, which is read again when it has changed.

    Args:
        secret: shared with who issues them.
        file: a PEM public key, a JSON Web Key Set (RFC 7517), or a shared secret.
    Raises: PipelineError if there is no key in it, or a weak one.
    """

    def __init__(
        self, *, secret: str | None = None, file: Path | None = None, audience: str | None, issuer: str | None
    ) -> None:
        self._file = file
        self._audience, self._issuer = audience, issuer
        self._read: tuple[int, int] | None = None
        self._keys = [_shared(secret.encode(), "API_JWT_KEY")] if secret is not None else []
        if file is not None:
            self._load(file)

    def identify(self, token: str) -> Identity:
        """Raises TokenRefused."""
        try:
            header = jwt.get_unverified_header(token)
        except jwt.InvalidTokenError:
            raise TokenRefused("It is not a JSON Web Token") from None
        reason = "No key is known that it could be signed with"
        for key in self._candidates(header):
            try:
                claims = jwt.decode(
                    token,
                    key.key,
                    algorithms=list(key.algorithms),
                    audience=self._audience,
                    issuer=self._issuer,
                    leeway=_LEEWAY_S,
                    options={"require": ["exp", "sub"], "verify_aud": self._audience is not None},
                )
            except jwt.InvalidSignatureError:
                reason = "Its signature is wrong"
            except jwt.InvalidTokenError as error:
                raise TokenRefused(_said(error)) from None
            else:
                return _identity(claims)
        raise TokenRefused(reason)

    def _candidates(self, header: Mapping[str, Any]) -> list[_Key]:
        if self._file is not None:
            self._load_if_changed(self._file)
        fitting = [key for key in self._keys if header.get("alg") in key.algorithms]
        named = [key for key in fitting if key.id is not None and key.id == header.get("kid")]
        return named or fitting

    def _load_if_changed(self, file: Path) -> None:
        try:
            status = file.stat()
            if (status.st_mtime_ns, status.st_size) != self._read:
                self._load(file)
        except (OSError, PipelineError):
            return  # being replaced just now: those known go on

    def _load(self, file: Path) -> None:
        try:
            status = file.stat()
            content = file.read_bytes().strip()
        except OSError as error:
            raise PipelineError(
                f"The key can't be read: {error.strerror}", where=str(file), fix="Correct API_JWT_KEY_FILE"
            ) from None
        self._keys = _keys_in(content, str(file))
        self._read = (status.st_mtime_ns, status.st_size)


def _keys_in(content: bytes, where: str) -> list[_Key]:
    if content.startswith(b"{"):
        return _key_set(content, where)
    if not content.startswith(_PEM):
        return [_shared(content, where)]
    fix = "Put a PEM public key there (-----BEGIN PUBLIC KEY-----), a JSON Web Key Set, or a secret"
    if b"PRIVATE" in content.splitlines()[0]:
        raise PipelineError("This is a private key; who checks tokens needs the public one", where=where, fix=fix)
    for algorithms in _BY_TYPE.values():
        try:
            key = jwt.get_algorithm_by_name(algorithms[0]).prepare_key(content)
        except (jwt.InvalidKeyError, TypeError, ValueError):
            continue
        return [_Key(None, key, algorithms)]
    raise PipelineError("There is no public key that can be read", where=where, fix=fix)


def _key_set(content: bytes, where: str) -> list[_Key]:
    keys = []
    try:
        for each in jwt.PyJWKSet.from_dict(json.loads(content)).keys:
            algorithms = _BY_TYPE.get(str(each.key_type))
            if algorithms is not None and each.public_key_use in (None, "sig"):
                own = each.algorithm_name
                keys.append(_Key(each.key_id, each.key, (own,) if own in algorithms else algorithms))
    except (jwt.PyJWTError, ValueError, TypeError, AttributeError) as error:
        raise PipelineError(
            f"The JSON Web Key Set can't be used: {type(error).__name__}", where=where, fix="See RFC 7517 for its form"
        ) from None
    if not keys:
        raise PipelineError("The JSON Web Key Set has no public key for signatures", where=where, fix="Add one")
    return keys


def _shared(secret: bytes, where: str) -> _Key:
    if len(secret) < LEAST_SECRET_BYTES:
        raise PipelineError(
            f"The key is shorter than {LEAST_SECRET_BYTES} bytes", where=where, fix="Make one: `openssl rand -hex 32`"
        )
    return _Key(None, secret, _SHARED)


def _identity(claims: Mapping[str, Any]) -> Identity:
    scope, recordings = claims.get("scope", Scope.READ.value), claims.get("recordings")
    if not isinstance(scope, str) or not (
        recordings is None or (isinstance(recordings, list) and all(isinstance(each, str) for each in recordings))
    ):
        raise TokenRefused("Its scope is no text, or its recordings are no list of ids")
    granted = frozenset(each for each in Scope if each in scope.split())
    followed = None if recordings is None else frozenset(recordings)
    return Identity(str(claims["sub"]), granted, followed, float(claims["exp"]))


def _said(error: jwt.InvalidTokenError) -> str:
    match error:
        case jwt.ExpiredSignatureError():
            return "It has expired"
        case jwt.InvalidAudienceError():
            return "It is not meant for this service (aud)"
        case jwt.InvalidIssuerError():
            return "It is not from the issuer that is trusted (iss)"
        case jwt.ImmatureSignatureError():
            return "It is not valid yet"
        case jwt.MissingRequiredClaimError():
            return f"It has no {error.claim}"
    return "It can't be read"
