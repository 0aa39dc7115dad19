"""From encoded tables to an artifact: the network is laid out, trained, and its best weights kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from argn_assets import __version__
from argn_assets.artifact import EpochRecord, ModelArtifact
from argn_assets.engine.arithmetic import flushed_denormals
from argn_assets.engine.config import TrainingConfig
from argn_assets.engine.families.argn.flat import FlatModel
from argn_assets.engine.families.argn.flat_with_siblings import FlatWithSiblings
from argn_assets.engine.families.argn.layout import (
    FlatWithSiblingsLayout,
    NetworkLayout,
    SequentialLayout,
    layout_of,
    siblings_layout,
)
from argn_assets.engine.families.argn.ordered import begin_in_order
from argn_assets.engine.families.argn.sequential import SequentialModel
from argn_assets.engine.families.argn.unseen import settle_unseen
from argn_assets.engine.memory import enough_memory
from argn_assets.engine.objectives import FlatObjective, Objective, SequenceCodes, SequentialObjective
from argn_assets.engine.run import OnEpoch, OnStep, Run
from argn_assets.engine.training_state import Identity
from argn_assets.engine.warm_start import Trained, begin_with
from argn_assets.errors import ConfigError, DataError
from argn_assets.schema import full_sub_columns
from argn_assets.seeds import Seed
from argn_assets.tables.encode import EncodedTable
from argn_assets.tables.sequences import SequenceLengths
from argn_assets.tables.stats import TableStats


@dataclass(frozen=True, kw_only=True)
class Beginning:
    """What a training begins with instead of drawn weights; at most one of the two.

    Attributes:
        warm_start: an artifact of the same size, what of whose weights still fits is trained on.
        training_state: bytes of a training that is to be resumed.
    """

    warm_start: ModelArtifact | None = None
    training_state: bytes | None = None

    def __post_init__(self) -> None:
        """Check that one thing is asked for."""
        if self.warm_start is not None and self.training_state is not None:
            raise ConfigError("warm_start and training_state are both given. A training begins with one of the two.")
        if not isinstance(self.warm_start, ModelArtifact | None):
            raise ConfigError(
                f"warm_start is a {type(self.warm_start).__name__}; it must be a ModelArtifact. "
                "ModelArtifact.from_bytes makes one of bytes."
            )


DRAWN = Beginning()
Layout = NetworkLayout | FlatWithSiblingsLayout | SequentialLayout


def train_model(
    encoded: EncodedTable,
    stats: TableStats,
    config: TrainingConfig,
    seed: Seed,
    *,
    on_epoch: OnEpoch | None = None,
    on_step: OnStep | None = None,
    context: EncodedTable | None = None,
    context_stats: TableStats | None = None,
    beginning: Beginning = DRAWN,
) -> ModelArtifact:
    """Train a model: of sequences where the encoded table has them, else of rows.

    Args:
        encoded: the table, N rows, or G sequences, of which some may be empty.
        stats: its statistics.
        config: settings.
        seed: decides the first weights, the order of rows and columns, and dropout.
        on_epoch: told after every epoch; returning True ends the training, keeping the best weights.
        on_step: told after every step the seconds so far, and what makes the training state.
        context: the codes of the context of each row or sequence, N or G rows, and its siblings; or None.
        context_stats: statistics of the context.
        beginning: what to go on from; drawn weights by default.
    Raises:
        DataError: the table has no rows.
        ConfigError: what to go on from belongs to another network.
        EngineError: the loss stayed non-finite after several recoveries, or memory does not suffice.
    """
    if encoded.n_rows == 0:
        raise DataError("The encoded table has no rows. Training needs at least one.")
    lengths = stats.lengths if encoded.offsets is not None else None
    layout = _layout(encoded, context, lengths, config)
    row = layout if isinstance(layout, NetworkLayout) else layout.row
    provenance: dict[str, Any] = {"argn_assets": __version__, "seed": seed.value, "n_rows": encoded.n_rows}
    weights: dict[str, np.ndarray] = {}
    history: tuple[EpochRecord, ...] = ()
    if encoded.sub_columns or lengths is not None:
        device = choose_device(config.device)
        with torch.random.fork_rng(devices=[]), flushed_denormals(), enough_memory(device):
            # Not torch.manual_seed, which would seed a GPU's generators too.
            torch.default_generator.manual_seed(seed.child("weights").value % 2**63)
            objective = _objective(layout, encoded, context, lengths, config, device)
            begin_in_order(objective.model, encoded, stats, context, context_stats)
            carried = None
            if beginning.warm_start is not None:
                trained = Trained(layout, config.model_size, encoded, stats, context, context_stats)
                carried = begin_with(objective.model, trained, beginning.warm_start)
            identity = Identity.of(encoded, context, config, seed)
            run = Run(objective, config, row.width, seed, device, identity, carried)
            if beginning.training_state is not None:
                run.resume(beginning.training_state)
            with objective.shared(run.batch_size):
                run.train(on_epoch, on_step)
        weights, history = run.best_weights(), tuple(run.history)
        provenance |= {} if run.warm_start is None else {"warm_start": run.warm_start}
        provenance |= {} if run.batch_size == run.first_batch_size else {"batch_size": run.batch_size}
        weights = settle_unseen(
            weights, encoded, context, is_sequential=lengths is not None, any_order=config.any_order
        )
    return ModelArtifact(
        weights=weights,
        is_sequential=lengths is not None,
        model_size=config.model_size,
        network=layout.to_json(),
        tgt_cardinalities={s.name: s.cardinality for s in encoded.sub_columns},
        ctx_cardinalities=_context_cardinalities(context) if context else {},
        enable_flexible_generation=config.any_order,
        tgt_stats=stats,
        ctx_stats=context_stats,
        tgt_seq_len_min=lengths.least if lengths else 1,
        tgt_seq_len_max=lengths.most if lengths else 1,
        tgt_seq_len_median=lengths.median if lengths else 1,
        ctx_seq_len_median=max((s.median for s in _sibling_lengths(context_stats)), default=1),
        tgt_primary_key=stats.schema.primary_key,
        tgt_context_key=stats.schema.context_key,
        ctx_primary_key=context_stats.schema.primary_key if context_stats else None,
        history=history,
        provenance=provenance,
    )


def choose_device(device: str) -> torch.device:
    """Return the torch device of a setting: `auto` is a GPU where there is one; ConfigError for one not there."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
        torch.zeros(1, device=chosen).item()  # it is there, and holds numbers
    except (RuntimeError, TypeError, AssertionError, ImportError) as error:
        known = ["auto", "cpu", *(f"cuda:{number}" for number in range(torch.cuda.device_count()))]
        raise ConfigError(
            f"device is {device!r}, which this machine does not have. It has {', '.join(map(repr, known))}."
        ) from error
    return chosen


def _sibling_lengths(context_stats: TableStats | None) -> list[SequenceLengths]:
    siblings = context_stats.siblings.values() if context_stats else ()
    return [sibling.lengths for sibling in siblings if sibling.lengths is not None]


def _context_cardinalities(context: EncodedTable) -> dict[str, int]:
    subs = [*context.sub_columns]
    for sibling in context.siblings.values():
        subs += full_sub_columns(sibling.columns)
    return {sub.name: sub.cardinality for sub in subs}


def _layout(
    encoded: EncodedTable, context: EncodedTable | None, lengths: SequenceLengths | None, config: TrainingConfig
) -> Layout:
    groups = [[s.cardinality for s in subs] for subs in encoded.columns.values()]
    given = [[s.cardinality for s in subs] for subs in context.columns.values()] if context else []
    siblings = siblings_layout(_sibling_groups(context), config.model_size, attends=lengths is not None)
    if lengths is None:
        row = layout_of([*given, *groups], len(given), config.model_size)
        return FlatWithSiblingsLayout(row, siblings) if siblings.cardinalities and groups else row
    return SequentialLayout(
        row=layout_of(groups, 0, config.model_size),
        context=tuple(cardinality for group in given for cardinality in group),
        n_lengths=len(lengths.lows),
        window=config.max_sequence_window,
        siblings=siblings,
    )


def _sibling_groups(context: EncodedTable | None) -> list[list[int]]:
    """Return the cardinalities of the sub-columns of each sibling."""
    siblings = context.siblings.values() if context else ()
    return [[sub.cardinality for subs in sibling.columns.values() for sub in subs] for sibling in siblings]


def _objective(
    layout: Layout,
    encoded: EncodedTable,
    context: EncodedTable | None,
    lengths: SequenceLengths | None,
    config: TrainingConfig,
    device: torch.device,
) -> Objective:
    if not isinstance(layout, SequentialLayout):
        flat = FlatWithSiblings(layout) if isinstance(layout, FlatWithSiblingsLayout) else FlatModel(layout)
        return FlatObjective(flat.to(device), _joined(encoded, context), config.any_order, device)
    assert lengths is not None, "a layout of sequences has cells of lengths"
    assert encoded.offsets is not None, "a layout of sequences has sequences"
    n_sequences = len(encoded.offsets) - 1
    codes = np.zeros((0, n_sequences), dtype=np.uint8) if context is None else context.codes
    validation = encoded.validation[encoded.offsets[:-1]] if context is None else context.validation
    siblings = tuple(context.siblings.values()) if context is not None else ()
    subs = [] if context is None else [len(own) for own in context.columns.values()]
    columns = np.repeat(np.arange(len(subs)), subs)
    data = SequenceCodes(encoded, codes, columns, lengths, validation, siblings)
    return SequentialObjective(SequentialModel(layout).to(device), data, config.any_order, device)


def _joined(encoded: EncodedTable, context: EncodedTable | None) -> EncodedTable:
    """Return context and target as one block of codes, context first."""
    if context is None:
        return encoded
    dtype = np.promote_types(encoded.codes.dtype, context.codes.dtype)
    codes = np.concatenate([context.codes.astype(dtype), encoded.codes.astype(dtype)])
    return EncodedTable({}, codes, encoded.validation, siblings=context.siblings)
