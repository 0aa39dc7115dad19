"""`argn artifacts ls | show | tree`: what the store holds.

The published refs say what is current, so neither Dagster nor its database is needed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC
from typing import TYPE_CHECKING, Any

import click

from argn_assets.cli.group import CommandGroup
from argn_assets.cli.printing import print_table
from argn_assets.cli.stored import (
    DAMAGED,
    dataset_of,
    dataset_option,
    json_option,
    named_target,
    print_json,
    stored_datasets,
)
from argn_assets.datasets.messages import shown_url
from argn_assets.errors import StoreError
from argn_assets.orchestration.published import find_manifest, open_store

if TYPE_CHECKING:
    from argn_assets.store import ArtifactRecord, ArtifactStore, Manifest


@click.group(
    cls=CommandGroup,
    elsewhere={
        "cleanup": ("argn_assets.cli.artifact_collection:cleanup", "Remove what is not kept any more."),
        "export": ("argn_assets.cli.artifact_transfer:export", "Write an artifact with its sources to a tar file."),
        "import": ("argn_assets.cli.artifact_transfer:import_", "Take an artifact with its sources out of a tar file."),
        "list-orphaned": ("argn_assets.cli.artifact_collection:list_orphaned", "Show files that nothing names."),
        "pin": ("argn_assets.cli.artifact_collection:pin", "Keep artifacts from collection under a name."),
        "purge": ("argn_assets.cli.artifact_collection:purge", "Remove everything of a data set."),
        "stats": ("argn_assets.cli.artifact_collection:stats", "Show how much is stored, named and orphaned."),
        "verify": ("argn_assets.cli.artifact_collection:verify", "Hash everything again and say what is damaged."),
    },
)
def artifacts() -> None:
    """What the store holds.

    The store is .argn/store of the project, or the path or URL in ARGN_STORE.
    """


@artifacts.command("ls")
@click.argument("names", nargs=-1)
@dataset_option
@json_option
def list_artifacts(names: tuple[str, ...], datasets: tuple[str, ...], as_json: bool) -> None:
    """Show the current artifacts of data sets (all, if none is named)."""
    store = open_store()
    rows = [row for dataset in stored_datasets(store, names + datasets) for row in _current(store, dataset)]
    if as_json:
        print_json(rows)
    elif not rows:
        click.echo(f"Nothing is published in {shown_url(store.url)}. Make something: argn backfill --all")
    else:
        headings = ["data set", "asset", "parts", "bytes", "data version", "since"]
        print_table(headings, [_cells(row) for row in rows])


@artifacts.command()
@click.argument("words", nargs=-1, metavar="[DATASET] ASSET|ARTIFACT")
@click.option("--dataset", help="The data set, where it is not the first word.")
@click.option("--run", help="Of an artifact: the run's id or folder; what is published, if left out.")
@json_option
def show(words: tuple[str, ...], dataset: str | None, run: str | None, as_json: bool) -> None:
    """Show what an asset of a data set, or the step that made an artifact, stored: parts, sizes, digests and files."""
    store = open_store()
    manifest = _target(store, words, dataset, run)[0]
    parts = [_part(store, manifest.dataset, record) for record in manifest.items]
    if as_json:
        found = {"manifest": manifest.path, "run_id": manifest.run_id, "data_version": manifest.data_version}
        print_json({**found, "parts": parts})
        return
    click.echo(f"{manifest.dataset} {manifest.name} {manifest.data_version}")
    click.echo(f"{manifest.path}, run {manifest.run_id or '–'}")
    print_table(
        ["part", "artifact id", "format", "bytes", "content", "file"],
        [
            (it.name, it.artifact_id, it.format, f"{it.size_bytes:,}", it.content_hash[:19], it.path)
            for it in manifest.items
        ],
    )


@artifacts.command()
@click.argument("words", nargs=-1, metavar="[DATASET] ASSET|ARTIFACT")
@click.option("--dataset", help="The data set, where it is not the first word.")
@click.option("--run", help="Of an artifact: the run's id or folder; what is published, if left out.")
@json_option
def tree(words: tuple[str, ...], dataset: str | None, run: str | None, as_json: bool) -> None:
    """Show what an artifact was made from, and what that was made from, down to the sources.

    Exit code 2: something of it is missing or corrupt.
    """
    store = open_store()
    branches = [_branch(store, record) for record in _target(store, words, dataset, run)[1]]
    if as_json:
        print_json(branches)
    else:
        for branch in branches:
            for line in _drawn(branch):
                click.echo(line)
    if any(map(_is_damaged, branches)):
        sys.exit(DAMAGED)


def _target(
    store: ArtifactStore, words: tuple[str, ...], dataset: str | None, run: str | None
) -> tuple[Manifest, list[ArtifactRecord]]:
    """Return the manifest that the command is about, and the records in it that were asked for."""
    dataset, name = named_target(words, dataset)
    if ":" not in name:
        manifest = find_manifest(store, str(dataset), name)
        return manifest, list(manifest.items)
    record = store.find_record(dataset or dataset_of(store, name, run), name, run)
    return store.read_manifest(str(record.manifest)), [record]


def _part(store: ArtifactStore, dataset: str, record: ArtifactRecord) -> dict[str, Any]:
    return {
        "name": record.name,
        "artifact_id": record.artifact_id,
        "format": record.format,
        "bytes": record.size_bytes,
        "content_hash": record.content_hash,
        "data_hash": record.data_hash,
        "file": f"{store.url.rstrip('/')}/binaries/{dataset}/{record.path}",
        "made_from": [source.artifact_id for source in record.depends_on],
    }


def _branch(
    store: ArtifactStore, record: ArtifactRecord, above: frozenset[tuple[str, str]] = frozenset()
) -> dict[str, Any]:
    """Return an artifact and, below `sources`, what it was made from; what cannot be followed says so in `problem`."""
    from argn_assets.store.graph import same_bytes

    above |= {(str(record.manifest), record.artifact_id)}
    sources: list[dict[str, Any]] = []
    for source in record.depends_on:
        path = str(source.manifest or record.manifest)
        try:
            if (path, source.artifact_id) in above:
                raise StoreError("it was made from itself")
            found = same_bytes(store.read_manifest(path).record(source.artifact_id), source)
        except StoreError as error:
            named = {"artifact_id": source.artifact_id, "content_hash": source.content_hash}
            sources.append({**named, "problem": str(error)})
        else:
            sources.append(_branch(store, found, above))
    return {
        "artifact_id": record.artifact_id,
        "name": record.name,
        "bytes": record.size_bytes,
        "content_hash": record.content_hash,
        "manifest": record.manifest,
        "sources": sources,
    }


def _is_damaged(branch: dict[str, Any]) -> bool:
    return "problem" in branch or any(map(_is_damaged, branch["sources"]))


def _drawn(branch: dict[str, Any], first: str = "", rest: str = "") -> Iterator[str]:
    """Yield the lines of a tree; `first` stands before the first of them, `rest` before the others."""
    size = f"{branch['bytes']:,} bytes" if "bytes" in branch else branch["problem"]
    yield f"{first}{branch['artifact_id']}  {branch.get('name', '')}  {branch['content_hash'][:19]}  {size}"
    sources = branch.get("sources", [])
    for number, source in enumerate(sources, 1):
        last = number == len(sources)
        yield from _drawn(source, rest + ("└─ " if last else "├─ "), rest + ("   " if last else "│  "))


def _current(store: ArtifactStore, dataset: str) -> list[dict[str, Any]]:
    """Return what is published of a data set, in the order of the chain."""
    refs = store.refs(dataset)
    moved = [ref for ref in map(refs.read, refs.names()) if ref is not None]
    published = [(ref, store.read_manifest(path)) for ref in moved for path in ref.manifests]
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
