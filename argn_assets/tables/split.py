"""Which rows train and which validate: a property of the subject, so that it never changes under re-ordering."""

from __future__ import annotations

import hashlib

import numpy as np
import polars as pl
from numpy.typing import NDArray

from argn_assets.encodings.categorical import as_text
from argn_assets.errors import ConfigError
from argn_assets.seeds import Seed

_NO_KEY = 0x5D1E9A3B7C24F680  # of rows without a value: a number that a table hardly has among its keys


def row_keys(table: pl.DataFrame, key: str | None, first_row: int = 0) -> NDArray[np.uint64]:
    """Return a stable 64-bit key per row, [N]: of the key column's value, or the row's number where there is no key.

    Equal values have equal keys in every process, on every machine and in every version; whole numbers have the same
    key as floats and as integers. Rows without a value share one key, which is that of no other likely value.
    """
    if key is None:
        return np.arange(first_row, first_row + len(table), dtype=np.uint64)
    column = table[key]
    if column.dtype == pl.Duration:
        column = column.to_physical()
    if column.dtype.is_float():
        # Whole numbers that became floats beside a missing value are the same keys still.
        whole = column.cast(pl.Int64, strict=False)
        column = whole if (whole.cast(pl.Float64) == column.cast(pl.Float64)).all() else column
    if column.dtype == pl.UInt64:
        return column.fill_null(_NO_KEY).to_numpy().astype(np.uint64)
    if column.dtype.is_integer():
        return column.cast(pl.Int64).fill_null(_NO_KEY).to_numpy().view(np.uint64)
    codes, distinct = _factorize(as_text(column))
    digests = [
        _NO_KEY.to_bytes(8, "little") if text is None else hashlib.blake2b(text.encode(), digest_size=8).digest()
        for text in distinct
    ]
    return np.frombuffer(b"".join(digests), dtype="<u8")[codes].astype(np.uint64)


def _factorize(texts: pl.Series) -> tuple[NDArray[np.int64], list[str]]:
    distinct = texts.unique(maintain_order=True)
    if len(distinct) == len(texts):
        return np.arange(len(texts)), texts.to_list()
    places = pl.DataFrame({"t": distinct, "p": np.arange(len(distinct))})
    codes = pl.DataFrame({"t": texts}).join(places, on="t", how="left", nulls_equal=True, maintain_order="left")["p"]
    return codes.to_numpy(), distinct.to_list()


def validation_mask(keys: NDArray[np.uint64], share: float, seed: Seed) -> NDArray[np.bool_]:
    """Return which rows validate, [N]; rows of one key stay together.

    Each key is drawn on its own, so the share is met on average; where it asks for at least one row of several and
    chance gave none, the key that came closest validates. One key alone trains. ConfigError for a share outside [0, 1).

    >>> mask = validation_mask(np.arange(1000, dtype=np.uint64), 0.2, Seed(1))
    >>> 150 < int(mask.sum()) < 250
    True
    """
    if not 0 <= share < 1:
        raise ConfigError(f"The validation split is {share!r}; it must be a share of the rows, from 0 to below 1.")
    uniforms = seed.child("validation").uniforms(keys)
    mask = uniforms < share
    if share > 0 and len(keys) and not mask.any() and (uniforms != uniforms[0]).any():
        mask = uniforms == uniforms.min()
    if mask.all() and len(keys):
        mask = uniforms > uniforms.min()
    return mask
