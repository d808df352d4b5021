"""Passwords: where they are found, and how they are compared with what the broker keeps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline.provision.definitions_json import definition_to_json, definitions_from_json, definitions_to_json
from pipeline.provision.observe import Observed
from pipeline.provision.ownership import Ownership, digest_of
from pipeline.provision.passwords import Passwords, read_passwords, with_hashes
from pipeline.provision.plan import plan
from pipeline.topology.definitions import (
    Definitions,
    TopicPermissionDefinition,
    UserDefinition,
    UserLimitDefinition,
    VhostLimitDefinition,
)
from pipeline.topology.model import Topology

# From RabbitMQ's documentation, "Credentials and Passwords".
_DOCUMENTED = "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR"
_SHA512 = "rabbit_password_hashing_sha512"


def read(source: dict[str, str], folder: Path, **environment: str) -> Passwords:
    users = {"w": {"name": "worker", "tags": ["monitoring"], "password": source}}
    topology = Topology.model_validate({"version": 1, "name": "t", "users": users})
    return read_passwords(topology, folder, environment)


def password(found: Passwords) -> str:
    return found.known["worker"].get_secret_value()


def test_a_password_comes_from_the_environment(tmp_path: Path) -> None:
    found = read({"env": "SECRET"}, tmp_path, SECRET="pä ss\n")
    assert password(found) == "pä ss\n"
    assert "pä" not in repr(found)


@pytest.mark.parametrize("content", [b"secret", b"secret\n", b"secret\r\n"])
def test_a_password_comes_from_a_file_beside_the_topology(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "it.txt").write_bytes(content)
    assert password(read({"file": "it.txt"}, tmp_path)) == "secret"
    assert password(read({"file": str(tmp_path / "it.txt")}, Path("/"))) == "secret"


@pytest.mark.parametrize("content", [b"", b"\n", b"two\nlines\n", b"\xff\xfe", b"x" * 5000, None])
def test_a_file_without_one_line_of_text_is_told_and_not_quoted(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "it.txt").write_bytes(content)
    found = read({"file": "it.txt"}, tmp_path)
    assert not found.known
    (note,) = found.notes
    assert str(tmp_path / "it.txt") in note
    assert "two" not in note


def test_an_unset_or_empty_variable_is_no_password(tmp_path: Path) -> None:
    for environment in ({}, {"SECRET": ""}):
        found = read({"env": "SECRET"}, tmp_path, **environment)
        assert found.missing == {"worker": "the environment variable SECRET is not set"}


def hashed(there: UserDefinition | None, secret: str | None, tmp_path: Path) -> UserDefinition:
    found = read({"env": "SECRET"}, tmp_path, **({"SECRET": secret} if secret else {}))
    observed = Definitions(users=(there,) if there else ())
    (user,) = with_hashes(Definitions(users=(UserDefinition("worker"),)), observed, found).users
    return user


def test_the_brokers_hash_is_kept_where_the_password_fits_it(tmp_path: Path) -> None:
    there = UserDefinition("worker", (), _DOCUMENTED)
    assert hashed(there, "test12", tmp_path) == there
    other = hashed(there, "test13", tmp_path)
    assert other.password_hash not in (None, _DOCUMENTED)
    assert hashed(other, "test13", tmp_path) == other
    assert hashed(other, "test12", tmp_path) != other


def test_two_users_with_one_password_have_different_hashes(tmp_path: Path) -> None:
    first, second = (hashed(None, "same", tmp_path) for _ in range(2))
    assert first.password_hash != second.password_hash


@pytest.mark.parametrize("kept", ["", "not base64!", "AAAA", None])
@pytest.mark.parametrize("algorithm", ["rabbit_password_hashing_sha256", _SHA512, "somebody_elses"])
def test_whatever_else_the_broker_keeps_is_another_password(tmp_path: Path, kept: str | None, algorithm: str) -> None:
    there = UserDefinition("worker", (), kept, algorithm)
    found = hashed(there, "secret", tmp_path)
    assert found != there
    assert found.hashing_algorithm == "rabbit_password_hashing_sha256"


def test_without_a_password_the_brokers_is_left_and_nobody_is_made(tmp_path: Path) -> None:
    there = UserDefinition("worker", (), _DOCUMENTED, _SHA512)
    assert hashed(there, None, tmp_path) == there
    assert hashed(None, None, tmp_path).password_hash is None


def test_a_changed_password_shows_neither_itself_nor_its_hash(tmp_path: Path) -> None:
    there, wanted = UserDefinition("worker", (), _DOCUMENTED), hashed(None, "test13", tmp_path)
    made = plan(Definitions(users=(wanted,)), Observed(Definitions(users=(there,)), access=True), Ownership("t"))
    (change,) = made.changes
    assert (change.risk, [detail.attribute for detail in change.details]) == ("live", ["password"])
    for text in (repr(change), repr(there), str(definition_to_json(wanted))):
        assert _DOCUMENTED not in text
        assert str(wanted.password_hash) not in text
    assert digest_of(there) == digest_of(wanted)


def test_an_export_is_what_rabbitmq_imports() -> None:
    definitions = Definitions(
        users=(UserDefinition("worker", ("management", "monitoring"), _DOCUMENTED),),
        topic_permissions=(TopicPermissionDefinition("worker", "events", "^a$", "^$"),),
        user_limits=(UserLimitDefinition("worker", "max-channels", 5),),
        vhost_limits=(VhostLimitDefinition("max-queues", 9),),
    )
    exported: dict[str, Any] = definitions_to_json(definitions)
    assert exported["users"] == [
        {
            "name": "worker",
            "tags": ["management", "monitoring"],
            "password_hash": _DOCUMENTED,
            "hashing_algorithm": "rabbit_password_hashing_sha256",
            "limits": {"max-channels": 5},
        }
    ]
    assert exported["parameters"] == [{"component": "vhost-limits", "name": "limits", "value": {"max-queues": 9}}]
    assert definitions_from_json(exported) == definitions
    exported["users"][0]["tags"] = "monitoring,management"  # RabbitMQ 3.8
    assert definitions_from_json(exported) == definitions
