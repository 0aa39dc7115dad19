"""Names in the store: closed alphabets, so that nothing from outside can leave the root.

Every name that becomes part of a path is checked here before it is joined, whether it comes from a caller, from a
manifest or from another store (T26).
"""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime

from argn_assets.errors import UnsafeName

HASH_DIGITS = (12, 16, 24, 64)  # digits of the content hash in a file name: the shortest that is free
MAX_PATH_LENGTH = 1024  # the shortest limit among the back-ends: an S3 key

_SEGMENT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}")
_DATASET = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}")
_CLASS = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_PIPELINE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
_RUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")
_EXTENSION = re.compile(r"[a-z0-9]{1,16}")
_DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}


def check_dataset(name: str) -> str:
    """Return the name of a data set unchanged; UnsafeName if it is not `^[a-z0-9][a-z0-9_.-]{0,62}$` without `..`."""
    return _checked(name, _DATASET, "data set", "a-z, 0-9, _, . and -, 1 to 63 of them, not starting with _ . or -")


def check_class_name(name: str) -> str:
    """Return a class name unchanged; UnsafeName if it is not an ASCII identifier of at most 64 characters."""
    return _checked(name, _CLASS, "class", "an identifier of at most 64 letters, digits and _")


def check_pipeline_id(name: str) -> str:
    """Return a pipeline id unchanged; UnsafeName if it is empty, longer than 100, or holds `:`, `/` or `..`.

    >>> check_pipeline_id("cdnow_1f2e3d4c5b6a")
    'cdnow_1f2e3d4c5b6a'
    """
    return _checked(name, _PIPELINE, "pipeline id", "letters, digits, _, . and -, at most 100, no `:`")


def check_key(name: str, kind: str) -> str:
    """Return the name of a ref or the key of an action unchanged; UnsafeName (which names `kind`) if unusable."""
    return _checked(name, _KEY, kind, "letters, digits, _, . and -, 1 to 128 of them")


def check_path(path: str) -> str:
    """Return a path relative to the store's root unchanged.

    Raises:
        UnsafeName: it is empty, absolute, too long, or a part is `..`, hidden, a device name or of other characters.
    """
    if len(path) > MAX_PATH_LENGTH:
        raise UnsafeName(
            f"a path of {len(path)} characters, {path[:60]!r}…; a store path has at most {MAX_PATH_LENGTH}."
        )
    for part in path.split("/"):
        _checked(part, _SEGMENT, f"part of the path {path!r}", "letters, digits, _, . and -")
    return path


def is_path(path: str) -> bool:
    """Say whether `check_path` takes a path."""
    try:
        check_path(path)
    except UnsafeName:
        return False
    return True


def blob_name(artifact_type: str, class_name: str, content_hash: str, extension: str, digits: int = 12) -> str:
    """Return a blob's file name; `content_hash` is `sha256:<64 hex>`, `digits` of them go into the name.

    >>> blob_name("model", "ModelArtifact", "sha256:" + "ab" * 32, "argn")
    'model_ModelArtifact_abababababab.argn'
    """
    _checked(extension, _EXTENSION, "extension", "1 to 16 of a-z and 0-9")
    short = content_hash.removeprefix("sha256:")[:digits]
    return f"{artifact_type}_{check_class_name(class_name)}_{short}.{extension}"


def digits_in(name: str) -> str:
    """Return the digits of the content hash in a blob's file name, "" when it is not named like one.

    >>> digits_in("table_planes_0123456789ab.parquet")
    '0123456789ab'
    """
    stem = name.rpartition("_")[2].partition(".")[0]
    return stem if len(stem) in HASH_DIGITS and not set(stem) - set("0123456789abcdef") else ""


def run_folder(started_at: datetime, run_id: str) -> str:
    """Return the folder of a run: its UTC date and the first eight characters of its id.

    >>> run_folder(datetime(2026, 3, 1, 23, 0, tzinfo=UTC), "5f1c9a3e-77aa")
    '20260301_5f1c9a3e'
    """
    _checked(run_id, _RUN, "run id", "letters, digits and -, starting with a letter or digit")
    if started_at.tzinfo is None:
        raise UnsafeName(f"started_at {started_at} of run {run_id} has no time zone; give an aware datetime.")
    return f"{started_at.astimezone(UTC):%Y%m%d}_{run_id[:8]}"


def slug(text: str) -> str:
    """Return `text` in lower case with every run of other characters than a-z, 0-9 as one `_`, 48 at most.

    >>> slug("Online Shoppers (2024)")
    'online_shoppers_2024'
    """
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")[:48].rstrip("_") or "x"


def short_hash(content: bytes, digits: int = 12) -> str:
    """Return the first hex digits of the SHA-256 of `content`."""
    return hashlib.sha256(content).hexdigest()[:digits]


def _checked(name: str, alphabet: re.Pattern[str], kind: str, accepted: str) -> str:
    """Return `name`, or raise UnsafeName: outside its alphabet, with `..`, a trailing dot, or a device's name."""
    if not isinstance(name, str) or not alphabet.fullmatch(name) or ".." in name or name.endswith("."):
        raise UnsafeName(f"{kind} {str(name)[:80]!r} cannot be a name in the store; accepted: {accepted}, no `..`.")
    if name.partition(".")[0].lower() in _DEVICES:
        raise UnsafeName(f"{kind} {name!r} is the name of a device on some systems; choose another one.")
    return name
