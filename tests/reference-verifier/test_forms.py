"""What a document's payload must be, and what of it has to be right for it to be read. That the forms of all kinds are
those of the verifier in Rust, tests/tests/reference_verifier shows: it hands payloads of every kind to both."""

from __future__ import annotations

import unittest

from cbor import Map, Value
from document import Content, Document
from forms import KINDS
from hashes import ContentHashes

HASH = bytes(32)
CONTENT: Map = {"at": 3, "size": 5000, "blake3": HASH, "sha256": HASH}
EMPTY: Map = {"size": 0, "blake3": HASH, "sha256": HASH}

# Values that are what the key of a document lists, and values that are not.
RIGHT: list[tuple[str, Value]] = [
    ("name", "n" * 1024),
    ("content", EMPTY),
    ("content", CONTENT | {"more": [1]}),
    ("meta", {"": "", "colour": "red"}),
    ("sums", {"crc32": b"1234"}),
    ("unlisted", [{"any": b"thing"}]),
]
WRONG: list[tuple[str, Value]] = [
    ("name", "n" * 1025),
    ("name", "\xe9" * 513),
    ("content", EMPTY | {"at": 0}),
    ("content", EMPTY | {"size": 1}),
    ("content", CONTENT | {"size": 0}),
    ("content", CONTENT | {"at": "0"}),
    ("content", CONTENT | {"sha256": bytes(31)}),
    ("content", {"size": 0, "blake3": HASH}),
    ("meta", {"a": b"bytes"}),
    ("sums", {"a": "text"}),
    ("hold", 1),
    ("until", True),
    ("etag", bytes(17)),
    ("token", b""),
]


class Forms(unittest.TestCase):
    """The forms of payloads."""

    def test_documents(self) -> None:
        for values, fits in [(RIGHT, True), (WRONG, False)]:
            for key, value in values:
                self.assertEqual(KINDS["document"].form({"name": "n", key: value}), fits, (key, value))

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
