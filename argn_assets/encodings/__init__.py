"""Column values <-> integer codes; one file per encoding, found by its name."""
