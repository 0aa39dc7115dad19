"""YAML text of a data set to its declaration, with messages that name file, line, field and value.

YAML is read as version 1.2 reads it: `no`, `on` and 2013-01-01 are text, 010 is not eight, and a field written twice is
an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import ValidationError

from argn_assets.datasets.messages import listing, suggestion
from argn_assets.datasets.spec import DatasetSpec, fields_of
from argn_assets.errors import ConfigError

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails
    from yaml import SafeLoader as _FastLoader
else:
    _FastLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

SMALLEST = "The smallest file is: 'dataset: planes' and, below it, 'tables: {planes: {source: planes.csv}}'"


# How pydantic says it, and how a file's author would.
_PLAIN_WORDS = (
    ("Input should be", "should be"),
    ("String should have", "should have"),
    ("a valid dictionary", "names and their values"),
    ("a valid string", "text"),
    ("a valid tuple", "a list"),
)


class _Loader(_FastLoader):
    """A safe loader with the scalars of YAML 1.2."""


_Loader.yaml_implicit_resolvers = {}  # those of YAML 1.1 are gone

for _tag, _pattern, _starts in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?(0|[1-9][0-9_]*)", list("-+0123456789")),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.inf|\.nan", list("-+.0123456789")),
    ("merge", r"<<", ["<"]),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"(?:{_pattern})\Z"), _starts)


def _number(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> float:
    return float(str(loader.construct_scalar(node)).replace(".inf", "inf").replace(".nan", "nan"))


_Loader.add_constructor("tag:yaml.org,2002:float", _number)


def parse_dataset(text: str | bytes, file: str) -> DatasetSpec:
    """Read one declaration.

    Args:
        text: the YAML document; bytes are read as UTF-8.
        file: its name for messages.
    Raises:
        ConfigError: the text is not YAML, or not a data set; one line per problem.
    """
    document = _compose(_decoded(text, file), file)
    try:
        return DatasetSpec.model_validate(_values(document))
    except ValidationError as error:
        raise ConfigError(_Problems(file, document).message(error)) from error


def _decoded(text: str | bytes, file: str) -> str:
    if isinstance(text, str):
        return text
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{file}, line {line}: not UTF-8 text. Save the file as UTF-8.") from error


def _compose(text: str, file: str) -> yaml.Node:
    try:
        node = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{file}, line {mark.line + 1}, column {mark.column + 1}" if mark else file
        detail = ": ".join(part for part in (error.context, error.problem) if part)
        hint = " Indent with spaces, not tabs." if "\\t" in detail or "tab" in detail else ""
        raise ConfigError(f"{place}: not YAML: {detail}.{hint}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{file}: not YAML: {error}") from error
    if not isinstance(node, yaml.MappingNode):
        found = "is empty" if node is None else "does not hold fields"
        raise ConfigError(f"{file} {found}. {SMALLEST}.")
    twice = [f"{file}, line {key.start_mark.line + 1}: field {key.value!r} is there twice" for key in _twice(node)]
    if twice:
        raise ConfigError("\n".join(twice))
    return node


def _twice(node: yaml.Node, above: tuple[int, ...] = ()) -> Iterator[yaml.ScalarNode]:
    """Yield the keys that a mapping already has; YAML libraries keep the last one and say nothing."""
    if id(node) in above:
        return
    if isinstance(node, yaml.SequenceNode):
        for child in node.value:
            yield from _twice(child, (*above, id(node)))
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                yield key
            seen.add(str(key.value))
            yield from _twice(value, (*above, id(node)))


def _values(document: yaml.Node) -> Any:
    loader = _Loader("")
    try:
        return loader.construct_document(document)
    finally:
        loader.dispose()


class _Problems:
    """Turns what pydantic found in a document into lines for people."""

    def __init__(self, file: str, document: yaml.Node):
        self.file, self.document = file, document

    def message(self, error: ValidationError) -> str:
        """Return one line per problem, in the order of the file."""
        lines = {(self._line(_place(problem)), self._sentence(problem)) for problem in error.errors()}
        texts = [f"{self.file}, line {line}: {_ended(sentence)}" for line, sentence in sorted(lines)]
        return texts[0] if len(texts) == 1 else f"{self.file} has {len(texts)} problems:\n  " + "\n  ".join(texts)

    def _line(self, location: Sequence[int | str]) -> int:
        """Return the line of a place in the document, or of the nearest place above it; the first line is 1."""
        node, line = self.document, 1
        for part in location:
            if isinstance(node, yaml.MappingNode):
                found = [(key, value) for key, value in node.value if str(key.value) == str(part)]
            elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
                found = [(node.value[part], node.value[part])]
            else:
                break
            if not found:
                break
            key, node = found[0]
            line = key.start_mark.line + 1
        return line

    def _sentence(self, error: ErrorDetails) -> str:
        location = [part for part in error["loc"] if not _is_tag(part)]
        field = ".".join(map(str, location))
        kind, value = error["type"], error["input"]
        if kind == "extra_forbidden":
            known = fields_of(location[:-1])
            where = f"in {'.'.join(map(str, location[:-1]))}" if location[:-1] else "of a data set"
            hint = suggestion(str(location[-1]), known)
            return f"{field}: unknown field {location[-1]!r}.{hint} Fields {where}: {listing(known)}"
        if kind == "missing":
            example = f". {SMALLEST}" if len(location) == 1 else ""
            return f"{field}: this field is required and missing{example}"
        if kind == "value_error":
            text = error["msg"].removeprefix("Value error, ")
            return f"{field}: {text}" if field else text
        if kind in ("string_type", "invalid_key") and isinstance(value, bool | int | float):
            written = str(value).lower() if isinstance(value, bool) else str(value)
            return f"{field}: {written} is not text in YAML; put it in quotes: '{written}'"
        if value is None:
            return f"{field}: nothing stands here, and it {_expectation(error)}. Give a value or remove the line"
        near = suggestion(value, _choices(error)).rstrip("?") if isinstance(value, str) and len(value) > 2 else ""
        return f"{field}: {_shown(value)} {_expectation(error)}" + (f".{near}?" if near else "")


def _place(error: ErrorDetails) -> Sequence[int | str]:
    """Return where a problem is; a problem of the whole data set starts with its field, written with dots."""
    place = tuple(part for part in error["loc"] if not _is_tag(part))
    return place or tuple(error["msg"].removeprefix("Value error, ").split(":")[0].split("."))


def _is_tag(part: int | str) -> bool:
    """Tell whether a part of pydantic's place is no field: `[key]`, or the kind of a value of several kinds."""
    return isinstance(part, str) and part.startswith("[") and part.endswith("]")


def _ended(sentence: str) -> str:
    return sentence if sentence.endswith((".", "?")) else f"{sentence}."


def _choices(error: ErrorDetails) -> list[str]:
    return re.findall(r"'([^']*)'", str(error.get("ctx", {}).get("expected", "")))


def _expectation(error: ErrorDetails) -> str:
    if error["type"] == "model_type":
        return "should be fields and their values"
    if error["type"] == "too_short":
        return "should name at least one table"
    if error["type"].startswith("bool_"):
        return "should be true or false"
    text = error["msg"]
    for said, meant in _PLAIN_WORDS:
        text = text.replace(said, meant)
    return text


def _shown(value: object) -> str:
    text = repr(value) if not isinstance(value, bool) else str(value).lower()
    return text if len(text) <= 80 else text[:77] + "…"
