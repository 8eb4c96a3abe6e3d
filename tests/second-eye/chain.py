"""The chain of a volume's records: sequence, previous hash, tree, and where the chain goes on behind damage."""

from __future__ import annotations

from layout import ZERO_HASH
from records import CHECKPOINT, HEADER_SIZE, Record
from tree import Tree


class Chain:
    """What is known of the records so far."""

    def __init__(self) -> None:
        self.next = 0  # the sequence number expected
        self.head: bytes = ZERO_HASH
        self.records = 0
        self.documents = 0
        self.content_bytes = 0
        self._tree = Tree()
        self._skipped = 0  # bytes without a whole record since the last one

    def skip(self, length: int) -> None:
        """`length` bytes were no whole record."""
        self._skipped += length

    def may_go_on_with(self, record: Record) -> bool:
        """Whether the record can be the next one, given what was skipped."""
        return self.next <= record.sequence <= self.next + self._skipped // HEADER_SIZE

    def take(self, record: Record) -> list[str]:
        """Goes on with this record; the kinds of what is wrong with its place in the chain."""
        wrong = []
        missing = record.sequence - self.next if self.may_go_on_with(record) else 0
        if record.sequence != self.next + missing or (missing == 0 and record.previous != self.head):
            wrong.append("chain")
        if missing == 1 and self._tree.size == self.next:
            self._tree.append(record.previous)
        sequence = self.next + missing
        whole = self._tree.size == sequence
        if record.kind == CHECKPOINT and whole and record.payload[:40] != self._state():
            wrong.append("tree")
        if whole:
            self._tree.append(record.hash)
        self.next = sequence + 1
        self.head = record.hash
        self.records += 1
        if record.is_document:
            self.documents += 1
            self.content_bytes += record.content_len
        self._skipped = 0
        return wrong

    def root(self) -> bytes:
        """The root over all records; where some are missing, over those before them."""
        return self._tree.root()

    def _state(self) -> bytes:
        return self._tree.size.to_bytes(8, "little") + self._tree.root()
