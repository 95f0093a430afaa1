"""What is held becomes an action, in every kind of world; controllers are policies like any other."""

import gymnasium as gym
import numpy as np
import pytest

from playground import domains
from playground.environment import NO_OP
from playground.session import Session
from playground.viewing.controllers import (
    ARROWS,
    GRIP_KEY,
    PAIRS,
    REPEAT_SECONDS,
    SPARE_KEYS,
    WORD_KEYS,
    ContinuousController,
    DiscreteController,
    action_names,
    controller_for,
    controls_json,
)
from playground.viewing.keymap import KEYMAP
from tests.loop_toy import LINE, LineEnv

ATARI = ("nothing", "fire", "up", "right", "left", "down", "up+right", "up+fire", "up+right+fire")
BABYAI = ("left", "right", "forward", "pick up", "drop", "toggle", "done")


def test_buttons_that_are_held_together_choose_their_combination():
    controller = DiscreteController(ATARI)
    assert controller.ready and controller.take() == 0
    controller.press("ArrowUp")
    controller.press("ArrowRight")
    assert controller.take() == ATARI.index("up+right")
    controller.press("f")
    assert controller.take() == ATARI.index("up+right+fire")
    for key in ("ArrowUp", "ArrowRight"):
        controller.release(key)
    assert controller.take() == ATARI.index("fire")


def test_a_press_shorter_than_a_step_counts_once():
    controller = DiscreteController(ATARI)
    controller.press("ArrowLeft")
    controller.release("ArrowLeft")
    assert controller.take() == ATARI.index("left") and controller.take() == 0


def test_without_a_choice_that_does_nothing_the_world_waits():
    now = [0.0]
    controller = DiscreteController(BABYAI, lambda: now[0])
    assert not controller.ready
    controller.press("ArrowUp")
    assert controller.ready and controller.take() == BABYAI.index("forward")
    assert not controller.ready
    now[0] += REPEAT_SECONDS + 0.01
    assert controller.ready and controller.take() == BABYAI.index("forward")
    controller.release("ArrowUp")
    assert not controller.ready


@pytest.mark.parametrize("names", [ATARI, BABYAI, ("nothing", "left engine", "main engine", "right engine")])
def test_every_button_has_a_key_of_its_own(names):
    controller = DiscreteController(names)
    words = {word for name in names for word in name.split("+")} - {NO_OP}
    assert set(controller.keys.values()) == words and len(controller.help()) == len(words)


def test_every_number_has_two_keys_and_opposite_ones_cancel():
    controller = ContinuousController(("hip", "knee", "ankle", "hip 2", "knee 2", "ankle 2"))
    assert len(controller.keys) == 12
    less, more = (key for key, name in controller.keys.items() if name.startswith("knee 2"))
    controller.press(more)
    np.testing.assert_array_equal(controller.take(), [0, 0, 0, 0, 1, 0])
    controller.press(less)
    assert not controller.take().any()
    controller.release(more)
    np.testing.assert_array_equal(controller.take(), [0, 0, 0, 0, -1, 0])


def test_mouse_stick_and_wheel_steer_and_the_grip_stays():
    controller = ContinuousController(("hand x", "hand y", "hand up", "grip"))
    controller.drag(0.125, -1.0)
    controller.nudge(2, 1.0)
    np.testing.assert_allclose(controller.take(), [0.5, -1, 1, -1])
    controller.drag(0.0, 0.0)
    np.testing.assert_allclose(controller.take(), [0, 0, 0, -1])
    controller.press("f")
    controller.stick(2, 0.3)
    np.testing.assert_allclose(controller.take(), [0, 0, 0.3, 1])
    controller.button(0, True)
    controller.button(0, False)
    assert controller.take()[3] == -1


def test_right_is_right_in_the_picture():
    controller = ContinuousController(("hand x", "hand y", "hand up", "grip"), lambda: 90.0)
    controller.press("ArrowRight")
    np.testing.assert_allclose(controller.take()[:3], [0, 1, 0], atol=1e-6)


def test_sticks_press_buttons():
    controller = DiscreteController(ATARI)
    controller.stick(0, 0.9)
    controller.stick(1, 0.9)
    controller.button(0, True)
    assert controller.take() == ATARI.index("up+right+fire")
    controller.stick(0, 0.1)
    assert controller.take() == ATARI.index("up+fire")


def test_a_controller_is_a_policy():
    env = LineEnv()
    env.action_names = ("along",)
    controller = controller_for(env)
    controller.press("ArrowRight")
    session = Session(env, controller, task=LINE)
    start = session.step()
    assert session.step().observation["state"][0] > start.observation["state"][0]
    controller.release("ArrowRight")
    controller.press("ArrowLeft")
    here = session.last.observation["state"][0]
    assert session.step().observation["state"][0] < here


@pytest.mark.parametrize(
    "task", ["babyai/GoToLocal", "classic/CartPole", "classic/MountainCar", "classic/Pendulum", "atari/Breakout"]
)
def test_every_key_fits_its_world_and_none_is_taken(task: str):
    env = domains.make(task, 64)
    controller = controller_for(env)
    actions = []
    for key in controller.keys:
        controller.hold([key])
        actions.append(controller.take())
    controller.clear()
    assert all(env.action_space.contains(action) for action in [*actions, controller.take()])
    assert len({tuple(np.atleast_1d(action)) for action in actions}) == len(actions) > 0
    assert controls_json(env, controller)["keys"].keys() == controller.keys.keys()
    env.close()


def test_turns_wait_and_others_do_nothing():
    assert controller_for(domains.make("babyai/GoToLocal", 64)).turn_based
    env = domains.make("classic/MountainCar", 64)
    controller = controller_for(env)
    assert not controller.turn_based and env.action_names[int(controller.take())] == NO_OP


def test_hold_presses_what_is_new_and_releases_what_is_gone():
    controller = DiscreteController(ATARI)
    controller.hold(["ArrowUp", "f"])
    assert controller.take() == ATARI.index("up+fire")
    controller.hold(["ArrowUp"])
    assert controller.take() == ATARI.index("up")
    controller.hold([])
    assert controller.take() == 0


def test_the_grip_is_switched_once_however_long_its_key_is_held():
    controller = ContinuousController(("hand x", "grip"))
    controller.hold(["f"])
    controller.hold(["f", "ArrowLeft"])
    np.testing.assert_array_equal(controller.take(), [-1, 1])
    controller.clear()
    controller.hold(["f"])
    np.testing.assert_array_equal(controller.take(), [0, -1])


def test_no_driving_key_is_a_key_of_the_table():
    """A key means one thing, driving or not. In the window, the arrows also choose tasks and prompts."""
    table = {key for binding in KEYMAP for key in binding.keys}
    steering = {*WORD_KEYS.values(), *SPARE_KEYS, *(key for pair in PAIRS for key in pair), GRIP_KEY}
    assert steering & table == set(ARROWS)


def test_actions_without_names_are_numbered():
    env = LineEnv()
    assert action_names(env) == ("action 0",)
    env.action_space = gym.spaces.Discrete(3)  # type: ignore[assignment]
    assert action_names(env) == ("action 0", "action 1", "action 2") and len(controller_for(env).keys) == 3
