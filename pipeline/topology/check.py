"""What a topology of the right shape may still have wrong: names first; how messages flow once all names are known."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.topology.brokers import Broker, check_broker
from pipeline.topology.diagnostics import Diagnostic
from pipeline.topology.document import Document
from pipeline.topology.flow import check_flow
from pipeline.topology.limits import check_limits
from pipeline.topology.model import Topology
from pipeline.topology.names import check_names
from pipeline.topology.permitted import check_users


def check(topology: Topology, document: Document, broker: Broker, *, whole: bool = True) -> Iterator[Diagnostic]:
    """Errors and warnings, in no particular order.

    Args:
        broker: what it is to run on, for what depends on that.
        whole: whether the topology is all of the document; of a part, how messages flow says nothing.
    """
    names = list(check_names(topology, document))
    yield from names
    yield from check_limits(topology, document)
    yield from check_broker(topology, document, broker)
    yield from check_users(topology, document)
    if whole and not names:
        yield from check_flow(topology, document)
