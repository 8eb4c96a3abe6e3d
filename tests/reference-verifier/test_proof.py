"""Proofs and checkpoints against the published test vectors, ledger-fmt/vectors/proofs.json."""

from __future__ import annotations

import unittest
from base64 import b64encode

from blake3 import blake3
from note import Checkpoint, Key, Note, NotSigned
from proof import BadProof, Consistency, ProvesNothing, check
from test_vectors import load
from tree import extends, includes

VECTORS = load("proofs.json")
KEY = Key.parse(VECTORS["key"])
CHECKPOINT = VECTORS["checkpoint"]


def entry(index: int) -> bytes:
    """Leaf `index` of the vectors' trees."""
    return blake3(index.to_bytes(8, "little")).digest()


class Vectors(unittest.TestCase):
    """Each proof of the vectors, and what is not proved by it."""

    def test_inclusion(self) -> None:
        for case in VECTORS["inclusion"]:
            root, proof = bytes.fromhex(case["root"]), [bytes.fromhex(node) for node in case["proof"]]
            index, size = case["index"], case["size"]
            self.assertTrue(includes(root, size, index, entry(index), proof))
            self.assertFalse(includes(root, size, index, entry(index + 1), proof))
            self.assertFalse(includes(root, size, index, entry(index), [*proof, root]))

    def test_consistency(self) -> None:
        for case in VECTORS["consistency"]:
            old, new = bytes.fromhex(case["old_root"]), bytes.fromhex(case["root"])
            proof = [bytes.fromhex(node) for node in case["proof"]]
            self.assertTrue(extends(old, case["old"], new, case["size"], proof))
            self.assertFalse(extends(bytes(32), case["old"], new, case["size"], proof))

    def test_checkpoint(self) -> None:
        note = Note.parse(CHECKPOINT.encode())
        note.verify([KEY])
        self.assertEqual(Checkpoint.of(note).size, 1000)
        with self.assertRaises(NotSigned):
            note.verify([])
        with self.assertRaises(NotSigned):
            Note.parse(CHECKPOINT.replace("1000", "1001").encode()).verify([KEY])

    def test_a_file_about_two_checkpoints(self) -> None:
        cases = [case for case in VECTORS["consistency"] if case["size"] == 1000]
        self.assertTrue(cases)
        for case in cases:
            hashes_ = [b64encode(bytes.fromhex(node)).decode() for node in case["proof"]]
            data = "\n".join([f"old {case['old']}", *hashes_, "", CHECKPOINT]).encode()
            old = Checkpoint(KEY.name, case["old"], bytes.fromhex(case["old_root"]))
            proved = check(data, [KEY], old)
            self.assertEqual(proved, Consistency(old, Checkpoint.of(Note.parse(CHECKPOINT.encode()))))
            for other in (Checkpoint("another", old.size, old.root), Checkpoint(old.origin, old.size, bytes(32))):
                with self.assertRaises(ProvesNothing):
                    check(data, [KEY], other)
            with self.assertRaises(BadProof):
                check(data, [KEY], None)
            with self.assertRaises(BadProof):
                check(data.replace(b"old ", b"old 0"), [KEY], old)


if __name__ == "__main__":
    unittest.main()
