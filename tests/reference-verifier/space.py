"""Where the directories of a volume are: docs/ledger-format.md, "Volume"."""

from __future__ import annotations

from dataclasses import dataclass

from image import BLOCK, Image

BLOCKS_MIN, BLOCKS_MAX = 256, 1 << 32  # of a volume
INPUT_START = 3  # the block of the volume in which app-console-input/ begins
INPUT_BLOCKS_MIN = 61
CHUNK_MAX = 256


@dataclass(frozen=True)
class Space:
    """What ledger/ and assets/ share: `blocks` blocks from block `start` of the volume on."""

    start: int
    blocks: int

    @staticmethod
    def of(volume_blocks: int) -> Space:
        """That of a volume of so many blocks."""
        start = INPUT_START + max(volume_blocks // 32, INPUT_BLOCKS_MIN)
        return Space(start, volume_blocks - start)

    @property
    def chunk(self) -> int:
        """K, the blocks of a chunk of assets/."""
        return min(1 << (self.blocks // 16).bit_length() - 1, CHUNK_MAX)

    @property
    def assets_blocks(self) -> int:
        """What assets/ can have at most: the whole chunks there are."""
        return self.blocks // self.chunk * self.chunk

    def ledger_limit(self, assets: int) -> int:
        """E: ledger/ ends before this block of it when so many blocks of assets/ are taken."""
        chunks = (assets + self.chunk - 1) // self.chunk
        return self.blocks - chunks * self.chunk

    def asset(self, block: int) -> int:
        """Where block `block` of assets/ is, in blocks of the space."""
        chunk, within = divmod(block, self.chunk)
        return self.blocks - (chunk + 1) * self.chunk + within

    def ledger(self, volume: Image) -> Image:
        """ledger/, as if it had all of the space."""
        return volume.part(self.start * BLOCK, self.blocks * BLOCK)

    def assets(self, volume: Image) -> Assets:
        """assets/, as if it had all of the space."""
        return Assets(self.ledger(volume), self)


@dataclass(frozen=True)
class Assets:
    """assets/ in the order of its blocks, out of the chunks that fill the space from its end."""

    image: Image
    space: Space

    def read(self, at: int, length: int) -> bytes:
        """`length` bytes from `at` on, or Unreadable."""
        pieces, end, chunk = [], at + length, self.space.chunk * BLOCK
        while at < end:
            block, within = divmod(at, BLOCK)
            behind = min(at // chunk * chunk + chunk, end)
            pieces.append(self.image.read(self.space.asset(block) * BLOCK + within, behind - at))
            at = behind
        return b"".join(pieces)
