"""A disk image, or a part of one. Nothing is ever written to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

BLOCK = 4096


class Unreadable(Exception):
    """The image ends before a place, or the device refuses to read it."""


@dataclass(frozen=True)
class Image:
    """`size` bytes of a file from byte `start` on."""

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
        except (OSError, OverflowError) as error:
            raise Unreadable(str(error)) from error
        if len(data) != length:
            raise Unreadable(f"the image ends before byte {self.start + at + length}")
        return data

    def part(self, at: int, size: int) -> Image:
        """The `size` bytes from `at` on, as an image of their own."""
        return Image(self.file, self.start + at, size)
