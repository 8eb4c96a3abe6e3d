"""What the host tool and the vault write: superblock, batch header, hint, and the frontier they speak of."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from functools import cached_property

import hashes
from image import BLOCK
from space import BLOCKS_MAX, BLOCKS_MIN, Space

ZERO_HASH = bytes(32)
U64_MAX = (1 << 64) - 1
SUPERBLOCK_SIZE = 152
HINT_SIZE = 136
BATCH_HEADER_SIZE = 256
RECORD_BYTES_MAX = 32512
BATCH_BLOCKS_MAX = 8

_SUPERBLOCK = struct.Struct("<8sHHI16s16s32sQ32s")
_BATCH_HEADER = struct.Struct("<8sHHIQ16sQIIQQQ16s16s32s80s")
_HINT = struct.Struct("<8sHHI16sQQQQQ32s")
NAME = re.compile("[a-z0-9-]{1,32}")


@dataclass(frozen=True)
class Superblock:
    """What a volume is, as block 0 says."""

    deployment: bytes
    volume: bytes
    name: str
    blocks: int

    @cached_property
    def space(self) -> Space:
        """Where ledger/ and assets/ are."""
        return Space.of(self.blocks)

    @staticmethod
    def parse(block: bytes) -> Superblock | None:
        """The superblock in the first bytes of a block, or None if there is none."""
        magic, version, log2, reserved, deployment, volume, name, blocks, rest = _SUPERBLOCK.unpack_from(block)
        text = name.rstrip(b"\0").decode("ascii", "replace")
        sound = (
            (magic, version, log2, reserved, rest) == (b"TOTEBOXV", 2, 12, 0, bytes(32))
            and block[120:SUPERBLOCK_SIZE] == hashes.keyed("superblock", block[:120])
            and NAME.fullmatch(text) is not None
            and BLOCKS_MIN <= blocks <= BLOCKS_MAX
        )
        return Superblock(deployment, volume, text, blocks) if sound else None


@dataclass(frozen=True)
class Frontier:
    """Up to where a volume is committed."""

    batches: int
    ledger_next: int
    assets_next: int
    last_header: bytes
    sealed: bool


EMPTY = Frontier(0, 0, 0, ZERO_HASH, False)


@dataclass(frozen=True)
class BatchHeader:
    """The head of a batch, whose form and check are right."""

    sealing: bool
    blocks: int
    batch: int
    volume: bytes
    block: int
    record_bytes: int
    assets_from: int
    assets_to: int
    assets_durable: int
    records_checksum: bytes
    assets_checksum: bytes
    previous: bytes
    hash: bytes

    @staticmethod
    def parse(data: bytes) -> BatchHeader | None:
        """The batch header in the first 256 bytes, or None if there is none that is sound in itself."""
        (
            magic, version, what, blocks, batch, volume, block, record_bytes, reserved,
            assets_from, assets_to, assets_durable, records_checksum, assets_checksum, previous, rest,
        ) = _BATCH_HEADER.unpack_from(data)  # fmt: skip
        sound = (
            (magic, version, reserved, rest) == (b"TBXSTAMP", 2, 0, bytes(80))
            and what in (1, 2)
            and record_bytes <= RECORD_BYTES_MAX
            and (what == 1 or record_bytes == 0)
            and blocks == (BATCH_HEADER_SIZE + record_bytes + BLOCK - 1) // BLOCK
            and batch <= block
            and assets_from <= assets_durable <= assets_to
            and data[224:BATCH_HEADER_SIZE] == hashes.keyed("batch", data[:224])
        )
        if not sound:
            return None
        return BatchHeader(
            what == 2, blocks, batch, volume, block, record_bytes, assets_from, assets_to, assets_durable,
            records_checksum, assets_checksum, previous, data[224:BATCH_HEADER_SIZE],
        )  # fmt: skip

    def fits(self, block: int, superblock: Superblock) -> bool:
        """Whether it can be a batch header of this volume in this block of ledger/."""
        return (
            (self.volume, self.block) == (superblock.volume, block)
            and self.assets_to <= superblock.space.assets_blocks
            and block + self.blocks <= superblock.space.ledger_limit(self.assets_to)
        )

    def before(self) -> Frontier:
        """The frontier it continues, by its own word."""
        return Frontier(self.batch, self.block, self.assets_from, self.previous, False)

    def behind(self) -> Frontier:
        """The frontier behind it."""
        return Frontier(self.batch + 1, self.block + self.blocks, self.assets_to, self.hash, self.sealing)


@dataclass(frozen=True)
class Hint:
    """A frontier that was durable once, where its last batch header stands, and before which block of assets/ all
    content is."""

    frontier: Frontier
    assets_written: int
    last_header_block: int

    @staticmethod
    def parse(block: bytes, superblock: Superblock) -> Hint | None:
        """The hint in the first 136 bytes of a block, or None if there is none that is valid."""
        (
            magic, version, sealed, reserved, volume, batches, ledger, assets, written, last, header,
        ) = _HINT.unpack_from(block)  # fmt: skip
        sound = (
            (magic, version, reserved, volume) == (b"TBXHINT\0", 2, 0, superblock.volume)
            and sealed in (0, 1)
            and block[104:HINT_SIZE] == hashes.keyed("hint", block[:104])
            and assets <= written <= superblock.space.assets_blocks
            and batches <= ledger <= superblock.space.ledger_limit(written)
        )
        if not sound:
            return None
        frontier = Frontier(batches, ledger, assets, header, sealed == 1)
        possible = 1 <= ledger - last <= BATCH_BLOCKS_MAX if batches else (frontier, last) == (EMPTY, 0)
        return Hint(frontier, written, last) if possible else None
