"""A record: its form, its hash, and what its payload must be: docs/ledger-format.md, "Record"."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import cached_property

import cbor
import hashes
from document import Document
from forms import KINDS
from layout import Superblock
from note import BadNote, Checkpoint, Note

HEADER_SIZE = 80
PAYLOAD_MAX = 3760
ALIGNMENT = 8  # records begin at multiples of so many bytes

GENESIS, DOCUMENT, CHECKPOINT = (KINDS[name].number for name in ("genesis", "document", "checkpoint"))

_FORMS = {kind.number: kind.form for kind in KINDS.values()}
_HEADER = struct.Struct("<4sHHIIQQ32s16s")


@dataclass(frozen=True)
class Record:
    """A whole record: its form and its check are right. The fields are those of the header, in its order."""

    kind: int
    sequence: int
    time_ms: int
    previous: bytes
    payload: bytes
    hash: bytes

    @staticmethod
    def parse(data: bytes, at: int) -> Record | None:
        """The record that begins at `data[at]`, or None if there is no whole one."""
        if data[at : at + 4] != b"TBXR" or at + HEADER_SIZE > len(data):
            return None
        _, version, kind, length, reserved, sequence, time_ms, previous, check = _HEADER.unpack_from(data, at)
        end, padded = at + HEADER_SIZE + length, at + _padded(length)
        if version != 2 or reserved != 0 or length > PAYLOAD_MAX or padded > len(data) or any(data[end:padded]):
            return None
        payload = data[at + HEADER_SIZE : end]
        digest = hashes.keyed("record", data[at : at + 64], payload)
        if kind not in _FORMS or digest[:16] != check:
            return None
        return Record(kind, sequence, time_ms, previous, payload, digest)

    @property
    def size(self) -> int:
        """Bytes it takes in its batch."""
        return _padded(len(self.payload))

    @cached_property
    def says(self) -> cbor.Map | None:
        """Its payload, or None if that is no map in the form all payloads have."""
        try:
            return cbor.decode(self.payload)
        except cbor.NotAPayload:
            return None

    @cached_property
    def document(self) -> Document | None:
        """What it says, if it is a document that can be read."""
        return None if self.kind != DOCUMENT or self.says is None else Document.of(self.says)

    @property
    def note(self) -> bytes | None:
        """The note of a checkpoint that has its form, if it has one."""
        says = self.formed(CHECKPOINT)
        note = None if says is None else says.get("note")
        assert note is None or isinstance(note, str)
        return None if note is None else note.encode()

    def genesis_of(self, volume: Superblock) -> bool:
        """Whether it is a genesis record that says what the superblock says."""
        says = self.formed(GENESIS)
        named = (volume.deployment, volume.volume, volume.name)
        return says is not None and (says["deployment"], says["volume"], says["name"]) == named

    def formed(self, kind: int) -> cbor.Map | None:
        """Its payload, if it is a record of the kind and that has the kind's form."""
        says = self.says if self.kind == kind else None
        return says if says is not None and _FORMS[kind](says) else None

    def payload_sound(self, superblock: Superblock) -> bool:
        """Whether the payload is what the format has for its kind, on this volume."""
        if self.sequence == 0 or self.kind == GENESIS:
            return self.sequence == 0 and self.genesis_of(superblock)
        if self.formed(self.kind) is None:
            return False
        if self.kind == DOCUMENT:
            document = self.document
            return document is not None and (document.supersedes is None or document.supersedes < self.sequence)
        return self.kind != CHECKPOINT or self.note is None or _is_checkpoint(self.note)


def _padded(payload_len: int) -> int:
    return (HEADER_SIZE + payload_len + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT


def _is_checkpoint(note: bytes) -> bool:
    """Whether it has the form of a signed checkpoint."""
    try:
        return bool(Checkpoint.of(Note.parse(note)))
    except BadNote:
        return False
