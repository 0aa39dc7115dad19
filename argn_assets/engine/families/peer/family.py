"""The imported models' place behind the interface of all families."""

from __future__ import annotations

import torch

from argn_assets.artifact import ModelArtifact
from argn_assets.engine.families import GeneratorFamily
from argn_assets.engine.families.peer.flat import PeerFlat
from argn_assets.engine.families.peer.layout import PeerLayout
from argn_assets.engine.families.peer.sequential import PeerSequence


class Peer(GeneratorFamily):
    """Models that mostlyai-engine trained. They are used as they are, and not trained on."""

    NAME = "peer"

    @classmethod
    def load_flat(cls, artifact: ModelArtifact, device: torch.device, dtype: torch.dtype = torch.float32) -> PeerFlat:
        """Return the artifact's network, ready to use, on the device."""
        return PeerFlat(PeerLayout.from_json(artifact.network), artifact.get_weights_state_dict(), device, dtype)

    @classmethod
    def load_sequential(
        cls, artifact: ModelArtifact, device: torch.device, dtype: torch.dtype = torch.float32
    ) -> PeerSequence:
        """Return the artifact's network of sequences, ready to use, on the device."""
        layout, weights = PeerLayout.from_json(artifact.network), artifact.get_weights_state_dict()
        return PeerSequence(layout, weights, artifact.tgt_seq_len_min, device, dtype)
