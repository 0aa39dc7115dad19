"""Dropout whose random numbers are drawn once and used many times.

Drawing a number for every hidden unit of every row took a quarter of a training step. Here one long mask is drawn now
and then, and each use reads it from a random place on, so that rows and units meet other values each time.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

_SLACK = 1 << 18  # places to start from: far more than steps between two drawings
_USES = 128  # of one mask before a new one is drawn


class Dropout:
    """Hides a share of values and scales the others up, so that their mean stays.

    Args:
        share: of the values to hide, in [0, 1).
        rng: where the random numbers come from, on the CPU.
    """

    def __init__(self, share: float, rng: torch.Generator):
        self._share, self._rng = share, rng
        self._mask = torch.empty(0)
        self._uses = 0

    def __call__(self, values: Tensor) -> Tensor:
        """Return `values` with some of them zero; the shape stays."""
        if self._share == 0:
            return values
        size = math.prod(values.shape)
        if self._uses == 0 or len(self._mask) < size + _SLACK or self._mask.device != values.device:
            drawn = torch.rand(size + _SLACK, generator=self._rng)
            self._mask = ((drawn >= self._share) / (1 - self._share)).to(values)
            self._uses = _USES
        self._uses -= 1
        start = int(torch.randint(_SLACK, (), generator=self._rng))
        return values * self._mask[start : start + size].view(values.shape)
