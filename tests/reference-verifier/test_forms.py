"""What a payload of each kind must have, and what of a document has to be right for it to be read."""

from __future__ import annotations

import unittest

from cbor import Map, Value
from document import Content, Document
from forms import PAYLOADS
from hashes import ContentHashes

HASH, ID = bytes(32), bytes(16)
CONTENT: Map = {"at": 3, "size": 5000, "blake3": HASH, "sha256": HASH}
EMPTY: Map = {"size": 0, "blake3": HASH, "sha256": HASH}
POINT: Map = {"records": 1, "head": HASH, "batches": 1, "ledger": 1, "assets": 0, "header": HASH, "sealed": False}
RANGE: Map = {"kind": "asset", "area": "assets", "block": 1}

# For each kind, the keys that must be there, and those that may.
WHOLE: dict[str, tuple[Map, Map]] = {
    "genesis": ({"name": "a", "volume": ID, "deployment": ID}, {}),
    "document": (
        {"name": "n" * 1024},
        {
            "content": CONTENT,
            "supersedes": 0,
            "type": "text/plain",
            "meta": {"": "", "colour": "red"},
            "by": "b",
            "until": 1,
            "hold": True,
            "etag": b"1",
            "parts": 1,
            "sums": {"crc32": b"1234"},
            "token": b"t" * 64,
        },
    ),
    "lifecycle": ({"to": "active", "from": "active", "cause": "c" * 32}, {"archive": "a", "late_ms": 1}),
    "checkpoint": ({"size": 0, "root": HASH}, {"note": "n"}),
    "audit-result": (
        {
            "archive": "a",
            "audit": "full",
            "from": 0,
            "to": 1,
            "head": HASH,
            "root": HASH,
            "bytes": 1,
            "duration_ms": 1,
            "verdict": "clean",
        },
        {
            "findings": 1,
            "first": RANGE | {"record": 1},
            "seen": POINT | {"edge": bytes(2048)},
            "sample": POINT,
            "more": [RANGE, RANGE | {"findings": 2, "last_block": 3, "last_record": 4}],
        },
    ),
    "flag": (
        {"flag": 1, "kind": "asset"},
        {"archive": "a", "what": "w", "detail": 1, "area": "assets", "block": 1, "record": 1, "late_ms": 1},
    ),
    "acknowledgement": ({"flag": 1, "kind": "asset", "reason": "r" * 255}, {"archive": "a", "late_ms": 1}),
    "boot": ({"archives": 3, "deployment": ID}, {}),
    "fault": ({"fault": "memory", "archive": "a"}, {"address": 0, "late_ms": 1}),
}

# Values that are not what some key of the kind lists.
WRONG: list[tuple[str, str, Value]] = [
    ("genesis", "name", ""),
    ("genesis", "volume", bytes(15)),
    ("document", "name", "n" * 1025),
    ("document", "name", "\xe9" * 513),
    ("document", "content", EMPTY | {"at": 0}),
    ("document", "content", EMPTY | {"size": 1}),
    ("document", "content", CONTENT | {"size": 0}),
    ("document", "content", CONTENT | {"at": "0"}),
    ("document", "content", CONTENT | {"sha256": bytes(31)}),
    ("document", "content", {"size": 0, "blake3": HASH}),
    ("document", "meta", {"a": b"bytes"}),
    ("document", "sums", {"a": "text"}),
    ("document", "hold", 1),
    ("document", "until", True),
    ("document", "etag", bytes(17)),
    ("document", "token", b""),
    ("lifecycle", "cause", "c" * 33),
    ("checkpoint", "note", b"bytes"),
    ("audit-result", "first", {"kind": "asset", "area": "assets"}),
    ("audit-result", "more", [RANGE, RANGE | {"last_block": "3"}]),
    ("audit-result", "more", RANGE),
    ("audit-result", "seen", POINT | {"edge": bytes(2049)}),
    ("audit-result", "sample", POINT | {"sealed": 0}),
    ("acknowledgement", "reason", "r" * 256),
]


class Forms(unittest.TestCase):
    """The forms of payloads."""

    def test_whole(self) -> None:
        self.assertEqual(WHOLE.keys(), PAYLOADS.keys())
        for kind, (must, may) in WHOLE.items():
            form, unlisted = PAYLOADS[kind], Map(zz=[{"any": b"thing"}])
            self.assertTrue(form(must), kind)
            self.assertTrue(form(must | may | unlisted), kind)
            for key in must:
                self.assertFalse(form({k: v for k, v in must.items() if k != key}), (kind, key))
            for key in must | may:
                self.assertFalse(form(must | may | Map({key: [[]]})), (kind, key))

    def test_wrong(self) -> None:
        for kind, key, value in WRONG:
            must, may = WHOLE[kind]
            self.assertFalse(PAYLOADS[kind](must | may | {key: value}), (kind, key, value))

    def test_what_can_be_read(self) -> None:
        hashes = ContentHashes(HASH, HASH)
        for says, document in [
            ({"name": "n"}, Document(None)),
            ({"name": "n", "content": CONTENT | {"more": 1}}, Document(Content(3, 5000, hashes))),
            ({"name": "n", "content": EMPTY, "supersedes": 6}, Document(Content(0, 0, hashes), 6)),
            ({"name": "n", "type": 1, "hold": "yes"}, Document(None)),
            ({"name": "n", "supersedes": True}, None),
            ({"name": "n", "supersedes": "7"}, None),
            ({"name": "n", "content": None}, None),
            ({"name": "n", "content": {}}, None),
            ({"name": "", "content": EMPTY}, None),
            ({"content": EMPTY}, None),
        ]:
            self.assertEqual(Document.of(says), document, says)  # type: ignore[arg-type]


if __name__ == "__main__":
    unittest.main()
