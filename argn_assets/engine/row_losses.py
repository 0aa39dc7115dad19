"""The loss of rows of codes under several orders of the columns; on a CPU the orders are computed beside each other."""

# B rows, S sub-columns, G orders, H hidden units
from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from argn_assets.engine.families.argn.dropout import NO_DROPOUT, Dropouts, Hiding
from argn_assets.engine.families.argn.flat import FlatModel
from argn_assets.engine.parallel import ONE_THREAD, Threads


@dataclass(frozen=True)
class _Part:
    """Rows of some of the orders: arguments of `FlatModel.losses`, and how many of the first rows count."""

    codes: Tensor
    visible: Tensor
    dropout: tuple[Hiding, Hiding]
    base: Tensor | None
    n_rows: int

    def loss(self, model: FlatModel) -> Tensor:
        """Return the summed loss."""
        blocks = model.losses(self.codes, self.visible, self.dropout, self.base)
        if self.n_rows < len(self.codes):
            blocks = [block[:, : self.n_rows] for block in blocks]
        return torch.stack([block.sum() for block in blocks]).sum()


def row_losses(
    model: FlatModel,
    codes: Tensor,
    visible: Tensor,
    dropout: Dropouts = NO_DROPOUT,
    base: Tensor | None = None,
    threads: Threads = ONE_THREAD,
) -> Tensor:
    """Return the summed negative log-probability of rows of codes, [B, S], in nats; see `FlatModel.losses`.

    Each of `threads` computes some of the orders, forwards and backwards.
    """
    n_rows, n_orders = len(codes), len(visible)
    codes, base = _split_evenly(codes, base, n_orders)
    n_parts = max(n for n in range(1, min(n_orders, threads.n_threads) + 1) if n_orders % n == 0)
    if n_parts == 1:
        return _Part(codes, visible, dropout, base, n_rows).loss(model)
    per_order = (n_orders, len(codes) // n_orders)
    embedded = dropout.embedded.parts((*per_order, len(model.first_weight)), n_parts, model.first_bias)
    hidden = dropout.hidden.parts((*per_order, len(model.first_bias)), n_parts, model.first_bias)
    bases = [None] * n_parts if base is None else base.chunk(n_parts)
    size = len(codes) // n_parts
    parts = [
        _Part(part, seen, hides, own, min(size, n_rows - number * size))
        for number, (part, seen, hides, own) in enumerate(
            zip(codes.chunk(n_parts), visible.chunk(n_parts), zip(embedded, hidden, strict=True), bases, strict=True)
        )
    ]
    if not torch.is_grad_enabled():
        return torch.stack(threads.map(lambda part: _without_gradient(model, part), parts)).sum()
    total: Tensor = _Beside.apply(model, parts, threads, base, *model.parameters())  # type: ignore[no-untyped-call]
    return total


def _split_evenly(codes: Tensor, base: Tensor | None, n_orders: int) -> tuple[Tensor, Tensor | None]:
    """Repeat the last row until the rows can be split evenly over the orders."""
    missing = -len(codes) % n_orders
    if missing:
        codes = torch.cat([codes, codes[-1:].expand(missing, -1)])
        base = torch.cat([base, base[-1:].expand(missing, -1)]) if base is not None else None
    return codes, base


@torch.no_grad()
def _without_gradient(model: FlatModel, part: _Part) -> Tensor:
    return part.loss(model)


def _with_gradient(model: FlatModel, part: _Part) -> tuple[Tensor, list[Tensor | None], Tensor | None]:
    """Return the loss of a part, and its gradient by the parameters and by its base."""
    base = None if part.base is None else part.base.detach().requires_grad_()
    with torch.enable_grad():
        loss = replace(part, base=base).loss(model)
        wanted = [*model.parameters(), *([] if base is None else [base])]
        gradients: list[Tensor | None] = list(torch.autograd.grad(loss, wanted, allow_unused=True))
    return loss.detach(), gradients, None if base is None else gradients.pop()


class _Beside(torch.autograd.Function):
    """The sum of the parts' losses: what comes backwards is a number, so gradients are computed on the way forward."""

    @staticmethod
    def forward(
        context: Any, model: FlatModel, parts: list[_Part], threads: Threads, base: Tensor | None, *parameters: Tensor
    ) -> Tensor:
        done = threads.map(lambda part: _with_gradient(model, part), parts)
        first, *others = (gradients for _, gradients, _ in done)
        for gradients in others:  # always in the same order, so that the same seed gives the same sum
            torch._foreach_add_(*_both(first, gradients))
        context.gradients = first
        context.of_base = None if base is None else torch.cat([own for _, _, own in done if own is not None])
        return torch.stack([loss for loss, _, _ in done]).sum()

    @staticmethod
    def backward(context: Any, scale: Tensor) -> tuple[Tensor | None, ...]:
        own = None if context.of_base is None else context.of_base * scale
        return (None, None, None, own, *(None if g is None else g * scale for g in context.gradients))


def _both(ours: list[Tensor | None], theirs: list[Tensor | None]) -> tuple[list[Tensor], list[Tensor]]:
    """Return the gradients of parameters that were used."""
    pairs = [(own, other) for own, other in zip(ours, theirs, strict=True) if own is not None and other is not None]
    return [own for own, _ in pairs], [other for _, other in pairs]
