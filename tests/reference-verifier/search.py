"""A search for volumes, by their superblocks: docs/ledger-format.md, "Disk"."""

from __future__ import annotations

from image import BLOCK, Image, Unreadable
from layout import BATCH_HEADER_SIZE, SUPERBLOCK_SIZE, Hint, BatchHeader, Superblock
from records import Record

STEP = 512
STRETCH = 1 << 20
CLOSELY_MAX = 4
VOLUMES_MAX = 1024

Found = tuple[int, Superblock]


def volumes(disk: Image) -> tuple[list[Found], int]:
    """The volumes found, by the byte at which they begin, and how many superblocks were passed over."""
    found: list[Found] = []
    aside: list[Found] = []
    at = 0
    while at < disk.size and len(found) < VOLUMES_MAX:
        start, at = at, min(at // STRETCH * STRETCH + STRETCH, disk.size)
        for candidate in _superblocks(_read(disk, start, at - start), start):
            if found and candidate[0] < _end(found[-1]):
                continue
            if _borne_out(disk, *candidate):
                found.append(candidate)
                at = _end(candidate)
            elif len(aside) < VOLUMES_MAX:
                aside.append(candidate)
    passed_over = 0
    for candidate in aside:
        if any(candidate[0] < _end(other) and other[0] < _end(candidate) for other in found):
            passed_over += 1
        else:
            found.append(candidate)
    return sorted(found, key=lambda volume: volume[0]), passed_over


def _superblocks(data: bytes, start: int) -> list[Found]:
    """The first few sound superblocks in bytes that begin at byte `start` of the disk."""
    found: list[Found] = []
    for at in range(0, len(data) - SUPERBLOCK_SIZE + 1, STEP):
        if data.startswith(b"TOTEBOXV", at) and len(found) < CLOSELY_MAX:
            superblock = Superblock.parse(data[at : at + SUPERBLOCK_SIZE])
            if superblock is not None:
                found.append((start + at, superblock))
    return found


def _borne_out(disk: Image, start: int, superblock: Superblock) -> bool:
    """Whether a hint of the volume or its first batch says the same."""
    for block in (1, 2):
        data = _block(disk, start, block)
        if data is not None and Hint.parse(data, superblock) is not None:
            return True
    first = _block(disk, start, superblock.space.start)
    if first is None:
        return False
    header, record = BatchHeader.parse(first), Record.parse(first, BATCH_HEADER_SIZE)
    return header is not None and header.fits(0, superblock) and record is not None and record.genesis_of(superblock)


def _end(found: Found) -> int:
    start, superblock = found
    return start + superblock.blocks * BLOCK


def _block(disk: Image, start: int, block: int) -> bytes | None:
    try:
        return disk.read(start + block * BLOCK, BLOCK)
    except Unreadable:
        return None


def _read(disk: Image, at: int, length: int) -> bytes:
    """Bytes of the disk; what cannot be read counts as zeros."""
    try:
        return disk.read(at, length)
    except Unreadable:
        pieces = range(at, at + length, BLOCK)
        return b"".join(_piece(disk, piece, min(BLOCK, at + length - piece)) for piece in pieces)


def _piece(disk: Image, at: int, length: int) -> bytes:
    try:
        return disk.read(at, length)
    except Unreadable:
        return bytes(length)
