"""The Autobahn test suite's cases for servers, against the WebSocket protocol that the API serves."""
