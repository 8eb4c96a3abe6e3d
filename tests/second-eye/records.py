"""A record: its form, its hash, and what its payload must be."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass

import hashes
from layout import ZERO_HASH, Superblock

HEADER_SIZE = 128
PAYLOAD_MAX = 3712

KINDS = {
    "genesis": 1,
    "document": 2,
    "lifecycle": 3,
    "checkpoint": 4,
    "correction": 5,
    "audit-result": 16,
    "flag": 17,
    "acknowledgement": 18,
    "boot": 19,
    "fault": 20,
}
GENESIS, DOCUMENT, LIFECYCLE, CHECKPOINT, CORRECTION, *AUDIT_KINDS = KINDS.values()
AUDIT_VOLUME = "audit"
STATES = ("active", "suspended", "archived")

_HEADER = struct.Struct("<4sHHIIQQ32s32sQQ16s")


@dataclass(frozen=True)
class Record:
    """A whole record: its form and its check are right."""

    kind: int
    sequence: int
    time_ms: int
    previous: bytes
    content_hash: bytes
    content_len: int
    content_block: int
    payload: bytes
    hash: bytes
    padding: bytes

    @staticmethod
    def parse(data: bytes, at: int) -> Record | None:
        """The record that begins at `data[at]`, or None if there is no whole one."""
        if data[at : at + 4] != b"TBXR" or at + HEADER_SIZE > len(data):
            return None
        (
            _, version, kind, length, reserved, sequence, time_ms,
            previous, content_hash, content_len, content_block, check,
        ) = _HEADER.unpack_from(data, at)  # fmt: skip
        end = at + HEADER_SIZE + length
        padded = (end + 7) // 8 * 8
        if version != 1 or reserved != 0 or length > PAYLOAD_MAX or padded > len(data):
            return None
        payload = data[at + HEADER_SIZE : end]
        digest = hashes.keyed("record", data[at : at + 112], payload)
        if digest[:16] != check:
            return None
        return Record(
            kind, sequence, time_ms, previous, content_hash, content_len, content_block, payload, digest,
            data[end:padded],
        )  # fmt: skip

    @property
    def size(self) -> int:
        """Bytes it takes in its run."""
        return HEADER_SIZE + len(self.payload) + len(self.padding)

    @property
    def is_document(self) -> bool:
        """Whether it is a document or a correction."""
        return self.kind in (DOCUMENT, CORRECTION)

    @property
    def has_content(self) -> bool:
        """Whether it has content, be it of 0 bytes."""
        return self.content_hash != ZERO_HASH

    def well_formed(self, superblock: Superblock) -> bool:
        """Whether payload, content fields and padding are as the format has them for its kind, on this volume."""
        return not any(self.padding) and self._content_fields() and self._payload(superblock)

    def _content_fields(self) -> bool:
        if self.has_content:
            return self.is_document
        return self.content_len == 0 and self.content_block == 0

    def _payload(self, superblock: Superblock) -> bool:
        audit = superblock.name == AUDIT_VOLUME
        if self.sequence == 0 or self.kind == GENESIS:
            name = superblock.name.encode().ljust(32, b"\0")
            genesis = superblock.deployment + superblock.volume + name
            return (self.sequence, self.kind, self.payload) == (0, GENESIS, genesis)
        if self.kind == DOCUMENT:
            return _name(self.payload)
        if self.kind == LIFECYCLE:
            return _json(self.payload) if audit else _lifecycle(self.payload)
        if self.kind == CHECKPOINT:
            return len(self.payload) >= 40 and _text(self.payload[40:]) is not None
        if self.kind == CORRECTION:
            superseded = int.from_bytes(self.payload[:8], "little")
            return superseded < self.sequence and _name(self.payload[8:])
        return audit and self.kind in AUDIT_KINDS and _json(self.payload)


def _text(data: bytes) -> str | None:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


def _name(data: bytes) -> bool:
    return 1 <= len(data) <= 255 and _text(data) is not None


def _lifecycle(data: bytes) -> bool:
    words = (_text(data) or "").split(" ", 2)
    return len(words) == 3 and words[0] in STATES and words[1] in STATES


def _json(data: bytes) -> bool:
    try:
        json.loads(data.decode())
    except (ValueError, RecursionError):
        return False
    return True
