"""The two frontier hints: up to where a volume must be whole, and whether the walk agrees with them."""

from __future__ import annotations

from area import Area
from layout import EMPTY, HINT_SIZE, Frontier, Hint, Superblock

BLOCKS = (1, 2)


class Hints:
    """What blocks 1 and 2 say."""

    def __init__(self, volume: Area, superblock: Superblock) -> None:
        self._report = volume.report
        self._valid: dict[int, Hint] = {}
        self._blank: list[int] = []
        for block in BLOCKS:
            data = volume.block(block)
            if not volume.readable(block):
                continue
            hint = Hint.parse(data, superblock)
            if hint is not None:
                self._valid[block] = hint
            elif not any(data):
                self._blank.append(block)
                continue
            if hint is None or any(data[HINT_SIZE:]):
                self._report.add("hint", "volume", block)
        self._ahead = dict(self._valid)  # those whose frontier the walk has not reached

    def bound(self) -> Frontier:
        """Up to here every batch must be whole."""
        frontiers = [hint.frontier for hint in self._valid.values()]
        return max(reversed(frontiers), key=lambda frontier: frontier.batches, default=EMPTY)

    def lost(self, frontier: Frontier) -> bool:
        """Whether the hints that should say how far the ledger reaches are gone; the walk stands at `frontier`."""
        unused = len(self._blank) == len(BLOCKS) and frontier.batches == 0
        return not self._valid and not unused

    def compare(self, frontier: Frontier, last_header_block: int | None) -> None:
        """The walk stands at `frontier`; behind lost batches it does not know where the last batch header stands."""
        for block, hint in list(self._ahead.items()):
            named = hint.frontier
            if named.ledger_next > frontier.ledger_next:
                continue
            del self._ahead[block]
            unseen = last_header_block is None
            passed = unseen and named.ledger_next < frontier.ledger_next
            same = named == frontier and (unseen or hint.last_header_block == last_header_block)
            if not same and not passed:
                self._report.add("hint", "volume", block)

    def finish(self, frontier: Frontier) -> None:
        """The walk has ended at `frontier`: a hint must not be blank any more if there was cause to write it."""
        written = frontier.batches if len(self._blank) == len(BLOCKS) else self.bound().batches
        for block in self._blank if written > 0 else []:
            self._report.add("hint", "volume", block)
