"""The users section: who logs in to the broker, and what each of them does. What it may do follows from that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, WithJsonSchema

from pipeline.topology.section import ONE_OR_MORE, Section

ALL = "all"


def _selected(value: Any) -> Any:
    return [value] if isinstance(value, str) and value != ALL else value


# `all`, one name, or several; something that is called "all" is written `[all]`.
Selection = Annotated[Literal["all"] | list[str], BeforeValidator(_selected), WithJsonSchema(ONE_OR_MORE)]

UserTag = Literal["administrator", "impersonator", "management", "monitoring", "policymaker"]


class EnvironmentPassword(Section):
    """The password is in the environment of whoever applies the topology."""

    env: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", description="Environment variable that holds it")


class FilePassword(Section):
    """The password is in a file of its own."""

    file: str = Field(min_length=1, description="File that holds it, from the topology's folder")


def _kind_of_password(value: Any) -> str:
    """Which one is meant, also where its key is misspelt."""
    if isinstance(value, Mapping):
        file = any(str(key).startswith("f") for key in value)
    else:
        file = isinstance(value, FilePassword)
    return FilePassword.__name__ if file else EnvironmentPassword.__name__


def _not_written(value: Any) -> Any:
    if isinstance(value, Mapping | Section):
        return value
    raise ValueError("a password is not written into the topology: write {env: NAME} or {file: PATH}")


Password = Annotated[
    Annotated[EnvironmentPassword, Tag("EnvironmentPassword")] | Annotated[FilePassword, Tag("FilePassword")],
    Discriminator(_kind_of_password),
    BeforeValidator(_not_written),
]


class UserLimits(Section):
    """How much a user may have open at a time, in all its programs together."""

    max_connections: int | None = Field(default=None, ge=1)
    max_channels: int | None = Field(default=None, ge=1)


class VhostLimits(Section):
    """How much there may be in the vhost."""

    max_connections: int | None = Field(default=None, ge=1)
    max_queues: int | None = Field(default=None, ge=1)


class User(Section):
    """A user of the broker, by what it does: its permissions are generated from that."""

    name: str | None = Field(
        default=None, min_length=1, max_length=255, description="Its name on the broker, if not the key"
    )
    password: Password = Field(
        description="Where it is found: {env: NAME} or {file: PATH}; needed by plan and apply only"
    )
    stages: Selection = Field(
        default_factory=list,
        description="Runs these stages, or `all`: takes from their queues, publishes what they emit",
    )
    sources: Selection = Field(default_factory=list, description="Runs these sources, or `all`")
    publishes: Selection = Field(default_factory=list, description="Publishes these messages, or `all`")
    consumes: Selection = Field(
        default_factory=list, description="Takes from these queues; `all`: from every one that is `external: true`"
    )
    dead_letters: Selection = Field(
        default_factory=list,
        description="Looks into the dead-letter queues of these queues, or `all`, and sends back what is in them; "
        "that takes the default exchange, by which any queue can be reached",
    )
    tags: list[UserTag] = Field(default_factory=list, description="What it may do in the management API")
    limits: UserLimits = UserLimits()

    @property
    def works(self) -> bool:
        """Whether it does anything with messages."""
        return any((self.stages, self.sources, self.publishes, self.consumes, self.dead_letters))
