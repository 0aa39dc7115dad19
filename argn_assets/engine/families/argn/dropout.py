"""Dropout whose random numbers are drawn once and used many times.

Drawing a number for every hidden unit of every row took a quarter of a training step. Here one long mask is drawn now
and then, and each use reads it from a random place on, so that rows and units meet other values each time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

Hiding = Callable[[Tensor], Tensor]  # a dropout, or that of a part

_SLACK = 1 << 18  # places to start from: far more than steps between two drawings
_USES = 128  # of one mask before a new one is drawn


@dataclass(frozen=True)
class DropoutState:
    """Where a dropout stands.

    Attributes:
        drawn_from: state of the generator that its mask was drawn from.
        size: of the mask; 0 before the first.
        uses: of the mask that are left.
    """

    drawn_from: Tensor
    size: int
    uses: int


class Dropout:
    """Hides a share of values and scales the others up, so that their mean stays.

    Args:
        share: of the values to hide, in [0, 1).
        rng: where the random numbers come from, on the CPU.
        state: of another one of the same share, to go on from.
    """

    def __init__(self, share: float, rng: torch.Generator, state: DropoutState | None = None):
        self.share, self._rng = share, rng
        self.state = state or DropoutState(torch.empty(0, dtype=torch.uint8), 0, 0)
        self._mask: Tensor | None = None

    def __call__(self, values: Tensor) -> Tensor:
        """Return `values` with some of them zero; the shape stays."""
        return values if self.share == 0 else values * self._next(values.shape, values)

    def parts(self, shape: tuple[int, ...], n_parts: int, like: Tensor) -> list[Hiding]:
        """Return what hides the parts of values of a shape that are cut along the first axis, of the type of `like`."""
        if self.share == 0:
            return [self] * n_parts
        return [partial(torch.mul, mask) for mask in self._next(shape, like).chunk(n_parts)]

    def _next(self, shape: Sequence[int], like: Tensor) -> Tensor:
        """Return the next mask of a shape."""
        size, state = math.prod(shape), self.state
        if state.uses == 0 or state.size < size + _SLACK:
            state = DropoutState(self._rng.get_state(), size + _SLACK, _USES)
            self._mask = self._drawn(state.size, self._rng, like)
        elif self._mask is None:
            before = torch.Generator()
            before.set_state(state.drawn_from)
            self._mask = self._drawn(state.size, before, like)
        assert self._mask is not None
        self.state = DropoutState(state.drawn_from, state.size, state.uses - 1)
        start = int(torch.randint(_SLACK, (), generator=self._rng))
        return self._mask[start : start + size].view(*shape)

    def _drawn(self, size: int, rng: torch.Generator, like: Tensor) -> Tensor:
        """Draw a mask of the type of `like`."""
        return ((torch.rand(size, generator=rng) >= self.share) / (1 - self.share)).to(like)


class Dropouts(NamedTuple):
    """What is applied to the embeddings and to the first hidden layer while training."""

    embedded: Dropout
    hidden: Dropout


NO_DROPOUT = Dropouts(Dropout(0.0, torch.Generator()), Dropout(0.0, torch.Generator()))
