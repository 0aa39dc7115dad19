"""The chain: one asset per file, in the order raw → stats → encoded → trained → synthetic → report."""
