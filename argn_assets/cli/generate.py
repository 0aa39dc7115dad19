"""`argn generate`: rows from a trained artifact, without Dagster and its database."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from argn_assets.errors import ConfigError
from argn_assets.orchestration.published import find_manifest, open_store

if TYPE_CHECKING:
    import polars as pl

    from argn_assets.artifact import ModelArtifact

TRAINED = "trained_artifact"
WRITERS = {".parquet": "write_parquet", ".csv": "write_csv", ".jsonl": "write_ndjson", ".arrow": "write_ipc"}


@click.command()
@click.argument("dataset")
@click.option(
    "--rows",
    type=click.IntRange(min=1),
    required=True,
    help="How many rows to draw; of a child, how many of its first ancestor.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Equal seeds, equal rows.")
@click.option("--temperature", type=click.FloatRange(min=0, max=10, min_open=True), help="Below 1 prefers the likely.")
@click.option("--top-p", type=click.FloatRange(min=0, max=1, min_open=True), help="Leave out what is unlikelier.")
@click.option("--table", help="Which table; needed where the data set has several.")
@click.option("--to", type=click.Path(dir_okay=False, path_type=Path), help=f"File to write: {', '.join(WRITERS)}.")
def generate(
    dataset: str,
    rows: int,
    seed: int,
    temperature: float | None,
    top_p: float | None,
    table: str | None,
    to: Path | None,
) -> None:
    """Draw synthetic rows from the current trained artifact of a data set.

    They are written to a file, or printed as CSV; the data set's synthetic tables stay as they are.
    """
    if to is not None and to.suffix.casefold() not in WRITERS:
        raise ConfigError(f"{to}: a file of an unknown kind. Accepted: {', '.join(WRITERS)}.")
    if to is not None and not to.absolute().parent.is_dir():
        raise ConfigError(f"{to} cannot be written: there is no folder {to.absolute().parent}. Make it first.")
    asked = {"temperature": temperature, "top_p": top_p}
    settings = {"rows": rows, "seed": seed} | {name: value for name, value in asked.items() if value is not None}
    drawn = _draw(dataset, table, settings)
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


def _draw(dataset: str, table: str | None, settings: Mapping[str, Any]) -> pl.DataFrame:
    from argn_assets.seeds import Seed
    from argn_assets.store import ArtifactLoader

    store = open_store()
    manifest = find_manifest(store, dataset, TRAINED)
    tables = [record.name for record in manifest.items]
    if table is None and len(tables) > 1:
        raise ConfigError(f"Data set {dataset!r} has several tables. Name one with --table: {', '.join(tables)}.")
    record = manifest.by_name(table or tables[0])
    loader = ArtifactLoader.from_manifest(manifest, store)

    from argn_assets.artifact import ModelArtifact
    from argn_assets.engine import generate_flat
    from argn_assets.tables.frames import to_polars

    artifacts = {it.name: ModelArtifact.from_bytes(loader.load_bytes(it.artifact_id)) for it in manifest.items}
    if artifacts[record.name].ctx_stats is not None:
        return _draw_with_ancestors(dataset, record.name, artifacts, settings)
    # The seed of the chain's own synthetic table, so that the same number gives the same rows.
    random_state = Seed(settings["seed"]).child("generate", record.name).value
    table_drawn = generate_flat(
        artifacts[record.name],
        settings["rows"],
        sampling_temperature=settings.get("temperature", 1.0),
        sampling_top_p=settings.get("top_p", 1.0),
        random_state=random_state,
    )
    return to_polars(table_drawn)


def _draw_with_ancestors(
    dataset: str, table: str, artifacts: Mapping[str, ModelArtifact], settings: Mapping[str, Any]
) -> pl.DataFrame:
    """Draw all tables up to one that depends on others; the declaration says on which."""
    from argn_assets.datasets import Catalogue
    from argn_assets.orchestration.one_table import generate_table

    spec = Catalogue().get(dataset)
    settings = {**spec.sampling.model_dump(), **settings}
    made: dict[str, pl.DataFrame] = {}
    for name in spec.ordered_tables():
        if table not in made:
            made[name] = generate_table(spec, name, artifacts[name], made, settings=settings)
    return made[table]
