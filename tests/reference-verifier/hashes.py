"""The hashes of docs/ledger-format.md, "Hashes": of contents, a checksum, and BLAKE3 with a key."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

from blake3 import blake3
from xxhash import xxh3_128


@dataclass(frozen=True)
class ContentHashes:
    """The two hashes of a content; `b3sum` and `sha256sum` print the same."""

    blake3: bytes
    sha256: bytes

    @staticmethod
    def of(content: bytes) -> ContentHashes:
        """Those of a content that is at hand as a whole."""
        hasher = ContentHasher()
        hasher.update(content)
        return hasher.hashes()


class ContentHasher:
    """Makes them of a content that comes piece by piece."""

    def __init__(self) -> None:
        self._blake3, self._sha256 = blake3(), sha256()

    def update(self, piece: bytes) -> None:
        """The next piece."""
        self._blake3.update(piece)
        self._sha256.update(piece)

    def hashes(self) -> ContentHashes:
        """The hashes of all that came."""
        return ContentHashes(self._blake3.digest(), self._sha256.digest())


def checksum(pieces: Iterable[bytes]) -> bytes:
    """The checksum of the pieces, one behind another: XXH3 with 128 bits, the high half first."""
    hasher = xxh3_128()
    for piece in pieces:
        hasher.update(piece)
    return hasher.digest()


def keyed(use: str, *parts: bytes) -> bytes:
    """The keyed hash totebox.v2.`use` over the parts, one behind another."""
    hasher = blake3(key=f"totebox.v2.{use}".encode().ljust(32, b"\0"))
    for part in parts:
        hasher.update(part)
    return hasher.digest()
