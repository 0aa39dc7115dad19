"""What each stage does with one table of a data set, be it alone or the child of another.

The chain takes these steps over stored tables, and `argn_assets.pipeline` over tables in memory, both in the order of
`DatasetSpec.ordered_tables`. A table with a context is a table of sequences, one for each row of its parent; what is
given of a sequence is put together by `datasets.context_table`, for training and for generation alike.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from argn_assets.datasets import DatasetSpec, context_table, subject_rows
from argn_assets.seeds import Seed

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    from argn_assets.artifact import ModelArtifact
    from argn_assets.engine.config import TrainingConfig
    from argn_assets.engine.run import OnEpoch
    from argn_assets.tables import EncodedTable, TableStats

    Tables = Mapping[str, pl.DataFrame]
    Masks = Mapping[str, NDArray[np.bool_]]

T = TypeVar("T")


@dataclass(frozen=True)
class WithContext(Generic[T]):
    """Something of a table, and the same of what is given of each of its sequences; None where nothing is."""

    own: T
    context: T | None = None


def subject_keys(spec: DatasetSpec, tables: Tables) -> dict[str, NDArray[np.uint64]]:
    """Return whom each row of each table is about, [N]: the key of its first ancestor, or of the row itself."""
    from argn_assets.tables.split import row_keys

    keys: dict[str, NDArray[np.uint64]] = {}
    for name, rows in subject_rows(spec, tables).items():
        first = (name, *spec.ancestors(name))[-1]
        keys[name] = row_keys(tables[first], spec.tables[first].primary_key)[rows]
    return keys


def draw_holdout(spec: DatasetSpec, tables: Tables) -> Masks:
    """Return which rows of each table validate and score the report, [N]; no subject has rows on both sides."""
    from argn_assets.tables import validation_mask

    keys = subject_keys(spec, tables)
    first = {
        name: validation_mask(keys[name], spec.holdout, Seed(_seed(spec, "encode", name)))
        for name, table in spec.tables.items()
        if table.context is None
    }
    return spread_holdout(spec, tables, first)


def spread_holdout(spec: DatasetSpec, tables: Tables, first: Masks) -> Masks:
    """Return the holdout of all tables, given that of those without a context: whoever is held out is so everywhere."""
    rows = subject_rows(spec, tables)
    return {name: first[(name, *spec.ancestors(name))[-1]][rows[name]] for name in spec.tables}


def compute_table_stats(spec: DatasetSpec, name: str, tables: Tables) -> WithContext[TableStats]:
    """Return the statistics of a table, and of its context; rare is what few subjects share, at any depth."""
    from argn_assets.tables import compute_stats

    declared, context = spec.tables[name], spec.tables[name].context
    subjects = subject_keys(spec, tables)
    own = compute_stats(
        tables[name],
        declared.encoding_types(),
        context.key if context else None,
        declared.primary_key,
        column_roles=declared.column_roles(),
        subjects=subjects[name] if context else None,
        value_protection=spec.value_protection,
        seed=_seed(spec, "stats", name),
    )
    if context is None:
        return WithContext(own)
    given = compute_stats(
        context_table(spec, tables, name),
        _context_encodings(spec, name),
        primary_key=spec.tables[context.table].primary_key,
        is_sequential=False,
        subjects=subjects[context.table],
        value_protection=spec.value_protection,
        seed=_seed(spec, "context stats", name),
    )
    return WithContext(own, given)


def _context_encodings(spec: DatasetSpec, name: str) -> dict[str, str]:
    """Return the declared encodings of the columns of a context, as `context_table` names them."""
    parent, *above = spec.ancestors(name)
    encodings = spec.tables[parent].encoding_types()
    for ancestor in above:
        encodings |= {f"{ancestor}.{column}": name for column, name in spec.tables[ancestor].encoding_types().items()}
    return encodings


def encode_with_context(
    spec: DatasetSpec, name: str, tables: Tables, stats: WithContext[TableStats], held: Masks
) -> WithContext[EncodedTable]:
    """Return a table as codes, and the codes of its context, one row per parent row; `held` rows validate."""
    import numpy as np

    from argn_assets.engine.context import place_of_keys
    from argn_assets.tables import encode_table
    from argn_assets.tables.split import row_keys

    context = spec.tables[name].context
    encoded = encode_table(tables[name], stats.own, seed=_seed(spec, "encode", name))
    if context is None or stats.context is None or encoded.keys is None or encoded.offsets is None:
        return WithContext(dataclasses.replace(encoded, validation=held[name]))
    table, key = context_table(spec, tables, name), str(stats.context.schema.primary_key)
    given = encode_table(table, stats.context, seed=_seed(spec, "encode context", name))
    places = place_of_keys(table, key, encoded.keys, context.key)
    of_parents = held[context.table]
    return WithContext(
        dataclasses.replace(encoded, validation=np.repeat(of_parents[places], np.diff(encoded.offsets))),
        dataclasses.replace(
            given, validation=of_parents, keys=row_keys(table, key), offsets=np.arange(len(of_parents) + 1)
        ),
    )


def train_table(
    stats: WithContext[TableStats],
    encoded: WithContext[EncodedTable],
    config: TrainingConfig,
    seed: Seed,
    on_epoch: OnEpoch | None = None,
) -> ModelArtifact:
    """Train the model of a table: of its rows, or with a context of the sequences, which may be empty, of its keys."""
    from argn_assets.engine.train import train_model

    if encoded.context is None or stats.context is None:
        return train_model(encoded.own, stats.own, config, seed, on_epoch=on_epoch)
    import polars as pl

    from argn_assets.engine.context import Context
    from argn_assets.engine.sequences import sequences_of_context

    # Keys are stored as hashes, which are keys as good as those that they were made of.
    keys = pl.DataFrame({str(stats.context.schema.primary_key): encoded.context.keys})
    given = dataclasses.replace(encoded.context, keys=None, offsets=None)
    sequences = sequences_of_context(
        encoded.own, Context(keys, given, stats.context), str(stats.own.schema.context_key)
    )
    return train_model(
        sequences, stats.own, config, seed, on_epoch=on_epoch, context=given, context_stats=stats.context
    )


def generate_table(
    spec: DatasetSpec,
    name: str,
    artifact: ModelArtifact,
    made: Tables,
    *,
    settings: Mapping[str, Any],
    device: str = "auto",
) -> pl.DataFrame:
    """Generate a table: as many rows as asked for, or the sequences of the rows that were made of its parent.

    Args:
        spec: the declared data set.
        name: the table.
        artifact: its model.
        made: the generated tables so far, its ancestors among them.
        settings: `rows` (a number or `same`; of a table without context), `temperature`, `top_p`, `rare` and `seed`.
        device: where to compute.
    """
    from argn_assets.engine import generate_flat, generate_sequential

    drawn: dict[str, Any] = {
        "sampling_temperature": settings["temperature"],
        "sampling_top_p": settings["top_p"],
        "rare": settings["rare"],
        "device": device,
        "random_state": Seed(settings["seed"]).child("generate", name).value,
    }
    if spec.tables[name].context is None:
        table = generate_flat(artifact, None if settings["rows"] == "same" else int(settings["rows"]), **drawn)
    else:
        table = generate_sequential(artifact, ctx_data=context_table(spec, made, name), **drawn)
    generated: pl.DataFrame = table
    return generated


def _seed(spec: DatasetSpec, *use: str) -> int:
    return Seed(spec.seed).child(*use).value
