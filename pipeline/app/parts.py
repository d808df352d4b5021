"""The parts of a process, made from settings, topology and engines."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from api.security.access import Access, make_access
from api.security.limits import Limits
from api.services import Services
from pipeline.app.engines import Engines
from pipeline.app.flows import make_flows
from pipeline.app.loading import Loaded
from pipeline.app.models import examples_of
from pipeline.app.references import resolve
from pipeline.broker.embedded.engine import EmbeddedBroker
from pipeline.provision.definitions_json import definitions_to_json
from pipeline.provision.management import ManagementClient
from pipeline.provision.observe import observe
from pipeline.runtime.acceptance import Acceptance
from pipeline.runtime.assembly import WorkerOptions
from pipeline.runtime.audit import Audit
from pipeline.runtime.contracts import Contracts
from pipeline.runtime.publisher import Publisher
from pipeline.runtime.sources import SourceRunner
from pipeline.runtime.worker import Worker
from pipeline.settings import Settings
from pipeline.topology.graph import graph_of


def make_audit(settings: Settings) -> Audit | None:
    """The audit log, if one is asked for; to be closed. Raises PipelineError if it can't be written."""
    path = settings.pipeline_audit
    return None if path is None else Audit(path, sample=settings.pipeline_audit_sample)


def make_worker(
    loaded: Loaded,
    engines: Engines,
    roots: Sequence[Path],
    stages: Collection[str] | None,
    audit: Audit | None = None,
) -> Worker:
    """The stages of the topology, or some of them. Raises PipelineError for steps that do not fit together."""
    settings = loaded.settings
    settings.pipeline_data_dir.mkdir(parents=True, exist_ok=True)
    options = WorkerOptions(
        roots=tuple(roots),
        data_dir=settings.pipeline_data_dir,
        path=str(loaded.folder),
        processes=settings.pipeline_processes or os.cpu_count() or 1,
        log_level=settings.pipeline_log_level,
    )
    return Worker(loaded.topology, engines.broker, engines.state, resolve, options, stages=stages, audit=audit)


def make_sources(loaded: Loaded, engines: Engines, folders: Sequence[Path], limit: int | None) -> list[SourceRunner]:
    """All sources of the topology, pointed at `folders`."""
    options = {} if limit is None else {"limit": limit}
    return [
        SourceRunner(
            name,
            loaded.topology,
            engines.broker,
            engines.state,
            resolve,
            data_dir=loaded.settings.pipeline_data_dir,
            roots=folders,
            options=options,
        )
        for name in loaded.topology.sources
    ]


def make_publisher(loaded: Loaded, engines: Engines) -> tuple[Publisher, Contracts]:
    """Publishes messages by their names in the topology; and the models that validate them."""
    contracts = Contracts(loaded.topology, resolve)
    return Publisher(engines.broker, loaded.topology, contracts, engines.state), contracts


def make_services(loaded: Loaded, engines: Engines, roots: Sequence[Path]) -> Services:
    """What the HTTP and WebSocket application works with."""
    publisher, contracts = make_publisher(loaded, engines)

    async def publish(name: str, body: BaseModel, message_id: str) -> None:
        await publisher.publish(name, body, message_id=message_id)

    async def definitions() -> Mapping[str, Any]:
        if isinstance(engines.broker, EmbeddedBroker):
            return definitions_to_json(engines.broker.definitions())
        async with ManagementClient(loaded.settings.management_url, loaded.settings.vhost) as client:
            return definitions_to_json((await observe(client)).definitions)

    return Services(
        state=engines.state,
        broker=engines.broker,
        topology=loaded.topology,
        model_of=lambda name: contracts[name].model,
        refusal_of=Acceptance(loaded.topology, contracts),
        publish=publish,
        definitions=definitions,
        flows=make_flows(engines.broker, loaded.settings, graph_of(loaded.topology).queues),
        roots=roots,
        data_dir=loaded.settings.pipeline_data_dir,
        version=program_version(),
        examples=examples_of(loaded.topology),
        profile=loaded.settings.pipeline_profile,
        host=loaded.settings.api_host,
        allowed_origins=loaded.settings.api_allowed_origins,
        access=access_of(loaded.settings, loaded.topology.name),
    )


def access_of(settings: Settings, prefix: str) -> Access:
    """Who may use the API. Raises PipelineError where the settings leave that open."""
    limits = Limits(
        None if settings.embedded else settings.redis_url,
        prefix,
        handshakes=settings.api_handshakes,
        subscriptions=settings.api_subscriptions,
    )
    return make_access(
        profile=settings.pipeline_profile,
        anonymous=settings.api_anonymous,
        secret=settings.api_jwt_key.get_secret_value() if settings.api_jwt_key else None,
        key_file=settings.api_jwt_key_file,
        audience=settings.api_jwt_audience,
        issuer=settings.api_jwt_issuer,
        limits=limits,
        per_address=settings.api_connections_per_address,
    )


def program_version() -> str:
    """As it is installed; 0 where it is not."""
    try:
        return version("tracktion-pipeline")
    except PackageNotFoundError:
        return "0"
