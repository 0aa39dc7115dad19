"""The store on a server that speaks S3 (T25), and on a network that loses answers (T20)."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from argn_assets.errors import CorruptArtifact, MissingArtifact, StoreUnavailable
from argn_assets.store import ArtifactLoader, ArtifactStore
from argn_assets.store.port import Port, open_port
from argn_assets_tests.conformance.backend import BackendTests, new_registry
from argn_assets_tests.conformance.s3_proxy import LOST, S3Proxy, s3_proxy
from argn_assets_tests.conformance.s3_server import S3Server, s3_server

MANY = 1100  # a listing of S3 has a thousand names at most
IN_PARTS = 101 << 20  # bytes from which on s3fs uploads an object in parts


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with s3_server() as running:
        yield running


class TestS3(BackendTests):
    @pytest.fixture
    def port(self, server: S3Server) -> Port:
        return open_port(f"s3://{server.new_bucket()}/a/store", server.options)


@dataclass(frozen=True)
class Unreliable:
    """A bucket behind a network that can be told to fail."""

    store: ArtifactStore
    network: S3Proxy


@pytest.fixture
def unreliable(server: S3Server) -> Iterator[Unreliable]:
    with s3_proxy(server.endpoint) as network:
        options = {**server.options, "endpoint_url": network.endpoint}
        yield Unreliable(ArtifactStore.open(f"s3://{server.new_bucket()}/store", options=options), network)


def register(store: ArtifactStore, rows: int = 3) -> tuple[str, str]:
    """Register and commit a report and publish its step; return the manifest's path and the id."""
    registry = new_registry(store, f"run-{rows}")
    record = registry.register_object(
        {"rows": rows},
        artifact_id=registry.generate_id(1),
        operation="fit",
        artifact_type="report",
        class_name="Stats",
        format="json",
    )
    manifest = registry.commit(1, name="table_stats")
    store.refs("cdnow").move("table_stats", {"manifest": manifest.path})
    return str(manifest.path), record.artifact_id


@pytest.mark.parametrize("lost", range(3))
def test_an_answer_lost_on_the_network_is_no_conflict_with_oneself(unreliable: Unreliable, lost: int) -> None:  # T20
    # The client repeats such a put by itself and is told that the name is taken. Puts in turn: blob, manifest, ref.
    unreliable.network.faults = [None] * lost + [LOST]
    path, artifact_id = register(unreliable.store)
    assert unreliable.network.faults == []
    fresh = ArtifactStore(unreliable.store.port)
    assert ArtifactLoader.from_manifest(fresh.read_manifest(path), fresh).load_by_id(artifact_id) == {"rows": 3}
    assert len(fresh.refs("cdnow").history("table_stats")) == 1


def test_a_conflict_with_a_put_under_way_is_tried_again(unreliable: Unreliable) -> None:
    unreliable.network.faults = [409, 409]
    assert unreliable.store.port.create("a/b", b"content") is True
    unreliable.network.faults = [409] * 4
    with pytest.raises(StoreUnavailable, match="a/c"):
        unreliable.store.port.create("a/c", b"content")


def test_a_refused_condition_counts_as_taken_even_if_the_server_does_not_name_it(unreliable: Unreliable) -> None:
    unreliable.network.faults = [412]
    assert unreliable.store.port.create("a/b", b"content") is False


def test_a_refusal_is_reported_with_its_cause_and_nothing_is_stored(unreliable: Unreliable) -> None:
    unreliable.network.faults = [403]
    with pytest.raises(StoreUnavailable, match=r"binaries/cdnow/report_Stats_\w+\.json") as caught:
        register(unreliable.store)
    assert isinstance(caught.value.__cause__, OSError)
    assert unreliable.store.port.find("binaries") == []
    register(unreliable.store)


def test_a_server_that_is_away_is_unavailable_with_the_clients_error_as_the_cause(server: S3Server) -> None:
    from botocore.exceptions import EndpointConnectionError

    once = {"retries": {"max_attempts": 0}}
    port = open_port(
        "s3://bucket/store", {**server.options, "endpoint_url": "http://127.0.0.1:9", "config_kwargs": once}
    )
    with pytest.raises(StoreUnavailable, match=r"s3://bucket/store/a/b.*127\.0\.0\.1:9") as caught:
        port.read("a/b")
    assert isinstance(caught.value.__cause__, EndpointConnectionError)
    for ask in (port.size, port.names, port.delete):
        with pytest.raises(StoreUnavailable):
            ask("a/b")


def test_a_bucket_that_is_not_there_is_refused_by_name(server: S3Server) -> None:
    with pytest.raises(StoreUnavailable, match=r"s3://no-such-bucket/store.*bucket does not exist"):
        ArtifactStore.open("s3://no-such-bucket/store", options=server.options)
    with pytest.raises(MissingArtifact, match="s3://no-such-bucket/store"):
        ArtifactStore.open("s3://no-such-bucket/store", options=server.options, create=False)


def test_changed_bytes_are_found_out(unreliable: Unreliable) -> None:  # T12
    path, artifact_id = register(unreliable.store)
    manifest = unreliable.store.read_manifest(path)
    unreliable.store.port.replace(f"binaries/cdnow/{manifest.items[0].path}", b'{"rows":4}')
    with pytest.raises(CorruptArtifact, match="binaries/cdnow/report_Stats"):
        ArtifactLoader.from_manifest(manifest, unreliable.store).load_by_id(artifact_id)


@pytest.mark.slow
def test_an_object_uploaded_in_parts_is_created_once_too(server: S3Server, tmp_path: Path) -> None:
    port = open_port(f"s3://{server.new_bucket()}/store", server.options)
    spooled = tmp_path / "spooled"
    spooled.write_bytes(b"f" * IN_PARTS)
    assert port.create("a/b", b"b" * IN_PARTS) is True
    assert port.create("a/b", spooled) is False
    assert port.create("a/f", spooled) is True
    assert port.create("a/f", b"b" * IN_PARTS) is False
    assert port.digest("a/f") != port.digest("a/b")
    assert port.size("a/f") == IN_PARTS


@pytest.mark.slow
def test_a_listing_goes_on_after_a_thousand_names(server: S3Server) -> None:
    port = open_port(f"s3://{server.new_bucket()}/store", server.options)
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda number: port.create(f"a/{number}", b""), range(MANY)))
    assert len(port.names("a")) == len(port.find("a")) == len(port.entries("a")) == MANY
