"""Known sequences: what each of their rows sees of the rows before it, and how likely lengths and codes are."""

# B sequences that are left, G sequences, N rows, S sub-columns, U sub-columns of the context, K cells of lengths
from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from argn_assets.artifact import ModelArtifact
from argn_assets.engine.arithmetic import flushed_denormals
from argn_assets.engine.families import FlatSteps, SequenceGenerator
from argn_assets.engine.request import context_of_rows
from argn_assets.engine.siblings import sibling_rows
from argn_assets.errors import DataError, SchemaError
from argn_assets.tables.encode import EncodedSibling, EncodedTable, encode_table
from argn_assets.tables.frames import to_polars
from argn_assets.tables.sequences import bring_together
from argn_assets.tables.split import row_keys


@dataclass(frozen=True)
class KnownSequences:
    """Sequences whose rows are there.

    Attributes:
        codes: the rows of a sequence together, in order, [S, N].
        offsets: where each sequence starts and the last one ends, [G + 1].
        context: codes of each sequence's context, [U, G].
        siblings: of each sequence's context.
        order: number of each row in the table that it came from, [N].
    """

    codes: NDArray[np.integer]
    offsets: NDArray[np.int64]
    context: NDArray[np.integer]
    siblings: tuple[EncodedSibling, ...]
    order: NDArray[np.int64]


@dataclass(frozen=True)
class SequenceLogProbs:
    """Natural logarithms of probabilities.

    Attributes:
        codes: of each code given the context, the rows before and the columns before it, [S, N] float64.
        lengths: of each sequence's cell of lengths given its context, [G] float64.
    """

    codes: NDArray[np.float64]
    lengths: NDArray[np.float64]


def known_sequences(artifact: ModelArtifact, df: Any, ctx_data: Any) -> KnownSequences:
    """Return the sequences of a table with the context key and all columns.

    Raises:
        SchemaError: the key is not a column, or context is missing or not used.
        DataError: rows have no key, or one that the context lacks.
    """
    table = to_polars(df)
    order, offsets = sequences_in(artifact, table)
    context, siblings = context_of_sequences(artifact, ctx_data, table[order], offsets)
    return KnownSequences(encode_table(table, artifact.tgt_stats).codes, offsets, context, siblings, order)


def sequences_in(artifact: ModelArtifact, table: pl.DataFrame) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the order that brings the rows of each key together, [N], and where each sequence starts, [G + 1].

    Raises:
        SchemaError: the context key is not a column.
        DataError: rows have no key.
    """
    key = str(artifact.tgt_context_key)
    if key not in table.columns:
        raise SchemaError(f"The table has no column {key!r}, which says what sequence a row belongs to.")
    if table[key].null_count():
        raise DataError(f"{table[key].null_count()} rows have no value in {key!r}, so they belong to no sequence.")
    return bring_together(row_keys(table, key))


def context_of_sequences(
    artifact: ModelArtifact, ctx_data: Any, grouped: pl.DataFrame, offsets: NDArray[np.int64]
) -> tuple[NDArray[np.integer], tuple[EncodedSibling, ...]]:
    """Return the codes of the context of each sequence, [U, G], and its siblings, of rows that stand together."""
    firsts = grouped.select(str(artifact.tgt_context_key))[offsets[:-1]]
    context = context_of_rows(artifact, ctx_data, firsts)
    if context is None:
        return np.zeros((0, len(firsts)), dtype=np.uint8), ()
    return context.encoded.codes, tuple(context.encoded.siblings.values())


def sequences_of_codes(
    artifact: ModelArtifact, codes: Any, context: NDArray[np.integer] | None, siblings: tuple[EncodedSibling, ...] = ()
) -> KnownSequences:
    """Return the sequences of an encoded table; DataError where it does not say where they begin, or lacks context."""
    if not isinstance(codes, EncodedTable) or codes.offsets is None:
        raise DataError(
            "The artifact models sequences, so log_probs needs to know where each begins: pass the EncodedTable that "
            "encode_table returned, not its codes alone."
        )
    n_sequences, layout = len(codes.offsets) - 1, artifact.ctx_stats.sub_columns() if artifact.ctx_stats else {}
    n_context = sum(map(len, layout.values()))
    given = np.zeros((0, n_sequences), dtype=np.uint8) if context is None else np.asarray(context)
    if given.shape != (n_context, n_sequences):
        raise DataError(
            f"ctx_codes has the shape {given.shape}; {n_context} sub-columns of {n_sequences} sequences are needed."
        )
    return KnownSequences(codes.codes, codes.offsets, given, siblings, np.arange(codes.n_rows))


def steps_of(model: SequenceGenerator, known: KnownSequences) -> Iterator[tuple[NDArray[np.int64], Any, Tensor | None]]:
    """Yield for all first rows, all second rows and so on: which rows, [B], and what each sees from outside, [B, ·].

    With the first ones come the log-probabilities of the lengths, [G, K]; later None.
    """
    device, sizes = model.device, np.diff(known.offsets)
    state = model.begin(
        torch.from_numpy(known.context.astype(np.int64)).to(device), sibling_rows(known.siblings, device)
    )
    lengths: Tensor | None = model.length_logits(state).double().log_softmax(1)
    sequence = np.arange(len(sizes))
    for step in range(int(sizes.max(initial=0))):
        alive = np.flatnonzero(sizes[sequence] > step)
        if len(alive) < len(sequence):
            sequence, state = sequence[alive], model.keep(state, torch.from_numpy(alive).to(device))
        rows = known.offsets[sequence] + step
        left = torch.from_numpy(sizes[sequence] - step).to(device)
        yield rows, model.base(state, left), lengths
        lengths = None
        state = model.advance(state, torch.from_numpy(known.codes[:, rows].astype(np.int64)).to(device))


@flushed_denormals()
@torch.inference_mode()
def sequence_log_probs(
    model: SequenceGenerator,
    known: KnownSequences,
    cells: NDArray[np.int64],
    order: Sequence[int] | None = None,
    absent: NDArray[np.bool_] | None = None,
) -> SequenceLogProbs:
    """Return the log-probabilities of sequences of codes.

    Args:
        model: the network.
        known: the sequences.
        cells: cell of each sequence's length, [G].
        order: sub-columns in the order in which they are predicted, [S]; None is the table's.
        absent: codes that mean nothing and that no other sub-column of the row sees, [S, N]; None is none.
    """
    codes = known.codes
    steps = model.steps(order if order is not None else range(len(codes)), 0)
    result, lengths = np.zeros(codes.shape, dtype=np.float64), np.zeros(len(cells), dtype=np.float64)
    for rows, base, of_length in steps_of(model, known):
        if of_length is not None:
            chosen = torch.from_numpy(cells).to(model.device)[:, None]
            lengths = of_length.gather(1, chosen).squeeze(1).cpu().numpy()
        here = torch.from_numpy(codes[:, rows].astype(np.int64)).to(model.device)  # [S, B]
        real = np.ones(here.shape, dtype=bool) if absent is None else ~absent[:, rows]
        result[:, rows] = row_log_probs(steps, here, base, torch.from_numpy(real).to(model.device)).cpu().numpy()
    return SequenceLogProbs(result, lengths)


def row_log_probs(steps: FlatSteps, codes: Tensor, base: Any, real: Tensor) -> Tensor:
    """Return the log-probabilities of the codes of one row of each sequence, [S, B] float64.

    Args:
        steps: the sub-columns in the order in which they see each other.
        codes: of the rows, [S, B].
        base: what the rows see from outside.
        real: which codes count and are seen by the others, [S, B]; the result is 0 for all others.
    """
    seen = steps.begin(codes, torch.zeros_like(real), base)
    result = torch.zeros(codes.shape, dtype=torch.float64, device=codes.device)
    for step, position in enumerate(steps.order):
        if real[position].any():
            of_codes = steps.logits(step, seen).double().log_softmax(1)
            own = of_codes.gather(1, codes[position][:, None]).squeeze(1)
            result[position] = torch.where(real[position], own, 0.0)
        steps.show(step, seen, codes[position], real[position])
    return result
