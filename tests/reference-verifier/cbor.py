"""Payloads' CBOR: docs/ledger-format.md, "Payload"; RFC 8949, section 4.2.1. What may be written in one way only is
refused in every other."""

from __future__ import annotations

Value = int | bool | bytes | str | list["Value"] | dict[str, "Value"]
Map = dict[str, Value]

DEPTH_MAX = 4  # maps and arrays inside each other, the payload's own map counted

# Major types, and the two simple values there are; RFC 8949, section 3.
_NUMBER, _BYTES, _TEXT, _ARRAY, _MAP, _SIMPLE = 0, 2, 3, 4, 5, 7
_TRUTHS = {20: False, 21: True}


class NotAPayload(ValueError):
    """The bytes are no map in this form."""


def decode(data: bytes) -> Map:
    """The one map that the bytes are."""
    reader = _Reader(data)
    value = reader.value(0)
    if not isinstance(value, dict) or reader.at != len(data):
        raise NotAPayload("not one map")
    return value


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.at = 0
        self._data = data

    def value(self, depth: int) -> Value:
        """The next value, within so many maps and arrays."""
        major, argument = self._head()
        if major == _NUMBER:
            return argument
        if major == _BYTES:
            return self._take(argument)
        if major == _TEXT:
            return self._text(argument)
        if major == _SIMPLE and argument in _TRUTHS:
            return _TRUTHS[argument]
        if major not in (_ARRAY, _MAP) or depth == DEPTH_MAX:
            raise NotAPayload("a value of another kind, or too deep")
        # The count is not to be believed, but each value takes a byte, and the bytes come to an end.
        return [self.value(depth + 1) for _ in range(argument)] if major == _ARRAY else self._map(argument, depth + 1)

    def _map(self, count: int, depth: int) -> Map:
        found: Map = {}
        last: tuple[int, bytes] | None = None
        for _ in range(count):
            major, length = self._head()
            if major != _TEXT:
                raise NotAPayload("a key that is no text")
            key = self._text(length)
            order = (length, key.encode())
            if last is not None and order <= last:
                raise NotAPayload("keys out of order, or one twice")
            last, found[key] = order, self.value(depth)
        return found

    def _head(self) -> tuple[int, int]:
        """A major type and its argument, which is as short as can be."""
        (first,) = self._take(1)
        major, short = first >> 5, first & 31
        if short < 24:
            return major, short
        # Of the simple values none is longer: floats and "break" are among them.
        if short > 27 or major == _SIMPLE:
            raise NotAPayload("a length that is not definite, or a value of another kind")
        size = 1 << (short - 24)
        argument = int.from_bytes(self._take(size), "big")
        if argument < (24 if size == 1 else 1 << (4 * size)):
            raise NotAPayload("not in its shortest form")
        return major, argument

    def _text(self, length: int) -> str:
        try:
            return self._take(length).decode()
        except UnicodeDecodeError as error:
            raise NotAPayload("a text that is not UTF-8") from error

    def _take(self, length: int) -> bytes:
        if length > len(self._data) - self.at:
            raise NotAPayload("the bytes end within it")
        self.at += length
        return self._data[self.at - length : self.at]
