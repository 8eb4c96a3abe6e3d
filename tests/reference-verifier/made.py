"""Small volumes made by docs/ledger-format.md, for tests to damage."""

from __future__ import annotations

import io
import struct

import hashes
import partitions
import volume
from cbor import Map, Value
from findings import VolumeReport
from hashes import ContentHashes
from image import BLOCK, Image
from layout import EMPTY, ZERO_HASH, Frontier, Hint, Superblock
from pinned import Pinned
from records import DOCUMENT, GENESIS

DEPLOYMENT, VOLUME = b"d" * 16, b"v" * 16


def encode(value: Value) -> bytes:
    """A value that a payload can have."""
    match value:
        case bool(truth):
            return b"\xf5" if truth else b"\xf4"
        case int(number):
            return _head(0, number)
        case bytes(octets):
            return _head(2, len(octets)) + octets
        case str(text):
            return _head(3, len(text.encode())) + text.encode()
        case list(values):
            return _head(4, len(values)) + b"".join(map(encode, values))
    entries = sorted((len(key.encode()), key.encode(), inner) for key, inner in value.items())
    return _head(5, len(entries)) + b"".join(encode(key.decode()) + encode(inner) for _, key, inner in entries)


def _head(major: int, argument: int) -> bytes:
    if argument < 24:
        return bytes([major << 5 | argument])
    size = next(size for size in range(4) if argument < 1 << (8 << size))
    return bytes([major << 5 | 24 + size]) + argument.to_bytes(1 << size, "big")


def superblock(of: Superblock) -> bytes:
    """The bytes of a superblock."""
    data = struct.pack(
        "<8sHHI16s16s32sQ32x", b"TOTEBOXV", 2, 12, 0, of.deployment, of.volume, of.name.encode(), of.blocks
    )
    return data + hashes.keyed("superblock", data)


def hint(of: Hint) -> bytes:
    """The bytes of a hint."""
    named = of.frontier
    data = struct.pack(
        "<8sHHI16sQQQQQ32s", b"TBXHINT", 2, named.sealed, 0, VOLUME, named.batches, named.ledger_next,
        named.assets_next, of.assets_written, of.last_header_block, named.last_header,
    )  # fmt: skip
    return data + hashes.keyed("hint", data)


def record(kind: int, sequence: int, previous: bytes, says: Map) -> tuple[bytes, bytes]:
    """The bytes of a record, and its hash."""
    payload = encode(says)
    data = struct.pack("<4sHHIIQQ32s", b"TBXR", 2, kind, len(payload), 0, sequence, 0, previous)
    digest = hashes.keyed("record", data, payload)
    data += digest[:16] + payload
    return data + bytes(-len(data) % 8), digest


def batch(before: Frontier, records: bytes, assets: bytes, sealing: bool = False) -> tuple[bytes, Frontier]:
    """A batch with so many whole blocks of assets, all under its checksum, and the frontier behind it."""
    blocks = (256 + len(records) + BLOCK - 1) // BLOCK
    assets_to = before.assets_next + len(assets) // BLOCK
    data = struct.pack(
        "<8sHHIQ16sQIIQQQ16s16s32s80x", b"TBXSTAMP", 2, 1 + sealing, blocks, before.batches, VOLUME,
        before.ledger_next, len(records), 0, before.assets_next, assets_to, before.assets_next,
        hashes.checksum([records]), hashes.checksum([assets]), before.last_header,
    )  # fmt: skip
    digest = hashes.keyed("batch", data)
    behind = Frontier(before.batches + 1, before.ledger_next + blocks, assets_to, digest, sealing)
    return data + digest + records, behind


def padded(content: bytes) -> bytes:
    """A content, and zeros up to the end of its last block."""
    return content + bytes(-len(content) % BLOCK)


class Made:
    """A volume of so many blocks, with its genesis record; its hints are blank."""

    def __init__(self, blocks: int) -> None:
        self.superblock = Superblock(DEPLOYMENT, VOLUME, "contracts", blocks)
        self.space = self.superblock.space
        self.data = bytearray(blocks * BLOCK)
        self.put(0, superblock(self.superblock))
        self.frontier, self.written = EMPTY, 0
        self._sequence, self._head = 0, ZERO_HASH
        self._commit(self._record(GENESIS, {"name": "contracts", "volume": VOLUME, "deployment": DEPLOYMENT}), b"")

    def put(self, block: int, data: bytes) -> None:
        """Overwrites the volume from a block on."""
        self.data[block * BLOCK : block * BLOCK + len(data)] = data

    def put_asset(self, block: int, data: bytes) -> None:
        """The same with whole blocks of assets/, each where it belongs."""
        for at in range(0, len(data), BLOCK):
            self.put(self.asset(block + at // BLOCK), data[at : at + BLOCK])
            self.written = max(self.written, block + at // BLOCK + 1)

    def asset(self, block: int) -> int:
        """The block of the volume that block `block` of assets/ is."""
        chunk, within = divmod(block, self.space.chunk)
        return self.superblock.blocks - (chunk + 1) * self.space.chunk + within

    def ledger(self, block: int) -> int:
        """The block of the volume that block `block` of ledger/ is."""
        return self.space.start + block

    def spoil(self, block: int, at: int = 0) -> None:
        """Flips a bit in a block of the volume."""
        self.data[block * BLOCK + at] ^= 1

    def commit(self, *contents: bytes) -> None:
        """A batch with these documents."""
        records, assets = b"", b""
        for content in contents:
            of, at = ContentHashes.of(content), self.frontier.assets_next + len(assets) // BLOCK
            place: Map = {"at": at} if content else {}
            says = place | {"size": len(content), "blake3": of.blake3, "sha256": of.sha256}
            records += self._record(DOCUMENT, {"name": f"document {self._sequence}", "content": says})
            assets += padded(content)
        self._commit(records, assets)

    def seal(self) -> None:
        """The last batch."""
        self._commit(b"", b"", sealing=True)

    def hint(self, slot: int, frontier: Frontier) -> None:
        """Writes hint 1 or 2, for a frontier whose last batch has one block."""
        self.put(slot, hint(Hint(frontier, self.written, max(frontier.ledger_next - 1, 0))))

    def verify(self, identity: bytes = VOLUME) -> VolumeReport:
        """What there is to say of it in a partition of this id."""
        partition = partitions.Partition(identity, "contracts", 0, self.superblock.blocks)
        return volume.verify(self.image(), partition, Pinned(), set())

    def found(self) -> list[str]:
        """The findings of that, in words."""
        return [finding.text(finding.block) for finding in self.verify().listed]

    def image(self) -> Image:
        """It as a disk."""
        return Image(io.BytesIO(self.data), 0, len(self.data))

    def _record(self, kind: int, says: Map) -> bytes:
        data, self._head = record(kind, self._sequence, self._head, says)
        self._sequence += 1
        return data

    def _commit(self, records: bytes, assets: bytes, sealing: bool = False) -> None:
        at = self.frontier
        data, self.frontier = batch(at, records, assets, sealing)
        self.put_asset(at.assets_next, assets)
        # No content is in the block behind, unless this is the last batch.
        assert self.frontier.ledger_next + (not sealing) <= self.space.ledger_limit(self.written)
        self.put(self.ledger(at.ledger_next), data)
