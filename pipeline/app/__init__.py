"""The composition root: settings and topology become engines, workers, sources and the API."""
