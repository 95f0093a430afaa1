"""Random repeats by seed, the expert reaches the goal, replay is the inverse of recording, nearest imitates."""

import gymnasium as gym
import numpy as np

from playground.episode import Episode
from playground.policies import ExpertPolicy, NearestNeighbourPolicy, RandomPolicy, ReplayPolicy
from playground.prompt import Prompt
from playground.recording.recorder import EpisodeRecorder
from playground.session import Session
from tests.loop_toy import LINE, LineEnv


def played(policy, seed: int = 4) -> Episode:
    recorder = EpisodeRecorder(LINE.id)
    list(Session(LineEnv(), policy, seed=seed, task=LINE, consumers=[recorder]).episode())
    return recorder.episodes[0]


def test_random_is_repeatable_and_within_the_space():
    for space in (gym.spaces.Box(-1, 1, (3,), np.float32), gym.spaces.Discrete(4)):
        first, second, other = (
            [RandomPolicy(space, seed).act({}).action] + [p.act({}).action for p in [RandomPolicy(space, seed)] * 20]
            for seed in (1, 1, 2)
        )
        assert all(space.contains(a) for a in first)
        assert np.array_equal(first, second) and not np.array_equal(first, other)
        assert first[0].dtype == space.dtype and first[0].shape == space.shape


def test_expert_goes_where_chance_does_not():
    env = LineEnv(max_steps=30)
    *_, last = Session(env, ExpertPolicy(LINE, env), seed=1, task=LINE).episode()
    assert last.success


def test_replaying_is_the_inverse_of_recording():
    recorded = played(RandomPolicy(LineEnv().action_space, 7))
    again = played(ReplayPolicy(recorded.actions))
    for key in recorded.observations:
        np.testing.assert_array_equal(recorded.observations[key], again.observations[key])
    np.testing.assert_array_equal(recorded.actions, again.actions)
    np.testing.assert_array_equal(recorded.rewards, again.rewards)


def test_replay_starts_over_at_reset_and_holds_the_last_action():
    replay = ReplayPolicy(np.array([[0.1], [0.2]], np.float32))
    said = []
    for _ in range(3):
        said.append(replay.act({}).action[0])
        replay.commit(replay.act({}).action)
    replay.reset()
    assert np.allclose([*said, replay.act({}).action[0]], [0.1, 0.2, 0.2, 0.1])


def test_nearest_does_what_the_prompt_did_here():
    states = np.array([[0, 0], [1, 0], [0, 1], [0, 0]], np.float32)
    actions = np.array([[0.1], [0.2], [0.3]], np.float32)
    nearest = NearestNeighbourPolicy(LineEnv().action_space)
    nearest.condition(Prompt.from_episode(Episode(LINE.id, {"state": states}, actions, np.zeros(3))))
    assert nearest.act({"state": np.array([0.9, 0.1])}).action == np.float32(0.2)
    assert nearest.act({"state": np.array([0.1, 0.9])}).action == np.float32(0.3)


def test_nearest_stands_still_under_prompts_of_another_body():
    nearest = NearestNeighbourPolicy(LineEnv().action_space)
    other = Episode("a/b", {"state": np.zeros((3, 5), np.float32)}, np.ones((2, 1), np.float32), np.zeros(2))
    discrete = Episode("a/b", {"state": np.zeros((3, 2), np.float32)}, np.ones(2, np.int64), np.zeros(2))
    for prompt in (None, Prompt.from_episode(other), Prompt.from_episode(discrete)):
        nearest.condition(prompt)
        assert nearest.act({"state": np.zeros(2)}).action == 0
