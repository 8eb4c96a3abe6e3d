"""The hashes of docs/ledger-format.md, "Hashes": BLAKE3, plain and keyed."""

from blake3 import blake3


def content(data: bytes) -> bytes:
    """The content hash; `b3sum` prints the same."""
    return blake3(data).digest()


def keyed(use: str, *parts: bytes) -> bytes:
    """The keyed hash totebox.v1.`use` over the parts, one behind another."""
    hasher = blake3(key=f"totebox.v1.{use}".encode().ljust(32, b"\0"))
    for part in parts:
        hasher.update(part)
    return hasher.digest()
