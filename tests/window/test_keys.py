"""Every key does what the list says, as posted events under SDL's dummy driver."""

import imageio.v3 as iio
import numpy as np
import pygame
import pytest

from playground import domains
from playground.viewing.keymap import WINDOW, bindings
from playground.window.keys import HANDLERS, key_name, listed, pressed_action
from tests.conftest import OTHER, TASK


@pytest.fixture
def person(open_window):
    return open_window()


def test_opens_with_a_running_task_under_its_first_demonstration(person):
    assert person.event.t == 0 and person.event.prompt == f"{TASK}#0"
    person.wait(1.0)
    assert person.event.t == 10  # ten steps a second is this world's rate
    assert person.viewer.view.picture.shape == (64, 64, 3)


def test_space_pauses_and_goes_on(person):
    person.wait(0.3)
    person.press(pygame.K_SPACE)
    person.wait(1.0)
    assert person.event.t == 3
    person.press(pygame.K_SPACE)
    person.wait(0.3)
    assert person.event.t == 6


def test_period_steps_once_and_pauses(person):
    person.press(pygame.K_PERIOD, pygame.K_PERIOD)
    assert person.event.t == 2
    person.wait(1.0)
    assert person.event.t == 2 and not person.viewer.playing


def test_r_gives_the_same_start_and_n_another(person):
    start = person.event
    person.wait(0.3)
    person.press(pygame.K_r)
    again = person.event
    assert again.t == 0 and again.seed == start.seed and again.episode == start.episode + 1
    np.testing.assert_array_equal(again.observation["grid"], start.observation["grid"])
    person.press(pygame.K_n)
    assert person.event.t == 0 and person.event.seed == start.seed + 1


def test_up_and_down_change_the_task(person):
    ids = [task.id for task in domains.tasks()]
    person.press(pygame.K_DOWN)
    assert person.viewer.task == ids[ids.index(TASK) + 1]
    person.press(pygame.K_UP)
    assert person.viewer.task == TASK and person.event.t == 0


def test_left_and_right_swap_the_prompt_and_keep_the_world(person):
    person.wait(0.2)
    person.press(pygame.K_RIGHT)
    person.wait(0.1)
    assert person.event.prompt == f"{TASK}#1" and person.event.t == 3 and person.event.episode == 0
    person.press(pygame.K_LEFT, pygame.K_LEFT)
    person.wait(0.1)
    assert person.event.prompt is None and person.viewer.prompt_list.names[-1] == person.viewer.view.prompt


def test_digits_swap_to_marks_and_shift_marks(person):
    person.press(pygame.K_3)
    person.wait(0.1)
    assert person.event.prompt == f"{TASK}#2"
    person.press(pygame.K_9, shift=True)
    person.press(pygame.K_0)
    person.wait(0.1)
    assert person.event.prompt is None
    person.press(pygame.K_KP9)
    person.wait(0.1)
    assert person.event.prompt == f"{TASK}#2"
    person.press(pygame.K_5)
    person.wait(0.1)
    assert person.event.prompt == f"{OTHER}#0"


def test_s_shuffles_the_prompt_and_takes_it_back(person):
    own = person.viewer.view.session.prompt
    person.press(pygame.K_s)
    shuffled = person.viewer.view.session.prompt
    assert len(shuffled) == len(own) and shuffled.name == f"{TASK}#0~shuffled"
    person.press(pygame.K_s)
    assert person.viewer.view.session.prompt.name == own.name


def test_prompts_are_reversed_and_joined(person):
    steps = person.viewer.view.session.prompt.segments[0].steps
    person.press(pygame.K_LESS)
    backwards = person.viewer.view.session.prompt
    assert backwards.name == f"{TASK}#0~reversed" and list(backwards.segments[0].steps) == list(steps[::-1])
    person.press(pygame.K_AMPERSAND, pygame.K_2)
    assert person.viewer.view.session.prompt.name == f"{TASK}#0+{TASK}#1~reversed"
    assert person.viewer.view.demonstration.name == f"{TASK}#1"
    person.press(pygame.K_AMPERSAND, pygame.K_AMPERSAND, pygame.K_3)  # not after all
    assert person.viewer.view.session.prompt.name == f"{TASK}#2"
    person.press(pygame.K_0, pygame.K_AMPERSAND, pygame.K_1)  # nothing to append to
    assert person.viewer.view.session.prompt.name == f"{TASK}#0"


def test_c_compares_two_prompts_from_the_same_start(person):
    person.wait(0.3)
    person.press(pygame.K_RIGHT, pygame.K_c)
    one, other = person.viewer.views
    assert (one.prompt, other.prompt) == (f"{TASK}#1", f"{TASK}#0")
    person.wait(0.5)
    assert one.event.t == other.event.t == 5 and one.event.seed == other.event.seed
    assert one.event.goal == other.event.goal and len(person.app.screen.live) == 2
    one.session.reset()
    other.session.reset()
    starts = [view.session.step().observation["grid"] for view in (one, other)]
    np.testing.assert_array_equal(*starts)
    person.press(pygame.K_c)
    assert len(person.viewer.views) == 1


def test_backspace_goes_ten_seconds_back(open_window):
    person = open_window("classic/MountainCarContinuous")
    person.wait(12.0)
    assert person.event.t == 360
    there = person.event
    person.press(pygame.K_SPACE, pygame.K_BACKSPACE)
    assert person.event.t == 60 and person.event.episode == there.episode
    person.press(pygame.K_BACKSPACE)
    assert person.event.t == 0


def test_m_changes_the_camera_and_not_the_world(person):
    person.press(pygame.K_SPACE)
    before, event = person.viewer.view.picture, person.event
    person.press(pygame.K_m)
    assert person.viewer.view.session.env.camera == "as the agent sees it" and person.event is event
    assert (person.viewer.view.picture != before).any()
    person.press(pygame.K_m)
    np.testing.assert_array_equal(person.viewer.view.picture, before)


def test_b_blindfolds_the_agent_and_p_pushes(person):
    person.press(pygame.K_SPACE)
    person.press(pygame.K_b)
    assert person.viewer.view.mask.on and person.viewer.message == "the agent sees nothing"
    person.press(pygame.K_PERIOD)
    assert person.viewer.view.touched
    person.press(pygame.K_b)
    assert not person.viewer.view.mask.on
    person.press(pygame.K_r)
    assert not person.viewer.view.touched
    person.press(pygame.K_p)
    assert person.viewer.view.touched and person.event.t == 0  # it begins with the next step


def test_v_records_a_video_and_keeps_the_episode(person, tmp_path):
    person.wait(0.2)
    person.press(pygame.K_v)
    assert person.viewer.recording
    person.wait(1.0)
    person.press(pygame.K_v)
    assert not person.viewer.recording and person.event.t == 12
    video = tmp_path / "recordings" / f"{TASK.replace('/', '-')}-1.mp4"
    assert iio.imread(video).shape == (10, 64, 64, 3) and iio.immeta(video, plugin="FFMPEG")["fps"] == 10
    person.press(pygame.K_t)
    assert person.viewer.view.prompt == "my-GoToLocal-hidden-1"
    assert len(person.viewer.view.session.prompt) == 12


def test_brackets_trim_the_prompt_to_the_moment_shown(person):
    length = len(person.viewer.view.session.prompt)
    track = person.app.screen.track
    person.post(pygame.MOUSEBUTTONDOWN, button=1, pos=(track.left + track.width // 2, track.centery))
    half = person.viewer.view.shown_step
    assert half == person.viewer.view.held and abs(half - length / 2) <= 1
    person.press(pygame.K_RIGHTBRACKET)
    assert person.viewer.view.session.prompt.name == f"{TASK}#0[0:{half + 1}]"
    person.viewer.view.held = 1
    person.press(pygame.K_LEFTBRACKET)
    assert len(person.viewer.view.session.prompt) == half
    person.post(pygame.MOUSEBUTTONDOWN, button=1, pos=person.app.screen.inset.center)
    assert person.viewer.view.held is None


def test_f2_names_recordings_only(person):
    person.press(pygame.K_F2)
    for letter in "mine!":
        person.post(pygame.KEYDOWN, key=ord(letter), mod=0, unicode=letter)
    person.press(pygame.K_RETURN)
    assert "only recordings" in person.viewer.error and person.app.screen.entry is None
    person.press(pygame.K_F2, pygame.K_d, pygame.K_BACKSPACE, pygame.K_ESCAPE)
    assert person.app.running and not person.viewer.view.driving


def test_plus_and_minus_change_the_speed(person):
    person.press(pygame.K_PLUS)
    person.wait(0.5)
    assert person.event.t == 10
    person.press(pygame.K_MINUS, pygame.K_KP_MINUS)
    person.wait(0.4)
    assert person.event.t == 12
    for _ in range(9):
        person.press(pygame.K_MINUS)
    assert person.viewer.speed == 1 / 8


def test_o_hides_and_f1_lists(person):
    def picture():
        person.app.turn()
        return pygame.surfarray.array3d(person.app.window.get_surface())

    person.press(pygame.K_SPACE)
    before = picture()
    person.press(pygame.K_o)
    assert (picture() != before).any() and not person.app.screen.overlays
    hidden = picture()
    person.press(pygame.K_F1)
    assert (picture() != hidden).any() and person.app.screen.help
    person.press(pygame.K_F1)
    np.testing.assert_array_equal(picture(), hidden)


def test_escape_and_the_cross_quit(person):
    assert person.app.running
    person.press(pygame.K_ESCAPE)
    assert not person.app.running
    person.app.running = True
    pygame.event.post(pygame.event.Event(pygame.QUIT))
    person.app.turn()
    assert not person.app.running


def test_every_key_is_listed():
    text = listed()
    assert all(key.label in text and key.help in text for key in bindings(WINDOW))


def test_every_action_of_the_table_is_obeyed():
    app = {"choose", "mark", "rename", "overlays", "help", "mouse", "gamepad", "quit"}
    assert {binding.action for binding in bindings(WINDOW)} == HANDLERS.keys() | app


def test_keys_are_found_by_the_letter_they_write_or_by_their_place():
    assert pressed_action(pygame.K_SLASH, "?") == "help" and pressed_action(pygame.K_8, "[") == "trim_start"
    assert pressed_action(pygame.K_r, "R") == "reset" and pressed_action(pygame.K_3, "#") == "choose"
    assert pressed_action(pygame.K_KP_MINUS) == "slower" and pressed_action(pygame.K_LSHIFT) is None
    assert key_name(pygame.K_KP7) == "7" and key_name(pygame.K_LEFT) == "ArrowLeft" and key_name(pygame.K_F12) == ""
