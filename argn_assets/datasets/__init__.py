"""What a user declares: data sets as YAML files in a catalogue, and the sources their tables are read from.

    spec          the fields of a declaration; table_spec: of one table; field_types: what each kind of field accepts
    parse         YAML text -> declaration, with messages for people
    catalogue     a folder of declarations
    locations     sources as URLs, paths and package files
    sources       a source -> a table
    check         what a table must be before anything is computed from it
    relations     how rows of related tables belong together
    fingerprint   has a source changed?

Importing this package imports neither polars nor pyarrow; reading a table does.
"""

from argn_assets.datasets.catalogue import Catalogue
from argn_assets.datasets.check import check_tables
from argn_assets.datasets.fingerprint import fingerprint_sources
from argn_assets.datasets.parse import parse_dataset
from argn_assets.datasets.relations import Sequences, check_foreign_keys, context_table, subject_rows, value_columns
from argn_assets.datasets.sources import read_table, read_tables
from argn_assets.datasets.spec import DatasetSpec, SqlTarget
from argn_assets.datasets.table_spec import ColumnSpec, ConstraintSpec, ContextSpec, SqlSource, TableSpec

__all__ = [
    "Catalogue",
    "ColumnSpec",
    "ConstraintSpec",
    "ContextSpec",
    "DatasetSpec",
    "Sequences",
    "SqlSource",
    "SqlTarget",
    "TableSpec",
    "check_foreign_keys",
    "check_tables",
    "context_table",
    "fingerprint_sources",
    "parse_dataset",
    "read_table",
    "read_tables",
    "subject_rows",
    "value_columns",
]
