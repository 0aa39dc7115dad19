"""The whole journey as plain calls; the Dagster assets are the same calls with names.

from argn_assets.datasets import Catalogue
from argn_assets.pipeline import synthesize

for table in synthesize(Catalogue("datasets").get("planes")).values():
    table.synthetic.write_parquet("planes.parquet")
    print(table.quality.fidelity)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from argn_assets.datasets import DatasetSpec, check_tables, read_tables
from argn_assets.engine import ModelArtifact, TrainingConfig, generate_flat, train_model
from argn_assets.quality import compare_tables
from argn_assets.seeds import Seed
from argn_assets.tables import compute_stats, encode_table

if TYPE_CHECKING:
    import polars as pl

    from argn_assets.engine import EpochProgress
    from argn_assets.engine.run import OnEpoch
    from argn_assets.quality import TableQuality

__all__ = ["EpochProgress", "SyntheticTable", "synthesize"]


@dataclass(frozen=True)
class SyntheticTable:
    """What the journey made of one table."""

    artifact: ModelArtifact
    synthetic: pl.DataFrame
    quality: TableQuality


def synthesize(spec: DatasetSpec, *, on_epoch: OnEpoch | None = None) -> dict[str, SyntheticTable]:
    """Read a data set's tables, learn them, generate them anew and measure the result, table by table.

    Args:
        spec: the declared data set.
        on_epoch: told after every epoch of every training; returning True ends that training.
    Raises:
        UserError: the sources or the tables cannot be used; names what and why.
    """
    tables = read_tables(spec)
    check_tables(spec, tables)
    return {name: _synthesize(spec, name, table, on_epoch) for name, table in tables.items()}


def _synthesize(spec: DatasetSpec, name: str, table: pl.DataFrame, on_epoch: OnEpoch | None) -> SyntheticTable:
    declared, root = spec.tables[name], Seed(spec.seed)
    stats = compute_stats(
        table,
        declared.encoding_types(),
        primary_key=declared.primary_key,
        column_roles=declared.column_roles(),
        value_protection=spec.value_protection,
        seed=root.child("stats", name).value,
    )
    encoded = encode_table(table, stats, seed=root.child("encode", name).value, validation_split=spec.holdout)
    config = TrainingConfig(
        model_size=spec.generator.model_size,
        max_epochs=spec.generator.max_epochs,
        max_training_time=spec.generator.max_training_time,
        batch_size=spec.generator.batch_size,
    )
    artifact = train_model(encoded, stats, config, root.child("train", name), on_epoch=on_epoch)
    synthetic = generate_flat(
        artifact,
        None if spec.sampling.rows == "same" else spec.sampling.rows,
        sampling_temperature=spec.sampling.temperature,
        sampling_top_p=spec.sampling.top_p,
        random_state=root.child("generate", name).value,
    )
    target = spec.target_column()
    quality = compare_tables(
        table.filter(~encoded.validation),
        table.filter(encoded.validation),
        synthetic,
        name=name,
        keys=declared.regenerated(),
        target=target[1] if target and target[0] == name else None,
        seed=root.child("report").value,
    )
    return SyntheticTable(artifact, synthetic, quality)
