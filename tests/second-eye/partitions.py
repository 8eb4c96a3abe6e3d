"""The partition table of a disk: GPT, UEFI 2.10, chapter 5."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from uuid import UUID
from zlib import crc32

from findings import Finding
from image import BLOCK, Image, Unreadable

SECTOR = 512
VOLUME_TYPE = UUID("B6D7CA1E-8E1F-4C39-A2F0-5F0C41D87B93")
ENTRY_SIZE = 128
ENTRIES_MAX = 1024

_HEADER = struct.Struct("<8s8xI52xQIII")
_ENTRY = struct.Struct("<16s16sQQQ72s")


@dataclass(frozen=True)
class Partition:
    """A partition that is a volume; it begins at byte `start` of the disk and has so many whole blocks."""

    id: bytes
    name: str
    start: int
    blocks: int


class NoDisk(Exception):
    """There is no partition table, or no volume in it."""


def read(disk: Image) -> tuple[list[Finding], list[Partition]]:
    """Findings about the disk as a whole, and its volumes; the first copy of the table that is sound counts."""
    copies = [_copy(disk, 1), _copy(disk, max(disk.size // SECTOR - 1, 0))]
    volumes = next((copy for copy in copies if copy is not None), [])
    if not volumes:
        raise NoDisk("there is no partition table with a volume of Totebox in it")
    too_long = sum(volume.start + volume.blocks * BLOCK > disk.size for volume in volumes)
    wrong = int(copies[0] != copies[1]) + too_long
    return [Finding(None, "partition-table")] * wrong, volumes


def _copy(disk: Image, sector: int) -> list[Partition] | None:
    """The volumes of the copy of the table whose header stands in `sector`, or None if it is damaged."""
    try:
        header = disk.read(sector * SECTOR, _HEADER.size)
        magic, check, entries_at, count, entry_size, entries_check = _HEADER.unpack_from(header)
        sound = (
            (magic, entry_size) == (b"EFI PART", ENTRY_SIZE)
            and count <= ENTRIES_MAX
            and crc32(header[:16] + bytes(4) + header[20:]) == check
        )
        if not sound:
            return None
        entries = disk.read(entries_at * SECTOR, count * ENTRY_SIZE)
    except Unreadable:
        return None
    if crc32(entries) != entries_check:
        return None
    found = (_entry(entries, at) for at in range(0, len(entries), ENTRY_SIZE))
    return [partition for partition in found if partition is not None]


def _entry(entries: bytes, at: int) -> Partition | None:
    kind, unique, first, last, _, name = _ENTRY.unpack_from(entries, at)
    if UUID(bytes_le=kind) != VOLUME_TYPE or last < first:
        return None
    text = name.decode("utf-16-le", "replace").split("\0")[0]
    return Partition(UUID(bytes_le=unique).bytes, text, first * SECTOR, (last + 1 - first) * SECTOR // BLOCK)
