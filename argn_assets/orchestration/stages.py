"""The six stages of the chain, in order: what a record of the store and an action key say about each.

A stage's version is raised by hand whenever its output changes for the same input; it is Dagster's code version and
part of the action key, so raising it makes every cached result of that stage a miss.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One stage: `asset` is its asset key, `index` its position in the graph, `version` its code version."""

    asset: str
    index: int
    version: int
    operation: str

    @property
    def code_version(self) -> str:
        """Return the version as Dagster writes it."""
        return str(self.version)


RAW_TABLES = Stage(asset="raw_tables", index=0, version=3, operation="read_tables")
TABLE_STATS = Stage(asset="table_stats", index=1, version=4, operation="compute_stats")
ENCODED_TABLES = Stage(asset="encoded_tables", index=2, version=5, operation="encode_table")
TRAINED_ARTIFACT = Stage(asset="trained_artifact", index=3, version=5, operation="train_table")
SYNTHETIC_TABLES = Stage(asset="synthetic_tables", index=4, version=3, operation="generate_table")
QUALITY_REPORT = Stage(asset="quality_report", index=5, version=3, operation="compare_tables")

EXPORTED_TABLES = Stage(asset="exported_tables", index=6, version=1, operation="export_tables")

STAGES = (RAW_TABLES, TABLE_STATS, ENCODED_TABLES, TRAINED_ARTIFACT, SYNTHETIC_TABLES, QUALITY_REPORT)
# What a run materialises: the stages, and what leaves the store after them.
RUN_ASSETS = (*(stage.asset for stage in STAGES), EXPORTED_TABLES.asset)
