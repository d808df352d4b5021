"""What of a message's properties changes when it is put into another queue: as little as can be."""

from __future__ import annotations

import struct

from pipeline.broker.rabbitmq.properties import Properties
from pipeline.broker.rabbitmq.transfer import Parcel
from pipeline.messages.message import ORIGINAL_EXCHANGE, ORIGINAL_ROUTING_KEY

MIGRATION_ID = "x-migration-id"
_PROPERTIES = 12
# Written by the broker on each delivery; a copy would be taken for its own.
_BROKER_HEADERS = frozenset({"x-delivery-count", "x-acquired-count"})


def readable(parcel: Parcel) -> Properties | None:
    """Its properties; None if they are malformed."""
    try:
        return Properties(parcel.header)
    except (ValueError, IndexError, struct.error):
        return None


def untouched(parcel: Parcel) -> bytes:
    """Its properties as they came."""
    return parcel.header[_PROPERTIES:]


def carried(properties: Properties, parcel: Parcel, user: bytes, stamp: str | None = None) -> bytes:
    """To publish it with again, as `user`.

    They are the original's bytes, but: persistent; without a user id that is not ours, which the broker would refuse;
    with the exchange and key it was first published with, in the headers that retries keep them in; with our stamp in
    place of an older one, if there is one.
    """
    properties.persist()
    properties.remove_headers(_BROKER_HEADERS if stamp is None else _BROKER_HEADERS | {MIGRATION_ID})
    if properties.user_id not in (None, user):
        properties.remove_user_id()
    added = {} if stamp is None else {MIGRATION_ID: stamp}
    if properties.header(ORIGINAL_ROUTING_KEY) is None:
        added |= {ORIGINAL_EXCHANGE: parcel.route.exchange, ORIGINAL_ROUTING_KEY: parcel.route.routing_key}
    if added:
        properties.add_headers(added)
    return properties.encode()
