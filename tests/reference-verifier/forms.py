"""The kinds of records, and the form each one's payload must have, as the tables of docs/ledger-format.md, "Payload", and
of docs/audit-record.md have them: they are read from there."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from cbor import Value

Form = Callable[[Value], bool]


def number(value: Value) -> bool:
    """An unsigned integer."""
    return isinstance(value, int) and not isinstance(value, bool)


def truth(value: Value) -> bool:
    """True or false."""
    return isinstance(value, bool)


def text(most: int) -> Form:
    """A text of 1 to so many bytes."""
    return lambda value: isinstance(value, str) and 1 <= len(value.encode()) <= most


def octets(least: int, most: int) -> Form:
    """So many bytes."""
    return lambda value: isinstance(value, bytes) and least <= len(value) <= most


def array_of(form: Form) -> Form:
    """An array of values of one form."""
    return lambda value: isinstance(value, list) and all(map(form, value))


def map_of(form: Form) -> Form:
    """A map of values of one form, by keys of the writer's own."""
    return lambda value: isinstance(value, dict) and all(map(form, value.values()))


def map_with(must: dict[str, Form], may: dict[str, Form]) -> Form:
    """A map with keys that must and others that may be there; those it does not list may have any value."""

    def fits(value: Value) -> bool:
        listed = must | may
        return (
            isinstance(value, dict)
            and must.keys() <= value.keys()
            and all(listed[key](value[key]) for key in listed.keys() & value.keys())
        )

    return fits


def content(form: Form) -> Form:
    """A document's content, that is a map of this form; it has a first block if it has bytes."""
    return lambda value: form(value) and isinstance(value, dict) and ("at" in value) == (value["size"] != 0)


_TEXT = "".join(
    (Path(__file__).parents[2] / "docs" / name).read_text(encoding="utf-8")
    for name in ("ledger-format.md", "audit-record.md")
)
_FORMS: dict[str, Form] = {
    "number": number,
    "truth": truth,
    "hash": octets(32, 32),
    "word": text(32),
    "map of texts": map_of(lambda value: isinstance(value, str)),
    "map of byte strings": map_of(lambda value: isinstance(value, bytes)),
}


def _tables(lines: Iterable[str]) -> dict[str, list[list[str]]]:
    """The rows of each table of keys, by the heading it stands under or what its first cell says the keys are of."""
    tables: dict[str, list[list[str]]] = {}
    heading, rows = "", list[list[str]]()
    for line in lines:
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if line.startswith("#"):
            heading = line.lstrip("# ").lower().replace(" ", "-")
        elif cells and cells[0].startswith("key"):
            rows = tables[cells[0].partition(" of ")[2] or heading] = []
        elif cells and "`" in cells[0]:
            rows.append(cells)
        elif not cells:
            rows = []
    return tables


_TABLES = _tables(_TEXT.splitlines())


def _form(value: str) -> Form:
    """The form that a table calls so."""
    if value in _FORMS:
        return _FORMS[value]
    if bounds := re.fullmatch(r"text\((\d+)\)", value):
        return text(int(bounds[1]))
    if bounds := re.fullmatch(r"bytes\((\d+)(?:–(\d+))?\)", value):
        return octets(int(bounds[1]), int(bounds[2] or bounds[1]))
    if several := re.fullmatch(r"array of (\w+)s", value):
        return array_of(_form(f"a {several[1]}"))
    return content(_map(value)) if value == "a content" else _map(value)


def _map(table: str, only: str = "") -> Form:
    """A map with the keys of the table, or with these only; those in bold must be there."""
    must, may = dict[str, Form](), dict[str, Form]()
    for names, value, *_ in _TABLES[table]:
        for name in re.findall(r"`(\w+)`", names):
            if not only or name in only.split():
                (must if f"**`{name}`**" in names else may)[name] = _form(value)
    return map_with(must, may)


@dataclass(frozen=True)
class Kind:
    """A kind of record: its number, and the form of its payload."""

    number: int
    form: Form


# By their names.
KINDS = {
    name: Kind(int(kind), _map(table))
    for kind, name, table in re.findall(r"^\| (\d+) \| \[([\w-]+)\]\(#([\w-]+)\) \|", _TEXT, re.MULTILINE)
}

# What of a document has to be right for it to be read, and all of it.
READABLE = _map("document", "name content supersedes")
