"""Where ledger/ and assets/ are, and assets/ read across its chunks."""

from __future__ import annotations

import io
import unittest

from image import BLOCK, Image, Unreadable
from space import BLOCKS_MAX, INPUT_START, Space

# B, I, S and K, as the documentation lists them, and of the largest volume.
LISTED = [(256, 61, 192, 8), (4096, 128, 3965, 128), (32768, 1024, 31741, 256)]
LARGEST = (BLOCKS_MAX, 1 << 27, BLOCKS_MAX - 3 - (1 << 27), 256)


class Spaces(unittest.TestCase):
    """The space of small volumes, of listed ones, and of the largest."""

    def test_listed(self) -> None:
        for blocks, of_input, of_space, chunk in [*LISTED, LARGEST]:
            space = Space.of(blocks)
            self.assertEqual((space.start - INPUT_START, space.blocks, space.chunk), (of_input, of_space, chunk))

    def test_chunks_fill_the_space_from_its_end(self) -> None:
        for blocks in (*range(256, 600), 4096, 5000):
            space = Space.of(blocks)
            last_chunk_first = range(space.blocks - space.chunk, -1, -space.chunk)
            expected = [block for first in last_chunk_first for block in range(first, first + space.chunk)]
            self.assertEqual([space.asset(block) for block in range(space.assets_blocks)], expected)

    def test_the_directories_never_share_a_chunk(self) -> None:
        for blocks in (256, 257, 263, 4096):
            space = Space.of(blocks)
            self.assertEqual(space.ledger_limit(0), space.blocks)
            lowest = space.blocks
            for taken in range(1, space.assets_blocks + 1):
                lowest = min(lowest, space.asset(taken - 1))
                self.assertEqual(space.ledger_limit(taken), lowest)
            self.assertLess(space.ledger_limit(space.assets_blocks + 1), 0)

    def test_ledger_and_assets_are_read_in_their_order(self) -> None:
        space = Space.of(263)
        data = bytearray(263 * BLOCK)
        expected = b"".join(block.to_bytes(2, "big") * (BLOCK // 2) for block in range(space.assets_blocks))
        for block in range(space.assets_blocks):
            at = (space.start + space.asset(block)) * BLOCK
            data[at : at + BLOCK] = expected[block * BLOCK : (block + 1) * BLOCK]
        volume = Image(io.BytesIO(data), 0, len(data))
        assets = space.assets(volume)
        across = [(7 * BLOCK, 2 * BLOCK), (8 * BLOCK - 1, 2), (0, len(expected))]
        for at, length in [(0, 0), (0, 1), (5, 3 * BLOCK), *across]:
            self.assertEqual(assets.read(at, length), expected[at : at + length])
        self.assertRaises(Unreadable, assets.read, len(expected) - 1, 2)
        self.assertEqual(space.ledger(volume).read(0, space.blocks * BLOCK), bytes(data[space.start * BLOCK :]))


if __name__ == "__main__":
    unittest.main()
