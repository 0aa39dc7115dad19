"""The loss of independent columns: a model that has learnt how columns and rows belong together stays below it."""

# S sub-columns, N rows, G sequences
from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from argn_assets.tables.encode import EncodedTable
from argn_assets.tables.sequences import SequenceLengths

SMOOTHING = 1.0  # rows that each code is taken to have been seen in beside the real ones
LENGTH_SMOOTHING = 0.1  # sequences of each cell of lengths, likewise


def loss_of_marginals(
    encoded: EncodedTable, lengths: SequenceLengths | None = None, context: EncodedTable | None = None
) -> float | None:
    """Return the loss, in nats per row, that validation rows have under the training rows' frequencies of each code.

    Sub-columns, and of sequences their lengths too, are drawn independently of everything; the sum over a sequence's
    length and rows is counted per row as training counts it: a sequence without rows is one. None where nothing
    validates, or nothing trains.

    Args:
        encoded: the table, [S, N]; of sequences, with where they start.
        lengths: cells of the lengths of sequences, as its statistics have them.
        context: one row per sequence, those without rows too, which says whether it validates.

    >>> from argn_assets.schema import SubColumn
    >>> codes = np.array([[0, 1, 0, 1]], dtype=np.uint8)
    >>> table = EncodedTable({"a": (SubColumn("value", 2),)}, codes, np.array([False, False, True, True]))
    >>> round(loss_of_marginals(table), 4)
    0.6931
    """
    if encoded.offsets is None or lengths is None:
        n_rows = int(encoded.validation.sum())
        every = np.full(encoded.n_rows, fill_value=True)
        return _loss_of_rows(encoded, every) / n_rows if 0 < n_rows < encoded.n_rows else None
    sizes = np.minimum(np.diff(encoded.offsets), lengths.most)
    validates = encoded.validation[encoded.offsets[:-1]]
    if context is not None:
        # Sequences without rows have no keys: what is known of them is how many train and how many validate.
        n_empty = [int((context.validation == which).sum() - (validates == which).sum()) for which in (False, True)]
        sizes = np.append(sizes, np.zeros(sum(n_empty), dtype=np.int64))
        validates = np.append(validates, np.repeat([False, True], n_empty))
    loss = _cross_entropy(lengths.cell_of(sizes), validates, len(lengths.lows), LENGTH_SMOOTHING)
    places = np.arange(encoded.n_rows) - np.repeat(encoded.offsets[:-1], np.diff(encoded.offsets))
    loss += _loss_of_rows(encoded, places < lengths.most)
    n_rows = int(np.maximum(1, sizes[validates]).sum())
    return loss / n_rows if n_rows and not validates.all() else None


def _loss_of_rows(encoded: EncodedTable, counted: NDArray[np.bool_]) -> float:
    """Return the summed loss of the validation rows that are counted."""
    subs = encoded.sub_columns
    chosen = counted | ~encoded.validation
    return sum(
        _cross_entropy(codes[chosen], encoded.validation[chosen], sub.cardinality, SMOOTHING)
        for codes, sub in zip(encoded.codes, subs, strict=True)
    )


def _cross_entropy(
    codes: NDArray[np.integer], validates: NDArray[np.bool_], cardinality: int, smoothing: float
) -> float:
    """Return the summed negative log-frequency of the codes that validate, under those that do not."""
    counts = np.bincount(codes[~validates], minlength=cardinality) + smoothing
    seen = np.bincount(codes[validates], minlength=cardinality)
    return float(-(seen * np.log(counts / counts.sum())).sum())
