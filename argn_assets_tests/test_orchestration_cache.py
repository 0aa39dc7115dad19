"""The action cache and the IO manager: what is computed, what is found again, what is refused."""

from __future__ import annotations

import json

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from argn_assets.orchestration.action_cache import action_key
from argn_assets.orchestration.stages import ENCODED_TABLES, RAW_TABLES, STAGES
from argn_assets.store import ArtifactStore
from argn_assets_tests.dagster_world import CHAIN, LIGHT, caches, csv_rows, declaration, failure, told, versions, world

__all__ = ["world"]


def test_a_second_run_computes_nothing_and_tells_the_same(world):  # O11
    world.declare("tiny")
    first, second = world.run("tiny"), world.run("tiny")
    assert set(caches(first).values()) == {"miss"}
    assert set(caches(second).values()) == {"hit"}
    assert versions(first) == versions(second)
    passing = {"cache", "deduplicated_bytes"}
    for asset in LIGHT:
        one, two = told(first)[asset], told(second)[asset]
        assert {k: v for k, v in one.items() if k not in passing} == {k: v for k, v in two.items() if k not in passing}


def test_a_cache_hit_records_its_checks_again(world):  # O11, O20
    world.declare("tiny")
    first, second = world.run("tiny"), world.run("tiny")
    seen = [
        {(it.check_name, it.passed, it.partition, it.description) for it in result.get_asset_check_evaluations()}
        for result in (first, second)
    ]
    assert seen[0] == seen[1]
    raw = {"non_empty", "declared_schema", "primary_key", "foreign_keys", "constraints"}
    assert {name for name, *_ in seen[1]} == {*raw, "codes_in_range", "round_trip", "cardinality_budget"}
    assert {partition for _, _, partition, _ in seen[1]} == {"tiny"}


def test_the_data_version_is_the_digest_of_the_manifest(world):  # O10, T14
    world.declare("tiny")
    result = world.run("tiny")
    store = ArtifactStore.open(str(world.root / "store"), create=False)
    for asset, metadata in told(result).items():
        manifest = store.read_manifest(metadata["manifest"])
        assert versions(result)[asset] == manifest.data_version == metadata["digest"]
        assert store.refs("tiny").read(asset).value["manifest"] == metadata["manifest"]


def test_records_name_what_they_were_made_from(world):  # T4, T5, O16
    world.declare("tiny")
    world.run("tiny")
    store = ArtifactStore.open(str(world.root / "store"), create=False)
    manifest = store.read_manifest(store.refs("tiny").read("encoded_tables").value["manifest"])
    (record,) = manifest.items
    assert record.step_index == ENCODED_TABLES.index
    assert record.producer.asset_key == "encoded_tables"
    assert {source.artifact_id.split(":")[1] for source in record.depends_on} == {"0", "1"}


def test_force_computes_again_and_stores_nothing_twice(world):
    world.declare("tiny")
    first = world.run("tiny")
    blobs = world.blobs
    again = world.run("tiny", config={asset: {"force": True} for asset in LIGHT})
    assert set(caches(again).values()) == {"miss"}
    assert versions(again) == versions(first)
    assert world.blobs == blobs


def test_the_same_rows_written_otherwise_stop_at_the_first_stage(world):  # O31, early cut-off
    world.declare("tiny")
    first = world.run("tiny")
    quoted = csv_rows().replace("large", '"large"')
    (world.catalogue / "tiny.csv").write_text(quoted)
    second = world.run("tiny")
    assert caches(second) == {"raw_tables": "miss", "table_stats": "hit", "encoded_tables": "hit"}
    assert versions(second) == versions(first)


def test_a_new_source_is_computed_anew(world):
    world.declare("tiny")
    first = world.run("tiny")
    (world.catalogue / "tiny.csv").write_text(csv_rows(seed=1))
    second = world.run("tiny")
    assert set(caches(second).values()) == {"miss"}
    assert not set(versions(first).values()) & set(versions(second).values())


def test_a_setting_reaches_only_the_stages_that_depend_on_it(world):
    world.declare("tiny")
    world.run("tiny")
    (world.catalogue / "tiny.yaml").write_text(declaration("tiny", holdout="0.4"))
    assert caches(world.run("tiny")) == {"raw_tables": "hit", "table_stats": "hit", "encoded_tables": "miss"}


def test_the_store_may_be_any_url(world, monkeypatch):  # O10
    monkeypatch.setenv("ARGN_STORE", f"memory://{world.root.name}")
    world.declare("tiny")
    first, second = world.run("tiny"), world.run("tiny")
    assert set(caches(second).values()) == {"hit"}
    assert str(told(first)["raw_tables"]["dagster/uri"]).startswith("memory://")


def test_a_hit_whose_blob_is_gone_is_a_miss(world):  # O11
    world.declare("tiny")
    first = world.run("tiny")
    next(blob for blob in world.blobs if blob.suffix == ".arrow").unlink()
    second = world.run("tiny")
    assert caches(second) == {"raw_tables": "hit", "table_stats": "hit", "encoded_tables": "miss"}
    assert versions(second) == versions(first)


@pytest.mark.parametrize("damage", ["corrupt", "missing"])
def test_a_bad_blob_is_one_permanent_failure_that_names_asset_data_set_and_digest(world, damage):  # O10
    world.declare("tiny")
    world.run("tiny", ["raw_tables"])
    (blob,) = world.blobs
    if damage == "corrupt":
        blob.chmod(0o644)
        blob.write_bytes(blob.read_bytes()[:-1] + b"?")
    else:
        blob.unlink()
    result = world.run("tiny", ["table_stats"])
    step, message = failure(result)
    assert step == "table_stats"
    assert all(part in message for part in ("raw_tables", "'tiny'", "sha256:", "force"))
    (event,) = [event for event in result.all_events if event.is_step_failure]
    assert event.step_failure_data.user_failure_data is not None, "a dagster.Failure, so no retry"


def test_an_asset_that_was_never_made_is_named(world):
    world.declare("tiny")
    _, message = failure(world.run("tiny", ["table_stats"]))
    assert "raw_tables of data set 'tiny' was never materialised" in message


def test_a_failed_blocking_check_is_recorded_and_leaves_nothing_behind(world):  # O20
    world.declare("twice", csv="id,size\na,1\na,2\n")
    result = world.run("twice")
    step, message = failure(result)
    assert step == "raw_tables"
    assert "primary key 'id' repeats" in message
    (check,) = result.get_asset_check_evaluations()
    assert (check.check_name, check.passed, check.partition) == ("primary_key", False, "twice")
    assert world.blobs == []
    assert result.get_asset_materialization_events() == []


def test_an_upstream_run_is_read_as_the_event_log_has_it_and_not_as_the_ref_says(world):  # O10
    world.declare("tiny")
    world.run("tiny", ["raw_tables"])
    store = ArtifactStore.open(str(world.root / "store"), create=False)
    store.refs("tiny").move("raw_tables", {"manifest": "runs/tiny/nothing/manifest.yaml"})
    assert world.run("tiny", ["table_stats"]).success


settings = st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5) | st.none(), max_size=4)


@given(one=settings, other=settings)
def test_keys_are_equal_exactly_when_the_settings_are(one, other):
    keys = [action_key(RAW_TABLES, "a", given, {}) for given in (one, other)]
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (keys[0] == keys[1]) == same


def test_a_key_depends_on_stage_data_set_and_every_input():
    keys = {action_key(stage, "a", {}, {}) for stage in STAGES}
    keys |= {action_key(RAW_TABLES, "b", {}, {}), action_key(RAW_TABLES, "a", {}, {"raw_tables": "sha256:1"})}
    assert len(keys) == len(STAGES) + 2


def test_an_input_of_no_single_data_set_is_a_dict(world):
    from argn_assets.orchestration.io_manager import ContentAddressedIOManager
    from argn_assets.orchestration.partitions import DATASETS
    from argn_assets.orchestration.resources import StoreResource

    for name in ("one", "two"):
        world.declare(name)
        world.run(name, ["raw_tables"])
    context = dg.build_input_context(
        asset_key=dg.AssetKey("raw_tables"),
        asset_partitions_def=DATASETS,
        asset_partition_key_range=dg.PartitionKeyRange("one", "two"),
        instance=world.instance,
    )
    handles = ContentAddressedIOManager(store=StoreResource()).load_input(context)
    assert {name: handle.names() for name, handle in handles.items()} == {"one": ("one",), "two": ("two",)}


def test_a_fidelity_below_the_declared_floor_fails_its_check_and_stops_nothing(world):  # O20
    said = {"floors": "{fidelity: 1.0}", "owners": "[me@example.org]", "tags": "{source: shop}"}
    world.declare("tiny", yaml=declaration("tiny", **said))
    result = world.run("tiny", CHAIN)
    assert result.success
    (floor,) = [it for it in result.get_asset_check_evaluations() if it.check_name == "fidelity_floor"]
    assert not floor.passed
    assert "below the floor of 1.0: 'tiny' 0." in floor.description
    metadata = told(result)["quality_report"]
    assert (metadata["owners"], metadata["tag/source"]) == ("me@example.org", "shop")
