"""Video files at true speed, playable even after an interrupt; and pictures with a line of text above them."""

import os
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Any

import imageio.v2 as imageio
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from playground.errors import BadValueError

SUFFIXES = (".mp4", ".gif", ".webp")
MAX_FPS = 30.0

_PAPER, _INK = (18, 20, 26), (226, 230, 238)


def stride(fps: float, limit: float = MAX_FPS) -> int:
    """Every how many-th step to draw, so that a video at true speed has at most `limit` pictures per second."""
    return max(1, int(np.ceil(fps / limit - 1e-9)))


def check_target(path: Path) -> None:
    """Refuses what no video can be written to, before anything has been simulated.

    Raises:
        BadValueError: the suffix is unknown, the folder is missing, or the file cannot be written.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise BadValueError(f"cannot write {path.name!r} as a video; end its name in {', '.join(SUFFIXES)}")
    if not path.parent.is_dir():
        raise BadValueError(f"folder {str(path.parent)!r} does not exist; create it or write elsewhere")
    for file in (path, path.with_suffix(".json")):
        if file.is_dir() or not os.access(file if file.exists() else path.parent, os.W_OK):
            raise BadValueError(f"cannot write {str(file)!r}; choose a file in a folder of yours")


class VideoWriter:
    """Writes pictures of one size to an mp4, gif or webp file; a context manager that always finishes the file.

    Args:
        path: where to; the suffix says the format.
        fps: pictures per second, played back at exactly this speed.
    """

    def __init__(self, path: str | Path, fps: float):
        self.path, self.fps, self.count = Path(path), fps, 0
        check_target(self.path)
        self._film: Any = None
        self._hand = ThreadPoolExecutor(1)
        self._pictures: list[Image.Image] = []

    def append(self, picture: np.ndarray) -> None:
        """Adds one picture, uint8 [H, W, 3]."""
        self.count += 1
        if self.path.suffix.lower() == ".mp4":
            height, width = (n - n % 2 for n in picture.shape[:2])
            if self._film is None:
                options = ["-movflags", "+frag_keyframe+empty_moov+default_base_moof"]  # playable while it grows
                self._film = imageio.get_writer(
                    self.path, fps=self.fps, codec="libx264", quality=8, macro_block_size=2, output_params=options
                )
            # In a thread of its own, a write ends whole even if an interrupt comes in the middle of it.
            self._hand.submit(self._film.append_data, picture[:height, :width]).result()
        elif self.path.suffix.lower() == ".gif":
            self._pictures.append(Image.fromarray(picture).quantize(128, dither=Image.Dither.NONE))
        else:
            self._pictures.append(Image.fromarray(picture))

    def close(self) -> None:
        """Finishes the file; without a single picture, none is left behind."""
        self._hand.shutdown()
        if self._film is not None:
            self._film.close()
        elif self._pictures:
            # GIF counts in hundredths of a second: round the moments, not the gaps, to keep the speed true.
            tick = 10 if self.path.suffix.lower() == ".gif" else 1
            moments = [round(1e3 / tick * n / self.fps) * tick for n in range(len(self._pictures) + 1)]
            gaps = [after - before for before, after in pairwise(moments)]
            first, *rest = self._pictures
            first.save(self.path, save_all=True, append_images=rest, duration=gaps, loop=0)
        self._film, self._pictures = None, []

    def __enter__(self) -> "VideoWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def captioned(picture: np.ndarray, lines: tuple[str, ...]) -> np.ndarray:
    """The picture, uint8 [H, W, 3], under a band with one row of text per line; text too wide is cut."""
    height, width = picture.shape[:2]
    size = max(10, width // 22)
    font, row = ImageFont.load_default(size), size + size // 2
    canvas = Image.new("RGB", (width, height + row * len(lines) + size // 2), _PAPER)
    draw = ImageDraw.Draw(canvas)
    for number, line in enumerate(lines):
        while line and draw.textlength(line, font) > width - size:
            line = line[:-2] + "…" if len(line) > 2 else ""
        draw.text((size // 2, size // 4 + number * row), line, _INK, font)
    canvas.paste(Image.fromarray(picture), (0, canvas.height - height))
    return np.asarray(canvas)


def side_by_side(pictures: list[np.ndarray], gap: int = 4) -> np.ndarray:
    """Pictures of any heights in a row, top aligned, uint8 [H, W, 3]."""
    height = max(p.shape[0] for p in pictures)
    row = []
    for picture in pictures:
        padded = np.full((height, picture.shape[1] + gap, 3), _PAPER, np.uint8)
        padded[: picture.shape[0], : picture.shape[1]] = picture
        row.append(padded)
    return np.concatenate(row, axis=1)[:, :-gap]
