"""The records one behind another: sequence, previous hash, tree, and where the chain goes on behind damage."""

from __future__ import annotations

from dataclasses import dataclass

from findings import VolumeReport
from image import BLOCK
from layout import U64_MAX, ZERO_HASH, Superblock
from note import Checkpoint, Note, origin
from records import CHECKPOINT, HEADER_SIZE, Record
from tree import Tree


@dataclass
class _Hole:
    """Bytes that should hold records and do not, from byte `at` of ledger/ up to the next whole record."""

    at: int
    reported: int  # records before this one are in a finding


class Chain:
    """Where the chain stands, and what it adds up to."""

    def __init__(self, superblock: Superblock, report: VolumeReport) -> None:
        self.next = 0  # the sequence number expected
        self.head = ZERO_HASH
        self.tree = Tree()
        self.tree_known = True  # every record's hash is in the tree
        self._superblock = superblock
        self._report = report
        self._hole: _Hole | None = None

    def damaged(self, at: int) -> None:
        """Where a record must begin, at byte `at` of ledger/, there is no whole one."""
        hole = self._hole or _Hole(at, self.next)
        if hole.reported <= self.next:
            self._report.add("record", "ledger", at // BLOCK, self.next)
            hole.reported = self.next + 1
        self._hole = hole

    def interrupted(self, at: int) -> None:
        """From byte `at` of ledger/ on, records may be missing: a batch header is lost."""
        self._hole = self._hole or _Hole(at, self.next)

    def can_go_on(self, record: Record, at: int) -> bool:
        """Whether there was room for the records that are missing before this one, found at byte `at`."""
        if self._hole is None:
            return True
        return 0 <= record.sequence - self.next <= (at - self._hole.at) // HEADER_SIZE

    def take(self, record: Record, at: int) -> None:
        """Goes on with the whole record at byte `at` of ledger/."""
        block = at // BLOCK
        if self._hole is not None and self.can_go_on(record, at):
            self._pass_over(self._hole, record)
        self._hole = None
        if (record.sequence, record.previous) != (self.next, self.head):
            self._report.add("chain", "ledger", block, record.sequence)
            self.tree_known = False
        if not record.payload_sound(self._superblock):
            self._report.add("record", "ledger", block, record.sequence)
        elif record.kind == CHECKPOINT and not self._stated_by(record):
            self._report.add("tree", "ledger", block, record.sequence)
        if self.tree_known:
            self.tree.append(record.hash)
        self.next, self.head = min(record.sequence + 1, U64_MAX), record.hash

    def _pass_over(self, hole: _Hole, record: Record) -> None:
        """The records before this one are missing."""
        for missing in range(hole.reported, record.sequence):
            self._report.add("record", "ledger", hole.at // BLOCK, missing)
        missing_count = record.sequence - self.next
        if missing_count == 1 and self.tree_known:
            self.tree.append(record.previous)
        if missing_count > 1:
            self.tree_known = False
        if missing_count > 0:
            self.next, self.head = record.sequence, record.previous

    def _stated_by(self, checkpoint: Record) -> bool:
        """Whether it states the tree before it, as far as that is known, and its note states the same."""
        says = checkpoint.formed(CHECKPOINT)
        assert says is not None
        size, root, note = says["size"], says["root"], checkpoint.note
        assert isinstance(size, int) and isinstance(root, bytes)
        stated = Checkpoint(origin(self._superblock.deployment, self._superblock.name), size, root)
        return (not self.tree_known or (size, root) == (self.tree.size, self.tree.root())) and (
            note is None or Checkpoint.of(Note.parse(note)) == stated
        )
