"""A person takes over, gives back, and what was driven becomes the prompt of the running agent."""

import numpy as np
import pygame
import pytest
import torch

from playground import domains
from playground.demonstrations import find_demonstration, recordings
from playground.policies import ReplayPolicy
from playground.session import Session
from tests.conftest import TASK

NAME = "my-GoToLocal-hidden-1"


@pytest.fixture
def driver(open_window):
    """A person who has taken over after three steps."""
    person = open_window()
    person.wait(0.3)
    person.press(pygame.K_d)
    return person


def test_the_world_waits_for_the_person_and_the_agent_goes_on_proposing(driver):
    driver.wait(1.0)
    assert driver.event.t == 3 and driver.viewer.view.waits
    driver.press(pygame.K_UP)
    driver.wait(0.2)
    assert driver.event.t == 4 and driver.event.action == 2 and driver.event.decision is not None
    driver.press(pygame.K_PERIOD)  # nothing is held: there is no step to make
    assert driver.event.t == 4


def test_keys_of_the_world_win_over_keys_of_the_window_while_driving(driver):
    driver.press(pygame.K_LEFT)
    driver.wait(0.2)
    assert driver.event.action == 0 and driver.viewer.view.prompt == f"{TASK}#0"
    driver.press(pygame.K_d)
    driver.press(pygame.K_LEFT)
    assert driver.viewer.view.prompt == "none"


def test_giving_back_keeps_the_drive(driver):
    for _ in range(4):
        driver.press(pygame.K_RIGHT)
        driver.wait(0.15)
    driver.press(pygame.K_d)
    assert recordings() == {NAME: TASK} and not driver.viewer.view.driving
    found = find_demonstration(NAME)
    assert (found.start, found.stop) == (3, 7) and len(found.episode) == 7
    driver.wait(0.3)
    assert driver.event.t == 10  # the agent goes on where the person was


def test_a_short_drive_is_not_kept(driver):
    driver.press(pygame.K_RIGHT)
    driver.wait(0.15)
    driver.press(pygame.K_d)
    assert recordings() == {}


def test_a_drive_ends_with_its_episode_and_the_next_begins_with_the_world(driver):
    for _ in range(75):
        driver.press(pygame.K_RIGHT)
        driver.wait(0.12)
    assert driver.event.episode == 1
    driver.press(pygame.K_r)
    first, second = (find_demonstration(name) for name in recordings())
    assert (first.start, first.stop, first.episode.truncated) == (3, 64, True)
    assert second.start == 0 and second.episode.seed == first.episode.seed + 1


def test_play_record_prompt(open_window, checkpoint):
    """A person drives, the drive is saved, replays as it was, and is the prompt of the running agent at one key."""
    person = open_window(TASK, "model", checkpoint=str(checkpoint))
    person.press(pygame.K_d)
    moves = [pygame.K_RIGHT, pygame.K_UP, pygame.K_UP, pygame.K_LEFT, pygame.K_UP]
    for move in moves:
        person.press(move)
        person.wait(0.15)
    driven = [person.event.t]
    person.press(pygame.K_d)
    person.press(pygame.K_t)
    person.wait(0.1)
    assert person.event.t == driven[0] + 1 and person.event.prompt == NAME
    assert person.event.decision.prompt_steps == len(moves) and person.event.decision.probabilities is not None

    episode = find_demonstration(NAME).episode
    np.testing.assert_array_equal(episode.actions, [1, 2, 2, 0, 2])
    replay = ReplayPolicy(episode.actions)
    with Session(domains.make(TASK), replay, seed=episode.seed, goal=episode.goal) as again:
        for t in range(len(episode) + 1):
            np.testing.assert_array_equal(again.step().observation["grid"], episode.observations["grid"][t])


def test_take_over_and_give_back_keep_the_context_law(open_window, checkpoint):
    """After a teleoperation, the agent decides as a fresh one that reads the same prompt and observations."""
    person = open_window(TASK, "model", checkpoint=str(checkpoint))
    seen = []
    person.viewer.view.session.consumers.append(seen.append)
    start = person.event
    person.wait(0.2)
    person.press(pygame.K_d)
    for move in (pygame.K_RIGHT, pygame.K_UP, pygame.K_LEFT):
        person.press(move)
        person.wait(0.15)
    person.press(pygame.K_d)
    person.wait(0.2)
    session = person.viewer.view.session
    from playground.api import make_policy

    fresh = make_policy("model", session.task, session.env, checkpoint=str(checkpoint))
    fresh.condition(session.prompt)
    fresh.reset()
    with torch.inference_mode():
        for event, after in zip([start, *seen], seen, strict=False):
            decision = fresh.act(event.observation)
            np.testing.assert_allclose(after.decision.probabilities, decision.probabilities, atol=1e-5)
    assert [int(event.action) for event in seen[2:5]] == [1, 2, 0]


def test_a_recording_is_named_trimmed_and_found_again(driver):
    for _ in range(6):
        driver.press(pygame.K_RIGHT)
        driver.wait(0.15)
    driver.press(pygame.K_d)
    driver.press(pygame.K_t, pygame.K_F2)
    for letter in "turns":
        driver.post(pygame.KEYDOWN, key=ord(letter), mod=0, unicode=letter)
    driver.press(pygame.K_RETURN)
    assert list(recordings()) == ["turns"] and driver.viewer.view.prompt == "turns"
    driver.viewer.view.held = 5
    driver.press(pygame.K_LEFTBRACKET)
    assert (find_demonstration("turns").start, len(driver.viewer.view.session.prompt)) == (5, 4)
    driver.viewer.open(TASK)
    driver.wait(0.1)
    assert "turns" in driver.viewer.prompt_list.names and driver.viewer.prompt_list.names[-1] == "none"


def test_the_mouse_and_the_gamepad_drive_a_continuous_world(open_window):
    person = open_window("classic/LunarLanderContinuous")
    person.press(pygame.K_d)
    live = person.app.screen.live[0]
    person.post(pygame.MOUSEBUTTONDOWN, button=1, pos=live.center)
    person.post(pygame.MOUSEMOTION, pos=(live.centerx + live.width, live.centery), rel=(1, 0), buttons=(1, 0, 0))
    person.wait(0.05)
    np.testing.assert_allclose(person.event.action, [1, 0])
    person.post(pygame.MOUSEBUTTONUP, button=1, pos=live.center)
    person.post(pygame.JOYAXISMOTION, instance_id=0, axis=1, value=-0.5)
    person.wait(0.05)
    np.testing.assert_allclose(person.event.action, [0, 0.5])
    person.post(pygame.JOYAXISMOTION, instance_id=0, axis=1, value=0.1)
    person.wait(0.05)
    assert not person.event.action.any()
    person.post(pygame.JOYHATMOTION, instance_id=0, hat=0, value=(-1, 0))
    person.wait(0.05)
    np.testing.assert_allclose(person.event.action, [-1, 0])
