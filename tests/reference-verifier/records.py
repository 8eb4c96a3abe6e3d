"""A record: its form, its hash, and what its payload must be: docs/ledger-format.md, "Record"."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import hashes
from layout import ZERO_HASH, Superblock
from note import BadNote, Checkpoint, Note

HEADER_SIZE = 128
PAYLOAD_MAX = 3712
ALIGNMENT = 8  # records begin at multiples of so many bytes
TREE_HEAD_SIZE = 40  # what a checkpoint begins with: size and root

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
GENESIS, DOCUMENT, CHECKPOINT, CORRECTION = (
    KINDS[name] for name in ("genesis", "document", "checkpoint", "correction")
)
DOCUMENTS = (DOCUMENT, CORRECTION)  # the kinds that may have content

_HEADER = struct.Struct("<4sHHIIQQ32s32sQQ16s")


@dataclass(frozen=True)
class Record:
    """A whole record: its form and its check are right. The fields are those of the header, in its order."""

    kind: int
    sequence: int
    time_ms: int
    previous: bytes
    content_hash: bytes
    content_len: int
    content_block: int
    payload: bytes
    hash: bytes

    @staticmethod
    def parse(data: bytes, at: int) -> Record | None:
        """The record that begins at `data[at]`, or None if there is no whole one."""
        if data[at : at + 4] != b"TBXR" or at + HEADER_SIZE > len(data):
            return None
        (
            _, version, kind, length, reserved, sequence, time_ms,
            previous, content_hash, content_len, content_block, check,
        ) = _HEADER.unpack_from(data, at)  # fmt: skip
        end, padded = at + HEADER_SIZE + length, at + _padded(length)
        if version != 1 or reserved != 0 or length > PAYLOAD_MAX or padded > len(data) or any(data[end:padded]):
            return None
        payload = data[at + HEADER_SIZE : end]
        digest = hashes.keyed("record", data[at : at + 112], payload)
        found = Record(
            kind, sequence, time_ms, previous, content_hash, content_len, content_block, payload, digest
        )
        possible = kind in KINDS.values() and (found.is_document or not found.has_content)
        return found if possible and digest[:16] == check else None

    @property
    def size(self) -> int:
        """Bytes it takes in its batch."""
        return _padded(len(self.payload))

    @property
    def is_document(self) -> bool:
        """Whether it is a document or a correction."""
        return self.kind in DOCUMENTS

    @property
    def has_content(self) -> bool:
        """Whether it has content, be it of 0 bytes."""
        return (self.content_hash, self.content_len, self.content_block) != (ZERO_HASH, 0, 0)

    def payload_sound(self, superblock: Superblock) -> bool:
        """Whether the payload is what the format has for its kind, on this volume."""
        if self.sequence == 0 or self.kind == GENESIS:
            name = superblock.name.encode().ljust(32, b"\0")
            genesis = superblock.deployment + superblock.volume + name
            return (self.sequence, self.kind, self.payload) == (0, GENESIS, genesis)
        if self.kind == DOCUMENT:
            return _is_name(self.payload)
        if self.kind == CORRECTION:
            return int.from_bytes(self.payload[:8], "little") < self.sequence and _is_name(self.payload[8:])
        if self.kind == CHECKPOINT:
            return len(self.payload) >= TREE_HEAD_SIZE and _is_checkpoint(self.payload[TREE_HEAD_SIZE:])
        return _is_text(self.payload)


def _padded(payload_len: int) -> int:
    return (HEADER_SIZE + payload_len + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _is_checkpoint(data: bytes) -> bool:
    """Whether it has the form of a signed checkpoint, or is nothing: not every checkpoint is signed."""
    try:
        return not data or bool(Checkpoint.of(Note.parse(data)))
    except BadNote:
        return False


def _is_name(data: bytes) -> bool:
    return 1 <= len(data) <= 255 and _is_text(data)
