"""All figures of one synthetic table."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import polars as pl

from argn_assets.datasets import Sequences
from argn_assets.errors import SchemaError
from argn_assets.quality.accuracy import at_size, choose_pairs, column_accuracies, pair_accuracies
from argn_assets.quality.bins import BinnedTables, bin_tables
from argn_assets.quality.columns import AlignedTables, align_tables
from argn_assets.quality.copies import share_of_copies
from argn_assets.quality.discriminator import ROWS_MIN, tell_apart, tell_columns_apart
from argn_assets.quality.distribution import describe
from argn_assets.quality.figures import ColumnQuality, PairQuality, SequenceQuality, TableQuality
from argn_assets.quality.sequences import compare_sequences
from argn_assets.quality.usefulness import try_on_holdout
from argn_assets.seeds import Seed

FEW_ROWS = 500  # of training: below, every figure is mostly chance


def compare_tables(
    training: pl.DataFrame,
    holdout: pl.DataFrame | None,
    synthetic: pl.DataFrame,
    *,
    name: str = "table",
    keys: Collection[str] = (),
    target: str | None = None,
    sequences: Sequences | None = None,
    seed: int = 0,
    max_rows: int = 20_000,
) -> TableQuality:
    """Measure how close `synthetic` is to `training`, with `holdout` as the measure of what is possible.

    The same tables and seed give the same figures.

    Args:
        training: the rows the generator learnt from.
        holdout: real rows it never saw; None or empty leaves out every figure that needs them.
        synthetic: the generated rows; columns that `training` lacks are ignored and noted.
        name: the table's name, for messages and the report.
        keys: columns that are identifiers and not compared.
        target: a column to predict; adds the train-on-synthetic score.
        sequences: whose sequences the rows are; adds the figures of sequences.
        seed: of every random choice.
        max_rows: of each table for the classifiers; all other figures use all rows.

    Raises:
        DataError: no training rows, no synthetic rows, or nothing but keys.
        SchemaError: a column is missing or of another kind, or the target is not a column.
    """
    tables = align_tables(training, holdout, synthetic, name=name, keys=tuple(keys))
    if target is not None and target not in tables.kinds:
        raise SchemaError(f"Table {name!r}: the target {target!r} is not one of its columns {', '.join(tables.kinds)}.")
    root = Seed(seed).child("quality", name)
    binned = bin_tables(tables)
    columns = _columns(tables, binned, root, max_rows)
    pairs = _pairs(tables, binned, root)
    held = tables.holdout
    apart = root.child("c2st")
    read = {"training": training, "holdout": holdout, "synthetic": synthetic}
    useful = None if target is None else try_on_holdout(tables, target, seed=root.child("target"), max_rows=max_rows)
    return TableQuality(
        name=name,
        rows_training=training.height,
        rows_holdout=0 if held is None else held.height,
        rows_synthetic=synthetic.height,
        accuracy_univariate=_mean([column.accuracy for column in columns]) or 0.0,
        accuracy_bivariate=_mean([pair.accuracy for pair in pairs]),
        ceiling_univariate=_mean([column.ceiling for column in columns]),
        ceiling_bivariate=_mean([pair.ceiling for pair in pairs]),
        c2st_auc=tell_apart(tables.training, tables.synthetic, tables.kinds, seed=apart, max_rows=max_rows),
        c2st_auc_holdout=None
        if held is None
        else tell_apart(tables.training, held, tables.kinds, seed=apart.child("holdout"), max_rows=max_rows),
        copies=share_of_copies(tables.synthetic, tables.training),
        copies_holdout=None if held is None else share_of_copies(held, tables.training),
        columns=columns,
        pairs=pairs,
        usefulness=useful,
        sequences=_sequences(tables, read, sequences, name=name, seed=root.child("sequences"), max_rows=max_rows),
        notes=_notes(tables, len(pairs), None if useful else target),
    )


def _sequences(
    tables: AlignedTables,
    read: Mapping[str, pl.DataFrame | None],
    sequences: Sequences | None,
    *,
    name: str,
    seed: Seed,
    max_rows: int,
) -> SequenceQuality | None:
    if sequences is None:
        return None
    measured = ["training", "synthetic"]
    if tables.holdout is not None and sequences.holdout is not None:
        measured.append("holdout")
    keys = {role: table[sequences.key] for role, table in read.items() if role in measured and table is not None}
    return compare_sequences(tables, keys, sequences, name=name, seed=seed, max_rows=max_rows)


def _mean(figures: list[float] | list[float | None]) -> float | None:
    known = [figure for figure in figures if figure is not None]
    return float(np.mean(known)) if known else None


def _columns(tables: AlignedTables, binned: BinnedTables, root: Seed, max_rows: int) -> tuple[ColumnQuality, ...]:
    """The columns, worst accuracy first."""
    accuracies = column_accuracies(binned.bins, binned.training, binned.synthetic)
    ceilings: list[float] | list[None] = [None] * len(accuracies)
    if binned.holdout is not None:
        ceilings = _ceilings(tables, column_accuracies(binned.bins, binned.training, binned.holdout))
    apart = tell_columns_apart(
        tables.training, tables.synthetic, tables.kinds, seed=root.child("columns"), max_rows=max_rows
    )
    found = []
    for place, (name, kind) in enumerate(tables.kinds.items()):
        real, made = tables.training[name], tables.synthetic[name]
        found.append(
            ColumnQuality(
                name=name,
                kind=kind,
                accuracy=accuracies[place],
                ceiling=ceilings[place],
                c2st_auc=apart[place],
                null_share_training=real.null_count() / len(real),
                null_share_synthetic=made.null_count() / len(made),
                unseen_share=_unseen(made, real),
                unseen_share_holdout=None if tables.holdout is None else _unseen(tables.holdout[name], real),
                distribution=describe(real, made, kind),
            )
        )
    return tuple(sorted(found, key=lambda column: (column.accuracy, -(column.c2st_auc or 0.0))))


def _pairs(tables: AlignedTables, binned: BinnedTables, root: Seed) -> tuple[PairQuality, ...]:
    """The pairs of columns, worst accuracy first."""
    names = list(tables.kinds)
    chosen = choose_pairs(len(names), root.child("pairs"))
    accuracies = pair_accuracies(binned.bins, binned.training, binned.synthetic, chosen)
    ceilings: list[float] | list[None] = [None] * len(accuracies)
    if binned.holdout is not None:
        ceilings = _ceilings(tables, pair_accuracies(binned.bins, binned.training, binned.holdout, chosen))
    found = [
        PairQuality(names[first], names[second], accuracy, ceiling)
        for (first, second), accuracy, ceiling in zip(chosen, accuracies, ceilings, strict=True)
    ]
    return tuple(sorted(found, key=lambda pair: pair.accuracy))


def _ceilings(tables: AlignedTables, measured: list[float]) -> list[float]:
    held = tables.holdout
    assert held is not None  # the caller has codes of it
    return [at_size(figure, tables.training.height, held.height, tables.synthetic.height) for figure in measured]


def _unseen(values: pl.Series, training: pl.Series) -> float:
    """Share of the values present that no training row holds."""
    present = values.drop_nulls()
    if len(present) == 0:
        return 0.0
    known = present.filter(present.is_in(training.drop_nulls().unique().implode()))
    return 1.0 - len(known) / len(present)


def _notes(tables: AlignedTables, pairs: int, untried: str | None) -> tuple[str, ...]:
    notes = []
    rows = tables.training.height
    if rows < FEW_ROWS:
        notes.append(f"Training rows: {rows:,}, which is few; these figures are largely chance.")
    if min(rows, tables.synthetic.height) < ROWS_MIN:
        notes.append(f"Telling rows apart (C2ST) needs {ROWS_MIN} real and {ROWS_MIN} synthetic rows; it was left out.")
    if tables.holdout is None:
        notes.append("No rows were held out, so there is no ceiling to measure against.")
    elif tables.holdout.height < ROWS_MIN:
        notes.append(f"Rows held out: {tables.holdout.height:,}, which is few; the ceiling is a rough one.")
    if len(tables.kinds) > 1 and pairs < len(tables.kinds) * (len(tables.kinds) - 1) // 2:
        notes.append(f"{pairs:,} pairs of columns, drawn at random, stand for all of them.")
    if tables.ignored:
        notes.append(f"Columns that the training table lacks were ignored: {', '.join(tables.ignored)}.")
    if untried is not None:
        notes.append(f"Models of {untried} could not be tried: too few rows held out, or one class, or too many.")
    return tuple(notes)
