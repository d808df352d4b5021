"""Looks at everything that a pipeline needs, and says what is wrong and how to put it right."""
