"""The command tree. One module a group; this one names them, and each is imported when its command is used."""

from __future__ import annotations

import os
from collections.abc import Iterator, MutableMapping
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_group

# In the order in which `pipeline --help` lists them. Each module has `register(app)`.
_MODULES = {
    "init": "beginning",
    "doctor": "doctoring",
    "config": "configuring",
    "lint": "linting",
    "plan": "planning",
    "apply": "applying",
    "migrate": "migration",
    "drift": "drift",
    "import": "importing",
    "graph": "graph",
    "route": "routing",
    "test": "routing",
    "run": "services",
    "api": "services",
    "watch": "services",
    "up": "services",
    "publish": "messages",
    "status": "status",
    "token": "tokens",
    "dlq": "dead_letters",
    "verify": "verifying",
    "schema": "descriptions",
    "asyncapi": "descriptions",
}


class _Commands(MutableMapping[str, Any]):
    """Commands by name: known without the code they need, which for some is a second's worth of imports."""

    def __init__(self) -> None:
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            module = typer.Typer(rich_markup_mode="rich")
            import_module(f"pipeline.cli.{_MODULES[name]}").register(module)
            self._made |= get_group(module).commands
        return self._made[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self._made[name] = command

    def __delitem__(self, name: str) -> None:
        del self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(_MODULES)

    def __len__(self) -> int:
        return len(_MODULES)


class _Group(TyperGroup):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.commands = _Commands()


app = typer.Typer(
    name="pipeline",
    cls=_Group,
    help="A music library's services as one pipeline: a declared RabbitMQ topology, and the stages it wires together.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


@app.callback()
def options(
    context: typer.Context,
    file: Annotated[
        Path | None,
        typer.Option("--topology", "-t", metavar="FILE", help="The topology file. [PIPELINE_TOPOLOGY, topology.yaml]"),
    ] = None,
    profile: Annotated[
        str | None,
        typer.Option("--profile", "-p", metavar="NAME", help="Lay topology.NAME.yaml over it. [PIPELINE_PROFILE, dev]"),
    ] = None,
) -> None:
    """Settings come from the environment; see the README for the variables."""
    context.obj = file
    if profile is not None:
        # For the processes that this one starts, too.
        os.environ["PIPELINE_PROFILE"] = profile
