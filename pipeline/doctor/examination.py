"""Everything, in the order in which one thing needs another."""

from __future__ import annotations

from collections.abc import AsyncIterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pipeline.app.loading import inspect_file, make_settings
from pipeline.doctor.findings import Finding, from_error, good, problem, warning
from pipeline.doctor.machine import examine_machine
from pipeline.doctor.servers import examine_rabbitmq, examine_redis
from pipeline.errors import PipelineError
from pipeline.settings import Settings
from pipeline.topology.model import Topology

_LIBRARIES = ("aio-pika", "redis", "fastapi", "uvicorn", "pydantic", "av", "numpy")


async def examine(file: Path | None) -> AsyncIterator[Finding]:
    """All findings. A server that does not answer is one; nothing is changed anywhere."""
    settings = make_settings(file)
    for finding in examine_machine(settings):
        yield finding
    yield _libraries()
    topology, finding = _topology(file, settings)
    yield finding
    try:
        embedded = settings.embedded
    except PipelineError as error:
        yield from_error("servers", error)
        return
    if embedded:
        yield good("servers", "None are set: `pipeline up` serves with engines of its own, in one process")
        return
    async for finding in examine_rabbitmq(settings, topology):
        yield finding
    async for finding in examine_redis(settings, "tracktion" if topology is None else topology.name):
        yield finding


def _libraries() -> Finding:
    found = []
    for name in _LIBRARIES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            return problem("libraries", f"{name} is not installed", "Install the pipeline again, with its requirements")
    return good("libraries", ", ".join(found))


def _topology(file: Path | None, settings: Settings) -> tuple[Topology | None, Finding]:
    about, name = "topology", str(settings.pipeline_topology)
    try:
        topology, _, diagnostics = inspect_file(file)
    except PipelineError as error:
        return None, from_error(about, error)
    errors = [each for each in diagnostics if each.is_error]
    if topology is None or errors:
        return None, problem(about, f"{name} has {len(errors)} errors", "Run `pipeline lint`, which shows them all")
    if diagnostics:
        return topology, warning(about, f"{name} has {len(diagnostics)} warnings", "Run `pipeline lint`")
    what = f"{name}, profile {settings.pipeline_profile}: {len(topology.stages)} stages, {len(topology.queues)} queues"
    return topology, good(about, what)
