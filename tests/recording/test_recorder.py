"""Episodes out of events, digests, and videos at true speed that an interrupt leaves playable."""

import json

import imageio.v3 as iio
import numpy as np
import pytest
from PIL import Image

from playground.episode import Episode
from playground.errors import BadValueError
from playground.policies import ExpertPolicy, RandomPolicy, ReplayPolicy
from playground.prompt import Prompt
from playground.recording.film import Swap, film, shared_goal
from playground.recording.recorder import EpisodeRecorder, EventDigest, VideoRecorder
from playground.recording.video import INK, captioned, stride, tiled
from playground.session import Session
from playground.task import Task
from tests.loop_toy import LINE, LineEnv, LineExpert


def session(seed: int = 0, steps: int = 8, consumers=(), task: Task = LINE) -> Session:
    env = LineEnv(max_steps=steps)
    return Session(env, RandomPolicy(env.action_space, seed), seed=seed, task=task, consumers=consumers)


def test_recorder_keeps_every_episode_and_the_cut_one():
    recorder = EpisodeRecorder(LINE.id, frames=True)
    running = session(seed=3, consumers=[recorder])
    for _ in range(9 + 9 + 4):
        running.step()
    recorder.finish()
    assert [len(e) for e in recorder.episodes] == [8, 8, 3]
    assert [e.seed for e in recorder.episodes] == [3, 4, 5]
    assert all(e.truncated and e.frames.shape == (len(e) + 1, 32, 32, 3) for e in recorder.episodes)
    assert recorder.episodes[0].goal != recorder.episodes[1].goal
    assert recorder.episodes[0].success in (True, False)


def test_a_reset_in_mid_episode_cuts_it():
    recorder = EpisodeRecorder(LINE.id)
    running = session(consumers=[recorder])
    for _ in range(4):
        running.step()
    running.reset()
    running.step()
    assert [len(e) for e in recorder.episodes] == [3]


@pytest.mark.parametrize(("steps", "back"), [(5, 3), (9, 4), (5, 100)])
def test_what_was_taken_back_is_not_in_the_episode(steps, back):
    recorder = EpisodeRecorder(LINE.id)
    running = session(consumers=[recorder])
    for _ in range(steps):
        running.step()
    running.rewind(back)
    list(running.episode())
    (episode,) = recorder.episodes
    assert len(episode) == 8
    replay = Session(LineEnv(), ReplayPolicy(episode.actions), seed=episode.seed)
    states = [event.observation["state"] for event in replay.episode()]
    np.testing.assert_array_equal(episode.observations["state"], states)


def test_digests_tell_streams_apart():
    def digest(seed):
        consumer = EventDigest()
        list(session(seed, consumers=[consumer]).episode())
        return consumer.hexdigest()

    assert digest(1) == digest(1) != digest(2)


@pytest.mark.parametrize(("fps", "every"), [(10, 1), (30, 1), (40, 2), (80, 3), (100, 4)])
def test_stride_keeps_to_thirty_pictures_a_second(fps, every):
    assert stride(fps) == every and fps / every <= 30


def test_video_has_the_speed_of_the_world(tmp_path):
    path = tmp_path / "run.mp4"
    with VideoRecorder(path, fps=100) as recorder:
        list(session(steps=200, consumers=[recorder]).episode())
    about = iio.immeta(path, plugin="FFMPEG")
    assert about["fps"] == 25
    assert len(iio.imread(path)) == 51 and about["duration"] == pytest.approx(2.04, abs=0.05)


def test_unwritable_targets_are_refused_first(tmp_path):
    for path in (tmp_path / "run.avi", tmp_path / "no" / "run.mp4", tmp_path / "run"):
        with pytest.raises(BadValueError):
            film([session()], path)
    (tmp_path / "dir.mp4").mkdir()
    with pytest.raises(BadValueError, match="cannot write"):
        film([session()], tmp_path / "dir.mp4")


def test_film_side_by_side_with_a_sidecar(tmp_path):
    env = LineEnv(max_steps=12)
    expert = Session(env, ExpertPolicy(LINE, env), seed=0, task=LINE)
    results = film([session(0, 6), expert], tmp_path / "run.mp4", episodes=2, about={"agent": "both"})
    assert json.loads((tmp_path / "run.json").read_text(encoding="utf-8")) == json.loads(json.dumps(results))
    assert results["steps"] == [[6, 6], [12, 12]] and results["seeds"] == [[0, 1], [0, 1]]
    assert results["tasks"] == [LINE.id] * 2 and results["agent"] == "both" and not results["interrupted"]
    pictures = iio.imread(tmp_path / "run.mp4")
    assert pictures.shape[2] == 2 * 32 + 4 and len(pictures) == results["frames"] == 2 * (7 + 10)


def test_the_same_film_twice_has_the_same_events(tmp_path):
    first, second = (film([session(5)], tmp_path / "run.gif", episodes=2)["digests"] for _ in range(2))
    assert first == second


def test_interrupt_leaves_a_playable_file_and_its_sidecar(tmp_path):
    running = session(steps=100)

    def stop(event):
        if event.t == 40:
            raise KeyboardInterrupt

    running.consumers.append(stop)
    with pytest.raises(KeyboardInterrupt):
        film([running], tmp_path / "run.mp4")
    assert len(iio.imread(tmp_path / "run.mp4")) == 20
    sidecar = json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))
    assert sidecar["interrupted"] and sidecar["steps"] == [[39]]


def test_filming_needs_tasks(tmp_path):
    for sessions in ([session(task=None)], []):
        with pytest.raises(BadValueError, match="task"):
            film(sessions, tmp_path / "run.mp4")


def test_worlds_of_different_rates_go_together_in_a_grid(tmp_path):
    slow = Task("toy/slow", "toy-line", 10, 8, LineEnv, LineExpert)
    sessions = [session(steps=40), *(session(steps=12, task=slow) for _ in range(3))]
    results = film(sessions, tmp_path / "run.gif", seconds=1.0, overlay=False)
    assert results["fps"] == 20 and results["frames"] == 21 + 10
    assert results["steps"] == [[40], [10], [10], [10]]
    with Image.open(tmp_path / "run.gif") as picture:
        assert picture.size == (2 * 32 + 4, 2 * 32 + 4)


def test_swaps_happen_in_all_panels_at_their_moment_and_stand_in_the_sidecar(tmp_path):
    names = [[], []]
    sessions = [session(steps=60), session(steps=60)]
    for running, seen in zip(sessions, names, strict=True):
        running.consumers.append(lambda event, seen=seen: seen.append(event.prompt))
    episode = Episode(LINE.id, {"state": np.zeros((3, 2), np.float32)}, np.ones((2, 1), np.float32), np.zeros(2))
    swaps = [Swap(1.0, None), Swap(0.5, Prompt.from_episode(episode, "up")), Swap(99, None)]
    results = film(sessions, tmp_path / "run.gif", swaps=swaps)
    assert names[0] == names[1] == [None] * 21 + ["up"] * 20 + [None] * 20
    assert results["swaps"] == [
        {"seconds": 0.5, "prompt": "up", "steps": [20, 20]},
        {"seconds": 1.0, "prompt": None, "steps": [40, 40]},
    ]


@pytest.mark.parametrize("text", ["4s", "x=toy/line#0", "-1s=none", "nan=none", "inf=none"])
def test_swaps_are_seconds_and_a_prompt(text):
    with pytest.raises(BadValueError, match="4s="):
        Swap.parse(text, lambda name: None)
    assert Swap.parse("4.5s=none", lambda name: None) == Swap(4.5, None)


def test_prompts_in_one_world_share_its_goal():
    def prompt(task, goal):
        zeros = np.zeros(2, np.float32)
        return Prompt.from_episode(Episode(task, {"s": np.zeros((3, 1))}, np.ones((2, 1)), zeros, goal=goal))

    prompts = [None, prompt("other/task", (0.9,)), prompt(LINE.id, (0.1,)), prompt(LINE.id, (0.2,))]
    assert shared_goal(LINE, prompts) == (0.1,) and shared_goal(LINE, prompts[:2]) is None


def test_captions_stay_inside_and_pictures_stand_in_a_row():
    picture = np.full((40, 64, 3), 200, np.uint8)
    captioned_ = captioned(picture, (("a title that is much too long for this", INK), ("b", INK)))
    assert captioned_.shape[1] == 64 and captioned_.shape[0] > 40
    np.testing.assert_array_equal(captioned_[-40:], picture)
    assert tiled([picture, captioned_]).shape == (captioned_.shape[0], 2 * 64 + 4, 3)
    assert tiled([picture] * 5).shape == (2 * 40 + 4, 3 * 64 + 8, 3)
