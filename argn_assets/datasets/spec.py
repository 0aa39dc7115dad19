"""What a user declares about a data set: the fields of the YAML file, their defaults and their bounds.

Fields of capabilities that this version does not have yet accept their default alone, so that nothing a user writes is
silently ignored. Only text and numbers are looked at here; the data itself is looked at in `sources` and `check`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from types import UnionType
from typing import Annotated, Any, Literal, Self, Union, get_args, get_origin

from pydantic import (
    BaseModel,
    Discriminator,
    Field,
    PrivateAttr,
    Tag,
    field_validator,
    model_validator,
)

from argn_assets.datasets.field_types import (
    DatasetName,
    EnvironmentName,
    Nothing,
    Number,
    RowCount,
    TableName,
    Text,
    Whole,
    later,
)
from argn_assets.datasets.messages import listing, shown_url, suggestion
from argn_assets.datasets.table_spec import ContextSpec, Declared, TableSpec

MOST_LEVELS = 3  # of related tables: parents, children, and children of those


class GeneratorSpec(Declared):
    """The model: its family, its size, and when training stops at the latest."""

    family: Annotated[Literal["argn"], later("argn")] = "argn"
    model_size: Literal["S", "M", "L"] = "M"
    max_epochs: Annotated[Number, Field(gt=0)] = 100.0
    max_training_time: Annotated[Number, Field(gt=0)] = 60.0  # minutes
    batch_size: Annotated[Whole, Field(ge=1)] | None = None  # rows; None: chosen from the table's size


class SamplingSpec(Declared):
    """How synthetic rows are drawn."""

    rows: RowCount = "same"  # as many as were read, or a number
    temperature: Annotated[Number, Field(gt=0)] = 1.0
    top_p: Annotated[Number, Field(gt=0, le=1)] = 1.0
    rare: Literal["sample", "constant"] = "sample"  # what stands for a rare value: another one, or the text _RARE_


class RetrainSpec(Declared):
    """When a model is trained again without being asked, and what it begins with."""

    on_change: bool = True  # when the content of a source changed
    at_latest: Literal["daily", "weekly", "monthly", "never"] = "weekly"  # sources are read again and compared
    always: bool = False  # every run trains, with the next seed, even where nothing changed
    warm_start: bool = False  # go on from the last artifact, where it is of the same columns
    only_on_drift: Annotated[Number, Field(ge=0)] | None = None  # nats per row that changed rows may be less likely

    @model_validator(mode="after")
    def _drift_is_looked_for_on_change(self) -> Self:
        if self.only_on_drift is not None and not self.on_change:
            raise ValueError(
                "only_on_drift looks at changed rows, and on_change: false says that they do not matter; leave one out"
            )
        return self


class CsvSpec(Declared):
    """How text in CSV files is read."""

    null_values: tuple[str, ...] = ("", "NA")
    decimal: Literal[".", ","] = "."
    separator: str = ","

    @field_validator("separator")
    @classmethod
    def _one_character(cls, separator: str) -> str:
        if len(separator.encode()) != 1 or separator in '"\r\n':
            raise ValueError(f"{separator!r} should be one ASCII character, such as ',' ';' or \"\\t\"")
        return separator

    @model_validator(mode="after")
    def _decimal_is_not_separator(self) -> Self:
        if self.decimal == self.separator:
            raise ValueError(f"decimal and separator are both {self.decimal!r}; add for example \"separator: ';'\"")
        return self


class SqlTarget(Declared):
    """Tables of a database.

    Attributes:
        connection: the environment variable that holds the database's URL, as SQLAlchemy writes it.
        table: their names; `{table}` stands for the declared name.
    """

    connection: EnvironmentName
    table: Text = "{table}"


def _kind_of_target(target: object) -> str:
    return "[database]" if isinstance(target, dict | SqlTarget) else "[files]"


# The tags stand in pydantic's places, where messages leave out what is in brackets.
Target = Annotated[
    Annotated[Text, Tag("[files]")] | Annotated[SqlTarget, Tag("[database]")], Discriminator(_kind_of_target)
]


class ExportSpec(Declared):
    """Where synthetic tables are copied to, once they passed their checks.

    Attributes:
        to: a folder, or for a single table a file, as a path or fsspec URL; or tables of a database. A relative path
            starts at the folder of the declaration.
        format: of files.
    """

    to: Target | None = None
    format: Literal["parquet", "csv"] = "parquet"

    @field_validator("to", mode="before")
    @classmethod
    def _no_database_in_text(cls, to: object) -> object:
        if isinstance(to, str) and re.match(r"(sqlite|postgres|mysql|mariadb|oracle|mssql)[a-z0-9_+]*://", to):
            # The value is not repeated: who writes a URL here writes its password too.
            raise ValueError(
                "this is the URL of a database; write to: {connection: NAME} with the name of the environment variable "
                "that holds it: secrets do not stand in files"
            )
        return to


class FloorsSpec(Declared):
    """What a synthetic table has to reach before it is exported or published; null asks for nothing."""

    fidelity: Annotated[Number, Field(ge=0, le=1)] | None = None
    copy_rate: Annotated[Number, Field(ge=0, le=1)] | None = 0.01  # share of rows beyond what chance explains


class KeepSpec(Declared):
    """How much of the past is kept: of each step the last ones, and what is young."""

    last: Annotated[Whole, Field(ge=1)] = 5  # manifests of each step; of raw and encoded tables two at most
    days: Annotated[Whole, Field(ge=0)] = 90


class ComputeSpec(Declared):
    """Where the work is done."""

    engine: Annotated[Literal["local"], later("local")] = "local"


class DatasetSpec(Declared):
    """A declared data set: one or several tables and how their synthetic copies are made.

    >>> spec = DatasetSpec(dataset="planes", tables={"planes": TableSpec(source="planes.csv", primary_key="tailnum")})
    >>> spec.generator.max_training_time, spec.holdout
    (60.0, 0.2)
    """

    dataset: DatasetName
    tables: Annotated[dict[TableName, TableSpec], Field(min_length=1)]
    generator: GeneratorSpec = GeneratorSpec()
    variants: Nothing = ()
    folds: Annotated[int, later(0)] = 0
    meta_model: Annotated[Literal["none"], later("none")] = "none"
    sampling: SamplingSpec = SamplingSpec()
    retrain: RetrainSpec = RetrainSpec()
    value_protection: bool = True
    target: Text | None = None  # a column, or table.column where there are several tables
    holdout: Annotated[Number, Field(ge=0, le=0.5)] = 0.2  # share of the rows
    csv: CsvSpec = CsvSpec()
    raw: Annotated[Literal["copy"], later("copy")] = "copy"
    export: ExportSpec = ExportSpec()
    publish: Annotated[bool, later(False)] = False
    floors: FloorsSpec = FloorsSpec()
    max_age_days: Annotated[Whole, Field(ge=1)] = 8  # since the synthetic tables were made or confirmed
    keep: KeepSpec = KeepSpec()
    owners: tuple[Text, ...] = ()
    tags: dict[str, str] = Field(default_factory=dict)
    compute: ComputeSpec = ComputeSpec()
    seed: Annotated[Whole, Field(ge=0, lt=2**63)] = 0

    _folder: str = PrivateAttr(default="")

    @field_validator("tables")
    @classmethod
    def _names_differ_in_more_than_case(cls, tables: dict[str, TableSpec]) -> dict[str, TableSpec]:
        seen: dict[str, str] = {}
        for name in tables:
            other = seen.setdefault(name.casefold(), name)
            if other != name:
                raise ValueError(f"{other!r} and {name!r} differ in case only, and would share a file on some systems")
        return tables

    @model_validator(mode="after")
    def _contexts_are_declared(self) -> Self:
        for name, table in self.tables.items():
            if table.context is not None:
                problem = self._problem_of_context(name, table.context)
                if problem is not None:
                    raise ValueError(f"tables.{name}.context.{problem}")
        return self

    def _problem_of_context(self, name: str, context: ContextSpec) -> str | None:
        parent = self.tables.get(context.table)
        if parent is None:
            hint = suggestion(context.table, self.tables)
            return f"table: {context.table!r} is not a table of this data set.{hint} Tables: {listing(self.tables)}"
        path = [name]
        while (above := self.tables[path[-1]].context) is not None and above.table in self.tables:
            path.append(above.table)
            if path[-1] in path[:-1]:
                return f"table: {' → '.join(path)} is a circle; the first table has no context"
        if len(path) > MOST_LEVELS:
            return f"table: {' → '.join(path)} are {len(path)} levels; related tables are at most {MOST_LEVELS} deep"
        if parent.primary_key is None:
            return (
                f"table: table {context.table!r} has no primary_key, which the key {context.key!r} would refer to; "
                f"declare tables.{context.table}.primary_key"
            )
        return None

    @model_validator(mode="after")
    def _export_has_a_place_for_each_table(self) -> Self:
        to, n_tables = self.export.to, len(self.tables)
        if n_tables > 1 and isinstance(to, str) and to.endswith(f".{self.export.format}"):
            raise ValueError(f"export.to: {shown_url(to)!r} is one file for {n_tables} tables; name a folder")
        if n_tables > 1 and isinstance(to, SqlTarget) and "{table}" not in to.table:
            raise ValueError(f"export.to.table: {to.table!r} is one table, and there are {n_tables}; write '{{table}}'")
        return self

    @model_validator(mode="after")
    def _target_is_declared(self) -> Self:
        if self.target is None:
            return self
        table, column = self.target_column() or ("", "")
        if table not in self.tables:
            raise ValueError(
                f"target: {self.target!r} should be written table.column, because there are several tables: "
                f"{listing(self.tables)}"
            )
        if column in (*self.tables[table].dropped(), *self.tables[table].regenerated()):
            raise ValueError(
                f"target: column {column!r} of table {table!r} is dropped, a key or a pattern; choose another column"
            )
        return self

    def target_column(self) -> tuple[str, str] | None:
        """Return (table, column) of the target, or None where none is declared."""
        if self.target is None:
            return None
        if len(self.tables) == 1:
            (only,) = self.tables
            return only, self.target.removeprefix(f"{only}.")
        for table in sorted(self.tables, key=len, reverse=True):  # a table name may hold dots itself
            if self.target.startswith(f"{table}."):
                return table, self.target.removeprefix(f"{table}.")
        return "", self.target

    def ancestors(self, table: str) -> tuple[str, ...]:
        """Return the tables that a table is conditioned on: its parent, the parent of that, and so on."""
        return tuple(self._upwards(table))

    def _upwards(self, table: str) -> Iterator[str]:
        while (context := self.tables[table].context) is not None:
            table = context.table
            yield table

    def ordered_tables(self) -> tuple[str, ...]:
        """Return the tables, parents before their children, else as they are declared."""
        return tuple(sorted(self.tables, key=lambda table: len(self.ancestors(table))))

    def siblings(self, table: str) -> tuple[str, ...]:
        """Return the tables of the same parent that are declared before a table, which it is conditioned on too."""
        context = self.tables[table].context
        if context is None:
            return ()
        before = list(self.tables)[: list(self.tables).index(table)]
        return tuple(name for name in before if (own := self.tables[name].context) and own.table == context.table)

    def given_tables(self, table: str) -> tuple[str, ...]:
        """Return all tables that a table is conditioned on."""
        return (*self.ancestors(table), *self.siblings(table))

    def only(self, table: str) -> DatasetSpec:
        """Return the declaration of one of the tables alone; the target goes where it is a column of another."""
        target = self.target_column()
        kept = target[1] if target is not None and target[0] == table else None
        return self.model_copy(update={"tables": {table: self.tables[table]}, "target": kept})

    @property
    def folder(self) -> str:
        """The folder, path or URL, that relative sources start from; empty: the working directory."""
        return self._folder

    def in_folder(self, folder: str) -> DatasetSpec:
        """Return the same declaration with relative sources starting from `folder`."""
        moved = self.model_copy()
        moved._folder = folder
        return moved


def fields_of(location: Sequence[Any]) -> tuple[str, ...]:
    """Return the field names that are accepted at a place of a declaration, such as ("tables", "planes")."""
    here: Any = DatasetSpec
    for part in location:
        if isinstance(here, type) and issubclass(here, BaseModel):
            field = here.model_fields.get(str(part))
            here = _declaration_in(field.annotation) if field is not None else None
        elif getattr(here, "__origin__", None) is dict:
            here = here.__args__[1]
        elif getattr(here, "__origin__", None) is tuple:
            here = here.__args__[0]
        else:
            return ()
    return tuple(here.model_fields) if isinstance(here, type) and issubclass(here, BaseModel) else ()


def _declaration_in(annotation: Any) -> Any:
    """Return the part of a declaration that a field may be, where it may be other things too."""
    if get_origin(annotation) not in (UnionType, Union, Annotated):
        return annotation
    parts = (_declaration_in(part) for part in get_args(annotation))
    return next((part for part in parts if isinstance(part, type) and issubclass(part, BaseModel)), None)
