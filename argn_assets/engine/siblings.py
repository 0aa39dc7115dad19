"""Siblings on the device that computes: the rows that are given of each context row, in batches without padding."""

# N context rows, R rows of a sibling, S sub-columns, T steps
from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from argn_assets.engine.batches import signed_rows
from argn_assets.engine.packing import Windows, pack
from argn_assets.tables.encode import EncodedSibling

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class PackedSibling:
    """The rows of a batch of context rows in packed order: all first rows, then all second rows; see `packing`.

    Attributes:
        codes: of the rows, [R, S] int64.
        owner: place in the batch of the context row that each belongs to, [R].
        index: rows before it, [R].
        left: rows from it on, [R].
        last: place in packed order of each last row, one per context row that has rows.
        steps: rows of each step, falling, [T]; 0 where there is no row at all.
        sizes: rows of each context row, [N].
    """

    codes: Tensor
    owner: Tensor
    index: Tensor
    left: Tensor
    last: Tensor
    steps: list[int]
    sizes: Tensor


@dataclass(frozen=True)
class SiblingRows:
    """The rows of one sibling, and where those of each context row stand.

    Attributes:
        codes: all rows, [R, S], on the device, of a small signed type.
        starts: where the rows of each context row begin, [N].
        sizes: how many they are, [N].
    """

    codes: Tensor
    starts: Integers
    sizes: Integers

    def of_rows(self, rows: Integers | slice) -> SiblingRows:
        """Return those of some context rows; the codes are the same."""
        return dataclasses.replace(self, starts=self.starts[rows], sizes=self.sizes[rows])

    def packed(self) -> PackedSibling:
        """Return the rows of all context rows in packed order."""
        device = self.codes.device
        filled = np.flatnonzero(self.sizes)
        sizes = torch.from_numpy(self.sizes).to(device)
        if not len(filled):
            nothing = sizes.new_zeros(0)
            return PackedSibling(self.codes[:0].long(), nothing, nothing, nothing, nothing, [0], sizes)
        whole = Windows(filled, np.zeros(len(filled), dtype=np.int64), self.sizes[filled])
        batch = pack(whole, self.starts, self.sizes)
        last = np.flatnonzero(batch.left == 1)
        row, owner, index, left, ends = (
            torch.from_numpy(np.ascontiguousarray(numbers)).to(device)
            for numbers in (batch.row, batch.windows.sequence[batch.window], batch.index, batch.left, last)
        )
        return PackedSibling(self.codes.index_select(0, row).long(), owner, index, left, ends, batch.sizes, sizes)


def sibling_rows(siblings: Sequence[EncodedSibling], device: torch.device) -> list[SiblingRows]:
    """Bring siblings to the device: the rows between the first and the last that any context row has."""
    return [_on_device(sibling, device) for sibling in siblings]


def _on_device(sibling: EncodedSibling, device: torch.device) -> SiblingRows:
    filled = sibling.sizes > 0
    first = int(sibling.starts[filled].min(initial=sibling.codes.shape[1]))
    stop = int((sibling.starts + sibling.sizes)[filled].max(initial=first))
    return SiblingRows(signed_rows(sibling.codes[:, first:stop], device), sibling.starts - first, sibling.sizes)


def of_rows(siblings: Sequence[SiblingRows], rows: Integers | slice) -> list[SiblingRows]:
    """Return the siblings of some context rows."""
    return [sibling.of_rows(rows) for sibling in siblings]
