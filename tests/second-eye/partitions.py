"""The partition table of a disk: GPT, UEFI 2.10, chapter 5."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from uuid import UUID
from zlib import crc32

from image import Image, Unreadable

SECTOR = 512
VOLUME_TYPE = UUID("B6D7CA1E-8E1F-4C39-A2F0-5F0C41D87B93")
ALIGNMENT = 1 << 20
ENTRIES_MAX = 1024

_HEADER = struct.Struct("<8sIIIIQQQQ16sQIII")
_ENTRY = struct.Struct("<16s16sQQQ72s")


@dataclass(frozen=True)
class Partition:
    """A partition that is a volume; `start` and `size` in bytes."""

    id: bytes
    name: str
    start: int
    size: int


def read(disk: Image, sector: int) -> list[Partition] | None:
    """The volumes of the copy of the table whose header stands in `sector`, or None if it is damaged."""
    try:
        header = disk.read(sector * SECTOR, SECTOR)
        (
            magic, revision, length, check, reserved, own, _, _, _, _, entries_at, count, entry_size, entries_check,
        ) = _HEADER.unpack_from(header)  # fmt: skip
        sound = (
            (magic, revision, reserved, own) == (b"EFI PART", 0x10000, 0, sector)
            and _HEADER.size <= length <= SECTOR
            and count <= ENTRIES_MAX
            and entry_size in (128, 256, 512)
            and crc32(header[:16] + bytes(4) + header[20:length]) == check
        )
        if not sound:
            return None
        entries = disk.read(entries_at * SECTOR, count * entry_size)
    except Unreadable:
        return None
    if crc32(entries) != entries_check:
        return None
    found = (_entry(entries, at) for at in range(0, len(entries), entry_size))
    return [partition for partition in found if partition is not None]


def _entry(entries: bytes, at: int) -> Partition | None:
    kind, unique, first, last, _, name = _ENTRY.unpack_from(entries, at)
    if UUID(bytes_le=kind) != VOLUME_TYPE:
        return None
    text = name.decode("utf-16-le", "replace").split("\0")[0]
    return Partition(UUID(bytes_le=unique).bytes, text, first * SECTOR, (last + 1 - first) * SECTOR)
