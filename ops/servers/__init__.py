"""What only a checkout has: the servers as a command, and in containers. Those themselves are `pipeline.servers`."""
