"""Desired against observed: plan the difference, apply it."""
