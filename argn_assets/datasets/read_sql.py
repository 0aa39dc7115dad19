"""The rows of a query: over files, by polars, or of a database, by SQLAlchemy."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from argn_assets.datasets.messages import listing, shown_text
from argn_assets.errors import ConfigError, SourceError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl


def query_files(sql: str, tables: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Return the rows of a query over tables; SourceError where it cannot be run."""
    import polars as pl

    try:
        return pl.SQLContext(tables, eager=True).execute(sql)
    except pl.exceptions.PolarsError as error:
        raise SourceError(f"the query over {listing(tables)} cannot be run: {_told(error)}") from error


def query_database(sql: str, connection: str) -> pl.DataFrame:
    """Return the rows of a query of a database.

    Args:
        sql: the query.
        connection: the environment variable that holds the database's URL.
    Raises:
        ConfigError: the variable is not set, or holds no URL.
        SourceError: the database's driver is not installed, it does not answer, or it refuses the query.
    """
    import polars as pl
    from sqlalchemy import create_engine
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

    url = os.environ.get(connection)
    if not url:
        raise ConfigError(
            f"connection: the environment variable {connection} is not set. Set it to the URL of the database, such as "
            "postgresql://user:password@host/name."
        )
    try:
        engine = create_engine(url)
    except (ImportError, NoSuchModuleError) as error:
        raise SourceError(f"{connection}: the driver of the database is not installed: {error}.") from error
    except ArgumentError:  # its text may repeat the URL
        raise ConfigError(
            f"connection: {connection} does not hold the URL of a database that SQLAlchemy reads, such as "
            "postgresql://user:password@host/name."
        ) from None
    try:
        with engine.connect() as open_connection:
            return pl.read_database(sql, open_connection, infer_schema_length=None)
    except (SQLAlchemyError, pl.exceptions.PolarsError) as error:
        raise SourceError(f"the query of {connection} cannot be run: {_told(error)}") from error
    finally:
        engine.dispose()


def _told(error: Exception) -> str:
    """Return the first line of another library's message, which says what is wrong; those after it repeat the query."""
    return f"{type(error).__name__}: {shown_text(str(error)).splitlines()[0]}"
