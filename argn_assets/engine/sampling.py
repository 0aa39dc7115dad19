"""Drawing codes from probabilities."""

# B rows, K cardinality
from __future__ import annotations

import math

import torch
from torch import Tensor

from argn_assets.errors import NonFiniteLogits

LEAST_TEMPERATURE = 1e-3


def draw_codes(logits: Tensor, uniforms: Tensor, temperature: float = 1.0, top_p: float = 1.0) -> Tensor:
    """Draw one code per row; arguments, result and errors are those of `sampled_probabilities` and `draw`."""
    return draw(sampled_probabilities(logits, temperature, top_p), uniforms)


def sampled_probabilities(logits: Tensor, temperature: float = 1.0, top_p: float = 1.0) -> Tensor:
    """Return what codes are drawn with, [B, K] -> [B, K]; not scaled to a sum of 1 where `top_p` left codes out.

    Args:
        logits: unnormalised log-probabilities, [B, K] float32; -inf for codes that must not be drawn.
        temperature: from 0 up; 1.0 leaves the distribution as it is, 0 takes the likeliest code.
        top_p: in (0, 1]; the likeliest codes that together reach this probability are drawn from.
    """
    if temperature != 1.0:
        logits = logits / max(temperature, LEAST_TEMPERATURE)
    probabilities = torch.softmax(logits, dim=1)
    return _nucleus(probabilities, top_p) if top_p < 1.0 else probabilities


def draw(probabilities: Tensor, uniforms: Tensor) -> Tensor:
    """Draw one code per row by inverting the cumulative distribution.

    Args:
        probabilities: from 0 up, of any positive sum, [B, K]; or [1, K], the same for all rows.
        uniforms: one number in [0, 1) per row, [B].
    Returns:
        codes in [0, K), [B] int64.
    Raises:
        NonFiniteLogits: a row holds NaN, or had no finite logit; the message names the first such row.
    """
    cumulative = probabilities.cumsum(1)
    total = cumulative[:, -1:]
    if not math.isfinite(float(total.sum())):
        row = int((~torch.isfinite(total[:, 0])).nonzero()[0])
        raise NonFiniteLogits(f"Row {row} of {len(total)} has no finite logit: the model's weights are not usable.")
    # Rounding can leave the last sum below 1, and a uniform number can round to 1: scaled and kept below the last sum,
    # it never lands on a code of probability 0 at the end.
    scaled = uniforms[:, None].to(cumulative).clamp(max=1 - 2.0**-22) * total
    if len(cumulative) == 1:
        cumulative, scaled = cumulative[0], scaled[:, 0]
        return torch.searchsorted(cumulative, scaled, right=True).clamp_(max=len(cumulative) - 1)
    position = torch.searchsorted(cumulative, scaled, right=True)
    return position.squeeze(1).clamp_(max=probabilities.shape[1] - 1)


def _nucleus(probabilities: Tensor, top_p: float) -> Tensor:
    ordered, codes = probabilities.sort(dim=1, descending=True)
    before = ordered.cumsum(1) - ordered
    kept = torch.where(before < top_p, ordered, 0.0)
    return torch.zeros_like(probabilities).scatter_(1, codes, kept)
