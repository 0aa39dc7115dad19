"""`argn artifacts list-orphaned | cleanup | stats | purge | pin | verify`: what goes, what stays, what is damaged.

What removes something is a dry run without `--force`. Exit code 2: something is missing or corrupt.
"""

from __future__ import annotations

import os
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from argn_assets.cli.printing import print_table
from argn_assets.cli.stored import DAMAGED, dataset_option, json_option, print_json, stored_datasets
from argn_assets.errors import ConfigError
from argn_assets.orchestration.published import open_store

if TYPE_CHECKING:
    from argn_assets.datasets import Catalogue
    from argn_assets.store.collect import Collected
    from argn_assets.store.usage import Usage

grace_option = click.option(
    "--grace-hours",
    type=click.FloatRange(min=0),
    default=24.0,
    show_default=True,
    help="What is younger is not touched.",
)
force_option = click.option("--force", is_flag=True, help="Remove it. Without this nothing is removed.")


@click.command("list-orphaned")
@dataset_option
@grace_option
@json_option
def list_orphaned(datasets: tuple[str, ...], grace_hours: float, as_json: bool) -> None:
    """Show the files that no manifest names and that are older than the grace period."""
    from argn_assets.store.collect import Collector

    store = open_store()
    collector = Collector(store, grace_period_hours=grace_hours)
    asked = stored_datasets(store, datasets)
    unnamed = [(dataset, blob) for dataset in asked for blob in collector.unnamed_blobs(dataset)]
    old = [(dataset, blob) for dataset, blob in unnamed if blob.touched_at <= collector.grace_begins]
    rows = [(dataset, blob.path.split("/", 2)[2], blob.size_bytes) for dataset, blob in old]
    if as_json:
        print_json([{"dataset": dataset, "name": name, "bytes": size} for dataset, name, size in rows])
        return
    if rows:
        print_table(["data set", "file", "bytes"], [(dataset, name, f"{size:,}") for dataset, name, size in rows])
    else:
        click.echo("No orphaned artifacts.")
    if len(unnamed) > len(old):
        young = len(unnamed) - len(old)
        click.echo(
            f"{young} more, named by nothing yet, made or used within the last {grace_hours:g} hours: they stay."
        )


@click.command()
@dataset_option
@grace_option
@force_option
@json_option
def cleanup(datasets: tuple[str, ...], grace_hours: float, force: bool, as_json: bool) -> None:
    """Remove steps that are not kept any more, then files that nothing names, then what crashed writers left.

    How much is kept is said by `keep` in the data set's YAML file; else the last 5 of every step, and 90 days.
    """
    from argn_assets.orchestration.collection import collect_datasets
    from argn_assets.store.collect import Collector

    store = open_store()
    collector = Collector(store, grace_period_hours=grace_hours, dry_run=not force)
    done = collect_datasets(collector, _catalogue(), stored_datasets(store, datasets))
    _print_collected(done, force=force, as_json=as_json)


@click.command()
@click.option("--dataset", required=True, help="The data set.")
@force_option
@json_option
def purge(dataset: str, force: bool, as_json: bool) -> None:
    """Remove everything of a data set from the store, young or pinned or damaged.

    Its YAML file stays, and so do its sources. Nothing should be running for it.
    """
    store = open_store()
    stored_datasets(store, (dataset,))
    _print_collected({dataset: store.purge_dataset_artifacts(dataset, dry_run=not force)}, force=force, as_json=as_json)


@click.command()
@dataset_option
@grace_option
@json_option
def stats(datasets: tuple[str, ...], grace_hours: float, as_json: bool) -> None:
    """Show how much is stored, how much of it is referenced or orphaned, and what deduplication saves."""
    store = open_store()
    usages = [
        store.measure_usage(dataset, grace_period_hours=grace_hours) for dataset in stored_datasets(store, datasets)
    ]
    if as_json:
        print_json([{**asdict(it), "saved_bytes": it.saved_bytes, "saved_share": it.saved_share} for it in usages])
    elif not usages:
        click.echo("Nothing is stored.")
    else:
        for usage in usages:
            click.echo(f"{usage.dataset}")
            for heading, text in _usage_lines(usage):
                click.echo(f"  {heading:<22} {text}")
    if any(usage.missing_blobs for usage in usages):
        sys.exit(DAMAGED)


@click.command()
@dataset_option
@click.option("--quarantine", is_flag=True, help="Move corrupt files aside, so that a new result takes their place.")
@json_option
def verify(datasets: tuple[str, ...], quarantine: bool, as_json: bool) -> None:
    """Hash everything again and say what is missing, corrupt or unreferenced; exit code 2 if anything is damaged."""
    store = open_store()
    reports = [store.verify_artifacts(dataset, quarantine=quarantine) for dataset in stored_datasets(store, datasets)]
    if as_json:
        print_json([{**asdict(report), "damaged": report.damaged} for report in reports])
    else:
        for report in reports:
            click.echo(
                f"{report.dataset}: {report.blobs} files of {report.blob_bytes:,} bytes, {report.manifests} manifests, "
                f"{report.refs} refs: {'DAMAGED' if report.damaged else 'whole'}"
            )
            for finding in report.findings:
                click.echo(f"  {finding.kind}: {finding.path} – {finding.detail}")
            for path, place in report.moved.items():
                click.echo(f"  moved {path} to {place}")
    if any(report.damaged for report in reports):
        sys.exit(DAMAGED)


@click.command()
@click.argument("name", required=False)
@dataset_option
@click.option("--run", help="Keep what this run made: its id or folder.")
@click.option("--artifact", help="Keep the step that made this artifact; of --run, or of what is published.")
@click.option("--remove", is_flag=True, help="Let the pin keep nothing any more.")
@json_option
def pin(
    name: str | None, datasets: tuple[str, ...], run: str | None, artifact: str | None, remove: bool, as_json: bool
) -> None:
    """Keep artifacts from collection under a NAME: of a run, one artifact, or else what is current now.

    What they were made from is kept too. Without NAME, show the pins that there are.
    """
    store = open_store()
    if name is not None:
        if len(datasets) != 1:
            raise click.UsageError("Name the data set of the pin with --dataset.")
        (dataset,) = stored_datasets(store, datasets)
        if remove:
            store.unpin_artifacts(dataset, name)
        else:
            store.pin_artifacts(dataset, name, run=run, artifact_id=artifact)
    elif remove or run or artifact:
        raise ConfigError("A pin has a name: argn artifacts pin NAME --dataset DATASET.")
    pins = {dataset: store.refs(dataset).pins() for dataset in stored_datasets(store, datasets)}
    rows = [(dataset, pinned, list(manifests)) for dataset in pins for pinned, manifests in pins[dataset].items()]
    if as_json:
        print_json([{"dataset": it[0], "pin": it[1], "manifests": it[2]} for it in rows])
    elif not rows:
        click.echo("No pins.")
    else:
        click.echo("\n".join(f"{dataset} {pinned} {path}" for dataset, pinned, paths in rows for path in paths))


def _catalogue() -> Catalogue | None:
    """Return the catalogue; None where the project has none and the environment names none: nothing is declared."""
    from argn_assets.datasets import Catalogue
    from argn_assets.datasets.catalogue import catalogue_url

    return Catalogue() if os.environ.get("ARGN_DATASETS") or os.path.isdir(catalogue_url()) else None


def _print_collected(done: dict[str, Collected], *, force: bool, as_json: bool) -> None:
    if as_json:
        print_json([{"dataset": dataset, "removed": force, **asdict(it)} for dataset, it in done.items()])
        return
    from argn_assets.orchestration.collection import summary

    for dataset, collected in done.items():
        for path in removed_paths(collected):
            click.echo(f"  {path}")
        click.echo(summary(dataset, collected, removed=force))
    if not force and any(removed_paths(it) for it in done.values()):
        click.echo("Nothing was removed. Say --force to remove it.")


def removed_paths(it: Collected) -> list[str]:
    """Return everything that went, or would."""
    return [*it.refs, *it.manifests, *it.blobs, *it.training_states, *it.unfinished]


def _usage_lines(usage: Usage) -> list[tuple[str, str]]:
    lines = [
        ("Total artifacts", f"{usage.blobs} files, {usage.blob_bytes:,} bytes"),
        (
            "Referenced",
            f"{usage.referenced_blobs} files, {usage.referenced_bytes:,} bytes, by {usage.manifests} manifests",
        ),
        ("Orphaned", f"{usage.orphaned_blobs} files, {usage.orphaned_bytes:,} bytes"),
        ("Not referenced yet", f"{usage.young_blobs} files, {usage.young_bytes:,} bytes, within the grace period"),
        (
            "Deduplication savings",
            f"{usage.saved_bytes:,} bytes, {usage.saved_share:.1%} "
            f"({usage.referenced_blobs} unique files for {usage.references} references)",
        ),
    ]
    if usage.missing_blobs:
        lines.append(("MISSING", f"{usage.missing_blobs} files; argn artifacts verify says which"))
    return lines
