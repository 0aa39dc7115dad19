"""Probabilities of sequences: of how long each is, and of every code given all that came before it."""

# B sequences that are left, G sequences, N rows, S sub-columns, U sub-columns of the context
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from argn_assets.engine.arithmetic import flushed_denormals
from argn_assets.engine.families import FlatSteps, SequenceGenerator
from argn_assets.engine.siblings import sibling_rows
from argn_assets.tables.encode import EncodedSibling


@dataclass(frozen=True)
class SequenceLogProbs:
    """Natural logarithms of probabilities.

    Attributes:
        codes: of each code given the context, the rows before and the columns before it, [S, N] float64.
        lengths: of each sequence's cell of lengths given its context, [G] float64.
    """

    codes: NDArray[np.float64]
    lengths: NDArray[np.float64]


@flushed_denormals()
@torch.inference_mode()
def sequence_log_probs(
    model: SequenceGenerator,
    codes: NDArray[np.generic],
    offsets: NDArray[np.int64],
    cells: NDArray[np.int64],
    context: NDArray[np.generic],
    order: Sequence[int] | None = None,
    siblings: Sequence[EncodedSibling] = (),
) -> SequenceLogProbs:
    """Return the log-probabilities of sequences of codes.

    Args:
        model: the network.
        codes: the rows of a sequence together, in order, [S, N].
        offsets: where each sequence starts and the last one ends, [G + 1].
        cells: cell of each sequence's length, [G].
        context: codes of each sequence's context, [U, G].
        order: sub-columns in the order in which they are predicted, [S]; None is the table's.
        siblings: of each sequence's context, G rows each.
    """
    device, sizes = model.device, np.diff(offsets)
    all_codes = torch.from_numpy(codes.astype(np.int64)).to(device)
    steps = model.steps(order if order is not None else range(len(codes)), 0)
    state = model.begin(torch.from_numpy(context.astype(np.int64)).to(device), sibling_rows(siblings, device))
    of_length = model.length_logits(state).double().log_softmax(1)
    lengths = of_length.gather(1, torch.from_numpy(cells).to(device)[:, None]).squeeze(1)
    result = np.zeros(codes.shape, dtype=np.float64)
    sequence = np.arange(len(sizes))
    for step in range(int(sizes.max(initial=0))):
        alive = np.flatnonzero(sizes[sequence] > step)
        if len(alive) < len(sequence):
            sequence, state = sequence[alive], model.keep(state, torch.from_numpy(alive).to(device))
        rows = offsets[sequence] + step
        here = all_codes[:, torch.from_numpy(rows).to(device)]  # [S, B]
        left = torch.from_numpy(sizes[sequence] - step).to(device)
        result[:, rows] = _row_log_probs(steps, here, model.base(state, left)).cpu().numpy()
        state = model.advance(state, here)
    return SequenceLogProbs(result, lengths.cpu().numpy())


def _row_log_probs(steps: FlatSteps, codes: Tensor, base: Any) -> Tensor:
    """Return the log-probabilities of the codes of one row of each sequence, [S, B] -> [S, B]."""
    seen = steps.begin(codes, torch.zeros_like(codes, dtype=torch.bool), base)
    result = torch.empty(codes.shape, dtype=torch.float64, device=codes.device)
    for step, position in enumerate(steps.order):
        of_codes = steps.logits(step, seen).double().log_softmax(1)
        result[position] = of_codes.gather(1, codes[position][:, None]).squeeze(1)
        steps.show(step, seen, codes[position])
    return result
