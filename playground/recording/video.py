"""Video files at true speed, playable at any moment of their growth; and pictures with lines of text, side by side."""

import json
import os
import subprocess
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any

import imageio.v2 as imageio
import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

from playground.errors import DAMAGED, BadFileError, BadValueError, MissingLibraryError
from playground.files import check_file_target
from playground.recording.animation import AnimationFile, GifFile, WebpFile

SUFFIXES = (".mp4", ".gif", ".webp")
MAX_FPS = 30.0

INK, FAINT, ACCENT, WARM = (228, 232, 240), (140, 147, 163), (94, 176, 255), (255, 176, 84)
"""Colours of text."""

PAPER = (18, 20, 26)


def stride(fps: float, limit: float = MAX_FPS) -> int:
    """Every how many-th step to draw, so that a video at true speed has at most `limit` pictures per second."""
    return max(1, int(np.ceil(fps / limit - 1e-9)))


def check_target(path: Path) -> None:
    """Refuses what no video can be written to, before anything has been simulated.

    Raises:
        BadValueError: the suffix is unknown, the folder is missing, the file or its sidecar cannot be written, or a
            file with the sidecar's name is something else.
        MissingLibraryError: an mp4 is wanted and ffmpeg does not run.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise BadValueError(f"cannot write {path.name!r} as a video; end its name in {', '.join(SUFFIXES)}")
    if not path.parent.is_dir():
        raise BadValueError(f"folder {str(path.parent)!r} does not exist; create it or write elsewhere")
    sidecar = path.with_suffix(".json")
    for file in (path, sidecar):
        check_file_target(file)
    if sidecar.exists() and not _is_sidecar(sidecar):
        raise BadValueError(f"{str(sidecar)!r} would be replaced and is not of a film; give the film another name")
    if path.suffix.lower() == ".mp4":
        ffmpeg_version()


def _is_sidecar(path: Path) -> bool:
    try:
        return "digests" in json.loads(path.read_text(encoding="utf-8"))
    except DAMAGED:
        return False


@lru_cache(maxsize=1)
def ffmpeg_version() -> str:
    """The version of the ffmpeg that writes mp4 files.

    Raises:
        MissingLibraryError: there is none, or what `IMAGEIO_FFMPEG_EXE` names is none.
    """
    import imageio_ffmpeg

    named = os.environ.get("IMAGEIO_FFMPEG_EXE")
    cure = "unset IMAGEIO_FFMPEG_EXE" if named else "pip install --force-reinstall imageio-ffmpeg"
    try:
        program = imageio_ffmpeg.get_ffmpeg_exe()
        done = subprocess.run([program, "-version"], capture_output=True, timeout=30, check=False)
        words = done.stdout.decode("utf-8", "replace").split()
    except (OSError, RuntimeError, subprocess.TimeoutExpired) as error:
        raise MissingLibraryError(f"ffmpeg does not run ({error}); {cure}, or write a gif or webp") from error
    if done.returncode or words[:2] != ["ffmpeg", "version"]:
        raise MissingLibraryError(f"{program} is not ffmpeg; {cure}, or write a gif or webp")
    return words[2]


class VideoWriter:
    """Writes pictures to an mp4, gif or webp file; a context manager that always leaves a playable file.

    Args:
        path: where to; the suffix says the format.
        fps: pictures per second, played back at exactly this speed.
    """

    def __init__(self, path: str | Path, fps: float):
        self.path, self.fps, self.count = Path(path), fps, 0
        check_target(self.path)
        self._film: Any = None
        self._size: tuple[int, int] | None = None

    def append(self, picture: np.ndarray) -> None:
        """Adds one picture, uint8 [H, W, 3]; one of another size than the first is fitted into it.

        Raises:
            BadFileError: it cannot be written; the file holds the pictures before it.
        """
        if self._size is None:
            height, width = (n - n % 2 for n in picture.shape[:2])
            self._size = (width, height)
        fitted = _fitted(picture, self._size)
        try:
            self._write(fitted)
        except OSError as error:
            why = " ".join(str(error).partition("FFMPEG COMMAND")[0].split())
            raise BadFileError(
                f"{self.path}: cannot be written after {self.count} pictures ({why}); make room on the disk"
            ) from error

    def close(self) -> None:
        """Finishes the file; without a single picture, none is left behind."""
        if self._film is not None:
            self._film.close()
        self._film = None

    def _write(self, picture: np.ndarray) -> None:
        if self._film is None:
            self._film = self._open()
        if isinstance(self._film, AnimationFile):
            # Round the moments, not the gaps, to keep the speed true.
            tick = self._film.tick_ms
            now, then = (round(1e3 / tick * n / self.fps) * tick for n in (self.count, self.count + 1))
            self._film.append(picture, then - now)
        else:
            self._film.append_data(picture)
        self.count += 1

    def _open(self) -> Any:
        assert self._size is not None
        match self.path.suffix.lower():
            case ".gif":
                return GifFile(self.path, self._size)
            case ".webp":
                return WebpFile(self.path, self._size)
            case _:  # in fragments of a second, each playable by itself
                options = ["-g", str(max(1, round(self.fps)))]
                options += ["-movflags", "+frag_keyframe+empty_moov+default_base_moof"]
                return imageio.get_writer(
                    self.path, fps=self.fps, codec="libx264", quality=8, macro_block_size=2, output_params=options
                )

    def __enter__(self) -> "VideoWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _fitted(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The picture at a size (width, height): an odd row or column is cut off, another size is fitted in."""
    width, height = size
    if picture.shape[0] // 2 * 2 == height and picture.shape[1] // 2 * 2 == width:
        return picture[:height, :width]
    return np.asarray(ImageOps.pad(Image.fromarray(picture), size, color=PAPER))


def captioned(picture: np.ndarray, lines: Sequence[tuple[str, tuple[int, int, int]]]) -> np.ndarray:
    """The picture, uint8 [H, W, 3], under a band with one row per line (text, colour); text too wide is cut."""
    height, width = picture.shape[:2]
    size = max(10, width // 22)
    font, row = ImageFont.load_default(size), size + size // 2
    canvas = Image.new("RGB", (width, height + row * len(lines) + size // 2), PAPER)
    draw = ImageDraw.Draw(canvas)
    for number, (text, colour) in enumerate(lines):
        while text and draw.textlength(text, font) > width - size:
            text = text[:-2] + "…" if len(text) > 2 else ""
        draw.text((size // 2, size // 4 + number * row), text, colour, font)
    canvas.paste(Image.fromarray(picture), (0, canvas.height - height))
    return np.asarray(canvas)


def tiled(pictures: Sequence[np.ndarray], gap: int = 4) -> np.ndarray:
    """Pictures of any sizes, uint8 [H, W, 3]: up to three in a row, more in a grid that is about as wide as high."""
    columns = len(pictures) if len(pictures) < 4 else int(np.ceil(np.sqrt(len(pictures))))
    height, width = (max(p.shape[axis] for p in pictures) for axis in (0, 1))
    rows = -(-len(pictures) // columns)
    canvas = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap, 3), PAPER, np.uint8)
    for n, picture in enumerate(pictures):
        top, left = n // columns * (height + gap), n % columns * (width + gap)
        canvas[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return canvas
