"""How large a table becomes as codes, and about how long its training takes: a guess, before anything is run (O1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

    from argn_assets.datasets import DatasetSpec

MOST_ROWS = 10_000  # that are looked at for the sub-columns
# What benchmarks/RESULTS.md found on two cores, rounded; a GPU is faster, a busy machine slower.
CODES_PER_SECOND = {"S": 1_400_000, "M": 700_000, "L": 200_000}  # rows times sub-columns
SEQUENCE_FACTOR = 15  # a row of a sequence costs as many rows that stand alone
USUAL_EPOCHS = 40  # until the validation loss no longer falls
BEGINNING_SECONDS = 10  # small batches, whatever the table


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What a table will take.

    Attributes:
        sub_columns: of its codes.
        minutes: of training on two cores, right within a factor of two or three; at most what is declared.
    """

    sub_columns: int
    minutes: float


def estimate_table(spec: DatasetSpec, table: str, frame: pl.DataFrame) -> Estimate:
    """Estimate from the first rows of a table, and from how many there are."""
    from argn_assets.tables import compute_stats

    declared, generator = spec.tables[table], spec.generator
    stats = compute_stats(
        frame.head(MOST_ROWS),
        declared.encoding_types(),
        context_key=declared.context.key if declared.context else None,
        primary_key=declared.primary_key,
        column_roles=declared.column_roles(),
        value_protection=spec.value_protection,
    )
    sub_columns = len(stats.sub_columns())
    codes = frame.height * (1 - spec.holdout) * sub_columns * (SEQUENCE_FACTOR if declared.context else 1)
    seconds = (
        BEGINNING_SECONDS + min(USUAL_EPOCHS, generator.max_epochs) * codes / CODES_PER_SECOND[generator.model_size]
    )
    return Estimate(sub_columns=sub_columns, minutes=round(min(seconds / 60, generator.max_training_time), 1))
