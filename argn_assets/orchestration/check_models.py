"""How the checks of codes and artifacts are answered: plain functions from what a stage computed to outcomes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from argn_assets.errors import ArgnError
from argn_assets.orchestration.checks import (
    BEATS_MARGINALS,
    CARDINALITY_BUDGET,
    CODES_IN_RANGE,
    FINITE_LOSS,
    LOADS,
    ROUND_TRIP,
)
from argn_assets.orchestration.facts import (
    CheckOutcome,
    EpochFacts,
    Number,
    best_validation_loss,
    failed,
    passed,
    warned,
)

if TYPE_CHECKING:
    from argn_assets.tables import EncodedTable
    from argn_assets.tables.round_trip import RoundTrip

FEWEST_KEPT = 0.5  # of a column's values that come back of their codes
MOST_NAMED = 10  # columns in a check's metadata, the worst ones
MOST_CODES = 4096  # of a sub-column; each costs weights and memory, and is learnt from the rows that have it
# What a training that diverged or read other codes is beyond, and a short training of few rows never is.
FAR_ABOVE, FAR_ABOVE_NATS = 1.2, 0.5


def codes_check(tables: Mapping[str, EncodedTable]) -> CheckOutcome:
    """Compare every sub-column's largest code with its cardinality."""
    for name, encoded in tables.items():
        for codes, sub in zip(encoded.codes, encoded.sub_columns, strict=True):
            if encoded.n_rows and int(codes.max()) >= sub.cardinality:
                return failed(
                    CODES_IN_RANGE.name,
                    f"Table {name!r}, sub-column {sub.name!r} has the code {int(codes.max())}; codes are below "
                    f"{sub.cardinality}. The statistics belong to other data: materialise table_stats with force.",
                )
    widest = max((sub.cardinality for encoded in tables.values() for sub in encoded.sub_columns), default=0)
    return passed(CODES_IN_RANGE.name, "Every code is below its cardinality.", largest_cardinality=widest)


def round_trip_check(trips: Mapping[str, RoundTrip]) -> CheckOutcome:
    """Look for columns of which most values do not come back of their codes; tell the worst ones of all."""
    kept = {f"{table}/{column}": share for table, trip in trips.items() for column, share in trip.kept.items()}
    worst = sorted((name for name in kept if kept[name] < 1), key=lambda name: kept[name])
    numbers: dict[str, Number] = {f"rows_read_back/{table}": trip.rows for table, trip in trips.items()}
    numbers |= {f"kept/{name}": round(kept[name], 4) for name in worst[:MOST_NAMED]}
    lost = [name for name in worst if kept[name] < FEWEST_KEPT]
    looked = f"Of {sum(trip.rows for trip in trips.values()):,} rows that were read back from their codes"
    if not lost:
        least = (
            f"{kept[worst[0]]:.1%} of the values come back in {worst[0]}, the worst column"
            if worst
            else "every value comes back"
        )
        return passed(ROUND_TRIP.name, f"{looked}, {least}.", **numbers)
    told = _first([f"{name} {kept[name]:.1%}" for name in lost])
    return warned(
        ROUND_TRIP.name,
        f"{looked}, few values come back in {told}. The others are rare, so that value_protection hides them, or "
        "the statistics are of other rows. Where these columns matter, declare another encoding (or role: pattern for "
        "names and numbers of people); where rows changed, materialise table_stats.",
        numbers,
    )


def budget_check(tables: Mapping[str, EncodedTable]) -> CheckOutcome:
    """Look for sub-columns with more codes than a model learns well."""
    numbers: dict[str, Number] = {}
    beyond: list[str] = []
    for name, encoded in tables.items():
        cardinalities = {sub.name: sub.cardinality for sub in encoded.sub_columns}
        numbers[f"codes/{name}"] = sum(cardinalities.values())
        numbers[f"most_codes/{name}"] = max(cardinalities.values(), default=0)
        beyond += [f"{name}/{sub} {n:,}" for sub, n in cardinalities.items() if n > MOST_CODES]
    if not beyond:
        return passed(CARDINALITY_BUDGET.name, f"No column needs more than {MOST_CODES:,} codes.", **numbers)
    return warned(
        CARDINALITY_BUDGET.name,
        f"More than {MOST_CODES:,} codes in {_first(beyond)}: training is slow, and few rows say "
        "anything about each. Declare numeric_auto for numbers, look for extreme dates, or leave the column out.",
        numbers,
    )


def _first(told: Sequence[str]) -> str:
    """Return the first ones in words, and how many more there are."""
    more = f" and {len(told) - MOST_NAMED} more" if len(told) > MOST_NAMED else ""
    return ", ".join(told[:MOST_NAMED]) + more


def loss_check(history: Mapping[str, tuple[EpochFacts, ...]]) -> CheckOutcome:
    """Look for a loss that is not a finite number."""
    for name, epochs in history.items():
        for epoch in epochs:
            losses = [loss for loss in (epoch.training_loss, epoch.validation_loss) if loss is not None]
            if not all(map(math.isfinite, losses)):
                return failed(
                    FINITE_LOSS.name,
                    f"Table {name!r} reached a loss of {losses} in epoch {epoch.epoch:g}; a finite number was "
                    "expected. Train with another seed, or a smaller model.",
                )
    return passed(FINITE_LOSS.name, "Every recorded loss is finite.", epochs=sum(map(len, history.values())))


def marginals_check(
    history: Mapping[str, tuple[EpochFacts, ...]], independent: Mapping[str, float | None]
) -> CheckOutcome:
    """Compare each table's best validation loss with that of independent columns.

    Args:
        history: the epochs of each table.
        independent: the loss of its columns if they were independent, nats per row; None where nothing validates.
    """
    numbers: dict[str, Number] = {}
    worse: dict[str, str] = {}
    is_far = False
    for name, loss in independent.items():
        best = best_validation_loss(history[name])
        if loss is None or best is None:
            continue
        numbers |= {f"validation_loss/{name}": round(best, 4), f"independent_columns/{name}": round(loss, 4)}
        if best >= loss > 0:
            worse[name] = f"{name!r} {best:.4g} against {loss:.4g}"
        is_far |= best > FAR_ABOVE * loss + FAR_ABOVE_NATS
    if not numbers:
        return passed(BEATS_MARGINALS.name, "No rows validate or no column is learnt, so there is nothing to compare.")
    if not worse:
        return passed(BEATS_MARGINALS.name, "Every validation loss is below that of independent columns.", **numbers)
    said = (
        f"The validation loss (lower is better) is not below that of independent columns: {'; '.join(worse.values())}."
    )
    if is_far:
        way = "It is far above, so training went wrong: train with another seed, a smaller model_size, or more rows."
        return failed(BEATS_MARGINALS.name, f"{said} {way}", numbers)
    way = (
        "The model knows no more than how often each value occurs: synthetic columns will not belong together. Train "
        "longer (max_epochs, max_training_time) or bring more rows, unless the columns really are independent."
    )
    return warned(BEATS_MARGINALS.name, f"{said} {way}", numbers)


def loads_check(stored: Mapping[str, bytes]) -> CheckOutcome:
    """Read every artifact back from its bytes and write it again."""
    from argn_assets.artifact import ModelArtifact

    for name, content in stored.items():
        try:
            again = ModelArtifact.from_bytes(content).to_bytes()
        except ArgnError as error:
            return failed(LOADS.name, f"The artifact of table {name!r} does not read back: {error}")
        if again != content:
            return failed(LOADS.name, f"The artifact of table {name!r} reads back as other bytes.")
    return passed(LOADS.name, "The stored bytes read back.", bytes=sum(map(len, stored.values())))
