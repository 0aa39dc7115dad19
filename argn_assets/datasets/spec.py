"""What a user declares about a data set: the fields of the YAML file, their defaults and their bounds.

Fields of capabilities that this version does not have yet accept their default alone, so that nothing a user writes is
silently ignored. Only text and numbers are looked at here; the data itself is looked at in `sources` and `check`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    PrivateAttr,
    field_validator,
    model_validator,
)

from argn_assets.datasets.encoding_names import known_encodings
from argn_assets.datasets.messages import listing, suggestion

_DATASET_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}")
_TABLE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
DATASET_NAME_RULE = "1 to 63 of a-z 0-9 _ . - , starting with a letter or digit, without '..'"
TABLE_NAME_RULE = "1 to 63 of A-Z a-z 0-9 _ . - , starting with a letter or digit, without '..'"


def is_dataset_name(name: str) -> bool:
    """Tell whether `name` can name a data set, and so a partition and a folder.

    >>> is_dataset_name("nyc.flights-2013"), is_dataset_name("../x"), is_dataset_name("Planes")
    (True, False, False)
    """
    return _DATASET_NAME.fullmatch(name) is not None and ".." not in name


def _dataset_name(name: str) -> str:
    if not is_dataset_name(name):
        raise ValueError(f"{name!r} cannot name a data set. Accepted: {DATASET_NAME_RULE}")
    return name


def _table_name(name: str) -> str:
    if _TABLE_NAME.fullmatch(name) is None or ".." in name:
        raise ValueError(f"{name!r} cannot name a table. Accepted: {TABLE_NAME_RULE}")
    return name


def _not_a_switch(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError(f"{str(value).lower()} should be a number")
    return value


def _known_encoding(name: str) -> str:
    known = known_encodings()
    if name not in known:
        raise ValueError(f"{name!r} is not an encoding.{suggestion(name, known)} Known encodings: {listing(known)}")
    return name


def _role(role: object) -> object:
    if role == "pattern":
        raise ValueError("'pattern' is not built yet; this version works with 'value', 'key' (the primary key), 'drop'")
    return role


def _source(source: object) -> object:
    if isinstance(source, dict):
        raise ValueError(
            f"a source of {{{', '.join(map(str, source))}}} is not built yet; this version works with the path or URL "
            "of parquet, csv (.gz, .zip), jsonl or arrow files"
        )
    return source


def _one_column(value: object) -> object:
    if isinstance(value, list):
        raise ValueError("a key over several columns is not built yet; this version works with one column")
    return value


def _rows(value: object) -> object:
    whole = not isinstance(value, bool) and (isinstance(value, int) or (isinstance(value, str) and value.isdecimal()))
    if value != "same" and not (whole and int(str(value)) >= 1):
        raise ValueError(f"{value!r} should be 'same' or a whole number from 1 on")
    return value if value == "same" else int(str(value))


def later(default: object) -> BeforeValidator:
    """Accept the default alone: the capability behind the field is not built yet."""

    def refuse(value: object) -> object:
        given = tuple(value) if isinstance(value, list) else value
        if given is None or (given == default and type(given) is type(default)):
            return default
        raise ValueError(f"{_as_yaml(value)} is not built yet; this version works with {_as_yaml(default)} only")

    return BeforeValidator(refuse)


def _as_yaml(value: object) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return "[]" if value == () else repr(value)


Text = Annotated[str, Field(min_length=1)]
Whole = Annotated[int, BeforeValidator(_not_a_switch)]
Number = Annotated[float, BeforeValidator(_not_a_switch), Field(allow_inf_nan=False)]
DatasetName = Annotated[str, AfterValidator(_dataset_name)]
TableName = Annotated[str, AfterValidator(_table_name)]
Nothing = Annotated[tuple[JsonValue, ...], later(())]


class Declared(BaseModel):
    """Base of every part of a declaration: frozen, and an unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=False)


class ColumnSpec(Declared):
    """What inference should not decide about a column."""

    encoding: Annotated[str, AfterValidator(_known_encoding)] | None = None
    role: Annotated[Literal["value", "key", "drop"], BeforeValidator(_role)] | None = None

    @model_validator(mode="after")
    def _encoded_or_not(self) -> Self:
        if self.encoding is not None and self.role in ("drop", "key"):
            raise ValueError(f"a column of role '{self.role}' has no encoding: remove one of the two lines")
        return self


class TableSpec(Declared):
    """One table: where its rows are, and what is known about its columns."""

    source: Annotated[Text, BeforeValidator(_source)]
    primary_key: Annotated[Text, BeforeValidator(_one_column)] | None = None
    columns: dict[str, ColumnSpec] = {}
    limit_rows: Annotated[Whole, Field(ge=1)] | None = None  # the first n rows; None: all
    context: Annotated[None, later(None)] = None
    constraints: Nothing = ()

    @model_validator(mode="after")
    def _roles_agree_with_the_key(self) -> Self:
        for name, column in self.columns.items():
            if column.role == "key" and name != self.primary_key:
                raise ValueError(
                    f"column {name!r} has role 'key' and is not the primary_key; write 'primary_key: {name}', "
                    "or give it role 'drop'"
                )
        key = self.columns.get(self.primary_key or "")
        if key is not None and self.primary_key and (key.encoding is not None or key.role in ("drop", "value")):
            raise ValueError(
                f"the primary_key {self.primary_key!r} is regenerated, so it has no encoding and no role but 'key'; "
                f"remove it from columns, or remove primary_key"
            )
        return self

    def dropped(self) -> tuple[str, ...]:
        """Return the columns that are not read."""
        return tuple(name for name, column in self.columns.items() if column.role == "drop")

    def encoding_types(self) -> dict[str, str]:
        """Return the declared encoding of each column that has one."""
        return {name: column.encoding for name, column in self.columns.items() if column.encoding is not None}


class GeneratorSpec(Declared):
    """The model: its family, its size, and when training stops at the latest."""

    family: Annotated[Literal["argn"], later("argn")] = "argn"
    model_size: Literal["S", "M", "L"] = "M"
    max_epochs: Annotated[Number, Field(gt=0)] = 100.0
    max_training_time: Annotated[Number, Field(gt=0)] = 60.0  # minutes
    batch_size: Annotated[Whole, Field(ge=1)] | None = None  # rows; None: chosen from the table's size


class SamplingSpec(Declared):
    """How synthetic rows are drawn."""

    rows: Annotated[int | Literal["same"], BeforeValidator(_rows)] = "same"  # as many as were read, or a number
    temperature: Annotated[Number, Field(gt=0)] = 1.0
    top_p: Annotated[Number, Field(gt=0, le=1)] = 1.0
    rare: Annotated[Literal["sample"], later("sample")] = "sample"


class RetrainSpec(Declared):
    """When a model is trained again. Not built yet, so each field works with its default."""

    on_change: Annotated[bool, later(True)] = True
    at_latest: Annotated[Literal["weekly"], later("weekly")] = "weekly"
    always: Annotated[bool, later(False)] = False
    warm_start: Annotated[bool, later(False)] = False
    only_on_drift: Annotated[None, later(None)] = None


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


class ExportSpec(Declared):
    """Where synthetic tables are copied to. Not built yet."""

    to: Annotated[None, later(None)] = None
    format: Annotated[Literal["parquet"], later("parquet")] = "parquet"


class FloorsSpec(Declared):
    """Figures below which a synthetic table is not good enough."""

    fidelity: Annotated[Number, Field(ge=0, le=1)] | None = None
    copy_rate: Annotated[float, later(0.01)] = 0.01


class KeepSpec(Declared):
    """How long old artifacts are kept."""

    last: Annotated[Whole, Field(ge=1)] = 5
    days: Annotated[Number, Field(ge=0)] = 90


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
    max_age_days: Annotated[Number, Field(gt=0)] | None = 8
    keep: KeepSpec = KeepSpec()
    owners: tuple[Text, ...] = ()
    tags: dict[str, str] = {}
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
    def _target_is_declared(self) -> Self:
        if self.target is None:
            return self
        table, column = self.target_column() or ("", "")
        if table not in self.tables:
            raise ValueError(
                f"target: {self.target!r} should be written table.column, because there are several tables: "
                f"{listing(self.tables)}"
            )
        if column in self.tables[table].dropped() or column == self.tables[table].primary_key:
            raise ValueError(f"target: column {column!r} of table {table!r} is dropped or a key; choose another column")
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
            here = field.annotation if field is not None else None
        elif getattr(here, "__origin__", None) is dict:
            here = here.__args__[1]
        else:
            return ()
    return tuple(here.model_fields) if isinstance(here, type) and issubclass(here, BaseModel) else ()
