"""Object stores through fsspec: a finished body with a create-only put, no rename, no listing cache.

`s3://` needs the package s3fs. Google's and Azure's stores work by configuration (gcsfs, adlfs) and are experimental:
no conformance run holds them to the promises of the port.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from time import sleep
from typing import Any, BinaryIO, cast

from argn_assets.errors import ConfigError
from argn_assets.store.port import AgeTest, Entry, Port
from argn_assets.store.spool import temporary_spool

PROTOCOLS = ("s3", "s3a", "gs", "gcs", "abfs", "abfss", "az")

_PRECONDITION_FAILED = 412
_CONFLICT = 409  # another put of this name is under way: S3 asks to try again
_PAUSES_S = (0.05, 0.2, 0.8)
_CLIENT_ERRORS = (  # of the packages behind fsspec: those that are no OSError
    ("botocore.exceptions", "BotoCoreError"),
    ("aiohttp", "ClientError"),
    ("google.auth.exceptions", "GoogleAuthError"),
    ("gcsfs.retry", "HttpError"),
    ("azure.core.exceptions", "AzureError"),
)
_TIMES = ("LastModified", "updated", "last_modified")  # as S3, Google and Azure call it in a listing


class ObjectPort(Port):
    """Objects under a prefix of a bucket.

    Their age is told by the store's own clock. Touching copies an object onto itself, so one that is young enough is
    left alone. There is no removal on condition of an age: `remove_old` looks and then deletes, one request later.

    Args:
        url: what names the store in messages.
        files: an fsspec file system whose `pipe_file` and `put_file` honour `mode="create"`.
        root: bucket and prefix, without a slash at the end.
    """

    shortest_grace = timedelta(hours=2)

    def __init__(self, url: str, files: Any, root: str):
        self.url, self._files, self._root = url.rstrip("/"), files, root.rstrip("/")
        loaded = [(sys.modules[module], name) for module, name in _CLIENT_ERRORS if module in sys.modules]
        self.errors = (OSError, *(getattr(module, name) for module, name in loaded))

    def spool_folder(self) -> Path:
        """Return a folder among the system's temporary files."""
        return temporary_spool()

    def _create(self, path: str, content: bytes | Path) -> bool:
        for pause in _PAUSES_S:
            try:
                return self._put(path, content)
            except OSError as error:
                if _status(error) != _CONFLICT:
                    raise
                sleep(pause)
        return self._put(path, content)

    def _put(self, path: str, content: bytes | Path) -> bool:
        """Put a whole body; False if the name is taken."""
        try:
            # Never a stream: what `open("wb")` has sent so far is published when an exception passes through it.
            if isinstance(content, bytes):
                self._files.pipe_file(self._full(path), content, mode="create")
            else:
                self._files.put_file(str(content), self._full(path), mode="create")
        except FileExistsError:
            return False
        except OSError as error:
            if _status(error) != _PRECONDITION_FAILED:
                raise
            return False
        return True

    def _open(self, path: str) -> BinaryIO:
        stream = self._files.open(self._full(path), "rb", cache_type="readahead")
        if getattr(stream, "details", {}).get("type") == "directory":  # a prefix opens as an empty object
            raise IsADirectoryError(path)
        return cast(BinaryIO, stream)

    def _size(self, path: str) -> int:
        return int(self._info(path)["size"])

    def _names(self, folder: str) -> list[str]:
        found = self._below(folder, self._files.ls(self._full(folder), detail=False))
        return [name for name in (path.rstrip("/").rpartition("/")[2] for path in found) if name]

    def _find(self, folder: str) -> list[str]:
        return self._below(folder, self._files.find(self._full(folder)))

    def _replace(self, path: str, content: bytes) -> None:
        self._files.pipe_file(self._full(path), content)

    def _delete(self, path: str) -> None:
        self._files.rm_file(self._full(path))

    def _entries(self, folder: str) -> list[Entry]:
        found = self._files.find(self._full(folder), detail=True)
        entries = []
        for name, info in found.items():
            with suppress(FileNotFoundError):  # removed since it was listed, if its age has to be asked for
                entries.append(Entry(self._relative(name), int(info["size"]), self._time(info)))
        return [entry for entry in entries if entry.path != folder]

    def _touch(self, path: str) -> None:
        info = self._info(path)
        if self.now() - self._time(info) < self.shortest_grace / 2:
            return
        # S3 refuses to copy an object onto itself unless something changes: the metadata are written anew.
        changes = {"MetadataDirective": "REPLACE"} if "LastModified" in info else {}
        self._files.cp_file(self._full(path), self._full(path), **changes)

    def _remove_if(self, path: str, goes: AgeTest) -> bool:
        old = goes(self._time(self._info(path)))
        if old:
            self._files.rm_file(self._full(path))
        return old

    def _info(self, path: str) -> Mapping[str, Any]:
        """Return what the store says of an object; FileNotFoundError for a prefix, which has no age."""
        info: Mapping[str, Any] = self._files.info(self._full(path))
        if info["type"] != "file":
            raise FileNotFoundError(path)
        return info

    def _time(self, info: Mapping[str, Any]) -> datetime:
        found = next((info[name] for name in _TIMES if info.get(name)), None)
        time = datetime.fromisoformat(found) if isinstance(found, str) else found
        return cast(datetime, time or self._files.modified(info["name"]))

    def _below(self, folder: str, listed: Iterable[object]) -> list[str]:
        """Return the paths in a listing; an object that has the folder's name lists itself, and is not below it."""
        return [path for path in map(self._relative, listed) if path != folder]

    def _relative(self, name: object) -> str:
        return str(name)[str(name).index(self._root) + len(self._root) :].lstrip("/")

    def _full(self, path: str) -> str:
        return f"{self._root}/{path}".rstrip("/")


def open_port(url: str, options: Mapping[str, object]) -> ObjectPort:
    """Open a bucket's prefix; ConfigError if the package for its protocol is not installed."""
    from fsspec.core import url_to_fs

    try:
        # Another process's objects must be seen at once: a cached listing hides them.
        files, root = url_to_fs(url, use_listings_cache=False, **options)
    except ImportError as error:
        raise ConfigError(f"store URL {url!r}: {error}. Install the package and try again.") from error
    return ObjectPort(url, files, root)


def _status(error: BaseException | None) -> int | None:
    """Return the HTTP status behind an error: servers that do not name the failed condition give a plain OSError."""
    while error is not None:
        response = getattr(error, "response", None)
        if isinstance(response, dict):
            return cast("int | None", response.get("ResponseMetadata", {}).get("HTTPStatusCode"))
        error = error.__cause__
    return None
