"""What operators run: the demo, benchmarks, servers. Not part of the installed package."""
