"""Sources as people write them – paths, URLs, globs, files of installed packages – to files that can be read.

A relative source starts at the folder of the YAML file that declares it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import IO, TYPE_CHECKING

from argn_assets.datasets.folders import name_its_files, patterns_in
from argn_assets.datasets.messages import listing, shown_text, shown_url, suggestion
from argn_assets.errors import SourceError

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

_PACKAGE = "package://"
_MAGIC = frozenset("*?[")


@dataclass(frozen=True)
class SourceFile:
    """One file of a source: the file system that holds it, its path there, and its name for messages."""

    system: AbstractFileSystem
    path: str
    shown: str

    @property
    def name(self) -> str:
        """The path in lower case, as it is matched with suffixes: a web address goes without its query."""
        path = self.path.partition("?")[0] if self.path.startswith(("http://", "https://")) else self.path
        return path.casefold()

    @property
    def is_local(self) -> bool:
        """Tell whether the file is on this machine's disks."""
        return "file" in _protocols(self.system)

    @property
    def is_near(self) -> bool:
        """Tell whether reading the whole file costs no network."""
        return self.is_local or "memory" in _protocols(self.system)

    def open(self) -> IO[bytes]:
        """Open for reading; SourceError names the file when that fails."""
        try:
            handle: IO[bytes] = self.system.open(self.path, "rb")
        except Exception as error:  # each file system has errors of its own
            raise unreadable(self.shown, error) from error
        return handle

    def read_bytes(self) -> bytes:
        """Return the content; SourceError names the file when it cannot be read."""
        with self.open() as handle:
            try:
                return handle.read()
            except Exception as error:
                raise unreadable(self.shown, error) from error


def unreadable(shown: str, error: Exception) -> SourceError:
    """Word the error of a file system."""
    if isinstance(error, PermissionError):
        return SourceError(f"{shown} cannot be read: permission denied. Give this user the right to read it.")
    return SourceError(f"{shown} cannot be read: {type(error).__name__}: {shown_text(str(error))}")


def absolute(source: str, folder: str) -> str:
    """Return a source as a URL or an absolute path; a relative one starts at `folder`, a path or URL.

    >>> absolute("raw/planes.csv", "s3://bucket/datasets")
    's3://bucket/datasets/raw/planes.csv'
    >>> absolute("gs://bucket/planes.csv", "s3://bucket/datasets")
    'gs://bucket/planes.csv'
    """
    if "://" in source or "::" in source:
        return source
    expanded = os.path.expanduser(source)
    if os.path.isabs(expanded):
        return expanded
    if "://" in folder:
        return f"{folder.rstrip('/')}/{expanded}"
    return os.path.normpath(os.path.join(os.path.abspath(folder or "."), expanded))


def in_project(place: str) -> str:
    """Return a relative path as one of the project: the nearest folder upwards that has a `dagster.yaml`.

    Absolute paths and URLs come back as they are, and so does everything where there is no such folder.
    """
    place = place if "://" in place else os.path.expanduser(place)
    if "://" in place or os.path.isabs(place):
        return place
    here = Path.cwd()
    project = next((folder for folder in (here, *here.parents) if (folder / "dagster.yaml").is_file()), here)
    return place if project == here else str(project / place)


def relative_source(source: str, folder: str) -> str:
    """Return a source that starts at the working directory as one that starts at `folder`, a path or URL.

    >>> relative_source("data/planes.csv", "datasets"), relative_source("s3://bucket/planes.csv", "datasets")
    ('../data/planes.csv', 's3://bucket/planes.csv')
    """
    place = absolute(source, "")
    if "://" in place or "::" in place or os.path.isabs(os.path.expanduser(source)):
        return source
    return place if "://" in folder else os.path.relpath(place, absolute(folder, "")).replace(os.sep, "/")


def files_of_folder(source: str) -> str:
    """Return the pattern of a folder's files where they are of one kind; anything else as it is.

    Args:
        source: path or URL; a relative path starts at the working directory.
    Raises:
        SourceError: the folder holds files of several kinds, or none that can be read.
    """
    if source.startswith(_PACKAGE) or _MAGIC & set(source):
        return source
    system, path = open_system(absolute(source, ""), shown_url(source))
    if not system.isdir(path):
        return source
    patterns = patterns_in(system, path, source)
    if len(patterns) != 1:
        raise SourceError(name_its_files(patterns, shown_url(source)))
    return next(iter(patterns))


def source_files(source: str, folder: str = "") -> list[SourceFile]:
    """Return the files of a source, globs in sorted order; at least one.

    Args:
        source: path, fsspec URL, either with * ? [ ] **, or package://NAME/path of a file in an installed package.
        folder: where a relative source starts.
    Raises:
        SourceError: nothing is there, it is a folder, its package or file system is not installed.
    """
    url = _package_path(source) if source.startswith(_PACKAGE) else absolute(source, folder)
    shown = source if source.startswith(_PACKAGE) else shown_url(url)
    system, path = open_system(url, shown)
    try:
        return _found(system, path, shown)
    except SourceError:
        raise
    except Exception as error:  # each file system has errors of its own
        raise unreadable(shown, error) from error


def open_system(url: str, shown: str) -> tuple[AbstractFileSystem, str]:
    """Return the file system of a URL and the path within it; SourceError where there is none."""
    from fsspec import available_protocols
    from fsspec.core import url_to_fs

    try:
        system, path = url_to_fs(url)
    except ImportError as error:
        raise SourceError(f"{shown}: {error}") from error
    except ValueError as error:
        protocol = url.split("://", 1)[0]
        if protocol in available_protocols():
            raise SourceError(f"{shown} is not a URL that can be read: {error}") from error
        hint = suggestion(protocol, available_protocols())
        raise SourceError(f"{shown}: there is no file system called {protocol!r}.{hint}") from error
    except Exception as error:  # missing credentials, in the file system's own words
        raise unreadable(shown, error) from error
    system.invalidate_cache()  # listings are remembered for the life of the process; sensors look again and again
    return system, str(path)


def _found(system: AbstractFileSystem, path: str, shown: str) -> list[SourceFile]:
    if system.isfile(path):
        return [SourceFile(system, path, shown)]
    if _MAGIC & set(path):
        matches = system.glob(path, detail=True)
        files = sorted(name for name, info in matches.items() if info.get("type") != "directory")
        if not files:
            raise SourceError(f"{shown} matches no file.")
        return [SourceFile(system, name, _shown_match(system, name, shown)) for name in files]
    if system.isdir(path):
        raise SourceError(name_its_files(patterns_in(system, path, shown), shown))
    raise SourceError(f"{shown} does not exist.{_neighbours(system, path)}")


def _shown_match(system: AbstractFileSystem, name: str, shown: str) -> str:
    return shown_url(system.unstrip_protocol(name)) if "://" in shown else name


def _neighbours(system: AbstractFileSystem, path: str) -> str:
    """Say what is there instead of a missing file."""
    parent, _, name = path.rpartition("/")
    try:
        names = sorted(str(entry).rstrip("/").rpartition("/")[2] for entry in system.ls(parent or "/", detail=False))
    except Exception:  # noqa: BLE001 – the hint is not worth a second error
        return " Its folder does not exist either."
    return suggestion(name, names) or (f" Its folder holds: {listing(names)}." if names else " Its folder is empty.")


def _protocols(system: AbstractFileSystem) -> tuple[str, ...]:
    return (system.protocol,) if isinstance(system.protocol, str) else tuple(system.protocol)


def _package_path(source: str) -> str:
    """Return where a package's file lies. The package is found, not imported: importing runs its code."""
    package, _, inside = source.removeprefix(_PACKAGE).partition("/")
    if not package.isidentifier() or not inside or ".." in Path(inside).parts or inside.startswith("/"):
        raise SourceError(f"{source!r} should be package://NAME/path/inside/the/package, without '..'.")
    found = find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise SourceError(f"{source}: the package {package!r} is not installed here. Run: pip install {package}")
    return str(Path(next(iter(found.submodule_search_locations))) / inside)
