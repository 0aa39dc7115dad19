"""argn_assets: synthetic tables as data assets.

A table becomes integer codes under stored statistics; a model of codes is an artifact; everything is named by its
content, so nothing is computed twice and every synthetic row can be traced to what made it.

    definitions  defs  cli  commands  pipeline   what is run
    orchestration  bank  distributed  quality    what the definitions need
    store  engine                                where artifacts live; what computes with torch
    artifact                                     a trained model as bytes
    tables  datasets                             whole tables; what a user declares
    encodings                                    column values <-> integer codes
    errors  schema  seeds  charts  imports       words everyone shares

Imports point down only. Importing this package imports nothing else.
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing's, which costs an import
if TYPE_CHECKING:
    import polars as pl

__version__ = "0.1.0"


def read_table(dataset: str, table: str | None = None, *, store: str | None = None) -> pl.DataFrame:
    """Return a current synthetic table of a data set, verified.

    >>> from argn_assets import read_table
    >>> table = read_table("cdnow", "purchases")  # doctest: +SKIP

    Args:
        dataset: the data set.
        table: its table; may be left out where it is the only one.
        store: where artifacts are, any fsspec URL; None: `ARGN_STORE`, else the project's `.argn/store`.
    Raises:
        MissingArtifact: there is no store, or nothing was made of the data set yet.
        ConfigError: the data set has several tables or none of this name; the message lists them.
        CorruptArtifact: the stored bytes changed.
    """
    from argn_assets.orchestration.published import read_table

    return read_table(dataset, table, store=store)
