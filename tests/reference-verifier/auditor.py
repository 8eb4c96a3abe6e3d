"""What the auditor keeps and publishes on the audit volume: docs/ledger-format.md, "Auditor's state"."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass

import cbor
import ed25519
import hashes
from image import BLOCK, Image, Unreadable
from note import BadNote, Checkpoint, Key, Note
from space import INPUT_START

AUDIT = "audit"  # the volume it is on
COPIES = (11, 36)  # where the copies begin, in blocks of app-console-input/
COPY_BLOCKS = 25

_HEAD = struct.Struct("<8sH6s16sQQ16s64s")


@dataclass(frozen=True)
class Copy:
    """A copy whose form is right, whoever wrote it."""

    generation: int
    payload: cbor.Map
    hash: bytes
    signature: bytes

    @staticmethod
    def parse(data: bytes, volume: bytes) -> Copy | None:
        """From the blocks of a copy, or None if there is none of this volume."""
        magic, version, _, of, generation, length, _, signature = _HEAD.unpack_from(data)
        end = _HEAD.size + length
        if (magic, version, of) != (b"TBXAUDIT", 2, volume) or end > len(data):
            return None
        try:
            payload = cbor.decode(data[_HEAD.size : end])
        except cbor.NotAPayload:
            return None
        return Copy(generation, payload, hashes.keyed("auditor", data[:64], data[_HEAD.size : end]), signature)

    def signed_with(self, key: Key) -> bool:
        """Whether the key has signed it."""
        return ed25519.verify(key.public, self.hash, self.signature)

    def checkpoint(self) -> tuple[Note, Checkpoint] | None:
        """The signed checkpoint of the audit record in it, and what that states."""
        text = self.payload.get("checkpoint")
        try:
            note = Note.parse(text.encode()) if isinstance(text, str) else None
            return (note, Checkpoint.of(note)) if note is not None else None
        except BadNote:
            return None


@dataclass(frozen=True)
class State:
    """Both copies on a volume, as far as they are signed with one of the keys; the newest first."""

    copies: list[Copy]
    foreign: bool  # both were written, and neither is signed so

    def checkpoints(self) -> list[tuple[Note, Checkpoint]]:
        """The checkpoints of the audit record in them."""
        return [found for copy in self.copies if (found := copy.checkpoint()) is not None]

    @staticmethod
    def read(volume: Image, identity: bytes, keys: Iterable[Key]) -> State:
        """From the volume."""
        found = [data for start in COPIES if (data := _blocks(volume, start)) is not None]
        keys = list(keys)
        parsed = [copy for data in found if (copy := Copy.parse(data, identity)) is not None]
        signed = [copy for copy in parsed if any(copy.signed_with(key) for key in keys)]
        written = sum(any(data) for data in found)
        return State(
            sorted(signed, key=lambda copy: -copy.generation), written == len(COPIES) and not signed
        )


def _blocks(volume: Image, start: int) -> bytes | None:
    try:
        return volume.read((INPUT_START + start) * BLOCK, COPY_BLOCKS * BLOCK)
    except Unreadable:
        return None
