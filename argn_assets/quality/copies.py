"""Synthetic rows that equal a training row in every column."""

from __future__ import annotations

import polars as pl


def share_of_copies(rows: pl.DataFrame, training: pl.DataFrame) -> float:
    """Return the share of `rows` that occur in `training`, in [0, 1]; a missing value equals a missing value.

    >>> share_of_copies(pl.DataFrame({"a": [1, 2, None, 4]}), pl.DataFrame({"a": [1, None, 9]}))
    0.5
    """
    distinct = training.unique()
    return rows.join(distinct, on=rows.columns, how="semi", nulls_equal=True).height / rows.height
