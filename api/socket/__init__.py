"""The WebSocket: connections, who follows what, and the events that reach them."""
