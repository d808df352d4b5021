"""The demo: real audio through the whole pipeline on the embedded engines."""
