"""A recurrence over packed rows: each step keeps a share of what was known and adds something of its own.

The share depends on the row alone (a minimal gated recurrent unit, Feng et al. 2024), so every product is made for all
rows of a batch at once, and only the addition goes step by step.
"""

# R rows of a batch in packed order, T steps, D numbers that remember
from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor


class _Scan(torch.autograd.Function):
    """memory[t] = kept[t] * memory[t - 1] + added[t], for rows in packed order, with `sizes` rows per step."""

    @staticmethod
    def forward(saved: Any, kept: Tensor, added: Tensor, sizes: list[int]) -> Tensor:
        memory, at = added.clone(), 0
        for size, following in pairwise(sizes):
            later = slice(at + size, at + size + following)
            memory[later].addcmul_(kept[later], memory[at : at + following])
            at += size
        saved.save_for_backward(kept, memory)
        saved.sizes = sizes
        return memory

    @staticmethod
    def backward(saved: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        kept, memory = saved.saved_tensors
        to_added, to_kept = gradients[0].clone(), torch.zeros_like(kept)
        at = len(kept) - saved.sizes[-1]
        for following, size in pairwise(reversed(saved.sizes)):
            later, earlier = slice(at, at + following), slice(at - size, at - size + following)
            to_added[earlier].addcmul_(kept[later], to_added[later])
            torch.mul(to_added[later], memory[earlier], out=to_kept[later])
            at -= size
        return to_kept, to_added, None


def scan(kept: Tensor, added: Tensor, sizes: list[int]) -> Tensor:
    """Return what each row remembers of itself and the rows before it, [R, D].

    Args:
        kept: share of the memory that a row keeps, in [0, 1], [R, D].
        added: what a row adds, [R, D].
        sizes: rows of each step, falling, [T].
    """
    memory: Tensor = _Scan.apply(kept, added, sizes)  # type: ignore[no-untyped-call]
    return memory
