"""What a dashboard talks to: HTTP, the WebSocket, the page itself."""
