"""Batches of codes: one index-select each, from one block of small integers that lives on the device."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from argn_assets.tables.encode import CodeBlock, EncodedTable


@dataclass(frozen=True)
class FlatBatch:
    """Some rows of a flat table.

    Attributes:
        codes: [B, S] int64.
        rows: their numbers, [B], on the CPU.
    """

    codes: Tensor
    rows: Tensor


def code_rows(encoded: EncodedTable, rows: np.ndarray, device: torch.device) -> Tensor:
    """Return the codes of chosen rows, [B, S], of the block's own small type, on the device."""
    return signed_rows(encoded.codes[:, rows], device)


def signed_rows(codes: CodeBlock, device: torch.device) -> Tensor:
    """Return a block of codes, [S, B], row by row, [B, S], on the device."""
    # torch indexes and embeds signed types only; int16 holds every uint8 code.
    signed = codes.T.astype(np.int16 if codes.dtype == np.uint8 else np.int32)
    return torch.from_numpy(np.ascontiguousarray(signed)).to(device)


def shuffled_batches(codes: Tensor, batch_size: int, rng: torch.Generator) -> Iterator[FlatBatch]:
    """Yield the rows of codes, [N, S], in batches in a new random order, leaving out what does not fill a batch."""
    order = torch.randperm(len(codes), generator=rng)
    on_device = order.to(codes.device)
    for start in range(0, len(codes) - batch_size + 1, batch_size):
        batch = slice(start, start + batch_size)
        yield FlatBatch(codes.index_select(0, on_device[batch]).long(), order[batch])
