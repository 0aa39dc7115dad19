"""The ARGN family's place behind the interface of all families."""

from __future__ import annotations

import torch

from argn_assets.artifact import ModelArtifact
from argn_assets.engine.families import GeneratorFamily
from argn_assets.engine.families.argn.flat import FlatModel
from argn_assets.engine.families.argn.flat_with_siblings import FlatWithSiblings
from argn_assets.engine.families.argn.layout import FlatWithSiblingsLayout, NetworkLayout, SequentialLayout
from argn_assets.engine.families.argn.sequence_steps import ArgnSequence
from argn_assets.engine.families.argn.sequential import SequentialModel
from argn_assets.engine.families.argn.steps import ArgnFlat


class Argn(GeneratorFamily):
    """All columns in one masked autoregressive network."""

    NAME = "argn"

    @classmethod
    def load_flat(cls, artifact: ModelArtifact, device: torch.device, dtype: torch.dtype = torch.float32) -> ArgnFlat:
        """Return the artifact's network, ready to use, on the device."""
        weights = artifact.get_weights_state_dict()
        if "siblings" in artifact.network:
            model = FlatWithSiblings(FlatWithSiblingsLayout.from_json(artifact.network), weights)
            model = model.to(device, dtype).eval()
            return ArgnFlat(model.row, model.base)
        return ArgnFlat(FlatModel(NetworkLayout.from_json(artifact.network), weights).to(device, dtype).eval())

    @classmethod
    def load_sequential(
        cls, artifact: ModelArtifact, device: torch.device, dtype: torch.dtype = torch.float32
    ) -> ArgnSequence:
        """Return the artifact's network of sequences, ready to use, on the device."""
        model = SequentialModel(SequentialLayout.from_json(artifact.network), artifact.get_weights_state_dict())
        return ArgnSequence(model.to(device, dtype).eval())
