"""A client of the WebSocket: follows recordings through all interruptions."""

from api.client.live import LiveClient, Refused, Replaced

__all__ = ["LiveClient", "Refused", "Replaced"]
