"""Tiles drawn at once look as upstream's, which are drawn pixel by pixel."""

import numpy as np
import pytest
from minigrid.core import grid, world_object
from minigrid.utils import rendering

from playground.domains.grid_tiles import draw_whole_tiles

SHAPES = ("fill_coords", "point_in_rect", "point_in_line", "point_in_triangle")
THINGS = {
    "nothing": lambda: None,
    "wall": world_object.Wall,
    "lava": world_object.Lava,
    "ball": lambda: world_object.Ball("blue"),
    "box": lambda: world_object.Box("purple"),
    "key": lambda: world_object.Key("yellow"),
    "open door": lambda: world_object.Door("red", is_open=True),
    "closed door": lambda: world_object.Door("green"),
    "locked door": lambda: world_object.Door("grey", is_locked=True),
}


@pytest.mark.parametrize("name", THINGS)
def test_tiles_are_upstreams(name, monkeypatch):
    def tiles() -> np.ndarray:
        monkeypatch.setattr(grid.Grid, "tile_cache", {})
        draw = grid.Grid.render_tile
        return np.stack([draw(THINGS[name](), facing, facing == 1, 13) for facing in (None, 0, 1, 2, 3)])

    draw_whole_tiles()
    ours = tiles()
    for module in (grid, world_object):
        for shape in SHAPES:
            if hasattr(module, shape):
                monkeypatch.setattr(module, shape, getattr(rendering, shape))
    np.testing.assert_array_equal(ours, tiles())
