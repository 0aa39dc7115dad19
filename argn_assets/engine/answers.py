"""Answers in the caller's kind of table: that of the rows that were asked about, with their index."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import polars as pl

from argn_assets.schema import ColumnSchema, FrameKind, TableSchema
from argn_assets.tables.frames import column_dtypes, frame_kind, from_polars

if TYPE_CHECKING:
    from argn_assets.tables.frames import Frame


def like_rows(answer: pl.DataFrame, asked: Frame, schema: TableSchema) -> Any:
    """Return an answer about the rows of `asked` as its kind of table, [N].

    Args:
        answer: one row per row of `asked`; columns of other types than the model's come back as they are.
        asked: the caller's rows.
        schema: the model's columns, whose types come back where `asked` is of the kind that was trained on.
    """
    kind = frame_kind(asked)
    if kind == schema.frame_kind and set(answer.columns) <= {column.name for column in schema.columns}:
        return _indexed(from_polars(answer, schema), asked)
    return plain_like_rows(answer, asked)


def plain_like_rows(answer: pl.DataFrame, asked: Frame) -> Any:
    """Return an answer as the kind of `asked`, with the types that polars turns into there, [N]."""
    kind = frame_kind(asked)
    if kind == "polars":
        return answer
    return _indexed(answer.to_pandas() if kind == "pandas" else answer.to_arrow(), asked)


def same_columns(answer: pl.DataFrame, asked: Frame, schema: TableSchema) -> Any:
    """Return an answer that has the columns of `asked` with the types of `asked`, [N].

    A column that held nothing gets the type it has in `schema`.
    """
    kind, dtypes = frame_kind(asked), column_dtypes(asked)
    known = {column.name: column for column in schema.columns}
    columns = []
    for name, (dtype, own) in dtypes.items():
        column = ColumnSchema(name=name, dtype=dtype, frame_dtype=own)
        if dtype == "null" and name in known:
            column = _of_kind(known[name], kind, schema.frame_kind, answer[name])
        columns.append(column)
    return _indexed(from_polars(answer, TableSchema(columns=tuple(columns), frame_kind=kind)), asked)


def only_column(table: Any) -> Any:
    """Return the one column of a table of any kind, as its library's series."""
    if isinstance(table, pl.DataFrame):
        return table.to_series()
    return table.column(0) if hasattr(table, "column_names") else table.iloc[:, 0]


def _of_kind(column: ColumnSchema, kind: FrameKind, trained_kind: FrameKind, values: pl.Series) -> ColumnSchema:
    if kind == trained_kind:
        return column
    own = {"pandas": "object", "polars": None, "pyarrow": str(values.to_arrow().type)}[kind]
    return dataclasses.replace(column, frame_dtype=own)


def _indexed(answer: Any, asked: Frame) -> Any:
    """Return a pandas answer with the index of the rows it is about; others as they are."""
    if frame_kind(asked) == "pandas":
        answer.index = asked.index  # type: ignore[union-attr]
    return answer
