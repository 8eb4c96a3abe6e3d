"""A document that can be read: docs/ledger-format.md, "Document"."""

from __future__ import annotations

from dataclasses import dataclass

import forms
from cbor import Map, Value
from hashes import ContentHashes


@dataclass(frozen=True)
class Content:
    """Where the content is, and what it must be; one of 0 bytes is nowhere."""

    at: int
    size: int
    hashes: ContentHashes

    @staticmethod
    def of(value: Value | None) -> Content | None:
        """From a value in the form of one, or None without one."""
        match value:
            case {"size": int(size), "blake3": bytes(blake3), "sha256": bytes(sha256), **others}:
                at = others.get("at", 0)
                assert isinstance(at, int)
                return Content(at, size, ContentHashes(blake3, sha256))
        return None


@dataclass(frozen=True)
class Document:
    """What of a document is needed to verify it."""

    content: Content | None
    supersedes: int | None = None

    @staticmethod
    def of(says: Map) -> Document | None:
        """From a payload, or None if it cannot be read."""
        if not forms.READABLE(says):
            return None
        supersedes = says.get("supersedes")
        assert supersedes is None or isinstance(supersedes, int)
        return Document(Content.of(says.get("content")), supersedes)
