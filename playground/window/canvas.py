"""A canvas over pygame surfaces of any size: text, pictures and the colours of the window.

Its unit of measure grows with the surface's height, so that high resolutions are as legible as low ones.
"""

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pygame

from playground.recording.video import PAPER

PANEL, LINE, BAD = (27, 30, 38), (52, 57, 70), (255, 112, 112)

Colour = tuple[int, int, int]

DESIGN_HEIGHT = 720
"""Height in pixels at which one unit of measure is one pixel."""

_KEPT_TEXTS = 256
_KEPT_PICTURES = 4


class Canvas:
    """Writes and draws; keeps what it wrote and scaled last.

    Attributes:
        surface: what it draws on; see `take`.
    """

    surface: pygame.Surface

    def __init__(self) -> None:
        self._unit = 1.0
        self._fonts: dict[int, pygame.font.Font] = {}
        self._font_file = _font_file()
        self._scaled: list[tuple[object, pygame.Surface]] = []
        self._written = lru_cache(_KEPT_TEXTS)(self._write)

    def take(self, surface: pygame.Surface) -> None:
        """Draws on this surface from now on, over a plain ground."""
        self.surface = surface
        self._unit = max(0.5, surface.get_height() / DESIGN_HEIGHT)
        surface.fill(PAPER)

    def px(self, units: float) -> int:
        """Units in pixels, 1 at least."""
        return max(1, round(units * self._unit))

    def text(
        self,
        text: str,
        at: tuple[int, int],
        units: float,
        colour: Colour,
        anchor: str = "topleft",
        back: Colour | None = None,
    ) -> pygame.Rect:
        """Writes a line; returns where it stands."""
        drawn = self._written(text, self.px(units), colour, back)
        return self.surface.blit(drawn, drawn.get_rect(**{anchor: at}))

    def fitted(self, area: pygame.Rect, text: str, units: float, colour: Colour) -> int:
        """Writes a line at an area's top, cut where it does not fit; returns where the line ends."""
        font = self._font(self.px(units))
        while text and font.size(text)[0] > area.width:
            text = text[:-2] + "…" if len(text) > 2 else ""
        self.text(text, area.topleft, units, colour)
        return area.top + font.get_linesize()

    def line_height(self, units: float) -> int:
        """Of a line of text, in pixels."""
        return self._font(self.px(units)).get_linesize()

    def picture(self, picture: np.ndarray | pygame.Surface, place: pygame.Rect) -> None:
        """Draws a picture, uint8 [H, W, 3] or a surface, scaled to a place; large pixels keep their edges."""
        drawn = next((kept for of, kept in self._scaled if of is picture and kept.get_size() == place.size), None)
        if drawn is None:
            image = picture
            if isinstance(image, np.ndarray):
                image = pygame.image.frombuffer(np.ascontiguousarray(image).data, image.shape[1::-1], "RGB")
            coarse = min(image.get_size()) * 3 < place.width
            scale = pygame.transform.scale if coarse else pygame.transform.smoothscale
            drawn = scale(image.convert(self.surface), place.size)
            self._scaled = [*self._scaled, (picture, drawn)][-_KEPT_PICTURES:]
        self.surface.blit(drawn, place)

    def _font(self, pixels: int) -> pygame.font.Font:
        if pixels not in self._fonts:
            self._fonts[pixels] = pygame.font.Font(self._font_file, pixels)
        return self._fonts[pixels]

    def _write(self, text: str, pixels: int, colour: Colour, back: Colour | None) -> pygame.Surface:
        return self._font(pixels).render(text, True, colour, back)


def fitting(size: tuple[int, int], area: pygame.Rect) -> pygame.Rect:
    """Where a picture of a size, width and height, is as large as an area allows, in its middle."""
    scale = min(area.width / size[0], area.height / size[1])
    place = pygame.Rect(0, 0, max(1, round(size[0] * scale)), max(1, round(size[1] * scale)))
    place.center = area.center
    return place


def _font_file() -> str | None:
    """DejaVu Sans, which comes with matplotlib and has the signs that missions and readouts use."""
    found = find_spec("matplotlib")
    file = Path(found.origin).parent / "mpl-data/fonts/ttf/DejaVuSans.ttf" if found and found.origin else None
    return str(file) if file is not None and file.exists() else None
