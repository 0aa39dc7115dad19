"""What the commands about stored artifacts share: the data sets asked for, an artifact by its name."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from argn_assets.datasets.messages import shown_url
from argn_assets.errors import ConfigError, MissingArtifact

if TYPE_CHECKING:
    from argn_assets.store import ArtifactStore

Command = TypeVar("Command", bound=Callable[..., Any])

DAMAGED = 2  # the exit code that says so


def dataset_option(command: Command) -> Command:
    """Add `--dataset`, which may be given several times."""
    return click.option("--dataset", "datasets", multiple=True, help="A data set; all, if none is named.")(command)


def json_option(command: Command) -> Command:
    """Add `--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def print_json(value: object) -> None:
    """Print a value as JSON."""
    click.echo(json.dumps(value, indent=2))


def stored_datasets(store: ArtifactStore, asked: tuple[str, ...]) -> list[str]:
    """Return the data sets asked for, or all that have anything stored; MissingArtifact for one that has nothing."""
    known = sorted({*store.datasets(), *store.port.names("binaries"), *store.port.names("refs")})
    for dataset in asked:
        if dataset not in known:
            raise MissingArtifact(
                f"{shown_url(store.url)} has nothing of a data set {dataset!r}; it has: {', '.join(known) or 'none'}."
            )
    return list(asked) or known


def named_target(words: tuple[str, ...], dataset: str | None) -> tuple[str | None, str]:
    """Return (data set, asset or artifact id) from `DATASET TARGET`, or from TARGET and `--dataset`.

    Raises:
        UsageError: too few words or too many.
    """
    if len(words) == 2 and dataset is None:
        return words[0], words[1]
    if len(words) == 1 and (dataset is not None or ":" in words[0]):
        return dataset, words[0]
    raise click.UsageError("Name a data set and an asset, or an artifact id: users raw_tables, or users_1f2e…:0:all.")


def dataset_of(store: ArtifactStore, artifact_id: str, run: str | None) -> str:
    """Return the data set that has an artifact; ConfigError if several have, MissingArtifact if none has."""
    found = []
    for dataset in store.datasets():
        try:
            store.find_record(dataset, artifact_id, run)
        except MissingArtifact:
            continue
        found.append(dataset)
    if not found:
        where = f"run {run}" if run else "what is published"
        raise MissingArtifact(f"{artifact_id} is not in {where} in {shown_url(store.url)}. See `argn artifacts ls`.")
    if len(found) > 1:
        raise ConfigError(f"{artifact_id} is in several data sets. Name one with --dataset: {', '.join(found)}.")
    return found[0]
