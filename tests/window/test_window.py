"""The window survives errors, fits any size, and says so where there is no display."""

import os
import subprocess
import sys

import pygame

from tests.conftest import TASK


def test_an_error_is_shown_and_survived(open_window):
    person = open_window()
    session = person.player.view.session
    act, session.policy.act = session.policy.act, lambda observation: 1 / 0
    person.wait(0.3)
    assert person.app.running and not person.player.playing and "ZeroDivisionError" in person.player.error
    session.policy.act = act
    person.press(pygame.K_SPACE)
    person.wait(0.3)
    assert person.event.t > 0 and person.player.error == ""


def test_a_task_that_cannot_be_built_leaves_the_old_one_running(open_window):
    person = open_window()
    person.player.open("babyai/Nowhere")
    person.wait(0.1)
    assert person.player.task == TASK and "unknown task" in person.player.error
    person.press(pygame.K_SPACE)
    person.wait(0.2)
    assert person.event.t > 0


def test_every_size_can_be_drawn(open_window):
    person = open_window()
    for size in ((320, 200), (200, 600), (2560, 1600)):
        pygame.display.set_mode(size, pygame.RESIZABLE)
        person.app.turn()
        assert pygame.display.get_surface().get_size() == size
        assert person.app.screen.live[0].width > 60


def test_a_late_window_drops_pictures_and_then_time(open_window):
    person = open_window()
    session = person.player.view.session
    person.now += 0.2
    person.app.turn()
    assert person.event.t == 2 and person.event.frame is not None
    assert [drawn for _, drawn in person.player.view.ticks] == [True, False, True]
    person.now += 60
    person.app.turn()
    assert person.event.t == 2 + 3 and session.last is person.event  # a quarter of a second is made up for


def test_without_a_display_other_ways_are_named():
    environment = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER")}
    command = [sys.executable, "-m", "playground", "window", "--agent", "random", "--task", TASK]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
    assert shown.returncode == 2 and "Traceback" not in shown.stderr, shown.stderr
    assert "playground web" in shown.stderr and "playground record" in shown.stderr
