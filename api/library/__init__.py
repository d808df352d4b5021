"""Recordings as the API shows them, over what the state store holds."""
