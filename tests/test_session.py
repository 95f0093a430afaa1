"""The laws of the loop: one producer, requests, N + 1 events, propose is not commit, pictures on request."""

from threading import Thread

import numpy as np
import pytest

from playground.episode import Episode
from playground.errors import BadValueError
from playground.events import Decision
from playground.prompt import Prompt
from playground.session import REMEMBERED, Session
from tests.loop_toy import LINE, LineEnv


class Spy:
    """A policy that always says the same and writes down what it is told."""

    def __init__(self, value: float = 0.5):
        self.value, self.calls = value, []

    def condition(self, prompt):
        self.calls.append(("condition", prompt and prompt.name))

    def reset(self):
        self.calls.append(("reset",))

    def act(self, observation):
        self.calls.append(("act",))
        return Decision(np.array([self.value], np.float32))

    def commit(self, action):
        self.calls.append(("commit", float(action[0])))


def prompt(name: str = "p", goal=(0.25,), task: str = LINE.id, seed: int = 99) -> Prompt:
    states = np.zeros((3, 2), np.float32)
    return Prompt.from_episode(
        Episode(task, {"state": states}, np.ones((2, 1), np.float32), np.zeros(2, np.float32), goal=goal, seed=seed),
        name,
    )


def test_first_step_is_the_start_and_n_actions_give_n_plus_1_events():
    seen = []
    session = Session(LineEnv(), Spy(), task=LINE, consumers=[seen.append])
    assert list(session.episode()) == seen
    assert [e.t for e in seen] == list(range(9))
    assert seen[0].action is None and seen[0].decision is None and seen[0].reward == 0
    assert seen[-1].truncated and not any(e.done for e in seen[:-1])


def test_an_ended_episode_is_followed_by_the_next_seed():
    session = Session(LineEnv(), Spy(), seed=5)
    list(session.episode())
    event = session.step()
    assert (event.episode, event.t, event.seed) == (1, 0, 6)


def test_reset_is_a_request_and_gives_the_same_start_again():
    session = Session(LineEnv(), Spy(), seed=5)
    first = session.step()
    session.step()
    session.reset()
    assert session.last.t == 1
    again = session.step()
    assert again.t == 0 and again.episode == 1 and again.seed == 5
    np.testing.assert_array_equal(again.observation["state"], first.observation["state"])
    session.reset(seed=6)
    assert session.step().seed == 6


def test_swap_takes_effect_at_the_next_step_and_keeps_world_and_live_steps():
    spy = Spy()
    session = Session(LineEnv(), spy, prompt("a"), task=LINE)
    session.step()
    before = session.step()
    spy.calls.clear()
    session.prompt = prompt("b", goal=(-0.5,))
    assert spy.calls == []
    after = session.step()
    assert spy.calls == [("condition", "b"), ("act",), ("commit", 0.5)]
    assert (before.prompt, after.prompt) == ("a", "b")
    assert after.t == before.t + 1 and after.goal == before.goal == (0.25,)
    session.reset()
    assert session.step().goal == (-0.5,)


def test_the_prompt_gives_its_goal_but_never_its_start():
    session = Session(LineEnv(), Spy(), prompt(seed=99), seed=3, task=LINE)
    event = session.step()
    assert event.goal == (0.25,) and event.seed == 3
    assert Session(LineEnv(), Spy(), prompt(), goal=(0.75,), task=LINE).step().goal == (0.75,)
    own = Session(LineEnv(), Spy(), task=LINE).step().goal
    assert Session(LineEnv(), Spy(), prompt(task="toy/other"), task=LINE).step().goal == own


def test_propose_is_not_commit():
    spy = Spy(0.5)
    session = Session(LineEnv(), spy)
    session.step()
    event = session.step(np.array([-1.0]))
    assert event.action == np.float32(-1) and event.decision.action == np.float32(0.5)
    assert ("commit", -1.0) in spy.calls and ("commit", 0.5) not in spy.calls


def test_another_policy_takes_over_in_the_same_world():
    first, second = Spy(0.5), Spy(-0.5)
    session = Session(LineEnv(), first, prompt("a"))
    session.step()
    before = session.step()
    session.policy = second
    assert second.calls == []
    after = session.step()
    assert sorted(second.calls[:2]) == [("condition", "a"), ("reset",)]
    assert after.t == before.t + 1 and after.action == np.float32(-0.5)
    assert ("commit", -0.5) not in first.calls


def test_an_action_that_does_not_fit_is_refused_and_the_world_stays():
    session = Session(LineEnv(), Spy())
    session.step()
    for bad in ([2.0], [0.0, 0.0]):
        with pytest.raises(BadValueError, match="does not fit"):
            session.step(np.array(bad))
    assert session.step().t == 1


def test_pictures_only_when_a_consumer_asks():
    class Camera:
        def __init__(self):
            self.frames = []

        def wants_frame(self, t):
            return t % 4 == 0

        def __call__(self, event):
            self.frames.append(event.frame is not None)

    env, camera = LineEnv(), Camera()
    list(Session(env, Spy(), consumers=[lambda event: None]).episode())
    assert env.renders == 0
    list(Session(env, Spy(), consumers=[camera]).episode())
    assert env.renders == 3 and [t for t, drawn in enumerate(camera.frames) if drawn] == [0, 4, 8]


def test_a_consumer_may_ask_for_a_reset():
    session = Session(LineEnv(), Spy())
    session.consumers.append(lambda event: session.reset() if event.t == 2 else None)
    assert [session.step().t for _ in range(7)] == [0, 1, 2, 0, 1, 2, 0]


def test_success_is_none_where_undefined():
    assert Session(LineEnv(), Spy()).step().success is None
    assert Session(LineEnv(), Spy(), task=LINE).step().success is False


def test_a_second_thread_is_refused():
    session, caught = Session(LineEnv(), Spy()), []
    session.step()

    def other():
        try:
            session.step()
        except BadValueError as error:
            caught.append(error)

    thread = Thread(target=other)
    thread.start()
    thread.join()
    assert len(caught) == 1


def test_leaving_closes_the_world():
    env = LineEnv()
    with Session(env, Spy()) as session:
        session.step()
    assert env.closed


def test_rewind_gives_an_earlier_event_again_and_goes_on_from_there():
    spy = Spy(0.3)
    session = Session(LineEnv(max_steps=20), spy, seed=5, task=LINE)
    before = [session.step() for _ in range(11)]
    session.rewind(6)
    assert session.last.t == 10
    spy.calls.clear()
    back = session.step()
    assert (back.t, back.episode, back.seed, back.goal) == (4, 0, 5, before[4].goal)
    assert back.total_reward == before[4].total_reward and back.success == before[4].success
    np.testing.assert_array_equal(back.observation["state"], before[4].observation["state"])
    assert spy.calls == [("reset",)] + 4 * [("act",), ("commit", pytest.approx(0.3))]
    np.testing.assert_array_equal(session.step().observation["state"], before[5].observation["state"])
    session.rewind(100)
    assert session.step().t == 0


def test_rewind_keeps_the_world_of_another_prompt_and_goes_back_from_behind_the_end():
    session = Session(LineEnv(), Spy(), prompt("a", goal=(0.25,)), task=LINE)
    session.step()
    session.prompt = prompt("b", goal=(-0.5,))
    while not session.step().done:
        pass
    session.rewind(3)
    back = session.step()
    assert back.t == 5 and back.goal == (0.25,) and not back.done and back.prompt == "b"


def test_a_policy_reads_only_the_last_steps_again():
    spy = Spy(0.0)
    session = Session(LineEnv(max_steps=400), spy)
    for _ in range(300):
        session.step()
    spy.calls.clear()
    session.rewind(10)
    session.step()
    assert spy.calls.count(("act",)) == REMEMBERED and spy.calls[0] == ("reset",)
