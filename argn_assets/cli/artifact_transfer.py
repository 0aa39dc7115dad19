"""`argn artifacts export` and `import`: an artifact with all that it was made from, as one tar file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from argn_assets.cli.stored import dataset_of
from argn_assets.datasets.locations import in_project
from argn_assets.datasets.messages import shown_url
from argn_assets.errors import ConfigError
from argn_assets.orchestration.published import open_store

if TYPE_CHECKING:
    from argn_assets.store import ArtifactStore


@click.command("export")
@click.argument("artifact")
@click.option("--to", required=True, type=click.Path(dir_okay=False, path_type=Path), help="The tar file to write.")
@click.option("--dataset", help="The data set; needed where several have an artifact of this id.")
@click.option("--run", help="A run's id or folder; what is published, if left out.")
def export(artifact: str, to: Path, dataset: str | None, run: str | None) -> None:
    """Write an artifact and all that it was made from to a tar file.

    ARTIFACT is an id, as `argn artifacts show --json` prints it. The file holds the real tables too, where the artifact
    was made from them. The same artifact gives the same file.
    """
    from argn_assets.store import export_artifact

    store = open_store()
    found = dataset or dataset_of(store, artifact, run)
    # Written beside the target and moved, so that nobody takes half a file.
    partial = to.with_name(f".{to.name}.{os.getpid()}")
    try:
        with partial.open("xb") as target:
            record = export_artifact(store, found, artifact, target, run=run)
        size = partial.stat().st_size
        partial.replace(to)
    except OSError as error:
        raise ConfigError(f"{to} cannot be written: {error.strerror or error}.") from error
    finally:
        partial.unlink(missing_ok=True)
    click.echo(f"Wrote {record.artifact_id} of {found} to {to}: {size:,} bytes.")


@click.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--move-ref", is_flag=True, help="Publish it in place of what is published now.")
def import_(file: Path, move_ref: bool) -> None:
    """Take an artifact and all that it was made from out of a tar file, and publish it.

    Every digest is verified before anything is stored; importing twice changes nothing.
    """
    from argn_assets.store import import_artifact

    store = _make_store()
    with file.open("rb") as source:
        record = import_artifact(store, source, move_ref=move_ref)
    click.echo(f"Imported {record.artifact_id} into {shown_url(store.url)}: {record.manifest}")


def _make_store() -> ArtifactStore:
    from argn_assets.store import ArtifactStore

    return ArtifactStore.open(in_project(os.environ.get("ARGN_STORE") or ".argn/store"))
