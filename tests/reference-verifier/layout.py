"""What the host tool and the vault write: superblock, batch header, hint, and the frontier they speak of."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

import hashes
from image import BLOCK

ZERO_HASH = bytes(32)
U64_MAX = (1 << 64) - 1
SUPERBLOCK_SIZE = 152
HINT_SIZE = 128
BATCH_HEADER_SIZE = 256
RECORD_BYTES_MAX = 32512
BATCH_BLOCKS_MAX = 8
ASSETS_START = 64  # the block of the volume in which assets/ begins

_SUPERBLOCK = struct.Struct("<8sHHI16s16s32sQQ24s")
_BATCH_HEADER = struct.Struct("<8sHHIQ16sQIIQQQ16s16s32s80s")
_HINT = struct.Struct("<8sHHI16sQQQQ32s")
NAME = re.compile("[a-z0-9-]{1,32}")


@dataclass(frozen=True)
class Superblock:
    """What a volume is, as block 0 says."""

    deployment: bytes
    volume: bytes
    name: str
    blocks: int
    ledger_blocks: int

    @property
    def assets_blocks(self) -> int:
        """A, the blocks of assets/."""
        return self.blocks - ASSETS_START - self.ledger_blocks

    @property
    def ledger_start(self) -> int:
        """The block of the volume in which ledger/ begins."""
        return ASSETS_START + self.assets_blocks

    @staticmethod
    def parse(block: bytes) -> Superblock | None:
        """The superblock in the first bytes of a block, or None if there is none."""
        (
            magic, version, log2, reserved, deployment, volume, name, blocks, ledger, rest,
        ) = _SUPERBLOCK.unpack_from(block)  # fmt: skip
        text = name.rstrip(b"\0").decode("ascii", "replace")
        found = Superblock(deployment, volume, text, blocks, ledger)
        sound = (
            (magic, version, log2, reserved, rest) == (b"TOTEBOXV", 2, 12, 0, bytes(24))
            and block[120:SUPERBLOCK_SIZE] == hashes.keyed("superblock", block[:120])
            and NAME.fullmatch(text) is not None
            and 256 <= blocks <= 1 << 32
            and ledger >= 1
            and found.assets_blocks >= 1
        )
        return found if sound else None


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
            and block + self.blocks <= superblock.ledger_blocks
            and self.assets_to <= superblock.assets_blocks
        )

    def before(self) -> Frontier:
        """The frontier it continues, by its own word."""
        return Frontier(self.batch, self.block, self.assets_from, self.previous, False)

    def behind(self) -> Frontier:
        """The frontier behind it."""
        return Frontier(self.batch + 1, self.block + self.blocks, self.assets_to, self.hash, self.sealing)


@dataclass(frozen=True)
class Hint:
    """A frontier that was durable once, and where its last batch header stands."""

    frontier: Frontier
    last_header_block: int

    @staticmethod
    def parse(block: bytes, superblock: Superblock) -> Hint | None:
        """The hint in the first 128 bytes of a block, or None if there is none that is valid."""
        magic, version, sealed, reserved, volume, batches, ledger, assets, last, header = _HINT.unpack_from(block)
        sound = (
            (magic, version, reserved, volume) == (b"TBXHINT\0", 2, 0, superblock.volume)
            and sealed in (0, 1)
            and block[96:HINT_SIZE] == hashes.keyed("hint", block[:96])
            and batches <= ledger <= superblock.ledger_blocks
            and assets <= superblock.assets_blocks
        )
        if not sound:
            return None
        hint = Hint(Frontier(batches, ledger, assets, header, sealed == 1), last)
        possible = 1 <= ledger - last <= BATCH_BLOCKS_MAX if batches else hint == Hint(EMPTY, 0)
        return hint if possible else None
