"""What the peer made of its models: the folders that `make_workspaces.py` writes, and our answers beside it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from argn_assets.artifact import ModelArtifact
from argn_assets.engine import log_probs
from argn_assets.engine.families import FlatSteps, family_named
from argn_assets.engine.families.peer.layout import PeerLayout
from argn_assets.tables.encode import EncodedTable, encode_table

if TYPE_CHECKING:
    from torch import Tensor

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Golden:
    """One case: its folder, and what lies in it."""

    folder: Path

    @cached_property
    def artifact(self) -> ModelArtifact:
        return ModelArtifact.from_workspace(self.folder / "model.tar.gz")

    @cached_property
    def layout(self) -> PeerLayout:
        return PeerLayout.from_json(self.artifact.network)

    @cached_property
    def expected(self) -> dict[str, NDArray[Any]]:
        return dict(np.load(self.folder / "expected.npz"))

    @cached_property
    def target(self) -> pd.DataFrame:
        return pd.read_parquet(self.folder / "target.parquet")

    @cached_property
    def decoded(self) -> pd.DataFrame:
        return pd.read_parquet(self.folder / "decoded.parquet")

    @cached_property
    def sample(self) -> pd.DataFrame:
        return pd.read_parquet(self.folder / "sample.parquet")

    @property
    def context(self) -> pd.DataFrame | None:
        path = self.folder / "context.parquet"
        return pd.read_parquet(path) if path.exists() else None

    @cached_property
    def encoded(self) -> EncodedTable:
        """The rows under the peer's codes, which are random under nulls."""
        ours = encode_table(self.target, self.artifact.tgt_stats)
        codes = self.expected["codes"].astype(np.uint16)
        return EncodedTable(ours.columns, codes, ours.validation, ours.keys, ours.offsets)

    def order(self, first: int) -> list[int]:
        """Return positions of the target's sub-columns, from `first` up, in the order that the peer was asked for."""
        places, position = {}, first
        for column in self.layout.target:
            places[column.name] = list(range(position, position + len(column.sub_columns)))
            position += len(column.sub_columns)
        return [place for name in self.expected["order"] for place in places.get(str(name), [])]

    def context_codes(self) -> Tensor:
        """Return the peer's codes of the context as ours are laid out, [U, B]: lists with 0 behind their ends."""
        import torch

        n_rows = len(self.expected["sizes"]) if self.artifact.is_sequential else self.expected["codes"].shape[1]
        flat, found = iter(self.expected.get("context_codes", ())), []
        for column in self.layout.context:
            if not column.n_steps:
                found += [next(flat) for _ in column.full_names]
                continue
            own = np.zeros((column.n_steps, len(column.full_names), n_rows), dtype=np.int64)
            for place, name in enumerate(column.full_names):
                sizes = self.expected[f"sizes {name}"]
                rows = np.repeat(np.arange(n_rows), sizes)
                steps = np.arange(len(rows)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
                own[steps, place, rows] = self.expected[f"context {name}"] + 1
            found += list(own.reshape(-1, n_rows))
        return torch.from_numpy(np.array(found, dtype=np.int64).reshape(len(found), n_rows))


def flat_log_probs(golden: Golden) -> NDArray[np.float64]:
    """Return the log-probability of every code of the rows, [S, N], each given those before it in the peer's order."""
    artifact = golden.artifact
    names = dict(zip((column.name for column in golden.layout.target), artifact.tgt_stats.columns, strict=True))
    context = golden.context_codes().numpy() if golden.context is not None else None
    order = [names[str(name)] for name in golden.expected["order"]]
    return log_probs(artifact, golden.expected["codes"], ctx_codes=context, column_order=order)


def log_probs_after_given(golden: Golden, n_given: int) -> NDArray[np.float64]:
    """Return the same, where the first `n_given` codes of the order are shown before the first step; theirs are 0."""
    import torch

    model = family_named("peer").load_flat(golden.artifact, torch.device("cpu"), torch.float64)
    codes = torch.cat([golden.context_codes(), torch.from_numpy(golden.expected["codes"].astype(np.int64))])
    order = [*range(model.n_context), *golden.order(model.n_context)]
    steps = model.steps(order, model.n_context + n_given)
    shown = torch.zeros_like(codes, dtype=torch.bool)
    shown[order[: model.n_context + n_given]] = True
    return _read(steps, codes, steps.begin(codes, shown), model.n_context + n_given)[model.n_context :].numpy()


def _read(steps: FlatSteps, codes: Tensor, seen: Any, first: int) -> Tensor:
    """Return the log-probabilities of codes, [S, B], step by step from `first` on."""
    import torch

    result = torch.zeros(codes.shape, dtype=torch.float64)
    for step in range(first, len(steps.order)):
        position = steps.order[step]
        own = codes[position]
        result[position] = steps.logits(step, seen).log_softmax(1).gather(1, own[:, None])[:, 0]
        steps.show(step, seen, own)
    return result


@dataclass(frozen=True)
class SequenceAnswers:
    """Ours and the peer's, side by side: of the codes of rows, of whole lengths, and of how many rows are left."""

    rows: list[tuple[NDArray[np.float64], NDArray[np.float64]]]
    lengths: list[tuple[float, float]]
    left: list[tuple[float, float]]


def sequential_log_probs(golden: Golden) -> SequenceAnswers:
    """Walk through the sequences row by row."""
    import torch

    artifact, expected = golden.artifact, golden.expected
    model = family_named("peer").load_sequential(artifact, torch.device("cpu"), torch.float64)
    sizes, codes = expected["sizes"] - 1, torch.from_numpy(expected["step_codes"].astype(np.int64))
    starts = np.cumsum(expected["sizes"]) - expected["sizes"]
    n_digits = len(golden.layout.positions.sub_columns) // 3
    steps = model.steps(golden.order(0), 0)
    state, alive = model.begin(golden.context_codes()), np.arange(len(sizes))
    answers = SequenceAnswers([], [], [])
    for index in range(sizes.max() + 1):
        of_lengths = model.length_logits(state).log_softmax(1).numpy()
        kind = n_digits if index == 0 else 2 * n_digits
        for row, sequence in enumerate(alive):
            # Both ends gather all that the model says beyond them.
            if max(artifact.tgt_seq_len_min, index - 1) < sizes[sequence] < artifact.tgt_seq_len_max:
                own = of_lengths[row, sizes[sequence] - artifact.tgt_seq_len_min]
                theirs = expected["log_probs"][kind : kind + n_digits, starts[sequence] + index].sum()
                (answers.lengths if index == 0 else answers.left).append((own, theirs))
        going_on = np.flatnonzero(sizes[alive] > index)
        alive, state = alive[going_on], model.keep(state, torch.from_numpy(going_on))
        if len(alive):
            at = starts[alive] + index
            own_codes = codes[3 * n_digits :, at]
            base = model.base(state, torch.from_numpy(sizes[alive] - index))
            seen = steps.begin(own_codes, torch.zeros_like(own_codes, dtype=torch.bool), base)
            answers.rows.append((_read(steps, own_codes, seen, 0).numpy(), expected["log_probs"][3 * n_digits :, at]))
            state = model.advance(state, own_codes)
    return answers
