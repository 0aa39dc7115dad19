"""Whole tables: statistics, splits and encoded tables."""

from argn_assets.tables.encode import EncodedTable, decode_table, encode_batch_for_ray, encode_table
from argn_assets.tables.infer import infer_encodings
from argn_assets.tables.split import validation_mask
from argn_assets.tables.stats import (
    PartialStats,
    TableStats,
    combine_partial_stats,
    compute_partial_stats,
    compute_stats,
    with_empty_sequences,
)

__all__ = [
    "EncodedTable",
    "PartialStats",
    "TableStats",
    "combine_partial_stats",
    "compute_partial_stats",
    "compute_stats",
    "decode_table",
    "encode_batch_for_ray",
    "encode_table",
    "infer_encodings",
    "validation_mask",
    "with_empty_sequences",
]
