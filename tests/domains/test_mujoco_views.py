"""MuJoCo worlds can be seen from every side, and what moves can be pulled."""

from typing import Any

import numpy as np
import pytest

from playground.domains import make


@pytest.fixture(scope="module", params=["dm_control/point_mass-easy", "metaworld/reach"])
def env(request):
    env = make(request.param, 96)
    env.reset(seed=1_000_000)
    yield env
    env.close()


@pytest.mark.slow
def test_every_camera_shows_another_picture_and_the_first_stays(env):
    pictures = []
    for name in env.cameras:
        env.camera = name
        pictures.append(env.render())
    env.camera = "standard"
    np.testing.assert_array_equal(env.render(), pictures[0])
    if env.heading:  # the arm's arena has four different sides
        assert len({picture.tobytes() for picture in pictures}) == len(env.cameras)
        env.camera = "behind"
        assert env.heading == 50.0 + 180.0
        env.camera = "standard"


def test_what_is_grabbed_follows_the_mouse_until_it_is_let_go():
    env: Any = make("dm_control/point_mass-easy", 96)
    env.reset(seed=1_000_000)
    env.render()
    still = np.zeros(2, np.float32)
    x, y = env.physics.named.data.geom_xpos["pointmass", :2]
    at = np.array([0.5 + x / (2 * 0.8 * np.tan(np.pi / 8)), 0.5 - y / (2 * 0.8 * np.tan(np.pi / 8))])  # 45 degrees
    assert not env.grab(0.02, 0.02)  # the arena stands still
    assert env.grab(*at)
    towards = 0.5 - at
    for n in range(1, 21):
        env.drag(*(at + towards * n / 20))
        env.step(still)
    assert np.linalg.norm(env.physics.data.qpos) < np.linalg.norm((x, y)) * 0.8
    env.release()
    assert not env.physics.data.xfrc_applied.any()
    observation, _ = env.reset(seed=1_000_000)
    env.close()
    np.testing.assert_allclose(observation["state"][:2], (x, y), atol=1e-6)
