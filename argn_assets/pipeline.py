"""The whole journey as plain calls; the Dagster assets are the same calls with names.

from argn_assets.datasets import Catalogue
from argn_assets.pipeline import synthesize

for table in synthesize(Catalogue("datasets").get("planes")).values():
    table.synthetic.write_parquet("planes.parquet")
    print(table.quality.summary() if table.quality else "no rows")
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from argn_assets.datasets import DatasetSpec, check_foreign_keys, check_tables, read_tables
from argn_assets.engine import ModelArtifact, TrainingConfig
from argn_assets.orchestration.one_table import (
    compute_table_stats,
    draw_holdout,
    encode_with_context,
    generate_table,
    train_table,
)
from argn_assets.orchestration.report import compare_table
from argn_assets.quality import compare_tables
from argn_assets.seeds import Seed

if TYPE_CHECKING:
    import polars as pl

    from argn_assets.engine import EpochProgress
    from argn_assets.engine.run import OnEpoch
    from argn_assets.quality import TableQuality

__all__ = ["EpochProgress", "SyntheticTable", "synthesize"]


@dataclass(frozen=True)
class SyntheticTable:
    """What the journey made of one table; `quality` is None where it has no rows to measure."""

    artifact: ModelArtifact
    synthetic: pl.DataFrame
    quality: TableQuality | None


def synthesize(spec: DatasetSpec, *, on_epoch: OnEpoch | None = None) -> dict[str, SyntheticTable]:
    """Read a data set's tables, learn them, generate them anew and measure the result, parents before their children.

    Args:
        spec: the declared data set.
        on_epoch: told after every epoch of every training; returning True ends that training.
    Raises:
        UserError: the sources or the tables cannot be used; names what and why.
    """
    tables = read_tables(spec)
    check_tables(spec, tables)
    check_foreign_keys(spec, tables)
    config = TrainingConfig(
        model_size=spec.generator.model_size,
        max_epochs=spec.generator.max_epochs,
        max_training_time=spec.generator.max_training_time,
        batch_size=spec.generator.batch_size,
    )
    settings = {**spec.sampling.model_dump(), "seed": spec.seed}
    held = draw_holdout(spec, tables)
    artifacts: dict[str, ModelArtifact] = {}
    made: dict[str, pl.DataFrame] = {}
    for name in spec.ordered_tables():  # parents first
        stats = compute_table_stats(spec, name, tables)
        encoded = encode_with_context(spec, name, tables, stats, held)
        artifacts[name] = train_table(stats, encoded, config, Seed(spec.seed).child("train", name), on_epoch)
        made[name] = generate_table(spec, name, artifacts[name], made, settings=settings)
    return {
        name: SyntheticTable(artifacts[name], made[name], compare_table(spec, name, tables, held, made, compare_tables))
        for name in spec.tables
    }
