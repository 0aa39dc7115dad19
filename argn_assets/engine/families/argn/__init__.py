"""ARGN: all columns in one masked autoregressive network."""
