"""Keys mean actions that fit the world, in every kind of world."""

import numpy as np
import pytest

from playground import domains
from playground.web.driving import Controls


@pytest.mark.parametrize(
    "task", ["babyai/GoToLocal", "classic/CartPole", "classic/MountainCar", "classic/Pendulum", "atari/Breakout"]
)
def test_every_key_fits_and_none_collides(task: str):
    found, env = domains.task(task), domains.make(task, 64)
    controls = Controls.of(found, env)
    actions = [controls.action([key]) for key in controls.keys]
    assert len(controls.names) == int(
        getattr(env.action_space, "n", env.action_space.shape and env.action_space.shape[0])
    )
    assert all(
        env.action_space.contains(action.astype(env.action_space.dtype)) for action in [*actions, controls.action([])]
    )
    assert len({tuple(np.atleast_1d(action)) for action in actions}) == len(actions)
    assert not set(controls.keys) & set(" .rngcptvbl?[]")
    env.close()


def test_turns_wait_and_others_idle():
    babyai, classic = "babyai/GoToLocal", "classic/MountainCar"
    assert Controls.of(domains.task(babyai), domains.make(babyai, 64)).turns
    controls = Controls.of(domains.task(classic), domains.make(classic, 64))
    assert not controls.turns and controls.names[int(controls.action([]))] == "coast"
