"""Parsers, given what a fuzzer finds."""
