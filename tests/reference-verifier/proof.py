"""Proofs in files: docs/ledger-format.md, "Signed checkpoints"; C2SP tlog-proof and tlog-witness."""

from __future__ import annotations

import re
from dataclasses import dataclass

import tree
from pinned import believed
from note import Checkpoint, Key, NotSigned, unbase64
from records import Record

_INCLUSION = re.compile(r"c2sp\.org/tlog-proof@v1\nextra ([A-Za-z0-9+/=]+)\nindex (0|[1-9][0-9]*)", re.ASCII)
_CONSISTENCY = re.compile(r"old (0|[1-9][0-9]*)", re.ASCII)


class BadProof(ValueError):
    """It is no proof."""


class ProvesNothing(ValueError):
    """It is a proof, and what it should prove does not follow from it."""


@dataclass(frozen=True)
class Inclusion:
    """That a record is under a checkpoint."""

    record: Record
    checkpoint: Checkpoint


@dataclass(frozen=True)
class Consistency:
    """That the tree of a checkpoint begins with that of an earlier one."""

    old: Checkpoint
    checkpoint: Checkpoint


def check(data: bytes, keys: list[Key], earlier: Checkpoint | None) -> Inclusion | Consistency:
    """What a proof proves; one about two checkpoints needs the earlier, one about a record must not have it."""
    try:
        lines, blank, note = data.decode().partition("\n\n")
    except UnicodeDecodeError as error:
        raise BadProof("not UTF-8") from error
    head = _INCLUSION.match(lines) if earlier is None else _CONSISTENCY.match(lines)
    if not blank or head is None or lines[head.end() :][:1] not in ("", "\n"):
        raise BadProof("not a proof" + ("" if earlier is None else " about two checkpoints"))
    try:
        hashes = [unbase64(line) for line in lines[head.end() :].split("\n")[1:]]
        extra = b"" if earlier is not None else unbase64(head[1])
        checkpoint = believed(note.encode(), keys)
    except NotSigned as error:
        raise ProvesNothing(str(error)) from error
    except ValueError as error:
        raise BadProof(str(error)) from error
    if any(len(node) != tree.HASH_SIZE for node in hashes):
        raise BadProof("not a hash")
    if earlier is None:
        return _inclusion(extra, int(head[2]), hashes, checkpoint)
    return _consistency(int(head[1]), hashes, earlier, checkpoint)


def _inclusion(data: bytes, index: int, hashes: list[bytes], checkpoint: Checkpoint) -> Inclusion:
    record = Record.parse(data, 0)
    if record is None or record.size != len(data) or record.sequence != index:
        raise ProvesNothing("the record with it is not whole, or not the one it speaks of")
    if not tree.includes(checkpoint.root, checkpoint.size, index, record.hash, hashes):
        raise ProvesNothing("its hashes do not lead to the checkpoint's root")
    return Inclusion(record, checkpoint)


def _consistency(size: int, hashes: list[bytes], old: Checkpoint, checkpoint: Checkpoint) -> Consistency:
    if (old.origin, old.size) != (checkpoint.origin, size):
        raise ProvesNothing("the earlier checkpoint is of another log or another size")
    if not tree.extends(old.root, size, checkpoint.root, checkpoint.size, hashes):
        raise ProvesNothing("its hashes do not lead to the checkpoint's root")
    return Consistency(old, checkpoint)
