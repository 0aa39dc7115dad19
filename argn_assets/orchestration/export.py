"""Export: the current synthetic tables where people need them, as files or as tables of a database (O17).

All tables of a database are replaced in one. Of files each is: a reader sees the old one or the new one. Several files
of a local disk are all written beside the old ones first and then renamed in a row, so that only a reader who looks
between two renames sees a mix, and a full disk leaves the old ones; objects of a bucket are put one after the other.
What no export wrote is never replaced: neither a source of the data set nor a table of other origin.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, cast
from uuid import uuid4

from argn_assets.datasets import DatasetSpec, SqlTarget
from argn_assets.datasets.locations import absolute, open_system, source_files
from argn_assets.datasets.messages import shown_text, shown_url
from argn_assets.errors import ConfigError, SourceError, StoreUnavailable
from argn_assets.orchestration.handles import StoredTables

if TYPE_CHECKING:
    import polars as pl


def export_tables(spec: DatasetSpec, synthetic: StoredTables) -> dict[str, str]:
    """Write all tables to where the declaration says; return where each is, without secrets.

    Args:
        spec: says where, and in which format; `export.to` is set.
        synthetic: result of `generate_tables`.
    Raises:
        ConfigError: the place cannot be written to like that, or holds what no export wrote.
        StoreUnavailable: the place does not answer, or refuses.
    """
    if isinstance(spec.export.to, SqlTarget):
        from argn_assets.orchestration.export_sql import replace_tables

        target = spec.export.to
        tables = {target.table.replace("{table}", name): _frame(synthetic, name) for name in spec.tables}
        replace_tables(target.connection, tables, digest=synthetic.digest)
        return {name: f"{target.connection}: {target.table.replace('{table}', name)}" for name in spec.tables}
    urls = file_urls(spec)
    _check_no_source(spec, urls)
    # All contents first: what cannot be read or written as CSV replaces nothing.
    _replace_files({url: _content(spec, synthetic, name) for name, url in urls.items()})
    return {name: shown_url(url) for name, url in urls.items()}


def file_urls(spec: DatasetSpec) -> dict[str, str]:
    """Return the URL or absolute path of each table's file: in the folder `export.to`, or that very file."""
    to = absolute(str(spec.export.to), spec.folder)
    ending = f".{spec.export.format}"
    if to.endswith(ending):
        return dict.fromkeys(spec.tables, to)
    return {name: f"{to.rstrip('/')}/{name}{ending}" for name in spec.tables}


def _frame(synthetic: StoredTables, name: str) -> pl.DataFrame:
    return cast("pl.DataFrame", synthetic.load(name))


def _content(spec: DatasetSpec, synthetic: StoredTables, name: str) -> bytes:
    if spec.export.format == "parquet":
        return synthetic.load_bytes(name)
    from polars.exceptions import PolarsError

    text = io.BytesIO()
    try:
        _frame(synthetic, name).write_csv(text)
    except PolarsError as error:
        raise ConfigError(
            f"export.format: table {name!r} cannot be written as CSV ({str(error).splitlines()[0]}). Say parquet."
        ) from error
    return text.getvalue()


def _check_no_source(spec: DatasetSpec, urls: Mapping[str, str]) -> None:
    """Raise ConfigError where a file of the data set's own sources would be replaced."""
    written = {os.path.realpath(url) if "://" not in url else url for url in urls.values()}
    for name, table in spec.tables.items():
        sources = [table.source] if isinstance(table.source, str) else [*table.source.files.values()]
        for source in sources:
            for file in source_files(source, spec.folder):
                found = os.path.realpath(file.path) if file.is_local else file.system.unstrip_protocol(file.path)
                if found in written:
                    raise ConfigError(
                        f"export.to of data set {spec.dataset!r} would replace {file.shown}, a source of {name!r}. "
                        "Name another folder."
                    )


def _replace_files(contents: Mapping[str, bytes]) -> None:
    """Replace files by their URLs; where that is possible nothing is replaced before all are written."""
    with ExitStack() as stack:
        replacements = {url: stack.enter_context(_written(url, content)) for url, content in contents.items()}
        for url, replace in replacements.items():
            with _worded(url):
                replace()


@contextmanager
def _written(url: str, content: bytes) -> Iterator[Callable[[], None]]:
    """Write beside a local file, and yield what puts it in its place in one; what is left beside it goes at the end."""
    with _worded(url):
        system, path = open_system(url, shown_url(url))
        folder, _, name = path.rpartition("/")
        system.makedirs(folder, exist_ok=True)
    if "file" not in system.protocol:
        yield partial(system.pipe_file, path, content)  # a put of an object is seen whole or not at all
        return
    beside = f"{folder}/.{name}.{uuid4().hex}"
    try:
        with _worded(url):
            system.pipe_file(beside, content)
        yield partial(os.replace, beside, path)
    finally:
        if os.path.exists(beside):
            os.unlink(beside)


@contextmanager
def _worded(url: str) -> Iterator[None]:
    try:
        yield
    except SourceError as error:
        raise ConfigError(f"export.to: {error}") from error
    except Exception as error:  # each file system has errors of its own
        raise StoreUnavailable(f"export.to: {shown_url(url)} cannot be written: {shown_text(str(error))}") from error
