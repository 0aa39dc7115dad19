"""One pass over the rows of a training, which may be cut short between two batches and gone on with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from argn_assets.engine.families.argn.dropout import Dropout, DropoutState

if TYPE_CHECKING:
    from argn_assets.engine.objectives import Objective


class EpochCounts(NamedTuple):
    """Numbers of an epoch in progress: what it did; of each dropout its share, the size and the uses of its mask."""

    n_batches: int
    n_rows: int
    shares: tuple[float, ...]
    mask_sizes: tuple[int, ...]
    mask_uses: tuple[int, ...]


@dataclass
class Epoch:
    """An epoch in progress. Its masks are its own, so that what goes on between two epochs needs none.

    Attributes:
        began: state of the generator before the first batch was drawn.
        dropouts: of the embeddings and of the first hidden layer.
        total: summed loss of its rows so far.
        n_batches: batches trained on.
        n_rows: rows of them.
    """

    began: Tensor
    dropouts: tuple[Dropout, ...]
    total: Tensor
    n_batches: int = 0
    n_rows: int = 0

    @classmethod
    def begin(cls, shares: Sequence[float], rng: torch.Generator, device: torch.device) -> Epoch:
        """Return an epoch of which nothing is done; `shares` are those of its dropouts."""
        dropouts = tuple(Dropout(share, rng) for share in shares)
        return cls(rng.get_state(), dropouts, torch.zeros((), device=device))

    def batches_left(self, objective: Objective, batch_size: int, rng: torch.Generator) -> Iterator[Any]:
        """Yield the batches that are not done yet; the generator is left as it is where some are."""
        if self.n_batches == 0:
            return objective.batches(batch_size, rng)
        now = rng.get_state()
        rng.set_state(self.began)
        # All that batches draw from the generator is drawn before the first.
        batches = objective.batches(batch_size, rng)
        for _ in islice(batches, self.n_batches):
            pass
        rng.set_state(now)
        return batches

    def count(self, loss: Tensor, n_rows: int) -> None:
        """Count a batch that was trained on, of its mean loss."""
        self.total += loss * n_rows
        self.n_rows += n_rows
        self.n_batches += 1

    @property
    def loss(self) -> float:
        """The mean loss per row so far."""
        return float(self.total) / max(1, self.n_rows)

    def counts(self) -> EpochCounts:
        """Return its numbers; with `tensors` all that `read` needs."""
        shares = tuple(dropout.share for dropout in self.dropouts)
        sizes = tuple(dropout.state.size for dropout in self.dropouts)
        uses = tuple(dropout.state.uses for dropout in self.dropouts)
        return EpochCounts(self.n_batches, self.n_rows, shares, sizes, uses)

    def tensors(self) -> dict[str, Tensor]:
        """Return its tensors by name."""
        masks = {f"epoch.mask.{i}": dropout.state.drawn_from for i, dropout in enumerate(self.dropouts)}
        return {"epoch.began": self.began, "epoch.total": self.total, **masks}

    @classmethod
    def read(cls, counts: EpochCounts, tensors: dict[str, Tensor], rng: torch.Generator, device: torch.device) -> Epoch:
        """Return the epoch of which `counts` and `tensors` were written down."""
        masks = zip(counts.mask_sizes, counts.mask_uses, strict=True)
        states = [DropoutState(tensors[f"epoch.mask.{i}"], *mask) for i, mask in enumerate(masks)]
        dropouts = tuple(Dropout(share, rng, state) for share, state in zip(counts.shares, states, strict=True))
        total = tensors["epoch.total"].to(device)
        return cls(tensors["epoch.began"], dropouts, total, counts.n_batches, counts.n_rows)
