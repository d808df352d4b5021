"""Faults inflicted on a running pipeline, and an account of every message: what `pipeline verify` does."""
