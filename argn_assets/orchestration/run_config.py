"""What the Launchpad offers: settings of one run, which override the data set's own."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import dagster as dg
from pydantic import Field


class ModelSize(StrEnum):
    """How large a model is."""

    S = "S"
    M = "M"
    L = "L"


class Device(StrEnum):
    """Where torch computes."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"
    mps = "mps"


class StageRunConfig(dg.Config):
    """Settings of a stage that has none of its own."""

    force: bool = Field(default=False, description="Compute again, even when nothing changed since the last time.")

    def overrides(self) -> dict[str, Any]:
        """Return the settings that change the result: those given, without `force` and `device`."""
        return self.model_dump(mode="json", exclude={"force", "device"}, exclude_none=True)


class TrainingRunConfig(StageRunConfig):
    """Settings of one training; whatever is left out comes from the data set's YAML."""

    max_epochs: float | None = Field(default=None, gt=0, le=100_000, description="Passes over the rows, at most.")
    max_training_time: float | None = Field(default=None, gt=0, le=60 * 24 * 14, description="Minutes, at most.")
    model_size: ModelSize | None = Field(default=None, description="S, M or L.")
    seed: int | None = Field(default=None, ge=0, lt=2**63, description="Root of all chance in this training.")
    device: Device = Field(
        default=Device.auto,
        description="Where to compute; auto takes a GPU if there is one. Not part of the cache key.",
    )


class GenerationRunConfig(StageRunConfig):
    """Settings of one generation; whatever is left out comes from the data set's YAML."""

    rows: int | None = Field(
        default=None, ge=1, le=1_000_000_000, description="Rows of tables without context; empty: as many as raw."
    )
    temperature: float | None = Field(
        default=None, gt=0, le=10, description="1 keeps the learned spread; lower is safer, higher is wilder."
    )
    top_p: float | None = Field(
        default=None, gt=0, le=1, description="Draw only from the most likely values that make up this share."
    )
    seed: int | None = Field(default=None, ge=0, lt=2**63, description="Root of all chance in this generation.")
