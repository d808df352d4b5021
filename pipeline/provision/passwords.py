"""Users' passwords: found where the topology says, compared with the salted hashes that the broker keeps."""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydantic import SecretStr

from pipeline.topology.definitions import Definitions, UserDefinition
from pipeline.topology.model import Topology
from pipeline.topology.users import EnvironmentPassword, FilePassword

_ALGORITHM = "rabbit_password_hashing_sha256"
_DIGESTS = {_ALGORITHM: "sha256", "rabbit_password_hashing_sha512": "sha512", "rabbit_password_hashing_md5": "md5"}
_SALT_BYTES = 4
_LARGEST = 4096


@dataclass(frozen=True, slots=True)
class Passwords:
    """By the users' names on the broker.

    Attributes:
        missing: why a password is not known here.
    """

    known: Mapping[str, SecretStr] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a plan says of those that are missing."""
        return tuple(
            f'The password of the user "{user}" is not known here, so it is not compared, nor the user made: {reason}'
            for user, reason in self.missing.items()
        )


def read_passwords(topology: Topology, folder: Path, environment: Mapping[str, str]) -> Passwords:
    """Args: folder: the topology's, from which the files are named."""
    known: dict[str, SecretStr] = {}
    missing: dict[str, str] = {}
    for key, user in topology.users.items():
        found = _read(user.password, folder, environment)
        if isinstance(found, SecretStr):
            known[topology.user_name(key)] = found
        else:
            missing[topology.user_name(key)] = found
    return Passwords(known, missing)


def _read(source: EnvironmentPassword | FilePassword, folder: Path, environment: Mapping[str, str]) -> SecretStr | str:
    """The password, or why there is none."""
    if isinstance(source, EnvironmentPassword):
        given = environment.get(source.env, "")
        return SecretStr(given) if given else f"the environment variable {source.env} is not set"
    path = folder / source.file
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
        text = content.decode("utf-8")
    except OSError as error:
        return f"{path} can't be read: {error.strerror}"
    except ValueError:
        return f"{path} is not UTF-8 text"
    password = text.removesuffix("\n").removesuffix("\r")
    if len(content) > _LARGEST or not password or "\n" in password:
        return f"{path} does not hold one line with a password"
    return SecretStr(password)


def with_hashes(desired: Definitions, observed: Definitions, passwords: Passwords) -> Definitions:
    """The desired definitions with the hash of each user's password: the broker's own where the password fits it.

    Where the password is not known, the hash is the broker's too; None where there is no such user yet.
    """
    there = {user.name: user for user in observed.users}
    users = (_with_hash(user, there.get(user.name), passwords.known.get(user.name)) for user in desired.users)
    return replace(desired, users=tuple(users))


def _with_hash(user: UserDefinition, there: UserDefinition | None, password: SecretStr | None) -> UserDefinition:
    if there is not None and (password is None or _fits(password, there)):
        return replace(user, password_hash=there.password_hash, hashing_algorithm=there.hashing_algorithm)
    if password is None:
        return user
    salt = secrets.token_bytes(_SALT_BYTES)
    return replace(user, password_hash=_hash(password, salt, _ALGORITHM), hashing_algorithm=_ALGORITHM)


def _fits(password: SecretStr, user: UserDefinition) -> bool:
    if user.hashing_algorithm not in _DIGESTS:
        return False
    try:
        salt = base64.b64decode(user.password_hash or "", validate=True)[:_SALT_BYTES]
    except binascii.Error:
        return False
    return secrets.compare_digest(_hash(password, salt, user.hashing_algorithm), user.password_hash or "")


def _hash(password: SecretStr, salt: bytes, algorithm: str) -> str:
    """Source: RabbitMQ's documentation, "Credentials and Passwords": base64 of the salt and the digest of both."""
    digest = hashlib.new(_DIGESTS[algorithm], salt + password.get_secret_value().encode(), usedforsecurity=False)
    return base64.b64encode(salt + digest.digest()).decode()
