"""A disk image, or a part of one, read by blocks. Nothing is ever written to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

BLOCK = 4096
STEP = 256  # blocks read at once where a long range is read


class Unreadable(Exception):
    """The image ends before a place, or the device refuses to read it."""


@dataclass(frozen=True)
class Image:
    """`size` bytes of a file from `start` on."""

    file: BinaryIO
    start: int
    size: int

    def read(self, at: int, length: int) -> bytes:
        """`length` bytes from `at` on, or Unreadable."""
        if at < 0 or length < 0 or at + length > self.size:
            raise Unreadable(f"bytes {at} to {at + length} are not within {self.size}")
        try:
            self.file.seek(self.start + at)
            data = self.file.read(length)
        except OSError as error:
            raise Unreadable(str(error)) from error
        if len(data) != length:
            raise Unreadable(f"the image ends before byte {self.start + at + length}")
        return data

    def blocks(self, first: int, behind: int) -> bytes:
        """The blocks `first`..`behind`."""
        return self.read(first * BLOCK, (behind - first) * BLOCK)

    def pieces(self, first: int, behind: int) -> Iterator[bytes]:
        """The same in pieces, so that memory is bounded however many they are."""
        for at in range(first, behind, STEP):
            yield self.blocks(at, min(at + STEP, behind))

    def part(self, at: int, size: int) -> Image:
        """The `size` bytes from `at` on, as an image of their own."""
        return Image(self.file, self.start + at, size)
