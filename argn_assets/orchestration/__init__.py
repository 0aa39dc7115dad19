"""What the Dagster definitions need and is not a definition itself."""
