"""The topology file: its model, its loader, its checks, and what it means for a broker. Pure: no I/O but the file."""
