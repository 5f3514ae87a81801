"""YAML 1.2 text as plain data, with the place of every key and value."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from workflow.diagnostics import CampaignError, CampaignNotFoundError, Diagnostic

Location = tuple[str | int, ...]
"""Keys and indices from the top of the file to a value."""

LARGEST = 1_000_000
"""Bytes. A campaign is a page; whatever is larger is some other file."""
MOST_VALUES = 100_000
"""Aliases can make a small text mean a huge tree."""
ENDS = {"low": 0, "high": 1}
"""A range may be written ``[low, high]``, so that the mistakes of ``low`` are those of item 0."""


@dataclass(frozen=True)
class Place:
    """Where something stands: a line and a column of the file (from 1), or an override (``line`` 0)."""

    file: str
    line: int
    column: int


@dataclass
class Document:
    """Plain data with places.

    Args:
        file: how the file is called in messages.
        lines: its text.
        data: mappings, lists, numbers, texts; ``None`` for an empty file.
        values, keys: location -> where the value or its key stands.
        mistakes: what was wrong already on this level (a key given twice).
        others: texts of the other files that parts of it come from.
    """

    file: str
    lines: list[str]
    data: Any = None
    values: dict[Location, Place] = field(default_factory=dict)
    keys: dict[Location, Place] = field(default_factory=dict)
    mistakes: list[Diagnostic] = field(default_factory=list)
    others: dict[str, list[str]] = field(default_factory=dict)

    def replace(self, key: str, other: Document, inside: str) -> None:
        """Put what another document has under ``inside`` in the place of a key, with places and mistakes."""
        if not isinstance(self.data, dict):
            return  # which is a mistake of its own
        self.data[key] = other.data[inside]
        for mine, theirs in ((self.values, other.values), (self.keys, other.keys)):
            for location in [known for known in mine if known[:1] == (key,)]:
                del mine[location]
            mine.update({(key, *at[1:]): place for at, place in theirs.items() if at[:1] == (inside,)})
        self.others[other.file] = other.lines
        self.mistakes += other.mistakes

    def complain(self, place: Place, message: str, *, missing_plugin: bool = False) -> None:
        """Record a mistake."""
        lines = self.others.get(place.file, self.lines)
        source = lines[place.line - 1] if 0 < place.line <= len(lines) else ""
        self.mistakes.append(
            Diagnostic(place.file, place.line, place.column, message, source, missing_plugin)
        )

    def place(self, location: Location, *, at_key: bool = False) -> Place:
        """Where a location stands, or the nearest thing above it that the file holds."""
        while location and location not in self.values:
            end = (*location[:-1], ENDS.get(str(location[-1]), -1))
            location = end if end in self.values else location[:-1]
        value = self.values.get(location, Place(self.file, 1, 1))
        return self.keys.get(location, value) if at_key else value


def read_document(path: Path) -> Document:
    """The document in a file.

    Raises:
        CampaignNotFoundError: there is no such file.
        CampaignError: it cannot be read as YAML at all.
    """
    file = str(path)
    if path.is_dir():
        inside = sorted(p.name for p in path.glob("*.y*ml"))
        hint = f"; did you mean `{path / inside[0]}`?" if inside else "; a campaign is a YAML file"
        raise CampaignError([Diagnostic(file, 0, 0, f"this is a directory{hint}")])
    try:
        with path.open("rb") as stream:
            content = stream.read(LARGEST + 1)
    except FileNotFoundError:
        raise CampaignNotFoundError([Diagnostic(file, 0, 0, _absent(path))]) from None
    except OSError as error:
        raise CampaignError([Diagnostic(file, 0, 0, f"cannot be read: {error.strerror}")]) from None
    if len(content) > LARGEST:
        raise CampaignError([Diagnostic(file, 0, 0, "larger than 1 MB; this is not a campaign")])
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        message = f"byte {error.start} is not UTF-8 text; this is no YAML file"
        raise CampaignError([Diagnostic(file, line, 1, message)]) from None
    return parse_document(text, file)


def _absent(path: Path) -> str:
    from difflib import get_close_matches

    names = [p.name for p in path.parent.glob("*.y*ml")] if path.parent.is_dir() else []
    close = get_close_matches(path.name, names, 1)
    return "there is no such file" + (f"; did you mean `{path.parent / close[0]}`?" if close else "")


def parse_document(text: str, file: str) -> Document:
    """The document that a text holds.

    Raises:
        CampaignError: a syntax error; the parser sees but one.
    """
    document = Document(file, text.splitlines())
    try:
        root = YAML(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as error:
        document.complain(*_syntax_error(error, document))
        raise CampaignError(document.mistakes) from None
    except YAMLError as error:  # a character that YAML forbids; it says so in words, with an index
        position = getattr(error, "position", 0)
        line = text.count("\n", 0, position)
        column = position - (text.rfind("\n", 0, position) + 1)
        character = f"character U+{ord(text[position]):04X}" if position < len(text) else "a character"
        document.complain(Place(file, line + 1, column + 1), f"{character} is not allowed in YAML")
        document.mistakes = [Diagnostic(d.file, d.line, d.column, d.message) for d in document.mistakes]
        raise CampaignError(document.mistakes) from None
    if root is not None:
        document.data = _Builder(document).build(root, (), ())
    return document


def _syntax_error(error: MarkedYAMLError, document: Document) -> tuple[Place, str]:
    """The place of a syntax error and what it is, in words that say what to do."""
    mark = error.problem_mark or error.context_mark
    place = Place(document.file, mark.line + 1, mark.column + 1)
    problem = error.problem or "not YAML"
    if r"'\t'" in problem:
        return place, "a tab where only spaces may stand; indent with spaces"
    if "mapping values are not allowed" in problem:
        return place, "a second `:` on the line; put the text in quotes, or the key on a line of its own"
    if "another document" in problem:
        return place, "a second document (`---`); a campaign is one document"
    if error.context and error.context_mark and error.context_mark.line != mark.line:
        problem += f" ({error.context} that starts on line {error.context_mark.line + 1})"
    return place, f"not YAML: {problem}"


class _Builder:
    """Walks the node tree once."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.count = 0

    def build(self, node: Node, location: Location, above: tuple[int, ...]) -> Any:
        place = self._place(node)
        self.document.values[location] = place
        self.count += 1
        if id(node) in above or self.count > MOST_VALUES:
            self.document.complain(place, "an alias that holds itself, or more values than a campaign has")
            raise CampaignError(self.document.mistakes)
        above = (*above, id(node))
        if isinstance(node, MappingNode):
            return self._mapping(node, location, above)
        if isinstance(node, SequenceNode):
            return [self.build(item, (*location, i), above) for i, item in enumerate(node.value)]
        return self._scalar(node, place)

    def _mapping(self, node: MappingNode, location: Location, above: tuple[int, ...]) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for key_node, value_node in node.value:
            place = self._place(key_node)
            if not isinstance(key_node, ScalarNode):
                self.document.complain(place, "a key is a word, not a list or a mapping")
                continue
            key = str(key_node.value)
            if key in data:
                first = self.document.keys[(*location, key)].line
                self.document.complain(place, f"duplicate key `{key}`; it was first given on line {first}")
                continue
            self.document.keys[(*location, key)] = place
            data[key] = self.build(value_node, (*location, key), above)
            if isinstance(value_node, ScalarNode) and not value_node.value:
                self.document.values[(*location, key)] = place  # nothing stands nowhere: point to the key
        return data

    def _scalar(self, node: Node, place: Place) -> Any:
        text = str(node.value)
        match str(node.tag).rpartition(":")[2]:
            case "null":
                return None
            case "bool":
                return text.lower() in ("true", "yes", "on")
            case "int":
                return _integer(text)
            case "float":
                return _float(text)
            case "str" | "timestamp":
                return text
        self.document.complain(place, f"the tag `{node.tag}` means nothing here; write the plain value")
        return text

    def _place(self, node: Node) -> Place:
        return Place(self.document.file, node.start_mark.line + 1, node.start_mark.column + 1)


def _integer(text: str) -> int | str:
    try:
        digits = text.replace("_", "")
        return int(digits, 0) if digits.lstrip("+-").startswith(("0x", "0o", "0b")) else int(digits)
    except ValueError:
        return text


def _float(text: str) -> float | str:
    special = {".inf": math.inf, "+.inf": math.inf, "-.inf": -math.inf, ".nan": math.nan}
    if text.lower() in special:
        return special[text.lower()]
    try:
        return float(text.replace("_", ""))
    except ValueError:
        return text
