"""Which volumes are on a disk: by its partition table (GPT, UEFI 2.10, chapter 5), or by a search."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from uuid import UUID
from zlib import crc32

import search
from findings import Finding
from image import BLOCK, Image, Unreadable
from layout import SUPERBLOCK_SIZE, Superblock

SECTORS = (512, 4096)
VOLUME_TYPE = UUID("B6D7CA1E-8E1F-4C39-A2F0-5F0C41D87B93")
ENTRY_SIZES = (128, 256, 512, 1024, 2048, 4096)
ENTRIES_MAX = 1024

_HEADER = struct.Struct("<8s8xI52xQIII")
_ENTRY = struct.Struct("<16s16sQQQ72s")


@dataclass(frozen=True)
class Partition:
    """A volume's place; it begins at byte `start` of the disk and has so many whole blocks. `typed`: the table says
    so, too. `found_by` is "partition-table", or "search" for what is in no table: that has the superblock found."""

    id: bytes
    name: str
    start: int
    blocks: int
    typed: bool = True
    found_by: str = "partition-table"
    superblock: Superblock | None = None


class NoDisk(Exception):
    """There is no partition table with a volume in it, and no volume anywhere."""


def read(disk: Image) -> tuple[list[Finding], list[Partition]]:
    """Findings about the disk as a whole, and its volumes."""
    for sector in SECTORS:
        copies = [_copy(disk, 1, sector), _copy(disk, max(disk.size // sector - 1, 0), sector)]
        if copies != [None, None]:
            break
    volumes = next((copy for copy in copies if copy is not None), [])
    if volumes:
        wrong = int(copies[0] != copies[1]) + _too_long(disk, volumes) + sum(not v.typed for v in volumes)
    else:
        volumes, wrong = _searched(disk)
    return [Finding(None, "partition-table")] * wrong, volumes


def _too_long(disk: Image, volumes: list[Partition]) -> int:
    return sum(volume.start + volume.blocks * BLOCK > disk.size for volume in volumes)


def _searched(disk: Image) -> tuple[list[Partition], int]:
    """The volumes a search finds, and how many findings come of it."""
    found, passed_over = search.volumes(disk)
    if not found:
        raise NoDisk("there is no partition table with a volume of Totebox in it, and no superblock")
    volumes = [
        Partition(superblock.volume, superblock.name, start, superblock.blocks, True, "search", superblock)
        for start, superblock in found
    ]
    first = volumes[0]
    whole = (first.start, first.blocks * BLOCK) == (0, disk.size)
    if len(volumes) == 1 and whole and not passed_over:
        return volumes, 0
    return volumes, 1 + _too_long(disk, volumes) + int(passed_over > 0)


def _copy(disk: Image, lba: int, sector: int) -> list[Partition] | None:
    """The volumes of the copy of the table whose header stands in sector `lba`, or None if it is damaged."""
    try:
        header = disk.read(lba * sector, _HEADER.size)
        magic, check, entries_at, count, entry_size, entries_check = _HEADER.unpack_from(header)
        sound = (
            magic == b"EFI PART"
            and entry_size in ENTRY_SIZES
            and count <= ENTRIES_MAX
            and crc32(header[:16] + bytes(4) + header[20:]) == check
        )
        if not sound:
            return None
        entries = disk.read(entries_at * sector, count * entry_size)
    except Unreadable:
        return None
    if crc32(entries) != entries_check:
        return None
    found = (_entry(disk, entries, at, sector) for at in range(0, len(entries), entry_size))
    return [partition for partition in found if partition is not None]


def _entry(disk: Image, entries: bytes, at: int, sector: int) -> Partition | None:
    kind, unique, first, last, _, name = _ENTRY.unpack_from(entries, at)
    if not any(kind) or last < first:
        return None
    start, typed = first * sector, UUID(bytes_le=kind) == VOLUME_TYPE
    if not typed and not _is_superblock(disk, start):
        return None
    text = name.decode("utf-16-le", "replace").split("\0")[0]
    blocks = (last + 1 - first) * sector // BLOCK
    return Partition(UUID(bytes_le=unique).bytes, text, start, blocks, typed, "partition-table")


def _is_superblock(disk: Image, at: int) -> bool:
    try:
        return Superblock.parse(disk.read(at, SUPERBLOCK_SIZE)) is not None
    except Unreadable:
        return False
