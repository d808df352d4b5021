"""The state store: documents, progress with its events, the ledger of finished work."""
