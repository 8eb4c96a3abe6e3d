"""One volume: its superblock, or what it must have been, and then the walk over its batches."""

from __future__ import annotations

from uuid import UUID

from findings import VolumeReport
from image import BLOCK, Image, Unreadable
from pinned import Pinned
from layout import NAME, BATCH_HEADER_SIZE, SUPERBLOCK_SIZE, BatchHeader, Superblock
from partitions import Partition
from records import GENESIS, Record
from space import BLOCKS_MAX, BLOCKS_MIN, Space
from walk import Walk


def verify(disk: Image, partition: Partition, pinned: Pinned, taken: set[str]) -> VolumeReport:
    """Everything there is to say of the volume in this partition. `taken` are the names of those before it."""
    volume = disk.part(partition.start, disk.size - partition.start)
    block = _read(volume, 0)
    found = Superblock.parse(block) if block is not None else None
    superblock = found or partition.superblock or _made_up_for(volume, partition)
    name, identity = _name(superblock, partition, taken), str(UUID(bytes=partition.id))
    report = VolumeReport(name, identity, partition.start, partition.found_by)
    if block is None and superblock is not None:
        report.add_unreadable("volume", 0, None)
    elif block is None or found is None:
        report.add("superblock", "volume", 0)
    else:
        if (found.volume, found.name, found.blocks) != (partition.id, partition.name, partition.blocks):
            report.add("superblock", "volume", 0)
        if any(block[SUPERBLOCK_SIZE:]):
            report.add("superblock", "volume", 0)
    if superblock is not None:
        Walk(volume, superblock, pinned, report).run()
    return report


def _name(superblock: Superblock | None, partition: Partition, taken: set[str]) -> str:
    """What the volume is called: as its superblock says, else as its partition does, else by its id, with a number
    behind that if another one is called so, too."""
    name = superblock.name if superblock is not None else partition.name
    if NAME.fullmatch(name) is None or name in taken:
        name = identity = str(UUID(bytes=partition.id))
        copy = 2
        while name in taken:
            name, copy = f"{identity}-{copy}", copy + 1
    taken.add(name)
    return name


def _made_up_for(volume: Image, partition: Partition) -> Superblock | None:
    """A lost superblock, from the partition and the genesis record in the first batch."""
    if not BLOCKS_MIN <= partition.blocks <= BLOCKS_MAX:
        return None
    block = _read(volume, Space.of(partition.blocks).start)
    if block is None:
        return None
    header, record = BatchHeader.parse(block), Record.parse(block, BATCH_HEADER_SIZE)
    match record.formed(GENESIS) if record is not None else None:
        case {"deployment": bytes(deployment), "name": str(name)} if NAME.fullmatch(name):
            superblock = Superblock(deployment, partition.id, name, partition.blocks)
            return superblock if header is not None and header.fits(0, superblock) else None
    return None


def _read(volume: Image, block: int) -> bytes | None:
    try:
        return volume.read(block * BLOCK, BLOCK)
    except Unreadable:
        return None
