"""Small documents of the store (manifests, refs, actions, store.json): canonical JSON that checks itself.

Written as JSON in flow style, which is YAML too and parses fifty times faster. Every document carries the SHA-256 of
its own content as `document_hash`, over the parsed values and not over the text, so that reformatting keeps it valid.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from functools import cache
from typing import TypeAlias, cast

from argn_assets.errors import ConfigError, CorruptArtifact

JsonValue: TypeAlias = bool | int | float | str | list["JsonValue"] | dict[str, "JsonValue"] | None
JsonObject: TypeAlias = dict[str, JsonValue]

HASH_FIELD = "document_hash"

_MOST_NESTING = 100

# Characters that JSON allows raw in a string and YAML does not; they occur inside strings only.
_NOT_YAML = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")


def canonical_json(value: JsonValue) -> bytes:
    """Return the one spelling of a JSON value: sorted keys, no spaces, no NaN (ValueError).

    >>> canonical_json({"b": 1.0, "a": [None, "e"]})
    b'{"a":[null,"e"],"b":1.0}'
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return _escape(text).encode()


def digest(content: bytes) -> str:
    """Return `sha256:<64 hex>` of bytes."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def seal(document: Mapping[str, JsonValue]) -> bytes:
    """Return the text of a document, one line per field, with its hash as a last field."""
    content = {key: value for key, value in document.items() if key != HASH_FIELD}
    content[HASH_FIELD] = digest(canonical_json(content))
    return _escape(json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)).encode() + b"\n"


def parse(text: bytes, path: str) -> JsonObject:
    """Return a document's values, hash included and not yet checked.

    Raises:
        CorruptArtifact: it is neither JSON nor plain YAML, or is not a mapping.
    """
    try:
        value = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        value = _parse_yaml(text, path)
    if not isinstance(value, dict):
        raise CorruptArtifact(path, "a JSON or YAML mapping", f"{len(text)} bytes of something else")
    return cast(JsonObject, value)


def check_seal(document: JsonObject, path: str) -> JsonObject:
    """Return a parsed document without its hash; CorruptArtifact if they do not belong together."""
    content = {key: value for key, value in document.items() if key != HASH_FIELD}
    found, expected = content_digest(content, path), str(document.get(HASH_FIELD, "a document with a hash"))
    if found != expected:
        raise CorruptArtifact(path, expected, found)
    return content


def content_digest(content: JsonObject, path: str) -> str:
    """Return the hash of parsed content; CorruptArtifact if it holds what JSON cannot say.

    YAML has infinities, bytes, sets and keys that are no text, and a number in JSON can be too large for a float.
    """
    try:
        return digest(canonical_json(content))
    except (TypeError, ValueError, RecursionError) as error:
        raise CorruptArtifact(path, "a document of plain JSON values", f"one with others: {error}") from error


def unseal(text: bytes, path: str) -> JsonObject:
    """Return the checked values of a document; CorruptArtifact if a byte of its content changed."""
    return check_seal(parse(text, path), path)


def strict_json(value: object, where: str) -> JsonValue:
    """Return `value` as plain JSON: tuples become lists, numpy scalars become numbers.

    Raises:
        ConfigError: it holds NaN, infinity, a key that is not text, or an object; the message says where.
    """
    if type(value).__module__ == "numpy" and getattr(value, "shape", None) == ():
        value = cast("_Scalar", value).item()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, list | tuple):
        return [strict_json(item, f"{where}[{index}]") for index, item in enumerate(value)]
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {key: strict_json(item, f"{where}.{key}") for key, item in value.items()}
    shown = f"{value}" if isinstance(value, float) else f"a {type(value).__name__}"
    raise ConfigError(f"{where} is {shown}; accepted: None, bool, int, finite float, str, lists, text-keyed mappings.")


class _Scalar:
    """What a numpy scalar offers."""

    def item(self) -> object: ...  # pragma: no cover


def _escape(text: str) -> str:
    if text.isascii() and "\x7f" not in text:  # nearly all; looking twice costs less than replacing nothing
        return text
    return _NOT_YAML.sub(lambda found: f"\\u{ord(found.group()):04x}", text)


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


def _parse_yaml(text: bytes, path: str) -> object:
    """Parse YAML of people's hands: no aliases, times stay text."""
    import yaml

    try:
        # An alias lets a small file stand for a huge value, and the C loader crashes the process on deep nesting;
        # nothing of ours is written with either.
        depth = 0
        for event in yaml.parse(text, Loader=_plain_loader()):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > _MOST_NESTING or isinstance(event, yaml.AliasEvent):
                raise yaml.YAMLError("aliases and deep nesting are refused")
        return yaml.load(text, Loader=_plain_loader())
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise CorruptArtifact(path, "a JSON or YAML document", f"{len(text)} bytes that do not parse") from error


@cache
def _plain_loader() -> type:
    """Return a YAML loader that reads what JSON can say and nothing more."""
    import yaml

    base = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    class PlainLoader(base):  # type: ignore[misc, valid-type]
        """The C loader, with the scalars of JSON."""

    # YAML 1.1 takes 2026-01-01 for a date and 1e-05 for text; JSON means text and a number.
    kept = {
        first: [(tag, pattern) for tag, pattern in pairs if tag != "tag:yaml.org,2002:timestamp"]
        for first, pairs in base.yaml_implicit_resolvers.items()
    }
    PlainLoader.yaml_implicit_resolvers = kept
    number = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?[eE][-+]?[0-9]+")
    PlainLoader.add_implicit_resolver("tag:yaml.org,2002:float", number, list("-0123456789"))
    return PlainLoader
