"""Keys mean actions that fit the world, in every kind of world."""

import numpy as np
import pytest

from playground import domains
from playground.web.driving import Controls


@pytest.mark.parametrize(
    "task", ["babyai/GoToLocal", "classic/CartPole", "classic/MountainCar", "classic/Pendulum", "atari/Breakout"]
)
def test_every_key_fits_and_none_collides(task: str):
    env = domains.make(task, 64)
    controls = Controls.of(env)
    actions = [controls.action([key]) for key in controls.keys]
    assert all(env.action_space.contains(action) for action in [*actions, controls.action([])])
    assert len({tuple(np.atleast_1d(action)) for action in actions}) == len(actions) > 0
    assert not set(controls.keys) & set(" .rngcdptvbl?[]123456789")
    assert controls.to_json()["keys"].keys() == controls.keys.keys()
    env.close()


def test_turns_wait_and_others_idle():
    assert Controls.of(domains.make("babyai/GoToLocal", 64)).turns
    controls = Controls.of(domains.make("classic/MountainCar", 64))
    assert not controls.turns and controls.names[int(controls.action([]))] == "nothing"


def test_several_keys_press_the_choice_that_joins_them():
    controls = Controls.of(domains.make("atari/Boxing", 64))
    by_word = {controls.words[n]: key for key, (n, _) in controls.keys.items()}
    both = controls.names[int(controls.action([by_word["up"], by_word["right"]]))]
    assert set(both.split("+")) == {"up", "right"}
