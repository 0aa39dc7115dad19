"""The commands of `argn` that need Dagster: `argn backfill`, `argn rollback`, `argn datasets sync`."""

from __future__ import annotations

import sys

import click

from argn_assets.orchestration.environment import open_instance, parse_tags, quiet_preview_warnings

INTERRUPTED = 130  # the exit code that shells give to what Ctrl-C ended


@click.command()
@click.argument("names", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Every data set of the catalogue.")
@click.option("--tag", "tags", multiple=True, metavar="NAME=VALUE", help="Those with this tag; may be repeated.")
@click.option("--failed", is_flag=True, help="Those whose last run failed; what went well in it is not repeated.")
@click.option("--force", is_flag=True, help="Compute everything again, even where nothing changed.")
def backfill(names: tuple[str, ...], everything: bool, tags: tuple[str, ...], failed: bool, force: bool) -> None:
    """Run the whole chain for data sets, one run each; what did not change is not computed again.

    A data set that fails does not stop the others; the exit code is 1 then. Ctrl-C stops them all within seconds; the
    same command goes on where it stopped, in the middle of a training too.
    """
    if [bool(names), everything, bool(tags), failed].count(True) != 1:
        raise click.UsageError("Name the data sets, or say one of --all, --tag and --failed.")
    from argn_assets.datasets import Catalogue
    from argn_assets.definitions import defs
    from argn_assets.orchestration.backfill import DatasetOutcome, failed_datasets, run_chain
    from argn_assets.orchestration.partitions import sync_partitions
    from argn_assets.orchestration.terminal import Display, show_outcomes

    quiet_preview_warnings()
    with open_instance() as instance:
        catalogue = Catalogue()
        problems = {entry.name: entry.problem for entry in catalogue.entries() if entry.problem is not None}
        asked = list(names) or catalogue.declared_names()
        for name in asked:
            catalogue.entry(name)
        if tags:
            asked = catalogue.tagged(parse_tags(tags, "--tag"))
        if failed:
            asked = failed_datasets(instance, asked)
        if not asked:
            click.echo("No data set is meant: none " + ("failed." if failed else "is declared with this."))
            return
        sync_partitions(instance, catalogue.names())
        usable = [name for name in asked if name not in problems]
        try:
            with Display(usable) as display:
                made = run_chain(defs(), instance, usable, force=force, listener=display.hear)
        except KeyboardInterrupt:
            click.echo("Stopped. The same command goes on from here, in the middle of a training too.", err=True)
            sys.exit(INTERRUPTED)
    done = {outcome.dataset: outcome for outcome in made}
    outcomes = [done.get(name) or DatasetOutcome(dataset=name, error=problems[name]) for name in asked]
    show_outcomes(outcomes)
    if any(outcome.error for outcome in outcomes):
        sys.exit(1)


@click.command()
@click.argument("dataset")
@click.option("--to", help="A run id, or a digest of tables or a model, or its first digits; left out: those before.")
def rollback(dataset: str, to: str | None) -> None:
    """Make earlier synthetic tables current again, with the model that made them and their report.

    Nothing is computed, and nothing is lost: the way forward is a rollback to the newer ones.
    """
    from argn_assets.orchestration.published import open_store
    from argn_assets.orchestration.rollback import roll_back

    with open_instance() as instance:
        changed = roll_back(instance, open_store(), dataset, to)
    for rolled in changed:
        asset, run = rolled.after.asset, rolled.after.run_id[:8] or "rollback"
        click.echo(f"{asset}: {rolled.before.digest[:19]}… → {rolled.after.digest[:19]}… (run {run})")
    if not changed:
        click.echo("Those are the current ones; nothing was changed.")


@click.command()
def sync() -> None:
    """Make a Dagster partition of every declared data set that is none yet."""
    from argn_assets.datasets import Catalogue
    from argn_assets.orchestration.partitions import sync_partitions

    with open_instance() as instance:
        catalogue = Catalogue()
        added = sync_partitions(instance, catalogue.names())
    click.echo(
        f"{len(catalogue.names())} data sets declared, {len(added)} new{': ' if added else '.'}{', '.join(added)}"
    )
    for problem in catalogue.problems().values():
        click.echo(problem, err=True)
    if catalogue.problems():
        sys.exit(1)
