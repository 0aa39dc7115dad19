"""The IO manager over the content-addressed store.

1. Writing goes blobs → manifest → data version → ref → action; Dagster logs its event last. A crash in between leaves
   orphans, never a name for something absent.
2. What is current is decided by Dagster's event log alone: this run's own upstream event, else the partition's latest.
   Refs are written for readers without Dagster and are never read here.
3. The Dagster data version is the manifest's: the digest of what was stored, not of how.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast
from urllib.parse import unquote

import dagster as dg

from argn_assets.errors import StoreError
from argn_assets.orchestration.action_cache import StoredAction, remember_action
from argn_assets.orchestration.facts import Part, table_of
from argn_assets.orchestration.handles import StoredTables
from argn_assets.orchestration.metadata import storage_metadata
from argn_assets.orchestration.resources import StoreResource
from argn_assets.orchestration.stage_run import Cached, Computed, StageCall
from argn_assets.orchestration.stages import TRAINED_ARTIFACT
from argn_assets.store import ArtifactRegistry, ArtifactStore, Dependency, Manifest, Producer, pipeline_id


class ContentAddressedIOManager(dg.ConfigurableIOManager):
    """Stores the parts of a stage's result as items of one manifest, and gives them back as a lazy handle."""

    store: StoreResource

    def handle_output(self, context: dg.OutputContext, obj: Computed | Cached) -> None:
        """Store a computed result, or name a stored one again; set the data version and the metadata.

        Raises:
            dagster.Failure: the store refused; one message, no retries.
        """
        store = self.store.open()
        try:
            if isinstance(obj, Cached):
                manifest, cache = obj.manifest, "hit"
            else:
                manifest, cache = _store_result(store, context, obj), "miss"
            set_data_version(context, manifest.data_version)
            _move_ref(store, context, manifest)
            if isinstance(obj, Computed):
                _remember(store, obj, manifest)
        except StoreError as error:
            raise dg.Failure(f"{type(error).__name__}: {error}", allow_retries=False) from error
        urls = urls_of(store, manifest)
        places = {name: place_of(url) for name, url in urls.items()}
        uri = next(iter(urls.values()), "")
        context.add_output_metadata(dict(storage_metadata(manifest, places, uri=uri, cache=cache)))

    def load_input(self, context: dg.InputContext) -> StoredTables | dict[str, StoredTables]:
        """Return the current result of the upstream asset; a dict by data set where not exactly one is asked for.

        Raises:
            dagster.Failure: it is not there or its manifest cannot be read; permanent, names asset and data set.
        """
        if not context.has_asset_partitions:
            raise dg.Failure(f"{context.asset_key.to_user_string()} has no data set to load for.", allow_retries=False)
        keys = list(context.asset_partition_keys)
        handles = {dataset: self._current(context, dataset) for dataset in keys}
        return handles[keys[0]] if len(keys) == 1 else handles

    def _current(self, context: dg.InputContext, dataset: str) -> StoredTables:
        asset = context.asset_key.to_user_string()
        path, digest = current_manifest(context, dataset)
        store = self.store.open()
        try:
            manifest = store.read_manifest(path)
        except StoreError as error:
            raise dg.Failure(
                f"{asset} of data set {dataset!r} ({digest}) cannot be loaded: {error} "
                f"Materialise {asset} of this data set again.",
                allow_retries=False,
            ) from error
        return StoredTables(manifest, store, asset=asset)


def set_data_version(context: dg.OutputContext, digest: str) -> None:
    """Make `digest` the Dagster data version of the output.

    `step_context` is not a public part of Dagster: this function is the only one that knows of it, and a test holds
    it. Contexts built in tests have none, and nothing to set.
    """
    try:
        step_context = context.step_context
    except dg.DagsterInvariantViolationError:
        return
    step_context.set_data_version(context.asset_key, dg.DataVersion(digest))


def current_manifest(context: dg.InputContext, dataset: str) -> tuple[str, str]:
    """Return manifest path and digest of the upstream asset's current result, as the event log has it.

    Raises:
        dagster.Failure: it was never materialised for this data set.
    """
    asset_key, run_id = context.asset_key, _run_id(context)
    found = context.instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=asset_key, asset_partitions=[dataset]), limit=20
    ).records
    mine = [record for record in found if record.run_id == run_id]
    for record in [*mine, *found]:
        materialization = record.asset_materialization
        if materialization is not None and "manifest" in materialization.metadata:
            metadata = materialization.metadata
            return str(metadata["manifest"].value), str(metadata["digest"].value)
    asset = asset_key.to_user_string()
    raise dg.Failure(
        f"{asset} of data set {dataset!r} was never materialised, so it cannot be loaded. Materialise {asset} first.",
        allow_retries=False,
    )


def _run_id(context: dg.InputContext) -> str | None:
    try:
        return str(context.step_context.run_id)
    except dg.DagsterInvariantViolationError:
        return None


def urls_of(store: ArtifactStore, manifest: Manifest) -> dict[str, str]:
    """Return the URL of each part, by its name."""
    folder = f"{store.url.rstrip('/')}/binaries/{manifest.dataset}"
    return {record.name: f"{folder}/{record.path}" for record in manifest.items}


def place_of(url: str) -> str:
    """Return what a person can open: a path where the URL is of a local file, else the URL.

    >>> place_of("file:///data/my%20store/a.html"), place_of("s3://bucket/a.html")
    ('/data/my store/a.html', 's3://bucket/a.html')
    """
    return unquote(url.removeprefix("file://")) if url.startswith("file:///") else url


def _store_result(store: ArtifactStore, context: dg.OutputContext, computed: Computed) -> Manifest:
    call = computed.call
    store.ensure_present()  # a folder that is not mounted any more would take the files, and lose them
    registry = ArtifactRegistry(
        store,
        call.spec.dataset,
        # How much of the past is kept shapes no result: changing it does not begin another pipeline.
        pipeline_id=pipeline_id(call.spec.dataset, call.spec.model_dump(mode="json", exclude={"keep"})),
        run_id=context.run_id,
        started_at=_run_started_at(context),
    )
    for output, part in enumerate(computed.result.parts):
        _register(registry, call, part, artifact_id=registry.generate_id(call.stage.index, output=output))
    attempt = context.step_context.previous_attempt_count
    predictions = computed.result.predictions
    return registry.commit(call.stage.index, attempt=attempt, name=call.stage.asset, predictions=predictions)


def _register(registry: ArtifactRegistry, call: StageCall, part: Part, *, artifact_id: str) -> None:
    # Bytes are stored as they are: a stage that has a canonical form of its own keeps it.
    register = registry.register if isinstance(part.value, bytes) else registry.register_object
    register(
        cast(Any, part.value),
        artifact_id=artifact_id,
        name=part.name,
        operation=call.stage.operation,
        artifact_type=part.artifact_type,
        class_name=part.class_name,
        format=part.format,
        depends_on=_sources(call, part),
        params=dict(call.settings),
        producer=Producer(asset_key=call.stage.asset, code_version=call.stage.code_version, run_id=registry.run_id),
    )


def _sources(call: StageCall, part: Part) -> list[Dependency]:
    """Return what a part was made from: the inputs' parts of its tables, or all where none is of its table."""
    records = [record for handle in call.inputs.values() for record in handle.manifest.items]
    tables = {table_of(part.name), *part.made_from}
    mine = [record for record in records if table_of(record.name) in tables]
    return [record.as_dependency() for record in mine or records]


def _run_started_at(context: dg.OutputContext) -> datetime:
    run = context.step_context.instance.get_run_record_by_id(context.run_id)
    return datetime.now(UTC) if run is None else run.create_timestamp.astimezone(UTC)


def _move_ref(store: ArtifactStore, context: dg.OutputContext, manifest: Manifest) -> None:
    value = {"manifest": str(manifest.path), "data_version": manifest.data_version}
    store.refs(manifest.dataset).move(context.asset_key.to_user_string(), value)


def _remember(store: ArtifactStore, computed: Computed, manifest: Manifest) -> None:
    result = computed.result
    action = StoredAction(
        manifest=str(manifest.path), data_version=manifest.data_version, facts=result.facts, checks=result.checks
    )
    remember_action(store, computed.key, action)
    if computed.call.stage is TRAINED_ARTIFACT:
        store.training_states.drop(manifest.dataset, computed.key)
