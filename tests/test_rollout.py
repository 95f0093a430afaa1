"""Many environments in one loop: the same events as a session of each, rows that go their own way."""

import numpy as np
import pytest

from playground.errors import BadValueError
from playground.events import Decision, StepEvent, episode_from_events
from playground.policies import ExpertPolicy, RandomPolicy
from playground.recording.recorder import EpisodeRecorder, EventDigest
from playground.rollout import EnvRunner, EpisodeSpec, IndependentPolicies, Rollout
from playground.session import Session
from playground.task import Action, Goal, Observation
from tests.loop_toy import LINE, LineEnv
from tests.test_session import Spy, prompt

SPECS = [EpisodeSpec(seed, (0.1 * seed,), prompt(f"p{seed}")) for seed in range(7)]


def envs(count: int, steps: int = 8) -> list[LineEnv]:
    return [LineEnv(max_steps=steps) for _ in range(count)]


def experts(worlds: list[LineEnv]) -> IndependentPolicies:
    return IndependentPolicies([ExpertPolicy(LINE, env) for env in worlds])


@pytest.mark.parametrize("count", [1, 3, 9])
def test_events_are_those_of_a_session(count: int) -> None:
    """However many environments there are; whoever listens cannot tell the two loops apart."""
    worlds = envs(count)
    recorders = [(EventDigest(), EpisodeRecorder(LINE.id)) for _ in SPECS]
    for _, event in Rollout(worlds, SPECS, experts(worlds), LINE):
        for consumer in recorders[event.episode]:
            consumer(event)
    for number, (spec, (digest, recorder)) in enumerate(zip(SPECS, recorders, strict=True)):
        wanted, env = EventDigest(), LineEnv()
        session = Session(env, ExpertPolicy(LINE, env), spec.prompt, spec.seed, spec.goal, LINE)
        session._episode = number - 1
        for event in session.episode():
            wanted(event)
        assert digest.hexdigest() == wanted.hexdigest()
        (episode,) = recorder.episodes
        assert (episode.seed, episode.goal, len(episode)) == (spec.seed, spec.goal, 8)


def test_a_free_row_takes_the_next_episode_and_is_conditioned_before_it_is_reset() -> None:
    spies = [Spy(), Spy()]
    rows = {}
    for row, event in Rollout(envs(2, steps=2), SPECS[:3], IndependentPolicies(spies), LINE):
        rows.setdefault(event.episode, row)
    assert rows == {0: 0, 1: 1, 2: 0}
    step = [("act",), ("commit", 0.5)]
    assert spies[1].calls == [("condition", "p1"), ("reset",), *step, *step]
    first, second = (("condition", name) for name in ("p0", "p2"))
    assert spies[0].calls == [first, ("reset",), *step, *step, second, ("reset",), *step, *step]


def test_whoever_iterates_ends_episodes_and_swaps_prompts() -> None:
    spies = [Spy(), Spy()]
    run = Rollout(envs(2), SPECS[:2], IndependentPolicies(spies), LINE)
    seen: dict[int, list[StepEvent]] = {0: [], 1: []}
    for row, event in run:
        seen[row].append(event)
        if row == 0 and event.t == 3:
            run.end(row)
        if row == 1 and event.t == 4:
            run.swap(row, prompt("other"))
    assert [len(seen[row]) for row in (0, 1)] == [4, 9] and not seen[0][-1].done
    assert [e.prompt for e in seen[1]] == ["p1"] * 5 + ["other"] * 4
    assert spies[1].calls.count(("reset",)) == 1


def test_each_row_may_have_episodes_of_its_own() -> None:
    left = {0: [3, 1], 1: [2]}

    def draw(row: int) -> EpisodeSpec | None:
        return EpisodeSpec(left[row].pop()) if left[row] else None

    starts = [(row, e.seed) for row, e in Rollout(envs(2), draw, IndependentPolicies([Spy(), Spy()])) if not e.t]
    assert starts == [(0, 1), (1, 2), (0, 3)]


class PickyEnv(LineEnv):
    """Goals below zero cannot be set."""

    def start(self, seed: int, goal: Goal = None) -> Observation:
        if isinstance(goal, tuple) and goal[0] < 0:
            raise BadValueError(f"goal is {goal}; give one above 0")
        return super().start(seed, goal)


def test_an_episode_that_cannot_be_started_is_raised_or_left_out() -> None:
    specs = [EpisodeSpec(0, (0.5,)), EpisodeSpec(1, (-0.5,)), EpisodeSpec(2, (0.5,))]
    with pytest.raises(BadValueError, match=r"-0\.5"):
        list(Rollout([PickyEnv()], specs, IndependentPolicies([Spy()])))
    run = Rollout([PickyEnv()], specs, IndependentPolicies([Spy()]), skip_impossible=True)
    assert [(e.seed, e.episode) for _, e in run if not e.t] == [(0, 0), (2, 1)]


def test_an_episode_of_labels_holds_what_the_expert_would_have_done() -> None:
    runner = EnvRunner(LineEnv(), LINE)
    events = [runner.start(3)]
    for executed, label in ((0.5, -0.25), (1.0, None)):
        action: Action = np.array([executed], np.float32)
        said = None if label is None else np.array([label], np.float32)
        events.append(runner.step(action, Decision(action, label=said)))
    assert episode_from_events(LINE.id, events).actions.tolist() == [[0.5], [1.0]]
    learnt = episode_from_events(LINE.id, events, labels=True)
    assert learnt.actions.tolist() == [[-0.25], [1.0]] and learnt.truncated and learnt.seed == 3
    assert learnt.observations["state"].shape == (3, 2) and learnt.frames is None


def test_random_policies_of_rows_are_streams_of_their_own() -> None:
    worlds = envs(2)
    policies = IndependentPolicies([RandomPolicy(env.action_space, row) for row, env in enumerate(worlds)])
    actions: dict[int, list[float]] = {0: [], 1: []}
    for row, event in Rollout(worlds, SPECS[:2], policies):
        if event.action is not None:
            actions[row].append(float(event.action[0]))
    assert actions[0] != actions[1] and len(set(actions[0])) == 8
