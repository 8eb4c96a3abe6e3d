"""The walk over the batches of a volume: docs/ledger-format.md, "Verifying a volume"."""

from __future__ import annotations

import hashes
from area import STEP, Area
from chain import Chain
from contents import Contents
from findings import VolumeReport
from hints import Hints
from image import BLOCK, Image
from pinned import Comparison, Pinned
from layout import EMPTY, BATCH_HEADER_SIZE, U64_MAX, Frontier, BatchHeader, Superblock
from records import ALIGNMENT, Record


class Walk:
    """Walks over one volume, and enters into the report what it finds."""

    def __init__(self, volume: Image, superblock: Superblock, pinned: Pinned, report: VolumeReport) -> None:
        self._superblock = superblock
        self._space = superblock.space
        self._report = report
        self._assets = Area("assets", self._space.assets(volume), report)
        self._ledger = Area("ledger", self._space.ledger(volume), report)
        self._hints = Hints(Area("volume", volume.part(0, superblock.blocks * BLOCK), report), superblock)
        self._bound = self._hints.bound()
        self._frontier = EMPTY
        self._last_header_block: int | None = 0
        self._chain = Chain(superblock, report)
        self._comparison = Comparison(volume, pinned, superblock, report)

    def run(self) -> None:
        """Walks from the first batch to the last."""
        while self._frontier_seen() and self._next_batch():
            pass
        self._hints.finish(self._frontier)
        report, chain = self._report, self._chain
        report.batches, report.sealed = self._frontier.batches, self._frontier.sealed
        report.records, report.head, report.root = chain.next, chain.head.hex(), chain.tree.root().hex()
        self._comparison.finish(self._frontier.ledger_next)

    def _frontier_seen(self) -> bool:
        """Whether there may be a batch behind the frontier, which the hints are compared with."""
        self._hints.compare(self._frontier, self._last_header_block)
        open_ended = not self._frontier.sealed and self._frontier.ledger_next < self._ledger_end()
        return self._committed() or open_ended

    def _ledger_end(self) -> int:
        """The block of ledger/ before which a batch behind the frontier ends: from there on there is content."""
        return self._space.ledger_limit(self._frontier.assets_next)

    def _committed(self) -> bool:
        """Whether the batch behind the frontier is known to have been committed."""
        return self._frontier.ledger_next < self._bound.ledger_next

    def _next_batch(self) -> bool:
        """Goes over the batch at the frontier, or over what is left of it; False where the batches end."""
        here = self._ledger.block(self._frontier.ledger_next)
        header = self._header_in(self._frontier.ledger_next, here)
        continues = header is not None and header.before() == self._frontier and not self._frontier.sealed
        if header is not None and continues and (self._committed() or self._whole(header)):
            self._verify_batch(header)
            self._frontier, self._last_header_block = header.behind(), header.block
            return True
        if not self._committed():
            later = self._later_unhinted() if self._hints.lost(self._frontier) else None
            if later is None:
                self._report.unacknowledged = self._frontier.ledger_next if any(here) else None
                return False
            self._bound = later.before()
            return True
        self._go_on_behind(here)
        return True

    def _header_in(self, block: int, data: bytes) -> BatchHeader | None:
        """The batch header in this block of the ledger, if it is one of this volume and sound in itself."""
        header = BatchHeader.parse(data)
        return header if header is not None and header.fits(block, self._superblock) else None

    def _record_bytes(self, header: BatchHeader) -> tuple[bytes, bytes]:
        """The record bytes of a batch, and the rest of its last block."""
        batch = self._ledger.read(header.block, header.block + header.blocks)[BATCH_HEADER_SIZE:]
        return batch[: header.record_bytes], batch[header.record_bytes :]

    def _whole(self, header: BatchHeader) -> bool:
        """Whether both checksums match."""
        data, _ = self._record_bytes(header)
        return hashes.checksum([data]) == header.records_checksum and self._assets_match(header)

    def _assets_match(self, header: BatchHeader) -> bool:
        pieces = self._assets.pieces(header.assets_durable, header.assets_to)
        return hashes.checksum(pieces) == header.assets_checksum

    def _verify_batch(self, header: BatchHeader) -> None:
        """Everything in a batch that was committed."""
        data, rest = self._record_bytes(header)
        sound = hashes.checksum([data]) == header.records_checksum
        before = self._report.findings
        if any(rest):
            self._report.add("record", "ledger", header.block + header.blocks - 1)
        contents = Contents(self._assets, header.assets_from, header.assets_to)
        start = header.block * BLOCK + BATCH_HEADER_SIZE
        at = 0
        while at < len(data):
            record = Record.parse(data, at)
            if record is None or not (sound or self._chain.can_go_on(record, start + at)):
                self._chain.damaged(start + at)
                at += ALIGNMENT
                continue
            self._take(record, start + at, contents)
            at += record.size
        unreferenced = contents.first_unreferenced(header.assets_durable)
        if unreferenced is not None and contents.sound and not self._assets_match(header):
            self._report.add("asset", "assets", unreferenced)
        if not sound and self._report.findings == before:
            self._report.add("record", "ledger", header.block)

    def _take(self, record: Record, at: int, contents: Contents) -> None:
        self._chain.take(record, at)
        self._comparison.take(record, at // BLOCK)
        if record.document is None:
            return
        self._report.documents += 1
        content = record.document.content
        if content is not None:
            self._report.content_bytes = min(self._report.content_bytes + content.size, U64_MAX)
            contents.verify(content, record.sequence, at // BLOCK)

    def _go_on_behind(self, here: bytes) -> None:
        """The batch header at the frontier is lost."""
        lost = self._frontier.ledger_next
        later = self._later(lost, self._bound.ledger_next)
        if self._ledger.readable(lost):
            older = later is None and not any(here)
            self._report.add("rollback" if older else "batch", "ledger", lost)
        further = self._bound if later is None else later.before()
        self._salvage(self._frontier, further)
        self._frontier, self._last_header_block = further, None

    def _later(self, first: int, behind: int) -> BatchHeader | None:
        """The first batch header in the blocks `first`..`behind` with which the ledger can go on."""
        for block in range(first, behind):
            data = self._ledger.glance(block)
            header = None if data is None else self._header_in(block, data)
            if header is not None and self._may_follow(header):
                return header
        return None

    def _later_unhinted(self) -> BatchHeader | None:
        """The same where no hint says how far the ledger reaches."""
        return self._later(self._frontier.ledger_next + 1, self._ledger_end())

    def _may_follow(self, header: BatchHeader) -> bool:
        """Whether it can be a later batch's; and where it is known up to where there are batches, one of those."""
        frontier, bound, after = self._frontier, self._bound, header.behind()
        return (
            0 <= header.batch - frontier.batches <= header.block - frontier.ledger_next
            and header.assets_from >= frontier.assets_next
            and (
                not self._committed()
                or (
                    after.batches <= bound.batches
                    and after.ledger_next <= bound.ledger_next
                    and after.assets_next <= bound.assets_next
                )
            )
        )

    def _salvage(self, before: Frontier, behind: Frontier) -> None:
        """Looks for whole records in the blocks between two frontiers."""
        contents = Contents(self._assets, before.assets_next, behind.assets_next)
        at, end = before.ledger_next * BLOCK, behind.ledger_next * BLOCK
        self._chain.interrupted(at)
        while at < end:
            first = at // BLOCK
            # One block more than is gone through, as a record may reach into it.
            data = self._ledger.read(first, min(first + STEP + 1, behind.ledger_next))
            start, stop = first * BLOCK, min((first + STEP) * BLOCK, end)
            while at < stop:
                record = Record.parse(data, at - start)
                if record is None or not self._chain.can_go_on(record, at):
                    self._chain.interrupted(at)
                    at += ALIGNMENT
                    continue
                self._take(record, at, contents)
                at += record.size
