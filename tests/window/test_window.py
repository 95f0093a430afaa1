"""The window survives errors, fits any size, and says so where there is no display."""

import os
import subprocess
import sys

import numpy as np
import pygame
import pytest

from playground.demonstrations import find_demonstration
from playground.window.sidebar import _wrapped
from tests.conftest import TASK


@pytest.mark.parametrize(("part", "method"), [("policy", "act"), ("env", "step"), ("env", "render")])
def test_an_error_of_agent_or_world_is_shown_and_survived(open_window, part, method):
    person = open_window()
    broken = getattr(person.viewer.view.session, part)
    whole = getattr(broken, method)
    setattr(broken, method, lambda *_: 1 / 0)
    person.wait(0.3)
    assert person.app.running and not person.viewer.playing and "ZeroDivisionError" in person.viewer.error
    setattr(broken, method, whole)
    person.press(pygame.K_SPACE)
    person.wait(0.3)
    assert person.event.t > 0 and person.viewer.error == ""


def test_a_task_that_cannot_be_built_leaves_the_old_one_running(open_window):
    person = open_window()
    person.viewer.open("babyai/Nowhere")
    person.wait(0.1)
    assert person.viewer.task == TASK and "unknown task" in person.viewer.error
    person.press(pygame.K_SPACE)
    person.wait(0.2)
    assert person.event.t > 0


def test_every_size_can_be_drawn(open_window):
    person = open_window()
    for size in ((320, 200), (200, 600), (2560, 1600)):
        person.app.window.size = size
        person.app.turn()
        assert person.app.window.get_surface().get_size() == size
        assert person.app.screen.live[0].width > 60


def test_on_fine_screens_the_mouse_finds_what_is_drawn(open_window):
    """Where a unit of the window holds 2 x 2 pixels, as on Retina: drawn in pixels, pointed at in units."""
    person = open_window()
    window = person.app.window

    class Fine:
        size, flip, destroy = window.size, window.flip, window.destroy
        surface = pygame.Surface((2 * window.size[0], 2 * window.size[1]))

        def get_surface(self):
            return self.surface

    coarse = person.app.screen.track.copy()
    person.app.window = Fine()
    person.app.turn()
    track = person.app.screen.track
    assert abs(track.width - 2 * coarse.width) <= 4 and abs(track.top - 2 * coarse.top) <= 8
    person.post(pygame.MOUSEBUTTONDOWN, button=1, pos=(track.centerx // 2, track.centery // 2))
    assert abs(person.viewer.view.held - len(person.viewer.view.demonstration.episode) // 2) <= 1


def test_a_late_window_drops_pictures_and_then_time(open_window):
    person = open_window()
    session = person.viewer.view.session
    person.now += 0.2
    person.app.turn()
    assert person.event.t == 2 and person.event.frame is not None
    assert [drawn for _, drawn in person.viewer.view.ticks] == [True, False, True]
    person.now += 60
    person.app.turn()
    assert person.event.t == 2 + 3 and session.last is person.event  # a quarter of a second is made up for


def test_without_a_display_other_ways_are_named():
    environment = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER")}
    command = [sys.executable, "-m", "playground", "window", "--agent", "random", "--task", TASK]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, encoding="utf-8")
    assert shown.returncode == 2 and "Traceback" not in shown.stderr, shown.stderr
    assert "playground web" in shown.stderr and "playground record" in shown.stderr


def test_the_strip_shows_where_in_the_prompt_the_agent_looks(open_window, checkpoint):
    person = open_window(TASK, "model", checkpoint=str(checkpoint))
    person.wait(0.5)
    read, weights = person.viewer.view.agent_view.attention(person.viewer.view)
    length = len(person.viewer.view.demonstration.episode)
    assert len(read) == len(weights) == person.event.decision.prompt_steps and read.max() == length - 1
    assert (weights >= 0).all() and 0 < weights.sum() < 1
    person.press(pygame.K_s)
    person.wait(0.3)
    shuffled, _ = person.viewer.view.agent_view.attention(person.viewer.view)
    assert sorted(shuffled) == sorted(read) and list(shuffled) != list(read)
    person.press(pygame.K_0)
    person.wait(0.3)
    assert person.viewer.view.agent_view.attention(person.viewer.view) is None


def test_a_recording_is_played_again_and_can_be_taken_over(open_window):
    found = find_demonstration(f"{TASK}#1")
    person = open_window(TASK, prompt=found.name, replayed=found)
    person.wait(0.1 * len(found.episode) + 1.0)
    assert (person.event.t == len(found.episode) and "ends here" in person.viewer.message) or person.event.done
    person.press(pygame.K_r)
    assert person.event.t == 0 and person.event.seed == found.episode.seed
    np.testing.assert_array_equal(person.event.observation["grid"], found.episode.observations["grid"][0])
    person.press(pygame.K_d, pygame.K_RIGHT)
    person.wait(0.1)
    assert person.event.action == 1


def test_the_mouse_pulls_a_body_and_such_an_episode_cannot_be_taken_back(open_window):
    person = open_window("dm_control/point_mass-easy")
    person.press(pygame.K_SPACE)
    env, live = person.viewer.view.session.env, person.app.screen.live[0]
    x, y = env.physics.named.data.geom_xpos["pointmass", :2] / (2 * 0.8 * np.tan(np.pi / 8))
    at = (live.left + round((0.5 + x) * live.width), live.top + round((0.5 - y) * live.height))
    person.post(pygame.MOUSEBUTTONDOWN, button=1, pos=at)
    assert person.viewer.view.pulled
    person.post(pygame.MOUSEMOTION, pos=live.center, rel=(1, 1), buttons=(1, 0, 0))
    person.press(pygame.K_PERIOD)
    assert env.physics.data.xfrc_applied.any()
    person.post(pygame.MOUSEBUTTONUP, button=1, pos=live.center)
    assert not env.physics.data.xfrc_applied.any()
    person.press(pygame.K_BACKSPACE)
    assert person.event.t == 1 and "cannot be taken back" in person.viewer.message
    person.press(pygame.K_r)
    assert not person.viewer.view.pulled


def test_long_missions_take_several_lines() -> None:
    mission = "put the purple key in front of you next to the grey box and pick up a box"
    rows = _wrapped("goal", [mission])
    assert [name for name, _ in rows] == ["goal", *[""] * (len(rows) - 1)] and len(rows) == 3
    assert " ".join(text for _, (text,) in rows) == mission and all(len(text) <= 32 for _, (text,) in rows)
    assert _wrapped("now", ["open a door", "go to a key in a room"])[1:] == [("", ["", "in a room"])]
