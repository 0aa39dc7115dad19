"""The chain's stages as plain functions over stored tables: no Dagster, no partition, one result each.

Each takes the declared data set and the stored results of earlier stages, and returns parts to store with facts and
check outcomes. The work itself is done by `datasets`, `tables` and `engine`; libraries are imported when it begins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast

from argn_assets.datasets import DatasetSpec, read_table
from argn_assets.errors import EngineError, UserError
from argn_assets.orchestration.check_models import (
    budget_check,
    codes_check,
    loads_check,
    loss_check,
    marginals_check,
    round_trip_check,
)
from argn_assets.orchestration.check_outcomes import keys_check, ranges_check, raw_checks, row_check, schema_check
from argn_assets.orchestration.facts import (
    Number,
    Part,
    StageFacts,
    StageResult,
    TableFacts,
    best_validation_loss,
    context_part,
)
from argn_assets.orchestration.handles import StoredTables
from argn_assets.orchestration.one_table import (
    WithContext,
    compute_table_stats,
    draw_holdout,
    encode_with_context,
    generate_table,
    sibling_tables,
    with_siblings,
)
from argn_assets.orchestration.retraining import STARTED_FROM, WarmStart
from argn_assets.orchestration.told import encoded_columns, history_of, preview_of, raw_columns
from argn_assets.orchestration.trainings import Train, TrainingsOfAction
from argn_assets.seeds import Seed

if TYPE_CHECKING:
    import polars as pl

    from argn_assets.artifact import ModelArtifact
    from argn_assets.engine.run import EpochProgress
    from argn_assets.tables import EncodedTable, TableStats

T = TypeVar("T")


def read_raw(spec: DatasetSpec) -> StageResult:
    """Read the declared tables and check them."""
    tables = {name: read_table(spec, name) for name in spec.tables}
    parts = [_part(name, table, "table", "RawTable", "parquet") for name, table in tables.items()]
    told = {
        name: TableFacts(rows=table.height, columns=raw_columns(spec, name, table)) for name, table in tables.items()
    }
    return StageResult(parts=tuple(parts), facts=StageFacts(tables=told), checks=raw_checks(spec, tables))


def stats_of_tables(spec: DatasetSpec, raw: StoredTables) -> StageResult:
    """Compute the statistics of each table and of its context."""
    tables, parts, told = load_tables(spec, raw), [], {}
    for name in spec.ordered_tables():
        with naming(spec, name):
            stats = compute_table_stats(spec, name, tables)
        for part, value in _with_parts(name, stats):
            parts.append(_part(part, value.to_bytes(), "encoder", "TableStats", "json", spec.given_tables(name)))
        told[name] = TableFacts(rows=stats.own.n_rows, columns=encoded_columns(stats.own))
    return StageResult(parts=tuple(parts), facts=StageFacts(tables=told))


def encode_tables(spec: DatasetSpec, raw: StoredTables, stats: StoredTables) -> StageResult:
    """Write each table and its context as codes, and set the holdout aside."""
    from argn_assets.tables.round_trip import round_trip

    tables, parts, told, codes, trips = load_tables(spec, raw), [], {}, {}, {}
    numbers: dict[str, Number] = {}
    held = draw_holdout(spec, tables)
    for name in spec.ordered_tables():
        table_stats = load_stats(spec, stats, name)
        with naming(spec, name):
            encoded = encode_with_context(spec, name, tables, table_stats, held)
            trips[name] = round_trip(tables[name], encoded.own, table_stats.own)
        for part, value in [*_with_parts(name, encoded), *_sibling_parts(name, encoded.context)]:
            parts.append(_part(part, value.to_arrow(), "table", "EncodedTable", "arrow", spec.given_tables(name)))
            codes[part] = value
        told[name] = TableFacts(rows=encoded.own.n_rows, columns=encoded_columns(table_stats.own))
        numbers[f"sub_columns/{name}"] = len(encoded.own.sub_columns)
        numbers[f"holdout_rows/{name}"] = int(encoded.own.validation.sum())
    own = {name: codes[name] for name in spec.tables}
    return StageResult(
        parts=tuple(parts),
        facts=StageFacts(tables=told, numbers=numbers),
        checks=(codes_check(codes), round_trip_check(trips), budget_check(own)),
    )


def train_tables(
    spec: DatasetSpec,
    stats: StoredTables,
    encoded: StoredTables,
    *,
    settings: Mapping[str, Any],
    device: str = "auto",
    trainings: TrainingsOfAction,
    warm_start: WarmStart,
    on_epoch: Callable[[str, EpochProgress], None],
) -> StageResult:
    """Train one artifact per table, parents first; a training that was cut short goes on.

    Args:
        spec: the declared data set.
        stats: result of `stats_of_tables`.
        encoded: result of `encode_tables`.
        settings: `model_size`, `max_epochs`, `max_training_time` (minutes), `batch_size` and `seed`, all resolved.
        device: where to compute.
        trainings: keeps their states.
        warm_start: trains each, going on from the last artifacts where that is asked for.
        on_epoch: told the table and the progress after every epoch.
    """
    from argn_assets.engine.config import TrainingConfig
    from argn_assets.tables.marginals import loss_of_marginals

    names = ("model_size", "max_epochs", "max_training_time", "batch_size")
    config = TrainingConfig(**{name: settings[name] for name in names}, device=device)
    artifacts: dict[str, ModelArtifact] = {}
    independent: dict[str, float | None] = {}
    order = spec.ordered_tables()
    for name in order:
        seed = Seed(settings["seed"]).child("train", name)
        table_stats, codes = load_stats(spec, stats, name), load_encoded(spec, encoded, name)
        train: Train = partial(warm_start.train, name, table_stats, codes, seed)
        with naming(spec, name):
            artifacts[name] = trainings.train(name, config, train, partial(on_epoch, name))
            independent[name] = loss_of_marginals(codes.own, table_stats.own.lengths, codes.context)
        if name != order[-1]:
            trainings.keep_ended(name, artifacts[name])
    result = _trained(artifacts, trainings.seconds, settings, warm_start.notes)
    return replace(result, checks=(*result.checks, marginals_check(result.facts.history, independent)))


def generate_tables(
    spec: DatasetSpec, trained: StoredTables, *, settings: Mapping[str, Any], device: str = "auto"
) -> StageResult:
    """Generate each synthetic table, parents first; the rows of a child belong to generated rows of its parent.

    Args:
        spec: the declared data set.
        trained: result of `train_tables`.
        settings: `rows` (a number or `same`), `temperature`, `top_p`, `rare` and `seed`, all resolved.
        device: where to compute.
    """
    from argn_assets.artifact import ModelArtifact
    from argn_assets.engine.rules import RARE_TEXT

    tables: dict[str, pl.DataFrame] = {}
    stats: dict[str, TableStats] = {}
    wanted: dict[str, int] = {}
    for name in spec.ordered_tables():
        artifact = ModelArtifact.from_bytes(trained.load_bytes(name))
        with naming(spec, name):
            tables[name] = generate_table(spec, name, artifact, tables, settings=settings, device=device)
        stats[name] = artifact.tgt_stats
        if spec.tables[name].context is None:
            wanted[name] = artifact.tgt_stats.n_rows if settings["rows"] == "same" else int(settings["rows"])
    told = {
        name: TableFacts(rows=table.height, columns=raw_columns(spec, name, table)) for name, table in tables.items()
    }
    preview = {name: preview_of(table) for name, table in tables.items()}
    return StageResult(
        parts=tuple(
            _part(name, table, "table", "SyntheticTable", "parquet", spec.given_tables(name))
            for name, table in tables.items()
        ),
        facts=StageFacts(tables=told, preview=preview),
        checks=(
            row_check(tables, wanted),
            schema_check(tables, stats),
            keys_check(spec, tables),
            ranges_check(tables, stats, always_shown=RARE_TEXT if settings["rare"] == "constant" else None),
        ),
    )


@contextmanager
def naming(spec: DatasetSpec, table: str) -> Iterator[None]:
    """Put data set and table before the message of an error of ours."""
    try:
        yield
    except (UserError, EngineError) as error:
        raise type(error)(f"data set {spec.dataset!r}, table {table!r}: {error}") from error


def load_tables(spec: DatasetSpec, stored: StoredTables) -> dict[str, pl.DataFrame]:
    """Return the stored tables of a data set, as they are declared."""
    return {name: cast("pl.DataFrame", stored.load(name)) for name in spec.tables}


def load_stats(spec: DatasetSpec, stats: StoredTables, table: str) -> WithContext[TableStats]:
    """Return the stored statistics of a table and of its context."""
    from argn_assets.tables import TableStats

    read = [TableStats.from_bytes(stats.load_bytes(part)) for part in _part_names(spec, table)]
    return WithContext(*read)


def load_encoded(spec: DatasetSpec, encoded: StoredTables, table: str) -> WithContext[EncodedTable]:
    """Return a stored encoded table and its context."""
    from argn_assets.tables import EncodedTable

    own, *context = [EncodedTable.from_arrow(encoded.load(part)) for part in _part_names(spec, table)]
    if not context:
        return WithContext(own)
    prefix = f"{context_part(table)}/"
    names = [part.removeprefix(prefix) for part in encoded.names() if part.startswith(prefix)]
    siblings = {name: EncodedTable.from_arrow(encoded.load(f"{prefix}{name}")) for name in names}
    return WithContext(own, with_siblings(context[0], siblings))


def _part_names(spec: DatasetSpec, table: str) -> tuple[str, ...]:
    return (table,) if spec.tables[table].context is None else (table, context_part(table))


def _with_parts(table: str, value: WithContext[T]) -> list[tuple[str, T]]:
    """Return what is stored of a table: its own part, and that of its context."""
    return [(table, value.own), *([] if value.context is None else [(context_part(table), value.context)])]


def _sibling_parts(table: str, context: EncodedTable | None) -> list[tuple[str, EncodedTable]]:
    """Return what is stored of the siblings in a context, a part each."""
    if context is None:
        return []
    return [(f"{context_part(table)}/{name}", rows) for name, rows in sibling_tables(context).items()]


def _part(
    table: str, value: object, artifact_type: str, class_name: str, stored_as: str, made_from: tuple[str, ...] = ()
) -> Part:
    return Part(
        name=table, value=value, artifact_type=artifact_type, class_name=class_name, format=stored_as,
        made_from=made_from,
    )  # fmt: skip


def _trained(
    artifacts: Mapping[str, ModelArtifact],
    seconds: Mapping[str, float],
    settings: Mapping[str, Any],
    warm_starts: Mapping[str, str],
) -> StageResult:
    stored = {name: artifact.to_bytes() for name, artifact in artifacts.items()}
    history = {name: history_of(artifact) for name, artifact in artifacts.items()}
    numbers: dict[str, Number] = {"training_seconds": round(sum(seconds.values()), 1), "seed": settings["seed"]}
    numbers |= {STARTED_FROM: settings[STARTED_FROM]} if STARTED_FROM in settings else {}
    numbers |= {f"warm_start/{name}": told for name, told in warm_starts.items()}
    for name, epochs in history.items():
        best = best_validation_loss(epochs)
        numbers |= {} if best is None else {f"best_validation_loss/{name}": best}
    told = {
        name: TableFacts(rows=artifact.tgt_stats.n_rows, columns=encoded_columns(artifact.tgt_stats))
        for name, artifact in artifacts.items()
    }
    return StageResult(
        parts=tuple(_part(name, content, "model", "ModelArtifact", "argn") for name, content in stored.items()),
        facts=StageFacts(tables=told, numbers=numbers, history=history),
        checks=(loss_check(history), loads_check(stored)),
    )
