"""One volume, verified from its superblock to its frontier: docs/ledger-format.md, "Verifying a volume"."""

from __future__ import annotations

from blake3 import blake3

import hashes
from chain import Chain
from findings import VolumeReport
from image import BLOCK, STEP, Image, Unreadable
from layout import ASSETS_START, EMPTY, STAMP_SIZE, Frontier, Hint, Stamp, Superblock
from partitions import Partition
from records import Record

HINT_BLOCKS = (1, 2)


def verify(disk: Image, partition: Partition) -> VolumeReport:
    """Everything there is to say of the volume in this partition."""
    report = VolumeReport(partition.name, partition.id.hex())
    volume = disk.part(partition.start, partition.size)
    try:
        superblock = _superblock(volume, partition, report)
        if superblock is not None:
            _Walk(volume, superblock, report).run()
    except Unreadable:
        report.add("unreadable", "volume", 0)
    return report


def _superblock(volume: Image, partition: Partition, report: VolumeReport) -> Superblock | None:
    """The superblock; where it is lost, what it must have been by the first run."""
    block = volume.blocks(0, 1)
    found = Superblock.parse(block)
    expected = (partition.id, partition.name, partition.size // BLOCK)
    if found is not None and (found.volume, found.name, found.blocks) == expected:
        if any(block[152:]):
            report.add("superblock", "volume", 0)
        return found
    report.add("superblock", "volume", 0)
    return _made_up_for(volume, partition)


def _made_up_for(volume: Image, partition: Partition) -> Superblock | None:
    """The ledger begins where the first run stands, and the genesis record in it names the deployment."""
    blocks = partition.size // BLOCK
    for block in range(blocks - 1, ASSETS_START, -1):
        data = volume.blocks(block, block + 1)
        stamp = Stamp.parse(data)
        if stamp is None or (stamp.volume, stamp.run, stamp.block) != (partition.id, 0, 0):
            continue
        genesis = Record.parse(data, STAMP_SIZE)
        if genesis is not None and genesis.sequence == 0 and len(genesis.payload) == 64:
            return Superblock(genesis.payload[:16], partition.id, partition.name, blocks, blocks - block)
    return None


class _Walk:
    """The walk over a volume's runs, and what it has found so far."""

    def __init__(self, volume: Image, superblock: Superblock, report: VolumeReport) -> None:
        self.superblock = superblock
        self.report = report
        self.volume = volume
        self.assets = volume.part(ASSETS_START * BLOCK, superblock.assets_blocks * BLOCK)
        self.ledger = volume.part(superblock.ledger_start * BLOCK, superblock.ledger_blocks * BLOCK)
        self.chain = Chain()
        self.hints: dict[int, Hint] = {}
        self.all_blank = False

    def run(self) -> None:
        """Verifies the volume."""
        self._read_hints()
        target = max((hint.frontier for hint in self.hints.values()), key=lambda f: f.runs, default=EMPTY)
        guessing = not self.hints and not self.all_blank
        frontier, last_block = EMPTY, 0
        while True:
            self._compare_hints(frontier, last_block)
            known = frontier.runs < target.runs
            if not known and (frontier.sealed or frontier.ledger_next == self.superblock.ledger_blocks):
                break
            stamp = self._stamp(frontier.ledger_next)
            follows = stamp is not None and stamp.continues(frontier, self.superblock)
            if stamp is not None and follows and (known or self._whole(stamp)):
                self._verify_run(stamp)
                frontier, last_block = stamp.behind(), stamp.block
                continue
            if not known:
                later = self._later_stamp(frontier, self.superblock.ledger_blocks) if guessing else None
                if later is None or later.run <= frontier.runs:
                    self.report.unacknowledged = follows
                    break
                target = later.before()
                if stamp is not None and follows:
                    continue
            if target.ledger_next <= frontier.ledger_next:
                break
            further = self._going_on(frontier, target)
            if further is None:
                break
            frontier, last_block = further, -1
        self._finish(frontier)

    def _finish(self, frontier: Frontier) -> None:
        for block, hint in self.hints.items():
            if hint.frontier.runs > frontier.runs and not self.report.findings:
                self.report.add("hint", "volume", block)
        blank = [block for block in HINT_BLOCKS if not any(self.volume.blocks(block, block + 1))]
        newest = max((hint.frontier.runs for hint in self.hints.values()), default=0)
        if (len(blank) == 2 and frontier.runs > 0) or (len(blank) == 1 and newest > 0):
            for block in blank:
                self.report.add("hint", "volume", block)
        report, chain = self.report, self.chain
        report.runs, report.sealed = frontier.runs, frontier.sealed
        report.records, report.documents, report.content_bytes = chain.records, chain.documents, chain.content_bytes
        report.head, report.root = chain.head.hex(), chain.root().hex()

    def _read_hints(self) -> None:
        blank = 0
        for block in HINT_BLOCKS:
            data = self.volume.blocks(block, block + 1)
            if not any(data):
                blank += 1
                continue
            hint = Hint.parse(data, self.superblock)
            if hint is not None:
                self.hints[block] = hint
            if hint is None or any(data[128:]):
                self.report.add("hint", "volume", block)
        self.all_blank = blank == len(HINT_BLOCKS)

    def _compare_hints(self, frontier: Frontier, last_block: int) -> None:
        for block, hint in self.hints.items():
            if hint.frontier.runs != frontier.runs:
                continue
            if hint.frontier != frontier or last_block not in (-1, hint.last_stamp_block):
                self.report.add("hint", "volume", block)

    def _stamp(self, block: int) -> Stamp | None:
        """The stamp of this volume that stands in this block of the ledger and says so."""
        if block >= self.superblock.ledger_blocks:
            return None
        stamp = Stamp.parse(self.ledger.blocks(block, block + 1))
        return stamp if stamp and (stamp.block, stamp.volume) == (block, self.superblock.volume) else None

    def _whole(self, stamp: Stamp) -> bool:
        """Whether both digests match."""
        data = self._record_bytes(stamp)
        return hashes.keyed("run.ledger", data) == stamp.ledger_digest and self._assets_match(stamp)

    def _record_bytes(self, stamp: Stamp) -> bytes:
        run = self.ledger.blocks(stamp.block, stamp.block + stamp.blocks)
        return run[STAMP_SIZE : STAMP_SIZE + stamp.record_bytes]

    def _assets_match(self, stamp: Stamp) -> bool:
        pieces = self.assets.pieces(stamp.assets_durable, stamp.assets_to)
        return hashes.keyed("run.assets", *pieces) == stamp.assets_digest

    def _verify_run(self, stamp: Stamp) -> None:
        before = self.report.findings
        data = self._record_bytes(stamp)
        contents = _Contents(self, stamp.assets_from, stamp.assets_to)
        at = 0
        while at < len(data):
            record = Record.parse(data, at)
            if record is None:
                self.report.add("record", "ledger", _block(stamp.block, at), self.chain.next)
                further = self._next_whole(data, at)
                self.chain.skip(further - at)
                at = further
                continue
            self._take(record, _block(stamp.block, at), contents)
            at += record.size
        if hashes.keyed("run.ledger", data) != stamp.ledger_digest and self.report.findings == before:
            self.report.add("record", "ledger", stamp.block)
        last = stamp.block + stamp.blocks - 1
        used = (STAMP_SIZE + stamp.record_bytes) - (stamp.blocks - 1) * BLOCK
        if any(self.ledger.blocks(last, last + 1)[used:]):
            self.report.add("record", "ledger", last)
        unreferenced = contents.first_unreferenced(stamp.assets_durable)
        if contents.sound and unreferenced is not None and not self._assets_match(stamp):
            self.report.add("asset", "assets", unreferenced)

    def _next_whole(self, data: bytes, at: int) -> int:
        """Where in the run the chain goes on, or its end."""
        room = self.chain
        for further in range(at + 8, len(data), 8):
            record = Record.parse(data, further)
            if record is None:
                continue
            room.skip(further - at)
            fits = room.may_go_on_with(record)
            room.skip(at - further)
            if fits:
                return further
        return len(data)

    def _take(self, record: Record, block: int, contents: _Contents) -> None:
        sequence = self.chain.next
        wrong = self.chain.take(record)
        sequence = self.chain.next - 1
        if not record.well_formed(self.superblock):
            self.report.add("record", "ledger", block, sequence)
        for kind in wrong:
            self.report.add(kind, "ledger", block, sequence)
        contents.verify(record, block, sequence)

    def _going_on(self, frontier: Frontier, target: Frontier) -> Frontier | None:
        """The frontier behind a lost stamp, or None if the volume is older than it must be."""
        later = self._later_stamp(frontier, target.ledger_next)
        here = self.ledger.blocks(frontier.ledger_next, frontier.ledger_next + 1)
        if later is None and not any(here):
            self.report.add("rollback", "ledger", frontier.ledger_next)
            return None
        self.report.add("stamp", "ledger", frontier.ledger_next)
        further = target if later is None else later.before()
        self._salvage(frontier, further)
        return further

    def _later_stamp(self, frontier: Frontier, behind: int) -> Stamp | None:
        for block in range(frontier.ledger_next + 1, behind):
            stamp = self._stamp(block)
            if stamp and stamp.run >= frontier.runs and stamp.assets_from >= frontier.assets_next:
                return stamp
        return None

    def _salvage(self, frontier: Frontier, further: Frontier) -> None:
        """Looks for whole records in the blocks of lost runs."""
        contents = _Contents(self, frontier.assets_next, further.assets_next)
        first, end = frontier.ledger_next * BLOCK, further.ledger_next * BLOCK
        at = first
        while at < end:
            start = at // BLOCK
            data = self.ledger.blocks(start, min(start + STEP, further.ledger_next))
            window = start * BLOCK
            last = end if window + len(data) >= end else window + len(data) - BLOCK
            while at < last:
                record = Record.parse(data, at - window)
                if record is None or not self.chain.may_go_on_with(record):
                    self.chain.skip(8)
                    at += 8
                    continue
                self._take(record, at // BLOCK, contents)
                at += record.size


class _Contents:
    """The contents of one run's records, in their order, within the asset blocks the run commits."""

    def __init__(self, walk: _Walk, start: int, end: int) -> None:
        self._walk = walk
        self._next = start
        self._start = start
        self._end = end
        self._places: list[tuple[int, int]] = []
        self.sound = True

    def verify(self, record: Record, block: int, sequence: int) -> None:
        """Verifies the record's content: its place, its hash, its padding."""
        if not record.is_document or not record.has_content:
            return
        if record.content_len == 0:
            if record.content_hash != hashes.content(b""):
                self._walk.report.add("record", "ledger", block, sequence)
            return
        report = self._walk.report
        first = record.content_block
        behind = first + (record.content_len + BLOCK - 1) // BLOCK
        if not (self._next <= first and behind <= self._end):
            report.add("record", "ledger", block, sequence)
            return
        self._next = behind
        self._places.append((first, behind))
        digest, padding = self._read(first, behind, record.content_len)
        if digest != record.content_hash:
            self.sound = False
            report.add("asset", "assets", first, sequence)
        if any(padding):
            self.sound = False
            report.add("asset", "assets", behind - 1, sequence)

    def first_unreferenced(self, durable: int) -> int | None:
        """The first block behind `durable` that belongs to no content."""
        at = durable
        for first, behind in self._places:
            if at < first:
                break
            at = max(at, behind)
        return at if at < self._end else None

    def _read(self, first: int, behind: int, length: int) -> tuple[bytes, bytes]:
        """The hash of the content, and the bytes behind it in its last block."""
        hasher, left, padding = blake3(), length, b""
        for piece in self._walk.assets.pieces(first, behind):
            hasher.update(piece[:left])
            padding = piece[left:] if left < len(piece) else b""
            left -= min(left, len(piece))
        return hasher.digest(), padding


def _block(first: int, at: int) -> int:
    """The block of the ledger in which byte `at` of the record bytes behind the stamp in block `first` stands."""
    return first + (STAMP_SIZE + at) // BLOCK
