"""Logs (structlog) and metrics (prometheus-client). No payloads, no secrets, no label that carries an id."""

from __future__ import annotations

import logging
import os
import sys
from typing import Any

import structlog
from prometheus_client import Counter, Gauge, Histogram
from structlog.typing import EventDict

DELIVERIES = Counter("pipeline_deliveries_total", "Deliveries by stage and outcome", ["stage", "outcome"])
PUBLISHED = Counter("pipeline_published_total", "Messages published and confirmed, by message name", ["message"])
RUNNING = Gauge("pipeline_running", "Deliveries being worked on", ["stage"])
DURATION = Histogram(
    "pipeline_stage_seconds",
    "Time from delivery to settlement",
    ["stage"],
    buckets=(0.001, 0.005, 0.02, 0.1, 0.5, 1, 2, 5, 10, 30, 60, 300),
)
BREAKER = Gauge("pipeline_breaker_state", "0 closed, 1 half open, 2 open: not consumed", ["dependency"])
BREAKER_OPENED = Counter("pipeline_breaker_opened_total", "How often a dependency was found away", ["dependency"])
BROKER_BLOCKED = Gauge(
    "pipeline_broker_blocked", "Connections from which RabbitMQ takes no messages (memory or disk alarm)"
)
TOPOLOGY = Gauge("pipeline_topology_info", "1 for the revision of the topology that is in force", ["revision"])
RELOADS = Counter("pipeline_topology_reloads_total", "Attempts to go over to a changed topology", ["outcome"])


def configure_logging(level: str = "info", *, json: bool | None = None) -> None:
    """One line per event on standard error: JSON unless it is a terminal; with a supervised worker's number.

    That is inherited in the environment, so that the processes a worker starts say it too.
    """
    worker = os.environ.get("PIPELINE_WORKER", "")

    def add_worker(_: Any, __: str, event: EventDict) -> EventDict:
        return {"worker": int(worker), **event} if worker.isdecimal() else event

    as_json = not sys.stderr.isatty() if json is None else json
    renderers = [structlog.processors.JSONRenderer()] if as_json else [_printable, structlog.dev.ConsoleRenderer()]
    threshold = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            add_worker,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            *renderers,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    said_by = f"worker={worker} " if worker.isdecimal() else ""
    logging.basicConfig(
        level=max(threshold, logging.WARNING), stream=sys.stderr, format=f"{said_by}%(levelname)s %(name)s %(message)s"
    )


def _printable(_: Any, __: str, event: EventDict) -> EventDict:
    """For terminals: an id of somebody else's message may hold what clears the screen, or begins another line."""
    return {
        key: _shown(value) if isinstance(value, str) and key != "exception" else value for key, value in event.items()
    }


def _shown(text: str) -> str:
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)
