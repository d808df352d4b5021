"""Keeps several processes of one command running. Knows nothing of what they do."""
