"""`argn datasets`: list, check, add and remove declared data sets."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from argn_assets.cli.group import CommandGroup
from argn_assets.cli.printing import open_console, print_table
from argn_assets.errors import ArgnError

if TYPE_CHECKING:
    import polars as pl

    from argn_assets.datasets import Catalogue, DatasetSpec, TableSpec


@click.group(cls=CommandGroup, elsewhere={"sync": ("argn_assets.commands:sync", "Make partitions of the data sets.")})
def datasets() -> None:
    """Declared data sets: the YAML files of the catalogue.

    The catalogue is the folder datasets/ of the project, or the path or URL in ARGN_DATASETS.
    """


@datasets.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_datasets(as_json: bool) -> None:
    """Show the declared data sets, whether they can be used, and when their tables were made.

    The asset `overview` in Dagster shows more of each.
    """
    from argn_assets.datasets import Catalogue

    catalogue = Catalogue()
    made = _made([entry.name for entry in catalogue.entries()])
    rows: list[dict[str, Any]] = [
        {
            "dataset": entry.name,
            "file": entry.file,
            "tables": {name: table.shown for name, table in entry.spec.tables.items()} if entry.spec else {},
            "problem": entry.problem,
            "made_at": made[entry.name].isoformat(timespec="seconds") if entry.name in made else None,
        }
        for entry in catalogue.entries()
    ]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    if not rows:
        click.echo(f"No data set is declared in {catalogue.url}. Add one: argn datasets add NAME --source FILE")
        return
    print_table(
        ["data set", "tables", "source", "state", "made"],
        (
            (
                row["dataset"],
                "\n".join(row["tables"]),
                "\n".join(row["tables"].values()),
                "ok" if row["problem"] is None else "broken",
                _shown_time(made.get(row["dataset"])),
            )
            for row in rows
        ),
    )
    for problem in catalogue.problems().values():
        click.echo(problem, err=True)


def _made(names: Iterable[str]) -> dict[str, datetime]:
    """Return when the current tables of data sets were made, in UTC; nothing where the store is far away or empty."""
    from argn_assets.errors import StoreError
    from argn_assets.orchestration.published import SYNTHETIC, open_store

    try:
        store = open_store()
        if not store.url.startswith("file://"):  # a request for each data set would be slow
            return {}
        refs = {name: store.refs(name).read(SYNTHETIC) for name in names}
    except StoreError:
        return {}
    return {name: ref.moved_at for name, ref in refs.items() if ref is not None}


def _shown_time(moment: datetime | None) -> str:
    return "–" if moment is None else f"{moment.astimezone():%Y-%m-%d %H:%M}"


@datasets.command()
@click.argument("names", nargs=-1)
@click.option("--rows", type=click.IntRange(min=1), help="Look at the first rows of each table only.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def check(names: tuple[str, ...], rows: int | None, as_json: bool) -> None:
    """Read the tables of data sets (all, if none is named) and show what was understood.

    Minutes are a guess for two cores. Nothing is stored. Values are not shown, except with ARGN_SHOW_VALUES=1 in
    messages.
    """
    from argn_assets.datasets import Catalogue

    catalogue = Catalogue()
    reports = [_report(catalogue, name, rows) for name in names or catalogue.declared_names()]
    if as_json:
        click.echo(json.dumps(reports, indent=2))
    else:
        _print_reports(reports, rows)
    broken = [report["dataset"] for report in reports if report["problem"]]
    if broken:
        raise click.ClickException(f"{len(broken)} of {len(reports)} data sets cannot be used: {', '.join(broken)}")


@datasets.command()
@click.argument("name")
@click.argument("more", nargs=-1, metavar="")
@click.option("--source", required=True, help="File, folder, 'pattern', URL, or package://NAME/path.")
@click.option("--table", help="The table's name; the data set's name if left out.")
@click.option("--primary-key", help="The column that names a row.")
@click.option("--drop", multiple=True, metavar="COLUMN", help="A column to leave out; may be repeated.")
@click.option("--limit-rows", type=click.IntRange(min=1), help="Learn from the first rows only.")
@click.option("--max-training-time", type=click.FloatRange(min=0, min_open=True), help="Minutes.")
@click.option("--check/--no-check", "look", default=True, help="Read the table before writing the file.")
def add(name: str, more: tuple[str, ...], source: str, table: str | None, look: bool, **options: Any) -> None:
    """Declare a data set with one table: write NAME.yaml into the catalogue.

    A relative --source starts at the working folder; in the file it starts at the file's folder. Of a folder all files
    are meant, where they are of one kind.
    """
    from argn_assets.datasets import check_tables, parse_dataset, read_tables
    from argn_assets.datasets.catalogue import add_file, catalogue_url
    from argn_assets.datasets.locations import absolute, files_of_folder, relative_source

    if more:  # what the shell makes of a pattern without quotes
        raise click.UsageError(f"--source is one file or pattern, and {more[0]} is another. Put a pattern in 'quotes'.")
    url = catalogue_url()
    source = files_of_folder(source) if look else source
    document = _declaration(name, table or name, relative_source(source, url), **options)
    text = f"# Fields and their defaults: docs/how-to/add-a-dataset.md\n{document}"
    if look:
        spec = parse_dataset(text, f"{name}.yaml").in_folder(absolute(url, ""))
        check_tables(spec, read_tables(spec))
    click.echo(f"Wrote {add_file(url, name, text)}. Look at it: argn datasets check {name}")


@datasets.command()
@click.argument("name")
@click.option("--purge", is_flag=True, help="Erase what was made from it too: tables, models, reports.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def remove(name: str, purge: bool, yes: bool) -> None:
    """Delete the declaration of a data set. What was computed from it stays in the store, unless it is purged.

    The sources are never touched.
    """
    from argn_assets.datasets.catalogue import Catalogue, remove_file

    catalogue = Catalogue()
    erased = purge and name not in catalogue.declared_names() and _is_stored(name)  # declared no more, and stored
    file = None if erased else catalogue.entry(name).file
    if not yes:
        what = [*([file] if file else []), *([f"everything that was made of {name}"] if purge else [])]
        click.confirm(f"Delete {' and '.join(what)}?", abort=True)
    if file is not None:
        said = "" if purge else " Its artifacts and its history in Dagster stay."
        click.echo(f"Deleted {remove_file(catalogue.url, name)}.{said}")
    if purge and _is_stored(name):
        _erase(name)


def _is_stored(name: str) -> bool:
    from argn_assets.cli.stored import stored_datasets
    from argn_assets.errors import MissingArtifact
    from argn_assets.orchestration.published import open_store

    try:
        return bool(stored_datasets(open_store(), (name,)))
    except MissingArtifact:
        return False


def _erase(name: str) -> None:
    from argn_assets.orchestration.environment import open_instance
    from argn_assets.orchestration.erasure import erase_dataset
    from argn_assets.orchestration.published import open_store

    store = open_store()  # before the working folder changes to the project's
    with open_instance() as instance:
        click.echo(erase_dataset(store, instance, name))


def _declaration(name: str, table: str, source: str, **options: Any) -> str:
    """Write the YAML of a data set with one table, the given options only."""
    import yaml

    fields: dict[str, Any] = {"source": source}
    for option in ("primary_key", "limit_rows"):
        if options[option] is not None:
            fields[option] = options[option]
    if options["drop"]:
        fields["columns"] = {column: {"role": "drop"} for column in options["drop"]}
    document: dict[str, Any] = {"dataset": name, "tables": {table: fields}}
    if options["max_training_time"] is not None:
        document["generator"] = {"max_training_time": options["max_training_time"]}
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True)


def _report(catalogue: Catalogue, name: str, rows: int | None) -> dict[str, Any]:
    """Read a data set; what is wrong with it is part of the report, so that the others go on."""
    from argn_assets.datasets import check_foreign_keys, read_table

    report: dict[str, Any] = {"dataset": name, "problem": None, "tables": []}
    try:
        spec = catalogue.get(name)
        frames = {table: read_table(spec, table, rows=rows) for table in spec.tables}
        report["tables"] = [_table_report(spec, table, frame) for table, frame in frames.items()]
        if rows is None:  # the first rows of two tables need not belong together
            check_foreign_keys(spec, frames)
    except ArgnError as error:
        report["problem"] = str(error)
    return report


def _table_report(spec: DatasetSpec, table: str, frame: pl.DataFrame) -> dict[str, Any]:
    from argn_assets.cli.estimate import estimate_table
    from argn_assets.datasets import check_tables
    from argn_assets.tables.dtypes import dtype_name
    from argn_assets.tables.infer import infer_encodings

    declared = spec.tables[table]
    check_tables(spec.only(table), {table: frame})
    dtypes = {name: dtype_name(dtype, name) for name, dtype in frame.schema.items()}
    encodings = infer_encodings(frame, declared.encoding_types(), keys=declared.regenerated())
    columns = []
    for name, dtype in dtypes.items():
        choice = encodings.get(name)
        columns.append(
            {
                "column": name,
                "dtype": dtype,
                "nulls": frame[name].null_count(),
                "encoding": choice.encoding if choice else None,
                "reason": choice.reason if choice else _why_not_modelled(declared, name),
                "warning": choice.warning if choice else "",
            }
        )
    estimate = estimate_table(spec, table, frame)
    return {
        "table": table,
        "rows": frame.height,
        "sub_columns": estimate.sub_columns,
        "minutes": estimate.minutes,
        "columns": columns,
        "dropped": list(declared.dropped()),
    }


def _why_not_modelled(declared: TableSpec, column: str) -> str:
    if column == declared.primary_key:
        return "primary key, regenerated"
    if declared.context is not None and column == declared.context.key:
        return f"key of {declared.context.table}, which is its context"
    return "made anew in its form" if declared.column_roles()[column] == "pattern" else "key, regenerated"


def _print_reports(reports: Iterable[dict[str, Any]], rows: int | None) -> None:
    console = open_console()
    for report in reports:
        for table in report["tables"]:
            dropped = f", left out: {', '.join(table['dropped'])}" if table["dropped"] else ""
            first = f" (at most the first {rows:,} looked at)" if rows else ""
            size = f"{table['rows']:,} rows{first}, {table['sub_columns']} sub-columns"
            time = "" if rows else f"; about {table['minutes']:g} min of training"
            title = f"{report['dataset']} · {table['table']}: {size}{dropped}{time}"
            console.print(title, style="bold", markup=False, highlight=False)
            print_table(
                ["column", "type", "missing", "encoding", "why"],
                (
                    (row["column"], row["dtype"], f"{row['nulls']:,}", row["encoding"] or "–", row["reason"])
                    for row in table["columns"]
                ),
            )
            for row in table["columns"]:
                if row["warning"]:
                    click.echo(row["warning"])
        if report["problem"]:
            click.echo(f"{report['dataset']}: {report['problem']}", err=True)
