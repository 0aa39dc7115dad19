"""What a user declares about one table: where its rows are, its keys, and what inference should not decide."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, model_validator

from argn_assets.datasets.field_types import (
    EncodingName,
    EnvironmentName,
    OneColumn,
    RoleName,
    TableName,
    Text,
    Whole,
)
from argn_assets.datasets.messages import listing, shown_url


class Declared(BaseModel):
    """Base of every part of a declaration: frozen, and an unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=False, hide_input_in_errors=True)


class ColumnSpec(Declared):
    """What inference should not decide about a column."""

    encoding: EncodingName | None = None
    role: RoleName | None = None

    @model_validator(mode="after")
    def _encoded_or_not(self) -> Self:
        if self.encoding is not None and self.role not in (None, "value"):
            raise ValueError(f"a column of role '{self.role}' has no encoding: remove one of the two lines")
        return self


class SqlSource(Declared):
    """The rows of a query: over files that it names as tables, or of a database.

    Attributes:
        sql: the query.
        files: the source of each table that the query names.
        connection: the environment variable that holds the database's URL, as SQLAlchemy writes it.
        version: a cheap query of the database; the rows have changed when its answer has. None: all rows are compared.
    """

    sql: Text
    files: dict[Text, Text] = {}
    connection: EnvironmentName | None = None
    version: Text | None = None

    @model_validator(mode="after")
    def _reads_files_or_a_database(self) -> Self:
        if bool(self.files) == bool(self.connection):
            raise ValueError(
                "a query reads either files, written files: {NAME: PATH}, or a database, written connection: NAME of "
                "the environment variable that holds its URL; give one of the two"
            )
        if self.version is not None and not self.connection:
            raise ValueError("version is a query of a database; files are compared by themselves, so remove the line")
        return self


def _kind_of_source(source: object) -> str:
    return "[query]" if isinstance(source, dict | SqlSource) else "[files]"


def _one_source(source: object) -> object:
    if isinstance(source, list):
        raise ValueError(f"{source} should be text; several files are written as one pattern, such as data/*.csv")
    return source


# The tags stand in pydantic's places, where messages leave out what is in brackets.
Source = Annotated[
    Annotated[Text, Tag("[files]")] | Annotated[SqlSource, Tag("[query]")],
    Discriminator(_kind_of_source),
    BeforeValidator(_one_source),
]


class ContextSpec(Declared):
    """What is given of each sequence of a table: the row of another table that its key names."""

    table: TableName
    key: OneColumn


class ConstraintSpec(Declared):
    """What is true of every row of a table: columns whose values occur together, or one that is never above another.

    Attributes:
        type: `fixed_combinations` of `columns`, or `inequality` of `low` and `high`.
        columns: two or more columns; only combinations of values that were read are right.
        low, high: two columns of numbers or times; `low` is at most `high` where both have a value.
    """

    type: Literal["fixed_combinations", "inequality"]
    columns: tuple[Text, ...] = ()
    low: Text | None = None
    high: Text | None = None

    @model_validator(mode="after")
    def _names_its_columns(self) -> Self:
        if self.type == "inequality":
            if self.columns or self.low is None or self.high is None or self.low == self.high:
                raise ValueError(
                    "an inequality names two columns: {type: inequality, low: start, high: end} says that start is "
                    "never above end"
                )
        elif self.low or self.high or len(set(self.columns)) < 2 or len(set(self.columns)) < len(self.columns):
            raise ValueError(
                "fixed combinations name two or more columns: {type: fixed_combinations, columns: [city, country]} "
                "says that only cities and countries that were read together occur together"
            )
        return self

    @property
    def named(self) -> tuple[str, ...]:
        """The columns it is about; of an inequality the low one first."""
        return self.columns or tuple(name for name in (self.low, self.high) if name is not None)

    @property
    def said(self) -> str:
        """The constraint as checks name it."""
        return " ≤ ".join(self.named) if self.type == "inequality" else f"combinations of {', '.join(self.named)}"


class TableSpec(Declared):
    """One table: where its rows are, and what is known about its columns."""

    source: Source
    primary_key: OneColumn | None = None
    columns: dict[str, ColumnSpec] = {}
    limit_rows: Annotated[Whole, Field(ge=1)] | None = None  # the first n rows; None: all
    context: ContextSpec | None = None
    constraints: tuple[ConstraintSpec, ...] = ()

    @model_validator(mode="after")
    def _roles_agree_with_the_key(self) -> Self:
        key = self.columns.get(self.primary_key or "")
        if key is not None and self.primary_key and (key.encoding is not None or key.role not in (None, "key")):
            raise ValueError(
                f"the primary_key {self.primary_key!r} is regenerated, so it has no encoding and no role but 'key'; "
                f"remove it from columns, or remove primary_key"
            )
        return self

    @model_validator(mode="after")
    def _roles_agree_with_the_context(self) -> Self:
        key = self.columns.get(self.context.key) if self.context is not None else None
        if self.context is not None and key is not None and (key.encoding is not None or key.role not in (None, "key")):
            raise ValueError(
                f"{self.context.key!r} is the key of the context, so it has no encoding and no role but 'key'; "
                "remove it from columns"
            )
        return self

    @model_validator(mode="after")
    def _constraints_are_of_values(self) -> Self:
        for constraint in self.constraints:
            for name in constraint.named:
                if name in (*self.regenerated(), *self.dropped()):
                    raise ValueError(
                        f"the constraint {constraint.said!r} names {name!r}, which is dropped, a key or made anew, so "
                        "that nothing can be said of its values; leave the constraint out"
                    )
        return self

    @property
    def shown(self) -> str:
        """The source as messages may show it."""
        if isinstance(self.source, str):
            return shown_url(self.source)
        place = self.source.connection or listing(self.source.files)
        return f"the query of {place}"

    def dropped(self) -> tuple[str, ...]:
        """Return the columns that are not read."""
        return tuple(name for name, column in self.columns.items() if column.role == "drop")

    def column_roles(self) -> dict[str, Literal["key", "pattern"]]:
        """Return the declared role of each column that is read and not modelled."""
        return {name: column.role for name, column in self.columns.items() if column.role in ("key", "pattern")}

    def regenerated(self) -> tuple[str, ...]:
        """Return the columns that no model learns: keys, and those made anew in their form."""
        keys = (self.primary_key, self.context.key if self.context else None, *self.column_roles())
        return tuple(dict.fromkeys(key for key in keys if key is not None))

    def encoding_types(self) -> dict[str, str]:
        """Return the declared encoding of each column that has one."""
        return {name: column.encoding for name, column in self.columns.items() if column.encoding is not None}
