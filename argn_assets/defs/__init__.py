"""Dagster definitions, and nothing else: every file below is loaded as definitions."""
