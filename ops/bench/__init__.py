"""Benchmarks: what each part costs and how good it is, as ratios measured in one run on one machine."""
