"""Checkpoints of a log, as signed notes: docs/ledger-format.md, "Signed checkpoints"; C2SP signed-note and
tlog-checkpoint."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

import ed25519
from layout import U64_MAX

ED25519 = 1  # the type of signature
NOTE_MAX = 128 << 10
_SIGNATURE = re.compile(r"— ([^\s+]+) ([A-Za-z0-9+/=]{8,})")


class BadNote(ValueError):
    """It is no signed note, no checkpoint, or no key."""


class NotSigned(ValueError):
    """It is not signed by a key that was given, or the signature does not match."""


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
        data = unbase64(encoded)
        named = name != "" and not any(character.isspace() for character in name)
        if not named or len(data) != 33 or data[0] != ED25519 or _key_id(name, data).hex() != key_id:
            raise BadNote("not the text of an Ed25519 key")
        return Key(name, _key_id(name, data), data[1:])


@dataclass(frozen=True)
class Note:
    """A note whose form is right; nothing in it is to be believed before it is verified."""

    text: str  # what is signed, with its last newline
    signatures: tuple[tuple[str, str], ...]  # name, and base64 of key id and signature

    @staticmethod
    def parse(data: bytes) -> Note:
        """From the bytes of a note."""
        try:
            note = data.decode()
        except UnicodeDecodeError as error:
            raise BadNote("not UTF-8") from error
        text, blank, signatures = note.rpartition("\n\n")
        control = any(character < " " and character != "\n" for character in note)
        if len(data) > NOTE_MAX or control or not blank or not signatures.endswith("\n"):
            raise BadNote("not a signed note")
        found = [_SIGNATURE.fullmatch(line) for line in signatures[:-1].split("\n")]
        lines = tuple((line[1], line[2]) for line in found if line is not None)
        if len(lines) < len(found):
            raise BadNote("not a line of a signature")
        for _, signature in lines:
            unbase64(signature[:8])
        return Note(text + "\n", lines)

    def verify(self, keys: Iterable[Key]) -> None:
        """Passes if one of these keys has signed it, and each of them whose signature it bears."""
        keys, signed = list(keys), False
        for name, signature in self.signatures:
            for key in keys:
                if (name, unbase64(signature[:8])[:4]) == (key.name, key.id):
                    if not self._verify(key, signature):
                        raise NotSigned(f"the signature of {name} does not match")
                    signed = True
        if not signed:
            raise NotSigned("none of its signatures is by a key that was given")

    def _verify(self, key: Key, signature: str) -> bool:
        try:
            return ed25519.verify(key.public, self.text.encode(), unbase64(signature)[4:])
        except BadNote:
            return False


@dataclass(frozen=True)
class Checkpoint:
    """What a log says of itself: so many leaves, this root."""

    origin: str
    size: int
    root: bytes

    @staticmethod
    def of(note: Note) -> Checkpoint:
        """What a note states, which is to be believed if the note is."""
        lines = note.text.split("\n")
        if len(lines) != 4 or not lines[0] or re.fullmatch("0|[1-9][0-9]*", lines[1], re.ASCII) is None:
            raise BadNote("not a checkpoint")
        found = Checkpoint(lines[0], int(lines[1]), unbase64(lines[2]))
        if found.size > U64_MAX or len(found.root) != 32:
            raise BadNote("not a checkpoint")
        return found


def origin(deployment: bytes, name: str) -> str:
    """Whose checkpoints those of a volume are."""
    return f"totebox/{deployment.hex()}/{name}"


def _key_id(name: str, data: bytes) -> bytes:
    return sha256(name.encode() + b"\n" + data).digest()[:4]


def unbase64(text: str) -> bytes:
    """The bytes of a text in Base64, which must be what they would be written as."""
    try:
        data = b64decode(text, validate=True)
    except ValueError as error:
        raise BadNote("not Base64") from error
    if b64encode(data).decode() != text:
        raise BadNote("not Base64")
    return data
