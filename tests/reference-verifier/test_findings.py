"""Findings as a person is told of them."""

from __future__ import annotations

import unittest

from findings import Finding, as_lines


class Lines(unittest.TestCase):
    """What says the same of one block after the other is one line, and nothing else is."""

    def test_stretches(self) -> None:
        def lost(block: int, record: int | None = None, volume: str = "a") -> Finding:
            return Finding(volume, "unreadable", "ledger", block, record)

        found = [Finding(None, "partition-table"), lost(4), lost(5), lost(6), lost(8), lost(9, 3), lost(10, volume="b")]
        self.assertEqual(
            as_lines(found),
            [
                "disk: partition-table",
                "a: unreadable: ledger blocks 4 to 6",
                "a: unreadable: ledger block 8",
                "a: unreadable: ledger block 9, record 3",
                "b: unreadable: ledger block 10",
            ],
        )


if __name__ == "__main__":
    unittest.main()
