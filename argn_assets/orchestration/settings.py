"""The part of a declaration that each stage's result depends on: nothing else makes a cached result a miss."""

from __future__ import annotations

from pydantic import JsonValue

from argn_assets.datasets import DatasetSpec
from argn_assets.orchestration.run_config import GenerationRunConfig, TrainingRunConfig

Settings = dict[str, JsonValue]


def raw_settings(spec: DatasetSpec) -> Settings:
    """Return what decides the raw tables and their checks, but for the sources' content."""
    tables: Settings = {
        name: {
            "source": table.source if isinstance(table.source, str) else table.source.model_dump(mode="json"),
            "primary_key": table.primary_key,
            "context": _context(spec, name),
            "columns": {column: declared.role for column, declared in table.columns.items()},
            "limit_rows": table.limit_rows,
            "constraints": _constraints(spec, name),
        }
        for name, table in spec.tables.items()
    }
    return {"tables": tables, "csv": spec.csv.model_dump(mode="json"), "target": spec.target}


def stats_settings(spec: DatasetSpec) -> Settings:
    """Return what decides the statistics, but for the raw tables."""
    tables: Settings = {
        name: {
            "primary_key": table.primary_key,
            "context": _context(spec, name),
            "encodings": dict(table.encoding_types()),
            "roles": dict(table.column_roles()),
        }
        for name, table in spec.tables.items()
    }
    return {"tables": tables, "value_protection": spec.value_protection, "seed": spec.seed}


def encoding_settings(spec: DatasetSpec) -> Settings:
    """Return what decides the codes and the holdout, but for raw tables and statistics."""
    return {"holdout": spec.holdout, "seed": spec.seed, "contexts": _contexts(spec)}


def training_settings(spec: DatasetSpec, config: TrainingRunConfig) -> Settings:
    """Return what decides the training: the run's settings where given, else the declaration's."""
    settings = {**spec.generator.model_dump(mode="json"), "seed": spec.seed, **config.overrides()}
    return {**settings, "contexts": _contexts(spec)}


def generation_settings(spec: DatasetSpec, config: GenerationRunConfig) -> Settings:
    """Return what decides the generation: the run's settings where given, else the declaration's."""
    settings = {**spec.sampling.model_dump(mode="json"), "seed": spec.seed, **config.overrides()}
    return {**settings, "contexts": _contexts(spec)}


def report_settings(spec: DatasetSpec) -> Settings:
    """Return what decides the report, but for the tables it compares."""
    keys: Settings = {name: list(table.regenerated()) for name, table in spec.tables.items()}
    return {
        "keys": keys, "contexts": _contexts(spec), "target": spec.target, "seed": spec.seed,
        "floors": spec.floors.model_dump(), "constraints": {name: _constraints(spec, name) for name in spec.tables},
    }  # fmt: skip


def _constraints(spec: DatasetSpec, table: str) -> list[JsonValue]:
    return [constraint.model_dump(mode="json") for constraint in spec.tables[table].constraints]


def _contexts(spec: DatasetSpec) -> Settings:
    return {name: _context(spec, name) for name, table in spec.tables.items() if table.context is not None}


def _context(spec: DatasetSpec, table: str) -> Settings | None:
    """Return the context of a table; siblings follow from the order of the tables, which keys do not see."""
    context = spec.tables[table].context
    return None if context is None else {**context.model_dump(), "siblings": list(spec.siblings(table))}
