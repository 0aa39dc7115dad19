"""Export to a database: all tables of a data set are replaced in one transaction, and a list says who wrote them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from argn_assets.datasets.messages import shown_text
from argn_assets.errors import ConfigError, StoreUnavailable

if TYPE_CHECKING:
    import polars as pl
    import sqlalchemy as sa

LIST = "argn_exports"  # the table of the database that lists the tables that exports wrote
ROWS_AT_ONCE = 10_000


def replace_tables(connection: str, tables: Mapping[str, pl.DataFrame], *, digest: str) -> None:
    """Write tables, over those that earlier exports wrote under these names, in one transaction.

    A table whose columns stayed keeps its rights, indices and views: its rows are replaced.

    Args:
        connection: the environment variable that holds the database's URL.
        tables: by their names in the database.
        digest: of what is exported; the list says it.
    Raises:
        ConfigError: the variable holds no such URL, or a table of this name was not written by an export.
        StoreUnavailable: the database's driver is not installed, it does not answer, or it refuses.
    """
    import sqlalchemy as sa

    engine = _engine(connection)
    try:
        with _transaction(engine) as open_connection:
            listed = _listed(open_connection)
            there = set(sa.inspect(open_connection).get_table_names())
            for name, table in tables.items():
                if name in there and name not in listed:
                    raise ConfigError(
                        f"export.to: {connection} has a table {name!r} that no export wrote, and it is left as it is. "
                        "Write `table:` with another name, such as 'synthetic_{table}', or drop that table."
                    )
                _replace(open_connection, name, table, exists=name in there)
                _list(open_connection, name, digest)
    except sa.exc.SQLAlchemyError as error:
        told = shown_text(str(error)).splitlines()[0]
        raise StoreUnavailable(f"export.to: {connection} cannot be written: {type(error).__name__}: {told}") from error
    finally:
        engine.dispose()


def _engine(connection: str) -> sa.Engine:
    import sqlalchemy as sa

    url = os.environ.get(connection)
    if not url:
        raise ConfigError(f"export.to: the environment variable {connection} is not set to the URL of a database.")
    try:
        return sa.create_engine(url)
    except (ImportError, sa.exc.NoSuchModuleError) as error:
        raise StoreUnavailable(f"export.to: the driver of {connection} is not installed: {error}.") from error
    except sa.exc.ArgumentError:  # its text may repeat the URL
        raise ConfigError(
            f"export.to: {connection} does not hold the URL of a database that SQLAlchemy reads, such as "
            "postgresql://user:password@host/name."
        ) from None


@contextmanager
def _transaction(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Open one transaction over rows and table definitions."""
    import sqlalchemy as sa

    if engine.dialect.name == "sqlite":
        # Its driver would commit before the definition of a table, unless it is told to leave transactions to us.
        @sa.event.listens_for(engine, "connect")
        def _leave_transactions(driver: Any, record: object) -> None:
            driver.isolation_level = None

        @sa.event.listens_for(engine, "begin")
        def _begin(connection: sa.Connection) -> None:
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    with engine.begin() as connection:
        yield connection


def _list_table() -> sa.Table:
    import sqlalchemy as sa

    return sa.Table(
        LIST,
        sa.MetaData(),
        sa.Column("table_name", sa.String(200), primary_key=True),
        sa.Column("digest", sa.String(80)),
        sa.Column("exported_at", sa.String(40)),
    )


def _listed(connection: sa.Connection) -> set[str]:
    table = _list_table()
    table.create(connection, checkfirst=True)
    return {str(row[0]) for row in connection.execute(table.select())}


def _list(connection: sa.Connection, name: str, digest: str) -> None:
    table = _list_table()
    connection.execute(table.delete().where(table.c.table_name == name))
    row = {"table_name": name, "digest": digest, "exported_at": datetime.now(UTC).isoformat(timespec="seconds")}
    connection.execute(table.insert(), [row])


def _replace(connection: sa.Connection, name: str, table: pl.DataFrame, *, exists: bool) -> None:
    import sqlalchemy as sa

    columns = [sa.Column(column, _sql_type(dtype)) for column, dtype in table.schema.items()]
    target = sa.Table(name, sa.MetaData(), *columns)
    if exists:
        found = [(it["name"], _compiled(connection, it["type"])) for it in sa.inspect(connection).get_columns(name)]
        if found == [(it.name, _compiled(connection, it.type)) for it in columns]:
            connection.execute(target.delete())
        else:
            target.drop(connection)
            target.create(connection)
    else:
        target.create(connection)
    for part in table.iter_slices(ROWS_AT_ONCE):
        connection.execute(target.insert(), part.to_dicts())


def _compiled(connection: sa.Connection, kind: Any) -> str:
    return str(kind.compile(dialect=connection.dialect)).upper()


def _sql_type(dtype: pl.DataType) -> Any:
    """Return the column type of a database that holds all values of a type."""
    import polars as pl
    import sqlalchemy as sa

    if isinstance(dtype, pl.Decimal):
        return sa.Numeric(dtype.precision, dtype.scale)
    if isinstance(dtype, pl.Datetime):
        return sa.DateTime(timezone=dtype.time_zone is not None)
    if dtype.is_integer():
        return sa.BigInteger()
    if dtype.is_float():
        return sa.Double()
    kinds: dict[Any, Any] = {
        pl.Boolean: sa.Boolean(),
        pl.Date: sa.Date(),
        pl.Time: sa.Time(),
        pl.Duration: sa.Interval(),
    }
    return kinds.get(dtype.base_type(), sa.Text())
