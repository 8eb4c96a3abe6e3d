"""Walks over small volumes made by the documentation: content in chunks, how far batches reach, what is lost."""

from __future__ import annotations

import unittest

import hashes
import made
import search
from image import BLOCK
from layout import EMPTY, BatchHeader, Frontier, Hint, Superblock
from made import Made

CHUNK = 8  # of a volume of 256 blocks
CONTENT = bytes(i * 31 % 251 for i in range(2 * CHUNK * BLOCK + 100))  # of three chunks


def hinted(*contents: bytes) -> Made:
    """A volume with these documents, all before both hints."""
    volume = Made(256)
    for content in contents:
        volume.commit(content)
    for slot in (1, 2):
        volume.hint(slot, volume.frontier)
    return volume


class Chunks(unittest.TestCase):
    """Content that is in several places."""

    def test_a_volume_of_any_size(self) -> None:
        for blocks in (256, 257, 1000, 4096):
            volume = Made(blocks)
            for content in (b"short", CONTENT, b"", CONTENT):
                volume.commit(content)
            volume.hint(1, EMPTY)
            volume.hint(2, volume.frontier)
            report = volume.verify()
            self.assertEqual((report.listed, report.documents, report.unacknowledged), ([], 4, None))

    def test_a_bit_anywhere(self) -> None:
        volume = hinted(b"short", CONTENT)
        for block in range(volume.frontier.assets_next):
            self.assertEqual(volume.found(), [])
            volume.spoil(volume.asset(block))
            record, first = (1, 0) if block == 0 else (2, 1)
            self.assertEqual(volume.found(), [f"contracts: asset: assets block {first}, record {record}"])
            volume.spoil(volume.asset(block))
        volume.spoil(volume.asset(17), BLOCK - 1)
        self.assertEqual(volume.found(), ["contracts: asset: assets block 17, record 2"])

    def test_blocks_that_cannot_be_read(self) -> None:
        volume = hinted(CONTENT)
        del volume.data[-3 * BLOCK :]
        lost = [f"contracts: unreadable: assets block {block}, record 1" for block in (5, 6, 7)]
        self.assertEqual(volume.found(), lost)


class Limits(unittest.TestCase):
    """How far batches may reach."""

    def full(self, batches: int) -> Made:
        """A volume with content in all blocks from block 24 of ledger/ on, and so many batches before."""
        volume = Made(256)
        volume.commit(b"x" * (21 * CHUNK * BLOCK))
        while volume.frontier.batches < batches:
            volume.commit(b"")
        return volume

    def test_a_full_volume(self) -> None:
        volume = self.full(23)
        volume.seal()  # the block behind is content
        self.assertEqual(volume.frontier.ledger_next, volume.space.ledger_limit(volume.frontier.assets_next))
        for blank in (False, True):
            for slot in (1, 2):
                volume.hint(slot, volume.frontier)
                if blank:
                    volume.put(slot, bytes(BLOCK))
            report = volume.verify()
            self.assertEqual([finding.kind for finding in report.listed], ["hint", "hint"] if blank else [])
            self.assertEqual((report.batches, report.sealed, report.unacknowledged), (24, True, None))

    def test_a_batch_that_is_not_whole_ends_the_walk(self) -> None:
        volume = hinted(b"first")
        volume.commit(b"not acknowledged")
        volume.commit(b"behind it")
        for block, at in [(volume.ledger(2), 300), (volume.asset(1), 0)]:
            volume.spoil(block, at)
            report = volume.verify()
            self.assertEqual((report.listed, report.batches, report.unacknowledged), ([], 2, 2))
            volume.spoil(block, at)
        self.assertEqual(volume.verify().batches, 4)

    def test_what_is_behind_the_last_batch(self) -> None:
        volume = self.full(22)
        for slot in (1, 2):
            volume.hint(slot, volume.frontier)
        for block, unacknowledged in [(22, 22), (23, None), (24, None)]:
            volume.spoil(volume.ledger(block), 5)
            self.assertEqual(volume.verify().unacknowledged, unacknowledged)
            volume.spoil(volume.ledger(block), 5)

    def test_a_batch_header_is_within_the_volume(self) -> None:
        space = Made(256).superblock
        for block, assets, fits in [
            (0, 184, True),
            (7, 184, True),
            (8, 184, False),
            (8, 176, True),
            (191, 0, True),
            (192, 0, False),
            (0, 192, False),  # there is room for that much, but none is left for the batch
            (0, 193, False),
        ]:
            data, _ = made.batch(Frontier(0, block, assets, bytes(32), False), b"", b"")
            header = BatchHeader.parse(data)
            assert header is not None
            self.assertEqual(header.fits(block, space), fits, (block, assets))

    def test_what_may_have_been_written_ends_no_walk(self) -> None:
        volume = Made(256)
        while volume.frontier.batches < 20:
            volume.commit(b"")
        before = volume.frontier
        while volume.frontier.batches < 30:
            volume.commit(b"")
        for written in (0, 161, 168):  # of 168 blocks the last are in block 24 of ledger/ and behind
            for slot in (1, 2):
                volume.put(slot, made.hint(Hint(before, written, 19)))
            report = volume.verify()
            self.assertEqual((report.listed, report.batches, report.unacknowledged), ([], 30, None))

    def test_content_that_was_given_up(self) -> None:
        volume = Made(256)
        # Block 8 of assets/ is block 176 of the space.
        like, _ = made.batch(Frontier(5, 176, 0, bytes(32), False), b"", b"")
        volume.put_asset(CHUNK, like)  # it looks like a batch where it stands
        for slot in (1, 2):
            volume.hint(slot, volume.frontier)
        report = volume.verify()
        self.assertEqual((report.listed, report.batches, report.unacknowledged), ([], 1, None))
        for slot in (1, 2):
            volume.put(slot, bytes(BLOCK))
        self.assertIn("contracts: rollback: ledger block 1", volume.found())  # mistaken for one without hints

    def test_before_the_hint_content_ends_nothing(self) -> None:
        volume = self.full(23)
        volume.seal()
        further = Frontier(30, 30, 0, bytes(32), False)
        for slot in (1, 2):
            volume.put(slot, made.hint(Hint(further, 0, 29)))
        self.assertEqual(volume.found(), ["contracts: batch: ledger block 24"])

    def test_hints_that_can_be(self) -> None:
        of = Made(256).superblock
        last = Frontier(3, 10, 20, bytes([1]) * 32, True)
        for frontier, written, header, valid in [
            (EMPTY, 0, 0, True),
            (EMPTY, 192, 0, True),
            (EMPTY, 193, 0, False),
            (EMPTY, 0, 1, False),
            (Frontier(0, 0, 0, bytes(32), True), 0, 0, False),
            (Frontier(0, 1, 0, bytes(32), False), 0, 0, False),
            (Frontier(0, 0, 1, bytes(32), False), 1, 0, False),
            (last, 20, 9, True),
            (last, 19, 9, False),
            (last, 176, 9, True),  # E is 16
            (last, 177, 9, False),  # E is 8
            (last, 20, 10, False),
            (last, 20, 2, True),
            (last, 20, 1, False),
            (Frontier(11, 10, 20, bytes(32), False), 20, 9, False),
        ]:
            hint = Hint(frontier, written, header)
            data = made.hint(hint)
            self.assertEqual(Hint.parse(data, of), hint if valid else None, hint)
            self.assertIsNone(Hint.parse(data[:56] + bytes([data[56] ^ 1]) + data[57:], of))

    def test_what_is_behind_a_hint(self) -> None:
        volume = hinted(b"content")
        volume.put(1, made.hint(Hint(volume.frontier, 1, 1)) + b"\1")
        self.assertEqual(volume.found(), ["contracts: hint: volume block 1"])


class Lost(unittest.TestCase):
    """Superblocks, hints and batch headers that are lost."""

    def test_a_superblock(self) -> None:
        for blocks in (256, 300, 4096):
            volume = Made(blocks)
            volume.commit(CONTENT)
            for slot in (1, 2):
                volume.hint(slot, volume.frontier)
            for damage in (b"\0", bytes(BLOCK)):
                volume.put(0, damage)
                report = volume.verify()
                self.assertEqual((volume.found(), report.documents), (["contracts: superblock: volume block 0"], 1))
        self.assertEqual(volume.verify(b"another volume's").head, "")
        volume.spoil(volume.ledger(0))
        self.assertEqual((volume.found(), volume.verify().batches), (["contracts: superblock: volume block 0"], 0))

    def test_what_is_no_superblock(self) -> None:
        of = Made(256).superblock
        data = made.superblock(of)
        self.assertEqual(Superblock.parse(data), of)
        for at, byte in [(8, 1), (12, 1), (81, 0), (88, 1), (119, 1)]:  # 81: 256 is its only bit
            changed = data[:at] + bytes([byte]) + data[at + 1 : 120]
            self.assertIsNone(Superblock.parse(changed + hashes.keyed("superblock", changed)))
        self.assertIsNone(Superblock.parse(data[:-1] + bytes([data[-1] ^ 1])))

    def test_a_search(self) -> None:
        volume = Made(256)
        self.assertEqual(search.volumes(volume.image()), ([(0, volume.superblock)], 0))
        start, size = 5 * 512, len(volume.data)
        volume.data[:0] = bytes(start)
        self.assertEqual(search.volumes(volume.image()), ([(start, volume.superblock)], 0))
        # A superblock inside is content as long as the volume around it is borne out, by its first batch or by a hint.
        inside = Made(256).superblock
        at = start + size // 2 // 512 * 512
        volume.data[at : at + 152] = made.superblock(inside)
        self.assertEqual(search.volumes(volume.image()), ([(start, volume.superblock)], 0))
        volume.data[start + volume.ledger(0) * BLOCK] ^= 1
        volume.data[start + 2 * BLOCK : start + 2 * BLOCK + 136] = made.hint(Hint(EMPTY, 192, 0))
        self.assertEqual(search.volumes(volume.image()), ([(start, volume.superblock)], 0))
        volume.data[start + 2 * BLOCK] ^= 1
        self.assertEqual(search.volumes(volume.image()), ([(start, volume.superblock)], 1))

    def test_a_batch_header_before_the_hint(self) -> None:
        volume = hinted(b"first", CONTENT, b"last")
        volume.spoil(volume.ledger(2))
        # Record and content are whole: only what says where they are is lost.
        self.assertEqual(volume.found(), ["contracts: batch: ledger block 2"])
        self.assertEqual(volume.verify().documents, 3)

    def test_both_hints(self) -> None:
        volume = hinted(b"first", CONTENT, b"last")
        for slot in (1, 2):
            volume.spoil(slot)
        lost = [f"contracts: hint: volume block {slot}" for slot in (1, 2)]
        self.assertEqual(volume.found(), lost)
        volume.spoil(volume.ledger(2))
        self.assertEqual(volume.found(), [*lost, "contracts: batch: ledger block 2"])
        volume.spoil(volume.ledger(3))  # now nothing is known to have followed
        self.assertEqual((volume.found(), volume.verify().unacknowledged), (lost, 2))

    def test_without_hints_batch_headers_are_looked_for_up_to_the_content(self) -> None:
        volume = Made(256)
        volume.commit(bytes(20 * CHUNK * BLOCK))
        limit = volume.space.ledger_limit(20 * CHUNK)
        for block, found in [(limit - 1, True), (limit, False)]:
            data, _ = made.batch(Frontier(5, block, 20 * CHUNK, bytes(32), False), b"", b"")
            volume.put(volume.ledger(block), data)
            kinds = {finding.kind for finding in volume.verify().listed}
            self.assertEqual("rollback" in kinds, found)  # blocks of zeros, and then a batch
            volume.put(volume.ledger(block), bytes(BLOCK))


if __name__ == "__main__":
    unittest.main()
