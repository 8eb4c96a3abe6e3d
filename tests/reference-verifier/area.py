"""A part of a volume in which blocks are counted: a directory, or all of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from findings import VolumeReport
from image import BLOCK, Unreadable

STEP = 256  # blocks read at once where a long range is read


class Readable(Protocol):
    """What bytes can be read of."""

    def read(self, at: int, length: int, /) -> bytes:
        """`length` bytes from `at` on, or Unreadable."""


@dataclass(frozen=True)
class Area:
    """What cannot be read of it is reported, each block once, and reads as zeros."""

    name: str
    image: Readable
    report: VolumeReport

    def read(self, first: int, behind: int, record: int | None = None) -> bytes:
        """The blocks `first`..`behind`, for the record with this number if it is for one."""
        try:
            return self.image.read(first * BLOCK, (behind - first) * BLOCK)
        except Unreadable:
            return b"".join(self._block(block, record) for block in range(first, behind))

    def block(self, block: int) -> bytes:
        """One block."""
        return self.read(block, block + 1)

    def readable(self, block: int) -> bool:
        """Whether the block can be read; not reported."""
        return self.glance(block) is not None

    def glance(self, block: int) -> bytes | None:
        """One block, or None, and no report, if it cannot be read."""
        try:
            return self.image.read(block * BLOCK, BLOCK)
        except Unreadable:
            return None

    def pieces(self, first: int, behind: int, record: int | None = None) -> Iterator[bytes]:
        """What `read` gives, in pieces, so that memory is bounded however many blocks they are."""
        for at in range(first, behind, STEP):
            yield self.read(at, min(at + STEP, behind), record)

    def _block(self, block: int, record: int | None) -> bytes:
        data = self.glance(block)
        if data is None:
            self.report.add_unreadable(self.name, block, record)
            return bytes(BLOCK)
        return data
