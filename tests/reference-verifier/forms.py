"""The kinds of records, and the form each one's payload must have: docs/ledger-format.md, "Payload";
docs/audit-record.md."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

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


HASH, ID, WORD = octets(32, 32), octets(16, 16), text(32)

_CONTENT = map_with({"size": number, "blake3": HASH, "sha256": HASH}, {"at": number})


def content(value: Value) -> bool:
    """A document's content; it has a first block if it has bytes."""
    return _CONTENT(value) and isinstance(value, dict) and ("at" in value) == (value["size"] != 0)


# What of a document has to be right for it to be read, and all of it.
_READABLE: dict[str, Form] = {"content": content, "supersedes": number}
READABLE = map_with({"name": text(1024)}, _READABLE)
_DOCUMENT = map_with(
    {"name": text(1024)},
    _READABLE
    | {
        "type": text(255),
        "meta": map_of(lambda value: isinstance(value, str)),
        "by": text(255),
        "until": number,
        "hold": truth,
        "etag": octets(1, 16),
        "parts": number,
        "sums": map_of(lambda value: isinstance(value, bytes)),
        "token": octets(1, 64),
    },
)

_POINT = map_with(
    {
        "records": number,
        "head": HASH,
        "batches": number,
        "ledger": number,
        "assets": number,
        "header": HASH,
        "sealed": truth,
    },
    {"edge": octets(0, 2048)},
)
_RANGE = map_with(
    {"kind": WORD, "area": WORD, "block": number},
    {"record": number, "findings": number, "last_block": number, "last_record": number},
)


@dataclass(frozen=True)
class Kind:
    """A kind of record: its number, and the form of its payload."""

    number: int
    form: Form


# By their names.
KINDS = {
    "genesis": Kind(1, map_with({"name": WORD, "volume": ID, "deployment": ID}, {})),
    "document": Kind(2, _DOCUMENT),
    "lifecycle": Kind(
        3, map_with({"to": WORD, "from": WORD, "cause": WORD}, {"archive": WORD, "late_ms": number})
    ),
    "checkpoint": Kind(4, map_with({"size": number, "root": HASH}, {"note": text(3760)})),
    "audit-result": Kind(
        16,
        map_with(
            {
                "archive": WORD,
                "audit": WORD,
                "from": number,
                "to": number,
                "head": HASH,
                "root": HASH,
                "bytes": number,
                "duration_ms": number,
                "verdict": WORD,
            },
            {"findings": number, "first": _RANGE, "seen": _POINT, "sample": _POINT, "more": array_of(_RANGE)},
        ),
    ),
    "flag": Kind(
        17,
        map_with(
            {"flag": number, "kind": WORD},
            {
                "archive": WORD,
                "what": WORD,
                "detail": number,
                "area": WORD,
                "block": number,
                "record": number,
                "status": number,
                "instruction": number,
                "late_ms": number,
            },
        ),
    ),
    "acknowledgement": Kind(
        18,
        map_with({"flag": number, "kind": WORD, "reason": text(255)}, {"archive": WORD, "late_ms": number}),
    ),
    "boot": Kind(19, map_with({"archives": number, "deployment": ID}, {})),
    "fault": Kind(
        20,
        map_with(
            {"fault": WORD, "archive": WORD},
            {"address": number, "status": number, "instruction": number, "late_ms": number},
        ),
    ),
}
