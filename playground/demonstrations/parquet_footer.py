"""How many numbers a Parquet file says that it unpacks to, read from its footer alone.

PyArrow tells that too, but ends the process where the statistics in a damaged footer do not fit its columns
(`ColumnChunkMetaData` throws in C++ where nobody catches). The footer is a Thrift structure in the compact protocol
(https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md).
"""

from typing import Any

MAGIC = b"PAR1"

_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = 1, 2, 3, 7, 8, 9, 10, 11, 12
_INTEGERS = (4, 5, 6)

MAX_DEPTH = 12
"""Structures within structures; a real footer has eight."""

_ROW_GROUPS, _COLUMNS, _META_DATA, _NUM_VALUES = 4, 1, 3, 5
"""Fields of FileMetaData, RowGroup, ColumnChunk and ColumnMetaData in parquet.thrift."""


def announced_values(content: bytes) -> int:
    """Number of values in all columns of a Parquet file.

    Raises:
        ValueError: the footer is missing or damaged.
    """
    length = int.from_bytes(content[-8:-4], "little")
    if content[-4:] != MAGIC or not 0 < length <= len(content) - 12:
        raise ValueError("the Parquet footer is missing")
    footer = _Reader(content[-8 - length : -8]).struct()
    try:
        columns = [column for group in footer[_ROW_GROUPS] for column in group[_COLUMNS]]
        counts = [column[_META_DATA][_NUM_VALUES] for column in columns]
    except (KeyError, TypeError) as error:
        raise ValueError(f"the Parquet footer lacks {error}") from error
    if not all(isinstance(count, int) and count >= 0 for count in counts):
        raise ValueError("the Parquet footer counts values below none")
    return sum(counts)


class _Reader:
    """Reads a value of Thrift's compact protocol after the other."""

    def __init__(self, content: bytes):
        self._content, self._at = content, 0

    def struct(self, depth: int = 0) -> dict[int, Any]:
        """Field number -> value."""
        if depth > MAX_DEPTH:
            raise ValueError("the Parquet footer is nested too deeply")
        fields: dict[int, Any] = {}
        number = 0
        while header := self._byte():
            number = number + (header >> 4) if header >> 4 else self._integer()
            fields[number] = self._value(header & 15, depth)
        return fields

    def _value(self, kind: int, depth: int, in_list: bool = False) -> Any:
        if kind in (_TRUE, _FALSE):
            return self._byte() == _TRUE if in_list else kind == _TRUE
        if kind in _INTEGERS:
            return self._integer()
        if kind == _BYTE:
            return self._byte()
        if kind in (_DOUBLE, _BINARY):
            return self._bytes(8 if kind == _DOUBLE else self._varint())
        if kind in (_LIST, _SET):
            header = self._byte()
            count = header >> 4 if header >> 4 < 15 else self._varint()
            return [self._value(header & 15, depth + 1, True) for _ in range(self._room(count))]
        if kind == _MAP:
            raise ValueError("a Parquet footer holds no maps")
        if kind == _STRUCT:
            return self.struct(depth + 1)
        raise ValueError(f"the Parquet footer holds a value of the unknown kind {kind}")

    def _byte(self) -> int:
        return self._bytes(1)[0]

    def _bytes(self, count: int) -> bytes:
        self._at += self._room(count)
        return self._content[self._at - count : self._at]

    def _room(self, count: int) -> int:
        """A number of bytes or elements, none of which can take less than a byte."""
        if count > len(self._content) - self._at:
            raise ValueError("the Parquet footer is cut off")
        return count

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value
            if shift > 63:
                raise ValueError("the Parquet footer holds a number of too many bytes")

    def _integer(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)
