"""How likely a model finds rows: log-probabilities per sub-column, per column and per row."""

# B rows of a batch, N rows, S sub-columns of the target, C columns
from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from argn_assets.artifact import ModelArtifact
from argn_assets.engine.arithmetic import flushed_denormals
from argn_assets.engine.families import FlatGenerator
from argn_assets.engine.generate import null_flags
from argn_assets.engine.request import all_sub_columns, context_of_rows, load_flat, load_sequences
from argn_assets.engine.sequence_probability import (
    KnownSequences,
    known_sequences,
    sequence_log_probs,
    sequences_of_codes,
)
from argn_assets.engine.siblings import of_rows, sibling_rows
from argn_assets.errors import ConfigError, DataError
from argn_assets.schema import SubColumn, full_sub_columns
from argn_assets.tables.encode import EncodedSibling, EncodedTable, encode_table
from argn_assets.tables.frames import to_polars
from argn_assets.tables.stats import TableStats

if TYPE_CHECKING:
    from argn_assets.tables.frames import Frame

_BATCH = 4096  # rows


def log_probs(
    artifact: ModelArtifact,
    codes: NDArray[np.integer] | EncodedTable,
    *,
    ctx_codes: NDArray[np.integer] | EncodedTable | None = None,
    column_order: Sequence[str] | None = None,
    device: str = "auto",
) -> NDArray[np.float64]:
    """Return the log-probability of every code given the context and the columns before it, in nats, [S, N].

    Every code counts as it stands, the ones under a missing value too; see `log_prob` for rows. Computed in float64.

    Args:
        artifact: the model.
        codes: sub-columns by rows, as `EncodedTable.codes`, [S, N]; of sequences the encoded table itself, which says
            where each begins, so that every row is given those before it.
        ctx_codes: the same of the context, for a model that was trained with one, [S', N]; of sequences one per
            sequence, [S', G]. A context with sequences of rows of its own is the encoded table itself.
        column_order: all columns in the order in which they see each other; None is the table's order.
        device: `auto`, `cpu`, `cuda:0` …
    Raises:
        DataError: the codes are not of this model.
        ConfigError: `column_order` does not name each column once, or a fixed-order model has another one.
    """
    siblings = _siblings_of(artifact, ctx_codes)
    given = ctx_codes.codes if isinstance(ctx_codes, EncodedTable) else ctx_codes
    order = _order(artifact, column_order)
    if artifact.is_sequential:
        known = sequences_of_codes(artifact, codes, given, siblings)
        _check_codes(known.codes, full_sub_columns(artifact.tgt_stats.sub_columns()))
        return _of_sequences(artifact, known, order, None, device)
    own = np.asarray(codes.codes if isinstance(codes, EncodedTable) else codes)
    if given is not None and np.shape(given)[-1] != own.shape[-1]:
        raise DataError(f"ctx_codes has {np.shape(given)[-1]} rows for {own.shape[-1]} rows of codes; each needs one.")
    joined = own if given is None else np.concatenate([given, own])
    _check_codes(joined, all_sub_columns(artifact))
    return _computed(artifact, joined, order, np.zeros(own.shape, dtype=bool), device, siblings)


def _siblings_of(
    artifact: ModelArtifact, ctx_codes: NDArray[np.integer] | EncodedTable | None
) -> tuple[EncodedSibling, ...]:
    """Return the siblings that come with a context's codes; DataError where the model needs others."""
    found = ctx_codes.siblings if isinstance(ctx_codes, EncodedTable) else {}
    needed = artifact.ctx_stats.siblings if artifact.ctx_stats is not None else {}
    if list(found) != list(needed):
        raise DataError(
            f"The context of this model holds the sequences {', '.join(map(repr, needed)) or '(none)'}; ctx_codes "
            f"has {', '.join(map(repr, found)) or 'none'}. Pass the EncodedTable of encode_table(ctx_data, ctx_stats)."
        )
    return tuple(found.values())


def log_prob(
    artifact: ModelArtifact, df: Frame, *, ctx_data: Frame | None = None, device: str = "auto"
) -> NDArray[np.float64]:
    """Return the log-probability of each row, in nats, [N]: the sum of `log_prob_by_column`, with its arguments."""
    by_column = log_prob_by_column(artifact, df, ctx_data=ctx_data, device=device)
    return sum(by_column.values(), start=np.zeros(len(to_polars(df))))


def log_prob_by_column(
    artifact: ModelArtifact, df: Frame, *, ctx_data: Frame | None = None, device: str = "auto"
) -> dict[str, NDArray[np.float64]]:
    """Return the log-probability of each value given the columns before it in the table's order, in nats, [N] each.

    It is that of the value's codes, so a probability and not a density: a number among many counts with the narrow cell
    that holds it, and a value that the model does not know as one of all such. A missing value is a value. Keys do not
    count. Rows of sequences are given their context and the rows of their key before them; how long a sequence is does
    not count.

    Args:
        artifact: the model.
        df: rows with all columns of the table, in any order of the keys.
        ctx_data: the context of each row, or of each key, for a model that was trained with context.
        device: `auto`, `cpu`, `cuda:0` …
    Raises:
        SchemaError: a column is missing or has another type, or `ctx_data` is missing or not used.
        DataError: rows lack their context.
    """
    stats = artifact.tgt_stats
    if artifact.is_sequential:
        known = known_sequences(artifact, df, ctx_data)
        absent = codes_under_null(known.codes, stats)
        grouped = _of_sequences(artifact, known, _order(artifact, None), absent, device)
        of_rows = np.empty_like(grouped)
        of_rows[:, known.order] = grouped
        return _by_column(of_rows, stats)
    table = to_polars(df)
    # Without the key columns the rows keep their order.
    codes = encode_table(table.select(name for name in stats.columns if name in table.columns), stats).codes
    context = context_of_rows(artifact, ctx_data, table)
    joined: NDArray[np.integer] = codes
    siblings: tuple[EncodedSibling, ...] = ()
    if context is not None:
        joined = np.concatenate([context.encoded.codes.astype(np.uint16), codes.astype(np.uint16)])
        siblings = tuple(context.encoded.siblings.values())
    return _by_column(
        _computed(artifact, joined, _order(artifact, None), codes_under_null(codes, stats), device, siblings), stats
    )


def _by_column(found: NDArray[np.float64], stats: TableStats) -> dict[str, NDArray[np.float64]]:
    """Sum log-probabilities of sub-columns, [S, N], by column, [N] each."""
    result, at = {}, 0
    for name, subs in stats.sub_columns().items():
        result[name] = found[at : at + len(subs)].sum(0)
        at += len(subs)
    return result


def _of_sequences(
    artifact: ModelArtifact, known: KnownSequences, order: list[int], absent: NDArray[np.bool_] | None, device: str
) -> NDArray[np.float64]:
    """Return log-probabilities of the codes of sequences, [S, N], for columns in an order, by number, [C]."""
    lengths = artifact.tgt_stats.lengths
    if lengths is None or not len(known.codes):
        return np.zeros(known.codes.shape)
    model = load_sequences(artifact, device, torch.float64)
    places = {column: place for place, column in enumerate(order)}
    positions = sorted(range(len(model.columns)), key=lambda s: places[model.columns[s]])
    cells = lengths.cell_of(np.diff(known.offsets))
    return sequence_log_probs(model, known, cells, positions, absent).codes


def codes_under_null(codes: NDArray[np.integer], stats: TableStats) -> NDArray[np.bool_]:
    """Return which codes stand under a missing value, where they mean nothing and are filled by chance, [S, N]."""
    groups = stats.sub_columns().values()
    columns = [number for number, subs in enumerate(groups) for _ in subs]
    empty = np.zeros(codes.shape, dtype=bool)
    for position, (flag, null) in null_flags([sub for subs in groups for sub in subs], columns).items():
        empty[position] = codes[flag] == null
    return empty


@flushed_denormals()
@torch.inference_mode()
def _computed(
    artifact: ModelArtifact,
    codes: NDArray[np.integer],
    order: list[int],
    absent: NDArray[np.bool_],
    device: str,
    siblings: tuple[EncodedSibling, ...] = (),
) -> NDArray[np.float64]:
    """Return log-probabilities of the target's codes, [S, N]; 0 for those that are absent, which nothing sees.

    Args:
        artifact: a flat model.
        codes: context first, [S' + S, N].
        order: columns of the target, by number, in the order in which they see each other, [C].
        absent: codes of the target that mean nothing, [S, N].
        device: where to compute.
        siblings: of each row's context.
    """
    result = np.zeros(absent.shape)
    if not len(absent):
        return result
    model = load_flat(artifact, device, torch.float64)
    given = sibling_rows(siblings, model.device)
    for start in range(0, absent.shape[1], _BATCH):
        rows = slice(start, start + _BATCH)
        base = model.base_of(of_rows(given, rows))
        result[:, rows] = _of_batch(model, codes[:, rows], order, absent[:, rows], base)
    return result


def _of_batch(
    model: FlatGenerator, codes: NDArray[np.integer], order: list[int], absent: NDArray[np.bool_], base: Any
) -> NDArray[np.float64]:
    n_context, columns = model.n_context, model.columns
    first = columns[n_context]
    places = {column: place for place, column in enumerate(order)}
    target = sorted(range(n_context, len(columns)), key=lambda s: places[columns[s] - first])
    steps = model.steps([*range(n_context), *target], n_context)
    block = torch.from_numpy(codes.astype(np.int64)).to(model.device)  # [S' + S, B]
    shown = torch.zeros_like(block, dtype=torch.bool)
    shown[:n_context] = True
    seen = steps.begin(block, shown, base)
    real = torch.from_numpy(~absent).to(model.device)
    result = np.zeros(absent.shape)
    for step, position in enumerate(steps.order):
        if position < n_context:
            continue
        own = torch.log_softmax(steps.logits(step, seen), 1).gather(1, block[position][:, None]).squeeze(1)  # [B]
        result[position - n_context] = torch.where(real[position - n_context], own, 0.0).cpu().numpy()
        steps.show(step, seen, block[position], real[position - n_context])
    return result


def _order(artifact: ModelArtifact, column_order: Sequence[str] | None) -> list[int]:
    """Return the columns by number in the order asked for, [C]."""
    names = list(artifact.tgt_stats.columns)
    if column_order is None:
        return list(range(len(names)))
    if sorted(column_order) != sorted(names):
        raise ConfigError(f"column_order must name each column once: {', '.join(names)}. Found {list(column_order)}.")
    if not artifact.enable_flexible_generation and list(column_order) != names:
        raise ConfigError(
            f"The model was trained in the fixed order {', '.join(names)}, so it has no other column_order. Train with "
            "any_order=True for any."
        )
    return [names.index(name) for name in column_order]


def _check_codes(codes: NDArray[np.integer], sub_columns: Sequence[SubColumn]) -> None:
    """Refuse codes of another layout."""
    if codes.ndim != 2 or len(codes) != len(sub_columns):
        raise DataError(
            f"The codes have the shape {codes.shape}; the model has {len(sub_columns)} sub-columns, context included, "
            "so they need one row of codes for each of them."
        )
    for sub_column, own in zip(sub_columns, codes, strict=True):
        if own.size and not 0 <= own.min() <= own.max() < sub_column.cardinality:
            raise DataError(
                f"Sub-column {sub_column.name!r} has codes from {own.min()} to {own.max()}; they must be in "
                f"[0, {sub_column.cardinality})."
            )
