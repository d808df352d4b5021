"""The domain: what a music library does with its messages. Sees the engine only through `pipeline.stage`."""
