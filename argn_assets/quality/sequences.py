"""Tables whose rows are sequences: how long they are, how one row follows another, and how they follow their parents.

Every figure is of whole sequences or of steps from a row to the next, so it sees what figures of single rows cannot.
"""

from __future__ import annotations

import polars as pl

from argn_assets.datasets.relations import Sequences, parent_rows
from argn_assets.quality.accuracy import at_size, column_accuracies, pair_accuracies
from argn_assets.quality.bins import bin_tables
from argn_assets.quality.columns import AlignedTables, Kind, align_tables
from argn_assets.quality.discriminator import tell_apart
from argn_assets.quality.distribution import describe
from argn_assets.quality.figures import SequenceQuality
from argn_assets.seeds import Seed

ROWS = "rows"  # of a sequence: the name of the column that holds its length


def compare_sequences(
    tables: AlignedTables, keys: dict[str, pl.Series], sequences: Sequences, *, name: str, seed: Seed, max_rows: int
) -> SequenceQuality:
    """Measure how close synthetic sequences are to real ones.

    Args:
        tables: the rows, aligned.
        keys: the key column of `training`, `holdout` (where there is one) and `synthetic`, as it was read, [N] each.
        sequences: whose sequences they are.
        name: the table's name, for messages.
        seed: of every random choice.
        max_rows: of each table for the classifier.
    """
    place = {role: parent_rows(key, getattr(sequences, role)[sequences.primary_key]) for role, key in keys.items()}
    whole = _whole_sequences(tables, place, sequences, name)
    lengths, length_ceiling = _length_accuracy(whole)
    coherence, coherence_ceiling = _coherence(tables, place)
    held = whole.holdout
    return SequenceQuality(
        key=sequences.key,
        sequences_training=whole.training.height,
        sequences_synthetic=whole.synthetic.height,
        mean_length_training=_mean_length(whole.training),
        mean_length_synthetic=_mean_length(whole.synthetic),
        length_accuracy=lengths,
        length_ceiling=length_ceiling,
        coherence=coherence,
        coherence_ceiling=coherence_ceiling,
        c2st_auc=tell_apart(whole.training, whole.synthetic, whole.kinds, seed=seed, max_rows=max_rows),
        c2st_auc_holdout=None
        if held is None
        else tell_apart(whole.training, held, whole.kinds, seed=seed.child("holdout"), max_rows=max_rows),
        resolved_share=1.0 - place["synthetic"].null_count() / max(len(place["synthetic"]), 1),
        lengths=describe(whole.training[ROWS], whole.synthetic[ROWS], "number"),
    )


def _mean_length(whole: pl.DataFrame) -> float:
    return round(float(whole[ROWS].sum()) / max(whole.height, 1), 6)


def _whole_sequences(
    tables: AlignedTables, place: dict[str, pl.Series], sequences: Sequences, name: str
) -> AlignedTables:
    """Return one row per sequence: its length, what is given of it, and first, last and moments of its columns."""
    whole = {
        role: _per_sequence(getattr(tables, role), place[role], tables.kinds, getattr(sequences, role))
        for role in place
    }
    return align_tables(
        whole["training"], whole.get("holdout"), whole["synthetic"], name=name, keys=(sequences.primary_key,)
    )


def _per_sequence(rows: pl.DataFrame, place: pl.Series, kinds: dict[str, Kind], parents: pl.DataFrame) -> pl.DataFrame:
    made: list[pl.Expr] = [pl.len().cast(pl.Float64).alias(ROWS)]
    for column, kind in kinds.items():
        value = pl.col(column)
        made += [value.first().alias(f"{column}: first"), value.last().alias(f"{column}: last")]
        if kind == "category":
            made.append(value.drop_nulls().n_unique().cast(pl.Float64).alias(f"{column}: distinct"))
            continue
        # Rounded, so that the order of additions cannot show.
        told = {"mean": value.mean(), "spread": value.std(), "least": value.min(), "most": value.max()}
        told |= {"step": value.diff().mean()}
        made += [figure.round_sig_figs(9).alias(f"{column}: {what}") for what, figure in told.items()]
    at = pl.Series("sequence", place)
    found = rows.hstack([at]).group_by("sequence", maintain_order=True).agg(made)
    given = parents.rename({column: f"given: {column}" for column in parents.columns if column != parents.columns[0]})
    everyone = given.with_row_index("sequence").with_columns(pl.col("sequence").cast(at.dtype))
    return (
        everyone.join(found, on="sequence", how="left", maintain_order="left")
        .drop("sequence")
        .with_columns(pl.col(ROWS).fill_null(0.0))
    )


def _length_accuracy(whole: AlignedTables) -> tuple[float, float | None]:
    """Return the accuracy of the lengths, and what as many fresh real sequences would score."""
    only = AlignedTables(
        kinds={ROWS: "number"},
        training=whole.training.select(ROWS),
        holdout=None if whole.holdout is None else whole.holdout.select(ROWS),
        synthetic=whole.synthetic.select(ROWS),
    )
    binned = bin_tables(only)
    (accuracy,) = column_accuracies(binned.bins, binned.training, binned.synthetic)
    if only.holdout is None or binned.holdout is None:
        return accuracy, None
    (held,) = column_accuracies(binned.bins, binned.training, binned.holdout)
    return accuracy, at_size(held, only.training.height, only.holdout.height, only.synthetic.height)


def _coherence(tables: AlignedTables, place: dict[str, pl.Series]) -> tuple[float | None, float | None]:
    """Return the mean accuracy of (value, next value of the sequence) over the columns, and its ceiling."""
    steps = {role: _steps(getattr(tables, role), place[role]) for role in place}
    if not steps["training"].height or not steps["synthetic"].height:
        return None, None
    holdout = steps.get("holdout")
    names = list(tables.kinds)
    both = AlignedTables(
        kinds=tables.kinds | {_following(column): kind for column, kind in tables.kinds.items()},
        training=steps["training"],
        holdout=holdout if holdout is not None and holdout.height else None,
        synthetic=steps["synthetic"],
    )
    binned = bin_tables(both)
    pairs = [(column, column + len(names)) for column in range(len(names))]
    found = pair_accuracies(binned.bins, binned.training, binned.synthetic, pairs)
    if both.holdout is None or binned.holdout is None:
        return sum(found) / len(found), None
    sizes = (both.training.height, both.holdout.height, both.synthetic.height)
    held = [at_size(one, *sizes) for one in pair_accuracies(binned.bins, binned.training, binned.holdout, pairs)]
    return sum(found) / len(found), sum(held) / len(held)


def _steps(rows: pl.DataFrame, place: pl.Series) -> pl.DataFrame:
    """Return every two rows of a sequence that follow each other, side by side."""
    at = pl.Series("sequence", place)
    together = rows.hstack([at]).sort("sequence", maintain_order=True)
    following = together.shift(-1).rename(_following)
    same = together["sequence"] == following[_following("sequence")]
    return together.hstack(following).filter(same.fill_null(False)).drop("sequence", _following("sequence"))


def _following(column: str) -> str:
    return f"{column} → next"
