"""What `/metrics` says of the WebSocket plane. No label carries an id."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

CONNECTIONS = Gauge("api_websocket_connections", "Open WebSocket connections of this process")
HANDSHAKES = Counter("api_websocket_handshakes_total", "WebSocket handshakes by result", ["result"])
MESSAGES_IN = Counter("api_websocket_messages_in_total", "Messages from clients, by type", ["type"])
MESSAGES_OUT = Counter("api_websocket_messages_out_total", "Messages to clients, by type", ["type"])
RESUMES = Counter(
    "api_websocket_resumes_total",
    "Subscriptions that went on from a sequence: what was missed was sent (recovered), or the current state",
    ["outcome"],
)
CLOSES = Counter("api_websocket_closes_total", "Connections that the service closed, by code", ["code"])
SLOW_CLOSES = Counter("api_websocket_slow_closes_total", "Clients closed with 4008 because they did not read")
COALESCED = Counter("api_websocket_coalesced_total", "Progress events replaced by newer ones for slow clients")
PENDING_BYTES = Gauge("api_websocket_pending_bytes", "Bytes kept back for slow clients")
CONNECTION_SECONDS = Histogram(
    "api_websocket_connection_seconds",
    "How long connections lasted",
    buckets=(1, 10, 60, 300, 1800, 3600, 14400, 86400),
)
RELAY_CONNECTED = Gauge("api_relay_connected", "1 while the event stream of the state store is being read")
RELAY_EVENTS = Counter("api_relay_events_total", "Events read from the state store")
RELAY_RECONNECTS = Counter("api_relay_reconnects_total", "Times the event stream had to be taken up again")
GAP_FILLS = Counter("api_relay_gap_fills_total", "Gaps in a recording's sequence that were filled from the store")
RELAY_TO_WRITE = Histogram(
    "api_relay_to_write_seconds",
    "Time from the first event of a batch to its being written",
    buckets=(0.001, 0.005, 0.02, 0.05, 0.1, 0.5, 1),
)
PUBLISH_TO_WRITE = Histogram(
    "api_publish_to_write_seconds",
    "Time from an event's own timestamp to its being written, of the last event of each batch",
    buckets=(0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60),
)
LOOP_LAG = Gauge("api_loop_lag_seconds", "How late the event loop ran a timer, last measured")
WORKERS = Gauge("api_workers", "Workers that are about, by the revision of the topology they run", ["revision"])
