"""`pipeline drift`: what somebody else changed on the broker, once or for as long as it runs."""

from __future__ import annotations

import asyncio
import signal
import time
from typing import Annotated

import typer
from prometheus_client import CollectorRegistry, Counter, Gauge, start_http_server

from pipeline.app.loading import Loaded, load
from pipeline.cli.console import Output, OutputOption, print_error, print_json, stderr, stdout
from pipeline.cli.planning import management_client, plan_with, require_broker
from pipeline.errors import ExitCode, PipelineError
from pipeline.provision.changes import Kind
from pipeline.provision.drift import Drift, drift, drift_to_json, render_drift


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command("drift")(drift_command)


def drift_command(
    context: typer.Context,
    output: OutputOption = Output.TEXT,
    watch: Annotated[bool, typer.Option("--watch", help="Keep looking, and say when it changes.")] = False,
    interval: Annotated[float, typer.Option(min=0.1, metavar="SECONDS", help="With --watch: between looks.")] = 60.0,
    metrics_port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, metavar="PORT", help="With --watch: Prometheus metrics, on loopback."),
    ] = None,
) -> int:
    """Show what somebody else changed or deleted of what this topology made on the broker.

    Exits 0 if nothing, 2 if something. Objects that it does not own are not looked at.
    """
    if metrics_port is not None and not watch:
        raise typer.BadParameter("metrics are for --watch", param_hint="--metrics-port")
    loaded = load(context.obj)
    require_broker(loaded)
    if watch:
        return asyncio.run(_watch(loaded, output, interval, _Metrics(metrics_port)))
    found = asyncio.run(_look(loaded))
    _print(found, output)
    return found.exit_code


async def _look(loaded: Loaded) -> Drift:
    async with management_client(loaded) as client:
        made, owned = await plan_with(client, loaded)
    if not owned.known:
        raise PipelineError(
            "What this topology owns can't be read",
            where=client.where,
            fix='The user needs the tag "policymaker": `rabbitmqctl set_user_tags`',
        )
    return drift(made, owned)


async def _watch(loaded: Loaded, output: Output, interval: float, metrics: _Metrics) -> int:
    """Until SIGINT or SIGTERM. Prints when the drift is another than before; goes on when the broker is away."""
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    shown = ""
    while not ended.is_set():
        try:
            found = await _look(loaded)
        except PipelineError as error:
            metrics.failed()
            if shown != str(error):
                print_error(error)
            shown = str(error)
        else:
            metrics.looked(found)
            if shown != render_drift(found):
                _print(found, output)
            shown = render_drift(found)
        try:
            async with asyncio.timeout(interval):
                await ended.wait()
        except TimeoutError:
            continue
    return ExitCode.DONE


def _print(found: Drift, output: Output) -> None:
    if output is Output.JSON:
        print_json(drift_to_json(found))
    else:
        stdout.print(render_drift(found), markup=False)


class _Metrics:
    """What a Prometheus reads of the looks so far; served only where a port is given."""

    def __init__(self, port: int | None) -> None:
        registry = CollectorRegistry()
        self._differences = Gauge(
            "pipeline_topology_drift", "Objects that differ from what was applied.", ["kind"], registry=registry
        )
        self._checks = Counter("pipeline_topology_drift_checks", "Looks at the broker.", ["outcome"], registry=registry)
        self._checked = Gauge(
            "pipeline_topology_drift_checked_timestamp_seconds", "Of the last look that worked.", registry=registry
        )
        if port is not None:
            try:
                server, _ = start_http_server(port, addr="127.0.0.1", registry=registry)
            except OSError as error:
                raise PipelineError(
                    f"Port {port} can't be used for metrics: {error.strerror}", fix="Give another --metrics-port"
                ) from error
            stderr.print(f"metrics: http://127.0.0.1:{server.server_port}/metrics", markup=False)

    def looked(self, found: Drift) -> None:
        for kind in Kind:
            self._differences.labels(kind.value).set(sum(each.kind is kind for each in found.plan.changes))
        self._checks.labels("drifted" if found.plan.changes else "clean").inc()
        self._checked.set(time.time())

    def failed(self) -> None:
        self._checks.labels("failed").inc()
