"""The contents of the records of one batch, in their order, within the asset blocks the batch commits."""

from __future__ import annotations

from area import Area
from blake3 import blake3
from image import BLOCK
from records import Record


class Contents:
    """What of the asset blocks `start`..`end` the records seen so far refer to."""

    def __init__(self, assets: Area, start: int, end: int) -> None:
        self.sound = True  # nothing is wrong with any of them
        self._assets = assets
        self._start = start
        self._end = end
        self._places: list[tuple[int, int]] = []

    def verify(self, record: Record, ledger_block: int) -> None:
        """Verifies the content of the record in this block of ledger/: its place, its hash, its padding."""
        if not record.has_content:
            return
        report = self._assets.report
        first, length = record.content_block, record.content_len
        behind = first + (length + BLOCK - 1) // BLOCK
        if length > 0 and not (self._next() <= first and behind <= self._end):
            report.add("record", "ledger", ledger_block, record.sequence)
            return
        hasher, left, padding = blake3(), length, b""
        if length > 0:
            self._places.append((first, behind))
            for piece in self._assets.pieces(first, behind, record.sequence):
                hasher.update(piece[:left])
                padding = piece[left:]
                left = max(left - len(piece), 0)
        if any(padding):
            self.sound = False
            report.add("asset", "assets", behind - 1, record.sequence)
        if report.unreadable and any(("assets", block) in report.unreadable for block in range(first, behind)):
            self.sound = False
        elif hasher.digest() != record.content_hash:
            self.sound = False
            report.add("asset", "assets", first, record.sequence)

    def first_unreferenced(self, durable: int) -> int | None:
        """The first block from `durable` on that belongs to no content."""
        at = durable
        for first, behind in self._places:
            if at < first:
                break
            at = max(at, behind)
        return at if at < self._end else None

    def _next(self) -> int:
        return self._places[-1][1] if self._places else self._start
