"""What is read as a payload, and all that must be refused."""

from __future__ import annotations

import unittest

from cbor import DEPTH_MAX, NotAPayload, Value, decode

# The value of a map's only key, as bytes.
VALUES: list[tuple[str, Value]] = [
    ("00", 0),
    ("17", 23),
    ("1818", 24),
    ("18ff", 255),
    ("190100", 256),
    ("1a00010000", 1 << 16),
    ("1b0000000100000000", 1 << 32),
    ("1bffffffffffffffff", (1 << 64) - 1),
    ("40", b""),
    ("5818" + "07" * 24, b"\7" * 24),
    ("60", ""),
    ("64f09f9880", "\U0001f600"),
    ("6100", "\0"),
    ("f4", False),
    ("f5", True),
    ("80", []),
    ("8201f5", [1, True]),
    ("a0", {}),
    ("a2617a02626161" + "f4", {"z": 2, "aa": False}),
]

REFUSED_VALUES = {
    # Not in the shortest form: integers, and the lengths of everything that has one.
    "23 in a byte": "1817",
    "0 in two bytes": "190000",
    "255 in two bytes": "1900ff",
    "65535 in four bytes": "1a0000ffff",
    "2^32 - 1 in eight bytes": "1b00000000ffffffff",
    "a length of bytes": "580107",
    "a length of a text": "780161",
    "a length of an array": "980100",
    "a length of a map": "b801616100",
    # No definite length.
    "bytes": "5f4107ff",
    "a text": "7f6161ff",
    "an array": "9f00ff",
    "a map": "bf616100ff",
    "an integer": "1f",
    "a break alone": "ff",
    # Reserved additional information, of each major type.
    **{f"{major}, {n}": f"{major << 5 | n:02x}" for major in range(8) for n in (28, 29, 30)},
    # Values of another kind.
    "a negative number": "20",
    "the least negative number": "3bffffffffffffffff",
    "a tag": "c000",
    "a tag of a number above 2^64": "c249010000000000000000",
    "null": "f6",
    "undefined": "f7",
    "a simple value": "e0",
    "true in two bytes": "f815",
    "a simple value in two bytes": "f8ff",
    "a half": "f93c00",
    "a float": "fa3f800000",
    "a double": "fb3ff0000000000000",
    # Texts that are not UTF-8.
    "a stray byte": "6180",
    "a character that is cut": "61c3",
    "a character in too many bytes": "62c080",
    "a surrogate": "63eda080",
    "a character that is none": "64f4908080",
    # It ends too early.
    "nothing": "",
    "a head that is cut": "19",
    "an integer that is cut": "1901",
    "bytes that are cut": "4207",
    "a text that is cut": "6261",
    "an array that is cut": "8200",
    "a map that is cut": "a26161",
    "more bytes than there ever were": "5bffffffffffffffff",
    "a longer text than there ever was": "7bffffffffffffffff",
    "more values than there ever were": "9bffffffffffffffff",
    "more keys than there ever were": "bbffffffffffffffff",
    # Maps.
    "a key that is a number": "a10000",
    "a key that is bytes": "a1416100",
    "a key that is true": "a1f500",
    "a key that is not UTF-8": "a1618000",
    "a key in a longer form": "a178016100",
    "a key twice": "a2616100616100",
    "the longer key first, though its bytes are less": "a262616100616200",
    "the greater key first": "a2616200616100",
}

REFUSED = {
    "nothing": "",
    "a number": "00",
    "an array": "80",
    "a text": "60",
    "a map in a tag": "d9d9f7a0",
    "another map behind it": "a0a0",
    "a zero behind it": "a000",
    "a map without an end": "bfff",
}


def nested(depth: int, inside: str) -> str:
    """Maps one inside another, the innermost holding a value."""
    return "a16161" * depth + inside


class Cbor(unittest.TestCase):
    """Payloads' CBOR."""

    def test_values(self) -> None:
        self.assertEqual(decode(b"\xa0"), {})
        for text, value in VALUES:
            found = decode(bytes.fromhex(nested(1, text)))
            # Compared as text: to Python 1 is True.
            self.assertEqual(repr(found), repr({"a": value}))

    def test_refused(self) -> None:
        cases = {f"{why}, in a map": nested(1, text) for why, text in REFUSED_VALUES.items()}
        cases |= {f"{why}, in an array": nested(1, "81" + text) for why, text in REFUSED_VALUES.items()}
        for why, text in (REFUSED | cases).items():
            with self.subTest(why), self.assertRaises(NotAPayload):
                decode(bytes.fromhex(text))

    def test_every_cut(self) -> None:
        for text, _ in VALUES:
            data = bytes.fromhex(nested(1, text))
            for length in range(len(data)):
                with self.subTest(data[:length].hex()), self.assertRaises(NotAPayload):
                    decode(data[:length])

    def test_order_of_keys(self) -> None:
        # By the bytes of UTF-8, shorter ones first, the empty one before all.
        keys = ["", "a", "z", "aa", "az", "za", "\xe9", "aaa", "\uffff", "aaaa", "\U00010000"]
        data = bytes([0xA0 | len(keys)]) + b"".join(_text(key) + b"\0" for key in keys)
        self.assertEqual(list(decode(data)), keys)
        for i in range(len(keys) - 1):
            swapped = [*keys[:i], keys[i + 1], keys[i], *keys[i + 2 :]]
            data = bytes([0xA0 | len(keys)]) + b"".join(_text(key) + b"\0" for key in swapped)
            with self.subTest(swapped[i]), self.assertRaises(NotAPayload):
                decode(data)

    def test_depth(self) -> None:
        for inside in ("80", "a0"):
            decode(bytes.fromhex(nested(DEPTH_MAX - 1, inside)))
            for depth in (DEPTH_MAX, 1000):
                with self.assertRaises(NotAPayload):
                    decode(bytes.fromhex(nested(depth, inside)))
        decode(bytes.fromhex(nested(DEPTH_MAX, "00")))


def _text(key: str) -> bytes:
    data = key.encode()
    return bytes([0x60 | len(data)]) + data


if __name__ == "__main__":
    unittest.main()
