"""Generating codes: column after column, each from all that stand before it, in batches of rows."""

# B rows, S sub-columns, C columns, E embedding width, H hidden units
from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from argn_assets.artifact import ModelArtifact
from argn_assets.engine.arithmetic import flushed_denormals
from argn_assets.engine.families.argn.flat import FlatModel
from argn_assets.engine.families.argn.layout import NetworkLayout
from argn_assets.engine.sampling import draw_codes
from argn_assets.errors import ConfigError
from argn_assets.schema import SubColumn
from argn_assets.seeds import Seed


@dataclass(frozen=True, kw_only=True)
class GenerationConfig:
    """Settings of one generation: see `generate_flat` for their meaning and ranges."""

    temperature: float = 1.0
    top_p: float = 1.0
    batch_size: int = 4096

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not self.temperature >= 0:
            raise ConfigError(f"sampling_temperature is {self.temperature!r}; it must be a number from 0 up.")
        if not 0 < self.top_p <= 1:
            raise ConfigError(f"sampling_top_p is {self.top_p!r}; it must be above 0 and at most 1.")
        if self.batch_size < 1:
            raise ConfigError(f"batch_size is {self.batch_size!r}; it must be a whole number from 1 up.")


@dataclass(frozen=True)
class Given:
    """What is fixed before generating.

    Attributes:
        codes: codes of all sub-columns, context first, [S, N]; only the observed ones count.
        observed: which column of which row is given, [C, N].
        offered: which columns any row of the whole request may be given, [C]. They are generated first; a property of
            the request and not of the N rows, so that rows do not depend on their batch.
    """

    codes: NDArray[np.generic]
    observed: NDArray[np.bool_]
    offered: NDArray[np.bool_]


def load_model(artifact: ModelArtifact, device: torch.device) -> FlatModel:
    """Return the artifact's network, ready to generate, on the device."""
    model = FlatModel(NetworkLayout.from_json(artifact.network), artifact.get_weights_state_dict())
    return model.to(device).eval()


@flushed_denormals()
@torch.inference_mode()
def generate_codes(
    model: FlatModel,
    sub_columns: list[SubColumn],
    given: Given,
    seed: Seed,
    config: GenerationConfig,
    first_row: int = 0,
) -> NDArray[np.uint16]:
    """Generate the codes of all sub-columns, context included, [S, N].

    Args:
        model: the network.
        sub_columns: all sub-columns, context first, [S].
        given: what is fixed, for N rows.
        seed: every draw is a function of (seed, sub-column, row number).
        config: settings.
        first_row: number of the first of the N rows.
    """
    device = model.offsets.device
    n_rows = given.observed.shape[1]
    plan = _Plan(model, sub_columns, given.offered)
    result = np.empty((len(sub_columns), n_rows), dtype=np.uint16)
    for start in range(0, n_rows, config.batch_size):
        rows = slice(start, min(start + config.batch_size, n_rows))
        keys = np.arange(first_row + rows.start, first_row + rows.stop, dtype=np.uint64)
        codes = torch.from_numpy(given.codes[:, rows].astype(np.int64)).to(device)
        observed = torch.from_numpy(given.observed[:, rows]).to(device)
        result[:, rows] = plan.fill(codes, observed, keys, seed, config).cpu().numpy().astype(np.uint16)
    return result


class _Plan:
    """The network's first layer arranged in the order of generation, so that every step reads a prefix of it."""

    def __init__(self, model: FlatModel, sub_columns: list[SubColumn], offered: NDArray[np.bool_]):
        self.model, self.sub_columns = model, sub_columns
        layout = model.layout
        self.columns = layout.columns
        # A stable sort: offered columns first, each part in the table's order.
        self.order = sorted(range(len(layout.columns)), key=lambda s: not offered[layout.columns[s]])
        self.n_offered = sum(bool(offered[column]) for column in layout.columns)
        width = layout.width.embedding
        weight = model.first_weight.view(len(self.order), width, -1)[self.order].flatten(0, 1)  # [S*E, H]
        predicted = range(layout.n_context, len(self.order))
        self.weights = {s: weight[:, model.place_of(s)[2]].contiguous() for s in predicted}  # [S*E, W] each
        self.width = width

    def fill(
        self, codes: Tensor, observed: Tensor, keys: NDArray[np.uint64], seed: Seed, config: GenerationConfig
    ) -> Tensor:
        """Return `codes`, [S, B], with everything that is not observed, [C, B], drawn."""
        model, width = self.model, self.width
        shown = observed[list(self.columns)]  # [S, B]
        embedded = model.embed(torch.where(shown, codes, 0).t()) * shown.t().unsqueeze(2)  # [B, S, E]
        seen = embedded[:, self.order].flatten(1).contiguous()  # [B, S*E] in the order of generation
        for step, position in enumerate(self.order):
            if bool(shown[position].all()):
                continue
            # Offered columns stand first, so what a step sees is a prefix; entries that are not given are zero.
            prefix = max(step, self.n_offered) * width
            logits = model.logits_of(position, seen[:, :prefix], self.weights[position][:prefix])
            sub_column = self.sub_columns[position]
            if sub_column.unknown is not None and sub_column.cardinality > 1:
                logits[:, sub_column.unknown] = -torch.inf
            uniforms = torch.from_numpy(seed.child(sub_column.name).uniforms(keys)).to(logits.device)
            drawn = draw_codes(logits, uniforms, config.temperature, config.top_p)
            codes[position] = torch.where(shown[position], codes[position], drawn)
            at = slice(step * width, (step + 1) * width)
            seen[:, at] = model.embedding[codes[position] + model.offsets[position]]
        return codes
