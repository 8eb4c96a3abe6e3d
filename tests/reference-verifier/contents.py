"""The contents of the records of one batch, in their order, within the asset blocks the batch commits."""

from __future__ import annotations

from area import Area
from document import Content
from hashes import ContentHasher
from image import BLOCK


class Contents:
    """What of the asset blocks `start`..`end` the records seen so far refer to."""

    def __init__(self, assets: Area, start: int, end: int) -> None:
        self.sound = True  # nothing is wrong with any of them
        self._assets = assets
        self._start = start
        self._end = end
        self._places: list[tuple[int, int]] = []

    def verify(self, content: Content, record: int, ledger_block: int) -> None:
        """Verifies the content of this record, in this block of ledger/: its place, its hashes, its padding."""
        report = self._assets.report
        first, behind = content.at, content.at + (content.size + BLOCK - 1) // BLOCK
        if content.size > 0:
            if not (self._next() <= first and behind <= self._end):
                report.add("record", "ledger", ledger_block, record)
                return
            self._places.append((first, behind))
        hasher, left, padding = ContentHasher(), content.size, b""
        for piece in self._assets.pieces(first, behind, record):
            hasher.update(piece[:left])
            padding = piece[left:]
            left = max(left - len(piece), 0)
        if any(padding):
            self.sound = False
            report.add("asset", "assets", behind - 1, record)
        if report.unreadable and any(("assets", block) in report.unreadable for block in range(first, behind)):
            self.sound = False
        elif hasher.hashes() != content.hashes:
            self.sound = False
            report.add("asset", "assets", first, record)

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
