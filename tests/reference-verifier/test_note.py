"""Signatures against RFC 8032, section 7.1, and a note of the signed-note specification."""

from __future__ import annotations

import unittest

import ed25519
from note import BadNote, Checkpoint, Key, Note, NotSigned

# Public key, message, signature.
RFC_8032 = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe"
        "24655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302a"
        "eeb00d291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed2"
        "8dc027beceea1ec40a",
    ),
]

KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
SIGNATURE = "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
NOTE = (TEXT + "\n" + SIGNATURE).encode()


class Signatures(unittest.TestCase):
    """Ed25519."""

    def test_rfc_8032(self) -> None:
        for public, message, signature in (map(bytes.fromhex, case) for case in RFC_8032):
            self.assertTrue(ed25519.verify(public, message, signature))
            self.assertFalse(ed25519.verify(public, message + b".", signature))
            for bit in range(0, 512, 37):
                wrong = (int.from_bytes(signature, "little") ^ 1 << bit).to_bytes(64, "little")
                self.assertFalse(ed25519.verify(public, message, wrong))

    def test_the_same_signature_in_another_form(self) -> None:
        public, message, signature = map(bytes.fromhex, RFC_8032[0])
        s = int.from_bytes(signature[32:], "little") + ed25519.ORDER
        self.assertFalse(ed25519.verify(public, message, signature[:32] + s.to_bytes(32, "little")))

    def test_no_point_no_key(self) -> None:
        _, message, signature = map(bytes.fromhex, RFC_8032[0])
        for public in (b"", bytes([2]) + bytes(31), b"\xff" * 32):
            self.assertFalse(ed25519.verify(public, message, signature))


class Notes(unittest.TestCase):
    """Signed notes and checkpoints."""

    def test_verified(self) -> None:
        Note.parse(NOTE).verify([Key.parse(KEY)])
        self.assertEqual(Note.parse(NOTE).text, TEXT)

    def test_other_signers_are_passed_by(self) -> None:
        Note.parse(NOTE + "— someone AAAAAAAA\n".encode()).verify([Key.parse(KEY)])

    def test_not_a_note(self) -> None:
        others = (
            "no signature",
            "— some+one AAAAAAAA",
            "— someone AAAA",
            "— someone AAAAAB==",
            "— someone AAAAAAAA ",
        )
        texts = [NOTE[:-1], TEXT.encode(), b"\xff" + NOTE, b"\t" + NOTE, b"", NOTE + b"\n"]
        for note in [*texts, *(NOTE + f"{line}\n".encode() for line in others)]:
            with self.assertRaises(BadNote, msg=note):
                Note.parse(note)

    def test_not_signed(self) -> None:
        key = Key.parse(KEY)
        other = Key("PeterNeumann", bytes(4), key.public)
        broken = NOTE.replace(b"BwJnAM=", b"BwJnAN=")
        for note, keys in (
            (NOTE.replace(b"answer", b"answers"), [key]),
            (NOTE, [other]),
            (NOTE, []),
            (broken, [key]),
        ):
            with self.assertRaises(NotSigned):
                Note.parse(note).verify(keys)

    def test_keys(self) -> None:
        for text in ("", "a+b", KEY.replace("c74f20a3", "c74f20a4"), KEY + "A", KEY[:-4]):
            with self.assertRaises(BadNote):
                Key.parse(text)

    def test_checkpoints(self) -> None:
        root = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="
        found = Checkpoint.of(Note(f"a/log\n20852163\n{root}\n", ()))
        self.assertEqual((found.origin, found.size, found.root[0]), ("a/log", 20852163, 0x0A))
        for text in (
            "\n",
            "\n1\n",
            f"\n1\n{root}\n",
            f"a/log\n01\n{root}\n",
            f"a/log\n-1\n{root}\n",
            f"a/log\n{1 << 64}\n{root}\n",
            f"a/log\n1\n{root}\nan extension\n",
            "a/log\n1\nCsUY\n",
            "a/log\n1\n!\n",
        ):
            with self.assertRaises(BadNote, msg=text):
                Checkpoint.of(Note(text, ()))


if __name__ == "__main__":
    unittest.main()
