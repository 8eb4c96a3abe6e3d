"""What an auditor has pinned elsewhere, held against a volume: docs/ledger-format.md, "Against a pinned checkpoint"."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from auditor import AUDIT, COPIES, State
from findings import Finding, VolumeReport
from image import Image
from layout import Superblock
from note import BadNote, Checkpoint, Key, Note, NotSigned, origin
from records import CHECKPOINT, Record
from tree import Tree


class Unbelievable(Exception):
    """A file that was given is not what it is given as."""


@dataclass(frozen=True)
class Pinned:
    """What an auditor brings along."""

    checkpoints: list[Checkpoint] = field(default_factory=list)
    keys: list[Key] = field(default_factory=list)

    def missing(self, here: set[str]) -> list[Finding]:
        """A finding for each archive of which something was pinned and that is not among those on the disk."""
        known = {pinned.origin for pinned in self.checkpoints} | {key.name for key in self.keys}
        return [Finding(None, "rollback") for _ in known - here]


def read_keys(paths: list[str]) -> list[Key]:
    """The public keys in these files, one a line."""
    keys: list[Key] = []
    for path in paths:
        try:
            lines = Path(path).read_bytes().decode().splitlines()
            keys += [Key.parse(line) for line in lines]
        except ValueError as error:
            raise Unbelievable(f"{path}: {error}") from error
        if not lines:
            raise Unbelievable(f"{path}: no key in it")
    return keys


def believed(data: bytes, keys: list[Key] | None) -> Checkpoint:
    """A checkpoint, which must be signed with one of the keys for its log, if keys are given."""
    note = Note.parse(data)
    checkpoint = Checkpoint.of(note)
    if keys is not None:
        note.verify(key for key in keys if key.name == checkpoint.origin)
    return checkpoint


def _files(path: Path) -> list[Path]:
    """The file itself, or of a folder every *.checkpoint in it."""
    if not path.is_dir():
        return [path]
    files = sorted(path.glob("*.checkpoint"))
    if not files:
        raise Unbelievable(f"{path}: no *.checkpoint in it")
    return files


def read_pinned(checkpoints: list[str], keys: list[str]) -> Pinned:
    """From files."""
    pinned = Pinned([], read_keys(keys))
    for path in [path for named in checkpoints for path in _files(Path(named))]:
        try:
            pinned.checkpoints.append(believed(path.read_bytes(), pinned.keys or None))
        except (BadNote, NotSigned) as error:
            raise Unbelievable(f"{path}: {error}") from error
    return pinned


class Comparison:
    """Compares a volume with what was pinned of it, record by record."""

    def __init__(self, volume: Image, pinned: Pinned, superblock: Superblock, report: VolumeReport) -> None:
        self._report = report
        here = origin(superblock.deployment, superblock.name)
        self._keys = [key for key in pinned.keys if key.name == here]
        report.origin = here
        report.signatures = 0 if self._keys else None
        published = self._published(volume, superblock) if self._keys and report.name == AUDIT else []
        ours = [checkpoint for checkpoint in pinned.checkpoints + published if checkpoint.origin == here]
        self._ahead = sorted(ours, key=lambda checkpoint: checkpoint.size)  # not reached yet
        self._tree = Tree()

    def _published(self, volume: Image, superblock: Superblock) -> list[Checkpoint]:
        """What the auditor has signed last, if it has."""
        state = State.read(volume, superblock.volume, self._keys)
        if state.foreign:
            self._report.add("signature", "app-console-input", COPIES[0])
        found = state.checkpoints()
        self._report.signatures = int(any(self._is_signed(note) for note, _ in found))
        return [checkpoint for _, checkpoint in found[:1]]

    def _is_signed(self, note: Note) -> bool:
        try:
            note.verify(self._keys)
        except NotSigned:
            return False
        return True

    def take(self, record: Record, block: int) -> None:
        """Goes on with the record that begins in this block of ledger/."""
        if self._ahead:  # behind the last checkpoint the tree matters to nobody
            self._grow(record, block)
        if record.kind == CHECKPOINT and self._keys:
            self._check_signature(record, block)

    def finish(self, behind: int) -> None:
        """All was read, up to this block of ledger/."""
        self._compare(behind)
        for checkpoint in self._ahead:
            self._report.add("rollback" if checkpoint.size > self._report.records else "tree", "ledger", behind)

    def _grow(self, record: Record, block: int) -> None:
        self._compare(block)
        for number, entry in ((record.sequence - 1, record.previous), (record.sequence, record.hash)):
            if number == self._tree.size:
                self._tree.append(entry)
                self._compare(block)

    def _compare(self, block: int) -> None:
        while self._ahead and self._ahead[0].size == self._tree.size:
            if self._ahead.pop(0).root != self._tree.root():
                self._report.add("tree", "ledger", block)

    def _check_signature(self, record: Record, block: int) -> None:
        assert self._report.signatures is not None
        if record.formed(CHECKPOINT) is None:
            return  # a finding of the walk's own
        try:
            if record.note is None:
                raise NotSigned
            Note.parse(record.note).verify(self._keys)
            self._report.signatures += 1
        except NotSigned:
            self._report.add("signature", "ledger", block, record.sequence)
        except BadNote:
            pass  # a finding of the walk's own
