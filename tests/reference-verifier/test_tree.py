"""The tree and its proofs against the definitions of RFC 6962, section 2.1, taken at their word."""

from __future__ import annotations

import unittest

from tree import Tree, extends, includes, leaf_hash, node_hash

SIZES = 21
ENTRIES = [bytes([n]) * 32 for n in range(SIZES)]


def split(n: int) -> int:
    """k, the largest power of two less than n."""
    return 1 << (n - 1).bit_length() - 1


def root(entries: list[bytes]) -> bytes:
    """MTH of section 2.1."""
    if len(entries) < 2:
        return leaf_hash(entries[0]) if entries else Tree().root()
    k = split(len(entries))
    return node_hash(root(entries[:k]), root(entries[k:]))


def path(index: int, entries: list[bytes]) -> list[bytes]:
    """PATH of section 2.1.1."""
    if len(entries) == 1:
        return []
    k = split(len(entries))
    if index < k:
        return [*path(index, entries[:k]), root(entries[k:])]
    return [*path(index - k, entries[k:]), root(entries[:k])]


def proof(size: int, entries: list[bytes], complete: bool = True) -> list[bytes]:
    """SUBPROOF of section 2.1.2; PROOF is the one that is complete."""
    if size == len(entries):
        return [] if complete else [root(entries)]
    k = split(len(entries))
    if size <= k:
        return [*proof(size, entries[:k], complete), root(entries[k:])]
    return [*proof(size - k, entries[k:], False), root(entries[:k])]


def wrong(hashes: list[bytes]) -> list[list[bytes]]:
    """Proofs that are not this one."""
    changed = [[*hashes[:i], bytes(32), *hashes[i + 1 :]] for i in range(len(hashes))]
    return [*changed, [*hashes, bytes(32)], *([hashes[:-1]] if hashes else [])]


class Trees(unittest.TestCase):
    """Every tree of up to 20 leaves."""

    def test_roots(self) -> None:
        tree = Tree()
        for size in range(SIZES):
            self.assertEqual(tree.root(), root(ENTRIES[:size]))
            tree.append(ENTRIES[size])

    def test_inclusion(self) -> None:
        for size in range(1, SIZES):
            entries = ENTRIES[:size]
            top = root(entries)
            for index in range(size):
                right = path(index, entries)
                self.assertTrue(includes(top, size, index, entries[index], right))
                for other in wrong(right):
                    self.assertFalse(includes(top, size, index, entries[index], other))
                self.assertFalse(includes(top, size, index, bytes(31), right))
                self.assertFalse(includes(top, size, index + size, entries[index], right))

    def test_consistency(self) -> None:
        for size in range(1, SIZES):
            entries = ENTRIES[:size]
            top = root(entries)
            for old in range(1, size + 1):
                old_root, right = root(entries[:old]), proof(old, entries)
                self.assertTrue(extends(old_root, old, top, size, right))
                for other in wrong(right):
                    self.assertFalse(extends(old_root, old, top, size, other))
                self.assertFalse(extends(bytes(32), old, top, size, right))
                self.assertFalse(extends(old_root, old, bytes(32), size, right))
                self.assertFalse(extends(top, size, old_root, old - 1, right))

    def test_everything_extends_the_empty_tree(self) -> None:
        self.assertTrue(extends(Tree().root(), 0, root(ENTRIES), SIZES, []))
        self.assertFalse(extends(bytes(32), 0, root(ENTRIES), SIZES, []))
