"""The published test vectors, ledger-fmt/vectors/*.json."""

from __future__ import annotations

import io
import json
import unittest
from pathlib import Path
from typing import Any

import hashes
import volume
from blake3 import blake3
from forms import KINDS
from hashes import ContentHashes
from image import BLOCK, Image
from pinned import Pinned
from layout import Frontier, Hint, BatchHeader, Superblock
from partitions import Partition
from records import Record
from space import INPUT_START
from tree import Tree

VECTORS = Path(__file__).parents[2] / "ledger-fmt" / "vectors"


def load(name: str) -> Any:
    """One file of vectors."""
    return json.loads((VECTORS / name).read_text())


def frontier(of: dict[str, Any]) -> Frontier:
    """A frontier as the vectors write it."""
    last_header = bytes.fromhex(of["last_header"])
    return Frontier(of["batches"], of["ledger_next"], of["assets_next"], last_header, of["sealed"])


def shown(value: Any) -> Any:
    """A value as the vectors write it."""
    if isinstance(value, dict):
        return {key: shown(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [shown(inner) for inner in value]
    return value.hex() if isinstance(value, bytes) else value


class Vectors(unittest.TestCase):
    """One test for each file."""

    def test_hashes(self) -> None:
        for case in load("hashes.json")["cases"]:
            data = bytes(i % 251 for i in range(case.pop("input_len")))
            of_content = ContentHashes.of(data)
            self.assertEqual(of_content.blake3.hex(), case.pop("blake3"))
            self.assertEqual(of_content.sha256.hex(), case.pop("sha256"))
            self.assertEqual(hashes.checksum([data]).hex(), case.pop("checksum"))
            for key, digest in case.items():
                self.assertEqual(hashes.keyed(key.removeprefix("totebox.v2."), data).hex(), digest)

    def test_records(self) -> None:
        for case in load("records.json")["cases"]:
            data = bytes.fromhex(case.pop("bytes"))
            record = Record.parse(data, 0)
            assert record is not None
            self.assertEqual(record.size, len(data))
            self.assertEqual(record.kind, KINDS[case.pop("kind")].number)
            self.assertIsNotNone(record.formed(record.kind))
            for field, value in case.items():
                self.assertEqual(shown(getattr(record, field)), value, field)

    def test_trees(self) -> None:
        roots = {case["size"]: case["root"] for case in load("trees.json")["cases"]}
        tree = Tree()
        for size in range(max(roots) + 1):
            if size in roots:
                self.assertEqual(tree.root().hex(), roots[size])
            tree.append(blake3(size.to_bytes(8, "little")).digest())

    def test_structures(self) -> None:
        vectors = load("structures.json")
        superblock = Superblock.parse(bytes.fromhex(vectors["superblock"]["bytes"]))
        assert superblock is not None
        self.assertEqual(superblock.name, vectors["superblock"]["name"])
        self.assertEqual(superblock.blocks, vectors["superblock"]["blocks"])
        space, of_input = superblock.space, vectors["superblock"]["app-console-input"]
        self.assertEqual({"start": INPUT_START, "blocks": space.start - INPUT_START}, of_input)
        self.assertEqual({"start": space.start, "blocks": space.blocks}, vectors["superblock"]["space"])
        self.assertEqual(space.chunk, vectors["superblock"]["chunk"])
        for case in vectors["superblock"]["assets_at"]:
            self.assertEqual(space.start + space.asset(case["block"]), case["at"])
        before = frontier(vectors["before"])
        for name in ("commit", "seal"):
            header = BatchHeader.parse(bytes.fromhex(vectors[name]["bytes"]))
            assert header is not None
            self.assertEqual(header.before(), before)
            self.assertTrue(header.fits(before.ledger_next, superblock))
            before = header.behind()
            self.assertEqual(before, frontier(vectors[name]["after"]))
        for case in vectors["hints"]:
            hint = Hint.parse(bytes.fromhex(case["bytes"]), superblock)
            named = frontier(case["frontier"])
            self.assertEqual(hint, Hint(named, case["assets_written"], case["last_header_block"]))
            self.assertEqual(space.ledger_limit(case["assets_written"]), case["ledger_limit"])

    def test_volume(self) -> None:
        vectors = load("volume.json")
        image = bytearray(256 * BLOCK)
        for block, text in vectors["blocks"].items():
            data = bytes.fromhex(text)
            image[int(block) * BLOCK : int(block) * BLOCK + len(data)] = data
        superblock = Superblock.parse(bytes(image[:BLOCK]))
        assert superblock is not None
        disk = Image(io.BytesIO(image), 0, len(image))
        report = volume.verify(disk, Partition(superblock.volume, superblock.name, 0, 256), Pinned(), set())
        self.assertEqual(report.listed, [])
        for field in ("batches", "records", "head", "root"):
            self.assertEqual(getattr(report, field), vectors[field], field)


if __name__ == "__main__":
    unittest.main()
