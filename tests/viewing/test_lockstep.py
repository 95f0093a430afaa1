"""Sessions in step without a screen: the clock, catching up, swap, compare, one goal for all, rewind."""

import numpy as np
import pytest

from playground.errors import BadValueError, UnknownNameError
from playground.policies import RandomPolicy
from playground.prompt import Prompt, Segment
from playground.session import Session
from playground.viewing.controllers import DiscreteController
from playground.viewing.lockstep import CATCH_UP_SECONDS, END_PAUSE_SECONDS, FASTEST, MAX_PANELS, Lockstep
from playground.viewing.panel import Panel
from tests.loop_toy import LINE, LineEnv


class Clock:
    """A clock that the test turns."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def panel(clock: Clock, prompt: Prompt | None = None, seed: int = 7, max_steps: int = 8) -> Panel:
    env = LineEnv(max_steps=max_steps)
    return Panel(Session(env, RandomPolicy(env.action_space), prompt, seed, task=LINE), clock=clock)


def world(panel: Panel) -> LineEnv:
    """The panel's toy world."""
    assert isinstance(panel.env, LineEnv)
    return panel.env


def goal_prompt(goal: float) -> Prompt:
    """A prompt of this task with a goal of its own."""
    segment = Segment(LINE.id, {"state": np.zeros((3, 2), np.float32)}, np.zeros((3, 1), np.float32))
    return Prompt(f"goal {goal}", (segment,), (goal,))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def steps(clock: Clock) -> Lockstep[Panel]:
    """One panel, just started."""
    steps = Lockstep[Panel](clock)
    steps.open([panel(clock)])
    return steps


def times(steps: Lockstep[Panel]) -> list[int]:
    return [panel.event.t for panel in steps.panels if panel.event is not None]


def test_nothing_is_open_at_first():
    steps = Lockstep[Panel]()
    assert not steps.ready and steps.panels == []
    for ask in (lambda: steps.main, steps.step, steps.reset, steps.push, lambda: steps.panel(0)):
        with pytest.raises(BadValueError):
            ask()


def test_the_world_keeps_its_rate_times_the_speed(steps: Lockstep[Panel], clock: Clock):
    assert times(steps) == [0] and steps.due == pytest.approx(clock.now + 1 / LINE.fps)
    steps.set_speed(2.0)
    assert steps.pace == pytest.approx(1 / (2 * LINE.fps))
    clock.now = steps.due
    steps.advance()
    assert times(steps) == [1] and steps.due == pytest.approx(clock.now + steps.pace)
    steps.set_speed(FASTEST)
    assert steps.pace == steps.end_pause == 0 and steps.due == clock.now


def test_a_short_delay_is_made_up_for_and_a_long_one_lost(steps: Lockstep[Panel], clock: Clock):
    clock.now += 60
    steps.catch_up()
    assert steps.due == clock.now - CATCH_UP_SECONDS
    late = steps.due = clock.now - 0.1
    steps.catch_up()
    assert steps.due == late


def test_the_end_is_shown_and_then_the_next_episode_starts(steps: Lockstep[Panel], clock: Clock):
    for _ in range(LINE.max_steps):
        clock.now = steps.due
        steps.advance()
    assert steps.over and steps.due == clock.now + END_PAUSE_SECONDS
    steps.speed = 4.0
    assert steps.end_pause == END_PAUSE_SECONDS / 4
    first = steps.main.event
    steps.advance()
    assert times(steps) == [0] and not steps.over
    assert (steps.main.event.episode, steps.main.event.seed) == (first.episode + 1, first.seed + 1)


def test_pauses_and_people_stop_time(steps: Lockstep[Panel]):
    assert steps.ready
    steps.playing = False
    assert not steps.ready
    steps.playing = True
    steps.main.take_over()
    assert steps.ready  # no key means no push: this world runs on
    steps.main.controller = DiscreteController(("left", "right"), steps.clock)
    assert not steps.ready  # nothing means doing nothing: this one waits
    steps.main.controller.press("ArrowLeft")
    assert steps.ready


def test_a_swap_keeps_the_world_and_is_noted(steps: Lockstep[Panel]):
    steps.step()
    before = steps.main.event
    prompt = goal_prompt(0.5)
    steps.main.swap(prompt)
    assert steps.main.event is before and steps.main.prompt == prompt.name
    steps.step()
    after = steps.main.event
    assert (after.t, after.episode, after.goal, after.prompt) == (2, before.episode, before.goal, prompt.name)
    assert steps.main.history == [(0, "none"), (1, prompt.name)]
    steps.reset()
    assert steps.main.event.goal == prompt.goal and steps.main.history == [(0, prompt.name)]


def test_compared_panels_share_start_goal_mask_and_camera(steps: Lockstep[Panel], clock: Clock):
    steps.main.swap(goal_prompt(0.5))
    steps.step()
    steps.blindfold(True)
    other = panel(clock, goal_prompt(-0.5), seed=99)
    steps.compare(other)
    one, two = (shown.event for shown in steps.panels)
    assert times(steps) == [0, 0] and one.seed == two.seed == 7 and one.goal == two.goal == (0.5,)
    np.testing.assert_array_equal(one.observation["state"], two.observation["state"])
    assert other.mask.on and other.prompt == "goal -0.5"
    steps.step()
    assert times(steps) == [1, 1]


def test_without_a_goal_in_the_prompt_the_running_goal_is_asked_of_all(steps: Lockstep[Panel], clock: Clock):
    goal = steps.main.event.goal
    steps.compare(panel(clock))
    for _ in range(2):
        one, two = (shown.event for shown in steps.panels)
        assert one.goal == two.goal == goal and one.seed == two.seed
        np.testing.assert_array_equal(one.observation["state"], two.observation["state"])
        while not steps.over:
            steps.step()
        steps.step()  # the next episode, again from one start


def test_who_ends_early_waits_for_the_others(steps: Lockstep[Panel], clock: Clock):
    steps.compare(panel(clock, max_steps=3))
    for _ in range(5):
        steps.step()
    assert times(steps) == [5, 3] and not steps.over and steps.panels[1].over


def test_panels_are_dropped_and_their_worlds_closed(steps: Lockstep[Panel], clock: Clock):
    with pytest.raises(BadValueError, match="last panel stays"):
        steps.drop(0)
    for number in range(1, MAX_PANELS):
        steps.check_room()
        steps.compare(panel(clock, seed=number))
    with pytest.raises(BadValueError, match="4 prompts are compared already"):
        steps.check_room()
    gone, kept = steps.panels[0], steps.panels[1]
    steps.drop(0)
    assert world(gone).closed and steps.main is kept and len(steps.panels) == MAX_PANELS - 1
    with pytest.raises(BadValueError, match="no panel 3"):
        steps.panel(3)
    for number in (2, 1):
        steps.drop(number)
    forced = steps.main.event.goal
    steps.reset(55)
    assert steps.main.event.goal != forced  # alone, its world draws a goal again
    left = steps.main
    steps.close()
    assert world(left).closed and steps.panels == []


def test_the_world_is_taken_back_unless_it_was_pulled_at(steps: Lockstep[Panel]):
    seen = [steps.main.event]
    for _ in range(4):
        steps.step()
        seen.append(steps.main.event)
    steps.main.swap(goal_prompt(0.5))
    assert steps.rewind(2 / LINE.fps)
    assert times(steps) == [2] and steps.main.history == [(0, "none"), (2, "goal 0.5")]
    np.testing.assert_array_equal(steps.main.event.observation["state"], seen[2].observation["state"])
    steps.main.pulled = True
    assert not steps.rewind(1.0) and times(steps) == [2]
    steps.reset()
    assert steps.rewind(1.0)


def test_panels_that_ended_at_different_times_are_taken_back_to_one(steps: Lockstep[Panel], clock: Clock):
    steps.compare(panel(clock, max_steps=3))
    for _ in range(5):
        steps.step()
    assert times(steps) == [5, 3]
    steps.rewind(1 / LINE.fps)
    assert times(steps) == [4, 3] and steps.panels[1].over
    steps.rewind(2 / LINE.fps)
    assert times(steps) == [2, 2] and not steps.panels[1].over
    steps.step()
    assert times(steps) == [3, 3]


def test_only_what_is_to_be_drawn_is_drawn(steps: Lockstep[Panel]):
    env = world(steps.main)
    drawn = env.renders
    steps.step(draw=False)
    assert env.renders == drawn
    steps.step(draw=True)
    assert env.renders == drawn + 1
    while not steps.over:
        steps.step(draw=False)
    assert env.renders == drawn + 2  # the end is always seen
    assert [there for _, there in steps.main.ticks] == [True, False, True, *[False] * (LINE.max_steps - 2)]


def test_an_unknown_camera_is_refused(steps: Lockstep[Panel]):
    steps.main.fresh = False
    steps.look("standard")
    assert steps.main.fresh
    with pytest.raises(UnknownNameError):
        steps.look("beside")
