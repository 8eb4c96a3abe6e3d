"""Checkpoints of a log, as signed notes: C2SP signed-note and tlog-checkpoint."""

from __future__ import annotations

import re
from base64 import b64decode
from dataclasses import dataclass
from hashlib import sha256

import ed25519

ED25519 = 1  # the type of signature
_SIGNATURE = re.compile(r"— (\S+) (\S+)")


class BadNote(ValueError):
    """It is no signed note, no checkpoint, or not signed by the key it should be signed by."""


@dataclass(frozen=True)
class Key:
    """A verifier's key."""

    name: str
    id: bytes
    public: bytes

    @staticmethod
    def parse(text: str) -> Key:
        """From its text, NAME+ID+KEY."""
        name, _, rest = text.partition("+")
        key_id, _, encoded = rest.partition("+")
        data = _base64(encoded)
        if len(data) != 33 or data[0] != ED25519 or _key_id(name, data).hex() != key_id:
            raise BadNote("not the text of an Ed25519 key")
        return Key(name, _key_id(name, data), data[1:])


@dataclass(frozen=True)
class Checkpoint:
    """What a log says of itself: so many leaves, this root."""

    origin: str
    size: int
    root: bytes

    @staticmethod
    def parse(text: str) -> Checkpoint:
        """From the text of an opened note."""
        origin, size, root, *_ = [*text.split("\n"), "", ""]
        if not origin or re.fullmatch("0|[1-9][0-9]*", size) is None or len(_base64(root)) != 32:
            raise BadNote("not a checkpoint")
        return Checkpoint(origin, int(size), _base64(root))


def opened(note: bytes, key: Key) -> str:
    """The text of a note that this key has signed."""
    try:
        text, blank, signatures = note.decode().rpartition("\n\n")
    except UnicodeDecodeError as error:
        raise BadNote("not UTF-8") from error
    if not blank or not signatures.endswith("\n"):
        raise BadNote("not a signed note")
    text += "\n"
    signed = False
    for line in signatures.split("\n")[:-1]:
        found = _SIGNATURE.fullmatch(line)
        if found is None:
            raise BadNote("not a line of a signature")
        data = _base64(found[2])
        if (found[1], data[:4]) == (key.name, key.id):
            if not ed25519.verify(key.public, text.encode(), data[4:]):
                raise BadNote(f"the signature of {key.name} is wrong")
            signed = True
    if not signed:
        raise BadNote(f"{key.name} has not signed it")
    return text


def _key_id(name: str, data: bytes) -> bytes:
    return sha256(name.encode() + b"\n" + data).digest()[:4]


def _base64(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except ValueError as error:
        raise BadNote("not Base64") from error
