"""Private servers for development and tests: on free loopback ports, data in a temporary folder."""
