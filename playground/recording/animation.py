"""GIF and WebP files that grow picture by picture and are whole after every one.

Pillow and ffmpeg write such files when the last picture is known, and lose everything if that never comes. Here each
picture is compressed by Pillow, cut to what changed, and appended; nothing is kept in memory.
"""

import struct
from abc import abstractmethod
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image


class AnimationFile:
    """A file of pictures of one size, each shown for its time, in an endless loop.

    Args:
        path: where to.
        size: width and height of the pictures.
    """

    tick_ms: int
    """Times are whole multiples of this."""

    def __init__(self, path: Path, size: tuple[int, int]):
        self._file = open(path, "wb", buffering=0)  # noqa: SIM115 (closed by `close`)
        self._size = size
        self._last: np.ndarray | None = None
        self._end = 0  # of the last whole picture
        self._write(self._head())

    def append(self, picture: np.ndarray, milliseconds: int) -> None:
        """Adds a picture, uint8 [H, W, 3], that is shown for that long.

        Raises:
            OSError: it cannot be written; the file ends with the picture before.
        """
        left, top, right, bottom = _changed(self._last, picture)
        part = Image.fromarray(picture[top:bottom, left:right])
        self._write(self._frame(part, (left, top), milliseconds // self.tick_ms))
        self._last = picture

    def close(self) -> None:
        """Closes the file, at its last whole picture."""
        if not self._file.closed:
            self._file.truncate(self._finish())
            self._file.close()

    def _write(self, content: bytes) -> None:
        """Appends to the end of the last whole picture; what fails leaves the file as it was."""
        content += self._tail()
        try:
            self._file.seek(self._end)
            written = 0
            while written < len(content):
                written += self._file.write(content[written:])
            self._end += len(content) - len(self._tail())
        finally:
            self._finish()

    def _finish(self) -> int:
        """Makes the file whole up to `_end`; returns its length."""
        self._file.seek(self._end)
        self._file.write(self._tail())
        return self._end + len(self._tail())

    @abstractmethod
    def _head(self) -> bytes:
        """What comes before the first picture."""

    @abstractmethod
    def _frame(self, part: Image.Image, at: tuple[int, int], ticks: int) -> bytes:
        """One picture that covers a part of the one before."""

    @abstractmethod
    def _tail(self) -> bytes:
        """What comes after the last picture."""


class GifFile(AnimationFile):
    """GIF (specification: GIF89a, 1990): every picture has 256 colours of its own."""

    tick_ms = 10

    def _head(self) -> bytes:
        loop = b"\x21\xff\x0bNETSCAPE2.0\x03\x01\x00\x00\x00"
        return b"GIF89a" + struct.pack("<HHBBB", *self._size, 0x70, 0, 0) + loop

    def _frame(self, part: Image.Image, at: tuple[int, int], ticks: int) -> bytes:
        buffer = BytesIO()
        part.quantize(256, dither=Image.Dither.NONE).save(buffer, "GIF", interlace=0)
        content = buffer.getvalue()
        bits = content[10] & 0x07  # the palette has 2 ** (bits + 1) colours
        start = 13 + 3 * (2 << bits)
        palette = content[13:start]
        while content[start] == 0x21:  # extensions, in blocks that begin with their length
            start += 2
            while content[start]:
                start += 1 + content[start]
            start += 1
        control = struct.pack("<BBBBHBB", 0x21, 0xF9, 4, 0x04, ticks, 0, 0)  # the picture stays when the next comes
        place = struct.pack("<BHHHHB", 0x2C, *at, *part.size, 0x80 | bits)
        return control + place + palette + content[start + 10 : -1]

    def _tail(self) -> bytes:
        return b"\x3b"


class WebpFile(AnimationFile):
    """WebP (specification: WebP Container, RFC 9649)."""

    tick_ms = 1

    def _head(self) -> bytes:
        features = struct.pack("<I", 0x02) + _three(self._size[0] - 1) + _three(self._size[1] - 1)
        return b"RIFF\x00\x00\x00\x00WEBP" + _chunk(b"VP8X", features) + _chunk(b"ANIM", bytes(6))

    def _frame(self, part: Image.Image, at: tuple[int, int], ticks: int) -> bytes:
        buffer = BytesIO()
        part.save(buffer, "WEBP", quality=80, method=2)
        width, height = part.size
        place = b"".join(_three(n) for n in (at[0] // 2, at[1] // 2, width - 1, height - 1, ticks))
        return _chunk(b"ANMF", place + b"\x02" + buffer.getvalue()[12:])  # without what lies below

    def _tail(self) -> bytes:
        return b""

    def _finish(self) -> int:
        """The file's length stands in its head."""
        self._file.seek(4)
        self._file.write(struct.pack("<I", max(self._end - 8, 0)))
        return self._end


def _changed(before: np.ndarray | None, now: np.ndarray) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of what differs, from even corners on as WebP wants; one pixel at least."""
    height, width = now.shape[:2]
    if before is None:
        return 0, 0, width, height
    differs = (before != now).any(axis=2)
    rows, columns = np.flatnonzero(differs.any(axis=1)), np.flatnonzero(differs.any(axis=0))
    if not len(rows):
        return 0, 0, 1, 1
    return int(columns[0]) // 2 * 2, int(rows[0]) // 2 * 2, int(columns[-1]) + 1, int(rows[-1]) + 1


def _chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)


def _three(number: int) -> bytes:
    """24 bits, least first."""
    return struct.pack("<I", number)[:3]
