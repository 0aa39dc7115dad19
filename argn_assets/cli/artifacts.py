"""`argn artifacts` and `argn generate`: what the store holds, and rows from a trained artifact.

The published refs say what is current, so neither Dagster nor its database is needed.
"""

from __future__ import annotations

import json
import os
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from argn_assets.cli.group import CommandGroup
from argn_assets.cli.printing import print_table
from argn_assets.datasets.locations import in_project
from argn_assets.datasets.messages import shown_url
from argn_assets.errors import ConfigError, MissingArtifact

if TYPE_CHECKING:
    import polars as pl

    from argn_assets.store import ArtifactStore, Manifest

TRAINED = "trained_artifact"
WRITERS = {".parquet": "write_parquet", ".csv": "write_csv", ".jsonl": "write_ndjson", ".arrow": "write_ipc"}


@click.group(
    cls=CommandGroup,
    elsewhere={
        "export": ("argn_assets.cli.artifact_transfer:export", "Write an artifact with its sources to a tar file."),
        "import": ("argn_assets.cli.artifact_transfer:import_", "Take an artifact with its sources out of a tar file."),
    },
)
def artifacts() -> None:
    """What the store holds.

    The store is .argn/store of the project, or the path or URL in ARGN_STORE.
    """


@artifacts.command("ls")
@click.argument("names", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_artifacts(names: tuple[str, ...], as_json: bool) -> None:
    """Show the current artifacts of data sets (all, if none is named)."""
    store = _store()
    rows = [row for dataset in names or store.datasets() for row in _current(store, dataset)]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
    elif not rows:
        click.echo(f"Nothing is published in {shown_url(store.url)}. Make something: argn backfill --all")
    else:
        headings = ["data set", "asset", "parts", "bytes", "data version", "since"]
        print_table(headings, [_cells(row) for row in rows])


@artifacts.command()
@click.argument("dataset")
@click.argument("asset")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(dataset: str, asset: str, as_json: bool) -> None:
    """Show what one asset of a data set is made of: its parts, their sizes, digests and files."""
    store = _store()
    manifest = _manifest(store, dataset, asset)
    parts = [
        {
            "name": record.name,
            "artifact_id": record.artifact_id,
            "format": record.format,
            "bytes": record.size_bytes,
            "content_hash": record.content_hash,
            "data_hash": record.data_hash,
            "file": f"{store.url.rstrip('/')}/binaries/{dataset}/{record.path}",
            "made_from": [source.artifact_id for source in record.depends_on],
        }
        for record in manifest.items
    ]
    found = {
        "manifest": manifest.path,
        "run_id": manifest.run_id,
        "data_version": manifest.data_version,
        "parts": parts,
    }
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    click.echo(f"{dataset} {asset} {manifest.data_version}\n{manifest.path}, run {manifest.run_id or '–'}")
    print_table(
        ["part", "format", "bytes", "content", "file"],
        [
            (record.name, record.format, f"{record.size_bytes:,}", record.content_hash[:19], record.path)
            for record in manifest.items
        ],
    )


@click.command()
@click.argument("dataset")
@click.option("--rows", type=click.IntRange(min=1), required=True, help="How many rows to draw.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Equal seeds, equal rows.")
@click.option("--table", help="Which table; needed where the data set has several.")
@click.option("--to", type=click.Path(dir_okay=False, path_type=Path), help=f"File to write: {', '.join(WRITERS)}.")
def generate(dataset: str, rows: int, seed: int, table: str | None, to: Path | None) -> None:
    """Draw synthetic rows from the current trained artifact of a data set.

    They are written to a file, or printed as CSV; the data set's synthetic tables stay as they are.
    """
    if to is not None and to.suffix.casefold() not in WRITERS:
        raise ConfigError(f"{to}: a file of an unknown kind. Accepted: {', '.join(WRITERS)}.")
    if to is not None and not to.absolute().parent.is_dir():
        raise ConfigError(f"{to} cannot be written: there is no folder {to.absolute().parent}. Make it first.")
    drawn = _draw(dataset, table, rows, seed)
    if to is None:
        click.echo(drawn.write_csv(), nl=False)
        return
    # Written beside the target and moved, so that nobody reads half a file.
    partial = to.with_name(f".{to.name}.{os.getpid()}")
    try:
        getattr(drawn, WRITERS[to.suffix.casefold()])(partial)
        partial.replace(to)
    except OSError as error:
        raise ConfigError(f"{to} cannot be written: {error.strerror or error}.") from error
    finally:
        partial.unlink(missing_ok=True)
    click.echo(f"Wrote {drawn.height:,} rows to {to}", err=True)


def _draw(dataset: str, table: str | None, rows: int, seed: int) -> pl.DataFrame:
    from argn_assets.seeds import Seed
    from argn_assets.store import ArtifactLoader

    store = _store()
    manifest = _manifest(store, dataset, TRAINED)
    tables = [record.name for record in manifest.items]
    if table is None and len(tables) > 1:
        raise ConfigError(f"Data set {dataset!r} has several tables. Name one with --table: {', '.join(tables)}.")
    record = manifest.by_name(table or tables[0])
    trained = ArtifactLoader.from_manifest(manifest, store).load_bytes(record.artifact_id)

    from argn_assets.artifact import ModelArtifact
    from argn_assets.engine import generate_flat
    from argn_assets.tables.frames import to_polars

    # The seed of the chain's own synthetic table, so that the same number gives the same rows.
    random_state = Seed(seed).child("generate", record.name).value
    return to_polars(generate_flat(ModelArtifact.from_bytes(trained), rows, random_state=random_state))


def _store() -> ArtifactStore:
    from argn_assets.store import ArtifactStore

    url = in_project(os.environ.get("ARGN_STORE") or ".argn/store")
    try:
        return ArtifactStore.open(url, create=False)
    except MissingArtifact as error:
        raise MissingArtifact(
            f"There is no artifact store at {shown_url(url)}. Make something first (argn backfill --all), "
            "or set ARGN_STORE."
        ) from error


def _manifest(store: ArtifactStore, dataset: str, asset: str) -> Manifest:
    refs = store.refs(dataset)
    ref = refs.read(asset)
    if ref is None:
        known = ", ".join(refs.names())
        there = f"It has: {known}." if known else f"Make something: argn backfill {dataset}"
        raise MissingArtifact(f"Data set {dataset!r} has no {asset} in {shown_url(store.url)}. {there}")
    return store.read_manifest(str(ref.value["manifest"]))


def _current(store: ArtifactStore, dataset: str) -> list[dict[str, Any]]:
    """Return what is published of a data set, in the order of the chain."""
    refs = store.refs(dataset)
    published = [(ref, store.read_manifest(str(ref.value["manifest"]))) for ref in map(refs.read, refs.names()) if ref]
    return [
        {
            "dataset": dataset,
            "asset": ref.name,
            "parts": len(manifest.items),
            "bytes": sum(record.size_bytes for record in manifest.items),
            "data_version": manifest.data_version,
            "manifest": manifest.path,
            "since": ref.moved_at.astimezone(UTC).isoformat(),
        }
        for ref, manifest in sorted(published, key=lambda it: it[1].items[0].step_index if it[1].items else -1)
    ]


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    since = row["since"][:16].replace("T", " ") + " UTC"
    return row["dataset"], row["asset"], str(row["parts"]), f"{row['bytes']:,}", row["data_version"][:19], since
