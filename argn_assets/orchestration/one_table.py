"""What each stage does with one table of a data set, be it alone or the child of another.

The chain takes these steps over stored tables, and `argn_assets.pipeline` over tables in memory, both in the order of
`DatasetSpec.ordered_tables`. A table with a context is a table of sequences, one for each row of its parent; what is
given of a sequence is put together by `given_table`, for training and for generation alike.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from argn_assets.datasets import DatasetSpec, context_table, subject_rows, value_columns
from argn_assets.seeds import Seed

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    from argn_assets.artifact import ModelArtifact
    from argn_assets.engine.config import TrainingConfig
    from argn_assets.engine.run import OnEpoch, OnStep
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


def given_table(spec: DatasetSpec, name: str, tables: Tables) -> pl.DataFrame:
    """Return what is given of each sequence of a table: its parent's row and ancestors, and its siblings as lists.

    A sibling, another child of the same parent that is declared before, is there as list columns `sibling::column`.
    """
    from argn_assets.tables.siblings import nest

    context = spec.tables[name].context
    assert context is not None, "a table with a context is asked for"
    table = context_table(spec, tables, name)
    key = str(spec.tables[context.table].primary_key)
    keys = {sibling: own.key for sibling in spec.siblings(name) if (own := spec.tables[sibling].context)}
    siblings = {
        sibling: tables[sibling].select(own, *value_columns(spec, tables, sibling)).cast({own: table[key].dtype})
        for sibling, own in keys.items()
    }
    return nest(table, key, siblings, keys)


def compute_table_stats(spec: DatasetSpec, name: str, tables: Tables) -> WithContext[TableStats]:
    """Return the statistics of a table, and of its context; rare is what few subjects share, at any depth."""
    import numpy as np

    from argn_assets.tables import compute_stats, with_empty_sequences
    from argn_assets.tables.siblings import compute_context_stats
    from argn_assets.tables.split import row_keys

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
    given = compute_context_stats(
        given_table(spec, name, tables),
        _context_encodings(spec, name),
        primary_key=str(spec.tables[context.table].primary_key),
        subjects=subjects[context.table],
        value_protection=spec.value_protection,
        seed=_seed(spec, "context stats", name),
    )
    parents = row_keys(tables[context.table], spec.tables[context.table].primary_key)
    is_empty = ~np.isin(parents, row_keys(tables[name], context.key))
    own = with_empty_sequences(
        own,
        subjects[context.table][is_empty],
        value_protection=spec.value_protection,
        seed=_seed(spec, "stats", name),
    )
    return WithContext(own, given)


def _context_encodings(spec: DatasetSpec, name: str) -> dict[str, str]:
    """Return the declared encodings of the columns of a context, as `given_table` names them."""
    from argn_assets.tables.siblings import SEPARATOR

    parent, *above = spec.ancestors(name)
    prefixes = {parent: ""} | {ancestor: f"{ancestor}." for ancestor in above}
    prefixes |= {sibling: f"{sibling}{SEPARATOR}" for sibling in spec.siblings(name)}
    return {
        f"{prefix}{column}": encoding
        for table, prefix in prefixes.items()
        for column, encoding in spec.tables[table].encoding_types().items()
    }


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
    table, key = given_table(spec, name, tables), str(stats.context.schema.primary_key)
    given = encode_table(table, stats.context, seed=_seed(spec, "encode context", name))
    places = place_of_keys(table, key, encoded.keys, context.key)
    of_parents = held[context.table]
    return WithContext(
        dataclasses.replace(encoded, validation=np.repeat(of_parents[places], np.diff(encoded.offsets))),
        dataclasses.replace(
            given, validation=of_parents, keys=row_keys(table, key), offsets=np.arange(len(of_parents) + 1)
        ),
    )


def sibling_tables(context: EncodedTable) -> dict[str, EncodedTable]:
    """Return the siblings of a context as tables of sequences, whose keys are the numbers of context rows."""
    import numpy as np

    from argn_assets.tables import EncodedTable

    tables = {}
    for name, sibling in context.siblings.items():
        filled = np.flatnonzero(sibling.sizes)
        offsets = np.append(0, np.cumsum(sibling.sizes[filled]))
        none = np.zeros(sibling.codes.shape[1], dtype=bool)
        tables[name] = EncodedTable(sibling.columns, sibling.codes, none, filled.astype(np.uint64), offsets)
    return tables


def with_siblings(context: EncodedTable, tables: Mapping[str, EncodedTable]) -> EncodedTable:
    """Return a context with the siblings that `sibling_tables` took out of it."""
    import numpy as np

    from argn_assets.tables.encode import EncodedSibling

    siblings = {}
    for name, table in tables.items():
        assert table.keys is not None, "a sibling is a table of sequences"
        assert table.offsets is not None, "a sibling is a table of sequences"
        sizes = np.zeros(context.n_rows, dtype=np.int64)
        sizes[table.keys.astype(np.int64)] = np.diff(table.offsets)
        siblings[name] = EncodedSibling(table.columns, table.codes, np.cumsum(sizes) - sizes, sizes)
    return dataclasses.replace(context, siblings=siblings)


def train_table(
    stats: WithContext[TableStats],
    encoded: WithContext[EncodedTable],
    config: TrainingConfig,
    seed: Seed,
    on_epoch: OnEpoch | None = None,
    *,
    on_step: OnStep | None = None,
    training_state: bytes | None = None,
    warm_start: ModelArtifact | None = None,
) -> ModelArtifact:
    """Train the model of a table: of its rows, or with a context of the sequences, which may be empty, of its keys.

    Where `training_state` is given, a training that was cut short goes on; where `warm_start` is, its weights do.
    """
    from argn_assets.engine.train import Beginning, train_model

    beginning = Beginning(training_state=training_state, warm_start=warm_start)

    if encoded.context is None or stats.context is None:
        return train_model(
            encoded.own, stats.own, config, seed, on_epoch=on_epoch, on_step=on_step, beginning=beginning
        )
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
        sequences, stats.own, config, seed, on_epoch=on_epoch, on_step=on_step, context=given,
        context_stats=stats.context, beginning=beginning,
    )  # fmt: skip


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
        table = generate_sequential(artifact, ctx_data=given_table(spec, name, made), **drawn)
    generated: pl.DataFrame = table
    return generated


def _seed(spec: DatasetSpec, *use: str) -> int:
    return Seed(spec.seed).child(*use).value
