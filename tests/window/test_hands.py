"""What is held becomes an action; hands are policies like any other."""

import numpy as np
import pygame
import pytest

from playground.session import Session
from playground.window.hands import REPEAT_SECONDS, ButtonHand, StickHand, hand_for
from tests.loop_toy import LINE, LineEnv

ATARI = ("nothing", "fire", "up", "right", "left", "down", "up+right", "up+fire", "up+right+fire")
BABYAI = ("left", "right", "forward", "pick up", "drop", "toggle", "done")


def test_buttons_that_are_held_together_choose_their_combination():
    hand = ButtonHand(ATARI)
    assert hand.ready and hand.take() == 0
    hand.press(pygame.K_UP)
    hand.press(pygame.K_RIGHT)
    assert hand.take() == ATARI.index("up+right")
    hand.press(pygame.K_SPACE)
    assert hand.take() == ATARI.index("up+right+fire")
    for code in (pygame.K_UP, pygame.K_RIGHT):
        hand.release(code)
    assert hand.take() == ATARI.index("fire")


def test_a_press_shorter_than_a_step_counts_once():
    hand = ButtonHand(ATARI)
    hand.press(pygame.K_LEFT)
    hand.release(pygame.K_LEFT)
    assert hand.take() == ATARI.index("left") and hand.take() == 0


def test_without_a_choice_that_does_nothing_the_world_waits():
    now = [0.0]
    hand = ButtonHand(BABYAI, lambda: now[0])
    assert not hand.ready
    hand.press(pygame.K_UP)
    assert hand.ready and hand.take() == BABYAI.index("forward")
    assert not hand.ready
    now[0] += REPEAT_SECONDS + 0.01
    assert hand.ready and hand.take() == BABYAI.index("forward")
    hand.release(pygame.K_UP)
    assert not hand.ready


@pytest.mark.parametrize("names", [ATARI, BABYAI, ("nothing", "left engine", "main engine", "right engine")])
def test_every_button_has_a_key_of_its_own(names):
    hand = ButtonHand(names)
    words = {word for name in names for word in name.split("+")} - {"nothing"}
    assert set(hand.keys.values()) == words and len(hand.help()) == len(words)
    assert not {pygame.K_h, pygame.K_v, pygame.K_ESCAPE, pygame.K_F1} & set(hand.keys)


def test_every_number_has_two_keys_and_opposite_ones_cancel():
    hand = StickHand(("hip", "knee", "ankle", "hip 2", "knee 2", "ankle 2"))
    assert len(hand.keys) == 12
    less, more = (code for code, name in hand.keys.items() if name.startswith("knee 2"))
    hand.press(more)
    np.testing.assert_array_equal(hand.take(), [0, 0, 0, 0, 1, 0])
    hand.press(less)
    assert not hand.take().any()
    hand.release(more)
    np.testing.assert_array_equal(hand.take(), [0, 0, 0, 0, -1, 0])


def test_mouse_stick_and_wheel_steer_and_the_grip_stays():
    hand = StickHand(("hand x", "hand y", "hand up", "grip"))
    hand.drag(0.125, -1.0)
    hand.nudge(2, 1.0)
    np.testing.assert_allclose(hand.take(), [0.5, -1, 1, -1])
    hand.drag(0.0, 0.0)
    np.testing.assert_allclose(hand.take(), [0, 0, 0, -1])
    hand.press(pygame.K_SPACE)
    hand.stick(2, 0.3)
    np.testing.assert_allclose(hand.take(), [0, 0, 0.3, 1])
    hand.button(0, True)
    hand.button(0, False)
    assert hand.take()[3] == -1


def test_right_is_right_in_the_picture():
    hand = StickHand(("hand x", "hand y", "hand up", "grip"), lambda: 90.0)
    hand.press(pygame.K_RIGHT)
    np.testing.assert_allclose(hand.take()[:3], [0, 1, 0], atol=1e-6)


def test_sticks_press_buttons():
    hand = ButtonHand(ATARI)
    hand.stick(0, 0.9)
    hand.stick(1, 0.9)
    hand.button(0, True)
    assert hand.take() == ATARI.index("up+right+fire")
    hand.stick(0, 0.1)
    assert hand.take() == ATARI.index("up+fire")


def test_a_hand_is_a_policy():
    env = LineEnv()
    env.action_names = ("along",)
    hand = hand_for(env)
    hand.press(pygame.K_RIGHT)
    session = Session(env, hand, task=LINE)
    start = session.step()
    assert session.step().observation["state"][0] > start.observation["state"][0]
    hand.release(pygame.K_RIGHT)
    hand.press(pygame.K_LEFT)
    here = session.last.observation["state"][0]
    assert session.step().observation["state"][0] < here
