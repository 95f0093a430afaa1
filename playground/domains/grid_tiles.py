"""BabyAI's pictures, some hundred times as quick: upstream asks each of its shapes pixel by pixel, in Python.

Here a shape answers for all pixels of a tile at once. The pictures are the same, to the pixel.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

Shape = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""x [1, W] and y [H, 1], 0 to 1 from the tile's top left -> whether they lie inside, [H, W]."""


def fill_coords(image: np.ndarray, inside: Shape, colour: Any) -> np.ndarray:
    """Paints the pixels of an image, uint8 [H, W, 3], that lie inside a shape."""
    height, width = image.shape[:2]
    x, y = (np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height
    image[inside(x[None], y[:, None])] = colour
    return image


def point_in_rect(left: float, right: float, top: float, bottom: float) -> Shape:
    """All between two columns and two rows."""
    return lambda x, y: (x >= left) & (x <= right) & (y >= top) & (y <= bottom)


def point_in_line(x0: float, y0: float, x1: float, y1: float, r: float) -> Shape:
    """All that is at most `r` away from a line."""
    start, way = np.array([x0, y0]), np.array([x1 - x0, y1 - y0])
    length = float(np.linalg.norm(way))
    way /= length

    def inside(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        along = np.clip((x - start[0]) * way[0] + (y - start[1]) * way[1], 0.0, length)
        away = np.hypot(x - start[0] - along * way[0], y - start[1] - along * way[1])
        return away <= r

    return inside


def point_in_triangle(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> Shape:
    """All within three corners."""
    corner, to_b, to_c = np.array(a), np.subtract(b, a), np.subtract(c, a)
    area = to_c[0] * to_b[1] - to_c[1] * to_b[0]

    def inside(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        x, y = x - corner[0], y - corner[1]
        u = (x * to_b[1] - y * to_b[0]) / area
        v = (y * to_c[0] - x * to_c[1]) / area
        return (u >= 0) & (v >= 0) & (u + v < 1)

    return inside


def draw_whole_tiles() -> None:
    """Lets upstream draw with the functions of this module; its circles and turns can do with arrays as they are."""
    from minigrid.core import grid, world_object

    for ours in (fill_coords, point_in_rect, point_in_line, point_in_triangle):
        for module in (grid, world_object):
            if hasattr(module, ours.__name__):
                setattr(module, ours.__name__, ours)
