"""Batches of codes: one index-select each, from one block of small integers that lives on the device."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from argn_assets.tables.encode import EncodedTable


def code_rows(encoded: EncodedTable, rows: np.ndarray, device: torch.device) -> Tensor:
    """Return the codes of chosen rows, [B, S], of the block's own small type, on the device."""
    block = encoded.codes[:, rows].T
    # torch indexes and embeds signed types only; int16 holds every uint8 code.
    signed = block.astype(np.int16 if block.dtype == np.uint8 else np.int32)
    return torch.from_numpy(np.ascontiguousarray(signed)).to(device)


def shuffled_batches(codes: Tensor, batch_size: int, rng: torch.Generator) -> Iterator[Tensor]:
    """Yield batches of [batch_size, S] int64 codes in a new random order, leaving out what does not fill a batch."""
    order = torch.randperm(len(codes), generator=rng).to(codes.device)
    for start in range(0, len(codes) - batch_size + 1, batch_size):
        yield codes.index_select(0, order[start : start + batch_size]).long()
