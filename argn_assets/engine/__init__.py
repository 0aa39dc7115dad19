"""The engine: tables in, model artifacts out; artifacts in, tables out. No files, no Dagster, no global random state.

Names are loaded when they are first used, so that reading a configuration does not load torch.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from argn_assets.imports import importing

if TYPE_CHECKING:
    from argn_assets.artifact import ModelArtifact
    from argn_assets.engine.api import generate_batches, generate_flat, train_flat
    from argn_assets.engine.config import TrainingConfig
    from argn_assets.engine.estimator import TabularARGN
    from argn_assets.engine.imputation import impute
    from argn_assets.engine.prediction import predict, predict_proba
    from argn_assets.engine.probability import log_prob, log_prob_by_column, log_probs
    from argn_assets.engine.run import EpochProgress
    from argn_assets.engine.sequences import generate_sequential, train_sequential
    from argn_assets.engine.train import train_model
    from argn_assets.tables import (
        combine_partial_stats,
        compute_partial_stats,
        compute_stats,
        decode_table,
        encode_batch_for_ray,
        encode_table,
    )

# OpenMP's threads spin for milliseconds while they wait, which beside other load makes training twenty times slower;
# not spinning at all halves its speed on a quiet machine. A short spin is good at both (docs/log.md). OpenMP reads this
# once, when torch is loaded; whoever chose a way of waiting before keeps it.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")

_HOMES = {
    "ModelArtifact": "argn_assets.artifact",
    "TrainingConfig": "argn_assets.engine.config",
    "EpochProgress": "argn_assets.engine.run",
    "train_model": "argn_assets.engine.train",
    "train_flat": "argn_assets.engine.api",
    "generate_flat": "argn_assets.engine.api",
    "generate_batches": "argn_assets.engine.api",
    "train_sequential": "argn_assets.engine.sequences",
    "generate_sequential": "argn_assets.engine.sequences",
    "impute": "argn_assets.engine.imputation",
    "predict": "argn_assets.engine.prediction",
    "predict_proba": "argn_assets.engine.prediction",
    "log_prob": "argn_assets.engine.probability",
    "log_prob_by_column": "argn_assets.engine.probability",
    "log_probs": "argn_assets.engine.probability",
    "TabularARGN": "argn_assets.engine.estimator",
    "compute_stats": "argn_assets.tables",
    "compute_partial_stats": "argn_assets.tables",
    "combine_partial_stats": "argn_assets.tables",
    "encode_table": "argn_assets.tables",
    "decode_table": "argn_assets.tables",
    "encode_batch_for_ray": "argn_assets.tables",
}

__all__ = [
    "EpochProgress",
    "ModelArtifact",
    "TabularARGN",
    "TrainingConfig",
    "combine_partial_stats",
    "compute_partial_stats",
    "compute_stats",
    "decode_table",
    "encode_batch_for_ray",
    "encode_table",
    "generate_batches",
    "generate_flat",
    "generate_sequential",
    "impute",
    "log_prob",
    "log_prob_by_column",
    "log_probs",
    "predict",
    "predict_proba",
    "train_flat",
    "train_model",
    "train_sequential",
]


def __getattr__(name: str) -> Any:
    """Load a public name from its home."""
    if name not in _HOMES:
        raise AttributeError(f"argn_assets.engine has no {name!r}. It has: {', '.join(__all__)}.")
    with importing("torch"):
        return getattr(import_module(_HOMES[name]), name)
