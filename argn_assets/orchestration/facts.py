"""What is worth telling about a stage's result without opening it: rows, columns, losses, checks.

Facts are small, hold no values of people's data, and travel with the action cache, so that a cache hit shows the same
metadata and the same check results as the run that computed it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict

Number = float | int | str | bool


class _Fact(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")


class ColumnFacts(_Fact):
    """One column as the Columns tab shows it: logical type, encoding (None before one is chosen) and why."""

    name: str
    dtype: str
    encoding: str | None = None
    note: str = ""
    nullable: bool = True
    unique: bool = False


class TableFacts(_Fact):
    """One table: how many rows, which columns."""

    rows: int
    columns: tuple[ColumnFacts, ...] = ()


class EpochFacts(_Fact):
    """One epoch of training; losses in nats per row, None where not measured."""

    epoch: float
    rows: int
    training_loss: float | None = None
    validation_loss: float | None = None
    learning_rate: float | None = None


def best_validation_loss(epochs: Iterable[EpochFacts]) -> float | None:
    """Return the lowest validation loss, in nats per row; None where none was measured."""
    return min((epoch.validation_loss for epoch in epochs if epoch.validation_loss is not None), default=None)


class CheckOutcome(_Fact):
    """The result of one check; `numbers` are what it looked at. A failed one that `only_warns` stops nothing."""

    name: str
    passed: bool
    description: str
    numbers: dict[str, Number] = {}
    only_warns: bool = False


class StageFacts(_Fact):
    """Everything told about one result.

    Attributes:
        tables: rows and columns by table.
        numbers: figures that Dagster plots over time, by name.
        history: epochs by table, of a training.
        preview: the first rows by table, as text; synthetic tables only.
    """

    tables: dict[str, TableFacts] = {}
    numbers: dict[str, Number] = {}
    history: dict[str, tuple[EpochFacts, ...]] = {}
    preview: dict[str, tuple[dict[str, str], ...]] = {}

    @property
    def rows(self) -> int:
        """Return the number of rows of all tables together."""
        return sum(table.rows for table in self.tables.values())


@dataclass(frozen=True, kw_only=True)
class Part:
    """One stored piece of a result, in a format of the store's format table.

    Attributes:
        name: the table's, where it is one; `table/context` where it is about the context of a table.
        made_from: further tables whose parts it was made from.
    """

    name: str
    value: object
    artifact_type: str
    class_name: str
    format: str
    made_from: tuple[str, ...] = ()


def context_part(table: str) -> str:
    """Return the name of the part about a table's context; no table can be called so."""
    return f"{table}/context"


def table_of(part: str) -> str:
    """Return the table that a part is about.

    >>> table_of("orders"), table_of(context_part("orders"))
    ('orders', 'orders')
    """
    return part.partition("/")[0]


@dataclass(frozen=True, kw_only=True)
class StageResult:
    """What a stage computed: its parts, the facts about them, and the outcomes of its checks.

    `predictions` are the rows of the quality summary that the manifest carries (T6).
    """

    parts: tuple[Part, ...]
    facts: StageFacts = field(default_factory=StageFacts)
    checks: tuple[CheckOutcome, ...] = ()
    predictions: tuple[Mapping[str, object], ...] = ()


def passed(name: str, description: str, **numbers: Number) -> CheckOutcome:
    """Return a passed check."""
    return CheckOutcome(name=name, passed=True, description=description, numbers=numbers)


def failed(name: str, description: str, numbers: Mapping[str, Number] | None = None) -> CheckOutcome:
    """Return a failed check; the description says what was found, what would do, and the way out."""
    return CheckOutcome(name=name, passed=False, description=description, numbers=dict(numbers or {}))


def warned(name: str, description: str, numbers: Mapping[str, Number] | None = None) -> CheckOutcome:
    """Return a failed check that stops nothing: somebody should look, and it may be as it should."""
    return failed(name, description, numbers).model_copy(update={"only_warns": True})
